//! What a provider sent, read in place: choices with their texts, usage and errors, in a whole answer or in an event.
//! Both go through this one reader, so what a guard sees of a stream it sees of an answer.

use smallvec::SmallVec;

use super::error::{Fault, is_truthy};
use super::message::{Found, Reader};
use super::{Finish, Kind, Operation, Provenance};
use crate::json::{Cursor, JsonError, JsonErrorKind, JsonLimits, Span, ValueKind};
use crate::usage::Usage;

/// More texts in one answer or event than any provider sends: keeps the index of a hostile one small.
const MAX_TEXTS: usize = 65_536;

/// What was found in one answer or event.
pub(super) struct Sent {
    pub found: Found,
    pub finishes: SmallVec<[Finish; 1]>,
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
        let Sent { found, finishes, .. } = self;
        let mut reader = Reader {
            cursor,
            bytes,
            found,
            strict: false,
        };
        let mut place = 0;
        reader.each(|reader| {
            choice(reader, finishes, place)?;
            place += 1;
            Ok(())
        })?;
        self.choices = Some(self.choices.unwrap_or(0).saturating_add(place));
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

/// One choice. Its `index` may stand behind its texts; where there is none its place counts.
fn choice(
    reader: &mut Reader<'_, '_>,
    finishes: &mut SmallVec<[Finish; 1]>,
    place: u32,
) -> Result<(), Fault> {
    if reader.cursor.kind()? != ValueKind::Object {
        return reader.pass();
    }
    let first = reader.found.segments.len();
    let (mut index, mut finish) = (place, None);
    let mut members = reader.cursor.begin_object()?;
    while let Some(key) = reader.cursor.next_member(&mut members)? {
        match &*reader.cursor.text(&key) {
            b"index" => index = reader.index()?.unwrap_or(index),
            b"message" | b"delta" => reader.message()?,
            b"text" => reader.loose_text(Kind::Text)?,
            b"finish_reason" => finish = reader.string_if_any()?.map(|reason| reason.span).or(finish),
            _ => reader.pass()?,
        }
    }
    for segment in &mut reader.found.segments[first..] {
        segment.choice = index;
    }
    if let Some(reason) = finish {
        if finishes.len() >= MAX_TEXTS {
            return Err(JsonError {
                offset: reason.start,
                kind: JsonErrorKind::TooManyTexts,
            }
            .into());
        }
        finishes.push(Finish {
            choice: index,
            reason,
        });
    }
    Ok(())
}
