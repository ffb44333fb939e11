//! What a dialect has to be able to do. Each is one folder, one type that implements [`Codec`], and one line in
//! [`CODECS`].

use super::{
    Answer, Asked, Envelope, Error, ErrorKind, Event, Events, Losses, Media, Read, Request, Target, Written,
};
use crate::fault::BodyError;

/// The dialects that the gateway knows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
    Gemini,
    BedrockConverse,
    Cohere,
}

/// Every dialect that can be read and written.
pub static CODECS: &[&dyn Codec] = &[
    &crate::openai::chat::OpenAiChat,
    &crate::openai::responses::OpenAiResponses,
    &crate::anthropic::AnthropicMessages,
    &crate::cohere::Cohere,
    &crate::gemini::Gemini,
    &crate::bedrock::converse::BedrockConverse,
];

impl Dialect {
    pub const ALL: [Dialect; 6] = [
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
        Dialect::AnthropicMessages,
        Dialect::Gemini,
        Dialect::BedrockConverse,
        Dialect::Cohere,
    ];

    /// By its name in a configuration.
    pub fn named(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "openai-chat",
            Dialect::OpenAiResponses => "openai-responses",
            Dialect::AnthropicMessages => "anthropic-messages",
            Dialect::Gemini => "gemini",
            Dialect::BedrockConverse => "bedrock-converse",
            Dialect::Cohere => "cohere",
        }
    }

    /// None while nobody has written it.
    pub fn codec(self) -> Option<&'static dyn Codec> {
        CODECS.iter().copied().find(|codec| codec.dialect() == self)
    }
}

/// A dialect, both ways. Readers are total: they refuse what is no request or no answer, with the field's name, and keep
/// everything else; writers say what they left out, changed or added.
pub trait Codec: Sync {
    fn dialect(&self) -> Dialect;

    /// How its streams are cut into frames.
    fn framing(&self) -> Framing;

    /// Reads what a caller sent. A key that stands twice is refused.
    ///
    /// # Errors
    /// The field that is missing, of the wrong type or that nobody knows the meaning of.
    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError>;

    /// Whether other providers than the one that it was written for can answer a request.
    ///
    /// # Errors
    /// What it names instead of saying it, and only one provider keeps (a previous answer, a stored prompt).
    fn check_portable(&self, _request: &Request<'_>) -> Result<(), BodyError> {
        Ok(())
    }

    /// What answers repeat of a request of this dialect, for [`Envelope::repeated`]; none where they repeat nothing.
    fn repeated(&self, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// Whether media at a URL of the web would be taken if their bytes were there, and are not by their URL.
    fn needs_bytes(&self, _media: &Media<'_>, target: &Target<'_>) -> bool {
        !target.fetches_urls
    }

    /// Whether it has a part for a document that is there with its bytes or its text.
    fn reads_document(&self, _media: &Media<'_>) -> bool {
        true
    }

    /// Writes a request for a provider.
    ///
    /// # Errors
    /// The field that the dialect cannot say and that must not be left out: broken arguments of a tool call (PAIN D07),
    /// media that the target does not take.
    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError>;

    /// Reads a provider's whole answer (of a status below 400).
    ///
    /// # Errors
    /// The bytes are no answer of this dialect ([`Error::bad_answer`]), or an error under a good status.
    fn read_answer<'a>(&self, body: &'a [u8]) -> Result<Read<Answer<'a>>, Box<Error<'a>>>;

    /// Writes an answer for a caller.
    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written;

    /// Reads an error, whatever the body is. `native` is what a header says of its type (`x-amzn-errortype`).
    fn read_error<'a>(&self, status: u16, native: Option<&'a str>, body: &'a [u8]) -> Error<'a>;

    /// The status under which an error goes to a caller. 529 is Anthropic's alone: nobody else's clients have a name for it
    /// (APIS.md 9.9).
    fn error_status(&self, error: &Error<'_>) -> u16 {
        if error.kind == ErrorKind::Overloaded {
            503
        } else {
            error.status
        }
    }

    /// Writes an error's body for a caller.
    fn write_error(&self, error: &Error<'_>) -> Vec<u8>;

    fn stream_reader(&self) -> Box<dyn StreamReader>;

    /// A reader that goes on where one was saved, and begins where `state` is empty; none where the state is of another
    /// dialect, of another version, or broken.
    fn restore(&self, state: &[u8]) -> Option<Box<dyn StreamReader>>;

    fn stream_writer(&self, envelope: &Envelope<'_>) -> Box<dyn StreamWriter>;
}

/// How a dialect's streams are cut into frames.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: [`SseReader`](crate::sse::SseReader).
    Sse,
    /// AWS event-stream messages.
    AwsEventStream,
}

/// One frame, however it was cut.
#[derive(Copy, Clone, Debug)]
pub struct StreamFrame<'a> {
    /// The event's name (`event:`, `:event-type`, `:exception-type`).
    pub name: Option<&'a [u8]>,
    pub data: &'a [u8],
    /// An AWS exception or error message.
    pub exception: bool,
}

impl<'a> StreamFrame<'a> {
    pub fn data(data: &'a [u8]) -> StreamFrame<'a> {
        StreamFrame {
            name: None,
            data,
            exception: false,
        }
    }
}

/// Reads one provider's stream. Its state is bounded: it keeps indexes and counts, no text.
pub trait StreamReader: Send {
    /// What a frame gives, in the order that [`Event`] demands. Nothing follows an error.
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>);

    /// The provider closed the stream: what is still due, or the error that it was cut off.
    fn end(&mut self, events: &mut Events<'static>);

    fn take_losses(&mut self) -> Losses;

    /// Writes what it knows between two frames, but for losses that were not taken, for [`Codec::restore`]: at most
    /// [`MAX_STATE_BYTES`](crate::wire::MAX_STATE_BYTES).
    fn save(&self, out: &mut Vec<u8>);
}

/// Writes one stream for a caller, framed. Takes events in the order that [`Event`] demands, and writes a legal stream
/// whatever it gets.
pub trait StreamWriter: Send {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>);

    /// The dialect's own sign of life, which may go out between any two events.
    fn keep_alive(&self, out: &mut Vec<u8>);

    fn take_losses(&mut self) -> Losses;
}
