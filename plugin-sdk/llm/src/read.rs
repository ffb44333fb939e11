//! JSON read in place into the model's texts, numbers and JSON: one pass, no tree. What members mean is left to the
//! dialects.

use std::borrow::Cow;

use crate::fault::{BodyError, Fault};
use crate::json::{
    Cursor, DEFAULT_MAX_DEPTH, JsonError, JsonErrorKind, JsonLimits, Literal, Span, ValueKind,
};
use crate::keys::Keys;
use crate::model::{Extra, Extras, Json, Losses, Number, Text, Usage};
use crate::usage::whole;

/// More pieces (messages, parts, tools, members that nobody knows) than any honest body has: keeps what is read from a
/// hostile one near its own size.
const MAX_PIECES: usize = 65_536;

/// Reads values at a cursor. Strict for requests: what has the wrong type or stands twice is refused. Lenient for what
/// providers send: what has the wrong type is passed and named as a loss.
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    text: &'a str,
    strict: bool,
    pieces: usize,
    pub losses: Losses,
}

/// Where a count of that name belongs.
pub(crate) type PlaceOf = for<'u> fn(&'u mut Usage, &[u8]) -> Option<&'u mut Option<u64>>;

/// The state of a walk over an object's members.
pub(crate) struct Members<'a> {
    members: crate::json::Members,
    keys: Keys<'a>,
    start: usize,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn new(bytes: &'a [u8], strict: bool) -> Result<Reader<'a>, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|wrong| JsonError {
            offset: wrong.valid_up_to(),
            kind: JsonErrorKind::InvalidUtf8,
        })?;
        Ok(Reader {
            cursor: Cursor::unchecked(bytes, &JsonLimits::default()),
            text,
            strict,
            pieces: 0,
            losses: Losses::default(),
        })
    }

    /// Reads a whole body, with nothing but white space behind it.
    pub fn whole<T>(
        bytes: &'a [u8],
        strict: bool,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Fault>,
    ) -> Result<crate::model::Read<T>, BodyError> {
        let all = || {
            let mut reader = Reader::new(bytes, strict)?;
            let value = read(&mut reader)?;
            reader.cursor.end()?;
            Ok((value, reader.losses))
        };
        match all() {
            Ok((value, losses)) => Ok(crate::model::Read { value, losses }),
            Err(fault) => Err(Fault::into_body_error(fault, bytes, DEFAULT_MAX_DEPTH)),
        }
    }

    #[inline]
    pub fn kind(&mut self) -> Result<ValueKind, Fault> {
        Ok(self.cursor.kind()?)
    }

    /// Steps into an object; none where there is something else, which is refused or passed.
    pub fn object(&mut self, what: &'static str) -> Result<Option<Members<'a>>, Fault> {
        if self.kind()? != ValueKind::Object {
            return self.other(what).map(|()| None);
        }
        self.count()?;
        let members = self.cursor.begin_object()?;
        Ok(Some(Members {
            members,
            keys: Keys::new(self.strict),
            start: self.cursor.offset().saturating_sub(1),
        }))
    }

    /// The next member's name, with the cursor before its value; none after the last.
    #[inline]
    pub fn next(&mut self, members: &mut Members<'a>) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        match self.cursor.next_member(&mut members.members)? {
            Some(key) => members.keys.take(&self.cursor, &key).map(Some),
            None => Ok(None),
        }
    }

    /// The object that was just walked to its end, as it was written.
    pub fn walked(&self, members: &Members<'a>) -> Json<'a> {
        Json::checked(self.slice(Span::new(members.start, self.cursor.offset())))
    }

    /// Each element of an array; nothing of null. Anything else is refused or passed.
    pub fn each(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Reader<'a>, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.kind()? {
            ValueKind::Array => {}
            ValueKind::Null => return self.pass(),
            _ => return self.other(what),
        }
        let mut elements = self.cursor.begin_array()?;
        let mut index = 0usize;
        while self.cursor.next_element(&mut elements)? {
            self.count()?;
            read(self, index).map_err(|fault| fault.within_element(index))?;
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// Whether an array comes next whose first element is a number.
    pub fn at_numbers(&mut self) -> Result<bool, Fault> {
        if self.kind()? != ValueKind::Array {
            return Ok(false);
        }
        let inside = self.cursor.offset().saturating_add(1);
        let rest = self.text.as_bytes().get(inside..).unwrap_or_default();
        let first = rest.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(first.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-'))
    }

    /// A string; none for null. Anything else is refused or passed.
    #[inline]
    pub fn text(&mut self, what: &'static str) -> Result<Option<Text<'a>>, Fault> {
        match self.kind()? {
            ValueKind::String => self.literal().map(Some),
            ValueKind::Null => self.pass().map(|()| None),
            _ => self.other(what).map(|()| None),
        }
    }

    /// The strings of an array; nothing of null.
    pub fn texts(&mut self) -> Result<Vec<Text<'a>>, Fault> {
        let mut texts = Vec::new();
        self.each("must be an array of strings", |reader, _| {
            texts.extend(reader.text("must be a string")?);
            Ok(())
        })?;
        Ok(texts)
    }

    /// The string at the cursor.
    #[inline]
    pub fn literal(&mut self) -> Result<Text<'a>, Fault> {
        let Literal { span, .. } = self.cursor.string()?;
        let inner = Span::new(span.start.saturating_add(1), span.end.saturating_sub(1));
        Ok(Text::literal(self.slice(inner)))
    }

    pub fn number(&mut self, what: &'static str) -> Result<Option<Number<'a>>, Fault> {
        match self.kind()? {
            ValueKind::Number => {
                let span = self.cursor.skip()?;
                Ok(Some(Number::checked(self.slice(span))))
            }
            ValueKind::Null => self.pass().map(|()| None),
            _ => self.other(what).map(|()| None),
        }
    }

    /// A whole number that is not negative; none for null, and for any other number.
    pub fn whole_number(&mut self, what: &'static str) -> Result<Option<u64>, Fault> {
        match self.kind()? {
            ValueKind::Number => {
                let span = self.cursor.skip()?;
                Ok(whole(span, self.text.as_bytes()))
            }
            ValueKind::Null => self.pass().map(|()| None),
            _ => self.other(what).map(|()| None),
        }
    }

    /// The counts of an object, each to its place; nothing of what is no object.
    pub fn counts(&mut self, usage: &mut Usage, place: PlaceOf) -> Result<(), Fault> {
        if self.kind()? != ValueKind::Object {
            return self.pass();
        }
        let Some(mut members) = self.object("must be an object of counts")? else {
            return Ok(());
        };
        while let Some(key) = self.next(&mut members)? {
            match place(usage, &key) {
                Some(place) => *place = self.whole_number("must be a whole number")?.or(*place),
                None => self.pass()?,
            }
        }
        Ok(())
    }

    pub fn bool(&mut self, what: &'static str) -> Result<Option<bool>, Fault> {
        match self.kind()? {
            ValueKind::Bool => {
                let span = self.cursor.skip()?;
                Ok(Some(self.slice(span) == "true"))
            }
            ValueKind::Null => self.pass().map(|()| None),
            _ => self.other(what).map(|()| None),
        }
    }

    /// Whatever comes next, unread.
    pub fn json(&mut self) -> Result<Json<'a>, Fault> {
        let span = self.cursor.skip()?;
        Ok(Json::checked(self.slice(span)))
    }

    /// Whatever comes next, unread; none for null.
    pub fn json_or_null(&mut self) -> Result<Option<Json<'a>>, Fault> {
        Ok(Some(self.json()?).filter(|json| !json.is_null()))
    }

    /// Reads a value that was passed unread: what it means was told by a member behind it.
    pub fn revisit<T>(
        &mut self,
        json: &Json<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some(place) = json.place_in(self.text.as_bytes()) else {
            return Ok(None);
        };
        let behind = self.cursor.offset();
        self.cursor.jump(place.start);
        let value = read(self)?;
        self.cursor.jump(behind);
        Ok(Some(value))
    }

    /// Keeps a member that the model has no field for.
    pub fn extra(&mut self, name: Cow<'a, [u8]>, extras: &mut Extras<'a>) -> Result<(), Fault> {
        self.count()?;
        let name = match name {
            Cow::Borrowed(name) => Text::plain(String::from_utf8_lossy(name)),
            Cow::Owned(name) => Text::plain(String::from_utf8_lossy(&name).into_owned()),
        };
        let value = self.json()?;
        extras.push(Extra { name, value });
        Ok(())
    }

    /// Checks and passes a value.
    #[inline]
    pub fn pass(&mut self) -> Result<(), Fault> {
        Ok(self.cursor.skip().map(drop)?)
    }

    /// A value of the wrong type: refused in a request, passed and named in what a provider sent.
    fn other(&mut self, what: &'static str) -> Result<(), Fault> {
        self.cursor.skip()?;
        if self.strict {
            return Err(Fault::wrong_type("", what));
        }
        self.losses.dropped("answer", what);
        Ok(())
    }

    /// One more piece.
    pub fn count(&mut self) -> Result<(), Fault> {
        self.pieces = self.pieces.saturating_add(1);
        if self.pieces > MAX_PIECES {
            return Err(Fault::Json(JsonError {
                offset: self.cursor.offset(),
                kind: JsonErrorKind::TooManyTexts,
            }));
        }
        Ok(())
    }

    pub fn is_strict(&self) -> bool {
        self.strict
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}
