//! A stream of answers into events. What one of them says is in `chunk`; here is what comes of it.

use smallvec::SmallVec;

use crate::model::{
    Content, Delta, Error, ErrorKind, Event, Events, Extras, Losses, Part, ReasoningForm, Start, Stop,
    StreamFrame, StreamReader, Text, ToolCall, Usage, extra, hash,
};
use crate::openai::is_done;
use crate::read::Reader as JsonReader;

use super::chunk::{self, Candidate, Chunk};
use super::content::Piece;
use super::partial_args::{Arguments, Partial};
use super::usage::Counts;
use super::{error, grounding};

/// More than any request may ask for.
const MAX_CHOICES: usize = 256;
/// More citations than these are not told apart any more.
const MAX_CITED: usize = 1024;

/// What is known of the stream so far: a few numbers for each choice, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    over: bool,
    choices: SmallVec<[ChoiceState; 1]>,
    counts: Counts,
    reported: Option<Usage>,
    /// What the last metadata hashed to: they come with every event.
    extras: u64,
    losses: Losses,
}

struct ChoiceState {
    index: u32,
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
    /// Hashes of the citations so far.
    cited: Vec<u64>,
    stopped: bool,
}

enum Open {
    Nothing,
    Text(u32),
    Thought(u32),
    /// A call whose arguments come in pieces.
    Call(u32, Arguments),
}

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        // some proxies add OpenAI's end mark
        if self.over || frame.data.trim_ascii().is_empty() || is_done(frame.data) {
            return;
        }
        let counts = &mut self.counts;
        match JsonReader::whole(frame.data, false, |reader| chunk::read(reader, counts)) {
            Ok(read) => {
                self.losses.append(read.losses);
                match read.value.is_error {
                    true => self.fail(error::read(200, frame.data), events),
                    false => self.chunk(read.value, frame.data, events),
                }
            }
            Err(why) => self.fail(Error::bad_answer(&why), events),
        }
    }

    /// There is no end mark: a finish reason for every choice says that it was all.
    fn end(&mut self, events: &mut Events<'static>) {
        if self.over {
            return;
        }
        if !self.choices.is_empty() && self.choices.iter().all(|choice| choice.stopped) {
            self.over = true;
            events.push(Event::Done);
        } else {
            self.fail(Error::cut_off(), events);
        }
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        self.over = true;
        events.push(Event::Error(Box::new(error)));
    }

    fn chunk<'a>(&mut self, chunk: Chunk<'a>, data: &'a [u8], events: &mut Events<'a>) {
        if !chunk.is_answer {
            // an error in a list, or nothing of this dialect
            let error = error::find(200, data);
            let error = error.unwrap_or_else(|| {
                Error::new(
                    ErrorKind::BadAnswer,
                    "the provider's stream holds something else than answers",
                )
            });
            return self.fail(error, events);
        }
        let usage = self.counts.usage();
        let mut extras = chunk.extras;
        self.unrepeated(&mut extras);
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start(Box::new(Start {
                id: chunk.id,
                model: chunk.model,
                created: chunk.created,
                service_tier: chunk.tier,
                usage,
                extras: std::mem::take(&mut extras),
            })));
        }
        for candidate in chunk.candidates {
            match self.choice(candidate.index) {
                Some(at) => {
                    if let Some(state) = self.choices.get_mut(at) {
                        state.take(candidate, &mut self.losses, events);
                    }
                }
                None => {
                    let many = Error::new(ErrorKind::BadAnswer, "the provider's stream has too many choices");
                    return self.fail(many, events);
                }
            }
        }
        if let Some(blocked) = chunk.blocked {
            self.blocked(blocked, events);
        }
        if !extras.is_empty() {
            events.push(Event::Extra { choice: None, extras });
        }
        if let Some(usage) = usage.filter(|usage| self.reported.as_ref() != Some(usage)) {
            self.reported = Some(usage);
            events.push(Event::Usage(Box::new(usage)));
        }
    }

    /// Metadata that say what the event before said are not told again.
    fn unrepeated(&mut self, extras: &mut Extras<'_>) {
        let fold =
            |sum: u64, name: &str, value: &str| hash(name) ^ hash(value).rotate_left(7) ^ sum.rotate_left(13);
        let said = extras
            .iter()
            .fold(0, |sum, extra| fold(sum, &extra.name.get(), extra.value.get()));
        if said == self.extras {
            extras.clear();
        } else if !extras.is_empty() {
            self.extras = said;
        }
    }

    /// The prompt, or what was answered so far, was refused: nothing more comes.
    fn blocked<'a>(&mut self, stop: Stop<'a>, events: &mut Events<'a>) {
        if self.choices.is_empty() {
            self.choices.push(ChoiceState::new(0));
        }
        for choice in self.choices.iter_mut().filter(|choice| !choice.stopped) {
            choice.stop(stop.clone(), events);
        }
    }

    /// None where there are too many.
    fn choice(&mut self, index: u32) -> Option<usize> {
        let at = self.choices.iter().position(|choice| choice.index == index);
        if at.is_some() || self.choices.len() >= MAX_CHOICES {
            return at;
        }
        self.choices.push(ChoiceState::new(index));
        self.choices.len().checked_sub(1)
    }
}

impl ChoiceState {
    fn new(index: u32) -> ChoiceState {
        ChoiceState {
            index,
            next_part: 0,
            open: Open::Nothing,
            signed: false,
            words: 0,
            any_calls: false,
            ascii: true,
            cited: Vec::new(),
            stopped: false,
        }
    }

    fn take<'a>(&mut self, said: Candidate<'a>, losses: &mut Losses, events: &mut Events<'a>) {
        if !self.stopped {
            for piece in said.pieces {
                self.piece(piece, losses, events);
            }
            if let Some(logprobs) = said.logprobs {
                self.delta(self.words, Delta::Logprobs(logprobs), events);
            }
            self.cite(&said.extras, events);
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

    fn stop<'a>(&mut self, stop: Stop<'a>, events: &mut Events<'a>) {
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
                self.call_on(&partial, losses, events);
            }
            Some(partial) if named => {
                let index = self.start(part, events);
                self.open = Open::Call(index, Arguments::default());
                self.call_on(&partial, losses, events);
            }
            _ => self.whole(part, events),
        }
    }

    fn call_on<'a>(&mut self, partial: &Partial<'a>, losses: &mut Losses, events: &mut Events<'a>) {
        let Open::Call(part, arguments) = &mut self.open else {
            return;
        };
        let (part, mut more) = (*part, Vec::new());
        if !arguments.push(partial, &mut more) {
            losses.dropped("functionCall.partialArgs", "a path that cannot be followed");
        }
        if !more.is_empty() {
            let more = Text::plain(String::from_utf8_lossy(&more).into_owned());
            self.delta(part, Delta::Arguments(more), events);
        }
        if !partial.continues {
            self.close(events);
        }
    }

    /// Citations that were not told before; their places are in bytes, which are characters in ASCII alone.
    fn cite<'a>(&mut self, extras: &Extras<'a>, events: &mut Events<'a>) {
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
            let hash = cited.hash();
            if self.cited.contains(&hash) || self.cited.len() >= MAX_CITED {
                continue;
            }
            self.cited.push(hash);
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
                let mut more = Vec::new();
                arguments.end(&mut more);
                let more = Text::plain(String::from_utf8_lossy(&more).into_owned());
                self.delta(part, Delta::Arguments(more), events);
                part
            }
        };
        events.push(Event::PartStop {
            choice: self.index,
            part,
        });
    }
}
