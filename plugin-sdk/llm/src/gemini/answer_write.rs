//! An answer of the model as `GenerateContentResponse`.

use crate::model::{
    Answer, Choice, Citation, Content, Dialect, Envelope, Json, Losses, Part, Source, Stop, Text, ToolCall,
    Written,
};
use crate::write::{Array, Object, object};

use super::grounding::{Grounding, Texts};
use super::{NO_SUCH, USAGE, foreign, logprobs, part_write, stop, time, usage};

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    let losses = &mut written.losses;
    let own = answer.dialect == Dialect::Gemini;
    object(&mut written.bytes, |body| {
        let refused = answer
            .choices
            .first()
            .and_then(blocked)
            .filter(|_| answer.choices.len() == 1);
        match &refused {
            Some(feedback) => body.json("promptFeedback", feedback),
            None => body.array("candidates", |array| {
                for choice in &answer.choices {
                    array.object(|object| Candidate { choice, own, losses }.write(object));
                }
            }),
        }
        usage_metadata(answer, own, body, losses);
        match &answer.model {
            Some(model) => body.text("modelVersion", model),
            None => body.str("modelVersion", envelope.model),
        }
        if let Some(created) = answer.created {
            body.str("createTime", &time::write(created));
        }
        match &answer.id {
            Some(id) => body.text("responseId", id),
            None => body.str("responseId", envelope.id),
        }
        for extra in answer
            .extras
            .iter()
            .filter(|extra| !extra.name.get().starts_with(USAGE))
        {
            match own {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    });
    written
}

/// Why the prompt was refused, where that is all there is to a choice.
pub(super) fn blocked<'c>(choice: &'c Choice<'_>) -> Option<Json<'c>> {
    match choice.parts.is_empty() {
        true => feedback_of(choice.stop.as_ref()?),
        false => None,
    }
}

pub(super) fn feedback_of<'s>(stop: &'s Stop<'_>) -> Option<Json<'s>> {
    stop.details
        .as_ref()?
        .pointer("/promptFeedback")
        .filter(Json::is_object)
}

fn usage_metadata(answer: &Answer<'_>, own: bool, body: &mut Object<'_>, losses: &mut Losses) {
    let extras: Vec<_> = super::config_read::inside(&answer.extras, USAGE)
        .filter(|_| own)
        .collect();
    let tier = answer.service_tier.as_ref().filter(|_| own);
    if answer.service_tier.is_some() && !own {
        losses.dropped("service_tier", "its names differ from provider to provider");
    }
    if answer.usage.is_none() && extras.is_empty() && tier.is_none() {
        return;
    }
    body.object("usageMetadata", |object| {
        if let Some(counts) = &answer.usage {
            usage::write(counts, object, losses);
        }
        object.text_if("serviceTier", tier);
        for (name, value) in &extras {
            object.member(name, value);
        }
    });
}

struct Candidate<'w, 'a> {
    choice: &'w Choice<'a>,
    own: bool,
    losses: &'w mut Losses,
}

impl Candidate<'_, '_> {
    fn write(mut self, object: &mut Object<'_>) {
        let choice = self.choice;
        object.object("content", |content| {
            content.array("parts", |array| {
                for (at, part) in choice.parts.iter().enumerate() {
                    self.part(part, at, array);
                }
            });
            content.str("role", "model");
        });
        write_stop(&choice.stop_or_end(), object, self.losses);
        object.count("index", choice.index.into());
        self.grounding(object);
        if let Some(kept) = &choice.logprobs {
            match logprobs::result(kept) {
                Some(result) => object.json("logprobsResult", &result),
                None => self
                    .losses
                    .dropped("logprobs", "its form differs from dialect to dialect"),
            }
        }
        for extra in &choice.extras {
            match self.own {
                true => object.member(&extra.name, &extra.value),
                false => self
                    .losses
                    .dropped(format!("choice.{}", extra.name.get()), NO_SUCH),
            }
        }
    }

    fn part(&mut self, part: &Part<'_>, at: usize, array: &mut Array<'_>) {
        let signature = part.signature.as_ref().map(foreign::signature);
        let signature = signature.as_ref();
        match &part.content {
            Content::Text { text, .. } => array.object(|object| {
                part_write::words(text, false, signature, object);
                self.hangings(part, at, object);
            }),
            Content::Refusal(text) => {
                self.losses
                    .changed(format!("content[{at}]"), "a refusal goes as a text");
                array.object(|object| part_write::words(text, false, signature, object));
            }
            Content::Reasoning(thought) => array.object(|object| {
                let encrypted = foreign::thought(thought);
                part_write::words(&thought.text, true, encrypted.as_ref().or(signature), object);
                self.hangings(part, at, object);
            }),
            Content::ToolCall(call) => array.object(|object| {
                write_call(call, at, self.own, signature, object, self.losses);
                self.hangings(part, at, object);
            }),
            Content::Media(media) => match media.source {
                Source::Base64(_) | Source::Url(_) | Source::File { .. } => array.object(|object| {
                    part_write::media(media, self.own, object);
                    if media.transcript.is_some() {
                        self.losses.dropped(format!("content[{at}].transcript"), NO_SUCH);
                    }
                    object.text_if("thoughtSignature", signature);
                    self.hangings(part, at, object);
                }),
                _ => self.losses.dropped(format!("content[{at}]"), NO_SUCH),
            },
            Content::Native(native) if native.dialect == Dialect::Gemini => array.json(&native.json),
            Content::Native(_) => {
                self.losses
                    .dropped(format!("content[{at}]"), "only its own dialect can say this");
            }
            Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses.dropped(format!("content[{at}]"), NO_SUCH);
            }
        }
    }

    fn hangings(&mut self, part: &Part<'_>, at: usize, object: &mut Object<'_>) {
        if self.own {
            return part_write::extras(part, object);
        }
        for extra in &part.extras {
            self.losses
                .dropped(format!("content[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }

    /// Citations of this dialect are in its own metadata, which is kept.
    fn grounding(&mut self, object: &mut Object<'_>) {
        let choice = self.choice;
        let foreign = |citation: &&Citation<'_>| citation.dialect != Dialect::Gemini;
        let of = |part: &Part<'_>| match &part.content {
            Content::Text { citations, .. } => citations.iter().any(|citation| foreign(&citation)),
            _ => false,
        };
        if !choice.parts.iter().any(of) {
            return;
        }
        let (texts, mut grounding) = (Texts::of(&choice.parts), Grounding::default());
        for (at, part) in choice.parts.iter().enumerate() {
            let Content::Text { citations, .. } = &part.content else {
                continue;
            };
            let (start, end) = texts.range_of(at);
            for citation in citations.iter().filter(foreign) {
                let start = citation.start.map_or(start, |at| texts.bytes_before(at));
                let end = citation.end.map_or(end, |at| texts.bytes_before(at));
                grounding.push(citation, start, end, self.losses);
            }
        }
        grounding.write(object);
    }
}

pub(super) fn write_call(
    call: &ToolCall<'_>,
    at: usize,
    own: bool,
    signature: Option<&Text<'_>>,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    let arguments = call.arguments_object();
    if arguments.is_none() {
        losses.changed(
            format!("content[{at}].arguments"),
            "are not a JSON object, and go as an empty one",
        );
    }
    let arguments = arguments.unwrap_or_else(|| Json::checked("{}"));
    let said = (!own || !call.arguments.is_empty()).then_some(&arguments);
    part_write::call(call, &call.name.get(), said, signature, object);
}

/// `finishReason` and what explains it.
pub(super) fn write_stop(over: &Stop<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    object.text("finishReason", &stop::word_for(over));
    let message = over
        .details
        .as_ref()
        .and_then(|details| details.pointer("/finishMessage"));
    match (message, stop::unsaid(over)) {
        (Some(message), _) => object.json("finishMessage", &message),
        (None, Some(native)) => object.text("finishMessage", native),
        (None, None) => {
            if over.details.is_some() {
                losses.dropped("stop_details", NO_SUCH);
            }
        }
    }
    if over.sequence.is_some() {
        losses.dropped("stop_sequence", NO_SUCH);
    }
}
