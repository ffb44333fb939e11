//! `models`: the short list that this provider claims to have. Any other name is answered all the same.

use serde_json::{Value, json};

use crate::errors::Refusal;

const NAMES: [&str; 6] = [
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "omni-moderation-latest",
    "mock",
];

/// 2025-01-01, so that the list is the same on every day.
const CREATED: u64 = 1_735_689_600;

pub fn list() -> Vec<u8> {
    json!({"object": "list", "data": NAMES.map(model)})
        .to_string()
        .into_bytes()
}

pub fn one(name: &str) -> Result<Vec<u8>, Refusal> {
    match NAMES.contains(&name) {
        true => Ok(model(name).to_string().into_bytes()),
        false => Err(Refusal::not_found(
            format!("The model '{name}' does not exist"),
            "model_not_found",
        )),
    }
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "mock"})
}
