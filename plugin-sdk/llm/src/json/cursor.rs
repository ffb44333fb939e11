//! One pass over JSON bytes with offsets: steps into what a reader wants, skips (and still checks) the rest.
//! Never recurses: nesting inside skipped values is one bit per level.

use std::borrow::Cow;

use super::text::{escape_at, plain_end, unescape};
use super::{HIGHEST_MAX_DEPTH, JsonError, JsonErrorKind, JsonLimits, Span};

/// A place in JSON bytes.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    max_depth: usize,
}

/// What the next value is, told by its first byte.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A string as it stands in the bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Literal {
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
pub struct Members {
    first: bool,
}

/// The state of a walk over an array's elements.
#[derive(Debug)]
pub struct Elements {
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
    pub fn string(&mut self) -> Result<Literal, JsonError> {
        if self.peek()? != b'"' {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
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

    /// Checks the next value, whatever it is, and says where it was.
    ///
    /// # Errors
    /// It is not valid JSON or nested too deeply.
    pub fn skip(&mut self) -> Result<Span, JsonError> {
        self.white_space();
        let start = self.at;
        let outer = self.depth;
        let mut nesting = Nesting([0; HIGHEST_MAX_DEPTH / 64]);
        loop {
            let entered = self.value_or_opening(&mut nesting)?;
            if !entered && !self.continues(outer, &nesting)? {
                return Ok(Span::new(start, self.at));
            }
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

    /// Reads a scalar or an empty container whole (false), or steps to a container's first value (true).
    #[inline]
    fn value_or_opening(&mut self, nesting: &mut Nesting) -> Result<bool, JsonError> {
        match self.peek()? {
            b'"' => self.string().map(|_| false),
            b'{' => {
                self.enter()?;
                nesting.set(self.depth, true);
                let entered = self.more(b'}', &mut true)?;
                if entered {
                    self.key()?;
                }
                Ok(entered)
            }
            b'[' => {
                self.enter()?;
                nesting.set(self.depth, false);
                self.more(b']', &mut true)
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number().map(|()| false),
            _ => Err(self.error(JsonErrorKind::ExpectedValue)),
        }
    }

    /// After a value: whether another one comes next inside what was entered since `outer`.
    #[inline]
    fn continues(&mut self, outer: usize, nesting: &Nesting) -> Result<bool, JsonError> {
        while self.depth > outer {
            let in_object = nesting.is_object(self.depth);
            if !self.more(if in_object { b'}' } else { b']' }, &mut false)? {
                continue;
            }
            if in_object {
                self.key()?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Inside a container: steps over a comma if one is due, or over the closing byte.
    #[inline]
    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, JsonError> {
        let next = self.peek()?;
        if next == close {
            self.at += 1;
            self.depth -= 1;
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
    fn key(&mut self) -> Result<Literal, JsonError> {
        if self.peek()? != b'"' {
            return Err(self.error(JsonErrorKind::ExpectedKey));
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return Err(self.error(JsonErrorKind::ExpectedColon));
        }
        self.at += 1;
        Ok(key)
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= self.max_depth {
            return Err(self.error(JsonErrorKind::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
        self.at += word.len();
        Ok(false)
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
    fn peek(&mut self) -> Result<u8, JsonError> {
        self.white_space();
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => Err(self.error(JsonErrorKind::UnexpectedEnd)),
        }
    }

    #[inline]
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

/// For each level, whether it is an object.
struct Nesting([u64; HIGHEST_MAX_DEPTH / 64]);

impl Nesting {
    /// `depth` counts from 1 and is at most `HIGHEST_MAX_DEPTH`, which `Cursor::enter` sees to.
    #[inline]
    fn set(&mut self, depth: usize, object: bool) {
        let (word, bit) = ((depth - 1) / 64, (depth - 1) % 64);
        self.0[word] = self.0[word] & !(1 << bit) | (u64::from(object) << bit);
    }

    #[inline]
    fn is_object(&self, depth: usize) -> bool {
        self.0[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1
    }
}
