//! A stream of Cohere's into events. What an event says is in `event`; here is what comes of it.

use smallvec::SmallVec;

use crate::model::{
    Content, Delta, Dialect, Error, Event, Events, Losses, Part, Start, Stop, StopReason, StreamFrame,
    StreamReader, Text, ToolCall,
};
use crate::wire::{self, record, variants};

use super::answer_read::in_content;
use super::call::is_none;
use super::citation::{Cited, kept};
use super::content::{plan, thought};
use super::event::Frame;
use super::{error, stop};

/// More calls open at once than any model makes: the oldest is closed for the next.
const MAX_OPEN: usize = 64;

/// What is known of the stream so far: a few numbers, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    over: bool,
    /// The index of the next part.
    next_part: u32,
    open: Open,
    calls: SmallVec<[CallState; 2]>,
    any_calls: bool,
    losses: Losses,
}

/// What is being said besides calls.
#[derive(Copy, Clone, Default, PartialEq)]
enum Open {
    #[default]
    Nothing,
    /// A piece of content. It stays open behind its end: its citations may follow.
    Piece {
        part: u32,
        index: u64,
        thinking: bool,
    },
    Plan(u32),
}

struct CallState {
    /// As the provider counts.
    index: u64,
    part: u32,
    any_arguments: bool,
}

record!(Reader { started, over, next_part, open, calls, any_calls } rest { losses });
variants!(Open {
    0 = Nothing,
    1 = Piece { part, index, thinking },
    2 = Plan(part),
});
record!(CallState {
    index,
    part,
    any_arguments
});

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        if self.over || frame.data.trim_ascii().is_empty() {
            return;
        }
        if crate::openai::is_done(frame.data) {
            // the end that counts is `message-end`
            return self.fail(Error::cut_off(), events);
        }
        match Frame::read(frame.data, &mut self.losses) {
            Ok(found) => self.event(frame.name, found, events),
            Err(why) => self.fail(Error::bad_answer(&why), events),
        }
    }

    fn end(&mut self, events: &mut Events<'static>) {
        if !self.over {
            self.fail(Error::cut_off(), events);
        }
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    fn save(&self, out: &mut Vec<u8>) {
        wire::save(Dialect::Cohere, self, out);
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        self.over = true;
        events.push(Event::Error(Box::new(error)));
    }

    fn event<'a>(&mut self, name: Option<&'a [u8]>, frame: Frame<'a>, events: &mut Events<'a>) {
        let named = frame.kind.as_ref().map(Text::get);
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let kind = named.as_deref().or(name).unwrap_or_default().to_owned();
        match &*kind {
            "message-start" => self.start(frame.id, events),
            "content-start" => self.piece_start(frame, events),
            "content-delta" => self.piece_delta(frame, events),
            // what was said may be cited yet
            "content-end" | "citation-end" => {}
            "tool-plan-delta" => self.plan(frame, events),
            "tool-call-start" => self.call_start(frame, events),
            "tool-call-delta" => self.call_delta(frame, events),
            "tool-call-end" => self.call_end(frame.index.unwrap_or(0), events),
            "citation-start" => self.cite(frame, events),
            "message-end" => self.message_end(frame, events),
            "debug" => events.push(Event::Ping),
            _ => match frame.error.or(frame.message) {
                Some(message) => self.fail(error::of_message(message), events),
                None => self.losses.dropped("event", "is of a kind that nobody knows"),
            },
        }
    }

    fn start<'a>(&mut self, id: Option<Text<'a>>, events: &mut Events<'a>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start(Box::new(Start {
                id,
                ..Start::default()
            })));
        }
    }

    fn part_start<'a>(&mut self, content: Content<'a>, events: &mut Events<'a>) -> u32 {
        self.start(None, events);
        let part = self.next_part;
        self.next_part = part.saturating_add(1);
        events.push(Event::PartStart {
            choice: 0,
            part,
            content: Box::new(Part::new(content)),
        });
        part
    }

    fn close_piece(&mut self, events: &mut Events<'_>) {
        if let Open::Piece { part, .. } | Open::Plan(part) = std::mem::take(&mut self.open) {
            events.push(Event::PartStop { choice: 0, part });
        }
    }

    fn close(&mut self, events: &mut Events<'_>) {
        self.close_piece(events);
        while !self.calls.is_empty() {
            self.close_call(0, events);
        }
    }

    fn piece_start<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        self.close(events);
        let piece = frame.piece;
        let thinking = match &piece.kind {
            Some(kind) => kind.is("thinking"),
            None => piece.thinking.is_some(),
        };
        let content = match thinking {
            true => thought(piece.thinking.unwrap_or_default()),
            false => Content::Text {
                text: piece.text.unwrap_or_default(),
                citations: Vec::new(),
            },
        };
        let part = self.part_start(content, events);
        self.open = Open::Piece {
            part,
            index: frame.index.unwrap_or(0),
            thinking,
        };
    }

    fn piece_delta<'a>(&mut self, mut frame: Frame<'a>, events: &mut Events<'a>) {
        let logprobs = frame.logprobs.take();
        let Open::Piece { part, thinking, .. } = self.open else {
            // a delta of a piece that never started starts it
            return self.piece_start(frame, events);
        };
        let delta = match thinking {
            true => frame.piece.thinking.or(frame.piece.text).map(Delta::Reasoning),
            false => frame.piece.text.or(frame.piece.thinking).map(Delta::Text),
        };
        let logprobs = logprobs.map(|logprobs| Delta::Logprobs(in_content(&logprobs)));
        for delta in delta.into_iter().chain(logprobs) {
            events.push(Event::Delta {
                choice: 0,
                part,
                delta,
            });
        }
    }

    fn plan<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        let Some(text) = frame.plan.filter(|text| !text.is_empty()) else {
            return;
        };
        if let Open::Plan(part) = self.open {
            let delta = Delta::Reasoning(text);
            return events.push(Event::Delta {
                choice: 0,
                part,
                delta,
            });
        }
        self.close(events);
        self.open = Open::Plan(self.part_start(plan(text), events));
    }

    fn call_start<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        self.close_piece(events);
        let index = frame.index.unwrap_or(0);
        // nobody counts two calls the same: the one before is over
        self.call_end(index, events);
        if self.calls.len() >= MAX_OPEN {
            self.close_call(0, events);
        }
        let call = frame.call.unwrap_or_default();
        let arguments = call.arguments.filter(|arguments| !is_none(arguments));
        let any_arguments = arguments.is_some();
        let part = self.part_start(
            Content::ToolCall(ToolCall::function(
                call.id.unwrap_or_default(),
                call.name.unwrap_or_default(),
                arguments.unwrap_or_default(),
            )),
            events,
        );
        self.any_calls = true;
        self.calls.push(CallState {
            index,
            part,
            any_arguments,
        });
    }

    fn call_delta<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        let index = frame.index.unwrap_or(0);
        let Some(state) = self.calls.iter_mut().find(|state| state.index == index) else {
            return self
                .losses
                .dropped("tool_calls", "a piece of a call that is not open");
        };
        let arguments = frame.call.and_then(|call| call.arguments);
        // a call without arguments has the word for it in their place (APIS.md 8)
        let said = |text: &Text<'_>| !text.is_empty() && (state.any_arguments || !text.is("null"));
        let Some(arguments) = arguments.filter(said) else {
            return;
        };
        state.any_arguments = true;
        events.push(Event::Delta {
            choice: 0,
            part: state.part,
            delta: Delta::Arguments(arguments),
        });
    }

    fn call_end(&mut self, index: u64, events: &mut Events<'_>) {
        if let Some(at) = self.calls.iter().position(|state| state.index == index) {
            self.close_call(at, events);
        }
    }

    /// A call that came without arguments has none, which is an object all the same.
    fn close_call(&mut self, at: usize, events: &mut Events<'_>) {
        if at >= self.calls.len() {
            return;
        }
        let CallState {
            part, any_arguments, ..
        } = self.calls.remove(at);
        if !any_arguments {
            events.push(Event::Delta {
                choice: 0,
                part,
                delta: Delta::Arguments(Text::plain("{}")),
            });
        }
        events.push(Event::PartStop { choice: 0, part });
    }

    /// Of the text that was said last; a citation of anything else is kept as the message's.
    fn cite<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        let Some(cited) = frame.cited else { return };
        match self.open {
            Open::Piece {
                part,
                index,
                thinking: false,
            } if cited.is_of_text() && is_of(&cited, index) => events.push(Event::Delta {
                choice: 0,
                part,
                delta: Delta::Citation(Box::new(cited.citation)),
            }),
            _ => {
                self.start(None, events);
                events.push(Event::Extra {
                    choice: Some(0),
                    extras: vec![kept(std::slice::from_ref(&cited.citation.native))],
                });
            }
        }
    }

    fn message_end<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        self.start(None, events);
        self.close(events);
        if let Some(usage) = frame.usage {
            events.push(Event::Usage(Box::new(usage)));
        }
        if let Some(message) = frame.error.filter(|message| !message.is_empty()) {
            return self.fail(error::of_message(message), events);
        }
        let over = stop::read(frame.finish).unwrap_or_else(|| Stop::new(StopReason::End));
        events.push(Event::Stop {
            choice: 0,
            stop: Box::new(over.with_calls(self.any_calls)),
        });
        events.push(Event::Done);
        self.over = true;
    }
}

fn is_of(cited: &Cited<'_>, index: u64) -> bool {
    cited.content_index.is_none_or(|of| of == index)
}
