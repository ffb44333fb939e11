//! Which recordings are of which dialect.

use penstock_llm::model::{Asked, CODECS, Codec, Dialect};

use crate::recorded::{Recording, recordings};

/// The name of a recording's `api`, and its dialect. One line per dialect.
pub const RECORDED: &[(&str, Dialect)] = &[
    ("openai.chat", Dialect::OpenAiChat),
    ("anthropic.messages", Dialect::AnthropicMessages),
    ("openai.responses", Dialect::OpenAiResponses),
    ("gemini.generate", Dialect::Gemini),
    ("bedrock.converse", Dialect::BedrockConverse),
    ("cohere.chat_v2", Dialect::Cohere),
];

/// The recordings of dialects that are written, with their codec.
pub fn recorded() -> Vec<(Recording, &'static dyn Codec)> {
    let codec_of = |recording: &Recording| {
        let (_, dialect) = RECORDED.iter().find(|(api, _)| *api == recording.api)?;
        dialect.codec()
    };
    recordings()
        .into_iter()
        .filter_map(|recording| codec_of(&recording).map(|codec| (recording, codec)))
        .collect()
}

pub fn codecs() -> impl Iterator<Item = &'static dyn Codec> {
    CODECS.iter().copied()
}

/// What the recording's path said: some dialects have the model and the stream there, and Azure has the deployment.
pub fn asked(recording: &Recording) -> Asked<'_> {
    let in_path = matches!(recording.api.as_str(), "gemini.generate" | "bedrock.converse");
    let in_body = serde_json::from_slice::<serde_json::Value>(&recording.request)
        .is_ok_and(|body| body.get("model").is_some());
    Asked {
        model: (in_path || !in_body).then_some(&*recording.model),
        stream: in_path.then(|| recording.path.contains("tream")),
        betas: &[],
    }
}
