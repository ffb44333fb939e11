//! Messages of a stream: words, refusals and what they cite.

use crate::fault::Fault;
use crate::model::{Citation, Content, Delta, Events, Extra, Json, Part, Text};
use crate::openai::responses::content;
use crate::wire::variants;

use super::{Open, Reader, Values};

/// What a message is for, as its item says before its text comes.
#[derive(Copy, Clone)]
pub(super) enum Phase {
    Commentary,
    FinalAnswer,
}

variants!(Phase { 0 = Commentary, 1 = FinalAnswer });

impl Reader {
    pub(super) fn message_done<'a>(&mut self, at: usize, parts: Vec<Part<'a>>, events: &mut Events<'a>) {
        let told = self.state(at).contents;
        for (part, index) in parts.into_iter().zip(0u64..).filter(|(_, index)| *index >= told) {
            match part.content {
                Content::Text { text, citations } => {
                    self.words(at, index, false, text, events);
                    citations
                        .into_iter()
                        .for_each(|citation| self.cite(at, citation, events));
                }
                Content::Refusal(text) => self.words(at, index, true, text, events),
                _ => self.whole(part, events),
            }
        }
        let item = self.state(at).index;
        if matches!(self.open, Open::Words { item: of, .. } if of == item) {
            self.close(events);
        }
    }

    /// Gives a text more, and begins it if it is not open.
    pub(super) fn words<'a>(
        &mut self,
        at: usize,
        index: u64,
        refusal: bool,
        text: Text<'a>,
        events: &mut Events<'a>,
    ) {
        let item = self.state(at).index;
        if let Open::Words {
            item: of,
            index: which,
            refusal: kind,
            part,
        } = self.open
            && (of, which, kind) == (item, index, refusal)
        {
            if !text.is_empty() {
                let delta = match refusal {
                    true => Delta::Refusal(text),
                    false => Delta::Text(text),
                };
                self.delta(part, delta, events);
            }
            return;
        }
        let state = self.state(at);
        state.contents = state.contents.max(index.saturating_add(1));
        state.annotations = 0;
        let mut part = match refusal {
            true => Part::new(Content::Refusal(text)),
            false => Part::text(text),
        };
        part.extras.extend(state.phase.map(Phase::extra));
        let part = self.start(part, events);
        self.open = Open::Words {
            item,
            index,
            refusal,
            part,
        };
    }

    /// A text is whole: it is told now, if no piece of it was.
    pub(super) fn rest<'a>(
        &mut self,
        at: usize,
        index: u64,
        refusal: bool,
        whole: Option<Text<'a>>,
        events: &mut Events<'a>,
    ) {
        if let Some(whole) = whole.filter(|whole| !whole.is_empty() && index >= self.state(at).contents) {
            self.words(at, index, refusal, whole, events);
        }
    }

    pub(super) fn cite<'a>(&mut self, at: usize, citation: Citation<'a>, events: &mut Events<'a>) {
        let state = self.state(at);
        state.annotations = state.annotations.saturating_add(1);
        if let Open::Words { part, .. } = self.open {
            self.delta(part, Delta::Citation(Box::new(citation)), events);
        }
    }

    /// Annotations may come with the whole part alone.
    pub(super) fn part_done<'a>(
        &mut self,
        at: usize,
        index: u64,
        part: Option<&Json<'a>>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        let part = match part {
            Some(json) => reader.revisit(json, content::part)?.flatten(),
            None => None,
        };
        match part.map(|part| part.content) {
            Some(Content::Text { text, citations }) => {
                let item = self.state(at).index;
                if matches!(self.open, Open::Thought { item: of, .. } if of == item) {
                    return Ok(());
                }
                self.rest(at, index, false, Some(text), events);
                let told = self.state(at).annotations;
                let is_open = matches!(self.open, Open::Words { item: of, index: which, .. } if (of, which) == (item, index));
                for citation in citations.into_iter().skip(told).filter(|_| is_open) {
                    self.cite(at, citation, events);
                }
            }
            Some(Content::Refusal(text)) => self.rest(at, index, true, Some(text), events),
            _ => {}
        }
        Ok(())
    }
}

impl Phase {
    pub(super) fn named(name: &Json<'_>) -> Option<Phase> {
        match name.get() {
            "\"commentary\"" => Some(Phase::Commentary),
            "\"final_answer\"" => Some(Phase::FinalAnswer),
            _ => None,
        }
    }

    pub(super) fn extra(self) -> Extra<'static> {
        let name = match self {
            Phase::Commentary => "commentary",
            Phase::FinalAnswer => "final_answer",
        };
        Extra::text("phase", &Text::plain(name))
    }
}
