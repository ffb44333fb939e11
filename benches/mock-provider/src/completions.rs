//! The older `completions`: echoes each prompt.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Parsed, StreamOptions, stop_texts};
use crate::errors::Refusal;
use crate::reply::{Answer, Bounds, Envelope, Script, Text, content_events, tokens_of, usage};

/// Prompts in one request.
const MAX_PROMPTS: usize = 16;

#[derive(Deserialize)]
pub struct CompletionRequest<'a> {
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    prompt: Option<Value>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<Value>,
    stop: Option<Value>,
    echo: Option<bool>,
}

impl CompletionRequest<'_> {
    pub fn answer(&self, parsed: &Parsed<'_>) -> Result<Answer, Refusal> {
        let prompts = self.prompts()?;
        let max_tokens = self
            .max_tokens
            .as_ref()
            .and_then(Value::as_f64)
            .map(|max| max as u64);
        let bounds = Bounds {
            max_tokens,
            stop: stop_texts(self.stop.as_ref()),
        };
        let reply = |prompt: &String| {
            let echo = if self.echo == Some(true) {
                prompt.as_str()
            } else {
                ""
            };
            let full = parsed
                .controls
                .reply
                .clone()
                .unwrap_or_else(|| format!("You said: {prompt}"));
            Text::new(&format!("{echo}{full}"), &bounds, parsed.controls)
        };
        let texts: Vec<Text> = prompts.iter().map(reply).collect();
        let prompt_tokens = prompts.iter().map(|prompt| tokens_of(prompt.len())).sum();
        let usage = usage(
            prompt_tokens,
            texts.iter().map(|text| text.pieces.len() as u64).sum(),
        );
        Ok(match self.stream {
            Some(true) => Answer::Stream(self.script(&texts, &usage, parsed)),
            _ => Answer::Whole(self.whole(&texts, &usage, parsed)),
        })
    }

    fn prompts(&self) -> Result<Vec<String>, Refusal> {
        let wrong = || Refusal::invalid("'prompt' must be a string or a list", Some("prompt"));
        match &self.prompt {
            None | Some(Value::Null) => Ok(vec![String::new()]),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(list)) if list.len() <= MAX_PROMPTS && list.iter().all(Value::is_string) => {
                Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            // Token ids cannot be read back into text here.
            Some(Value::Array(list)) => Ok(vec![format!("{} tokens", list.len())]),
            Some(_) => Err(wrong()),
        }
    }

    fn whole(&self, texts: &[Text], usage: &Value, parsed: &Parsed<'_>) -> Vec<u8> {
        let choice = |(index, text): (usize, &Text)| {
            json!({
                "text": text.joined(), "index": index, "logprobs": null, "finish_reason": text.finish_reason,
            })
        };
        let mut body = json!({
            "id": parsed.id("cmpl"), "object": "text_completion", "created": parsed.created, "model": parsed.model,
            "choices": texts.iter().enumerate().map(choice).collect::<Vec<_>>(), "system_fingerprint": "fp_mock",
        });
        if parsed.tells_usage() {
            body["usage"] = usage.clone();
        }
        body.to_string().into_bytes()
    }

    fn script(&self, texts: &[Text], usage: &Value, parsed: &Parsed<'_>) -> Script {
        let envelope = Envelope {
            id: parsed.id("cmpl"),
            object: "text_completion",
            model: parsed.model,
            created: parsed.created,
            usage_asked: self
                .stream_options
                .as_ref()
                .is_some_and(StreamOptions::asks_usage),
            usage: parsed.controls.usage,
        };
        let mut script = Script {
            opening: vec![],
            content: vec![],
            total: 0,
            closing: vec![],
        };
        for (index, text) in texts.iter().enumerate() {
            let (frames, total) = content_events(&text.pieces, parsed.controls, |piece| {
                envelope.event(&choice(index, piece, "null"))
            });
            script.content.extend(frames);
            script.total += total;
            let reason = format!("\"{}\"", text.finish_reason);
            script
                .closing
                .push(envelope.finish_event(&choice(index, "", &reason), usage));
        }
        script.closing.extend(envelope.usage_event(usage));
        script
    }
}

fn choice(index: usize, text: &str, finish_reason: &str) -> String {
    let text = Value::from(text);
    format!("{{\"text\":{text},\"index\":{index},\"logprobs\":null,\"finish_reason\":{finish_reason}}}")
}
