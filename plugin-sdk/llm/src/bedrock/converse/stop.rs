//! Why a model stopped, in Converse's words (APIS.md 6.4, 9.7).

use std::borrow::Cow;

use crate::model::{Dialect, Json, Losses, Stop, StopReason, Text};

/// Reads `stopReason`; a word that is not known is kept. `fields` are `additionalModelResponseFields`, which may say
/// which sequence matched.
pub(super) fn read<'a>(
    word: Option<Text<'a>>,
    fields: Option<&Json<'a>>,
    any_calls: bool,
) -> Option<Stop<'a>> {
    let word = word?;
    let reason = match &*word.get() {
        "end_turn" => StopReason::End,
        "tool_use" => StopReason::ToolCalls,
        "max_tokens" => StopReason::Length,
        "stop_sequence" => StopReason::StopSequence,
        "guardrail_intervened" | "content_filtered" => StopReason::ContentFilter,
        "malformed_tool_use" => StopReason::MalformedCall,
        "malformed_model_output" => StopReason::Error,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        _ => StopReason::Other,
    };
    let mut stop = Stop::native(reason, word).with_calls(any_calls);
    let sequence = fields.and_then(|fields| fields.pointer("/stop_sequence"));
    let sequence = sequence.as_ref().and_then(Json::as_text);
    stop.sequence = sequence.map(Text::into_owned);
    Some(stop)
}

/// The word for a caller: the provider's own where it is of this dialect.
pub(super) fn word<'s>(stop: &'s Stop<'_>, from: Option<Dialect>, losses: &mut Losses) -> Cow<'s, str> {
    if from == Some(Dialect::BedrockConverse)
        && let Some(native) = &stop.native
    {
        return native.get();
    }
    if stop.details.is_some() {
        losses.dropped("stop_details", "Converse has nothing like it");
    }
    Cow::Borrowed(match stop.reason {
        StopReason::End | StopReason::Other => "end_turn",
        StopReason::Pause => {
            losses.changed("stop_reason", "an answer to be continued goes as one that ended");
            "end_turn"
        }
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::ToolCalls => "tool_use",
        StopReason::ContentFilter | StopReason::Refusal => "content_filtered",
        StopReason::MalformedCall => "malformed_tool_use",
        StopReason::Error => "malformed_model_output",
    })
}
