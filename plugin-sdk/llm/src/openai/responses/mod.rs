//! Responses as a dialect of the model: what other dialects' callers and providers need of it. Nothing is kept between
//! calls here: what a request names instead of saying it (an answer from before, a conversation, a stored prompt) is left
//! to the provider that keeps it.

mod answer_read;
mod answer_write;
mod content;
mod error;
mod event;
mod input_write;
mod item;
mod media_write;
mod output;
mod portable;
mod reasoning;
mod request_read;
mod request_write;
mod shell;
mod stop;
mod stream_read;
mod stream_write;
mod tools_read;
mod tools_write;
mod usage;

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Read, Request, StreamReader, StreamWriter,
    Target, Written,
};
use crate::wire;

const NO_SUCH: &str = "Responses have nothing like it";
const ONLY_OWN: &str = "only its own dialect can say this";

/// OpenAI's Responses, as OpenAI itself, Azure, xAI, DeepSeek and others serve them (APIS.md 1.13).
#[derive(Copy, Clone, Debug)]
pub struct OpenAiResponses;

impl Codec for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiResponses
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked)
    }

    fn check_portable(&self, request: &Request<'_>) -> Result<(), BodyError> {
        portable::check(request)
    }

    fn repeated(&self, request: &Request<'_>) -> Option<String> {
        Some(shell::repeated(request))
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

    fn read_error<'a>(&self, status: u16, _native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
        error::read(status, body)
    }

    fn write_error(&self, error: &Error<'_>) -> Vec<u8> {
        error::write(error)
    }

    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(stream_read::Reader::default())
    }

    fn restore(&self, state: &[u8]) -> Option<Box<dyn StreamReader>> {
        wire::restore::<stream_read::Reader>(Dialect::OpenAiResponses, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope))
    }
}
