//! `moderations`: flags texts that speak of violence by a fixed word list.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::Parsed;
use crate::errors::Refusal;
use crate::reply::Answer;

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

#[derive(Deserialize)]
pub struct ModerationRequest<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    input: Value,
}

impl ModerationRequest<'_> {
    /// OpenAI's default where the request names none.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("omni-moderation-latest")
    }

    pub fn answer(&self, parsed: &Parsed<'_>) -> Result<Answer, Refusal> {
        let texts: Vec<&str> = match &self.input {
            Value::String(text) => vec![text],
            Value::Array(list) if !list.is_empty() => list
                .iter()
                .map(|entry| entry.as_str().or(entry["text"].as_str()).unwrap_or(""))
                .collect(),
            _ => {
                return Err(Refusal::invalid(
                    "'input' must be a string or a list",
                    Some("input"),
                ));
            }
        };
        let body = json!({
            "id": parsed.id("modr"), "model": parsed.model,
            "results": texts.iter().map(|text| result(text)).collect::<Vec<_>>(),
        });
        Ok(Answer::Whole(body.to_string().into_bytes()))
    }
}

fn result(text: &str) -> Value {
    let text = text.to_lowercase();
    let flagged = ["kill", "violence", "attack"]
        .iter()
        .any(|word| text.contains(word));
    let of = |value: &dyn Fn(bool) -> Value| {
        CATEGORIES
            .iter()
            .map(|name| ((*name).to_owned(), value(flagged && *name == "violence")))
            .collect::<Map<_, _>>()
    };
    json!({
        "flagged": flagged, "categories": of(&|hit| hit.into()),
        "category_scores": of(&|hit| if hit { 0.98 } else { 0.0001 }.into()),
        "category_applied_input_types": of(&|_| json!(["text"])),
    })
}
