//! Errors: a message, with an id and at times a type beside it (APIS.md 8).

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Error, ErrorKind, Text};
use crate::read::Reader;
use crate::write::object;

/// What a body says of an error.
#[derive(Default)]
struct Said<'a> {
    message: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    id: Option<Text<'a>>,
}

/// Reads an error, whatever the body is. Below 400, where an answer should have been, the status is that of its type.
pub(super) fn read(status: u16, body: &[u8]) -> Error<'_> {
    let said = Reader::whole(body, false, said);
    let failed = if status < 400 { 500 } else { status };
    let said = said.map(|read| read.value).unwrap_or_default();
    let Some(message) = said.message.filter(|message| !message.is_empty()) else {
        return Error::unreadable(failed);
    };
    let by_type = said.kind.as_ref().and_then(|kind| kind_of(&kind.get()));
    let kind = by_type.unwrap_or_else(|| by_status(failed).refined_by(&message.get()));
    let status = match by_type {
        Some(kind) if status < 400 => kind.status(),
        _ => failed,
    };
    Error {
        status,
        native: said.kind,
        request_id: said.id,
        ..Error::new(kind, message)
    }
}

/// Of an answer or an event with a text in the place of a message.
pub(super) fn of_message<'a>(message: Text<'a>) -> Error<'a> {
    let kind = match ErrorKind::InvalidRequest.refined_by(&message.get()) {
        ErrorKind::InvalidRequest => ErrorKind::Server,
        refined => refined,
    };
    Error::new(kind, message)
}

fn said<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Fault> {
    let mut said = Said::default();
    if reader.kind()? != ValueKind::Object {
        reader.pass()?;
        return Ok(said);
    }
    let Some(mut members) = reader.object("the body is not an object")? else {
        return Ok(said);
    };
    while let Some(key) = reader.next(&mut members)? {
        let place = match &*key {
            b"message" => &mut said.message,
            // as gateways in front of it have it
            b"error" | b"detail" if said.message.is_none() => &mut said.message,
            b"error_type" => &mut said.kind,
            b"id" => &mut said.id,
            _ => {
                reader.pass()?;
                continue;
            }
        };
        match reader.kind()? {
            ValueKind::String => *place = reader.text("a member is not a string")?,
            _ => reader.pass()?,
        }
    }
    Ok(said)
}

/// With the statuses that are Cohere's own.
fn by_status(status: u16) -> ErrorKind {
    match status {
        498 => ErrorKind::Authentication,
        _ => ErrorKind::of_status(status),
    }
}

fn kind_of(word: &str) -> Option<ErrorKind> {
    KINDS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, kind)| *kind)
}

/// Cohere names few; the others say what the status does not.
const KINDS: [(&str, ErrorKind); 17] = [
    ("TOO_MANY_TOKENS", ErrorKind::ContextLength),
    ("INVALID_REQUEST", ErrorKind::InvalidRequest),
    ("CONTENT_POLICY", ErrorKind::ContentPolicy),
    ("INVALID_TOKEN", ErrorKind::Authentication),
    ("BILLING", ErrorKind::Billing),
    ("PERMISSION_DENIED", ErrorKind::Permission),
    ("NOT_FOUND", ErrorKind::NotFound),
    ("CONFLICT", ErrorKind::Conflict),
    ("REQUEST_TOO_LARGE", ErrorKind::TooLarge),
    ("UNPROCESSABLE_ENTITY", ErrorKind::Unprocessable),
    ("TOO_MANY_REQUESTS", ErrorKind::RateLimit),
    ("QUOTA_EXCEEDED", ErrorKind::Quota),
    ("INTERNAL_SERVER_ERROR", ErrorKind::Server),
    ("SERVICE_UNAVAILABLE", ErrorKind::Unavailable),
    ("OVERLOADED", ErrorKind::Overloaded),
    ("TIMEOUT", ErrorKind::Timeout),
    ("BAD_ANSWER", ErrorKind::BadAnswer),
];

/// Writes `{"message":..}`, with the type where the status alone says something else.
pub(super) fn write(error: &Error<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |body| {
        body.text_if("id", error.request_id.as_ref());
        let status = if error.kind == ErrorKind::Overloaded {
            503
        } else {
            error.status
        };
        if by_status(status).refined_by(&error.message.get()) != error.kind
            || error.kind == ErrorKind::ContextLength
        {
            let named = KINDS.iter().find(|(_, kind)| *kind == error.kind);
            if let Some((name, _)) = named {
                body.str("error_type", name);
            }
        }
        body.text("message", &error.message);
    });
    out
}
