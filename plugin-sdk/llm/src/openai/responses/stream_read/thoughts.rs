//! Thoughts of a stream: summaries, words and what is sealed.

use crate::model::{Content, Delta, Events, Maker, Part, Reasoning, ReasoningForm, Text};

use super::{Open, Reader};

impl Reader {
    pub(super) fn reasoning_done<'a>(&mut self, at: usize, parts: Vec<Part<'a>>, events: &mut Events<'a>) {
        let state = *self.state(at);
        let (mut summaries, mut contents) = (0u64, 0u64);
        for part in parts {
            let Content::Reasoning(thought) = &part.content else {
                continue;
            };
            let (count, told) = match thought.form {
                ReasoningForm::Summary => (&mut summaries, state.summaries),
                ReasoningForm::Text => (&mut contents, state.contents),
                ReasoningForm::Encrypted => {
                    self.whole(part, events);
                    continue;
                }
            };
            let index = *count;
            *count = index.saturating_add(1);
            self.thought_done(at, part, index, index < told, events);
        }
        let item = self.state(at).index;
        if matches!(self.open, Open::Thought { item: of, .. } if of == item) {
            self.close(events);
        }
    }

    /// A thought of an item that is whole: its signature, and the words unless they were told.
    pub(super) fn thought_done<'a>(
        &mut self,
        at: usize,
        part: Part<'a>,
        index: u64,
        told: bool,
        events: &mut Events<'a>,
    ) {
        let signature = part.signature;
        let Content::Reasoning(thought) = part.content else {
            return;
        };
        if !told {
            self.thought_as(at, index, thought, events);
        }
        let Some(signature) = signature else { return };
        match self.open {
            Open::Thought { part, .. } => self.delta(part, Delta::Signature(signature), events),
            _ => self
                .losses
                .dropped("signature", "came behind the end of what it signs"),
        }
    }

    pub(super) fn thought<'a>(
        &mut self,
        at: usize,
        index: u64,
        form: ReasoningForm,
        text: Text<'a>,
        events: &mut Events<'a>,
    ) {
        let thought = Reasoning {
            form,
            ..Reasoning::text(text, Some(Maker::OpenAi))
        };
        self.thought_as(at, index, thought, events);
    }

    pub(super) fn thought_as<'a>(
        &mut self,
        at: usize,
        index: u64,
        thought: Reasoning<'a>,
        events: &mut Events<'a>,
    ) {
        let item = self.state(at).index;
        let form = thought.form;
        if let Open::Thought {
            item: of,
            index: which,
            form: kind,
            part,
        } = self.open
            && (of, which, kind) == (item, index, form)
        {
            if !thought.text.is_empty() {
                self.delta(part, Delta::Reasoning(thought.text), events);
            }
            return;
        }
        let state = self.state(at);
        let count = match form {
            ReasoningForm::Summary => &mut state.summaries,
            ReasoningForm::Text | ReasoningForm::Encrypted => &mut state.contents,
        };
        *count = (*count).max(index.saturating_add(1));
        let part = self.start(Part::new(Content::Reasoning(thought)), events);
        self.open = Open::Thought {
            item,
            index,
            form,
            part,
        };
    }

    pub(super) fn thought_rest<'a>(
        &mut self,
        at: usize,
        index: u64,
        form: ReasoningForm,
        whole: Option<Text<'a>>,
        events: &mut Events<'a>,
    ) {
        let state = self.state(at);
        let told = match form {
            ReasoningForm::Summary => state.summaries,
            ReasoningForm::Text | ReasoningForm::Encrypted => state.contents,
        };
        if let Some(whole) = whole.filter(|whole| !whole.is_empty() && index >= told) {
            self.thought(at, index, form, whole, events);
        }
    }
}
