//! Chat completions as a dialect of the model: what other dialects' callers and providers need of it. Traffic that stays
//! in this dialect is not translated: the rest of `openai` reads and edits it in place.

mod answer_read;
mod answer_write;
mod call;
mod chunk;
pub(in crate::openai) mod content;
pub(crate) mod error;
mod message_read;
mod message_write;
mod reasoning;
mod request_read;
mod request_write;
mod stop;
mod stream_read;
mod stream_write;
pub(in crate::openai) mod tools;
mod usage;

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Media, Read, Request, StreamReader,
    StreamWriter, Target, Written,
};
use crate::wire;

/// OpenAI's chat completions, with what OpenAI-like providers added to them (APIS.md 1.3 to 1.6, 2.4, 2.7, 8).
#[derive(Copy, Clone, Debug)]
pub struct OpenAiChat;

impl Codec for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked)
    }

    fn needs_bytes(&self, media: &Media<'_>, target: &Target<'_>) -> bool {
        message_write::needs_bytes(media, target)
    }

    /// OpenAI's own models read PDFs; any other text goes as words.
    fn reads_document(&self, media: &Media<'_>) -> bool {
        media
            .document_type()
            .is_none_or(|media_type| !media_type.is_text())
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
        wire::restore::<stream_read::Reader>(Dialect::OpenAiChat, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope))
    }
}
