//! The tokens of a call: as the provider reported them, else an estimate that says so, else nothing.

use penstock_llm::usage::{TokenCount, Usage};

use crate::exchange::{Exchange, Kind};

/// Where a count comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Provider,
    Estimated,
    None,
}

impl Source {
    pub fn label(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }
}

/// What a call used. Explicit zeros of a provider stay zeros; only what nobody reported is estimated, and only where some
/// of an answer has come.
pub fn of(exchange: &Exchange) -> (Usage, Source) {
    if let Some(usage) = &exchange.relayed.usage {
        return (*usage, Source::Provider);
    }
    let generates = matches!(exchange.accepted.kind, Kind::Operation(operation) if operation.generates());
    // what goes on without its caller is accounted for when somebody comes back to it
    let is_over = exchange.going_on().is_none();
    if !generates || !is_over || exchange.relayed.text_bytes == 0 {
        return (Usage::default(), Source::None);
    }
    let prompt = TokenCount::estimated(exchange.prompt_bytes());
    let completion = TokenCount::estimated(exchange.relayed.text_bytes);
    let total = TokenCount(prompt.0 + completion.0);
    let usage = Usage {
        prompt: Some(prompt),
        completion: Some(completion),
        total: Some(total),
        ..Usage::default()
    };
    (usage, Source::Estimated)
}
