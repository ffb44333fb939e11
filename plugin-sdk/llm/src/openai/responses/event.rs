//! What one event of a stream says (APIS.md 1.13).

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Citation, Json, Text};
use crate::openai::error::is_truthy;
use crate::read::Reader;

use super::answer_read::{self, Response};
use super::content;

const TEXT: &str = "a member of an event is not a string";
const NUMBER: &str = "a member of an event is not a number";

/// The members that any of the events has.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub kind: Option<Text<'a>>,
    pub output_index: Option<u64>,
    /// `content_index` or `summary_index`.
    pub index: Option<u64>,
    pub delta: Option<Text<'a>>,
    /// What was told in pieces, whole: `text`, `refusal`, `arguments`, `input`.
    pub whole: Option<Text<'a>>,
    pub logprobs: Option<Json<'a>>,
    pub item: Option<Json<'a>>,
    pub part: Option<Json<'a>>,
    pub annotation: Option<Citation<'a>>,
    pub response: Option<Response<'a>>,
    /// Where the response stands in the event.
    pub response_json: Option<Json<'a>>,
    pub is_error: bool,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Told<'a>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return Err(Fault::wrong_type("", "an event is not a JSON object"));
    }
    let mut told = Told::default();
    let Some(mut members) = reader.object("")? else {
        return Ok(told);
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => told.kind = reader.text(TEXT)?,
            b"output_index" => told.output_index = reader.whole_number(NUMBER)?,
            b"content_index" | b"summary_index" => told.index = reader.whole_number(NUMBER)?,
            b"delta" => told.delta = text(reader)?,
            b"text" | b"refusal" | b"arguments" | b"input" => told.whole = text(reader)?.or(told.whole),
            b"logprobs" => told.logprobs = Some(reader.json()?).filter(|list| !list.elements().is_empty()),
            b"item" => told.item = reader.json_or_null()?,
            b"part" => told.part = reader.json_or_null()?,
            b"annotation" if reader.kind()? == ValueKind::Object => {
                told.annotation = content::annotation(reader)?
            }
            b"response" => {
                let json = reader.json()?;
                told.response = reader.revisit(&json, answer_read::response)?.flatten();
                told.response_json = Some(json);
            }
            b"error" => told.is_error |= is_truthy(reader.json()?.get().as_bytes()),
            _ => reader.pass()?,
        }
    }
    Ok(told)
}

/// Some events have objects under names that are texts elsewhere.
fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        _ => reader.pass().map(|()| None),
    }
}
