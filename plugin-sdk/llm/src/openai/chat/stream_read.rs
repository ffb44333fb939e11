//! A stream of chunks into events. Which chunk says what is in `chunk`; here is what comes of it.

use smallvec::SmallVec;

use crate::json::Balance;
use crate::model::{
    Content, Delta, Dialect, Error, ErrorKind, Event, Events, Losses, Part, Reasoning, ReasoningForm, Start,
    Stop, StopReason, StreamFrame, StreamReader, Text,
};
use crate::openai::is_done;
use crate::wire::{self, record, variants};

use super::answer_read::MAX_CHOICES;
use super::call::Call;
use super::chunk::{Chunk, ChunkChoice};
use super::{error, reasoning, stop};

/// More calls in one stream than any model makes, all choices together: they are what grows of a reader's state.
const MAX_CALLS: usize = 1024;

/// What is known of the stream so far: a few numbers for each choice and call, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    over: bool,
    choices: SmallVec<[ChoiceState; 1]>,
    losses: Losses,
}

struct ChoiceState {
    index: u32,
    /// The index of the next part.
    next_part: u32,
    open: Open,
    calls: Vec<CallState>,
    /// The part that log probabilities belong to.
    words: u32,
    stopped: bool,
}

/// What a choice is saying. Calls may be open together, anything else alone.
#[derive(Copy, Clone, PartialEq)]
enum Open {
    Nothing,
    Text(u32),
    Refusal(u32),
    Audio(u32),
    Reasoning {
        part: u32,
        form: ReasoningForm,
        /// Which of `reasoning_details` it is; none for the plain spellings.
        detail: Option<u64>,
    },
    Calls,
}

struct CallState {
    /// As the provider counts; none where it does not.
    index: Option<u64>,
    id: u64,
    part: u32,
    arguments: Balance,
    open: bool,
}

record!(Reader { started, over, choices } rest { losses });
record!(ChoiceState {
    index,
    next_part,
    open,
    calls,
    words,
    stopped
});
variants!(Open {
    0 = Nothing,
    1 = Text(part),
    2 = Refusal(part),
    3 = Audio(part),
    4 = Reasoning { part, form, detail },
    5 = Calls,
});
record!(CallState {
    index,
    id,
    part,
    arguments,
    open
});

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        if self.over || frame.data.trim_ascii().is_empty() {
            return;
        }
        if is_done(frame.data) {
            return self.done(events);
        }
        match Chunk::read(frame.data, &mut self.losses) {
            Ok(chunk) if chunk.is_error => self.fail(error::read(200, frame.data), events),
            Ok(chunk) => self.chunk(chunk, events),
            Err(why) => self.fail(Error::bad_answer(&why), events),
        }
    }

    fn end(&mut self, events: &mut Events<'static>) {
        if self.over {
            return;
        }
        // some leave out the end mark; a finish reason for every choice says as much
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
        wire::save(Dialect::OpenAiChat, self, out);
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        self.over = true;
        events.push(Event::Error(Box::new(error)));
    }

    /// The end mark. A choice without a finish reason gets the one that it must have had (PAIN C04), unless it stopped
    /// in the middle of a call.
    fn done(&mut self, events: &mut Events<'_>) {
        let torn = |call: &CallState| call.open && !call.arguments.is_blank() && !call.arguments.is_whole();
        let any_torn = |choice: &ChoiceState| !choice.stopped && choice.calls.iter().any(torn);
        if !self.started || self.choices.iter().any(any_torn) {
            return self.fail(Error::cut_off(), events);
        }
        for choice in self.choices.iter_mut().filter(|choice| !choice.stopped) {
            choice.stop(Stop::new(StopReason::End), events);
        }
        self.over = true;
        events.push(Event::Done);
    }

    fn chunk<'a>(&mut self, chunk: Chunk<'a>, events: &mut Events<'a>) {
        let mut extras = chunk.extras;
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start(Box::new(Start {
                id: chunk.id,
                model: chunk.model,
                created: chunk.created,
                service_tier: chunk.service_tier,
                usage: None,
                extras: std::mem::take(&mut extras),
            })));
        }
        for choice in chunk.choices {
            match self.choice(&choice) {
                Some(state) => state.take(choice, events),
                None => {
                    let many = Error::new(
                        ErrorKind::BadAnswer,
                        "the provider's stream has too many choices or calls",
                    );
                    return self.fail(many, events);
                }
            }
        }
        // the same in every chunk
        extras.retain(|extra| !extra.name.is("system_fingerprint") && !extra.name.is("provider"));
        if !extras.is_empty() {
            events.push(Event::Extra { choice: None, extras });
        }
        if let Some(usage) = chunk.usage {
            events.push(Event::Usage(Box::new(usage)));
        }
    }

    /// None where there are too many, of choices or of calls.
    fn choice(&mut self, said: &ChunkChoice<'_>) -> Option<&mut ChoiceState> {
        let known: usize = self.choices.iter().map(|choice| choice.calls.len()).sum();
        let more = said.fields.as_ref().map_or(0, |fields| fields.calls.len());
        if known.saturating_add(more) > MAX_CALLS {
            return None;
        }
        let at = self.choices.iter().position(|choice| choice.index == said.index);
        if let Some(at) = at {
            return self.choices.get_mut(at);
        }
        if self.choices.len() >= MAX_CHOICES {
            return None;
        }
        self.choices.push(ChoiceState::new(said.index));
        self.choices.last_mut()
    }
}

impl ChoiceState {
    fn new(index: u32) -> ChoiceState {
        ChoiceState {
            index,
            next_part: 0,
            open: Open::Nothing,
            calls: Vec::new(),
            words: 0,
            stopped: false,
        }
    }

    fn take<'a>(&mut self, said: ChunkChoice<'a>, events: &mut Events<'a>) {
        if self.stopped {
            // filter results of what was said before
            self.extra(said.extras, events);
            return;
        }
        let mut extras = said.extras;
        if let Some(fields) = said.fields {
            for part in reasoning::parts(fields.details, fields.reasoning_content, fields.reasoning) {
                self.thought(part, events);
            }
            for part in fields.content {
                self.content(part, events);
            }
            for citation in fields.citations {
                let part = self.text_part(Text::default(), events);
                self.delta(part, Delta::Citation(Box::new(citation)), events);
            }
            if let Some(refusal) = fields.refusal.filter(|refusal| !refusal.is_empty()) {
                self.refusal(refusal, events);
            }
            if let Some(audio) = fields.audio {
                self.audio(audio, events);
            }
            for image in fields.images {
                self.whole(image, events);
            }
            for call in fields.calls {
                self.call(call, events);
            }
            if let Some(call) = fields.function_call {
                self.call(call, events);
            }
            extras.extend(fields.extras);
        }
        if let Some(logprobs) = said.logprobs {
            self.delta(self.words, Delta::Logprobs(logprobs), events);
        }
        self.extra(extras, events);
        if let Some(mut stop) = stop::read(said.finish, said.native) {
            stop.sequence = said.sequence;
            self.stop(stop, events);
        }
    }

    fn extra<'a>(&self, extras: crate::model::Extras<'a>, events: &mut Events<'a>) {
        if !extras.is_empty() {
            events.push(Event::Extra {
                choice: Some(self.index),
                extras,
            });
        }
    }

    fn stop<'a>(&mut self, stop: Stop<'a>, events: &mut Events<'a>) {
        self.close(events);
        self.stopped = true;
        events.push(Event::Stop {
            choice: self.index,
            stop: Box::new(stop.with_calls(!self.calls.is_empty())),
        });
    }

    fn content<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) {
        match part.content {
            Content::Text { text, .. } => {
                if !text.is_empty() {
                    self.text_part(text, events);
                }
            }
            Content::Reasoning(_) => self.thought(part, events),
            Content::Refusal(text) => self.refusal(text, events),
            _ => self.whole(part, events),
        }
    }

    /// Gives the open text more, or opens one; its index either way.
    fn text_part<'a>(&mut self, text: Text<'a>, events: &mut Events<'a>) -> u32 {
        match self.open {
            Open::Text(part) => {
                if !text.is_empty() {
                    self.delta(part, Delta::Text(text), events);
                }
                part
            }
            _ => {
                let part = self.start(Part::text(text), events);
                self.open = Open::Text(part);
                self.words = part;
                part
            }
        }
    }

    fn refusal<'a>(&mut self, text: Text<'a>, events: &mut Events<'a>) {
        if let Open::Refusal(part) = self.open {
            return self.delta(part, Delta::Refusal(text), events);
        }
        let part = self.start(Part::new(Content::Refusal(text)), events);
        self.open = Open::Refusal(part);
        self.words = part;
    }

    fn audio<'a>(&mut self, audio: Part<'a>, events: &mut Events<'a>) {
        let Open::Audio(part) = self.open else {
            let part = self.start(audio, events);
            self.open = Open::Audio(part);
            return;
        };
        if let Content::Media(media) = audio.content {
            if let crate::model::Source::Base64(data) = media.source
                && !data.is_empty()
            {
                self.delta(part, Delta::Data(data), events);
            }
            if let Some(transcript) = media.transcript {
                self.delta(part, Delta::Transcript(transcript), events);
            }
        }
        self.extra(audio.extras, events);
    }

    /// A piece of reasoning: more of the open one, or a new one.
    fn thought<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) {
        let detail = crate::model::extra(&part.extras, "index").and_then(crate::model::Json::as_u64);
        let Content::Reasoning(Reasoning { form, .. }) = part.content else {
            return;
        };
        match self.open {
            Open::Reasoning {
                part: open,
                form: of,
                detail: which,
            } if of == form && which == detail && form != ReasoningForm::Encrypted => {
                self.think_on(open, part, events)
            }
            _ => {
                let index = self.start(part, events);
                self.open = Open::Reasoning {
                    part: index,
                    form,
                    detail,
                };
            }
        }
    }

    fn think_on<'a>(&mut self, open: u32, part: Part<'a>, events: &mut Events<'a>) {
        let Content::Reasoning(thought) = part.content else {
            return;
        };
        if !thought.text.is_empty() {
            self.delta(open, Delta::Reasoning(thought.text), events);
        }
        if let Some(signature) = part.signature {
            self.delta(open, Delta::Signature(signature), events);
        }
    }

    fn call<'a>(&mut self, call: Call<'a>, events: &mut Events<'a>) {
        match self.known(&call) {
            Some(at) => self.call_on(at, call, events),
            None => self.call_start(call, events),
        }
    }

    /// Which of the calls a fragment belongs to; none for a new one. Some providers do not count (xAI), and some count
    /// every call as the first: a name with another id is another call.
    fn known(&self, call: &Call<'_>) -> Option<usize> {
        let named = call.name.as_ref().is_some_and(|name| !name.is_empty());
        let id = call.id.as_ref().filter(|id| !id.is_empty()).map(hash);
        let another = |state: &CallState| named && id.is_some_and(|id| id != state.id);
        if let Some(index) = call.index {
            let at = self.calls.iter().rposition(|state| state.index == Some(index))?;
            return (!another(self.calls.get(at)?)).then_some(at);
        }
        match id {
            Some(id) => self.calls.iter().position(|state| state.id == id),
            None if named => None,
            None => self.calls.len().checked_sub(1),
        }
    }

    fn call_on<'a>(&mut self, at: usize, call: Call<'a>, events: &mut Events<'a>) {
        let Some(state) = self.calls.get_mut(at) else {
            return;
        };
        let Some(arguments) = call.arguments.filter(|arguments| !arguments.is_empty()) else {
            return;
        };
        // nothing belongs to a call that is whole
        if !state.open {
            return;
        }
        state.arguments.push(&arguments.get());
        let part = state.part;
        self.delta(part, Delta::Arguments(arguments), events);
    }

    /// A call begins. Those before it that are whole are over; with one that is not, a provider may yet go on.
    fn call_start<'a>(&mut self, call: Call<'a>, events: &mut Events<'a>) {
        if self.open != Open::Calls {
            self.close(events);
        }
        for state in self
            .calls
            .iter_mut()
            .filter(|state| state.open && state.arguments.is_whole())
        {
            state.open = false;
            events.push(Event::PartStop {
                choice: self.index,
                part: state.part,
            });
        }
        let mut state = CallState {
            index: call.index,
            id: call.id.as_ref().map_or(0, hash),
            part: self.next_part,
            arguments: Balance::default(),
            open: true,
        };
        if let Some(arguments) = &call.arguments {
            state.arguments.push(&arguments.get());
        }
        self.calls.push(state);
        self.push_start(call.into_part(), events);
        self.open = Open::Calls;
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
        self.push_start(part, events)
    }

    fn push_start<'a>(&mut self, part: Part<'a>, events: &mut Events<'a>) -> u32 {
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
        let choice = self.index;
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Text(part) | Open::Refusal(part) | Open::Audio(part) | Open::Reasoning { part, .. } => {
                events.push(Event::PartStop { choice, part });
            }
            Open::Calls => {
                for state in self.calls.iter_mut().filter(|state| state.open) {
                    state.open = false;
                    events.push(Event::PartStop {
                        choice,
                        part: state.part,
                    });
                }
            }
            Open::Nothing => {}
        }
    }
}

/// Tells ids apart without keeping them.
fn hash(id: &Text<'_>) -> u64 {
    crate::model::hash(&id.get())
}
