//! A whole answer, as a provider sent it: read in place for guards and accounting, edited by splices.

use std::borrow::Cow;

use bytes::Bytes;

use super::edit::{self, Move};
use super::error::ErrorView;
use super::{EditError, Finish, Logprobs, Operation, Segment, choices};
use crate::fault::{BodyError, Fault};
use crate::foreign;
use crate::json::{self, DEFAULT_MAX_DEPTH, JsonError, JsonLimits, Span, unescape};
use crate::model::{Dialect, Seal};
use crate::splice::Splice;
use crate::usage::Usage;

/// The body of an unstreamed answer.
#[derive(Clone, Debug)]
pub struct Answer {
    bytes: Bytes,
    operation: Operation,
    /// None for OpenAI's own, which are read in place.
    dialect: Option<Dialect>,
    sent: Indexed,
    byte_limit: usize,
}

#[derive(Clone, Debug)]
struct Indexed {
    segments: Vec<Segment>,
    finishes: Vec<Finish>,
    logprobs: Vec<Logprobs>,
    choices: u32,
    usage: Option<Usage>,
    model: Option<Span>,
    error: Option<ErrorView>,
    seals: Vec<Seal>,
    id: Option<Box<str>>,
}

impl Answer {
    /// Reads a provider's answer. White space around it is no fault: some send blank lines to keep a connection open.
    /// Answers of embeddings and moderations have no segments.
    ///
    /// # Errors
    /// The body is not one JSON object, or deeper or with more texts than are read.
    pub fn read(op: Operation, body: Bytes) -> Result<Answer, BodyError> {
        Answer::indexed(op, None, body)
    }

    /// The same for an answer in another dialect.
    ///
    /// # Errors
    /// The body is no answer of this dialect, nor an error.
    pub fn read_in(dialect: Dialect, body: Bytes) -> Result<Answer, BodyError> {
        Answer::indexed(Operation::Chat, Some(dialect), body)
    }

    fn indexed(operation: Operation, dialect: Option<Dialect>, body: Bytes) -> Result<Answer, BodyError> {
        let sent = Indexed::of(operation, dialect, &body)?;
        Ok(Answer {
            bytes: body,
            operation,
            dialect,
            sent,
            byte_limit: usize::MAX,
        })
    }

    pub fn operation(&self) -> Operation {
        self.operation
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The texts and media of all choices. Text under a key that stands twice is there twice.
    pub fn segments(&self) -> &[Segment] {
        &self.sent.segments
    }

    /// A segment's text; none for media, or where there is no such segment.
    pub fn text(&self, segment: usize) -> Option<Cow<'_, str>> {
        self.sent.segments.get(segment)?.text(&self.bytes)
    }

    pub fn has_choices(&self) -> bool {
        self.sent.choices > 0
    }

    /// The choices with a finish reason, which stands at its span in the bytes.
    pub fn finishes(&self) -> &[Finish] {
        &self.sent.finishes
    }

    pub fn usage(&self) -> Option<Usage> {
        self.sent.usage
    }

    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.sent.model.map(|model| unescape(model.of(&self.bytes)))
    }

    /// The error, where the answer is one (also under status 200).
    pub fn error(&self) -> Option<ErrorView> {
        self.sent.error.clone()
    }

    /// Of encrypted thoughts.
    pub fn seals(&self) -> Vec<Seal> {
        match self.dialect {
            Some(_) => self.sent.seals.clone(),
            None => foreign::seals_of_body(&self.bytes),
        }
    }

    /// By which its provider knows it; none in OpenAI's first dialect, whose answers nobody comes back to.
    pub fn id(&self) -> Option<Box<str>> {
        self.sent.id.clone()
    }

    /// The JSON text at an RFC 6901 pointer.
    pub fn pointer(&self, rfc6901: &str) -> Option<&[u8]> {
        json::pointer(&self.bytes, rfc6901).map(|span| span.of(&self.bytes))
    }

    /// Edits may not make the body longer than this.
    pub fn set_byte_limit(&mut self, bytes: usize) {
        self.byte_limit = bytes;
    }

    /// Gives a segment another text. Raw tool arguments take JSON only. The choice's log probabilities, which spell the
    /// text that was, become `null`.
    ///
    /// # Errors
    /// There is no such segment, it is media, the text is not JSON where it has to be, or the body gets too long.
    pub fn replace_text(&mut self, segment: usize, text: &str) -> Result<(), EditError> {
        let splice = edit::text_splice(&self.sent.segments, segment, text, &JsonLimits::default())?;
        let Segment { choice, raw, .. } = self.sent.segments[segment];
        let spelled = self
            .sent
            .logprobs
            .iter()
            .filter(|logprobs| logprobs.choice == choice);
        let mut splices: Vec<Splice> = spelled.map(|spelled| Splice::new(spelled.span, "null")).collect();
        splices.push(splice);
        splices.sort_unstable_by_key(|splice| splice.span);
        let bytes = edit::spliced(&self.bytes, &splices, self.byte_limit)?;
        match &splices[..] {
            [splice] if !raw => self.moved(segment, text, Move::of(splice)),
            // raw: a value of another type may have come in, maybe too deep for its place
            _ => {
                self.sent =
                    Indexed::of(self.operation, self.dialect, &bytes).map_err(|_| EditError::Invalid)?
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    fn moved(&mut self, segment: usize, text: &str, moved: Move) {
        edit::moved(&mut self.sent.segments, segment, text, moved);
        for finish in &mut self.sent.finishes {
            finish.reason = moved.span(finish.reason);
        }
        for logprobs in &mut self.sent.logprobs {
            logprobs.span = moved.span(logprobs.span);
        }
        self.sent.model = self.sent.model.map(|model| moved.span(model));
    }
}

impl Indexed {
    fn of(op: Operation, dialect: Option<Dialect>, body: &[u8]) -> Result<Indexed, BodyError> {
        match dialect {
            Some(dialect) => Ok(foreign::answer(dialect, body)?.into()),
            None => Indexed::read(op, body)
                .map_err(|error| Fault::from(error).into_body_error(body, DEFAULT_MAX_DEPTH)),
        }
    }

    fn read(op: Operation, body: &[u8]) -> Result<Indexed, JsonError> {
        let sent = choices::read(op, body)?;
        Ok(Indexed {
            segments: sent.found.segments.into_vec(),
            finishes: sent.finishes.into_vec(),
            logprobs: sent.logprobs.into_vec(),
            choices: sent.choices.unwrap_or(0),
            usage: sent.usage,
            model: sent.model,
            error: sent.is_error.then(|| ErrorView::read(body).unwrap_or_default()),
            seals: Vec::new(),
            id: None,
        })
    }
}

impl From<foreign::Told> for Indexed {
    fn from(told: foreign::Told) -> Indexed {
        Indexed {
            segments: told.segments,
            finishes: Vec::new(),
            logprobs: Vec::new(),
            choices: told.choices,
            usage: told.usage,
            model: told.model,
            error: told.error,
            seals: told.seals,
            id: told.id,
        }
    }
}
