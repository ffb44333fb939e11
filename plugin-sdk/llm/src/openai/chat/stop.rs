//! Finish reasons, OpenAI's own and those of its likes (APIS.md 9.7).

use crate::model::{Stop, StopReason, Text};

/// None for an empty reason, which some providers send until there is one.
pub(super) fn read<'a>(finish: Option<Text<'a>>, native: Option<Text<'a>>) -> Option<Stop<'a>> {
    let finish = finish.filter(|finish| !finish.is_empty())?;
    let reason = match &*finish.get() {
        "stop" | "eos" => StopReason::End,
        "length" => StopReason::Length,
        "model_length" => StopReason::ContextWindow,
        "tool_calls" | "function_call" => StopReason::ToolCalls,
        "content_filter" => StopReason::ContentFilter,
        "error" | "insufficient_system_resource" => StopReason::Error,
        _ => StopReason::Other,
    };
    Some(Stop::native(reason, native.unwrap_or(finish)))
}

pub(super) fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::End | StopReason::StopSequence | StopReason::Pause | StopReason::Other => "stop",
        StopReason::Length | StopReason::ContextWindow => "length",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter | StopReason::Refusal => "content_filter",
        StopReason::MalformedCall | StopReason::Error => "error",
    }
}

/// The provider's own word, where the finish reason does not say the same (PAIN D08).
pub(super) fn native_to_show<'s, 'a>(stop: &'s Stop<'a>) -> Option<&'s Text<'a>> {
    let native = stop.native.as_ref()?;
    (!native.is(finish_reason(stop.reason))).then_some(native)
}
