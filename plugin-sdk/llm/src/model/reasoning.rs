//! What a model thought, what a caller wishes of its thinking, and who made it: another maker's thoughts must not be
//! sent back as one's own.

use super::{Extras, Number, Text};

/// One piece of reasoning. A dialect that has several in one object (the summaries, text and encrypted content of a
/// reasoning item) gives one part for each, with the same `id`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasoning<'a> {
    pub form: ReasoningForm,
    /// The words; empty where it is encrypted.
    pub text: Text<'a>,
    /// What is encrypted or redacted.
    pub data: Option<Text<'a>>,
    pub id: Option<Text<'a>>,
    pub maker: Option<Maker>,
    /// The maker's own name for the encoding, such as `anthropic-claude-v1`.
    pub format: Option<Text<'a>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReasoningForm {
    /// As it was thought. Its signature, if any, is the part's.
    Text,
    Summary,
    /// Only the maker can read it: Anthropic's `redacted_thinking`, `encrypted_content`.
    Encrypted,
}

impl<'a> Reasoning<'a> {
    pub fn text(text: Text<'a>, maker: Option<Maker>) -> Reasoning<'a> {
        Reasoning {
            form: ReasoningForm::Text,
            text,
            data: None,
            id: None,
            maker,
            format: None,
        }
    }

    pub fn encrypted(data: Text<'a>, maker: Option<Maker>) -> Reasoning<'a> {
        Reasoning {
            form: ReasoningForm::Encrypted,
            text: Text::default(),
            data: Some(data),
            id: None,
            maker,
            format: None,
        }
    }

    pub fn into_owned(self) -> Reasoning<'static> {
        Reasoning {
            form: self.form,
            text: self.text.into_owned(),
            data: self.data.map(Text::into_owned),
            id: self.id.map(Text::into_owned),
            maker: self.maker,
            format: self.format.map(Text::into_owned),
        }
    }
}

/// An opaque proof that goes back with the piece it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature<'a> {
    /// None where nobody said.
    pub maker: Option<Maker>,
    pub data: Text<'a>,
}

impl Signature<'_> {
    pub fn into_owned(self) -> Signature<'static> {
        Signature {
            maker: self.maker,
            data: self.data.into_owned(),
        }
    }
}

/// The families of models that take each other's thoughts back. Where a model is hosted does not matter.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    Anthropic,
    OpenAi,
    Google,
    Xai,
    Meta,
    Amazon,
    Cohere,
    DeepSeek,
    Mistral,
}

impl Maker {
    /// By the name of an encoding in `reasoning_details` (APIS.md 2.7).
    pub fn of_format(format: &str) -> Option<Maker> {
        let made_by = |name: &str| format.contains(name);
        match () {
            () if made_by("anthropic") => Some(Maker::Anthropic),
            () if made_by("google") => Some(Maker::Google),
            () if made_by("openai") => Some(Maker::OpenAi),
            () if made_by("xai") => Some(Maker::Xai),
            () if made_by("meta") => Some(Maker::Meta),
            () => None,
        }
    }

    /// The name of the encoding in `reasoning_details`.
    pub fn format(self) -> &'static str {
        match self {
            Maker::Anthropic => "anthropic-claude-v1",
            Maker::Google => "google-gemini-v1",
            Maker::OpenAi => "openai-responses-v1",
            Maker::Xai => "xai-responses-v1",
            Maker::Meta => "meta-responses-v1",
            Maker::Amazon | Maker::Cohere | Maker::DeepSeek | Maker::Mistral => "unknown",
        }
    }
}

/// What the caller wishes of the model's thinking. All none: nothing was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReasoningWish<'a> {
    pub mode: Option<ReasoningMode>,
    pub effort: Option<Effort<'a>>,
    /// Tokens that may be thought.
    pub budget: Option<Number<'a>>,
    /// `auto`, `concise`, `detailed` (OpenAI), `summarized`, `omitted` (Anthropic's `display`).
    pub summary: Option<Text<'a>>,
    /// Whether the thoughts are wanted in the answer.
    pub include: Option<bool>,
    pub extras: Extras<'a>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReasoningMode {
    Off,
    On,
    /// The model decides.
    Adaptive,
}

/// How much to think.
#[derive(Clone, Debug, PartialEq)]
pub enum Effort<'a> {
    None,
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
    /// `default` (Groq), and what comes next.
    Other(Text<'a>),
}

impl<'a> Effort<'a> {
    pub fn named(name: Text<'a>) -> Effort<'a> {
        match &*name.get() {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::ExtraHigh,
            "max" => Effort::Max,
            _ => Effort::Other(name),
        }
    }

    /// The name that most dialects have for it.
    pub fn name(&self) -> Text<'_> {
        Text::plain(match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::ExtraHigh => "xhigh",
            Effort::Max => "max",
            Effort::Other(name) => return name.borrowed(),
        })
    }

    /// The share of the output that may be thoughts, in percent (APIS.md 9.6); none where the name says nothing.
    pub fn percent(&self) -> Option<u64> {
        match self {
            Effort::None => Some(0),
            Effort::Minimal => Some(10),
            Effort::Low => Some(20),
            Effort::Medium => Some(50),
            Effort::High => Some(80),
            Effort::ExtraHigh | Effort::Max => Some(95),
            Effort::Other(_) => None,
        }
    }
}

impl ReasoningWish<'_> {
    pub fn is_empty(&self) -> bool {
        *self == ReasoningWish::default()
    }

    /// The caller wants no thinking: by mode, by effort or by an empty budget.
    pub fn is_off(&self) -> bool {
        let no_budget = self.budget.as_ref().and_then(Number::as_u64) == Some(0);
        self.mode == Some(ReasoningMode::Off) || self.effort == Some(Effort::None) || no_budget
    }

    /// A budget for a dialect that wants one, in tokens, at least `least` and below `max_output`: what was asked for, or
    /// what the effort stands for (APIS.md 9.6). None where neither was said, or there is no room.
    pub fn budget_tokens(&self, least: u64, max_output: u64) -> Option<u64> {
        const MOST: u64 = 128_000;
        let asked = self.budget.as_ref().and_then(Number::as_u64);
        let wanted = match asked {
            Some(budget) => budget,
            None => {
                let share = self.effort.as_ref().and_then(Effort::percent)?;
                (u128::from(max_output) * u128::from(share) / 100) as u64
            }
        };
        let room = max_output.saturating_sub(1);
        (room >= least).then(|| wanted.clamp(least, room.min(MOST).max(least)))
    }

    /// An effort for a dialect that wants one: what was asked for, or what the budget's share of the output stands for.
    pub fn effort_of(&self, max_output: Option<u64>) -> Option<Effort<'_>> {
        if self.mode == Some(ReasoningMode::Off) {
            return Some(Effort::None);
        }
        if let Some(effort) = &self.effort {
            return Some(effort.clone());
        }
        let budget = self.budget.as_ref().and_then(Number::as_u64)?;
        if budget == 0 {
            return Some(Effort::None);
        }
        let of = max_output.unwrap_or(32_000).max(1);
        let percent = u128::from(budget) * 100 / u128::from(of);
        Some(match percent {
            ..=14 => Effort::Minimal,
            15..=34 => Effort::Low,
            35..=64 => Effort::Medium,
            65..=87 => Effort::High,
            _ => Effort::ExtraHigh,
        })
    }
}
