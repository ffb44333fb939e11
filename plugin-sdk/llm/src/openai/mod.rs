//! OpenAI's dialect: requests, answers and stream events read in place, and what the gateway writes itself.
//! Which provider gets a request, and what plugins make of it, is left to others.

mod answer;
pub mod chat;
mod choices;
mod edit;
mod error;
mod event;
mod message;
mod outbound;
mod request;
pub mod responses;
mod tools;
pub mod write;

pub use crate::fault::{BodyError, BodyErrorKind};
pub use answer::Answer;
pub use edit::EditError;
pub use error::ErrorView;
pub use event::{Delta, EventView, Finish, Logprobs};
pub use outbound::Outbound;
pub use request::{ReadLimits, Request};

use std::borrow::Cow;

use crate::json::{Span, lossy, unescape};

/// What a caller asks for; one path each.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Completions,
    Embeddings,
    Moderations,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Chat => "chat",
            Operation::Completions => "completions",
            Operation::Embeddings => "embeddings",
            Operation::Moderations => "moderations",
        }
    }

    /// Whether answers have choices, and can be streamed.
    pub fn generates(self) -> bool {
        matches!(self, Operation::Chat | Operation::Completions)
    }
}

/// Who said it. Mirrors the plugin contract.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Other,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
            Role::Other => "other",
        }
    }

    fn named(name: &[u8]) -> Role {
        match name {
            b"system" => Role::System,
            b"developer" => Role::Developer,
            b"user" => Role::User,
            b"assistant" => Role::Assistant,
            // `function` is the name that tool messages had before
            b"tool" | b"function" => Role::Tool,
            _ => Role::Other,
        }
    }
}

/// What a piece of a call or of an answer is made of. Mirrors the plugin contract.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Text,
    Reasoning,
    Refusal,
    ToolArguments,
    ToolResult,
    Image,
    Audio,
    File,
}

impl Kind {
    /// Whether there are words to read: everything but media.
    pub fn has_text(self) -> bool {
        !matches!(self, Kind::Image | Kind::Audio | Kind::File)
    }
}

/// Where a segment came from. Mirrors the plugin contract.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provenance {
    Caller,
    Plugin,
    Provider,
}

/// One piece of a conversation, and where it stands in the body.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub role: Role,
    pub kind: Kind,
    pub provenance: Provenance,
    /// Counts an answer's choices; 0 in a request.
    pub choice: u32,
    /// Counts a message's tool calls, for their arguments; 0 elsewhere.
    pub tool: u32,
    /// In bytes of UTF-8, once unescaped; 0 for media.
    pub length: u32,
    /// The string literal with its quotes, or the whole JSON value where `raw` or for media.
    pub span: Span,
    /// The text is JSON that stands in the body as such: tool arguments as an object (Mistral) instead of a string.
    pub raw: bool,
}

impl Segment {
    /// The text, out of the body that this segment was read from; none for media.
    pub fn text<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        let literal = self.span.of(body);
        match (self.kind.has_text(), self.raw) {
            (false, _) => None,
            (true, true) => Some(lossy(literal)),
            (true, false) => Some(unescape(literal)),
        }
    }
}

/// Whether an event's data is the stream's end mark. As the official clients do, whatever follows the mark is ignored.
pub fn is_done(data: &[u8]) -> bool {
    data.trim_ascii_start().starts_with(b"[DONE]")
}
