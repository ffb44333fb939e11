//! Anthropic's Messages as a dialect of the model (APIS.md 3), wherever Claude is hosted.

mod answer_read;
mod answer_write;
mod block_read;
mod block_write;
mod count;
mod error;
mod event;
pub(crate) mod foreign;
mod limits;
mod request_read;
mod request_write;
mod source;
mod stop;
mod stream_read;
mod stream_write;
pub(crate) mod thinking;
mod tools;
mod usage;

pub use count::{read_count, read_count_request, write_count, write_count_request};

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Media, Read, Request, StreamReader,
    StreamWriter, Target, Written,
};
use crate::wire;

/// The Messages API.
#[derive(Copy, Clone, Debug)]
pub struct AnthropicMessages;

impl Codec for AnthropicMessages {
    fn dialect(&self) -> Dialect {
        Dialect::AnthropicMessages
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked, request_read::Purpose::Answer)
    }

    fn needs_bytes(&self, media: &Media<'_>, target: &Target<'_>) -> bool {
        source::needs_bytes(media, target)
    }

    fn reads_document(&self, media: &Media<'_>) -> bool {
        source::reads_document(media)
    }

    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        request_write::write(request, target, request_read::Purpose::Answer)
    }

    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>> {
        answer_read::read(body)
    }

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        answer_write::write(answer, envelope)
    }

    fn read_error<'a>(&self, status: u16, _native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
        error::read(status, body)
    }

    fn error_status(&self, error: &Error<'_>) -> u16 {
        error.status
    }

    fn write_error(&self, error: &Error<'_>) -> Vec<u8> {
        error::write(error)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader::default())
    }

    fn restore(&self, state: &[u8]) -> Option<Box<dyn StreamReader>> {
        wire::restore::<stream_read::Reader>(Dialect::AnthropicMessages, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope))
    }
}
