//! One event of a stream, as seen while relaying: what it adds to which channel. Keeps offsets, not bytes.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{EditError, Kind, Operation, choices, edit};
use crate::json::{JsonError, JsonLimits, Span, unescape};
use crate::splice::Splice;
use crate::usage::Usage;

/// New text of one channel (one choice's text, reasoning, refusal, or one tool call's arguments).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub choice: u32,
    pub kind: Kind,
    /// Counts the message's tool calls, for their arguments; 0 elsewhere.
    pub tool: u32,
    /// In the event's data: the string literal with its quotes, or a whole JSON value where `raw`.
    pub literal: Span,
    /// In bytes of UTF-8, once unescaped.
    pub length: u32,
    /// Tool arguments that stand in the event as JSON instead of a string (Mistral).
    pub raw: bool,
}

impl Delta {
    /// The text, out of the data that this delta was read from.
    pub fn text<'a>(&self, data: &'a [u8]) -> Cow<'a, str> {
        let literal = self.literal.of(data);
        if self.raw {
            String::from_utf8_lossy(literal)
        } else {
            unescape(literal)
        }
    }

    /// The splice, in the event's data, that gives this delta another text.
    ///
    /// # Errors
    /// The text has to be JSON here and is not.
    pub fn splice(&self, text: &str) -> Result<Splice, EditError> {
        edit::value_splice(self.literal, self.raw, text, &JsonLimits::default())
    }
}

/// A choice that is over.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub choice: u32,
    /// The literal, with its quotes.
    pub reason: Span,
}

/// A choice's log probabilities, which spell its text once more: whoever changes or withholds the text has to put
/// `null` here too.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Logprobs {
    pub choice: u32,
    /// The JSON value, never `null`.
    pub span: Span,
}

/// What one event's data holds. A key that stands twice gives a delta for each time: nothing a provider sends can hide
/// from a guard behind another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// In the order of the data, empty texts included.
    pub deltas: SmallVec<[Delta; 2]>,
    /// The choices with a finish reason.
    pub finishes: SmallVec<[Finish; 1]>,
    pub logprobs: SmallVec<[Logprobs; 1]>,
    pub usage: Option<Usage>,
    /// There are choices, and none in them: a usage chunk, or Azure's annotations.
    pub empty_choices: bool,
    /// The event is an error; [`ErrorView::read`](super::ErrorView::read) tells which.
    pub is_error: bool,
    /// There is something for the caller in it: a text, a tool's name, media. Role-only chunks have nothing.
    pub content_bearing: bool,
}

impl EventView {
    /// Reads an event's data (not the end mark, see [`is_done`](super::is_done)).
    ///
    /// # Errors
    /// The data is not one JSON object.
    pub fn read(op: Operation, data: &[u8]) -> Result<EventView, JsonError> {
        let sent = choices::read(op, data)?;
        let segments = &sent.found.segments;
        let words = segments.iter().any(|segment| segment.length > 0);
        let deltas = segments
            .iter()
            .filter(|segment| segment.kind.has_text())
            .map(|segment| Delta {
                choice: segment.choice,
                kind: segment.kind,
                tool: segment.tool,
                literal: segment.span,
                length: segment.length,
                raw: segment.raw,
            });
        Ok(EventView {
            deltas: deltas.collect(),
            finishes: sent.finishes,
            logprobs: sent.logprobs,
            usage: sent.usage,
            empty_choices: sent.choices == Some(0),
            is_error: sent.is_error,
            content_bearing: words || sent.found.wordless_content,
        })
    }
}
