//! The settings of route-balance, read and checked once.

use penstock_plugin::prelude::Deserialize;

/// A target with this many failures in a row goes behind the others: one failure is often the request's own fault, three
/// rarely are.
const DEFAULT_FAILURES: u32 = 3;

/// See the table in README.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub strategy: Strategy,
    pub sticky_by: StickyBy,
    pub failures: u32,
    pub max: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            strategy: Strategy::default(),
            sticky_by: StickyBy::default(),
            failures: DEFAULT_FAILURES,
            max: None,
        }
    }
}

impl Settings {
    /// What serde cannot say.
    pub fn check(&self) -> Result<(), String> {
        if self.failures == 0 {
            return Err("failures: expected a number of 1 or more".to_string());
        }
        if self.max == Some(0) {
            return Err(
                "max: expected a number of 1 or more, or nothing at all to try every target".to_string(),
            );
        }
        Ok(())
    }
}

/// What decides the order.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    #[default]
    Weighted,
    Cheapest,
    Fastest,
    LeastLoaded,
    Sticky,
}

/// What `sticky` keeps together.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub enum StickyBy {
    #[default]
    Caller,
    Header(String),
    Conversation,
}

impl TryFrom<String> for StickyBy {
    type Error = String;

    fn try_from(text: String) -> Result<StickyBy, String> {
        match text.as_str() {
            "caller" => return Ok(StickyBy::Caller),
            "conversation" => return Ok(StickyBy::Conversation),
            _ => {}
        }
        match text.strip_prefix("header:") {
            Some(name) if is_header_name(name) => Ok(StickyBy::Header(name.to_ascii_lowercase())),
            _ => Err(format!(
                "sticky_by: expected caller, conversation or header:<name>, not `{text}`"
            )),
        }
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
