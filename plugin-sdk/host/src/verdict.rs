//! What goes into a hook and what comes out of it, as plain values; acting on it is left to the gateway.

use std::sync::Arc;

use penstock_llm::openai::Kind;

use crate::bindings::penstock::plugin::types as wit;
use crate::fault::PluginFault;

/// One hook that ran, or was not able to.
#[derive(Debug)]
pub struct Ran<T> {
    pub result: Result<T, PluginFault>,
    /// Wall time of the hook in microseconds, 0 where the plugin was not entered.
    pub micros: u32,
    /// Whether the body was edited; never after a fault, as edits are undone then.
    pub edited: bool,
}

impl<T> Ran<T> {
    /// For a hook that the plugin has no interest in.
    pub(crate) fn without_entering(value: T) -> Ran<T> {
        Ran {
            result: Ok(value),
            micros: 0,
            edited: false,
        }
    }

    /// The same with what becomes of its verdict.
    pub(crate) fn and_then<U>(self, then: impl FnOnce(T) -> Result<U, PluginFault>) -> Ran<U> {
        Ran {
            result: self.result.and_then(then),
            micros: self.micros,
            edited: self.edited,
        }
    }

    /// For a hook that was not entered, though the plugin wants it.
    pub(crate) fn without_verdict(fault: PluginFault) -> Ran<T> {
        Ran {
            result: Err(fault),
            micros: 0,
            edited: false,
        }
    }
}

/// A text that is answered without asking a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
}

/// An error that the caller gets in its own dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Within 400..=599.
    pub status: u16,
    /// At most 128 bytes.
    pub code: String,
    /// At most 4 KiB.
    pub message: String,
}

impl Refusal {
    /// More would not fit the tables that it ends up in.
    const LONGEST_CODE: usize = 128;
    /// An error message is read by a person.
    const LONGEST_MESSAGE: usize = 4096;

    pub(crate) fn from_guest(said: wit::Refusal) -> Refusal {
        Refusal {
            status: said.status.clamp(400, 599),
            code: shortened(said.code, Refusal::LONGEST_CODE),
            message: shortened(said.message, Refusal::LONGEST_MESSAGE),
        }
    }
}

/// `text`, cut at a character's boundary so that it has at most `longest` bytes.
pub(crate) fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.shrink_to_fit();
    }
    text
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    Proceed,
    Answer(Reply),
    Refuse(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseVerdict {
    Proceed,
    Refuse(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// Candidates that are not named are not tried; none at all refuses the call. Each is named once at most.
    Order(Vec<Choice>),
    Refuse(Refusal),
}

/// One target to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The candidate's place in the list that was passed in.
    pub candidate: u32,
    /// At most 256 bytes.
    pub reason: String,
}

impl Choice {
    pub(crate) const LONGEST_REASON: usize = 256;
}

/// One target that a call could be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub provider: Arc<str>,
    pub model: Arc<str>,
    pub weight: u32,
    /// Nano US dollars per million tokens, where known.
    pub input_price: Option<u64>,
    pub output_price: Option<u64>,
    /// Attempts under way to this target.
    pub in_flight: u32,
    /// A moving average of the time to the first byte.
    pub first_byte_us: Option<u32>,
    /// Failures in a row.
    pub failures: u32,
}

/// New text of one channel of a stream.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Delta<'a> {
    /// Names the channel within this stream.
    pub channel: u32,
    pub choice: u32,
    pub kind: Kind,
    /// What was held back before, then the new text.
    pub window: &'a str,
    /// Where in the window the new text starts, in bytes.
    pub fresh: u32,
    /// The channel is over: nothing can be held any more.
    pub last: bool,
}

/// Replaces the bytes `start..end` of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub start: u32,
    pub end: u32,
    pub text: String,
}

/// What is to happen with a window. Already checked against it: edits are sorted, do not overlap, lie on character
/// boundaries and before what is held; `hold` is within its limit and 0 at the last delta.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub edits: Vec<Edit>,
    /// Bytes at the window's end (before edits) that must not go out yet.
    pub hold: u32,
    /// Ends the stream with this error; nothing of the window goes out.
    pub end: Option<Refusal>,
}

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub status: u16,
    /// `complete`, `refused`, `failed`, `cancelled` or `truncated`.
    pub ending: &'static str,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub attempts: u32,
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    pub duration_us: u64,
}
