//! Why a model stopped, in one list that every dialect's list fits into.

use super::{Json, Text};

/// Why a choice is over, with the provider's own word for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop<'a> {
    pub reason: StopReason,
    /// The native value; none where the provider gave none.
    pub native: Option<Text<'a>>,
    /// The stop sequence that matched.
    pub sequence: Option<Text<'a>>,
    /// What the dialect says besides (`stop_details`, `finishMessage`, `safetyRatings`).
    pub details: Option<Json<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The model was done.
    End,
    StopSequence,
    /// The most tokens that were asked for.
    Length,
    /// The model's context is full.
    ContextWindow,
    ToolCalls,
    /// The provider's filter, before or after the model.
    ContentFilter,
    /// The model itself would not.
    Refusal,
    /// A provider's own tool takes long: send the answer back to go on.
    Pause,
    /// The model called a tool in a way that cannot be read.
    MalformedCall,
    /// Cut short by a fault.
    Error,
    /// A word that is not known; the choice is over all the same.
    Other,
}

impl<'a> Stop<'a> {
    pub fn new(reason: StopReason) -> Stop<'a> {
        Stop {
            reason,
            native: None,
            sequence: None,
            details: None,
        }
    }

    pub fn native(reason: StopReason, native: Text<'a>) -> Stop<'a> {
        Stop {
            native: Some(native),
            ..Stop::new(reason)
        }
    }

    /// Some providers say `stop` with tool calls in the answer: calls are what the caller has to act on.
    pub fn with_calls(mut self, any_calls: bool) -> Stop<'a> {
        if any_calls && matches!(self.reason, StopReason::End | StopReason::Other) {
            self.reason = StopReason::ToolCalls;
        }
        self
    }

    pub fn into_owned(self) -> Stop<'static> {
        Stop {
            reason: self.reason,
            native: self.native.map(Text::into_owned),
            sequence: self.sequence.map(Text::into_owned),
            details: self.details.map(Json::into_owned),
        }
    }
}
