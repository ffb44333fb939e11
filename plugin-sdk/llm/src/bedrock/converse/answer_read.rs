//! A Converse answer into the model.

use crate::fault::{Fault, Within};
use crate::model::{
    Answer, Choice, Content, Dialect, Error, ErrorKind, Extra, Extras, Json, Part, Read, Text, Usage,
};
use crate::read::Reader;

use super::block_read::{Speaker, blocks};
use super::{error, rest, stop, usage};

const TEXT: &str = "a member is not a string";

/// # Errors
/// The bytes are no JSON object, or hold an error, or neither an output nor a reason to stop.
pub(super) fn read<'a>(body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, answer).map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Read { value, losses } = read;
    match value {
        Found::Answer(answer) => Ok(Read {
            value: *answer,
            losses,
        }),
        Found::Error => Err(Box::new(error::read(200, None, body))),
        Found::Nothing => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer has no output in it",
        ))),
    }
}

enum Found<'a> {
    Answer(Box<Answer<'a>>),
    /// The body says that something went wrong, under a good status.
    Error,
    Nothing,
}

/// What is put together when all is known.
#[derive(Default)]
struct Said<'a> {
    parts: Option<Vec<Part<'a>>>,
    /// Of the message.
    extras: Extras<'a>,
    stop: Option<Text<'a>>,
    fields: Option<Json<'a>>,
    is_error: bool,
}

fn answer<'a>(reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(Found::Nothing);
    };
    let mut answer = Answer::new(Dialect::BedrockConverse);
    let mut said = Said::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"output" => output(reader, &mut said)?,
            b"stopReason" => said.stop = reader.text(TEXT)?,
            b"usage" => answer.usage = read_usage(reader, &mut answer.extras)?,
            b"serviceTier" => answer.service_tier = tier(reader, &mut answer.extras)?,
            b"additionalModelResponseFields" => {
                said.fields = reader.json_or_null()?;
                let value = said.fields.clone();
                answer
                    .extras
                    .extend(value.map(|value| extra("additionalModelResponseFields", value)));
            }
            b"__type" | b"message" | b"Message" | b"Output" => {
                said.is_error = true;
                reader.pass()?;
            }
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    if said.parts.is_none() && said.stop.is_none() {
        return Ok(if said.is_error {
            Found::Error
        } else {
            Found::Nothing
        });
    }
    answer.model = crate::model::extra(&answer.extras, "trace").and_then(routed);
    answer.choices.push(choice(said));
    Ok(Found::Answer(Box::new(answer)))
}

fn extra<'a>(name: &'static str, value: Json<'a>) -> Extra<'a> {
    Extra {
        name: Text::plain(name),
        value,
    }
}

fn choice(said: Said<'_>) -> Choice<'_> {
    let mut choice = Choice::new(0);
    choice.parts = said.parts.unwrap_or_default();
    choice.extras = said.extras;
    let call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
    let any_calls = choice.parts.iter().any(call);
    choice.stop = stop::read(said.stop, said.fields.as_ref(), any_calls);
    choice
}

/// The model that a router chose.
pub(super) fn routed(trace: &Json<'_>) -> Option<Text<'static>> {
    let model = trace.pointer("/promptRouter/invokedModelId")?;
    model.as_text().map(Text::into_owned)
}

fn output<'a>(reader: &mut Reader<'a>, said: &mut Said<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("`output` is not an object")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"message" => message(reader, said).within("message")?,
            _ => reader.pass()?,
        }
    }
    Ok(())
}

fn message<'a>(reader: &mut Reader<'a>, said: &mut Said<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("`message` is not an object")? else {
        return Ok(());
    };
    let speaker = Speaker {
        maker: None,
        assistant: true,
    };
    said.parts = Some(Vec::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"content" => said.parts = Some(blocks(reader, speaker)?),
            b"role" => reader.pass()?,
            _ => reader.extra(key, &mut said.extras)?,
        }
    }
    Ok(())
}

/// What of the usage the model has no field for is kept under the name `usage`.
pub(super) fn read_usage<'a>(
    reader: &mut Reader<'a>,
    extras: &mut Extras<'a>,
) -> Result<Option<Usage>, Fault> {
    let mut others = Extras::new();
    let usage = usage::read(reader, &mut others)?;
    rest::keep("usage", &others, extras);
    Ok(usage)
}

/// `{"type": "flex"}`.
pub(super) fn tier<'a>(reader: &mut Reader<'a>, extras: &mut Extras<'a>) -> Result<Option<Text<'a>>, Fault> {
    let whole = reader.json()?;
    let tier = whole
        .pointer("/type")
        .and_then(|kind| kind.as_text().map(Text::into_owned));
    if tier.is_none() || whole.members().len() > 1 {
        extras.push(extra("serviceTier", whole));
    }
    Ok(tier)
}
