//! Where a text says it has something from.

use super::{Dialect, Json, Text};

/// A source of a piece of text. The fields are what most dialects have; `native` is the whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation<'a> {
    pub dialect: Dialect,
    pub native: Json<'a>,
    /// A page on the web; none for a document of the request.
    pub url: Option<Text<'a>>,
    pub title: Option<Text<'a>>,
    /// The words of the source.
    pub quote: Option<Text<'a>>,
    /// Where in the answer's text the cited words begin and end, in characters; none where the whole part is meant.
    pub start: Option<u64>,
    pub end: Option<u64>,
}

impl<'a> Citation<'a> {
    pub fn native(dialect: Dialect, native: Json<'a>) -> Citation<'a> {
        Citation {
            dialect,
            native,
            url: None,
            title: None,
            quote: None,
            start: None,
            end: None,
        }
    }

    pub fn into_owned(self) -> Citation<'static> {
        Citation {
            dialect: self.dialect,
            native: self.native.into_owned(),
            url: self.url.map(Text::into_owned),
            title: self.title.map(Text::into_owned),
            quote: self.quote.map(Text::into_owned),
            start: self.start,
            end: self.end,
        }
    }
}
