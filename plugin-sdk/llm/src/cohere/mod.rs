//! Cohere's chat (v2) as a dialect of the model.

mod answer_read;
mod answer_write;
mod call;
mod citation;
mod content;
mod documents;
mod error;
mod event;
mod message_read;
mod message_write;
mod request_read;
mod request_write;
mod stop;
mod stream_read;
mod stream_write;
mod tools;
mod usage;

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Media, MediaKind, Read, Request, Source,
    StreamReader, StreamWriter, Target, Written,
};
use crate::wire;

/// Cohere's `/v2/chat` (APIS.md 8).
#[derive(Copy, Clone, Debug)]
pub struct Cohere;

/// The name of the encoding under which the plan that comes before calls of tools travels as reasoning.
const PLAN: &str = "cohere-tool-plan";

/// What cannot be said here.
const NO_SUCH: &str = "Cohere's chat has nothing like it";

impl Codec for Cohere {
    fn dialect(&self) -> Dialect {
        Dialect::Cohere
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked)
    }

    fn needs_bytes(&self, media: &Media<'_>, target: &Target<'_>) -> bool {
        match media.kind {
            MediaKind::Image => !target.fetches_urls,
            MediaKind::Document => true,
            MediaKind::Audio | MediaKind::Video => false,
        }
    }

    /// Its documents are texts.
    fn reads_document(&self, media: &Media<'_>) -> bool {
        documents::is_text(media) || !matches!(media.source, Source::Base64(_))
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
        wire::restore::<stream_read::Reader>(Dialect::Cohere, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope))
    }
}
