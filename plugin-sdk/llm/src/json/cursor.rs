//! One pass over JSON bytes with offsets: the grammar, and steps into what a reader wants. What no reader wants is left
//! to `skip`.

use std::borrow::Cow;

use super::text::{escape_at, plain_end, unescape};
use super::{HIGHEST_MAX_DEPTH, JsonError, JsonErrorKind, JsonLimits, Span};

/// A place in JSON bytes.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) depth: usize,
    max_depth: usize,
}

/// What the next value is, told by its first byte.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A string as it stands in the bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// With both quotes.
    pub span: Span,
    /// In bytes of UTF-8, once unescaped.
    pub length: usize,
}

impl Literal {
    pub fn is_escaped(&self) -> bool {
        self.length + 2 != self.span.len()
    }
}

/// The state of a walk over an object's members.
#[derive(Debug)]
pub(crate) struct Members {
    first: bool,
}

/// The state of a walk over an array's elements.
#[derive(Debug)]
pub(crate) struct Elements {
    first: bool,
}

impl<'a> Cursor<'a> {
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn new(bytes: &'a [u8], limits: &JsonLimits) -> Result<Cursor<'a>, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(Cursor::unchecked(bytes, limits)),
            Err(wrong) => Err(JsonError {
                offset: wrong.valid_up_to(),
                kind: JsonErrorKind::InvalidUtf8,
            }),
        }
    }

    /// A cursor over bytes that were checked before: skips the UTF-8 check, nothing else.
    pub(crate) fn unchecked(bytes: &'a [u8], limits: &JsonLimits) -> Cursor<'a> {
        Cursor {
            bytes,
            at: 0,
            depth: 0,
            max_depth: limits.max_depth.min(HIGHEST_MAX_DEPTH),
        }
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn jump(&mut self, to: usize) {
        self.at = to;
    }

    /// What comes next, after white space.
    ///
    /// # Errors
    /// Nothing that starts a value comes next.
    #[inline]
    pub fn kind(&mut self) -> Result<ValueKind, JsonError> {
        match self.peek()? {
            b'"' => Ok(ValueKind::String),
            b'{' => Ok(ValueKind::Object),
            b'[' => Ok(ValueKind::Array),
            b't' | b'f' => Ok(ValueKind::Bool),
            b'n' => Ok(ValueKind::Null),
            b'-' | b'0'..=b'9' => Ok(ValueKind::Number),
            _ => Err(self.error(JsonErrorKind::ExpectedValue)),
        }
    }

    /// Steps into an object.
    ///
    /// # Errors
    /// No object comes next, or it is too deep.
    pub fn begin_object(&mut self) -> Result<Members, JsonError> {
        if self.peek()? != b'{' {
            return Err(self.error(JsonErrorKind::ExpectedObject));
        }
        self.enter()?;
        Ok(Members { first: true })
    }

    /// The next member's key, with the cursor before its value; none after the last, with the object behind.
    ///
    /// # Errors
    /// What comes next is neither a member nor the object's end.
    #[inline]
    pub fn next_member(&mut self, members: &mut Members) -> Result<Option<Literal>, JsonError> {
        if !self.more(b'}', &mut members.first)? {
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Steps into an array.
    ///
    /// # Errors
    /// No array comes next, or it is too deep.
    pub fn begin_array(&mut self) -> Result<Elements, JsonError> {
        if self.peek()? != b'[' {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
        self.enter()?;
        Ok(Elements { first: true })
    }

    /// Whether an element comes next, with the cursor before it; if not, the array is behind.
    ///
    /// # Errors
    /// What comes next is neither an element nor the array's end.
    #[inline]
    pub fn next_element(&mut self, elements: &mut Elements) -> Result<bool, JsonError> {
        self.more(b']', &mut elements.first)
    }

    /// # Errors
    /// No valid string comes next.
    #[inline]
    pub fn string(&mut self) -> Result<Literal, JsonError> {
        if self.peek()? != b'"' {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
        self.quoted()
    }

    /// A key or a text without its quotes and escapes.
    #[inline]
    pub fn text(&self, literal: &Literal) -> Cow<'a, [u8]> {
        if !literal.is_escaped() {
            return Cow::Borrowed(&self.bytes[literal.span.start + 1..literal.span.end - 1]);
        }
        match unescape(literal.span.of(self.bytes)) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }

    /// # Errors
    /// Something other than white space is left.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.white_space();
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(self.error(JsonErrorKind::TrailingBytes)),
        }
    }

    /// Reads anything but an object or array; false, as nothing was entered.
    #[inline]
    pub(super) fn scalar(&mut self, first: u8) -> Result<bool, JsonError> {
        match first {
            b'"' => self.quoted().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.error(JsonErrorKind::ExpectedValue)),
        }?;
        Ok(false)
    }

    /// The string whose quote is at hand.
    #[inline]
    fn quoted(&mut self) -> Result<Literal, JsonError> {
        let start = self.at;
        let mut at = start + 1;
        let mut saved = 0;
        loop {
            at = plain_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (decoded, next) = escape_at(self.bytes, at)?;
                    saved += next - at - decoded.len_utf8();
                    at = next;
                }
                Some(_) => {
                    return Err(JsonError {
                        offset: at,
                        kind: JsonErrorKind::ControlCharacter,
                    });
                }
                None => {
                    return Err(JsonError {
                        offset: at,
                        kind: JsonErrorKind::UnexpectedEnd,
                    });
                }
            }
        }
        self.at = at + 1;
        Ok(Literal {
            span: Span::new(start, self.at),
            length: at - start - 1 - saved,
        })
    }

    /// Inside a container: steps over a comma if one is due, or over the closing byte.
    #[inline]
    pub(super) fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, JsonError> {
        let next = self.peek()?;
        if next == close {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
            return Ok(false);
        }
        if !std::mem::replace(first, false) {
            if next != b',' {
                return Err(self.error(JsonErrorKind::ExpectedCommaOrEnd));
            }
            self.at += 1;
            self.peek()?;
        }
        Ok(true)
    }

    #[inline]
    pub(super) fn key(&mut self) -> Result<Literal, JsonError> {
        if self.peek()? != b'"' {
            return Err(self.error(JsonErrorKind::ExpectedKey));
        }
        let key = self.quoted()?;
        if self.peek()? != b':' {
            return Err(self.error(JsonErrorKind::ExpectedColon));
        }
        self.at += 1;
        Ok(key)
    }

    pub(super) fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= self.max_depth {
            return Err(self.error(JsonErrorKind::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.step_over(b"-");
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.step_over(b".") {
            self.digits()?;
        }
        if self.step_over(b"eE") {
            self.step_over(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match self.at > from {
            true => Ok(()),
            false => Err(self.error(JsonErrorKind::BadNumber)),
        }
    }

    fn step_over(&mut self, one_of: &[u8]) -> bool {
        let found = self.bytes.get(self.at).is_some_and(|byte| one_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, JsonError> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte > b' ' => Ok(*byte),
            _ => self.peek_behind_space(),
        }
    }

    fn peek_behind_space(&mut self) -> Result<u8, JsonError> {
        self.white_space();
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => Err(self.error(JsonErrorKind::UnexpectedEnd)),
        }
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[cold]
    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError {
            offset: self.at,
            kind,
        }
    }
}
