//! Finish reasons (APIS.md 9.7), with those that only the first version of the API had.

use crate::model::{Losses, Stop, StopReason, Text};

/// None for an empty reason.
pub(super) fn read<'a>(finish: Option<Text<'a>>) -> Option<Stop<'a>> {
    let finish = finish.filter(|finish| !finish.is_empty())?;
    let reason = reason(&finish.get()).unwrap_or(StopReason::Other);
    Some(Stop::native(reason, finish))
}

fn reason(word: &str) -> Option<StopReason> {
    Some(match word {
        "COMPLETE" => StopReason::End,
        "STOP_SEQUENCE" => StopReason::StopSequence,
        "MAX_TOKENS" => StopReason::Length,
        "ERROR_LIMIT" => StopReason::ContextWindow,
        "TOOL_CALL" => StopReason::ToolCalls,
        "ERROR_TOXIC" => StopReason::ContentFilter,
        "ERROR" | "TIMEOUT" => StopReason::Error,
        _ => return None,
    })
}

/// The word for it: the provider's own where it is one of Cohere's and means the same (PAIN D08).
pub(super) fn word<'s>(stop: &'s Stop<'_>, own: bool, losses: &mut Losses) -> Text<'s> {
    if let Some(native) = &stop.native
        && (own && stop.reason == StopReason::Other || reason(&native.get()) == Some(stop.reason))
    {
        return native.borrowed();
    }
    let word = match stop.reason {
        StopReason::End | StopReason::Pause | StopReason::Other => "COMPLETE",
        StopReason::StopSequence => "STOP_SEQUENCE",
        StopReason::Length | StopReason::ContextWindow => "MAX_TOKENS",
        StopReason::ToolCalls => "TOOL_CALL",
        StopReason::ContentFilter | StopReason::Refusal => "ERROR_TOXIC",
        StopReason::MalformedCall | StopReason::Error => "ERROR",
    };
    if matches!(
        stop.reason,
        StopReason::Pause | StopReason::Other | StopReason::Refusal | StopReason::MalformedCall
    ) {
        losses.changed("finish_reason", "Cohere has no word for it: the nearest one goes");
    }
    if stop.details.is_some() || stop.sequence.is_some() {
        losses.dropped("stop_details", super::NO_SUCH);
    }
    Text::plain(word)
}
