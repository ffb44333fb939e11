//! The only file that names the YAML library.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::KitError;

/// A plugin's YAML file is written by hand; more than this is a mistake.
const LONGEST_FILE: u64 = 4 << 20;

/// The file as `T`; an error names file, line and what was expected.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, KitError> {
    let length = std::fs::metadata(path)
        .map_err(|error| KitError::file("cannot read", path, &error))?
        .len();
    if length > LONGEST_FILE {
        return Err(KitError::new(format!(
            "{}: {length} bytes, at most {LONGEST_FILE} are read",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| KitError::file("cannot read", path, &error))?;
    parse(&text).map_err(|error| KitError::new(format!("{}{error}", path.display())))
}

/// The text as `T`. An error starts with the place, `:3:8: `, to be put behind the file's name.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or_else(String::new, |location| {
            format!(":{}:{}", location.line(), location.column())
        });
        let told = error.without_snippet().to_string();
        // the library ends its sentence with the place, too
        let sentence = told.rfind(" at line ").map_or(&*told, |end| &told[..end]);
        format!("{place}: {sentence}")
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are looked at")]
    struct Small {
        hooks: Vec<String>,
    }

    #[test]
    fn a_mistake_is_told_in_a_line_with_its_place() {
        let error = |text| parse::<Small>(text).unwrap_err();
        assert_eq!(
            error("hook: x"),
            ":1:1: unknown field `hook`, expected one of hooks"
        );
        assert_eq!(
            error("# of a plugin\nhooks: [on-route\n"),
            ":2:8: unclosed bracket '['"
        );
    }
}
