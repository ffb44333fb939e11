//! `embeddings`: a unit vector that depends on nothing but its input.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Parsed;
use crate::encode::base64;
use crate::errors::Refusal;
use crate::reply::{Answer, tokens_of};

/// Shorter than a real model's, so that tests can read it.
const DEFAULT_DIMENSIONS: u64 = 256;
const MAX_DIMENSIONS: u64 = 8192;
/// What OpenAI takes at most.
const MAX_INPUTS: usize = 2048;

#[derive(Deserialize)]
pub struct EmbeddingRequest<'a> {
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    input: Value,
    dimensions: Option<u64>,
    encoding_format: Option<String>,
}

impl EmbeddingRequest<'_> {
    pub fn answer(&self, parsed: &Parsed<'_>) -> Result<Answer, Refusal> {
        let inputs = self.inputs()?;
        let dimensions = self.dimensions.unwrap_or(DEFAULT_DIMENSIONS);
        if dimensions == 0 || dimensions > MAX_DIMENSIONS {
            return Err(Refusal::invalid(
                "'dimensions' is out of range",
                Some("dimensions"),
            ));
        }
        let shown: fn(Vec<f32>) -> Value = match self.encoding_format.as_deref() {
            None | Some("float") => |vector| vector.into(),
            Some("base64") => {
                |vector| base64(&vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()).into()
            }
            Some(_) => {
                return Err(Refusal::invalid(
                    "unknown 'encoding_format'",
                    Some("encoding_format"),
                ));
            }
        };
        let entry = |(index, input): (usize, &String)| json!({"object": "embedding", "index": index, "embedding": shown(vector(input, dimensions))});
        let mut body = json!({
            "object": "list", "data": inputs.iter().enumerate().map(entry).collect::<Vec<_>>(), "model": parsed.model,
        });
        if parsed.tells_usage() {
            let tokens: u64 = inputs.iter().map(|input| tokens_of(input.len())).sum();
            body["usage"] = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        }
        Ok(Answer::Whole(body.to_string().into_bytes()))
    }

    /// One text per input; a list of token ids is one input, written as it came.
    fn inputs(&self) -> Result<Vec<String>, Refusal> {
        let wrong = |message: &str| Refusal::invalid(message, Some("input"));
        match &self.input {
            Value::String(text) => Ok(vec![text.clone()]),
            Value::Array(list) if list.is_empty() => Err(wrong("'input' must not be empty")),
            Value::Array(list) if list.len() > MAX_INPUTS => Err(wrong("'input' has too many entries")),
            Value::Array(list) if list.iter().all(Value::is_number) => Ok(vec![self.input.to_string()]),
            Value::Array(list) => list
                .iter()
                .map(|entry| match entry {
                    Value::String(text) => Ok(text.clone()),
                    Value::Array(_) => Ok(entry.to_string()),
                    _ => Err(wrong("'input' must hold strings or token lists")),
                })
                .collect(),
            _ => Err(wrong("'input' must be a string or a list")),
        }
    }
}

/// Numbers from a xorshift generator that the text seeds, scaled to length 1.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let raw: Vec<f32> = (0..dimensions).map(|_| next()).collect();
    let length = raw
        .iter()
        .map(|x| x * x)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / length).collect()
}
