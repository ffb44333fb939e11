//! What one chunk of a stream says (APIS.md 1.6).

use smallvec::SmallVec;

use crate::fault::{BodyError, Fault, Within};
use crate::json::ValueKind;
use crate::model::{Extras, Json, Losses, Read, Text, Usage};
use crate::openai::error::is_truthy;
use crate::read::Reader;

use super::answer_read::{is_padding, matched, read_groq};
use super::message_read::{self, Fields};
use super::usage;

const TEXT: &str = "a member of a chunk is not a string";
const NUMBER: &str = "a member of a chunk is not a number";

#[derive(Default)]
pub(super) struct Chunk<'a> {
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    pub created: Option<u64>,
    pub service_tier: Option<Text<'a>>,
    pub choices: SmallVec<[ChunkChoice<'a>; 1]>,
    pub usage: Option<Usage>,
    pub is_error: bool,
    pub extras: Extras<'a>,
}

#[derive(Default)]
pub(super) struct ChunkChoice<'a> {
    pub index: u32,
    pub fields: Option<Fields<'a>>,
    pub finish: Option<Text<'a>>,
    pub native: Option<Text<'a>>,
    pub sequence: Option<Text<'a>>,
    pub logprobs: Option<Json<'a>>,
    pub extras: Extras<'a>,
}

impl<'a> Chunk<'a> {
    /// # Errors
    /// The data is no JSON object.
    pub fn read(data: &'a [u8], losses: &mut Losses) -> Result<Chunk<'a>, BodyError> {
        let Read { value, losses: lost } = Reader::whole(data, false, chunk)?;
        losses.append(lost);
        Ok(value)
    }
}

fn chunk<'a>(reader: &mut Reader<'a>) -> Result<Chunk<'a>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return Err(Fault::wrong_type("", "an event is not a JSON object"));
    }
    let mut chunk = Chunk::default();
    let Some(mut members) = reader.object("")? else {
        return Ok(chunk);
    };
    let mut groq = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => chunk.id = reader.text(TEXT)?,
            b"model" => chunk.model = reader.text(TEXT)?,
            b"created" => chunk.created = reader.whole_number(NUMBER)?,
            b"choices" => choices(reader, &mut chunk.choices)?,
            b"usage" => chunk.usage = usage::read(reader)?,
            b"service_tier" => chunk.service_tier = reader.text(TEXT)?,
            b"error" => chunk.is_error |= is_truthy(reader.json()?.get().as_bytes()),
            b"object" => chunk.is_error |= reader.json()?.get() == "\"error\"",
            b"x_groq" => {
                groq = read_groq(reader, key, &mut chunk.extras)?;
                let envelope = chunk.extras.last().map(|extra| &extra.value);
                let error = envelope.and_then(|envelope| envelope.pointer("/error"));
                chunk.is_error |= error.is_some_and(|error| is_truthy(error.get().as_bytes()));
            }
            key if is_padding(key) => reader.pass()?,
            _ => reader.extra(key, &mut chunk.extras)?,
        }
    }
    chunk.usage = chunk.usage.or(groq);
    Ok(chunk)
}

fn choices<'a>(reader: &mut Reader<'a>, choices: &mut SmallVec<[ChunkChoice<'a>; 1]>) -> Result<(), Fault> {
    if reader.kind()? != ValueKind::Array {
        return reader.pass();
    }
    reader
        .each("`choices` is not an array", |reader, place| {
            choices.extend(choice(reader, u32::try_from(place).unwrap_or(u32::MAX))?);
            Ok(())
        })
        .within("choices")
}

fn choice<'a>(reader: &mut Reader<'a>, place: u32) -> Result<Option<ChunkChoice<'a>>, Fault> {
    let Some(mut members) = reader.object("a choice is not an object")? else {
        return Ok(None);
    };
    let mut choice = ChunkChoice {
        index: place,
        ..ChunkChoice::default()
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"index" => {
                let index = reader.whole_number(NUMBER)?;
                choice.index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(place);
            }
            b"delta" => choice.fields = message_read::read(reader)?,
            // Perplexity repeats all that was said so far
            b"message" => reader.pass()?,
            b"finish_reason" => choice.finish = reader.text(TEXT)?,
            b"native_finish_reason" => choice.native = reader.text(TEXT)?,
            b"stop_reason" => choice.sequence = matched(reader)?,
            b"logprobs" => choice.logprobs = reader.json_or_null()?,
            _ => reader.extra(key, &mut choice.extras)?,
        }
    }
    Ok(Some(choice))
}
