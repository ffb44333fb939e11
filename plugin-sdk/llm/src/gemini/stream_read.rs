//! A stream of answers into events. What one of them says is in `chunk`; here is what comes of it.

use smallvec::SmallVec;

use crate::model::{
    Content, Dialect, Error, ErrorKind, Event, Events, Extras, Losses, Start, Stop, StreamFrame,
    StreamReader, Usage, hash,
};
use crate::openai::is_done;
use crate::read::Reader as JsonReader;
use crate::wire::{self, record};

use super::chunk::{self, Candidate, Chunk};
use super::error;
use super::stream_choice::{ChoiceState, Cited};
use super::usage::Counts;

/// More than any request may ask for (APIS.md 4.1).
const MAX_CHOICES: usize = 32;

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
    cited: Cited,
    losses: Losses,
}

record!(
    Reader { started, over, choices, counts, reported, extras, cited } rest { losses }
);

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

    fn save(&self, out: &mut Vec<u8>) {
        wire::save(Dialect::Gemini, self, out);
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
                    let Some(state) = self.choices.get_mut(at) else {
                        continue;
                    };
                    if state.stopped && says_more(&candidate) {
                        let more = "the provider's stream goes on behind its end";
                        return self.fail(Error::new(ErrorKind::BadAnswer, more), events);
                    }
                    state.take(candidate, &mut self.cited, &mut self.losses, events);
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

/// Whether anything would be lost with a candidate that comes behind its reason.
fn says_more(candidate: &Candidate<'_>) -> bool {
    candidate.pieces.iter().any(|piece| match &piece.part.content {
        Content::Text { text, .. } => !text.is_empty(),
        _ => true,
    })
}
