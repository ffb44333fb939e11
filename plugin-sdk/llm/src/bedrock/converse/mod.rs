//! Bedrock's Converse and ConverseStream as a dialect of the model (APIS.md 6.3 to 6.7). The model and whether to stream
//! are in the path, which is left to whoever sends the request.

mod answer_read;
mod answer_write;
mod block_read;
mod block_write;
mod cite;
mod error;
mod family;
mod fields;
mod frame;
mod limits;
mod media_read;
mod media_write;
mod request_read;
mod request_write;
mod rest;
mod stop;
mod stream_read;
mod stream_write;
mod tools_read;
mod tools_write;
mod turn_write;
mod usage;

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Media, Read, Request, StreamReader,
    StreamWriter, Target, Written,
};
use crate::wire;

pub use error::exception_type;
pub(super) use error::read_exception;

/// Bedrock's Converse.
#[derive(Copy, Clone, Debug)]
pub struct BedrockConverse;

impl Codec for BedrockConverse {
    fn dialect(&self) -> Dialect {
        Dialect::BedrockConverse
    }

    fn framing(&self) -> Framing {
        Framing::AwsEventStream
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked)
    }

    /// Converse fetches from S3 alone.
    fn needs_bytes(&self, _media: &Media<'_>, _target: &Target<'_>) -> bool {
        true
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        request_write::write(request, target)
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        answer_read::read(body)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        answer_write::write(answer, envelope)
    }

    fn read_error<'a>(&self, status: u16, native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
        error::read(status, native, body)
    }

    fn write_error(&self, error: &Error<'_>) -> Vec<u8> {
        error::write(error)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader::default())
    }

    fn restore(&self, state: &[u8]) -> Option<Box<dyn StreamReader>> {
        wire::restore::<stream_read::Reader>(Dialect::BedrockConverse, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope))
    }
}
