//! The two ways in which a plugin's instances can live. An operator may choose either, so a case has to pass in both and a
//! hook is measured in both.

use penstock_plugin_host::Instances;

/// How long instances live.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Kept for the next hook, as a gateway does where nothing is said.
    Reused,
    /// A new one for every hook.
    Fresh,
}

impl Way {
    pub const BOTH: [Way; 2] = [Way::Reused, Way::Fresh];

    /// The word that a configuration has for it.
    pub fn word(self) -> &'static str {
        match self {
            Way::Reused => "reused",
            Way::Fresh => "fresh",
        }
    }

    pub fn instances(self) -> Instances {
        match self {
            Way::Reused => Instances::default(),
            Way::Fresh => Instances::Fresh,
        }
    }
}

/// Holds what has to hold in both ways.
///
/// # Errors
/// What did not hold, and in which way where the other has nothing to say, or something else.
pub(crate) fn in_both(holds: impl FnMut(Way) -> Result<(), String>) -> Result<(), String> {
    match Way::BOTH.map(holds) {
        [Ok(()), Ok(())] => Ok(()),
        [Err(why), Ok(())] => Err(format!("only with reused instances: {why}")),
        [Ok(()), Err(why)] => Err(format!("only with fresh instances: {why}")),
        [Err(reused), Err(fresh)] if reused == fresh => Err(reused),
        [Err(reused), Err(fresh)] => Err(format!(
            "with reused instances: {reused}\nwith fresh instances: {fresh}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(reused: Result<(), &str>, fresh: Result<(), &str>) -> Result<(), String> {
        in_both(|way| match way {
            Way::Reused => reused.map_err(str::to_string),
            Way::Fresh => fresh.map_err(str::to_string),
        })
    }

    #[test]
    fn a_case_has_to_pass_in_both_ways() {
        assert_eq!(judged(Ok(()), Ok(())), Ok(()));
        assert_eq!(judged(Err("a"), Err("a")), Err("a".to_string()));
        assert_eq!(
            judged(Err("a"), Ok(())),
            Err("only with reused instances: a".to_string())
        );
        assert_eq!(
            judged(Ok(()), Err("b")),
            Err("only with fresh instances: b".to_string())
        );
        assert_eq!(
            judged(Err("a"), Err("b")),
            Err("with reused instances: a\nwith fresh instances: b".to_string())
        );
    }
}
