//! Finish reasons (APIS.md 4.2, 9.7).

use crate::model::{Stop, StopReason, Text};

/// None where nothing is said yet.
pub(super) fn read<'a>(word: Option<Text<'a>>) -> Option<Stop<'a>> {
    let word = word?;
    let reason = reason(&word.get())?;
    Some(Stop::native(reason, word))
}

/// By name, or by number: both surfaces count the first five the same, and the other numbers say too little.
fn reason(word: &str) -> Option<StopReason> {
    Some(match word {
        "" | "FINISH_REASON_UNSPECIFIED" | "0" => return None,
        "STOP" | "1" => StopReason::End,
        "MAX_TOKENS" | "2" => StopReason::Length,
        "SAFETY"
        | "3"
        | "RECITATION"
        | "4"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => StopReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => StopReason::MalformedCall,
        "OTHER"
        | "5"
        | "LANGUAGE"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "IMAGE_OTHER"
        | "NO_IMAGE" => StopReason::Error,
        _ => StopReason::Other,
    })
}

pub(super) fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::End
        | StopReason::StopSequence
        | StopReason::ToolCalls
        | StopReason::Pause
        | StopReason::Other => "STOP",
        StopReason::Length | StopReason::ContextWindow => "MAX_TOKENS",
        StopReason::ContentFilter | StopReason::Refusal => "SAFETY",
        StopReason::MalformedCall => "MALFORMED_FUNCTION_CALL",
        StopReason::Error => "OTHER",
    }
}

/// The word to write: the provider's own where it is one of this dialect that says the same.
pub(super) fn word_for(stop: &Stop<'_>) -> Text<'static> {
    let own = stop
        .native
        .as_ref()
        .map(Text::get)
        .filter(|word| is_own(word, stop.reason));
    Text::plain(match own {
        Some(word) => word.into_owned(),
        None => finish_reason(stop.reason).to_owned(),
    })
}

fn is_own(word: &str, said: StopReason) -> bool {
    let named = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    // calls do not change the word
    let same = |reason| reason == said || (reason == StopReason::End && said == StopReason::ToolCalls);
    named && reason(word).is_some_and(same)
}

/// A foreign word that the finish reason does not say, for people to read.
pub(super) fn unsaid<'s, 'a>(stop: &'s Stop<'a>) -> Option<&'s Text<'a>> {
    let native = stop.native.as_ref()?;
    let lost = matches!(
        stop.reason,
        StopReason::Other | StopReason::Pause | StopReason::ContextWindow
    );
    (lost && !is_own(&native.get(), stop.reason)).then_some(native)
}
