//! Why an answer is over: a status, and a reason where it is incomplete (APIS.md 9.7).

use crate::model::{Losses, Stop, StopReason, Text};

/// None while an answer is not over (`queued`, `in_progress`).
pub(super) fn read<'a>(status: Option<Text<'a>>, reason: Option<Text<'a>>) -> Option<Stop<'a>> {
    let status = status.filter(|status| !status.is_empty())?;
    let reason = reason.filter(|reason| !reason.is_empty());
    Some(match &*status.get() {
        "in_progress" | "queued" => return None,
        "completed" => Stop::native(StopReason::End, status),
        "incomplete" => match reason {
            Some(reason) => Stop::native(incomplete(&reason.get()), reason),
            None => Stop::native(StopReason::Length, status),
        },
        _ => Stop::native(StopReason::Other, status),
    })
}

fn incomplete(reason: &str) -> StopReason {
    match reason {
        "max_output_tokens" | "max_tokens" => StopReason::Length,
        "content_filter" => StopReason::ContentFilter,
        ERROR => StopReason::Error,
        _ => StopReason::Other,
    }
}

/// Not a word of OpenAI's: a choice that a fault cut short has no status but this one that keeps what was said.
const ERROR: &str = "error";

/// What a stop is here: the status, and the reason where it is `incomplete`.
pub(super) struct Status {
    pub word: &'static str,
    pub reason: Option<&'static str>,
}

pub(super) fn status(stop: &Stop<'_>, losses: &mut Losses) -> Status {
    if stop.sequence.is_some() {
        losses.dropped("stop_sequence", super::NO_SUCH);
    }
    if stop.details.is_some() {
        losses.dropped("stop_details", super::NO_SUCH);
    }
    let reason = match stop.reason {
        StopReason::End
        | StopReason::StopSequence
        | StopReason::ToolCalls
        | StopReason::Pause
        | StopReason::Other => {
            return Status {
                word: "completed",
                reason: None,
            };
        }
        StopReason::Length | StopReason::ContextWindow => "max_output_tokens",
        StopReason::ContentFilter | StopReason::Refusal => "content_filter",
        StopReason::MalformedCall | StopReason::Error => ERROR,
    };
    Status {
        word: "incomplete",
        reason: Some(reason),
    }
}
