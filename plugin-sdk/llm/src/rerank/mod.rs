//! Reranking: which of some documents answer a question best. A small model of its own, and the dialects that are
//! translated through it (APIS.md 8), which differ in a few names only. Which provider is asked is left to the gateway.

mod answer_read;
mod answer_write;
mod item;
mod request_read;
mod request_write;

pub use item::Item;

use crate::fault::BodyError;
use crate::model::{Asked, Error, Extras, Json, Number, Read, Text, Usage, Written};

/// The dialects of reranking.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/v1/rerank` of Cohere: documents may be objects, and come back on demand.
    CohereV1,
    /// `/v2/rerank` of Cohere: documents are texts, and do not come back.
    CohereV2,
    Jina,
    Voyage,
    OpenRouter,
    /// vLLM, and others that answer as it does.
    Vllm,
}

pub const DIALECTS: [Dialect; 6] = [
    Dialect::CohereV1,
    Dialect::CohereV2,
    Dialect::Jina,
    Dialect::Voyage,
    Dialect::OpenRouter,
    Dialect::Vllm,
];

/// A request, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The dialect that it was read from: whose `extras` these are.
    pub dialect: Dialect,
    pub model: Text<'a>,
    pub query: Item<'a>,
    pub documents: Vec<Item<'a>>,
    /// How many are wanted back.
    pub top_n: Option<Number<'a>>,
    /// Whether the documents are wanted back as well.
    pub return_documents: Option<bool>,
    /// Tokens of a document that are looked at.
    pub max_tokens_per_doc: Option<Number<'a>>,
    /// Whether what is too long is cut, or else refused.
    pub truncate: Option<bool>,
    /// Which members of documents that are objects count, in their order.
    pub rank_fields: Option<Json<'a>>,
    /// What the model has no field for, under its native name.
    pub extras: Extras<'a>,
}

/// An answer, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The dialect that it was read from: whose `extras` these are.
    pub dialect: Dialect,
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    /// The best one first, as the provider sends them.
    pub results: Vec<Ranked<'a>>,
    pub usage: Option<Usage>,
    /// The member that the usage was read from, with what else it says.
    pub native_usage: Option<Json<'a>>,
    pub extras: Extras<'a>,
}

/// One document's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked<'a> {
    /// Which of the request's documents.
    pub index: u64,
    pub score: Number<'a>,
    /// None where the provider does not send it back.
    pub document: Option<Item<'a>>,
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

impl Dialect {
    /// By its name in a configuration.
    pub fn named(name: &str) -> Option<Dialect> {
        DIALECTS.into_iter().find(|dialect| dialect.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::CohereV1 => "cohere-rerank-v1",
            Dialect::CohereV2 => "cohere-rerank-v2",
            Dialect::Jina => "jina-rerank",
            Dialect::Voyage => "voyage-rerank",
            Dialect::OpenRouter => "openrouter-rerank",
            Dialect::Vllm => "vllm-rerank",
        }
    }

    /// Reads what a caller sent. A key that stands twice is refused.
    ///
    /// # Errors
    /// The field that is missing, double or of the wrong type.
    pub fn read_request<'a>(self, body: &'a [u8], asked: &Asked<'a>) -> Result<Read<Request<'a>>, BodyError> {
        request_read::read(self, body, asked)
    }

    /// Writes a request for the model of that name.
    ///
    /// # Errors
    /// A question or a document that is no text, where the dialect takes nothing else.
    pub fn write_request(self, request: &Request<'_>, model: &str) -> Result<Written, BodyError> {
        request_write::write(self, request, model)
    }

    /// Reads a provider's answer (of a status below 400), in any of the forms.
    ///
    /// # Errors
    /// The bytes are no ranking, or an error under a good status.
    pub fn read_answer(self, body: &[u8]) -> Result<Read<Answer<'_>>, Box<Error<'_>>> {
        answer_read::read(self, body)
    }

    /// Writes an answer for a caller. Documents that the provider did not send back come from the request.
    pub fn write_answer(self, answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
        answer_write::write(self, answer, envelope)
    }

    /// Reads an error, whatever the body is.
    pub fn read_error(self, status: u16, body: &[u8]) -> Error<'_> {
        self.chat().read_error(status, None, body)
    }

    /// The status under which an error goes to a caller.
    pub fn error_status(self, error: &Error<'_>) -> u16 {
        self.chat().error_status(error)
    }

    /// Writes an error's body for a caller.
    pub fn write_error(self, error: &Error<'_>) -> Vec<u8> {
        self.chat().write_error(error)
    }

    /// The dialect of the provider's chat, which has the same errors.
    pub fn chat_dialect(self) -> crate::model::Dialect {
        self.chat().dialect()
    }

    fn chat(self) -> &'static dyn crate::model::Codec {
        match self {
            Dialect::CohereV1 | Dialect::CohereV2 => &crate::cohere::Cohere,
            _ => &crate::openai::chat::OpenAiChat,
        }
    }

    /// Documents may be objects.
    fn takes_objects(self) -> bool {
        matches!(self, Dialect::CohereV1 | Dialect::Jina | Dialect::Vllm)
    }
}
