//! A whole response into the model.

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Answer, Choice, Dialect, Error, ErrorKind, Extra, Json, Read, Stop, Text, Usage};
use crate::read::Reader;

use super::answer_write::any_calls;
use super::item::{self, Said, Turn};
use super::{error, shell, stop, usage};

const TEXT: &str = "a member is not a string";
const NUMBER: &str = "a member is not a number";

/// # Errors
/// The bytes are no JSON object, or hold an error or a response that failed, or no output.
pub(super) fn read<'a>(body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
    let read = Reader::whole(body, false, |reader| {
        let Some(response) = response(reader)? else {
            return Ok(Found::Nothing);
        };
        response.into_found(reader)
    });
    let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    match value {
        Found::Answer(answer) => Ok(Read {
            value: *answer,
            losses,
        }),
        Found::Error => Err(Box::new(error::read(200, body))),
        Found::Nothing => {
            let why = "the provider's answer has no output in it";
            Err(Box::new(Error::new(ErrorKind::BadAnswer, why)))
        }
    }
}

enum Found<'a> {
    Answer(Box<Answer<'a>>),
    /// The body says that something went wrong, under a good status.
    Error,
    Nothing,
}

/// A response's members, its output yet unread.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    pub created: Option<u64>,
    pub service_tier: Option<Text<'a>>,
    pub status: Option<Text<'a>>,
    pub reason: Option<Text<'a>>,
    pub usage: Option<Usage>,
    pub output: Option<Json<'a>>,
    pub failed: bool,
    pub extras: Vec<Extra<'a>>,
}

/// None where there is no object.
pub(super) fn response<'a>(reader: &mut Reader<'a>) -> Result<Option<Response<'a>>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("a response is not an object")? else {
        return Ok(None);
    };
    let mut response = Response::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => response.id = reader.text(TEXT)?,
            b"model" => response.model = reader.text(TEXT)?,
            b"created_at" => response.created = reader.whole_number(NUMBER)?,
            b"service_tier" => response.service_tier = reader.text(TEXT)?,
            b"status" => response.status = reader.text(TEXT)?,
            b"incomplete_details" => response.reason = reason(reader)?,
            b"usage" => response.usage = usage::read(reader)?,
            b"output" if reader.kind()? == ValueKind::Array => response.output = Some(reader.json()?),
            b"error" => response.failed |= is_truthy(reader.json()?.get()),
            name if shell::is_repeated(name) => reader.pass()?,
            _ => reader.extra(key, &mut response.extras)?,
        }
    }
    response.failed |= response.status.as_ref().is_some_and(|status| status.is("failed"));
    response.extras.retain(|extra| !extra.value.is_null());
    Ok(Some(response))
}

fn is_truthy(value: &str) -> bool {
    crate::openai::error::is_truthy(value.as_bytes())
}

fn reason<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    if reader.kind()? != ValueKind::Object {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("")? else {
        return Ok(None);
    };
    let mut reason = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"reason" => reason = reader.text(TEXT)?,
            _ => reader.pass()?,
        }
    }
    Ok(reason)
}

impl<'a> Response<'a> {
    /// Why it is over; none while it is not.
    pub fn stop(&mut self) -> Option<Stop<'a>> {
        stop::read(self.status.take(), self.reason.take())
    }

    fn into_found(mut self, reader: &mut Reader<'a>) -> Result<Found<'a>, Fault> {
        let Some(output) = self.output.take().filter(|_| !self.failed) else {
            return Ok(match self.failed {
                true => Found::Error,
                false => Found::Nothing,
            });
        };
        let mut choice = Choice::new(0);
        choice.parts = reader.revisit(&output, items)?.unwrap_or_default();
        let status = self.status.clone();
        choice.stop = self.stop().map(|stop| stop.with_calls(any_calls(&choice)));
        if let Some(status) = status.filter(|_| choice.stop.is_none()) {
            self.extras.push(Extra::text("status", &status));
        }
        let mut answer = Answer::new(Dialect::OpenAiResponses);
        answer.id = self.id;
        answer.model = self.model;
        answer.created = self.created;
        answer.service_tier = self.service_tier;
        answer.usage = self.usage;
        answer.extras = self.extras;
        answer.choices = vec![choice];
        Ok(Found::Answer(Box::new(answer)))
    }
}

fn items<'a>(reader: &mut Reader<'a>) -> Result<Vec<crate::model::Part<'a>>, Fault> {
    let mut turn = Turn::default();
    reader.each("`output` is not an array", |reader, _| {
        if let Some(item) = item::read(reader)? {
            match item.into_said(reader)? {
                Said::Assistant(parts) | Said::Message { parts, .. } => turn.push(parts),
                Said::Signature(signature) => turn.sign_next(signature),
                Said::Result(..) => {}
            }
        }
        Ok(())
    })?;
    Ok(turn.take())
}
