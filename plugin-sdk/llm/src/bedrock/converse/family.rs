//! Which family a model of Bedrock's is of, by its id: what else may be asked of it, and whose thoughts it takes back,
//! hangs on that.

use crate::model::{Maker, Target};

/// By a model's id, an inference profile's or an ARN with one in it (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`);
/// none for the ARN of an application's profile, which says nothing.
pub(super) fn of_model(id: &str) -> Option<Maker> {
    const NAMES: [(&str, Maker); 9] = [
        ("anthropic.", Maker::Anthropic),
        ("claude", Maker::Anthropic),
        ("amazon.nova", Maker::Amazon),
        ("amazon.titan", Maker::Amazon),
        ("cohere.", Maker::Cohere),
        ("deepseek.", Maker::DeepSeek),
        ("meta.", Maker::Meta),
        ("mistral.", Maker::Mistral),
        ("openai.", Maker::OpenAi),
    ];
    let named = |(name, _): &&(&str, Maker)| id.contains(name);
    NAMES.iter().find(named).map(|(_, maker)| *maker)
}

pub(super) fn of_target(target: &Target<'_>) -> Option<Maker> {
    target.maker.or_else(|| of_model(target.model))
}
