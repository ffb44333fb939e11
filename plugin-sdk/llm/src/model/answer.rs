//! What a provider answers, whole.

use super::raw::own_extras;
use super::{Content, Dialect, Extras, Json, Part, Stop, StopReason, Text, Usage};

/// An answer, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The dialect that it was read from: whose `extras` and log probabilities these are.
    pub dialect: Dialect,
    pub id: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// In the order of their index.
    pub choices: Vec<Choice<'a>>,
    pub usage: Option<Usage>,
    /// The tier that served it.
    pub service_tier: Option<Text<'a>>,
    pub extras: Extras<'a>,
}

/// One of the answers that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice<'a> {
    pub index: u32,
    pub parts: Vec<Part<'a>>,
    /// None where the provider did not say why it stopped.
    pub stop: Option<Stop<'a>>,
    /// In the dialect's own words.
    pub logprobs: Option<Json<'a>>,
    pub extras: Extras<'a>,
}

impl Answer<'_> {
    pub fn new(dialect: Dialect) -> Answer<'static> {
        Answer {
            dialect,
            id: None,
            model: None,
            created: None,
            choices: Vec::new(),
            usage: None,
            service_tier: None,
            extras: Vec::new(),
        }
    }

    pub fn into_owned(self) -> Answer<'static> {
        Answer {
            dialect: self.dialect,
            id: self.id.map(Text::into_owned),
            model: self.model.map(Text::into_owned),
            created: self.created,
            choices: self.choices.into_iter().map(Choice::into_owned).collect(),
            usage: self.usage,
            service_tier: self.service_tier.map(Text::into_owned),
            extras: own_extras(self.extras),
        }
    }
}

impl<'a> Choice<'a> {
    /// Why it stopped; where nobody said, what the content says: a caller waits for more until there is a reason (PAIN
    /// C04).
    pub fn stop_or_end(&self) -> Stop<'a> {
        let calls = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
        let unsaid = || Stop::new(StopReason::End).with_calls(self.parts.iter().any(calls));
        self.stop.clone().unwrap_or_else(unsaid)
    }
}

impl Choice<'_> {
    pub fn new(index: u32) -> Choice<'static> {
        Choice {
            index,
            parts: Vec::new(),
            stop: None,
            logprobs: None,
            extras: Vec::new(),
        }
    }

    pub fn into_owned(self) -> Choice<'static> {
        Choice {
            index: self.index,
            parts: self.parts.into_iter().map(Part::into_owned).collect(),
            stop: self.stop.map(Stop::into_owned),
            logprobs: self.logprobs.map(Json::into_owned),
            extras: own_extras(self.extras),
        }
    }
}
