//! Which recordings are of which dialect.

use penstock_llm::bedrock::invoke::read_chunk;
use penstock_llm::model::{Asked, CODECS, Codec, Dialect};
use penstock_llm::sse::write_frame;

use crate::eventstream::messages;
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
    let all = recordings().into_iter();
    all.filter_map(|recording| {
        let (recording, dialect) = spoken(recording)?;
        Some((recording, dialect.codec()?))
    })
    .collect()
}

fn spoken(recording: Recording) -> Option<(Recording, Dialect)> {
    if recording.api == "bedrock.invoke" {
        return invoked(recording);
    }
    let (_, dialect) = RECORDED.iter().find(|(api, _)| *api == recording.api)?;
    Some((recording, *dialect))
}

/// InvokeModel carries what the model behind it speaks: Claude Anthropic's dialect, whose events come in chunks. Errors are
/// Bedrock's own.
fn invoked(mut recording: Recording) -> Option<(Recording, Dialect)> {
    if recording.status >= 400 {
        return Some((recording, Dialect::BedrockConverse));
    }
    if recording.is_binary() {
        recording.response = out_of_chunks(&recording.response);
    }
    let is_claude = recording.model.contains("claude");
    is_claude.then_some((recording, Dialect::AnthropicMessages))
}

fn out_of_chunks(stream: &[u8]) -> Vec<u8> {
    let (chunks, wrong, is_whole) = messages([stream]);
    assert_eq!((wrong, is_whole), (None, true));
    let mut events = Vec::new();
    for chunk in chunks {
        let data = read_chunk(chunk.payload()).expect("a chunk");
        write_frame(None, &data, &mut events);
    }
    events
}

pub fn codecs() -> impl Iterator<Item = &'static dyn Codec> {
    CODECS.iter().copied()
}

/// What the recording's path said: some dialects have the model and the stream there, and Azure has the deployment.
pub fn asked(recording: &Recording) -> Asked<'_> {
    let in_path = matches!(
        recording.api.as_str(),
        "gemini.generate" | "bedrock.converse" | "bedrock.invoke"
    );
    let in_body = serde_json::from_slice::<serde_json::Value>(&recording.request)
        .is_ok_and(|body| body.get("model").is_some());
    Asked {
        model: (in_path || !in_body).then_some(&*recording.model),
        stream: in_path.then(|| recording.path.contains("tream")),
        betas: &[],
    }
}
