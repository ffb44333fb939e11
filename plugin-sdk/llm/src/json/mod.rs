//! Strict JSON (RFC 8259) read in place: where things are and whether they are valid. Makes no tree and no values.

mod balance;
mod cursor;
mod pointer;
mod rename;
mod skip;
mod text;

use std::fmt;

pub(crate) use balance::Balance;
pub(crate) use cursor::{Cursor, Literal, Members, ValueKind};
pub(crate) use pointer::{Child, array_index, children, first_children, last_child, tokens};
pub use pointer::{elements, pointer};
pub use rename::renamed;
pub(crate) use text::{escape_inner_into, is_literal_inner, lossy, unescape_inner};
pub use text::{escape_into, unescape};

/// Nesting that `JsonLimits::default()` allows: what serde_json allows, far above any schema seen in the wild.
pub const DEFAULT_MAX_DEPTH: usize = 128;

/// Nesting that no `JsonLimits` can pass: the cursor keeps one bit per level in a fixed array.
pub const HIGHEST_MAX_DEPTH: usize = 1024;

/// A range of bytes, `end` excluded.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes at this span, empty where the span does not fit `bytes`.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The same bytes, counted from `base` bytes further left.
    pub fn offset_by(&self, base: usize) -> Span {
        Span {
            start: self.start + base,
            end: self.end + base,
        }
    }

    pub(crate) fn contains(&self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// How much JSON is accepted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Arrays and objects inside each other; at most [`HIGHEST_MAX_DEPTH`].
    pub max_depth: usize,
}

impl Default for JsonLimits {
    fn default() -> JsonLimits {
        JsonLimits {
            max_depth: DEFAULT_MAX_DEPTH,
        }
    }
}

/// Where and why bytes are not JSON. Holds nothing of the bytes themselves.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// In bytes from the start.
    pub offset: usize,
    pub kind: JsonErrorKind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    UnexpectedEnd,
    InvalidUtf8,
    ExpectedValue,
    ExpectedKey,
    ExpectedColon,
    ExpectedCommaOrEnd,
    ExpectedObject,
    ControlCharacter,
    BadEscape,
    BadNumber,
    TrailingBytes,
    TooDeep,
    /// More texts than a reader indexes.
    TooManyTexts,
}

impl JsonError {
    /// Line and column, both from 1, the column in bytes.
    pub fn line_column(&self, bytes: &[u8]) -> (usize, usize) {
        let before = &bytes[..self.offset.min(bytes.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        (
            memchr::memchr_iter(b'\n', before).count() + 1,
            before.len() - line_start + 1,
        )
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl std::error::Error for JsonError {}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JsonErrorKind::UnexpectedEnd => "unexpected end of input",
            JsonErrorKind::InvalidUtf8 => "invalid UTF-8",
            JsonErrorKind::ExpectedValue => "expected a value",
            JsonErrorKind::ExpectedKey => "expected a key in double quotes",
            JsonErrorKind::ExpectedColon => "expected a colon after the key",
            JsonErrorKind::ExpectedCommaOrEnd => "expected a comma or the end of the array or object",
            JsonErrorKind::ExpectedObject => "expected an object",
            JsonErrorKind::ControlCharacter => "control character in a string, which has to be escaped",
            JsonErrorKind::BadEscape => "invalid escape in a string",
            JsonErrorKind::BadNumber => "invalid number",
            JsonErrorKind::TrailingBytes => "more bytes after the value",
            JsonErrorKind::TooDeep => "arrays and objects are nested too deeply",
            JsonErrorKind::TooManyTexts => "more texts than are read",
        })
    }
}

/// Whether `text` is a number and nothing else.
pub(crate) fn is_number(text: &str) -> bool {
    let mut cursor = Cursor::unchecked(text.as_bytes(), &JsonLimits::default());
    let number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    number && cursor.skip() == Ok(Span::new(0, text.len()))
}

/// Whether `bytes` are one JSON value with nothing but white space around it.
///
/// # Errors
/// The first place where they are not, or where they are nested deeper than the limit.
pub fn validate(bytes: &[u8], limits: &JsonLimits) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(bytes, limits)?;
    cursor.skip()?;
    cursor.end()
}
