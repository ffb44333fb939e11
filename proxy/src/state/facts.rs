//! What an operator knows of a provider's models that no body says: how they are told to think, what they take back, how
//! much they write, whether they stream. What is not said keeps its usual value.

use penstock_llm::model::{CacheMarks, ReasoningField, ReasoningSupport, Target};

/// The facts of a provider, or of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub reasoning: Option<ReasoningSupport>,
    /// Under which name earlier reasoning goes back (PAIN F04).
    pub reasoning_field: Option<ReasoningField>,
    /// Most tokens of output.
    pub max_output: Option<u64>,
    /// For dialects that demand a limit where the caller sets none.
    pub default_max_output: Option<u64>,
    /// `max_tokens` instead of `max_completion_tokens`.
    pub legacy_max_tokens: Option<bool>,
    pub cache_marks: Option<CacheMarks>,
    pub cache_points: Option<bool>,
    pub structured_output: Option<bool>,
    pub system_anywhere: Option<bool>,
    pub streaming: Option<Streaming>,
}

/// How a model answers, where it does not do both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streaming {
    /// As it is asked.
    AsAsked,
    Always,
    Never,
}

impl Streaming {
    /// What to ask for, for a caller that wants a stream or not.
    pub fn asks(self, wants_stream: bool) -> bool {
        match self {
            Self::AsAsked => wants_stream,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl Facts {
    /// These, and those of `base` where nothing is said here.
    #[must_use]
    pub fn over(self, base: Facts) -> Facts {
        Facts {
            reasoning: self.reasoning.or(base.reasoning),
            reasoning_field: self.reasoning_field.or(base.reasoning_field),
            max_output: self.max_output.or(base.max_output),
            default_max_output: self.default_max_output.or(base.default_max_output),
            legacy_max_tokens: self.legacy_max_tokens.or(base.legacy_max_tokens),
            cache_marks: self.cache_marks.or(base.cache_marks),
            cache_points: self.cache_points.or(base.cache_points),
            structured_output: self.structured_output.or(base.structured_output),
            system_anywhere: self.system_anywhere.or(base.system_anywhere),
            streaming: self.streaming.or(base.streaming),
        }
    }

    /// Tells a writer what is known.
    #[must_use]
    pub fn told_to<'m>(&self, target: Target<'m>) -> Target<'m> {
        Target {
            reasoning: self.reasoning.unwrap_or(target.reasoning),
            reasoning_field: self.reasoning_field.unwrap_or(target.reasoning_field),
            max_output: self.max_output.or(target.max_output),
            default_max_output: self.default_max_output.unwrap_or(target.default_max_output),
            legacy_max_tokens: self.legacy_max_tokens.unwrap_or(target.legacy_max_tokens),
            cache_marks: self.cache_marks.unwrap_or(target.cache_marks),
            cache_points: self.cache_points.unwrap_or(target.cache_points),
            structured_output: self.structured_output.unwrap_or(target.structured_output),
            system_anywhere: self.system_anywhere.unwrap_or(target.system_anywhere),
            ..target
        }
    }
}
