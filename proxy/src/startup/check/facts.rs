//! What the file says of a provider's models, for translation.

use penstock_llm::model::{CacheMarks, ReasoningField, ReasoningSupport};

use crate::startup::files::{self, MarksOf, MaxTokensField, Reasoning, ReasoningBack, Streams};
use crate::startup::problem::Findings;
use crate::startup::shape::Field;
use crate::state::facts::{Facts, Streaming};

/// More tokens than any model writes are a mistake.
const MOST_TOKENS: u64 = 10_000_000;

/// The facts of a provider, a kind of provider or a target.
pub fn facts(field: &Field<files::Facts>, findings: &mut Findings) -> Facts {
    let Some(file) = &field.value else {
        return Facts::default();
    };
    Facts {
        reasoning: file.reasoning.value.map(|how| match how {
            Reasoning::None => ReasoningSupport::None,
            Reasoning::Effort => ReasoningSupport::Effort,
            Reasoning::Budget => ReasoningSupport::Budget,
            Reasoning::Adaptive => ReasoningSupport::Adaptive,
        }),
        reasoning_field: file.reasoning_field.value.map(|name| match name {
            ReasoningBack::None => ReasoningField::None,
            ReasoningBack::ReasoningContent => ReasoningField::Content,
            ReasoningBack::Reasoning => ReasoningField::Plain,
            ReasoningBack::ReasoningDetails => ReasoningField::Details,
        }),
        max_output: tokens(&file.max_output_tokens, findings),
        default_max_output: tokens(&file.default_output_tokens, findings),
        legacy_max_tokens: file
            .max_tokens_field
            .value
            .map(|name| name == MaxTokensField::MaxTokens),
        cache_marks: file.cache_marks.value.map(|marks| match marks {
            MarksOf::None => CacheMarks::None,
            MarksOf::CacheControl => CacheMarks::CacheControl,
            MarksOf::Breakpoint => CacheMarks::Breakpoint,
        }),
        cache_points: file.cache_points.value,
        structured_output: file.structured_output.value,
        system_anywhere: file.system_anywhere.value,
        streaming: file.streaming.value.map(|how| match how {
            Streams::AsAsked => Streaming::AsAsked,
            Streams::Always => Streaming::Always,
            Streams::Never => Streaming::Never,
        }),
    }
}

fn tokens(field: &Field<u64>, findings: &mut Findings) -> Option<u64> {
    let tokens = field.value?;
    if !(1..=MOST_TOKENS).contains(&tokens) {
        let message = format!("{tokens} is out of range");
        findings.problem(field.mark, message, format!("1 to {MOST_TOKENS}"));
        return None;
    }
    Some(tokens)
}
