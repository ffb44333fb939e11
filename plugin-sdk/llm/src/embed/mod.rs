//! Embeddings: a small model of their own, and the dialects that are translated through it (APIS.md 1.7, 4.6, 5, 6.7,
//! 8). Which provider is asked, and asking several times where one request is too many, is left to the gateway;
//! [`Request::chunks`] and [`Answer::join`] are for that.

mod answer;
mod cohere;
mod gemini;
mod input;
mod openai;
mod request;
mod task;
mod titan;
mod vector;
mod vertex;

pub use answer::{Answer, Embedding};
pub use input::{Input, InputContent};
pub use request::{Request, Truncate};
pub use task::{Task, TaskKind};
pub use vector::{Data, Encoding, NumberKind, Vector};

use crate::fault::BodyError;
use crate::model::{Asked, Error, Read, Written};

/// The dialects of embeddings.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/v1/embeddings`, of OpenAI and its likes.
    OpenAi,
    /// `/v1/embeddings` of Voyage: OpenAI's, with other names for what OpenAI does not have or names otherwise.
    Voyage,
    /// `/v2/embed`.
    Cohere,
    /// `:embedContent`, of AI Studio and Vertex.
    Gemini,
    /// `:batchEmbedContents`.
    GeminiBatch,
    /// `:predict` of Vertex's older models.
    VertexPredict,
    /// `InvokeModel` of Amazon's Titan.
    BedrockTitan,
    /// `InvokeModel` of Cohere's models.
    BedrockCohere,
}

/// Every dialect that can be read and written.
pub static CODECS: &[&dyn Codec] = &[
    &openai::OpenAi,
    &openai::Voyage,
    &cohere::Cohere,
    &gemini::Gemini,
    &gemini::GeminiBatch,
    &vertex::VertexPredict,
    &titan::BedrockTitan,
    &cohere::BedrockCohere,
];

impl Dialect {
    /// By its name in a configuration.
    pub fn named(name: &str) -> Option<Dialect> {
        let dialects = CODECS.iter().map(|codec| codec.dialect());
        dialects.into_iter().find(|dialect| dialect.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai-embeddings",
            Dialect::Voyage => "voyage-embeddings",
            Dialect::Cohere => "cohere-embed",
            Dialect::Gemini => "gemini-embed",
            Dialect::GeminiBatch => "gemini-batch-embed",
            Dialect::VertexPredict => "vertex-predict-embed",
            Dialect::BedrockTitan => "bedrock-titan-embed",
            Dialect::BedrockCohere => "bedrock-cohere-embed",
        }
    }

    pub fn codec(self) -> &'static dyn Codec {
        match self {
            Dialect::OpenAi => &openai::OpenAi,
            Dialect::Voyage => &openai::Voyage,
            Dialect::Cohere => &cohere::Cohere,
            Dialect::Gemini => &gemini::Gemini,
            Dialect::GeminiBatch => &gemini::GeminiBatch,
            Dialect::VertexPredict => &vertex::VertexPredict,
            Dialect::BedrockTitan => &titan::BedrockTitan,
            Dialect::BedrockCohere => &cohere::BedrockCohere,
        }
    }

    /// The dialect of the provider's chat, which has the same errors.
    pub fn chat_dialect(self) -> crate::model::Dialect {
        self.chat().dialect()
    }

    fn chat(self) -> &'static dyn crate::model::Codec {
        use crate::model::Dialect as Chat;
        let chat = match self {
            Dialect::OpenAi | Dialect::Voyage => Chat::OpenAiChat,
            Dialect::Cohere => Chat::Cohere,
            Dialect::Gemini | Dialect::GeminiBatch | Dialect::VertexPredict => Chat::Gemini,
            Dialect::BedrockTitan | Dialect::BedrockCohere => Chat::BedrockConverse,
        };
        chat.codec().unwrap_or(&crate::openai::chat::OpenAiChat)
    }
}

/// A dialect, both ways. As with chats ([`crate::model::Codec`]) readers are total and writers say what they left out.
pub trait Codec: Sync {
    fn dialect(&self) -> Dialect;

    /// Most inputs in one request; none where that differs from model to model.
    fn most_inputs(&self) -> Option<usize>;

    /// # Errors
    /// The field that is missing, double, of the wrong type or that nobody knows the meaning of.
    fn read_request<'a>(&self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError>;

    /// # Errors
    /// An input that the dialect cannot say: tokens, images, or more inputs than it takes.
    fn write_request(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError>;

    /// # Errors
    /// The bytes are no answer of this dialect, or an error under a good status.
    fn read_answer<'a>(&self, body: &'a [u8], known: &Known<'_>) -> Result<Read<Answer<'a>>, Box<Error<'a>>>;

    fn write_answer(&self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written;

    /// Reads an error, whatever the body is. `native` is what a header says of its type (`x-amzn-errortype`).
    fn read_error<'a>(&self, status: u16, native: Option<&'a str>, body: &'a [u8]) -> Error<'a> {
        self.dialect().chat().read_error(status, native, body)
    }

    /// The status under which an error goes to a caller.
    fn error_status(&self, error: &Error<'_>) -> u16 {
        self.dialect().chat().error_status(error)
    }

    /// Writes an error's body for a caller.
    fn write_error(&self, error: &Error<'_>) -> Vec<u8> {
        self.dialect().chat().write_error(error)
    }
}

/// What is known of the model that a request goes to.
#[derive(Copy, Clone, Debug)]
pub struct Target<'a> {
    /// Its name there.
    pub model: &'a str,
    /// It takes images, said as OpenRouter and Cohere say them.
    pub images: bool,
    /// It takes tokens in the place of texts.
    pub tokens: bool,
    /// What to ask for, whatever the caller did: some providers know no base64.
    pub encoding: Option<Encoding>,
}

impl<'a> Target<'a> {
    /// Nothing is known but the name: what is most common is assumed.
    pub fn new(model: &'a str) -> Target<'a> {
        Target {
            model,
            images: true,
            tokens: true,
            encoding: None,
        }
    }
}

/// What is known of an answer besides its body.
#[derive(Copy, Clone, Debug, Default)]
pub struct Known<'k> {
    /// What was asked for: not every dialect says what its numbers are.
    pub encodings: &'k [Encoding],
    /// Tokens of the input, where a header counts them (`x-amzn-bedrock-input-token-count`).
    pub input_tokens: Option<u64>,
}

/// What an answer needs that its provider does not say: what the caller asked for.
#[derive(Copy, Clone, Debug)]
pub struct Envelope<'a> {
    /// For dialects whose answers have one, where the provider gave none.
    pub id: &'a str,
    pub request: &'a Request<'a>,
}

/// What cannot be said in a dialect.
const NO_SUCH: &str = "the provider has nothing like it";

/// Of a body that was read as far as it could be.
fn no_answer<'a>() -> Box<Error<'a>> {
    Box::new(Error::new(
        crate::model::ErrorKind::BadAnswer,
        "the provider's answer has no embeddings in it",
    ))
}
