//! InvokeModel's envelopes around Claude (APIS.md 3.8): bodies are Anthropic's, whose codec writes them for Bedrock, and
//! streamed events come as bytes in base64, one in each chunk. What is in them is left to that codec.

use crate::eventstream::{EventStreamError, write_event};
use crate::fault::BodyError;
use crate::model::{Error, Text};
use crate::read::Reader;
use crate::write::object;

use super::blob;

/// The name of an event that carries another dialect's.
pub const CHUNK: &str = "chunk";

/// The bytes that a chunk's payload carries: one event's data, as it would come after `data:`.
///
/// # Errors
/// The payload is no chunk, or its bytes are not base64.
pub fn read_chunk(payload: &[u8]) -> Result<Vec<u8>, Box<Error<'static>>> {
    let bad = |why: BodyError| Box::new(Error::bad_answer(&why));
    let read = Reader::whole(payload, false, |reader| {
        let mut bytes: Option<Text<'_>> = None;
        let Some(mut members) = reader.object("a chunk is not an object")? else {
            return Ok(bytes);
        };
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"bytes" => bytes = reader.text("a chunk's bytes are not a string")?,
                // padding that hides the length
                _ => reader.pass()?,
            }
        }
        Ok(bytes)
    });
    let bytes = read.map_err(bad)?.value;
    let decoded = bytes.and_then(|bytes| blob::decode(&bytes.get()));
    decoded.ok_or_else(|| {
        Box::new(Error::new(
            crate::model::ErrorKind::BadAnswer,
            "the provider's stream is broken: a chunk holds no bytes",
        ))
    })
}

/// Reads an exception inside a stream, whose types are Bedrock's whatever the chunks hold. `name` and `data` are its
/// frame's.
pub fn read_exception<'a>(name: Option<&'a [u8]>, data: &'a [u8]) -> Error<'a> {
    super::converse::read_exception(name, data)
}

/// Writes an event's data as a chunk.
///
/// # Errors
/// The data is longer than AWS allows.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) -> Result<(), EventStreamError> {
    let mut payload = Vec::with_capacity(data.len().saturating_mul(2));
    object(&mut payload, |chunk| chunk.str("bytes", &blob::encode(data)));
    write_event(CHUNK, &payload, out)
}
