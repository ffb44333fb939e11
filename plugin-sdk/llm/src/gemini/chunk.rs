//! One `GenerateContentResponse`: a whole answer, or what one event of a stream says (APIS.md 4.2, 4.3).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Extras, Json, Stop, StopReason, Text};
use crate::read::Reader;
use crate::write;

use super::content::{self, Piece};
use super::spelling::{TEXT, each, next, object, word};
use super::usage::{self, Counts};
use super::{stop, time};

#[derive(Default)]
pub(super) struct Chunk<'a> {
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    pub tier: Option<Text<'a>>,
    pub candidates: Vec<Candidate<'a>>,
    /// Why the prompt was refused.
    pub blocked: Option<Stop<'a>>,
    pub is_error: bool,
    /// Anything that only an answer has.
    pub is_answer: bool,
    pub extras: Extras<'a>,
}

pub(super) struct Candidate<'a> {
    pub index: u32,
    pub pieces: Vec<Piece<'a>>,
    pub stop: Option<Stop<'a>>,
    pub logprobs: Option<Json<'a>>,
    pub extras: Extras<'a>,
}

/// Reads the value; what it counts goes to `counts`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, counts: &mut Counts) -> Result<Chunk<'a>, Fault> {
    let mut chunk = Chunk::default();
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(chunk);
    };
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"error" => chunk.is_error |= !reader.json()?.is_null(),
            b"candidates" => candidates(reader, &mut chunk.candidates).within("candidates")?,
            b"usageMetadata" => {
                chunk.tier = usage::read(reader, counts, &mut chunk.extras).within("usageMetadata")?;
            }
            b"modelVersion" => chunk.model = reader.text(TEXT)?,
            b"responseId" => chunk.id = reader.text(TEXT)?,
            b"createTime" => {
                let time = reader.text(TEXT)?;
                chunk.created = time.and_then(|text| time::read(&text.get()));
            }
            b"promptFeedback" => feedback(reader, key, &mut chunk)?,
            _ => {
                reader.extra(key, &mut chunk.extras)?;
                continue;
            }
        }
        chunk.is_answer = true;
    }
    Ok(chunk)
}

/// Whether the prompt was refused; ratings alone are kept as they are.
fn feedback<'a>(
    reader: &mut Reader<'a>,
    key: std::borrow::Cow<'a, [u8]>,
    chunk: &mut Chunk<'a>,
) -> Result<(), Fault> {
    let before = chunk.extras.len();
    reader.extra(key, &mut chunk.extras)?;
    let Some(value) = chunk.extras.get(before).map(|extra| &extra.value) else {
        return Ok(());
    };
    let reason = value
        .pointer("/blockReason")
        .or_else(|| value.pointer("/block_reason"));
    let Some(reason) = reason.filter(|reason| !reason.is_null()) else {
        return Ok(());
    };
    let word = match reason.as_text() {
        Some(word) => word.into_owned(),
        None => reason.clone().into_owned().into_text(),
    };
    let mut details = Vec::new();
    write::object(&mut details, |object| object.json("promptFeedback", value));
    let mut stop = Stop::native(StopReason::ContentFilter, word);
    stop.details = Some(Json::checked(String::from_utf8_lossy(&details).into_owned()));
    chunk.extras.truncate(before);
    chunk.blocked = Some(stop);
    Ok(())
}

fn candidates<'a>(reader: &mut Reader<'a>, candidates: &mut Vec<Candidate<'a>>) -> Result<(), Fault> {
    each(reader, |reader, place| {
        candidates.extend(candidate(reader, u32::try_from(place).unwrap_or(u32::MAX))?);
        Ok(())
    })
}

fn candidate<'a>(reader: &mut Reader<'a>, place: u32) -> Result<Option<Candidate<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let mut candidate = Candidate {
        // the first one's index, 0, may be left out
        index: place,
        pieces: Vec::new(),
        stop: None,
        logprobs: None,
        extras: Extras::new(),
    };
    let (mut finish, mut message) = (None, None);
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"index" => {
                let index = reader.whole_number("must be a number")?;
                candidate.index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(place);
            }
            b"content" => {
                if let Some((_, pieces, extras)) = content::content(reader).within("content")? {
                    candidate.pieces = pieces;
                    candidate.extras.extend(extras);
                }
            }
            b"finishReason" => finish = finish_word(reader)?,
            b"finishMessage" => message = reader.text(TEXT)?.filter(|message| !message.is_empty()),
            b"logprobsResult" => candidate.logprobs = reader.json_or_null()?,
            _ => reader.extra(key, &mut candidate.extras)?,
        }
    }
    candidate.stop = stop::read(finish).map(|mut stop| {
        stop.details = message.map(|message| {
            let mut details = Vec::new();
            write::object(&mut details, |object| object.text("finishMessage", &message));
            Json::checked(String::from_utf8_lossy(&details).into_owned())
        });
        stop
    });
    Ok(Some(candidate))
}

fn finish_word<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String | ValueKind::Number => word(reader),
        _ => reader.pass().map(|()| None),
    }
}
