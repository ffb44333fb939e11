//! `countTokens`: the same request, and one count for an answer (APIS.md 4).

use crate::fault::{BodyError, Fault, Within};
use crate::json::{DEFAULT_MAX_DEPTH, JsonLimits, pointer, validate};
use crate::model::{Asked, Error, ErrorKind, Read, Request, Target, Usage, Written};
use crate::read::Reader;
use crate::write::object;

use super::spelling::next;
use super::{error, request_read, request_write};

/// Which of the two surfaces is asked: they want the request in different places.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Surface {
    AiStudio,
    Vertex,
}

/// Reads what a caller wants counted: contents alone, or a whole request.
///
/// # Errors
/// As for a request.
pub fn read_count_request<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    let valid = validate(body, &JsonLimits::default()).is_ok();
    let inner = valid
        .then(|| {
            ["/generateContentRequest", "/generate_content_request"]
                .iter()
                .find_map(|path| pointer(body, path))
        })
        .flatten();
    match inner.and_then(|place| body.get(place.start..place.end)) {
        Some(inner) => request_read::read(inner, asked),
        None => request_read::read(body, asked),
    }
}

/// # Errors
/// As for a request.
pub fn write_count_request(
    request: &Request<'_>,
    target: &Target<'_>,
    surface: Surface,
) -> Result<Written, BodyError> {
    if surface == Surface::Vertex {
        return request_write::write(request, target);
    }
    let mut written = Written::default();
    let (mut bytes, mut result) = (Vec::with_capacity(1024), Ok(()));
    object(&mut bytes, |body| {
        body.object("generateContentRequest", |inner| {
            match target.model.contains('/') {
                true => inner.str("model", target.model),
                false => inner.str("model", &format!("models/{}", target.model)),
            }
            result = request_write::members(request, target, inner, &mut written);
        });
    });
    written.bytes = bytes;
    result.map_err(|fault: Fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    Ok(written)
}

/// Reads the count, as the `input` of a usage.
///
/// # Errors
/// The bytes are no count, or an error under a good status.
pub fn read_count(body: &[u8]) -> Result<Usage, Box<Error<'static>>> {
    if let Some(error) = error::find(200, body) {
        return Err(Box::new(error));
    }
    let read = Reader::whole(body, false, |reader| {
        let mut usage = Usage::default();
        let Some(mut members) = reader.object("the body is not a JSON object")? else {
            return Ok(usage);
        };
        while let Some(key) = next(reader, &mut members)? {
            let place = match &*key {
                b"totalTokens" => &mut usage.input,
                b"cachedContentTokenCount" => &mut usage.cache_read,
                _ => {
                    reader.pass()?;
                    continue;
                }
            };
            *place = reader
                .whole_number("is not a whole number")
                .within("totalTokens")?;
        }
        Ok(usage)
    });
    match read {
        Ok(Read { value, .. }) if value.input.is_some() => Ok(value),
        Ok(_) => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer has no count in it",
        ))),
        Err(why) => Err(Box::new(Error::bad_answer(&why))),
    }
}

/// Writes a count for a caller.
pub fn write_count(usage: &Usage) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |object| {
        object.count("totalTokens", usage.input.unwrap_or(0));
        object.count_if(
            "cachedContentTokenCount",
            usage.cache_read.filter(|count| *count > 0),
        );
    });
    out
}
