//! One response plugin's place in a stream: what it is shown, what it holds back, and what it changes. Events leave in
//! the order they came, whole; an event leaves when no text of it is held.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use penstock_llm::openai::{Delta, Kind, Role};
use penstock_plugin_host::{
    AnswerBody, AnswerView, Call, Edit, Hook, Outcome, Piece as Assembled, Plugin, PluginFault, PluginState,
    Ran as HookRan, ResponseVerdict,
};

use crate::chain::{after_failure, micros, off_worker, off_worker_waiting};
use crate::exchange::Verdict;
use crate::fault::{Fault, Result};
use crate::relay::event::Event;

/// Event bytes that may wait behind a held text, or for a plugin that wants whole answers.
const MOST_WAITING_BYTES: usize = 16 << 20;

/// Choices and tool calls of one stream: OpenAI allows 128 of each.
const MOST_CHANNELS: usize = 1024;

/// One plugin's view of one stream.
#[derive(Debug)]
pub struct Stage {
    plugin: Arc<Plugin>,
    hook: Hook,
    state: PluginState,
    channels: Vec<Channel>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// The number of the event at the front of the queue, counted over the stream.
    front: u64,
    /// The plugin wants the whole answer first.
    holds_all: bool,
    /// The plugin failed in a way that it may be skipped for: the rest of the stream passes it by.
    is_skipped: bool,
    ran: Ran,
}

/// What the plugin's calls came to so far.
#[derive(Debug)]
pub struct Ran {
    pub verdict: Verdict,
    pub calls: u32,
    pub took: Duration,
}

/// An event that may not leave yet.
#[derive(Debug)]
struct Waiting {
    event: Event,
    /// Its texts that are still in a window.
    open: u32,
}

/// One choice's text, reasoning or refusal, or one tool call's arguments.
#[derive(Debug)]
struct Channel {
    choice: u32,
    kind: Kind,
    tool: u32,
    /// What was held before, then what is new.
    window: String,
    /// Where the new text starts.
    fresh: usize,
    /// The window's texts, in order and without gaps.
    pieces: VecDeque<Piece>,
    /// Over, or touched, since it was last shown.
    last: bool,
    touched: bool,
}

/// The part of one event's text that is in the window.
#[derive(Debug)]
struct Piece {
    event: u64,
    delta: usize,
    left: usize,
    /// What of it was let out already, as edited.
    out: String,
    changed: bool,
}

impl Stage {
    /// `None` for a plugin that wants nothing of this stream.
    pub fn new(plugin: &Arc<Plugin>) -> Option<Self> {
        let interests = plugin.interests();
        let hook = match (
            interests.wants(Hook::OnEvent),
            interests.wants(Hook::OnResponse) && interests.buffer,
        ) {
            (true, _) => Hook::OnEvent,
            (false, true) => Hook::OnResponse,
            (false, false) => return None,
        };
        Some(Self {
            plugin: plugin.clone(),
            hook,
            state: PluginState::default(),
            channels: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            front: 0,
            holds_all: hook == Hook::OnResponse,
            is_skipped: false,
            ran: Ran {
                verdict: Verdict::None,
                calls: 0,
                took: Duration::ZERO,
            },
        })
    }

    pub fn report(&self) -> (&Arc<Plugin>, Hook, &Ran) {
        (&self.plugin, self.hook, &self.ran)
    }

    /// Shows the plugin events that came together; gives those that may go on.
    pub fn push(&mut self, call: &mut Call, events: Vec<Event>) -> Result<Vec<Event>> {
        if self.is_skipped {
            return Ok(events);
        }
        if let Some(clean) = self.lone_event(call, &events)? {
            return match clean {
                Clean::Yes => Ok(events),
                Clean::No(outcome) => {
                    self.take_in(events)?;
                    self.settle_first_touched(outcome);
                    self.let_go()
                }
            };
        }
        self.take_in(events)?;
        if self.hook == Hook::OnEvent {
            self.show_touched(call)?;
        }
        self.let_go()
    }

    /// The stream is over: nothing may be held any more.
    pub fn finish(&mut self, call: &mut Call) -> Result<Vec<Event>> {
        if self.holds_all {
            self.show_assembled(call)?;
            return self.let_go();
        }
        self.touch_all();
        self.show_touched(call)?;
        self.let_go()
    }

    /// Whether the plugin may wait.
    pub fn waits(&self) -> bool {
        self.plugin.waits()
    }

    /// As [`push`](Self::push), for any plugin of a stream that has one that waits.
    pub async fn push_waiting(&mut self, call: &mut Call, events: Vec<Event>) -> Result<Vec<Event>> {
        if self.is_skipped || !self.waits() {
            return self.push(call, events);
        }
        self.take_in(events)?;
        if self.hook == Hook::OnEvent {
            self.show_touched_waiting(call).await?;
        }
        self.let_go()
    }

    /// As [`finish`](Self::finish), for any plugin of a stream that has one that waits.
    pub async fn finish_waiting(&mut self, call: &mut Call) -> Result<Vec<Event>> {
        if !self.waits() {
            return self.finish(call);
        }
        if self.holds_all {
            let mut answer = self.assembled();
            let asked = self.plugin.on_response_waiting(call, &mut answer);
            let ran = off_worker_waiting(self.waiting_bytes, asked).await;
            self.take_assembled(ran, answer)?;
        } else {
            self.touch_all();
            self.show_touched_waiting(call).await?;
        }
        self.let_go()
    }

    /// The end of every channel that has something left.
    fn touch_all(&mut self) {
        for channel in &mut self.channels {
            channel.last = true;
            channel.touched |= !channel.window.is_empty();
        }
    }

    /// The usual case: one event with one text, and nothing held. No copy is made unless the plugin finds something.
    fn lone_event(&mut self, call: &mut Call, events: &[Event]) -> Result<Option<Clean>> {
        let [event] = events else { return Ok(None) };
        let [delta] = event.deltas() else { return Ok(None) };
        let is_calm = self.hook == Hook::OnEvent && self.waiting.is_empty();
        if !is_calm || !self.wants(delta) || event.is_edited() {
            return Ok(None);
        }
        let data = event.data();
        let text = delta.text(&data);
        let channel = self.channel(delta)?;
        let last = event.finishes(delta.choice);
        let outcome = self.show(call, channel, &text, 0, last)?;
        let clean = outcome.edits.is_empty() && outcome.hold == 0;
        Ok(Some(if clean { Clean::Yes } else { Clean::No(outcome) }))
    }

    /// After `lone_event` has shown the event's only text.
    fn settle_first_touched(&mut self, outcome: Outcome) {
        if let Some(index) = self.channels.iter().position(|channel| channel.touched) {
            self.apply(index, &outcome);
        }
    }

    fn wants(&self, delta: &Delta) -> bool {
        delta.length > 0 && (self.hook == Hook::OnResponse || self.plugin.interests().wants_kind(delta.kind))
    }

    /// A provider can send any number for a choice or a tool; what nobody asks for is no answer.
    fn channel(&mut self, delta: &Delta) -> Result<usize> {
        let is_it = |c: &Channel| (c.choice, c.kind, c.tool) == (delta.choice, delta.kind, delta.tool);
        if let Some(index) = self.channels.iter().position(is_it) {
            return Ok(index);
        }
        if self.channels.len() >= MOST_CHANNELS {
            let message = "the provider's stream has more choices and tool calls than can be guarded";
            return Err(Fault::provider(502, "upstream_invalid", message));
        }
        self.channels.push(Channel::new(delta));
        Ok(self.channels.len() - 1)
    }

    /// Puts events in the queue and their texts in the windows.
    fn take_in(&mut self, events: Vec<Event>) -> Result<()> {
        for event in events {
            let number = self.front + self.waiting.len() as u64;
            let mut open = 0;
            for (index, delta) in event.deltas().iter().enumerate() {
                if self.wants(delta) {
                    let channel = self.channel(delta)?;
                    self.channels[channel].take_in(number, index, &event.text(index));
                    open += 1;
                }
            }
            for channel in &mut self.channels {
                channel.last |= event.is_done || event.finishes(channel.choice);
                channel.touched |= channel.last && !channel.window.is_empty();
            }
            self.waiting_bytes += event.raw().len();
            self.waiting.push_back(Waiting { event, open });
        }
        Ok(())
    }

    fn show_touched(&mut self, call: &mut Call) -> Result<()> {
        for index in 0..self.channels.len() {
            if !self.channels[index].touched {
                continue;
            }
            let channel = &mut self.channels[index];
            let (window, fresh, last) = (std::mem::take(&mut channel.window), channel.fresh, channel.last);
            let outcome = self.show(call, index, &window, fresh, last);
            self.channels[index].window = window;
            self.apply(index, &outcome?);
        }
        Ok(())
    }

    /// As [`show_touched`](Self::show_touched), one window after the other.
    async fn show_touched_waiting(&mut self, call: &mut Call) -> Result<()> {
        for index in 0..self.channels.len() {
            if !self.channels[index].touched {
                continue;
            }
            let window = std::mem::take(&mut self.channels[index].window);
            let channel = &self.channels[index];
            let delta = channel.delta(index, &window, channel.fresh, channel.last);
            let asked = self.plugin.on_event_waiting(call, delta, &mut self.state);
            let ran = off_worker_waiting(window.len(), asked).await;
            let outcome = self.shown(ran);
            self.channels[index].window = window;
            self.apply(index, &outcome?);
        }
        Ok(())
    }

    /// Asks the plugin about one window.
    fn show(
        &mut self,
        call: &mut Call,
        index: usize,
        window: &str,
        fresh: usize,
        last: bool,
    ) -> Result<Outcome> {
        let delta = self.channels[index].delta(index, window, fresh, last);
        let plugin = &self.plugin;
        let state = &mut self.state;
        let ran = off_worker(window.len(), || plugin.on_event(call, delta, state));
        self.shown(ran)
    }

    /// What came of a window that was shown. A plugin that failed and may be skipped has no objections.
    fn shown(&mut self, ran: HookRan<Outcome>) -> Result<Outcome> {
        self.ran.calls += 1;
        self.ran.took += micros(ran.micros);
        match ran.result {
            Ok(outcome) => self.weigh(outcome),
            Err(fault) => self.failed(&fault).map(|()| Outcome::default()),
        }
    }

    fn weigh(&mut self, outcome: Outcome) -> Result<Outcome> {
        let verdict = match &outcome {
            Outcome { end: Some(_), .. } => Verdict::Refuse,
            Outcome { edits, .. } if !edits.is_empty() => Verdict::Edit,
            Outcome { hold, .. } if *hold > 0 => Verdict::Hold,
            _ => Verdict::Proceed,
        };
        self.ran.verdict = self.ran.verdict.max(verdict);
        match outcome.end {
            Some(refusal) => Err(Fault::refused(self.plugin.name(), refusal)),
            None => Ok(outcome),
        }
    }

    fn failed(&mut self, fault: &PluginFault) -> Result<()> {
        let (verdict, result) = after_failure(&self.plugin, fault);
        self.ran.verdict = self.ran.verdict.max(verdict);
        result
    }

    /// Makes a window's edits in the events they belong to, and lets go of everything before what is held.
    fn apply(&mut self, index: usize, outcome: &Outcome) {
        let channel = &mut self.channels[index];
        for piece in channel.release(outcome) {
            let Some(waiting) = self.waiting.get_mut((piece.event - self.front) as usize) else {
                continue;
            };
            waiting.open -= 1;
            if piece.changed {
                waiting.event.set_text(piece.delta, piece.out);
            }
        }
    }

    /// The events at the front that nothing is held of.
    fn let_go(&mut self) -> Result<Vec<Event>> {
        let mut free = Vec::with_capacity(self.waiting.len());
        let holds_all = self.holds_all;
        while let Some(first) = self.waiting.pop_front_if(|first| first.open == 0 && !holds_all) {
            self.waiting_bytes -= first.event.raw().len();
            self.front += 1;
            free.push(first.event);
        }
        if self.waiting_bytes > MOST_WAITING_BYTES {
            self.failed(&PluginFault::HoldBack)?;
            self.is_skipped = true;
            free.extend(self.waiting.drain(..).map(|waiting| waiting.event));
            self.waiting_bytes = 0;
        }
        Ok(free)
    }

    /// For a plugin that wants whole answers: the held stream's texts, each put together.
    fn show_assembled(&mut self, call: &mut Call) -> Result<()> {
        let mut answer = self.assembled();
        let ran = off_worker(self.waiting_bytes, || self.plugin.on_response(call, &mut answer));
        self.take_assembled(ran, answer)
    }

    fn assembled(&self) -> AnswerView {
        AnswerView::assembled(self.channels.iter().map(Channel::assembled).collect())
    }

    /// Puts the texts of a held stream back as the plugin left them.
    fn take_assembled(&mut self, ran: HookRan<ResponseVerdict>, answer: AnswerView) -> Result<()> {
        self.ran.calls += 1;
        self.ran.took += micros(ran.micros);
        match ran.result {
            Ok(ResponseVerdict::Refuse(refusal)) => {
                self.ran.verdict = Verdict::Refuse;
                return Err(Fault::refused(self.plugin.name(), refusal));
            }
            Ok(ResponseVerdict::Proceed) if ran.edited => {
                self.ran.verdict = self.ran.verdict.max(Verdict::Edit);
            }
            Ok(ResponseVerdict::Proceed) => self.ran.verdict = self.ran.verdict.max(Verdict::Proceed),
            Err(fault) => self.failed(&fault)?,
        }
        let AnswerBody::Assembled(pieces) = answer.body else {
            return Ok(());
        };
        for (index, piece) in pieces.into_iter().enumerate() {
            let outcome = self.channels[index].replaced_by(piece.text);
            self.apply(index, &outcome);
        }
        self.holds_all = false;
        Ok(())
    }
}

/// What the plugin made of a lone event.
enum Clean {
    Yes,
    No(Outcome),
}

impl Channel {
    fn new(delta: &Delta) -> Self {
        Self {
            choice: delta.choice,
            kind: delta.kind,
            tool: delta.tool,
            window: String::new(),
            fresh: 0,
            pieces: VecDeque::new(),
            last: false,
            touched: false,
        }
    }

    fn take_in(&mut self, event: u64, delta: usize, text: &str) {
        self.window.push_str(text);
        self.touched = true;
        self.pieces.push_back(Piece {
            event,
            delta,
            left: text.len(),
            out: String::new(),
            changed: false,
        });
    }

    fn delta<'w>(
        &self,
        index: usize,
        window: &'w str,
        fresh: usize,
        last: bool,
    ) -> penstock_plugin_host::Delta<'w> {
        penstock_plugin_host::Delta {
            channel: u32::try_from(index).unwrap_or(u32::MAX),
            choice: self.choice,
            kind: self.kind,
            window,
            fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
            last,
        }
    }

    fn assembled(&self) -> Assembled {
        Assembled {
            choice: self.choice,
            role: Role::Assistant,
            kind: self.kind,
            text: self.window.clone(),
        }
    }

    /// The outcome that puts `text` in the place of the whole window.
    fn replaced_by(&self, text: String) -> Outcome {
        let end = u32::try_from(self.window.len()).unwrap_or(u32::MAX);
        let edit = Edit { start: 0, end, text };
        let edits = if edit.text == self.window {
            Vec::new()
        } else {
            vec![edit]
        };
        Outcome {
            edits,
            hold: 0,
            end: None,
        }
    }

    /// Takes everything before the held tail out of the window; gives the pieces that are out whole.
    fn release(&mut self, outcome: &Outcome) -> Vec<Piece> {
        let released = self.window.len() - (outcome.hold as usize).min(self.window.len());
        let mut done = Vec::new();
        let mut start = 0;
        while let Some(piece) = self.pieces.front_mut() {
            let end = (start + piece.left).min(released);
            let is_final = end == released;
            piece.rewrite(&self.window, start..end, is_final, &outcome.edits);
            piece.left -= end - start;
            start = end;
            if piece.left > 0 {
                break;
            }
            done.extend(self.pieces.pop_front());
        }
        self.window.drain(..released);
        self.fresh = self.window.len();
        self.touched = false;
        self.last = false;
        done
    }
}

impl Piece {
    /// Appends the part of the window that is this piece's, edits made. An edit's new text goes to the piece it starts
    /// in; one at the very end of what is let out goes to the last piece.
    fn rewrite(&mut self, window: &str, part: Range<usize>, is_final: bool, edits: &[Edit]) {
        let mut at = part.start;
        for edit in edits {
            let (start, end) = (edit.start as usize, edit.end as usize);
            let starts_here = part.contains(&start) || (is_final && start == part.end);
            let reaches_in = start < part.end && end > part.start;
            if !starts_here && !reaches_in {
                continue;
            }
            self.out.push_str(&window[at..start.clamp(at, part.end)]);
            if starts_here {
                self.out.push_str(&edit.text);
            }
            at = end.clamp(at.max(start.min(part.end)), part.end);
            self.changed = true;
        }
        self.out.push_str(&window[at..part.end]);
    }
}
