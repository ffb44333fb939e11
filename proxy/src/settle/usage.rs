//! The tokens of a call: as the provider reported them, else an estimate that says so, else nothing.

use penstock_llm::usage::{TokenCount, Usage};
use penstock_plugin_host::{Call, CallBody};

use crate::exchange::{Exchange, Kind};

/// English text has about this many bytes in a token with today's tokenizers; other languages have fewer. An estimate is
/// for seeing where usage is missing, not for billing (PAIN C08).
const BYTES_PER_TOKEN: u64 = 4;

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
    if !generates || exchange.relayed.text_bytes == 0 {
        return (Usage::default(), Source::None);
    }
    let prompt = tokens(prompt_bytes(exchange));
    let completion = tokens(exchange.relayed.text_bytes);
    let total = TokenCount(prompt.0 + completion.0);
    let usage = Usage {
        prompt: Some(prompt),
        completion: Some(completion),
        total: Some(total),
        ..Usage::default()
    };
    (usage, Source::Estimated)
}

fn prompt_bytes(exchange: &Exchange) -> u64 {
    let Some(Call {
        body: CallBody::Json(request),
        ..
    }) = &exchange.admitted.call
    else {
        return 0;
    };
    request
        .segments()
        .iter()
        .map(|segment| u64::from(segment.length))
        .sum()
}

fn tokens(bytes: u64) -> TokenCount {
    TokenCount(bytes.div_ceil(BYTES_PER_TOKEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_never_says_nothing_for_something() {
        assert_eq!(tokens(1), TokenCount(1));
        assert_eq!(tokens(9), TokenCount(3));
        assert_eq!(tokens(0), TokenCount(0));
    }
}
