//! `count_tokens`: a request without a limit, and a number for an answer (APIS.md 3.5).

use crate::fault::BodyError;
use crate::json::ValueKind;
use crate::model::{Asked, Error, ErrorKind, Read, Request, Target, Written};
use crate::read::Reader;
use crate::write::object;

use super::error;
use super::request_read::{self, Purpose};
use super::request_write;

/// Reads a request whose tokens are to be counted.
///
/// # Errors
/// As for a request for an answer.
pub fn read_count_request<'a>(body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
    request_read::read(body, asked, Purpose::Count)
}

/// Writes one, which has no parameters of the answer.
///
/// # Errors
/// As for a request for an answer.
pub fn write_count_request(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    request_write::write(request, target, Purpose::Count)
}

/// Reads the number of tokens.
///
/// # Errors
/// The body is an error, or says no number.
pub fn read_count(body: &[u8]) -> Result<u64, Box<Error<'static>>> {
    let read = Reader::whole(body, false, |reader| {
        let mut count = None;
        if reader.kind()? != ValueKind::Object {
            reader.pass()?;
            return Ok(count);
        }
        let Some(mut members) = reader.object("")? else {
            return Ok(count);
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"input_tokens" => count = reader.whole_number("`input_tokens` is not a number")?,
                _ => reader.pass()?,
            }
        }
        Ok(count)
    });
    match read {
        Ok(Read {
            value: Some(count), ..
        }) => Ok(count),
        Ok(_) if crate::json::pointer(body, "/error").is_some() => Err(Box::new(error::read(200, body))),
        Ok(_) => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider counted no tokens",
        ))),
        Err(why) => Err(Box::new(Error::bad_answer(&why))),
    }
}

/// Writes the number of tokens for a caller.
pub fn write_count(tokens: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    object(&mut out, |body| body.count("input_tokens", tokens));
    out
}
