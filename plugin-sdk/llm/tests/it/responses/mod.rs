//! Responses both ways: requests, whole answers and streams, by what each has to say in the other's words.

mod answers;
mod requests;
mod streams;

use penstock_llm::model::{Asked, Codec, Dialect, LossKind, Losses, Maker, Target, Written};
use serde_json::Value;

pub fn codec(dialect: Dialect) -> &'static dyn Codec {
    dialect.codec().expect("written")
}

pub fn responses() -> &'static dyn Codec {
    codec(Dialect::OpenAiResponses)
}

/// A request of one dialect as one of another.
pub fn request(from: Dialect, body: &Value, to: Dialect, target: &Target<'_>) -> Written {
    let body = body.to_string().into_bytes();
    let read = codec(from)
        .read_request(&body, &Asked::default())
        .expect("a request");
    codec(to)
        .write_request(&read.value, target)
        .expect("can be written")
}

pub fn json(written: &Written) -> Value {
    serde_json::from_slice(&written.bytes).expect("JSON")
}

/// A target whose model is of that maker.
pub fn made_by(maker: Maker) -> Target<'static> {
    Target {
        maker: Some(maker),
        ..Target::new("m")
    }
}

pub fn dropped(losses: &Losses) -> Vec<&str> {
    let dropped = losses.list().iter().filter(|loss| loss.what == LossKind::Dropped);
    dropped.map(|loss| loss.at.as_ref()).collect()
}
