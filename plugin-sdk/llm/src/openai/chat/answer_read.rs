//! A whole chat completion into the model.

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Answer, Choice, Content, Dialect, Error, Extras, Read, Text, Usage};
use crate::openai::error::is_truthy;
use crate::read::Reader;

use super::{error, message_read, stop, usage};

const TEXT: &str = "a member is not a string";
const NUMBER: &str = "a member is not a number";

/// # Errors
/// The bytes are no JSON object, or hold an error, or no choices.
pub(super) fn read<'a>(body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, answer).map_err(|why| Box::new(Error::bad_answer(&why)))?;
    let Read { value, losses } = read;
    match value {
        Found::Answer(answer) => Ok(Read {
            value: *answer,
            losses,
        }),
        Found::Error => Err(Box::new(error::read(200, body))),
        Found::Nothing => Err(Box::new(Error::new(
            crate::model::ErrorKind::BadAnswer,
            "the provider's answer has no choices in it",
        ))),
    }
}

enum Found<'a> {
    Answer(Box<Answer<'a>>),
    /// The body says that something went wrong, under a good status.
    Error,
    Nothing,
}

fn answer<'a>(reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(Found::Nothing);
    };
    let mut answer = Answer::new(Dialect::OpenAiChat);
    let (mut is_error, mut choices, mut groq) = (false, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => answer.id = reader.text(TEXT)?,
            b"model" => answer.model = reader.text(TEXT)?,
            b"created" => answer.created = reader.whole_number(NUMBER)?,
            b"object" => is_error |= reader.json()?.get() == "\"error\"",
            b"choices" if reader.kind()? == ValueKind::Array => choices = Some(read_choices(reader)?),
            b"usage" => answer.usage = usage::read(reader)?,
            b"service_tier" => answer.service_tier = reader.text(TEXT)?,
            b"error" => is_error |= is_truthy(reader.json()?.get().as_bytes()),
            b"x_groq" => groq = read_groq(reader, key, &mut answer.extras)?,
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    answer.usage = answer.usage.or(groq);
    Ok(match choices {
        _ if is_error => Found::Error,
        None => Found::Nothing,
        Some(choices) => {
            answer.choices = choices;
            Found::Answer(Box::new(answer))
        }
    })
}

/// Groq's envelope, which in streams has the usage.
pub(super) fn read_groq<'a>(
    reader: &mut Reader<'a>,
    key: std::borrow::Cow<'a, [u8]>,
    extras: &mut Extras<'a>,
) -> Result<Option<Usage>, Fault> {
    let before = extras.len();
    reader.extra(key, extras)?;
    let envelope = extras.get(before).map(|extra| extra.value.clone());
    let Some(found) = envelope.as_ref().and_then(|envelope| envelope.pointer("/usage")) else {
        return Ok(None);
    };
    let text = found.get().to_owned();
    let mut inner = Reader::new(text.as_bytes(), false)?;
    usage::read(&mut inner)
}

/// More than any request may ask for.
pub(super) const MAX_CHOICES: usize = 256;

fn read_choices<'a>(reader: &mut Reader<'a>) -> Result<Vec<Choice<'a>>, Fault> {
    let mut choices: Vec<Choice<'a>> = Vec::new();
    reader
        .each("`choices` is not an array", |reader, place| {
            let read = choice(reader, u32::try_from(place).unwrap_or(u32::MAX))?;
            if choices.len() < MAX_CHOICES {
                choices.extend(read);
            } else {
                reader
                    .losses
                    .dropped("choices", "there are more than anybody asks for");
            }
            Ok(())
        })
        .within("choices")?;
    if double_index(&choices) {
        reader
            .losses
            .changed("choices", "several have the same index: their places count");
        for (place, choice) in (0u32..).zip(&mut choices) {
            choice.index = place;
        }
    }
    Ok(choices)
}

fn double_index(choices: &[Choice<'_>]) -> bool {
    let before = |at: usize| choices.get(..at).unwrap_or_default();
    let double =
        |(at, choice): (usize, &Choice<'_>)| before(at).iter().any(|other| other.index == choice.index);
    choices.iter().enumerate().any(double)
}

fn choice<'a>(reader: &mut Reader<'a>, place: u32) -> Result<Option<Choice<'a>>, Fault> {
    let Some(mut members) = reader.object("a choice is not an object")? else {
        return Ok(None);
    };
    let mut choice = Choice::new(place);
    let (mut fields, mut finish, mut native, mut sequence) = (None, None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"index" => {
                let index = reader.whole_number(NUMBER)?;
                choice.index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(place);
            }
            b"message" => fields = message_read::read(reader)?,
            // Perplexity sends an empty one along
            b"delta" => reader.pass()?,
            b"finish_reason" => finish = reader.text(TEXT)?,
            b"native_finish_reason" => native = reader.text(TEXT)?,
            b"logprobs" => choice.logprobs = reader.json_or_null()?,
            b"stop_reason" => sequence = matched(reader)?,
            _ => reader.extra(key, &mut choice.extras)?,
        }
    }
    if let Some(fields) = fields {
        let (parts, extras) = fields.into_assistant_parts();
        choice.parts = parts;
        choice.extras.extend(extras);
    }
    let any_calls = choice
        .parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)));
    choice.stop = stop::read(finish, native).map(|stop| {
        let mut stop = stop.with_calls(any_calls);
        stop.sequence = sequence;
        stop
    });
    Ok(Some(choice))
}

/// vLLM's stop string; the id of a stop token says nothing to anybody else.
pub(super) fn matched<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::String => reader.literal().map(Some),
        _ => reader.pass().map(|()| None),
    }
}

/// Members of a chunk or an answer that say nothing: padding, and constants.
pub(super) fn is_padding(key: &[u8]) -> bool {
    matches!(key, b"obfuscation" | b"p" | b"object")
}
