//! An answer of the model as one of Cohere's.

use crate::model::{
    Answer, Choice, Content, Dialect, Envelope, Losses, Part, Reasoning, ReasoningForm, Text, ToolCall,
    Written, made_id,
};
use crate::write::{Array, Object, object};

use super::message_write::{CitedText, write_citations};
use super::{NO_SUCH, call, content, stop, usage};

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let own = answer.dialect == Dialect::Cohere;
    let none = Choice::new(0);
    let choice = answer.choices.first().unwrap_or(&none);
    object(&mut written.bytes, |body| {
        match &answer.id {
            Some(id) => body.text("id", id),
            None => body.str("id", envelope.id),
        }
        let writer = ChoiceWriter {
            choice,
            own,
            envelope,
            losses,
        };
        writer.write(body);
        if let Some(counts) = &answer.usage {
            body.object("usage", |object| usage::write(counts, object, losses));
        }
        for extra in &answer.extras {
            match own {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    for other in answer.choices.iter().skip(1) {
        losses.dropped(format!("choices[{}]", other.index), "Cohere gives one answer");
    }
    if answer.service_tier.is_some() {
        losses.dropped("service_tier", NO_SUCH);
    }
    written
}

struct ChoiceWriter<'w, 'a> {
    choice: &'w Choice<'a>,
    own: bool,
    envelope: &'w Envelope<'w>,
    losses: &'w mut Losses,
}

/// A choice's parts by where they go.
#[derive(Default)]
struct Said<'w, 'a> {
    words: Vec<&'w Part<'a>>,
    plan: Option<Text<'a>>,
    calls: Vec<(&'w Part<'a>, &'w ToolCall<'a>)>,
    cited: Vec<CitedText<'w, 'a>>,
}

impl<'w, 'a> ChoiceWriter<'w, 'a> {
    fn write(mut self, body: &mut Object<'_>) {
        let said = self.sort();
        body.object("message", |message| self.message(&said, message));
        let over = self.choice.stop_or_end();
        body.text("finish_reason", &stop::word(&over, self.own, self.losses));
        match &self.choice.logprobs {
            Some(logprobs) if self.own => {
                let list = logprobs.pointer("/content");
                body.json("logprobs", list.as_ref().unwrap_or(logprobs));
            }
            Some(_) => self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect"),
            None => {}
        }
    }

    fn sort(&mut self) -> Said<'w, 'a> {
        let mut said = Said::default();
        for (at, part) in self.choice.parts.iter().enumerate() {
            match &part.content {
                Content::Text { text, citations } => {
                    let place = said.words.len() as u64;
                    let cited = citations.iter().map(|citation| (place, Some(text), citation));
                    said.cited.extend(cited);
                    said.words.push(part);
                }
                Content::Refusal(_) => said.words.push(part),
                Content::Reasoning(thought) => self.thought(part, thought, at, &mut said),
                Content::ToolCall(call) => said.calls.push((part, call)),
                Content::Native(native) if native.dialect == Dialect::Cohere => said.words.push(part),
                Content::Native(_) => self
                    .losses
                    .dropped(format!("content[{at}]"), "only its own dialect can say this"),
                Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                    self.losses.dropped(format!("content[{at}]"), NO_SUCH);
                }
            }
            self.hangings(part, at);
        }
        said
    }

    fn thought(&mut self, part: &'w Part<'a>, thought: &Reasoning<'a>, at: usize, said: &mut Said<'w, 'a>) {
        if thought.form == ReasoningForm::Encrypted {
            return self
                .losses
                .dropped(format!("content[{at}]"), "thoughts can be read here");
        }
        if thought.data.is_some() {
            self.losses.dropped(format!("content[{at}].data"), NO_SUCH);
        }
        if !content::is_plan(thought) {
            return said.words.push(part);
        }
        match &mut said.plan {
            Some(plan) => plan.push(&thought.text),
            None => said.plan = Some(thought.text.clone()),
        }
    }

    fn hangings(&mut self, part: &Part<'_>, at: usize) {
        if part.signature.is_some() {
            self.losses.dropped(format!("content[{at}].signature"), NO_SUCH);
        }
        for extra in part.extras.iter().filter(|_| !self.own) {
            self.losses
                .dropped(format!("content[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }

    fn message(&mut self, said: &Said<'_, '_>, message: &mut Object<'_>) {
        message.str("role", "assistant");
        if !said.words.is_empty() || said.calls.is_empty() {
            message.array("content", |array| {
                said.words.iter().for_each(|part| self.piece(part, array));
            });
        }
        message.text_if("tool_plan", said.plan.as_ref());
        self.calls(&said.calls, message);
        write_citations(&said.cited, &self.choice.extras, self.own, message);
        let kept = self.choice.extras.iter();
        for extra in kept.filter(|extra| !(self.own && extra.name.is("citations"))) {
            match self.own {
                true => message.member(&extra.name, &extra.value),
                false => self
                    .losses
                    .dropped(format!("choice.{}", extra.name.get()), NO_SUCH),
            }
        }
    }

    fn piece(&self, part: &Part<'_>, array: &mut Array<'_>) {
        if let Content::Native(native) = &part.content {
            return array.json(&native.json);
        }
        array.object(|object| {
            match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) => {
                    object.str("type", "text");
                    object.text("text", text);
                }
                Content::Reasoning(thought) => {
                    object.str("type", "thinking");
                    object.text("thinking", &thought.text);
                }
                _ => {}
            }
            if self.own {
                object.extras(&part.extras);
            }
        });
    }

    fn calls(&mut self, calls: &[(&Part<'_>, &ToolCall<'_>)], message: &mut Object<'_>) {
        if calls.is_empty() {
            return;
        }
        message.array("tool_calls", |array| {
            for (at, (part, call)) in calls.iter().enumerate() {
                array.object(|object| {
                    if call.id.is_empty() {
                        object.str("id", &made_id(self.envelope.id, self.choice.index, at));
                        self.losses
                            .added(format!("tool_calls[{at}].id"), "the provider gave the call no id");
                    } else {
                        object.text("id", &call.id);
                    }
                    call::write(call, object);
                    if self.own {
                        object.extras(&part.extras);
                    }
                });
            }
        });
    }
}
