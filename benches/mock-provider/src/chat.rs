//! `chat/completions`: echoes the last user text, calls a tool that was mentioned or forced, obeys a schema.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::call::{Parsed, StreamOptions, stop_texts};
use crate::controls::Controls;
use crate::errors::Refusal;
use crate::reply::{Answer, Bounds, Envelope, Script, Text, content_events, tokens_of, usage};
use crate::schema;

/// More choices than anyone tests with.
const MAX_CHOICES: u64 = 16;
/// Tool arguments come in pieces of this many bytes, so that a client has to join them.
const ARGUMENT_PIECE_BYTES: usize = 8;

/// The fields that the mock understands; the others may be anything.
#[derive(Deserialize)]
pub struct ChatRequest<'a> {
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<Value>,
    max_tokens: Option<Value>,
    max_completion_tokens: Option<Value>,
    stop: Option<Value>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<Value>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    /// kept unread: only the last texts matter, and prompts are long
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl Message<'_> {
    fn text(&self) -> String {
        let Some(raw) = self.content else {
            return String::new();
        };
        match serde_json::from_str(raw.get()) {
            Ok(Value::String(text)) => text,
            Ok(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            _ => String::new(),
        }
    }
}

/// What the assistant says in one choice.
enum Said {
    Text(Text),
    Tools(Vec<ToolCall>),
}

struct ToolCall {
    id: String,
    name: String,
    arguments: String,
}

impl ChatRequest<'_> {
    pub fn answer(&self, parsed: &Parsed<'_>) -> Result<Answer, Refusal> {
        if self.messages.is_empty() {
            return Err(Refusal::invalid(
                "Invalid 'messages': empty array.",
                Some("messages"),
            ));
        }
        let said = self.said(parsed);
        let choices = self
            .n
            .as_ref()
            .and_then(Value::as_f64)
            .map_or(1, |n| (n as u64).clamp(1, MAX_CHOICES));
        let completion = match &said {
            Said::Text(text) => parsed.controls.events.unwrap_or(text.pieces.len()) as u64,
            Said::Tools(calls) => calls.iter().map(|call| tokens_of(call.arguments.len())).sum(),
        };
        let usage = usage(self.prompt_tokens(), completion * choices);
        Ok(match self.stream {
            Some(true) => Answer::Stream(self.script(&said, choices, &usage, parsed)),
            _ => Answer::Whole(self.whole(&said, choices, &usage, parsed)),
        })
    }

    fn prompt_tokens(&self) -> u64 {
        let bytes = self
            .messages
            .iter()
            .filter_map(|message| message.content)
            .map(|raw| raw.get().len())
            .sum();
        tokens_of(bytes) + 4 * self.messages.len() as u64
    }

    fn said(&self, parsed: &Parsed<'_>) -> Said {
        let asked = self.messages.iter().rev().find(|message| message.role == "user");
        let asked = asked.map(Message::text).unwrap_or_default();
        let calls = self.tool_calls(&asked, parsed.number);
        if !calls.is_empty() {
            return Said::Tools(calls);
        }
        let full = match &parsed.controls.reply {
            Some(reply) => reply.clone(),
            None => self.reply(&asked),
        };
        Said::Text(Text::new(&full, &self.bounds(), parsed.controls))
    }

    fn reply(&self, asked: &str) -> String {
        let format = self.response_format.as_ref();
        match format.and_then(|format| format["type"].as_str()) {
            Some("json_schema") => {
                let schema = format.map_or(&Value::Null, |format| &format["json_schema"]["schema"]);
                return schema::sample(schema, asked).to_string();
            }
            Some("json_object") => return json!({"reply": asked}).to_string(),
            _ => {}
        }
        match self.messages.last() {
            Some(last) if last.role == "tool" => format!("The tool said: {}", last.text()),
            _ => format!("You said: {asked}"),
        }
    }

    fn bounds(&self) -> Bounds {
        let limit = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64).map(|max| max as u64);
        let max_tokens = limit(&self.max_completion_tokens).or_else(|| limit(&self.max_tokens));
        Bounds {
            max_tokens,
            stop: stop_texts(self.stop.as_ref()),
        }
    }

    /// The calls of the tools that are forced, or else mentioned by name in the last user text. None after a tool's
    /// result: then the model speaks.
    fn tool_calls(&self, asked: &str, number: u64) -> Vec<ToolCall> {
        let tools = self.tools.as_deref().unwrap_or_default();
        if self.messages.last().is_some_and(|last| last.role == "tool") {
            return Vec::new();
        }
        let named = |tool: &&Value| {
            tool["function"]["name"]
                .as_str()
                .is_some_and(|name| asked.contains(name))
        };
        let chosen: Vec<&Value> = match self.tool_choice.as_ref() {
            Some(Value::String(mode)) if mode == "none" => Vec::new(),
            Some(Value::String(mode)) if mode == "required" && !tools.iter().any(|tool| named(&tool)) => {
                tools.iter().take(1).collect()
            }
            Some(Value::Object(forced)) => {
                let name = &forced.get("function").unwrap_or(&Value::Null)["name"];
                tools
                    .iter()
                    .filter(|tool| tool["function"]["name"] == *name)
                    .collect()
            }
            _ => tools.iter().filter(named).collect(),
        };
        let most = if self.parallel_tool_calls == Some(false) {
            1
        } else {
            usize::MAX
        };
        let call = |(at, tool): (usize, &&Value)| ToolCall {
            id: format!("call_mock_{number}_{at}"),
            name: tool["function"]["name"].as_str().unwrap_or_default().to_owned(),
            arguments: schema::sample(&tool["function"]["parameters"], asked).to_string(),
        };
        chosen.iter().take(most).enumerate().map(call).collect()
    }

    fn whole(&self, said: &Said, choices: u64, usage: &Value, parsed: &Parsed<'_>) -> Vec<u8> {
        let (content, calls, finish_reason) = match said {
            Said::Text(text) => (Value::from(text.joined()), Value::Null, text.finish_reason),
            Said::Tools(calls) => {
                let shown = calls.iter().map(|call| {
                    json!({
                        "id": call.id, "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments},
                    })
                });
                (Value::Null, shown.collect(), "tool_calls")
            }
        };
        let mut message =
            json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if !calls.is_null() {
            message["tool_calls"] = calls;
        }
        let choice = |index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason});
        let mut body = json!({
            "id": parsed.id("chatcmpl"), "object": "chat.completion", "created": parsed.created,
            "model": parsed.model, "choices": (0..choices).map(choice).collect::<Vec<_>>(),
            "service_tier": "default", "system_fingerprint": "fp_mock",
        });
        if parsed.tells_usage() {
            body["usage"] = usage.clone();
        }
        body.to_string().into_bytes()
    }

    fn script(&self, said: &Said, choices: u64, usage: &Value, parsed: &Parsed<'_>) -> Script {
        let envelope = Envelope {
            id: parsed.id("chatcmpl"),
            object: "chat.completion.chunk",
            model: parsed.model,
            created: parsed.created,
            usage_asked: self
                .stream_options
                .as_ref()
                .is_some_and(StreamOptions::asks_usage),
            usage: parsed.controls.usage,
        };
        let first = match said {
            Said::Text(_) => json!({"role": "assistant", "content": "", "refusal": null}),
            Said::Tools(_) => json!({"role": "assistant", "content": null}),
        };
        let opening = (0..choices)
            .map(|index| envelope.event(&choice(index, &first.to_string(), None)))
            .collect();
        let (content, total, finish_reason) = match said {
            Said::Text(text) => {
                let (content, total) = text_events(text, choices, &envelope, parsed.controls);
                (content, total, text.finish_reason)
            }
            Said::Tools(calls) => {
                let content = tool_events(calls, choices, &envelope);
                let total = content.len();
                (content, total, "tool_calls")
            }
        };
        let finish = |index| envelope.finish_event(&choice(index, "{}", Some(finish_reason)), usage);
        let closing = (0..choices)
            .map(finish)
            .chain(envelope.usage_event(usage))
            .collect();
        Script {
            opening,
            content,
            total,
            closing,
        }
    }
}

fn choice(index: u64, delta: &str, finish_reason: Option<&str>) -> String {
    let finish_reason = finish_reason.map_or("null".to_owned(), |reason| format!("\"{reason}\""));
    format!("{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}")
}

/// The events of all choices, interleaved as a provider does it.
fn text_events(
    text: &Text,
    choices: u64,
    envelope: &Envelope<'_>,
    controls: &Controls,
) -> (Vec<Vec<u8>>, usize) {
    let of_choice = |index| {
        content_events(&text.pieces, controls, |piece| {
            let delta = format!("{{\"content\":{}}}", Value::from(piece));
            envelope.event(&choice(index, &delta, None))
        })
    };
    if choices == 1 {
        return of_choice(0);
    }
    let per_choice: Vec<(Vec<Vec<u8>>, usize)> = (0..choices).map(of_choice).collect();
    let total = per_choice.iter().map(|(_, total)| total).sum();
    let longest = per_choice
        .iter()
        .map(|(frames, _)| frames.len())
        .max()
        .unwrap_or(0);
    let turn = |at: usize| {
        per_choice
            .iter()
            .filter_map(move |(frames, _)| frames.get(at).cloned())
    };
    ((0..longest).flat_map(turn).collect(), total)
}

/// Per call: a first fragment with id and name, then its arguments in pieces.
fn tool_events(calls: &[ToolCall], choices: u64, envelope: &Envelope<'_>) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for index in 0..choices {
        for (at, call) in calls.iter().enumerate() {
            let first = json!({"tool_calls": [{
                "index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""},
            }]});
            events.push(envelope.event(&choice(index, &first.to_string(), None)));
            let bounds = crate::controls::Controls {
                piece_bytes: ARGUMENT_PIECE_BYTES,
                ..Controls::default()
            };
            for piece in Text::new(&call.arguments, &Bounds::default(), &bounds).pieces {
                let delta = json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]});
                events.push(envelope.event(&choice(index, &delta.to_string(), None)));
            }
        }
    }
    events
}
