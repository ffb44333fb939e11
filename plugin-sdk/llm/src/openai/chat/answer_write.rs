//! An answer of the model as a chat completion.

use crate::model::{
    Answer, Choice, Citation, Content, Dialect, Envelope, Json, Losses, Media, MediaKind, Part, Reasoning,
    ReasoningForm, Source, StopReason, Text, ToolCall, Written, made_id,
};
use crate::write::{Object, object};

use super::message_write::write_call;
use super::reasoning::write_detail;
use super::tools::NO_SUCH;
use super::{stop, usage};

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let own = answer.dialect == Dialect::OpenAiChat;
    object(&mut written.bytes, |body| {
        match &answer.id {
            Some(id) => body.text("id", id),
            None => body.str("id", envelope.id),
        }
        body.str("object", "chat.completion");
        body.count("created", answer.created.unwrap_or(envelope.created));
        match &answer.model {
            Some(model) => body.text("model", model),
            None => body.str("model", envelope.model),
        }
        body.array("choices", |array| {
            for choice in &answer.choices {
                array.object(|object| {
                    let writer = ChoiceWriter {
                        choice,
                        own,
                        envelope,
                        losses,
                    };
                    writer.write(object);
                });
            }
        });
        if let Some(counts) = &answer.usage {
            body.object("usage", |object| usage::write(counts, object));
        }
        body.text_if("service_tier", answer.service_tier.as_ref());
        for extra in &answer.extras {
            match own {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
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
    text: Option<Text<'a>>,
    refusal: Option<Text<'a>>,
    thoughts: Vec<(&'w Part<'a>, &'w Reasoning<'a>)>,
    calls: Vec<(&'w Part<'a>, &'w ToolCall<'a>)>,
    audio: Option<(&'w Part<'a>, &'w Media<'a>)>,
    images: Vec<(&'w Part<'a>, &'w Media<'a>)>,
    citations: Vec<(&'w Citation<'a>, Place)>,
}

/// Where a cited text stands in the message's content, in characters.
#[derive(Copy, Clone)]
pub(super) struct Place {
    pub start: u64,
    pub end: u64,
}

impl<'w, 'a> ChoiceWriter<'w, 'a> {
    fn write(mut self, object: &mut Object<'_>) {
        let said = self.sort();
        let legacy = self.envelope.legacy_functions && !said.calls.is_empty();
        object.count("index", self.choice.index.into());
        object.object("message", |message| self.message(&said, legacy, message));
        object.json("logprobs", &self.logprobs());
        self.finish(legacy, object);
        for extra in &self.choice.extras {
            match self.own {
                true => object.member(&extra.name, &extra.value),
                false => self
                    .losses
                    .dropped(format!("choice.{}", extra.name.get()), NO_SUCH),
            }
        }
    }

    fn logprobs(&mut self) -> Json<'a> {
        match &self.choice.logprobs {
            Some(logprobs) if self.own => return logprobs.clone(),
            Some(_) => self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect"),
            None => {}
        }
        Json::checked("null")
    }

    fn sort(&mut self) -> Said<'w, 'a> {
        let mut said = Said::default();
        let mut characters = 0u64;
        let cited = |part: &Part<'_>| matches!(&part.content, Content::Text { citations, .. } if !citations.is_empty());
        let any_cited = self.choice.parts.iter().any(cited);
        for (at, part) in self.choice.parts.iter().enumerate() {
            match &part.content {
                Content::Text { text, citations } => {
                    let start = characters;
                    if any_cited {
                        characters = characters.saturating_add(text.get().chars().count() as u64);
                    }
                    let place = Place {
                        start,
                        end: characters,
                    };
                    said.citations
                        .extend(citations.iter().map(|citation| (citation, place)));
                    append(&mut said.text, text);
                    self.unsaid(part, at);
                }
                Content::Refusal(text) => append(&mut said.refusal, text),
                Content::Reasoning(thought) => said.thoughts.push((part, thought)),
                Content::ToolCall(call) => {
                    said.calls.push((part, call));
                    self.unsaid(part, at);
                }
                Content::Media(media) if media.kind == MediaKind::Audio => said.audio = Some((part, media)),
                Content::Media(media) if media.kind == MediaKind::Image && has_url(media) => {
                    said.images.push((part, media));
                }
                Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                    self.losses.dropped(format!("content[{at}]"), NO_SUCH);
                }
                Content::Native(_) => {
                    self.losses
                        .dropped(format!("content[{at}]"), "only its own dialect can say this");
                }
            }
        }
        said
    }

    fn unsaid(&mut self, part: &Part<'_>, at: usize) {
        if self.own {
            return;
        }
        for extra in &part.extras {
            self.losses
                .dropped(format!("content[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }

    fn message(&mut self, said: &Said<'_, '_>, legacy: bool, message: &mut Object<'_>) {
        message.str("role", "assistant");
        message.text_or_null("content", said.text.as_ref());
        message.text_or_null("refusal", said.refusal.as_ref());
        write_thoughts(&said.thoughts, message);
        if !said.citations.is_empty() {
            message.array("annotations", |array| {
                for (citation, place) in &said.citations {
                    array.object(|object| write_citation(citation, *place, object));
                }
            });
        }
        if let Some((part, media)) = said.audio {
            message.object("audio", |object| write_audio(media, part, self.envelope, object));
        }
        if !said.images.is_empty() {
            message.array("images", |array| {
                for (part, media) in &said.images {
                    array.object(|object| {
                        object.str("type", "image_url");
                        object.object("image_url", |object| {
                            media.write_url("image/png", object.value("url"));
                        });
                        if self.own {
                            object.extras(&part.extras);
                        }
                    });
                }
            });
        }
        match said.calls.as_slice() {
            [] => {}
            [(_, call), more @ ..] if legacy => {
                message.object("function_call", |object| {
                    object.text("name", &call.name);
                    object.text("arguments", &call.arguments);
                });
                if !more.is_empty() {
                    self.losses
                        .dropped("tool_calls[1]", "callers of `functions` take one call at a time");
                }
            }
            calls => message.array("tool_calls", |array| {
                for (at, (part, call)) in calls.iter().enumerate() {
                    array.object(|object| self.call(call, part, at, object));
                }
            }),
        }
    }

    fn call(&mut self, call: &ToolCall<'_>, part: &Part<'_>, at: usize, object: &mut Object<'_>) {
        if call.id.is_empty() {
            let made = made_id(self.envelope.id, self.choice.index, at);
            let call = ToolCall {
                id: Text::plain(made),
                ..call.clone()
            };
            self.losses
                .added(format!("tool_calls[{at}].id"), "the provider gave the call no id");
            write_call(&call, part, object);
        } else {
            write_call(call, part, object);
        }
        if self.own {
            object.extras(&part.extras);
        }
    }

    fn finish(&mut self, legacy: bool, object: &mut Object<'_>) {
        let over = &self.choice.stop_or_end();
        match legacy && over.reason == StopReason::ToolCalls {
            true => object.str("finish_reason", "function_call"),
            false => object.str("finish_reason", stop::finish_reason(over.reason)),
        }
        if let Some(native) =
            stop::native_to_show(over).filter(|native| !(legacy && native.is("function_call")))
        {
            object.text("native_finish_reason", native);
        }
        object.text_if("stop_reason", over.sequence.as_ref());
        if over.details.is_some() {
            self.losses.dropped("stop_details", NO_SUCH);
        }
    }
}

fn has_url(media: &Media<'_>) -> bool {
    matches!(media.source, Source::Base64(_) | Source::Url(_))
}

fn append<'a>(place: &mut Option<Text<'a>>, text: &Text<'a>) {
    match place {
        Some(before) => before.push(text),
        None => *place = Some(text.clone()),
    }
}

/// All three spellings, as clients look for one or another (APIS.md 9.6).
fn write_thoughts(thoughts: &[(&Part<'_>, &Reasoning<'_>)], message: &mut Object<'_>) {
    if thoughts.is_empty() {
        return;
    }
    let mut text: Option<Text<'_>> = None;
    for (_, thought) in thoughts
        .iter()
        .filter(|(_, thought)| thought.form != ReasoningForm::Encrypted)
    {
        append(&mut text, &thought.text);
    }
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        message.text("reasoning_content", &text);
        message.text("reasoning", &text);
    }
    message.array("reasoning_details", |array| {
        for (index, (part, thought)) in (0u64..).zip(thoughts) {
            write_detail(thought, part.signature.as_ref(), index, array);
        }
    });
}

/// An annotation: its own words where it is of this dialect, otherwise a page on the web or a document by its title.
pub(super) fn write_citation(citation: &Citation<'_>, place: Place, object: &mut Object<'_>) {
    if citation.dialect == Dialect::OpenAiChat {
        // of a stream it has a number, which a whole message has no use for and a stream's writer gives anew
        for (name, value) in citation.native.members() {
            if !name.is("index") {
                object.member(&name, &value);
            }
        }
        return;
    }
    object.str("type", "url_citation");
    object.object("url_citation", |object| {
        match &citation.url {
            Some(url) => object.text("url", url),
            None => object.str("url", ""),
        }
        match &citation.title {
            Some(title) => object.text("title", title),
            None => object.str("title", ""),
        }
        object.text_if("content", citation.quote.as_ref());
        object.count("start_index", citation.start.unwrap_or(place.start));
        object.count("end_index", citation.end.unwrap_or(place.end));
    });
}

fn write_audio(media: &Media<'_>, part: &Part<'_>, envelope: &Envelope<'_>, object: &mut Object<'_>) {
    match (crate::model::extra(&part.extras, "id"), &media.source) {
        (Some(_), _) => {}
        (None, Source::File { id, .. }) => object.text("id", id),
        (None, _) => object.str("id", envelope.id),
    }
    object.extras(&part.extras);
    if let Source::Base64(data) = &media.source {
        object.text("data", data);
    }
    object.text_if("transcript", media.transcript.as_ref());
}
