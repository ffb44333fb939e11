//! What a model's name says of its abilities, where nobody says it better: generations of Gemini differ in how they are
//! told to think and which schemas they take (APIS.md 4.4, 9.3, 9.6).

/// A generation of models, and which of its sizes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Major and minor; none for a name that says none (tuned models, endpoints).
    version: Option<(u32, u32)>,
    pub pro: bool,
    pub lite: bool,
}

impl Family {
    pub fn of(model: &str) -> Family {
        let name = model.rsplit('/').next().unwrap_or_default();
        Family {
            version: version(name),
            pro: name.contains("pro"),
            lite: name.contains("lite"),
        }
    }

    /// Thinks by levels, signs its calls and checks the signatures, takes media in results.
    pub fn is_third(self) -> bool {
        self.version.is_some_and(|version| version >= (3, 0))
    }

    /// Thinks by budgets.
    pub fn is_two_five(self) -> bool {
        self.version == Some((2, 5))
    }

    /// Cannot be told how to think.
    pub fn is_before_thinking(self) -> bool {
        self.version.is_some_and(|version| version < (2, 5))
    }

    /// Takes JSON Schema as it is; those before take a subset of OpenAPI's alone.
    pub fn takes_json_schema(self) -> bool {
        !self.is_before_thinking()
    }

    /// The first Pro of the third generation has two levels.
    pub fn has_no_medium(self) -> bool {
        self.pro && self.version == Some((3, 0))
    }
}

/// `gemini-2.5-flash` is 2.5, `gemini-3-pro-preview` is 3.0, and `gemini-flash-latest` is newer than any.
fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix("gemini-")?;
    if rest.ends_with("-latest") && !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((3, u32::MAX));
    }
    let number = rest.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn a_models_name_tells_its_generation() {
        let third = |name| Family::of(name).is_third();
        assert!(third("gemini-3-pro-preview") && third("models/gemini-3.1-flash-lite"));
        assert!(third("gemini-flash-latest") && !third("gemini-2.5-flash"));
        assert!(Family::of("gemini-2.5-pro").is_two_five() && Family::of("gemini-2.5-pro").pro);
        assert!(Family::of("gemini-2.0-flash-001").is_before_thinking());
        assert!(Family::of("gemini-1.5-flash-latest").is_before_thinking());
        for unknown in [
            "",
            "gemma-3-27b",
            "tunedModels/mine",
            "gemini-",
            "gemini-x.y",
            "gemini-99999999999.1",
        ] {
            assert!(
                !third(unknown) && Family::of(unknown).takes_json_schema(),
                "{unknown}"
            );
        }
    }
}
