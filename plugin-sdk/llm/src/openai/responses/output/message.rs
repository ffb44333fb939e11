//! Messages of an output: the words of an answer, part by part.

use crate::model::{Citation, Content, Dialect, Json, Part, Text};
use crate::write::{Object, object};

use super::{Open, Output, push_listed, write_list, write_quoted};

pub(super) struct Message {
    index: usize,
    id: String,
    phase: Option<Json<'static>>,
    /// Whole parts, with commas between them.
    content: Vec<u8>,
    parts: u64,
    pub(super) words: Option<Words>,
}

/// A part of a message that is being said.
pub(super) struct Words {
    pub(super) part: u32,
    refusal: bool,
    /// As it stands between quotes.
    text: Vec<u8>,
    annotations: Vec<u8>,
    annotated: u64,
    logprobs: Option<Json<'static>>,
}

impl Output {
    pub(super) fn words_start(&mut self, part: u32, content: &Part<'_>, refusal: bool, out: &mut Vec<u8>) {
        let phase = crate::model::extra(&content.extras, "phase").map(|phase| phase.clone().into_owned());
        match &self.open {
            Open::Message(message) if message.phase == phase => self.words_done(out),
            _ => {
                self.close(out);
                self.message_start(phase, out);
            }
        }
        let logprobs = crate::model::extra(&content.extras, "logprobs").filter(|_| self.own);
        let Open::Message(message) = &mut self.open else {
            return;
        };
        message.words = Some(Words {
            part,
            refusal,
            text: Vec::new(),
            annotations: Vec::new(),
            annotated: 0,
            logprobs: logprobs.map(|logprobs| logprobs.clone().into_owned()),
        });
        let at = Place::of(message);
        self.event("response.content_part.added", out, |event| {
            at.write(event);
            event.object("part", |part| write_words(refusal, b"", b"", None, part));
        });
    }

    pub(super) fn message_start(&mut self, phase: Option<Json<'static>>, out: &mut Vec<u8>) {
        let index = self.begin();
        let message = Message {
            index,
            id: self.id("msg", index),
            phase,
            content: Vec::new(),
            parts: 0,
            words: None,
        };
        self.added(index, out, |item| write_message(&message, "in_progress", item));
        self.open = Open::Message(message);
    }

    /// More of a part's words; a part that had none before begins with them.
    pub(super) fn say_on(&mut self, part: u32, text: &Text<'_>, refusal: bool, out: &mut Vec<u8>) {
        let is_open = matches!(&self.open, Open::Message(message)
            if message.words.as_ref().is_some_and(|words| words.part == part));
        if !is_open {
            let empty = match refusal {
                true => Part::new(Content::Refusal(Text::default())),
                false => Part::text(""),
            };
            self.words_start(part, &empty, refusal, out);
        }
        self.say(part, text, out);
    }

    pub(super) fn say(&mut self, part: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        let Open::Message(message) = &mut self.open else {
            return;
        };
        let at = Place::of(message);
        let Some(words) = message
            .words
            .as_mut()
            .filter(|words| words.part == part && !text.is_empty())
        else {
            return;
        };
        let before = words.text.len();
        text.write_inner(&mut words.text);
        self.kept = self.kept.saturating_add(words.text.len().saturating_sub(before));
        let refusal = words.refusal;
        let kind = match refusal {
            true => "response.refusal.delta",
            false => "response.output_text.delta",
        };
        self.event(kind, out, |event| {
            at.write(event);
            event.text("delta", text);
            if !refusal {
                event.array("logprobs", |_| {});
            }
        });
    }

    pub(super) fn cite(&mut self, part: u32, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let Open::Message(message) = &mut self.open else {
            return;
        };
        let at = Place::of(message);
        let Some(words) = message
            .words
            .as_mut()
            .filter(|words| words.part == part && !words.refusal)
        else {
            return;
        };
        let mut annotation = Vec::new();
        if !write_annotation(citation, words.text.len() as u64, &mut annotation) {
            let why = "citations name a page on the web or a file here";
            return self.losses.dropped(format!("content[{part}].citations"), why);
        }
        let count = words.annotated;
        words.annotated = count.saturating_add(1);
        push_listed(&mut words.annotations, &annotation);
        self.kept = self.kept.saturating_add(annotation.len());
        self.event("response.output_text.annotation.added", out, |event| {
            at.write(event);
            event.count("annotation_index", count);
            event.value("annotation").extend_from_slice(&annotation);
        });
    }

    pub(super) fn words_done(&mut self, out: &mut Vec<u8>) {
        let Open::Message(message) = &mut self.open else {
            return;
        };
        let at = Place::of(message);
        let Some(words) = message.words.take() else {
            return;
        };
        let mut part = Vec::new();
        object(&mut part, |object| {
            let logprobs = words.logprobs.as_ref();
            write_words(words.refusal, &words.text, &words.annotations, logprobs, object);
        });
        push_listed(&mut message.content, &part);
        message.parts = message.parts.saturating_add(1);
        let (kind, name) = match words.refusal {
            true => ("response.refusal.done", "refusal"),
            false => ("response.output_text.done", "text"),
        };
        self.event(kind, out, |event| {
            at.write(event);
            write_quoted(&words.text, event.value(name));
            if !words.refusal {
                event.array("logprobs", |_| {});
            }
        });
        self.event("response.content_part.done", out, |event| {
            at.write(event);
            event.value("part").extend_from_slice(&part);
        });
    }

    pub(super) fn message_done(&mut self, message: Message, out: &mut Vec<u8>) {
        let mut item = Vec::new();
        object(&mut item, |object| write_message(&message, "completed", object));
        self.done(message.index, item, out);
    }
}

/// Where a part of a message stands.
struct Place {
    item: String,
    index: usize,
    part: u64,
}

impl Place {
    fn of(message: &Message) -> Place {
        Place {
            item: message.id.clone(),
            index: message.index,
            part: message.parts,
        }
    }

    fn write(&self, event: &mut Object<'_>) {
        event.str("item_id", &self.item);
        event.count("output_index", self.index as u64);
        event.count("content_index", self.part);
    }
}

fn write_message(message: &Message, status: &str, object: &mut Object<'_>) {
    object.str("type", "message");
    object.str("id", &message.id);
    object.str("status", status);
    object.str("role", "assistant");
    object.json_if("phase", message.phase.as_ref());
    write_list(&message.content, object.value("content"));
}

fn write_words(
    refusal: bool,
    text: &[u8],
    annotations: &[u8],
    logprobs: Option<&Json<'_>>,
    part: &mut Object<'_>,
) {
    if refusal {
        part.str("type", "refusal");
        return write_quoted(text, part.value("refusal"));
    }
    part.str("type", "output_text");
    write_quoted(text, part.value("text"));
    write_list(annotations, part.value("annotations"));
    match logprobs {
        Some(logprobs) => part.json("logprobs", logprobs),
        None => part.array("logprobs", |_| {}),
    }
}

/// False where the citation names nothing that can be named here.
fn write_annotation(citation: &Citation<'_>, end: u64, out: &mut Vec<u8>) -> bool {
    if citation.dialect == Dialect::OpenAiResponses {
        citation.native.write(out);
        return true;
    }
    let Some(url) = &citation.url else {
        return false;
    };
    object(out, |object| {
        object.str("type", "url_citation");
        object.text("url", url);
        match &citation.title {
            Some(title) => object.text("title", title),
            None => object.text("title", url),
        }
        object.count("start_index", citation.start.unwrap_or(0));
        object.count("end_index", citation.end.unwrap_or(end));
    });
    true
}
