//! Paths that an operator writes.

/// A path of the settings, checked as the gateway will check it with every call: it begins with one `/` and stays below.
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn checked_path(path: Option<String>) -> Result<Option<String>, String> {
    let Some(written) = &path else { return Ok(None) };
    let place = written.split('?').next().unwrap_or("");
    let is_path = written.starts_with('/')
        && !written.starts_with("//")
        && written
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && !place.split('/').any(|part| part == "..");
    match is_path {
        true => Ok(path),
        false => Err("path: expected a path under the provider's base URL, such as /v1/messages".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_settings_stays_below_the_base_url() {
        for good in ["/v1/messages", "/x?api-version=1"] {
            assert_eq!(checked_path(Some(good.to_string())), Ok(Some(good.to_string())));
        }
        for bad in ["", "x", "//x", "/a/../b", "/a b", "/a#b"] {
            assert!(checked_path(Some(bad.to_string())).is_err(), "{bad}");
        }
        assert_eq!(checked_path(None), Ok(None));
    }
}
