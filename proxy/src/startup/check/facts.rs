//! What the file says of a provider's models, for translation.

use penstock_llm::model::{CacheMarks, ReasoningField, ReasoningSupport};

use crate::startup::check::Checker;
use crate::startup::files::{self, MarksOf, MaxTokensField, Reasoning, ReasoningBack, Streams};
use crate::startup::shape::Field;
use crate::state::facts::{Facts, Streaming};

/// More tokens than any model writes are a mistake.
const MOST_TOKENS: u64 = 10_000_000;

impl Checker<'_> {
    pub(super) fn facts(&mut self, field: &Field<files::Facts>) -> Facts {
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
            max_output: self.tokens(&file.max_output_tokens),
            default_max_output: self.tokens(&file.default_output_tokens),
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

    fn tokens(&mut self, field: &Field<u64>) -> Option<u64> {
        field.value.map(|_| self.number(field, 1, 1, MOST_TOKENS))
    }
}
