//! Marks that say up to where a provider should keep a prompt.

use super::{Extras, Text};

/// Everything up to the marked piece may be cached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheMark<'a> {
    /// How long, in the dialect's words (`5m`, `1h`, `30m`); none for its default.
    pub ttl: Option<Text<'a>>,
    /// What else the mark says.
    pub extras: Extras<'a>,
}

impl CacheMark<'_> {
    pub fn into_owned(self) -> CacheMark<'static> {
        CacheMark {
            ttl: self.ttl.map(Text::into_owned),
            extras: super::raw::own_extras(self.extras),
        }
    }
}
