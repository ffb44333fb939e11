//! One event of a stream, with its members at one level.

use crate::fault::{BodyError, Fault};
use crate::json::ValueKind;
use crate::model::{Json, Losses, Text, Usage};
use crate::read::Reader;

use super::call::{self, Call};
use super::citation::{self, Cited};
use super::usage;

const TEXT: &str = "a member is not a string";

/// What an event says; which of it counts is told by its type.
#[derive(Default)]
pub(super) struct Frame<'a> {
    pub kind: Option<Text<'a>>,
    /// Counts pieces of content, calls or citations.
    pub index: Option<u64>,
    pub id: Option<Text<'a>>,
    pub piece: Piece<'a>,
    pub plan: Option<Text<'a>>,
    pub call: Option<Call<'a>>,
    pub cited: Option<Cited<'a>>,
    pub finish: Option<Text<'a>>,
    pub usage: Option<Usage>,
    pub logprobs: Option<Json<'a>>,
    /// Why generating failed.
    pub error: Option<Text<'a>>,
    /// The text that an error has where an event has nothing.
    pub message: Option<Text<'a>>,
}

/// Of a piece of content.
#[derive(Default)]
pub(super) struct Piece<'a> {
    pub kind: Option<Text<'a>>,
    pub text: Option<Text<'a>>,
    pub thinking: Option<Text<'a>>,
}

impl<'a> Frame<'a> {
    /// # Errors
    /// The bytes are no JSON.
    pub fn read(data: &'a [u8], losses: &mut Losses) -> Result<Frame<'a>, BodyError> {
        let read = Reader::whole(data, false, |reader| {
            let mut frame = Frame::default();
            event(reader, &mut frame)?;
            Ok(frame)
        })?;
        losses.append(read.losses);
        Ok(read.value)
    }
}

fn event<'a>(reader: &mut Reader<'a>, frame: &mut Frame<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("an event is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => frame.kind = reader.text(TEXT)?,
            b"index" => frame.index = reader.whole_number("an index is not a number")?,
            b"id" => frame.id = reader.text(TEXT)?,
            b"logprobs" => frame.logprobs = reader.json_or_null()?,
            b"message" => frame.message = string(reader)?,
            b"error" => frame.error = string(reader)?.or(frame.error.take()),
            b"delta" if reader.kind()? == ValueKind::Object => delta(reader, frame)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn delta<'a>(reader: &mut Reader<'a>, frame: &mut Frame<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("a delta is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"message" if reader.kind()? == ValueKind::Object => message(reader, frame)?,
            b"finish_reason" => frame.finish = reader.text(TEXT)?,
            b"usage" => frame.usage = usage::read(reader)?,
            b"error" => frame.error = string(reader)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

/// The first event has empty lists where the others have one thing each.
fn message<'a>(reader: &mut Reader<'a>, frame: &mut Frame<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("a message is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        let one = reader.kind()? == ValueKind::Object;
        match &*key {
            b"content" if one => piece(reader, &mut frame.piece)?,
            b"tool_plan" => frame.plan = reader.text(TEXT)?,
            b"tool_calls" if one => frame.call = call::read(reader)?,
            b"citations" if one => frame.cited = citation::read(reader)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn piece<'a>(reader: &mut Reader<'a>, piece: &mut Piece<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("a piece is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => piece.kind = reader.text(TEXT)?,
            b"text" => piece.text = reader.text(TEXT)?,
            b"thinking" => piece.thinking = reader.text(TEXT)?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn string<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        _ => reader.pass().map(|()| None),
    }
}
