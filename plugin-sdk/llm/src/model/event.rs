//! What a provider answers, piece by piece.

use smallvec::SmallVec;

use super::{Citation, Error, Extras, Json, Part, Signature, Stop, Text, Usage};

/// What one frame of a stream gives.
pub type Events<'a> = SmallVec<[Event<'a>; 4]>;

/// One step of an answer. Whatever the dialect, a stream that a reader gives keeps this order:
///
/// - `Start` once and first, unless the first thing is an `Error` or a `Ping`;
/// - for each part `PartStart`, any number of `Delta`, `PartStop`, its index counting a choice's parts from 0 in the
///   order in which they start. In one choice only tool calls may be open at the same time, and only together with
///   other tool calls;
/// - `Stop` once for each choice, with all its parts closed;
/// - `Usage` wherever the provider reports it, each one everything known so far;
/// - `Done` or an `Error` that is the last event. A stream that breaks never has `Done`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    Start(Box<Start<'a>>),
    /// A part begins. What it says at once (a text, a call's whole arguments) is its beginning, as a first delta would
    /// be. Pieces that come whole (redacted reasoning, a server tool's result, an image) stop with no delta.
    PartStart {
        choice: u32,
        part: u32,
        content: Box<Part<'a>>,
    },
    Delta {
        choice: u32,
        part: u32,
        delta: Delta<'a>,
    },
    PartStop {
        choice: u32,
        part: u32,
    },
    Usage(Box<Usage>),
    Stop {
        choice: u32,
        stop: Box<Stop<'a>>,
    },
    /// Fit for nothing but the same dialect, or to be kept: log probabilities, filter results, metadata.
    Extra {
        /// None where it belongs to the whole answer.
        choice: Option<u32>,
        extras: Extras<'a>,
    },
    Error(Box<Error<'a>>),
    /// A sign of life.
    Ping,
    /// The provider said that this was all.
    Done,
}

/// What is known when an answer begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start<'a> {
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    pub service_tier: Option<Text<'a>>,
    /// What is known of the input by now; a `Usage` says it again.
    pub usage: Option<Usage>,
    pub extras: Extras<'a>,
}

/// What a part gets more of.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<'a> {
    /// Of a text.
    Text(Text<'a>),
    /// Of reasoning, whether text or summary.
    Reasoning(Text<'a>),
    Refusal(Text<'a>),
    /// Of a tool call's arguments.
    Arguments(Text<'a>),
    /// The signature, or more of it.
    Signature(Signature<'a>),
    /// Base64 of audio or of an image, or encrypted reasoning.
    Data(Text<'a>),
    /// Of what is said in an audio.
    Transcript(Text<'a>),
    Citation(Box<Citation<'a>>),
    /// Log probabilities of this piece, in the dialect's own words.
    Logprobs(Json<'a>),
    /// Of a native piece's `input`: JSON in pieces.
    Native(Text<'a>),
}

impl Event<'_> {
    /// Whether a caller would notice: after the first such event another provider cannot be tried any more. Roles,
    /// empty texts, pings and usage are not.
    pub fn is_content(&self) -> bool {
        use super::Content::{Native, Reasoning, Refusal, Text, ToolCall};
        match self {
            Event::PartStart { content, .. } => match &content.content {
                Text { text, .. } | Refusal(text) => !text.is_empty(),
                Reasoning(thought) => !thought.text.is_empty() || thought.data.is_some(),
                ToolCall(call) => !call.name.is_empty() || !call.arguments.is_empty(),
                Native(_)
                | super::Content::ToolResult(_)
                | super::Content::Media(_)
                | super::Content::SearchResult(_) => true,
            },
            Event::Delta { delta, .. } => match delta {
                Delta::Text(text)
                | Delta::Reasoning(text)
                | Delta::Refusal(text)
                | Delta::Arguments(text)
                | Delta::Data(text)
                | Delta::Transcript(text)
                | Delta::Native(text) => !text.is_empty(),
                Delta::Citation(_) => true,
                Delta::Signature(_) | Delta::Logprobs(_) => false,
            },
            _ => false,
        }
    }
}
