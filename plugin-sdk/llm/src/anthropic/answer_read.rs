//! A whole message into the model (APIS.md 3.2).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Answer, Choice, Content, Dialect, Error, ErrorKind, Extras, Part, Read};
use crate::read::Reader;

use super::usage::Counts;
use super::{block_read, error, stop};

const TEXT: &str = "a member is not a string";

/// # Errors
/// The bytes are no JSON object, or hold an error, or no message.
pub(super) fn read<'a>(body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, message).map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Read { value, losses } = read;
    match value {
        Found::Message(answer) => Ok(Read {
            value: *answer,
            losses,
        }),
        Found::Error => Err(Box::new(error::read(200, body))),
        Found::Nothing => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer is not a message",
        ))),
    }
}

enum Found<'a> {
    Message(Box<Answer<'a>>),
    /// The body says that something went wrong, under a good status.
    Error,
    Nothing,
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(Found::Nothing);
    };
    let mut answer = Answer::new(Dialect::AnthropicMessages);
    let mut choice = Choice::new(0);
    let mut counts = Counts::default();
    let (mut kind, mut content, mut is_error) = (None, None, false);
    let (mut reason, mut sequence, mut details) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT)?,
            b"id" => answer.id = reader.text(TEXT)?,
            b"model" => answer.model = reader.text(TEXT)?,
            b"content" if reader.kind()? == ValueKind::Array => {
                content = Some(block_read::content(reader).within("content")?);
            }
            b"stop_reason" => reason = reader.text(TEXT)?,
            b"stop_sequence" => sequence = reader.text(TEXT)?,
            b"stop_details" => details = reader.json_or_null()?,
            b"usage" => usage(reader, &mut answer, &mut counts)?,
            b"role" => reader.pass()?,
            b"error" => is_error |= reader.json_or_null()?.is_some(),
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    let is_message = kind.as_ref().is_some_and(|kind| kind.is("message"));
    if is_error || kind.is_some_and(|kind| kind.is("error")) {
        return Ok(Found::Error);
    }
    let Some(parts) = content.filter(|_| is_message) else {
        return Ok(Found::Nothing);
    };
    choice.parts = parts;
    choice.stop = stop::read(reason, sequence, details).map(|stop| stop.with_calls(any_calls(&choice.parts)));
    answer.choices.push(choice);
    answer.usage = counts.usage();
    Ok(Found::Message(Box::new(answer)))
}

pub(super) fn any_calls(parts: &[Part<'_>]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)))
}

/// The counts, and what stands among them besides: the tier and the place that served the request.
fn usage<'a>(reader: &mut Reader<'a>, answer: &mut Answer<'a>, counts: &mut Counts) -> Result<(), Fault> {
    let json = reader.json()?;
    reader.revisit(&json, |reader| counts.read(reader))?;
    let mut others = Extras::new();
    rest_of_usage(reader, &json, &mut others)?;
    for extra in others {
        match extra.name.is("service_tier") {
            true => {
                let tier = reader.revisit(&extra.value, |reader| reader.text(TEXT))?;
                answer.service_tier = tier.flatten();
            }
            false => answer.extras.push(crate::model::Extra {
                name: crate::model::Text::plain(format!("usage.{}", extra.name.get())),
                value: extra.value,
            }),
        }
    }
    Ok(())
}

/// Members of `usage` that count no tokens.
pub(super) fn rest_of_usage<'a>(
    reader: &mut Reader<'a>,
    json: &crate::model::Json<'a>,
    others: &mut Extras<'a>,
) -> Result<(), Fault> {
    reader.revisit(json, |reader| {
        if reader.kind()? != ValueKind::Object {
            return reader.pass();
        }
        let Some(mut members) = reader.object("")? else {
            return Ok(());
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"input_tokens"
                | b"output_tokens"
                | b"cache_read_input_tokens"
                | b"cache_creation_input_tokens"
                | b"cache_creation"
                | b"output_tokens_details"
                | b"server_tool_use" => reader.pass()?,
                _ => reader.extra(key, others)?,
            }
        }
        Ok(())
    })?;
    Ok(())
}
