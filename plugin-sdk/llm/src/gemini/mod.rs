//! Gemini's `generateContent` and `streamGenerateContent` as a dialect of the model, as AI Studio and Vertex speak it.
//! Paths, keys and which of the two is asked are left to the gateway.

mod answer_read;
mod answer_write;
mod array;
mod chunk;
mod config_read;
mod config_write;
mod content;
mod content_write;
mod count;
mod data;
mod error;
mod family;
mod foreign;
mod grounding;
mod logprobs;
mod part_write;
mod partial_args;
mod piece_write;
mod request_read;
mod request_write;
mod schema_down;
mod schema_node;
mod schema_typed;
mod schema_up;
mod signatures;
mod spelling;
mod stop;
mod stream_choice;
mod stream_parts;
mod stream_read;
mod stream_write;
mod thinking;
mod time;
mod tools;
mod tools_write;
mod usage;

use crate::fault::BodyError;
use crate::model::{
    Answer, Asked, Codec, Dialect, Envelope, Error, Framing, Media, Read, Request, Source, StreamReader,
    StreamWriter, Target, Written,
};
use crate::wire;

pub use array::{Elements, TooLarge};
pub use count::{Surface, read_count, read_count_request, write_count, write_count_request};

/// Members of objects inside the request and the answer are kept in `extras` under their path.
const GENERATION: &str = "generationConfig.";
const TOOL_CONFIG: &str = "toolConfig.";
const CALLING: &str = "toolConfig.functionCallingConfig.";
const USAGE: &str = "usageMetadata.";

const NO_SUCH: &str = "Gemini has nothing like it";

/// Gemini's API, both of AI Studio and of Vertex (APIS.md 4, 5).
#[derive(Copy, Clone, Debug)]
pub struct Gemini;

impl Codec for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(body, asked)
    }

    fn check_portable(&self, request: &Request<'_>) -> Result<(), BodyError> {
        request_read::check_portable(request)
    }

    /// Pages of YouTube are taken as they are: what is there is no video file.
    fn needs_bytes(&self, media: &Media<'_>, target: &Target<'_>) -> bool {
        !target.fetches_urls && !data::is_youtube(media)
    }

    fn reads_document(&self, media: &Media<'_>) -> bool {
        !matches!(media.source, Source::Text(_) | Source::Parts(_))
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
        wire::restore::<stream_read::Reader>(Dialect::Gemini, state)
    }

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope, stream_write::Form::Sse))
    }
}

impl Gemini {
    /// Writes a stream as a JSON list, for callers that did not ask for `alt=sse` (APIS.md 4.3).
    pub fn list_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream_write::Writer::new(envelope, stream_write::Form::List))
    }
}
