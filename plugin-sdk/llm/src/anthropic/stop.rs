//! Stop reasons (APIS.md 3.2, 9.7).

use crate::model::{Json, Losses, Stop, StopReason, Text};

/// None where there is none yet.
pub(super) fn read<'a>(
    reason: Option<Text<'a>>,
    sequence: Option<Text<'a>>,
    details: Option<Json<'a>>,
) -> Option<Stop<'a>> {
    let native = reason?;
    let reason = match &*native.get() {
        "end_turn" => StopReason::End,
        "stop_sequence" => StopReason::StopSequence,
        "max_tokens" => StopReason::Length,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        "tool_use" => StopReason::ToolCalls,
        "refusal" => StopReason::Refusal,
        // a long history was shortened on the way: to be sent back like a pause
        "pause_turn" | "compaction" => StopReason::Pause,
        _ => StopReason::Other,
    };
    Some(Stop {
        sequence,
        details,
        ..Stop::native(reason, native)
    })
}

/// The word for a stop; `own` where its native one is Anthropic's.
pub(super) fn word<'s>(stop: &'s Stop<'_>, own: bool, losses: &mut Losses) -> Text<'s> {
    if let Some(native) = stop.native.as_ref().filter(|_| own) {
        return native.borrowed();
    }
    let matched = stop.sequence.is_some() && stop.reason == StopReason::End;
    let word = match stop.reason {
        _ if matched => "stop_sequence",
        StopReason::End => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::ToolCalls => "tool_use",
        StopReason::ContentFilter | StopReason::Refusal => "refusal",
        StopReason::Pause => "pause_turn",
        StopReason::MalformedCall | StopReason::Error | StopReason::Other => {
            losses.changed("stop_reason", unsaid(stop));
            "end_turn"
        }
    };
    Text::plain(word)
}

/// The provider's word is one of its own list, unless it is long.
fn unsaid(stop: &Stop<'_>) -> String {
    let native = stop.native.as_ref().map(Text::get).unwrap_or_default();
    let plain = native.len() <= 64
        && native
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match plain && !native.is_empty() {
        true => format!("there is no word for `{native}`"),
        false => "there is no word for the provider's reason".to_owned(),
    }
}
