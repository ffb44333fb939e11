//! Bedrock's Converse and InvokeModel: each rule against a case written by hand, and the recorded traffic against
//! serde_json.

mod answers;
mod errors;
mod invoke;
mod own;
mod requests;
mod streams;
mod thoughts;

use penstock_llm::anthropic::AnthropicMessages;
use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::model::{Asked, BodyError, Codec, Losses, Target, Written};
use penstock_llm::openai::chat::OpenAiChat;
use serde_json::Value;

pub const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

/// What a request of another dialect is for Converse.
pub fn sent(from: &dyn Codec, body: &Value, target: &Target<'_>) -> Result<(Value, Written), BodyError> {
    let bytes = serde_json::to_vec(body).expect("JSON");
    let asked = Asked {
        model: Some("the-alias"),
        ..Asked::default()
    };
    let request = from.read_request(&bytes, &asked).expect("a request").value;
    let written = BedrockConverse.write_request(&request, target)?;
    let value = serde_json::from_slice(&written.bytes).expect("JSON");
    Ok((value, written))
}

pub fn from_chat(body: &Value, model: &str) -> (Value, Written) {
    sent(&OpenAiChat, body, &Target::new(model)).expect("can be said")
}

pub fn from_messages(body: &Value, model: &str) -> (Value, Written) {
    sent(&AnthropicMessages, body, &Target::new(model)).expect("can be said")
}

/// Where something was lost, and how.
pub fn lost(losses: &Losses) -> Vec<String> {
    let mut lost: Vec<String> = losses
        .list()
        .iter()
        .map(|loss| format!("{} {}", loss.at, loss.what.as_str()))
        .collect();
    lost.sort();
    lost
}
