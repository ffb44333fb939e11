//! JSON and numbers that pass through unread: their bytes are kept, order and spelling of numbers included.

use std::borrow::Cow;

use crate::json::{Child, JsonLimits, Span, children, pointer, validate};
use crate::usage::whole;

use super::Text;
use super::text::place_of;

/// One valid JSON value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<'a>(Cow<'a, str>);

impl<'a> Json<'a> {
    /// None where `text` is not one JSON value.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Option<Json<'a>> {
        let text = text.into();
        validate(text.as_bytes(), &JsonLimits::default()).ok()?;
        Some(Json(text))
    }

    /// `text` is one JSON value that a cursor accepted, or that was written by this crate.
    pub(crate) fn checked(text: impl Into<Cow<'a, str>>) -> Json<'a> {
        Json(text.into())
    }

    pub fn get(&self) -> &str {
        &self.0
    }

    pub fn is_object(&self) -> bool {
        self.0.trim_start().starts_with('{')
    }

    pub fn is_null(&self) -> bool {
        self.0.trim() == "null"
    }

    /// The value at an RFC 6901 pointer inside this one.
    pub fn pointer(&self, rfc6901: &str) -> Option<Json<'_>> {
        let span = pointer(self.0.as_bytes(), rfc6901)?;
        self.0.get(span.start..span.end).map(Json::checked)
    }

    /// The text, where the value is a string.
    pub fn as_text(&self) -> Option<Text<'_>> {
        let inner = self.0.trim().strip_prefix('"')?.strip_suffix('"')?;
        Some(Text::literal(inner))
    }

    /// An object's members in their order; none for other values.
    pub fn members(&self) -> Vec<(Text<'_>, Json<'_>)> {
        let bytes = self.0.as_bytes();
        let children = pointer(bytes, "")
            .and_then(|whole| children(bytes, whole))
            .unwrap_or_default();
        let member = |child: Child| {
            let key = child.key?;
            let name = self.0.get(key.start.checked_add(1)?..key.end.checked_sub(1)?)?;
            let value = self.0.get(child.value.start..child.value.end)?;
            Some((Text::literal(name), Json::checked(value)))
        };
        children.into_iter().filter_map(member).collect()
    }

    /// An array's elements; none for other values.
    pub fn elements(&self) -> Vec<Json<'_>> {
        let bytes = self.0.as_bytes();
        let children = pointer(bytes, "")
            .and_then(|whole| children(bytes, whole))
            .unwrap_or_default();
        let element = |child: Child| match child.key {
            Some(_) => None,
            None => self.0.get(child.value.start..child.value.end).map(Json::checked),
        };
        children.into_iter().filter_map(element).collect()
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.0.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        whole(Span::new(0, self.0.len()), self.0.as_bytes())
    }

    /// The value as a text that holds JSON, as for a tool call's arguments.
    pub fn into_text(self) -> Text<'a> {
        Text::plain(self.0)
    }

    pub fn into_owned(self) -> Json<'static> {
        Json(Cow::Owned(self.0.into_owned()))
    }

    pub fn borrowed(&self) -> Json<'_> {
        Json(Cow::Borrowed(&self.0))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    /// Where the value stands in the body that it was read from.
    pub fn place_in(&self, body: &[u8]) -> Option<Span> {
        match &self.0 {
            Cow::Borrowed(text) => place_of(text.as_bytes(), body),
            Cow::Owned(_) => None,
        }
    }
}

/// A JSON number with its digits as they came: `0.70` stays `0.70`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number<'a>(Cow<'a, str>);

impl<'a> Number<'a> {
    /// `text` is a number that a cursor accepted.
    pub(crate) fn checked(text: &'a str) -> Number<'a> {
        Number(Cow::Borrowed(text))
    }

    pub fn whole(value: u64) -> Number<'static> {
        Number(Cow::Owned(value.to_string()))
    }

    pub fn get(&self) -> &str {
        &self.0
    }

    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    /// The value if it is a whole number and not negative: `12`, `12.0`, `1.2e1`.
    pub fn as_u64(&self) -> Option<u64> {
        whole(Span::new(0, self.0.len()), self.0.as_bytes())
    }

    pub fn into_owned(self) -> Number<'static> {
        Number(Cow::Owned(self.0.into_owned()))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// A member that the model has no field for, under its native name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra<'a> {
    pub name: Text<'a>,
    pub value: Json<'a>,
}

impl<'a> Extra<'a> {
    /// A member whose value is a string.
    pub fn text(name: &'static str, value: &Text<'_>) -> Extra<'a> {
        let mut literal = Vec::new();
        value.write(&mut literal);
        Extra {
            name: Text::plain(name),
            value: Json::checked(String::from_utf8_lossy(&literal).into_owned()),
        }
    }
}

/// Such members, in their order.
pub type Extras<'a> = Vec<Extra<'a>>;

/// The member of that name, the last one where there are several.
pub fn extra<'e, 'a>(extras: &'e [Extra<'a>], name: &str) -> Option<&'e Json<'a>> {
    let named = extras.iter().rev().find(|extra| extra.name.is(name))?;
    Some(&named.value)
}

pub(super) fn own_extras(extras: Extras<'_>) -> Extras<'static> {
    let own = |extra: Extra<'_>| Extra {
        name: extra.name.into_owned(),
        value: extra.value.into_owned(),
    };
    extras.into_iter().map(own).collect()
}
