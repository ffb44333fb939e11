//! A string on its way from one JSON to another: kept as it was spelled until somebody looks into it.

use std::borrow::Cow;

use crate::json::{Span, escape_inner_into, escape_into, unescape_inner};

/// A text. One that was read in place keeps its spelling, escapes included, and is written as it came: nothing is
/// decoded, and lone surrogates, which UTF-8 does not have, get through. Equal texts may be spelled differently.
#[derive(Clone, Debug)]
pub struct Text<'a>(Spelling<'a>);

#[derive(Clone, Debug)]
enum Spelling<'a> {
    /// What stands between a literal's quotes.
    Literal(Cow<'a, str>),
    Plain(Cow<'a, str>),
}

impl<'a> Text<'a> {
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Text<'a> {
        Text(Spelling::Plain(text.into()))
    }

    /// `inner` is what stands between the quotes of a literal that a cursor accepted.
    pub(crate) fn literal(inner: &'a str) -> Text<'a> {
        Text(Spelling::Literal(Cow::Borrowed(inner)))
    }

    /// The text itself, without a copy where its spelling is plain.
    pub fn get(&self) -> Cow<'_, str> {
        match &self.0 {
            Spelling::Literal(inner) => unescape_inner(inner.as_bytes()),
            Spelling::Plain(text) => Cow::Borrowed(text),
        }
    }

    pub fn into_string(self) -> String {
        self.get().into_owned()
    }

    pub fn is_empty(&self) -> bool {
        self.spelled().is_empty()
    }

    /// Whether there is nothing in it but white space.
    pub fn is_blank(&self) -> bool {
        self.get().trim().is_empty()
    }

    /// Whether it was a JSON string; otherwise it was made, or is JSON that stands for itself.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self.0, Spelling::Literal(_))
    }

    /// The spelling of the text in JSON, without quotes, as a text of its own: for JSON that is itself a text.
    pub(crate) fn into_spelling(self) -> Text<'a> {
        match self.0 {
            Spelling::Literal(inner) => Text(Spelling::Plain(inner)),
            Spelling::Plain(text) => {
                let mut spelled = Vec::with_capacity(text.len());
                escape_inner_into(&text, &mut spelled);
                Text::plain(String::from_utf8_lossy(&spelled).into_owned())
            }
        }
    }

    pub fn is(&self, text: &str) -> bool {
        *self.get() == *text
    }

    /// In bytes of UTF-8, once decoded.
    pub fn len(&self) -> usize {
        self.get().len()
    }

    pub fn push(&mut self, more: &Text<'_>) {
        match (&mut self.0, &more.0) {
            (Spelling::Plain(text), Spelling::Plain(more)) => text.to_mut().push_str(more),
            // a surrogate pair that was split into two deltas becomes one again
            (Spelling::Literal(inner), Spelling::Literal(more)) => inner.to_mut().push_str(more),
            (Spelling::Plain(text), Spelling::Literal(_)) if text.is_empty() => {
                *self = more.clone().into_owned()
            }
            (Spelling::Plain(text), Spelling::Literal(_)) => text.to_mut().push_str(&more.get()),
            (Spelling::Literal(inner), Spelling::Plain(more)) => {
                let mut spelled = Vec::with_capacity(more.len());
                escape_inner_into(more, &mut spelled);
                inner.to_mut().push_str(&String::from_utf8_lossy(&spelled));
            }
        }
    }

    pub fn into_owned(self) -> Text<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Text(match self.0 {
            Spelling::Literal(inner) => Spelling::Literal(own(inner)),
            Spelling::Plain(text) => Spelling::Plain(own(text)),
        })
    }

    /// The same text for as long as this one is there.
    pub fn borrowed(&self) -> Text<'_> {
        Text(match &self.0 {
            Spelling::Literal(inner) => Spelling::Literal(Cow::Borrowed(inner)),
            Spelling::Plain(text) => Spelling::Plain(Cow::Borrowed(text)),
        })
    }

    /// The pieces before and after the first `separator`, an ASCII character that JSON need not escape and that stands
    /// in none of its escapes; without a copy where the text was read in place.
    pub(crate) fn cut(&self, separator: char) -> Option<(Text<'a>, Text<'a>)> {
        fn pieces<'a>(text: &Cow<'a, str>, separator: char) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
            match text {
                Cow::Borrowed(text) => text.split_once(separator).map(|(a, b)| (a.into(), b.into())),
                Cow::Owned(text) => {
                    let (before, after) = text.split_once(separator)?;
                    Some((before.to_owned().into(), after.to_owned().into()))
                }
            }
        }
        let form: fn(Cow<'a, str>) -> Text<'a> = match &self.0 {
            Spelling::Literal(_) => |piece| Text(Spelling::Literal(piece)),
            Spelling::Plain(_) => |piece| Text(Spelling::Plain(piece)),
        };
        let (Spelling::Literal(text) | Spelling::Plain(text)) = &self.0;
        let (before, after) = pieces(text, separator)?;
        Some((form(before), form(after)))
    }

    /// Writes the text as a JSON string, with its quotes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Spelling::Literal(_) => {
                out.push(b'"');
                self.write_inner(out);
                out.push(b'"');
            }
            Spelling::Plain(text) => escape_into(text, out),
        }
    }

    /// The same without the quotes, to be one piece of several.
    pub fn write_inner(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Spelling::Literal(inner) => out.extend_from_slice(inner.as_bytes()),
            Spelling::Plain(text) => escape_inner_into(text, out),
        }
    }

    /// Where the text stands in the body that it was read from: the literal with its quotes, or JSON that stands there
    /// as such, told by the second value. None for a text that was made, or read from another body.
    pub fn place_in(&self, body: &[u8]) -> Option<(Span, bool)> {
        let (text, raw) = match &self.0 {
            Spelling::Literal(Cow::Borrowed(inner)) => (inner, false),
            Spelling::Plain(Cow::Borrowed(text)) => (text, true),
            _ => return None,
        };
        let inner = place_of(text.as_bytes(), body)?;
        if raw {
            return (!inner.is_empty()).then_some((inner, true));
        }
        let span = Span::new(inner.start.checked_sub(1)?, inner.end.checked_add(1)?);
        let quoted = body.get(span.start) == Some(&b'"') && body.get(inner.end) == Some(&b'"');
        quoted.then_some((span, false))
    }

    /// Where the text's bytes stand in the body that it was read from, which may be a part of a literal.
    pub(super) fn bytes_in(&self, body: &[u8]) -> Option<Span> {
        match &self.0 {
            Spelling::Literal(Cow::Borrowed(text)) | Spelling::Plain(Cow::Borrowed(text)) => {
                place_of(text.as_bytes(), body)
            }
            _ => None,
        }
    }

    /// As it is spelled, in either form.
    pub(crate) fn spelled(&self) -> &str {
        match &self.0 {
            Spelling::Literal(text) | Spelling::Plain(text) => text,
        }
    }
}

/// Where the slice `part` lies in `whole`; none where it is no part of it.
pub(super) fn place_of(part: &[u8], whole: &[u8]) -> Option<Span> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(Span::new(start, end))
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Text<'_>) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Text<'_> {}

impl Default for Text<'_> {
    fn default() -> Self {
        Text::plain("")
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text::plain(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::plain(text)
    }
}
