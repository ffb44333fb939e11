//! A stream of Responses into events. Which event says what is in `event`; here is what comes of it.

mod calls;
mod thoughts;
mod words;

use smallvec::SmallVec;

use crate::fault::Fault;
use crate::model::{
    Delta, Dialect, Error, ErrorKind, Event, Events, Json, Losses, Part, ReasoningForm, Start, Stop,
    StopReason, StreamFrame, StreamReader, Text,
};
use crate::openai::is_done;
use crate::read::Reader as Values;
use crate::wire::{self, record, variants};

use super::answer_read::Response;
use super::error;
use super::event::{self, Told};
use super::item::{self, Said};
use words::Phase;

/// More items in one answer than any model makes: they are what grows of a reader's state.
const MAX_ITEMS: usize = 1024;

/// What is known of the stream so far: a few numbers for each item, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    over: bool,
    next_part: u32,
    open: Open,
    items: SmallVec<[ItemState; 2]>,
    any_calls: bool,
    losses: Losses,
}

/// What is being said. Calls may be open together, anything else alone.
#[derive(Copy, Clone, Default, PartialEq)]
enum Open {
    #[default]
    Nothing,
    Words {
        item: u64,
        index: u64,
        refusal: bool,
        part: u32,
    },
    Thought {
        item: u64,
        index: u64,
        form: ReasoningForm,
        part: u32,
    },
    Calls,
}

/// One item of the output.
#[derive(Copy, Clone, Default)]
struct ItemState {
    index: u64,
    done: bool,
    /// The part of a call.
    call: Option<u32>,
    call_is_open: bool,
    /// Arguments of a call were told.
    any_arguments: bool,
    /// How many of its texts were told: of a message or of thoughts in words, and of summaries.
    contents: u64,
    summaries: u64,
    /// Annotations of the text that is being told.
    annotations: usize,
    phase: Option<Phase>,
}

record!(Reader { started, over, next_part, open, items, any_calls } rest { losses });
variants!(Open {
    0 = Nothing,
    1 = Words { item, index, refusal, part },
    2 = Thought { item, index, form, part },
    3 = Calls,
});
record!(ItemState {
    index,
    done,
    call,
    call_is_open,
    any_arguments,
    contents,
    summaries,
    annotations,
    phase,
});

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        if self.over || frame.data.trim_ascii().is_empty() {
            return;
        }
        // only OpenAI's likes have an end mark here, behind the event that is one
        if is_done(frame.data) {
            return self.fail(Error::cut_off(), events);
        }
        let read = Values::whole(frame.data, false, |reader| {
            let told = event::read(reader)?;
            self.take(told, frame, reader, events)
        });
        match read {
            Ok(read) => self.losses.append(read.losses),
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
        wire::save(Dialect::OpenAiResponses, self, out);
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        if !std::mem::replace(&mut self.over, true) {
            events.push(Event::Error(Box::new(error)));
        }
    }

    fn take<'a>(
        &mut self,
        told: Told<'a>,
        frame: StreamFrame<'a>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        let kind = told
            .kind
            .as_ref()
            .map(|kind| kind.get().into_owned())
            .unwrap_or_default();
        let named_error =
            kind == "error" || kind.is_empty() && (told.is_error || frame.name == Some(b"error"));
        if named_error {
            self.fail(error::read(200, frame.data), events);
            return Ok(());
        }
        match kind.as_str() {
            "response.failed" => {
                let failed = told.response_json.as_ref().map_or("{}", Json::get);
                self.fail(error::read(200, failed.as_bytes()), events);
                return Ok(());
            }
            "response.created" | "response.queued" | "response.in_progress" => {
                self.begin(told.response, events);
                return Ok(());
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => {
                return self.complete(told.response.unwrap_or_default(), reader, events);
            }
            _ if !kind.starts_with("response.") => return Ok(()),
            _ => self.begin(None, events),
        }
        self.piece(&kind, told, reader, events)
    }

    fn begin<'a>(&mut self, response: Option<Response<'a>>, events: &mut Events<'a>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let response = response.unwrap_or_default();
        events.push(Event::Start(Box::new(Start {
            id: response.id,
            model: response.model,
            created: response.created,
            service_tier: response.service_tier,
            usage: response.usage,
            extras: response.extras,
        })));
    }

    fn piece<'a>(
        &mut self,
        kind: &str,
        told: Told<'a>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        let Some(at) = self.item(told.output_index) else {
            let many = "the provider's stream has too many items";
            self.fail(Error::new(ErrorKind::BadAnswer, many), events);
            return Ok(());
        };
        let index = told.index.unwrap_or(0);
        let delta = told.delta.unwrap_or_default();
        match kind {
            "response.output_item.added" => return self.added(at, told.item.as_ref(), reader, events),
            "response.output_item.done" => return self.done(at, told.item.as_ref(), reader, events),
            "response.output_text.delta" => {
                self.words(at, index, false, delta, events);
                if let (Some(logprobs), Open::Words { part, .. }) = (told.logprobs, self.open) {
                    self.delta(part, Delta::Logprobs(logprobs), events);
                }
            }
            "response.refusal.delta" => self.words(at, index, true, delta, events),
            "response.output_text.done" => self.rest(at, index, false, told.whole, events),
            "response.refusal.done" => self.rest(at, index, true, told.whole, events),
            "response.output_text.annotation.added" => {
                if let Some(citation) = told.annotation {
                    self.words(at, index, false, Text::default(), events);
                    self.cite(at, citation, events);
                }
            }
            "response.content_part.done" => {
                return self.part_done(at, index, told.part.as_ref(), reader, events);
            }
            "response.reasoning_summary_text.delta" => {
                self.thought(at, index, ReasoningForm::Summary, delta, events);
            }
            "response.reasoning_text.delta" => self.thought(at, index, ReasoningForm::Text, delta, events),
            "response.reasoning_summary_text.done" => {
                self.thought_rest(at, index, ReasoningForm::Summary, told.whole, events);
            }
            "response.reasoning_text.done" => {
                self.thought_rest(at, index, ReasoningForm::Text, told.whole, events);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(at, delta, events);
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                self.arguments_rest(at, told.whole, events);
            }
            // how far a tool of the provider's has come: what came of it is in its item
            _ => {}
        }
        Ok(())
    }

    /// The place of an item's state: a new one where it was not told of before, the last one where nobody says which.
    fn item(&mut self, index: Option<u64>) -> Option<usize> {
        let index = match (index, self.items.last()) {
            (Some(index), _) => index,
            (None, Some(last)) => last.index,
            (None, None) => 0,
        };
        if let Some(at) = self.items.iter().rposition(|item| item.index == index) {
            return Some(at);
        }
        if self.items.len() >= MAX_ITEMS {
            return None;
        }
        self.items.push(ItemState {
            index,
            ..ItemState::default()
        });
        self.items.len().checked_sub(1)
    }

    fn state(&mut self, at: usize) -> &mut ItemState {
        if at >= self.items.len() {
            self.items.resize(at.saturating_add(1), ItemState::default());
        }
        &mut self.items[at]
    }

    fn added<'a>(
        &mut self,
        at: usize,
        item: Option<&Json<'a>>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        let Some(found) = read_item(item, reader)? else {
            return Ok(());
        };
        match found.word().as_str() {
            "function_call" | "custom_tool_call" => {
                if let Said::Assistant(parts) = found.into_said(reader)? {
                    parts.into_iter().for_each(|part| self.call(at, part, events));
                }
            }
            "message" => self.state(at).phase = found.phase().and_then(Phase::named),
            _ => {}
        }
        Ok(())
    }

    /// An item is whole: what of it was not told in pieces is told now.
    fn done<'a>(
        &mut self,
        at: usize,
        item: Option<&Json<'a>>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        if std::mem::replace(&mut self.state(at).done, true) {
            return Ok(());
        }
        let Some(found) = read_item(item, reader)? else {
            return Ok(());
        };
        let word = found.word();
        let parts = match found.into_said(reader)? {
            Said::Assistant(parts) | Said::Message { parts, .. } => parts,
            Said::Signature(_) => {
                self.losses
                    .dropped("signature", "stands in an item before what it signs");
                Vec::new()
            }
            Said::Result(..) => Vec::new(),
        };
        match word.as_str() {
            "message" => self.message_done(at, parts, events),
            "reasoning" => self.reasoning_done(at, parts, events),
            "function_call" | "custom_tool_call" => self.call_done(at, parts, events),
            _ => parts.into_iter().for_each(|part| self.whole(part, events)),
        }
        Ok(())
    }

    fn complete<'a>(
        &mut self,
        mut response: Response<'a>,
        reader: &mut Values<'a>,
        events: &mut Events<'a>,
    ) -> Result<(), Fault> {
        let (usage, stop, output) = (response.usage, response.stop(), response.output.take());
        self.begin(Some(response), events);
        // nothing was told in pieces: the answer came whole
        if let Some(output) = output.filter(|_| self.items.is_empty()) {
            reader.revisit(&output, |reader| {
                reader.each("`output` is not an array", |reader, place| {
                    let item = reader.json()?;
                    match self.item(Some(place as u64)) {
                        Some(at) => self.done(at, Some(&item), reader, events),
                        None => Ok(()),
                    }
                })
            })?;
        }
        self.close(events);
        if let Some(usage) = usage {
            events.push(Event::Usage(Box::new(usage)));
        }
        let stop = stop.unwrap_or_else(|| Stop::new(StopReason::End));
        events.push(Event::Stop {
            choice: 0,
            stop: Box::new(stop.with_calls(self.any_calls)),
        });
        events.push(Event::Done);
        self.over = true;
        Ok(())
    }

    /// A part that comes in one piece.
    fn whole<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) {
        let index = self.start(part, events);
        events.push(Event::PartStop {
            choice: 0,
            part: index,
        });
    }

    /// Closes what is open and starts a part.
    fn start<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) -> u32 {
        self.close(events);
        self.push_start(part, events)
    }

    fn push_start<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) -> u32 {
        let index = self.next_part;
        self.next_part = index.saturating_add(1);
        events.push(Event::PartStart {
            choice: 0,
            part: index,
            content: Box::new(part),
        });
        index
    }

    fn delta<'a>(&self, part: u32, delta: Delta<'a>, events: &mut Events<'a>) {
        events.push(Event::Delta {
            choice: 0,
            part,
            delta,
        });
    }

    fn close(&mut self, events: &mut Events<'_>) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Words { part, .. } | Open::Thought { part, .. } => {
                events.push(Event::PartStop { choice: 0, part });
            }
            Open::Calls => {
                for state in self.items.iter_mut().filter(|state| state.call_is_open) {
                    state.call_is_open = false;
                    if let Some(part) = state.call {
                        events.push(Event::PartStop { choice: 0, part });
                    }
                }
            }
        }
    }
}

fn read_item<'a>(item: Option<&Json<'a>>, reader: &mut Values<'a>) -> Result<Option<item::Item<'a>>, Fault> {
    match item {
        Some(json) => Ok(reader.revisit(json, item::read)?.flatten()),
        None => Ok(None),
    }
}
