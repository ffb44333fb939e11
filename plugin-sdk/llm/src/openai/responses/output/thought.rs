//! Reasoning items of an output: summaries, thoughts in words, and what is sealed.

use crate::model::{Part, Reasoning, ReasoningForm, Signature, Text};
use crate::openai::responses::reasoning::{seal_secret, seal_signature};
use crate::write::{Object, object};

use super::{Open, Output, push_listed, write_list, write_quoted};

pub(super) struct Thought {
    index: usize,
    id: String,
    /// The id that its parts have.
    own_id: Option<Text<'static>>,
    pub(super) part: u32,
    /// Of each list of texts: how many there are, and those that are whole.
    summary: (u64, Vec<u8>),
    content: (u64, Vec<u8>),
    /// The text that is being thought.
    words: Option<(ReasoningForm, Vec<u8>)>,
    form: ReasoningForm,
    pub(super) secret: Option<Reasoning<'static>>,
    pub(super) signature: Option<Signature<'static>>,
}

impl Output {
    pub(super) fn thought(&mut self, part: u32, thought: &Reasoning<'_>, out: &mut Vec<u8>) {
        self.words_done(out);
        self.thought_pause(out);
        let goes_on = matches!(&self.open, Open::Thought(open)
            if open.secret.is_none() && open.signature.is_none() && open.own_id.is_some()
                && open.own_id.as_ref() == thought.id.as_ref());
        if !goes_on {
            self.close(out);
            self.thought_start(thought, out);
        }
        let Open::Thought(open) = &mut self.open else {
            return;
        };
        open.part = part;
        open.form = thought.form;
        if thought.form == ReasoningForm::Encrypted {
            let data = thought.data.as_ref().map_or(0, Text::len);
            self.kept = self.kept.saturating_add(data);
            open.secret = Some(thought.clone().into_owned());
        }
    }

    pub(super) fn thought_start(&mut self, thought: &Reasoning<'_>, out: &mut Vec<u8>) {
        let index = self.begin();
        let own_id = thought.id.clone().map(Text::into_owned);
        let id = match &own_id {
            Some(id) => id.get().into_owned(),
            None => self.id("rs", index),
        };
        self.added(index, out, |item| {
            item.str("type", "reasoning");
            item.str("id", &id);
            item.array("summary", |_| {});
            item.str("status", "in_progress");
        });
        self.open = Open::Thought(Box::new(Thought {
            index,
            id,
            own_id,
            part: 0,
            summary: (0, Vec::new()),
            content: (0, Vec::new()),
            words: None,
            form: thought.form,
            secret: None,
            signature: None,
        }));
    }

    pub(super) fn is_thinking(&self, part: u32) -> bool {
        matches!(&self.open, Open::Thought(thought) if thought.part == part)
    }

    /// More of a thought; its text begins with the first of it.
    pub(super) fn think(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        let Open::Thought(thought) = &mut self.open else {
            return;
        };
        if text.is_empty() || thought.form == ReasoningForm::Encrypted {
            return;
        }
        let at = ThoughtPlace::of(thought);
        if thought.words.is_none() {
            thought.words = Some((thought.form, Vec::new()));
            self.event(at.kind("part.added"), out, |event| {
                at.write(event);
                event.object("part", |part| at.write_part(b"", part));
            });
        }
        let Open::Thought(thought) = &mut self.open else {
            return;
        };
        let Some((_, words)) = &mut thought.words else {
            return;
        };
        let before = words.len();
        text.write_inner(words);
        self.kept = self.kept.saturating_add(words.len().saturating_sub(before));
        self.event(at.kind("text.delta"), out, |event| {
            at.write(event);
            event.text("delta", text);
        });
    }

    /// The text that is being thought is whole.
    pub(super) fn thought_pause(&mut self, out: &mut Vec<u8>) {
        let Open::Thought(thought) = &mut self.open else {
            return;
        };
        let at = ThoughtPlace::of(thought);
        let Some((form, words)) = thought.words.take() else {
            return;
        };
        let (count, list) = match form {
            ReasoningForm::Summary => &mut thought.summary,
            ReasoningForm::Text | ReasoningForm::Encrypted => &mut thought.content,
        };
        let mut part = Vec::new();
        object(&mut part, |object| at.write_part(&words, object));
        push_listed(list, &part);
        *count = count.saturating_add(1);
        self.event(at.kind("text.done"), out, |event| {
            at.write(event);
            write_quoted(&words, event.value("text"));
        });
        self.event(at.kind("part.done"), out, |event| {
            at.write(event);
            event.value("part").extend_from_slice(&part);
        });
    }

    pub(super) fn signature(&mut self, part: u32, more: &Signature<'_>) {
        self.kept = self.kept.saturating_add(more.data.len());
        match &mut self.open {
            Open::Thought(thought) if thought.part == part => match &mut thought.signature {
                Some(signature) => signature.data.push(&more.data),
                None => thought.signature = Some(more.clone().into_owned()),
            },
            _ => {
                let why = "came behind the beginning of what it signs";
                self.losses.dropped(format!("content[{part}].signature"), why);
            }
        }
    }

    pub(super) fn thought_done(&mut self, thought: Thought, out: &mut Vec<u8>) {
        let sealed = match (&thought.secret, &thought.signature) {
            (Some(secret), _) => Some(seal_secret(secret)),
            (None, Some(signature)) => Some(seal_signature(signature)),
            (None, None) => None,
        };
        let mut item = Vec::new();
        object(&mut item, |object| {
            object.str("type", "reasoning");
            object.str("id", &thought.id);
            write_list(&thought.summary.1, object.value("summary"));
            if thought.content.0 > 0 {
                write_list(&thought.content.1, object.value("content"));
            }
            object.text_if("encrypted_content", sealed.as_ref());
            object.str("status", "completed");
        });
        self.done(thought.index, item, out);
    }

    /// The signature of a part that has no place for one: an item before it, which goes back with it.
    pub(super) fn sign(&mut self, content: &Part<'_>, out: &mut Vec<u8>) {
        let Some(signature) = &content.signature else {
            return;
        };
        self.close(out);
        let index = self.begin();
        let id = self.id("rs", index);
        let sealed = crate::anthropic::foreign::of_next(signature);
        self.kept = self.kept.saturating_add(sealed.len());
        let mut item = Vec::new();
        object(&mut item, |object| {
            object.str("type", "reasoning");
            object.str("id", &id);
            object.array("summary", |_| {});
            object.text("encrypted_content", &sealed);
            object.str("status", "completed");
        });
        self.added(index, out, |item| {
            item.str("type", "reasoning");
            item.str("id", &id);
            item.array("summary", |_| {});
            item.str("status", "in_progress");
        });
        self.done(index, item, out);
    }
}

/// Where a text of a thought stands.
struct ThoughtPlace {
    item: String,
    index: usize,
    summary: bool,
    part: u64,
}

impl ThoughtPlace {
    fn of(thought: &Thought) -> ThoughtPlace {
        let form = thought.words.as_ref().map_or(thought.form, |(form, _)| *form);
        let summary = form == ReasoningForm::Summary;
        ThoughtPlace {
            item: thought.id.clone(),
            index: thought.index,
            summary,
            part: if summary {
                thought.summary.0
            } else {
                thought.content.0
            },
        }
    }

    fn kind(&self, what: &str) -> &'static str {
        match (self.summary, what) {
            (true, "part.added") => "response.reasoning_summary_part.added",
            (true, "part.done") => "response.reasoning_summary_part.done",
            (true, "text.delta") => "response.reasoning_summary_text.delta",
            (true, _) => "response.reasoning_summary_text.done",
            (false, "part.added") => "response.content_part.added",
            (false, "part.done") => "response.content_part.done",
            (false, "text.delta") => "response.reasoning_text.delta",
            (false, _) => "response.reasoning_text.done",
        }
    }

    fn write(&self, event: &mut Object<'_>) {
        event.str("item_id", &self.item);
        event.count("output_index", self.index as u64);
        event.count(
            if self.summary {
                "summary_index"
            } else {
                "content_index"
            },
            self.part,
        );
    }

    fn write_part(&self, words: &[u8], part: &mut Object<'_>) {
        part.str(
            "type",
            if self.summary {
                "summary_text"
            } else {
                "reasoning_text"
            },
        );
        write_quoted(words, part.value("text"));
    }
}
