//! What a reader of an answer or a request makes out, whatever the dialect: what translations must not change.

use penstock_llm::model::{
    Answer, Choice, Content, Message, Part, ReasoningForm, Request, Source, StopReason, Usage,
};
use serde_json::Value;

/// An answer to somebody who looks at content alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub choices: Vec<HeardChoice>,
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cache_read: u64,
    pub cache_write: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeardChoice {
    pub text: String,
    pub reasoning: String,
    pub refusal: String,
    /// Id, name, arguments.
    pub calls: Vec<(String, String, Value)>,
    pub media: usize,
    pub stop: Option<StopReason>,
}

impl Heard {
    pub fn of(answer: &Answer<'_>) -> Heard {
        let usage = answer.usage.unwrap_or_default();
        let Usage {
            input,
            output,
            cache_read,
            cache_write,
            ..
        } = usage;
        Heard {
            choices: answer.choices.iter().map(HeardChoice::of).collect(),
            input,
            output,
            cache_read: cache_read.unwrap_or(0),
            cache_write: cache_write.unwrap_or(0),
        }
    }

    /// What is left for callers of dialects that have one answer alone.
    pub fn first_choice(mut self) -> Heard {
        self.choices.truncate(1);
        self
    }
}

impl HeardChoice {
    fn of(choice: &Choice<'_>) -> HeardChoice {
        let mut heard = HeardChoice::default();
        for part in &choice.parts {
            match &part.content {
                Content::Text { text, .. } => heard.text.push_str(&text.get()),
                Content::Reasoning(thought) if thought.form != ReasoningForm::Encrypted => {
                    heard.reasoning.push_str(&thought.text.get());
                }
                Content::Refusal(text) => heard.refusal.push_str(&text.get()),
                Content::ToolCall(call) => heard.calls.push((
                    call.id.get().into_owned(),
                    call.name.get().into_owned(),
                    arguments(&call.arguments.get()),
                )),
                Content::Media(_) => heard.media += 1,
                _ => {}
            }
        }
        heard.stop = choice.stop.as_ref().map(|stop| coarse(stop.reason));
        heard
    }
}

fn arguments(text: &str) -> Value {
    match text.trim() {
        "" | "null" => serde_json::json!({}),
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

/// Reasons that some dialects have one word for.
pub fn coarse(reason: StopReason) -> StopReason {
    match reason {
        StopReason::StopSequence | StopReason::Pause | StopReason::Other => StopReason::End,
        StopReason::ContextWindow => StopReason::Length,
        StopReason::Refusal => StopReason::ContentFilter,
        StopReason::MalformedCall => StopReason::Error,
        same => same,
    }
}

/// Every text of a request that a model reads, sorted: who says it first, where dialects agree on that.
pub fn texts(request: &Request<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for message in &request.messages {
        let system = message.is_system();
        for part in &message.parts {
            text_of(part, if system { "system" } else { "said" }, &mut texts);
        }
    }
    texts.sort();
    texts
}

fn text_of(part: &Part<'_>, who: &str, texts: &mut Vec<String>) {
    match &part.content {
        Content::Text { text, .. } if !text.is_blank() => texts.push(format!("{who}: {}", text.get())),
        Content::Refusal(text) => texts.push(format!("{who}: {}", text.get())),
        Content::ToolCall(call) => texts.push(format!(
            "call {} {} {}",
            call.id.get(),
            call.name.get(),
            arguments(&call.arguments.get())
        )),
        Content::ToolResult(result) => {
            texts.push(format!("result of {}", result.call_id.get()));
            result
                .parts
                .iter()
                .for_each(|part| text_of(part, "result", texts));
        }
        Content::SearchResult(found) => texts.push(format!("{who}: {}", found.as_words())),
        Content::Media(media) => match &media.source {
            Source::Base64(data) => texts.push(format!("media {}", data.get())),
            Source::Url(url) => texts.push(format!("media {}", url.get())),
            Source::File { id, .. } => texts.push(format!("media {}", id.get())),
            Source::Text(text) => texts.push(format!("{who}: {}", text.get())),
            Source::Parts(parts) => parts.iter().for_each(|part| text_of(part, who, texts)),
            Source::Native(_) => {}
        },
        _ => {}
    }
}

/// The ids and order of calls and results, which providers are strict about.
pub fn pairing(messages: &[Message<'_>]) -> Vec<String> {
    let mut pairs = Vec::new();
    for part in messages.iter().flat_map(|message| &message.parts) {
        match &part.content {
            Content::ToolCall(call) => pairs.push(format!("call {}", call.id.get())),
            Content::ToolResult(result) => pairs.push(format!("result {}", result.call_id.get())),
            _ => {}
        }
    }
    pairs
}
