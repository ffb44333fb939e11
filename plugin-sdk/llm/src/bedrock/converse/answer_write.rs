//! An answer of the model as a Converse answer.

use crate::anthropic::foreign;
use crate::model::{
    Answer, Choice, Citation, Content, Dialect, Envelope, Json, Losses, Maker, MediaKind, Part, Reasoning,
    ReasoningForm, Signature, Text, ToolCall, Written, made_id,
};
use crate::write::{Array, Object, object};

use super::super::blob;
use super::block_read::CITED;
use super::block_write::{NO_SUCH, OWN_ALONE, own_extras, redacted, write_thought};
use super::limits::DocumentNames;
use super::{cite, media_write, rest, stop, usage};

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let own = answer.dialect == Dialect::BedrockConverse;
    let mut choices = answer.choices.iter();
    let empty = Choice::new(0);
    let choice = choices.next().unwrap_or(&empty);
    let losses = &mut written.losses;
    for _ in choices {
        losses.dropped("choices", "Converse has one answer");
    }
    object(&mut written.bytes, |body| {
        body.object("output", |output| {
            output.object("message", |message| {
                message.str("role", "assistant");
                message.array("content", |array| {
                    let mut writer = Writer {
                        own,
                        envelope,
                        documents: DocumentNames::default(),
                        calls: 0,
                        losses,
                    };
                    writer.parts(&choice.parts, array);
                });
                message.extras(if own { &choice.extras } else { &[] });
            });
        });
        let over = choice.stop_or_end();
        body.str("stopReason", &stop::word(&over, Some(answer.dialect), losses));
        if let Some(counts) = &answer.usage {
            let more = rest::kept("usage", if own { &answer.extras } else { &[] });
            body.object("usage", |object| {
                usage::write(counts, object);
                more.iter().for_each(|(name, value)| object.member(name, value));
            });
        }
        if let Some(sequence) = over.sequence.as_ref().filter(|_| !own) {
            body.object("additionalModelResponseFields", |fields| {
                fields.text("stop_sequence", sequence);
            });
        }
        members(answer, choice, own, body, losses);
    });
    written
}

fn members(answer: &Answer<'_>, choice: &Choice<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    let whole_tier = crate::model::extra(&answer.extras, "serviceTier").is_some() && own;
    match &answer.service_tier {
        Some(tier) if !whole_tier => body.object("serviceTier", |object| object.text("type", tier)),
        _ => {}
    }
    if choice.logprobs.is_some() {
        losses.dropped("logprobs", NO_SUCH);
    }
    for extra in &answer.extras {
        match own {
            true if extra.name.is("usage") => {}
            true => body.member(&extra.name, &extra.value),
            false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
        }
    }
    for extra in choice.extras.iter().filter(|_| !own) {
        losses.dropped(format!("choice.{}", extra.name.get()), NO_SUCH);
    }
}

struct Writer<'w> {
    own: bool,
    envelope: &'w Envelope<'w>,
    documents: DocumentNames,
    calls: usize,
    losses: &'w mut Losses,
}

impl Writer<'_> {
    fn parts(&mut self, parts: &[Part<'_>], array: &mut Array<'_>) {
        for (at, part) in parts.iter().enumerate() {
            if let Some(signature) = self.signature_apart(part) {
                array.object(|object| write_redacted(&signature, object));
            }
            self.part(part, at, array);
            for extra in part
                .extras
                .iter()
                .filter(|extra| !self.own && !extra.name.is("index"))
            {
                self.losses
                    .dropped(format!("content[{at}].{}", extra.name.get()), NO_SUCH);
            }
        }
    }

    /// A call's or a text's own signature (Gemini's) goes in a marked block before it, and comes back so (PAIN E02).
    fn signature_apart(&self, part: &Part<'_>) -> Option<Text<'static>> {
        let thought = matches!(part.content, Content::Reasoning(_));
        let signature = part.signature.as_ref().filter(|_| !thought)?;
        Some(foreign::of_next(signature))
    }

    fn part(&mut self, part: &Part<'_>, at: usize, array: &mut Array<'_>) {
        match &part.content {
            Content::Text { text, citations } => {
                let cited = self.own && crate::model::extra(&part.extras, CITED).is_some();
                array.object(|object| match citations.is_empty() && !cited {
                    true => object.text("text", text),
                    false => write_cited(text, citations, object),
                });
            }
            Content::Refusal(text) => {
                self.losses
                    .changed(format!("content[{at}]"), "a refusal goes as a text");
                array.object(|object| object.text("text", text));
            }
            Content::Reasoning(thought) => {
                array.object(|object| write_marked_thought(part, thought, self.own, object));
            }
            Content::ToolCall(call) => self.call(part, call, at, array),
            Content::Media(media) => self.media(part, media, at, array),
            Content::Native(native) if native.dialect == Dialect::BedrockConverse => {
                array.object(|object| object.member(&native.kind, &native.json));
            }
            Content::Native(_) => self.losses.dropped(format!("content[{at}]"), OWN_ALONE),
            Content::ToolResult(_) | Content::SearchResult(_) => self
                .losses
                .dropped(format!("content[{at}]"), "an answer holds no such block"),
        }
    }

    fn call(&mut self, part: &Part<'_>, call: &ToolCall<'_>, at: usize, array: &mut Array<'_>) {
        let made = call
            .id
            .is_empty()
            .then(|| made_id(self.envelope.id, 0, self.calls));
        if made.is_some() {
            self.losses.added(
                format!("content[{at}].toolUseId"),
                "the provider gave the call no id",
            );
        }
        self.calls = self.calls.saturating_add(1);
        let input = call.arguments_object();
        if input.is_none() {
            self.losses.changed(
                format!("content[{at}].input"),
                "is no JSON object: the call goes with none",
            );
        }
        array.object(|object| {
            object.object("toolUse", |object| {
                object.text("toolUseId", &made.map_or(call.id.borrowed(), Text::plain));
                object.text("name", &call.name);
                object.json("input", &input.unwrap_or(Json::checked("{}")));
                object.extras(own_extras(part, self.own));
            });
        });
    }

    fn media(&mut self, part: &Part<'_>, media: &crate::model::Media<'_>, at: usize, array: &mut Array<'_>) {
        if let Some(transcript) = media.transcript.as_ref().filter(|text| !text.is_empty()) {
            // for clients that look at texts alone
            array.object(|object| object.text("text", transcript));
        }
        let bare = crate::model::Media {
            transcript: None,
            ..media.clone()
        };
        let context = media_write::Context {
            own: self.own,
            documents: &mut self.documents,
            losses: self.losses,
        };
        let mut value = Vec::new();
        let path = || format!("content[{at}]");
        match media_write::write(part, &bare, context, &path, &mut value) {
            Ok(()) => array.object(|object| {
                object
                    .value(media_write::name(media.kind))
                    .extend_from_slice(&value);
            }),
            Err(_) => {
                let why = match media.kind {
                    MediaKind::Image => "is an image that Converse cannot say",
                    _ => "is of a kind that Converse cannot say",
                };
                self.losses.dropped(path(), why);
            }
        }
    }
}

fn write_cited(text: &Text<'_>, citations: &[Citation<'_>], object: &mut Object<'_>) {
    object.object("citationsContent", |object| {
        object.array("content", |array| {
            array.object(|object| object.text("text", text))
        });
        object.array("citations", |array| {
            for citation in citations {
                array.object(|object| cite::write(citation, object));
            }
        });
    });
}

/// A thought; what another maker signed or encrypted is marked, so that it comes back to whom it belongs.
fn write_marked_thought(part: &Part<'_>, thought: &Reasoning<'_>, own: bool, object: &mut Object<'_>) {
    let foreign = |maker: Option<Maker>| !own && maker != Some(Maker::Anthropic);
    let signer = part.signature.as_ref().and_then(|signature| signature.maker);
    if thought.form == ReasoningForm::Encrypted && foreign(thought.maker) {
        return write_redacted(&foreign::encrypted(thought), object);
    }
    if part.signature.is_some() && foreign(signer) {
        let mut marked = part.clone();
        marked.signature = part.signature.as_ref().map(marked_signature);
        return write_thought(&marked, thought, own, object);
    }
    write_thought(part, thought, own, object);
}

/// A signature as callers of this dialect get it.
pub(super) fn marked_signature(signature: &Signature<'_>) -> Signature<'static> {
    Signature {
        maker: signature.maker,
        data: foreign::signature(signature),
    }
}

/// Encrypted thoughts as callers of this dialect get them: as a blob's text.
pub(super) fn blob_of(thought: &Reasoning<'_>) -> String {
    match thought.maker {
        Some(Maker::Anthropic) => redacted(thought).into_owned(),
        _ => blob::encode(foreign::encrypted(thought).get().as_bytes()),
    }
}

fn write_redacted(data: &Text<'_>, object: &mut Object<'_>) {
    object.object("reasoningContent", |object| {
        object.str("redactedContent", &blob::encode(data.get().as_bytes()));
    });
}
