//! One candidate of a stream into events: which part is open, and what comes to it. The stream itself is left to
//! `stream_read`.

use crate::model::{
    Content, Delta, Event, Events, Extras, Losses, Part, ReasoningForm, Stop, ToolCall, extra,
};
use crate::wire::{record, variants};

use super::chunk::Candidate;
use super::content::Piece;
use super::grounding;
use super::partial_args::{Arguments, Partial};

/// More citations than these are not told apart any more, in all choices together.
const MAX_CITED: usize = 1024;

/// The citations so far: choices and hashes.
pub(super) type Cited = Vec<(u32, u64)>;

pub(super) struct ChoiceState {
    pub index: u32,
    /// The index of the next part.
    next_part: u32,
    open: Open,
    /// What is open has its signature: words that follow are another part.
    signed: bool,
    /// The part that log probabilities belong to.
    words: u32,
    any_calls: bool,
    /// All text so far was ASCII, so that bytes are characters.
    ascii: bool,
    pub stopped: bool,
}

enum Open {
    Nothing,
    Text(u32),
    Thought(u32),
    /// A call whose arguments come in pieces.
    Call(u32, Arguments),
}

record!(ChoiceState {
    index,
    next_part,
    open,
    signed,
    words,
    any_calls,
    ascii,
    stopped
});
variants!(Open {
    0 = Nothing,
    1 = Text(part),
    2 = Thought(part),
    3 = Call(part, arguments),
});

impl ChoiceState {
    pub fn new(index: u32) -> ChoiceState {
        ChoiceState {
            index,
            next_part: 0,
            open: Open::Nothing,
            signed: false,
            words: 0,
            any_calls: false,
            ascii: true,
            stopped: false,
        }
    }

    pub fn take<'a>(
        &mut self,
        said: Candidate<'a>,
        cited: &mut Cited,
        losses: &mut Losses,
        events: &mut Events<'a>,
    ) {
        if !self.stopped {
            for piece in said.pieces {
                self.piece(piece, losses, events);
            }
            if let Some(logprobs) = said.logprobs {
                self.delta(self.words, Delta::Logprobs(logprobs), events);
            }
            self.cite(&said.extras, cited, losses, events);
        }
        if !said.extras.is_empty() {
            events.push(Event::Extra {
                choice: Some(self.index),
                extras: said.extras,
            });
        }
        if let Some(stop) = said.stop.filter(|_| !self.stopped) {
            self.stop(stop, events);
        }
    }

    pub fn stop<'a>(&mut self, stop: Stop<'a>, events: &mut Events<'a>) {
        self.close(events);
        self.stopped = true;
        events.push(Event::Stop {
            choice: self.index,
            stop: Box::new(stop.with_calls(self.any_calls)),
        });
    }

    fn piece<'a>(&mut self, piece: Piece<'a>, losses: &mut Losses, events: &mut Events<'a>) {
        let Piece { part, partial } = piece;
        match &part.content {
            Content::Text { text, .. } => {
                self.ascii &= text.get().is_ascii();
                let index = match self.open {
                    Open::Text(open) => Some(open),
                    _ => None,
                };
                self.words_on(index, part, Open::Text, events);
            }
            Content::Reasoning(thought) if thought.form == ReasoningForm::Encrypted => {
                self.whole(part, events)
            }
            Content::Reasoning(_) => {
                let index = match self.open {
                    Open::Thought(open) => Some(open),
                    _ => None,
                };
                self.words_on(index, part, Open::Thought, events);
            }
            Content::ToolCall(_) => self.call(part, partial, losses, events),
            _ => self.whole(part, events),
        }
    }

    /// Gives what is open more, or opens another.
    fn words_on<'a>(
        &mut self,
        open: Option<u32>,
        part: Part<'a>,
        opened: fn(u32) -> Open,
        events: &mut Events<'a>,
    ) {
        let signs = part.signature.is_some();
        let says_nothing = match &part.content {
            Content::Text { text, .. } => text.is_empty(),
            Content::Reasoning(thought) => thought.text.is_empty(),
            _ => return,
        };
        if says_nothing && !signs && part.extras.is_empty() {
            return;
        }
        let Some(open) = open.filter(|_| !self.signed && part.extras.is_empty()) else {
            let is_text = matches!(part.content, Content::Text { .. });
            let index = self.start(part, events);
            if is_text {
                self.words = index;
            }
            self.open = opened(index);
            self.signed = signs;
            return;
        };
        self.signed = signs;
        let delta = match part.content {
            Content::Reasoning(thought) => Delta::Reasoning(thought.text),
            Content::Text { text, .. } => Delta::Text(text),
            _ => return,
        };
        if !says_nothing {
            self.delta(open, delta, events);
        }
        if let Some(signature) = part.signature {
            self.delta(open, Delta::Signature(signature), events);
        }
    }

    /// A call comes whole, or its arguments in pieces.
    fn call<'a>(
        &mut self,
        part: Part<'a>,
        partial: Option<Partial<'a>>,
        losses: &mut Losses,
        events: &mut Events<'a>,
    ) {
        self.any_calls = true;
        let named = matches!(&part.content, Content::ToolCall(ToolCall { name, .. }) if !name.is_empty());
        match partial {
            Some(partial) if !named && matches!(self.open, Open::Call(..)) => {
                self.call_on(partial, losses, events);
            }
            Some(partial) if named => {
                let index = self.start(part, events);
                self.open = Open::Call(index, Arguments::default());
                self.call_on(partial, losses, events);
            }
            _ => self.whole(part, events),
        }
    }

    fn call_on<'a>(&mut self, partial: Partial<'a>, losses: &mut Losses, events: &mut Events<'a>) {
        let Open::Call(part, arguments) = &mut self.open else {
            return;
        };
        let (part, continues, mut pieces) = (*part, partial.continues, Vec::new());
        if !arguments.push(partial, &mut pieces) {
            losses.dropped("functionCall.partialArgs", "a path that cannot be followed");
        }
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.delta(part, Delta::Arguments(piece), events);
        }
        if !continues {
            self.close(events);
        }
    }

    /// Citations that were not told before; their places are in bytes, which are characters in ASCII alone.
    fn cite<'a>(
        &mut self,
        extras: &Extras<'a>,
        known: &mut Cited,
        losses: &mut Losses,
        events: &mut Events<'a>,
    ) {
        let metadata = |name| extra(extras, name);
        let mut cited = metadata("groundingMetadata")
            .map(grounding::of_grounding)
            .unwrap_or_default();
        cited.extend(
            metadata("citationMetadata")
                .map(grounding::of_sources)
                .unwrap_or_default(),
        );
        for mut cited in cited {
            let this = (self.index, cited.hash());
            if known.contains(&this) {
                continue;
            }
            if known.len() >= MAX_CITED {
                losses.dropped("citations", "are more than are told apart");
                return;
            }
            known.push(this);
            if self.ascii && cited.part.is_none() {
                (cited.citation.start, cited.citation.end) = (cited.start, cited.end);
            }
            let part = self.open_text(events);
            self.delta(part, Delta::Citation(Box::new(cited.citation)), events);
        }
    }

    fn open_text(&mut self, events: &mut Events<'_>) -> u32 {
        if let Open::Text(part) = self.open {
            return part;
        }
        let part = self.start(Part::text(""), events);
        self.open = Open::Text(part);
        part
    }

    /// A part that comes in one piece.
    fn whole<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) {
        let index = self.start(part, events);
        events.push(Event::PartStop {
            choice: self.index,
            part: index,
        });
    }

    /// Closes what is open and starts a part.
    fn start<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) -> u32 {
        self.close(events);
        let index = self.next_part;
        self.next_part = index.saturating_add(1);
        events.push(Event::PartStart {
            choice: self.index,
            part: index,
            content: Box::new(part),
        });
        index
    }

    fn delta<'a>(&self, part: u32, delta: Delta<'a>, events: &mut Events<'a>) {
        events.push(Event::Delta {
            choice: self.index,
            part,
            delta,
        });
    }

    fn close(&mut self, events: &mut Events<'_>) {
        self.signed = false;
        let part = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Text(part) | Open::Thought(part) => part,
            Open::Call(part, mut arguments) => {
                self.delta(part, Delta::Arguments(arguments.end()), events);
                part
            }
        };
        events.push(Event::PartStop {
            choice: self.index,
            part,
        });
    }
}
