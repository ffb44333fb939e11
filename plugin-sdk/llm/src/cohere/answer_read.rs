//! A whole answer into the model.

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Answer, Choice, Content, Dialect, Error, ErrorKind, Extras, Json, Read, Text, Usage};
use crate::read::Reader;

use super::message_read::{self, Fields};
use super::{error, stop, usage};

const TEXT: &str = "a member is not a string";

/// # Errors
/// The bytes are no JSON object, or hold an error, or no message.
pub(super) fn read<'a>(body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, found).map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Read { value, losses } = read;
    match value.message {
        Message::Fields(fields) => Ok(Read {
            value: answer(value.rest, *fields),
            losses,
        }),
        // an error has a text where an answer has its message
        Message::Text => Err(Box::new(error::read(200, body))),
        Message::None => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer has no message in it",
        ))),
    }
}

struct Found<'a> {
    message: Message<'a>,
    rest: Rest<'a>,
}

enum Message<'a> {
    None,
    Text,
    Fields(Box<Fields<'a>>),
}

#[derive(Default)]
struct Rest<'a> {
    id: Option<Text<'a>>,
    finish: Option<Text<'a>>,
    usage: Option<Usage>,
    logprobs: Option<Json<'a>>,
    extras: Extras<'a>,
}

fn found<'a>(reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
    let mut found = Found {
        message: Message::None,
        rest: Rest::default(),
    };
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(found);
    };
    while let Some(key) = reader.next(&mut members)? {
        let rest = &mut found.rest;
        match &*key {
            b"id" => rest.id = reader.text(TEXT)?,
            b"message" => found.message = message(reader)?,
            b"finish_reason" => rest.finish = reader.text(TEXT)?,
            b"usage" => rest.usage = usage::read(reader)?,
            b"logprobs" => rest.logprobs = reader.json_or_null()?,
            _ => reader.extra(key, &mut rest.extras)?,
        }
    }
    Ok(found)
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.pass().map(|()| Message::Text),
        ValueKind::Object => {
            let fields = message_read::read(reader)?;
            Ok(fields.map_or(Message::None, |fields| Message::Fields(Box::new(fields))))
        }
        _ => reader.pass().map(|()| Message::None),
    }
}

fn answer<'a>(rest: Rest<'a>, fields: Fields<'a>) -> Answer<'a> {
    let (parts, extras) = fields.into_parts();
    let calls = parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)));
    let choice = Choice {
        parts,
        extras,
        stop: stop::read(rest.finish).map(|stop| stop.with_calls(calls)),
        logprobs: rest.logprobs.map(|logprobs| in_content(&logprobs)),
        ..Choice::new(0)
    };
    Answer {
        id: rest.id,
        choices: vec![choice],
        usage: rest.usage,
        extras: rest.extras,
        ..Answer::new(Dialect::Cohere)
    }
}

/// Log probabilities are a list here, and one of its elements in an event: in an object of a list both come to the same.
pub(super) fn in_content(logprobs: &Json<'_>) -> Json<'static> {
    let raw = logprobs.get().trim();
    Json::checked(match raw.starts_with('[') {
        true => format!("{{\"content\":{raw}}}"),
        false => format!("{{\"content\":[{raw}]}}"),
    })
}
