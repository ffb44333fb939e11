//! An answer of the model as a message.

use crate::model::{
    Answer, Choice, Content, Dialect, Envelope, Json, Losses, Part, Reasoning, ReasoningForm, Text, ToolCall,
    Written, made_id,
};
use crate::write::{Array, Object, object};

use super::block_write::write_citation;
use super::{foreign, stop, usage};

const NO_SUCH: &str = "Messages have nothing like it";

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    if answer.choices.len() > 1 {
        losses.dropped("choices[1]", "a message is one answer");
    }
    let none = Choice::new(0);
    let choice = answer.choices.first().unwrap_or(&none);
    let own = answer.dialect == Dialect::AnthropicMessages;
    let over = choice.stop_or_end();
    object(&mut written.bytes, |body| {
        match &answer.id {
            Some(id) => body.text("id", id),
            None => body.str("id", envelope.id),
        }
        body.str("type", "message");
        body.str("role", "assistant");
        match &answer.model {
            Some(model) => body.text("model", model),
            None => body.str("model", envelope.model),
        }
        body.array("content", |array| {
            let mut blocks = Blocks {
                own,
                envelope,
                losses,
                calls: 0,
            };
            choice
                .parts
                .iter()
                .enumerate()
                .for_each(|(at, part)| blocks.write(part, at, array));
        });
        body.text("stop_reason", &stop::word(&over, own, losses));
        body.text_or_null("stop_sequence", over.sequence.as_ref());
        match &over.details {
            Some(details) if own => body.json("stop_details", details),
            Some(_) => losses.dropped("stop_details", NO_SUCH),
            None => {}
        }
        body.object("usage", |object| write_usage(answer, own, object));
        extras(answer, choice, own, body, losses);
    });
    written
}

fn write_usage(answer: &Answer<'_>, own: bool, object: &mut Object<'_>) {
    usage::write(&answer.usage.unwrap_or_default(), object);
    if !own {
        return;
    }
    object.text_if("service_tier", answer.service_tier.as_ref());
    for extra in &answer.extras {
        if let Some(name) = extra.name.get().strip_prefix("usage.") {
            object.member(&Text::plain(name.to_owned()), &extra.value);
        }
    }
}

fn extras(answer: &Answer<'_>, choice: &Choice<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    if choice.logprobs.is_some() {
        losses.dropped("logprobs", NO_SUCH);
    }
    if answer.service_tier.is_some() && !own {
        losses.dropped("service_tier", "its names differ from provider to provider");
    }
    for extra in answer.extras.iter().chain(&choice.extras) {
        let name = extra.name.get();
        match own {
            true if name.starts_with("usage.") => {}
            true => body.member(&extra.name, &extra.value),
            false => losses.dropped(name.into_owned(), NO_SUCH),
        }
    }
}

/// Writes blocks of answers.
struct Blocks<'w> {
    own: bool,
    envelope: &'w Envelope<'w>,
    losses: &'w mut Losses,
    calls: usize,
}

impl Blocks<'_> {
    fn write(&mut self, part: &Part<'_>, at: usize, array: &mut Array<'_>) {
        if let Some(signature) = part
            .signature
            .as_ref()
            .filter(|_| !matches!(part.content, Content::Reasoning(_)))
        {
            array.object(|object| {
                object.str("type", "redacted_thinking");
                object.text("data", &foreign::of_next(signature));
            });
        }
        match &part.content {
            Content::Text { text, citations } if !text.is_empty() || self.own => array.object(|object| {
                object.str("type", "text");
                object.text("text", text);
                if !citations.is_empty() {
                    object.array("citations", |array| {
                        citations
                            .iter()
                            .for_each(|citation| array.object(|object| write_citation(citation, object)));
                    });
                }
                self.extras(part, at, object);
            }),
            // an empty text is no block
            Content::Text { .. } => {}
            Content::Refusal(text) => array.object(|object| {
                object.str("type", "text");
                object.text("text", text);
            }),
            Content::Reasoning(thought) => array.object(|object| {
                write_thought(part, thought, object);
                if self.own {
                    object.extras(&part.extras);
                }
            }),
            Content::ToolCall(call) => array.object(|object| {
                self.call(call, at, object);
                self.extras(part, at, object);
            }),
            Content::Native(native) if native.dialect == Dialect::AnthropicMessages => {
                array.json(&native.json)
            }
            Content::Native(_) => {
                self.losses
                    .dropped(format!("content[{at}]"), "only its own dialect can say this");
            }
            Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses
                    .dropped(format!("content[{at}]"), "a message's answer holds no such block");
            }
        }
    }

    fn call(&mut self, call: &ToolCall<'_>, at: usize, object: &mut Object<'_>) {
        object.str("type", "tool_use");
        if call.id.is_empty() {
            object.str("id", &made_id(self.envelope.id, 0, self.calls));
            self.losses
                .added(format!("content[{at}].id"), "the provider gave the call no id");
        } else {
            object.text("id", &call.id);
        }
        self.calls = self.calls.saturating_add(1);
        object.text("name", &call.name);
        match call.arguments_object() {
            Some(input) => object.json("input", &input),
            None => {
                self.losses.dropped(
                    format!("content[{at}].input"),
                    "the call's arguments are not a JSON object",
                );
                object.json("input", &Json::checked("{}"));
            }
        }
    }

    fn extras(&mut self, part: &Part<'_>, at: usize, object: &mut Object<'_>) {
        if self.own {
            object.extras(&part.extras);
            return;
        }
        for extra in &part.extras {
            self.losses
                .dropped(format!("content[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }
}

/// Writes a thought as a block. One of another maker is marked, so that it finds back to whoever made it; without a
/// signature it has an empty one, which Anthropic would refuse and nobody sends there.
pub(super) fn write_thought(part: &Part<'_>, thought: &Reasoning<'_>, object: &mut Object<'_>) {
    if thought.form == ReasoningForm::Encrypted {
        object.str("type", "redacted_thinking");
        object.text("data", &foreign::encrypted(thought));
        return;
    }
    object.str("type", "thinking");
    object.text("thinking", &thought.text);
    let signature = part.signature.as_ref().map(foreign::signature);
    object.text("signature", &signature.unwrap_or_default());
}
