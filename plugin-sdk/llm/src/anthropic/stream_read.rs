//! A stream of a message's events into the model's (APIS.md 3.3). What an event's members are is in `event`.

use crate::model::{
    Content, Delta, Dialect, Error, ErrorKind, Event, Events, Losses, Part, Start, Stop, StopReason,
    StreamFrame, StreamReader,
};
use crate::wire::{self, record};

use super::event::{BlockDelta, Said, Whole};
use super::usage::Counts;
use super::{error, event, stop};

/// What is known of the stream so far: a few numbers, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    stopped: bool,
    over: bool,
    next_part: u32,
    open: Option<Open>,
    any_calls: bool,
    counts: Counts,
    losses: Losses,
}

/// The block that is open.
#[derive(Copy, Clone)]
struct Open {
    /// As the provider counts.
    block: u64,
    part: u32,
    /// What comes as JSON in pieces is not a call's arguments.
    native: bool,
}

record!(Reader { started, stopped, over, next_part, open, any_calls, counts } rest { losses });
record!(Open { block, part, native });

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        if self.over || frame.data.trim_ascii().is_empty() {
            return;
        }
        match event::read(frame.data, &mut self.counts, &mut self.losses) {
            Ok(said) => self.said(said, frame, events),
            Err(why) => self.fail(Error::bad_answer(&why), events),
        }
    }

    fn end(&mut self, events: &mut Events<'static>) {
        if self.over {
            return;
        }
        // the reason and the counts were there, and nothing but the end mark is missing
        match self.stopped {
            true => self.done(events),
            false => self.fail(Error::cut_off(), events),
        }
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    fn save(&self, out: &mut Vec<u8>) {
        wire::save(Dialect::AnthropicMessages, self, out);
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        self.over = true;
        events.push(Event::Error(Box::new(error)));
    }

    fn done(&mut self, events: &mut Events<'_>) {
        self.over = true;
        events.push(Event::Done);
    }

    fn said<'a>(&mut self, said: Said<'a>, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        match said {
            Said::Error => self.fail(error::read(200, frame.data), events),
            Said::Ping => events.push(Event::Ping),
            Said::Start(start) => self.start(*start, events),
            _ if !self.started => {
                let early = Error::new(
                    ErrorKind::BadAnswer,
                    "the provider's stream does not begin with `message_start`",
                );
                self.fail(early, events);
            }
            Said::BlockStart { index, part } => self.block_start(index, *part, events),
            Said::BlockDelta { index, delta } => self.block_delta(index, delta, events),
            Said::BlockStop { index } => {
                if self.open.is_some_and(|open| open.block == index) {
                    self.close(events);
                }
            }
            Said::Whole(whole) => self.whole(*whole, events),
            Said::Stop => self.stop(events),
            Said::Unknown => self.losses.dropped("event", "is of a type that is not known"),
        }
    }

    fn start<'a>(&mut self, mut start: Start<'a>, events: &mut Events<'a>) {
        if std::mem::replace(&mut self.started, true) {
            self.losses.dropped("message_start", "came twice");
            return;
        }
        start.usage = self.counts.usage();
        let usage = start.usage;
        events.push(Event::Start(Box::new(start)));
        events.extend(usage.map(|usage| Event::Usage(Box::new(usage))));
    }

    fn block_start<'a>(&mut self, block: u64, part: Part<'a>, events: &mut Events<'a>) {
        if self.stopped {
            self.losses.dropped("content_block_start", "came after the stop");
            return;
        }
        self.close(events);
        self.any_calls |= matches!(part.content, Content::ToolCall(_));
        self.open = Some(Open {
            block,
            part: self.next_part,
            native: matches!(part.content, Content::Native(_)),
        });
        events.push(Event::PartStart {
            choice: 0,
            part: self.next_part,
            content: Box::new(part),
        });
        self.next_part = self.next_part.saturating_add(1);
    }

    fn block_delta<'a>(&mut self, block: u64, delta: BlockDelta<'a>, events: &mut Events<'a>) {
        let Some(open) = self.open.filter(|open| open.block == block) else {
            self.losses
                .dropped("content_block_delta", "is of a block that is not open");
            return;
        };
        let delta = match delta {
            BlockDelta::Text(text) => Delta::Text(text),
            BlockDelta::Thinking(text) => Delta::Reasoning(text),
            BlockDelta::Signature(signature) => Delta::Signature(signature),
            BlockDelta::Json(text) if open.native => Delta::Native(text),
            BlockDelta::Json(text) => Delta::Arguments(text),
            BlockDelta::Citation(citation) => Delta::Citation(citation),
            BlockDelta::Unknown => {
                self.losses
                    .dropped("content_block_delta", "is of a type that is not known");
                return;
            }
        };
        events.push(Event::Delta {
            choice: 0,
            part: open.part,
            delta,
        });
    }

    fn close(&mut self, events: &mut Events<'_>) {
        if let Some(open) = self.open.take() {
            events.push(Event::PartStop {
                choice: 0,
                part: open.part,
            });
        }
    }

    /// What a `message_delta` says of the whole message: why it stopped, and the counts so far.
    fn whole<'a>(&mut self, whole: Whole<'a>, events: &mut Events<'a>) {
        if whole.any_usage {
            events.extend(self.counts.usage().map(|usage| Event::Usage(Box::new(usage))));
        }
        if !whole.extras.is_empty() {
            events.push(Event::Extra {
                choice: None,
                extras: whole.extras,
            });
        }
        let stop = stop::read(whole.reason, whole.sequence, whole.details);
        if let Some(stop) = stop.filter(|_| !self.stopped) {
            self.push_stop(stop, events);
        }
    }

    fn push_stop<'a>(&mut self, stop: Stop<'a>, events: &mut Events<'a>) {
        self.close(events);
        self.stopped = true;
        events.push(Event::Stop {
            choice: 0,
            stop: Box::new(stop.with_calls(self.any_calls)),
        });
    }

    /// The end mark. A message without a reason gets the one that it must have had.
    fn stop(&mut self, events: &mut Events<'_>) {
        if !self.stopped {
            self.push_stop(Stop::new(StopReason::End), events);
        }
        self.done(events);
    }
}
