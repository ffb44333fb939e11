//! Gemini's dialect: each of its rules by a case written by hand, what was recorded against serde_json, and hostile input.
//! How it fares with every other dialect is in `translate`.

mod answer;
mod answer_write;
mod count;
mod error;
mod golden;
mod hostile;
mod request;
mod request_write;
mod schema;
mod stream;
mod stream_write;

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{Answer, Asked, Codec, Envelope, Losses, Maker, Read, Request, Target, Written};
use penstock_llm::openai::chat::OpenAiChat;
use serde_json::Value;

pub const ENVELOPE: Envelope<'static> = Envelope {
    id: "made-1",
    created: 1_700_000_000,
    model: "the-model",
    usage_asked: true,
    input_estimate: None,
    legacy_functions: false,
    repeated: None,
};

pub fn asked(model: &str) -> Asked<'_> {
    Asked {
        model: Some(model),
        stream: Some(false),
        betas: &[],
    }
}

/// A model of Google's, whose thoughts and signatures it takes back.
pub fn target(model: &str) -> Target<'_> {
    Target {
        maker: Some(Maker::Google),
        ..Target::new(model)
    }
}

pub fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value")
}

pub fn read_request(body: &[u8]) -> Read<Request<'_>> {
    let read = Gemini.read_request(body, &asked("gemini-2.5-flash"));
    read.unwrap_or_else(|refused| panic!("{refused}: {}", String::from_utf8_lossy(body)))
}

/// What refusing a request says, with the field.
pub fn refusal(body: &Value) -> String {
    let body = bytes(body);
    let refused = Gemini.read_request(&body, &asked("gemini-2.5-flash"));
    refused.expect_err("refused").message
}

/// A chat completion request, written for a model of Google's.
pub fn from_chat(body: &Value, model: &str) -> (Value, Losses) {
    let written = try_from_chat(body, &target(model)).unwrap_or_else(|refused| panic!("{refused}"));
    (parsed(&written), written.losses)
}

pub fn try_from_chat(body: &Value, target: &Target<'_>) -> Result<Written, String> {
    let body = bytes(body);
    let request = OpenAiChat
        .read_request(&body, &Asked::default())
        .expect("a request");
    Gemini
        .write_request(&request.value, target)
        .map_err(|refused| refused.message)
}

pub fn parsed(written: &Written) -> Value {
    serde_json::from_slice(&written.bytes).expect("JSON")
}

pub fn read_answer(body: &[u8]) -> Answer<'_> {
    let read = Gemini.read_answer(body);
    read.unwrap_or_else(|error| panic!("{error:?}")).value
}

/// The losses, one line each.
pub fn lines(losses: &Losses) -> Vec<String> {
    losses.list().iter().map(ToString::to_string).collect()
}

pub fn named(losses: &Losses, at: &str) -> bool {
    losses.list().iter().any(|loss| loss.at == at)
}
