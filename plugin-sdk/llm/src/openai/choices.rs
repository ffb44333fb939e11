//! What a provider sent, read in place: choices with their texts, usage and errors, in a whole answer or in an event.
//! Both go through this one reader, so what a guard sees of a stream it sees of an answer.

use smallvec::SmallVec;

use super::error::is_truthy;
use super::message::{Found, Reader};
use super::{Finish, Kind, Logprobs, Operation, Provenance};
use crate::json::{Cursor, JsonError, JsonErrorKind, JsonLimits, Span, ValueKind};
use crate::usage::Usage;

/// More texts in one answer or event than any provider sends: keeps the index of a hostile one small.
const MAX_TEXTS: usize = 65_536;

/// What was found in one answer or event.
pub(super) struct Sent {
    pub found: Found,
    pub finishes: SmallVec<[Finish; 1]>,
    pub logprobs: SmallVec<[Logprobs; 1]>,
    /// None where there is no array of choices.
    pub choices: Option<u32>,
    pub usage: Option<Usage>,
    /// The literal.
    pub model: Option<Span>,
    pub is_error: bool,
}

/// Reads one JSON object from a provider; embeddings and moderations for usage, model and errors alone.
pub(super) fn read(op: Operation, bytes: &[u8]) -> Result<Sent, JsonError> {
    let mut cursor = Cursor::new(bytes, &JsonLimits::default())?;
    let mut sent = Sent {
        found: Found::new(Provenance::Provider, MAX_TEXTS),
        finishes: SmallVec::new(),
        logprobs: SmallVec::new(),
        choices: None,
        usage: None,
        model: None,
        is_error: false,
    };
    let mut groq_usage = None;
    let mut members = cursor.begin_object()?;
    while let Some(key) = cursor.next_member(&mut members)? {
        match &*cursor.text(&key) {
            b"choices" if op.generates() => sent.choices(&mut cursor, bytes)?,
            b"usage" => sent.usage = Usage::read_at(&mut cursor, bytes)?.or(sent.usage),
            b"x_groq" => groq_usage = sent.groq(&mut cursor, bytes)?.or(groq_usage),
            b"error" => sent.is_error |= is_truthy(cursor.skip()?.of(bytes)),
            b"object" => sent.is_error |= cursor.skip()?.of(bytes) == b"\"error\"",
            b"model" if cursor.kind()? == ValueKind::String => sent.model = Some(cursor.skip()?),
            _ => drop(cursor.skip()?),
        }
    }
    cursor.end()?;
    sent.usage = sent.usage.or(groq_usage);
    Ok(sent)
}

impl Sent {
    fn choices<'a>(&mut self, cursor: &mut Cursor<'a>, bytes: &'a [u8]) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Array {
            return cursor.skip().map(drop);
        }
        let mut elements = cursor.begin_array()?;
        let mut place = 0;
        while cursor.next_element(&mut elements)? {
            if place as usize >= MAX_TEXTS {
                return Err(JsonError {
                    offset: cursor.offset(),
                    kind: JsonErrorKind::TooManyTexts,
                });
            }
            self.choice(cursor, bytes, place)?;
            place += 1;
        }
        self.choices = Some(self.choices.unwrap_or(0).saturating_add(place));
        Ok(())
    }

    /// One choice. Its `index` may stand behind its texts; where there is none its place counts.
    fn choice<'a>(&mut self, cursor: &mut Cursor<'a>, bytes: &'a [u8], place: u32) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        let first = self.found.segments.len();
        let (mut choice, mut finish, mut logprobs) = (place, None, None);
        let mut reader = Reader {
            cursor,
            bytes,
            found: &mut self.found,
            strict: false,
        };
        let mut members = reader.cursor.begin_object()?;
        while let Some(key) = reader.cursor.next_member(&mut members)? {
            match &*reader.cursor.text(&key) {
                b"index" => choice = reader.index()?.unwrap_or(choice),
                b"message" | b"delta" => reader.message()?,
                b"text" => reader.loose_text(Kind::Text)?,
                b"finish_reason" => finish = reader.string_if_any()?.or(finish),
                b"logprobs" if reader.cursor.kind()? != ValueKind::Null => {
                    logprobs = Some(reader.cursor.skip()?)
                }
                _ => reader.pass()?,
            }
        }
        for segment in &mut self.found.segments[first..] {
            segment.choice = choice;
        }
        // some providers send an empty reason until there is one
        let finish = finish.filter(|reason| reason.length > 0);
        self.finishes.extend(finish.map(|reason| Finish {
            choice,
            reason: reason.span,
        }));
        self.logprobs
            .extend(logprobs.map(|span| Logprobs { choice, span }));
        Ok(())
    }

    /// Groq's envelope: usage and stream errors.
    fn groq(&mut self, cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<Option<Usage>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(|_| None);
        }
        let mut usage = None;
        let mut members = cursor.begin_object()?;
        while let Some(key) = cursor.next_member(&mut members)? {
            match &*cursor.text(&key) {
                b"usage" => usage = Usage::read_at(cursor, bytes)?.or(usage),
                b"error" => self.is_error |= is_truthy(cursor.skip()?.of(bytes)),
                _ => drop(cursor.skip()?),
            }
        }
        Ok(usage)
    }
}
