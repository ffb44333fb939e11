//! A provider's event stream on its way to the caller: nothing leaves before the commit point, everything after it as it
//! comes. A stream that broke never looks complete.

use std::pin::pin;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use penstock_llm::foreign;
use penstock_llm::model::{Dialect, Framing};
use penstock_llm::openai::{ErrorView, EventView};

use crate::exchange::{Ending, Exchange, Outcome, Terms};
use crate::fault::{Cause, Fault, Result, in_band_status};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::event::{Event, Reader};
use crate::relay::frames::{self, Frames};
use crate::relay::guard::StreamGuard;
use crate::relay::whole::refuse;
use crate::state::answer::{Head, Interrupted, Source};
use crate::state::inflate::Inflater;

/// What is already readable is taken into one write, up to here: 2.4 times less CPU on bursts, and no delay, since
/// nothing is waited for (PINGORA.md).
const BATCH_BYTES: usize = 16 * 1024;

/// What may be held back before the commit point: role chunks, comments, annotations (APIS.md 11).
const UNCOMMITTED_EVENTS: usize = 64;
const UNCOMMITTED_BYTES: usize = 256 * 1024;

/// Choices of one stream; OpenAI allows 128.
const MOST_CHOICES: usize = 1024;

/// How a relay ended.
#[derive(Debug)]
pub enum Relay {
    /// The caller has its answer.
    Ended,
    /// The caller has some of an answer, and an error at its end.
    Broke(Outcome),
    /// Nothing was said yet: another target may be tried.
    NotCommitted(Box<Fault>, Outcome),
}

/// One stream under way.
struct Pump<'x> {
    exchange: &'x mut Exchange,
    terms: Terms,
    guard: StreamGuard,
    frames: Frames,
    reader: Reader,
    inflater: Option<Inflater>,
    head: Head,
    /// Events that wait for the commit point.
    uncommitted: Vec<Bytes>,
    uncommitted_bytes: usize,
    committed: bool,
    progress: Progress,
    /// Only the source knows what was used.
    is_metered_apart: bool,
}

/// What has been seen of the stream's end.
#[derive(Debug, Default)]
struct Progress {
    /// Choices that have said something and are not finished.
    open: Vec<u32>,
    finished: bool,
    done: bool,
    /// The provider's own error event, once it is on its way.
    error: Option<Box<Fault>>,
    /// Nothing follows it.
    error_is_last: bool,
    last_event_at: Option<Instant>,
}

/// What came of one read.
enum Step {
    Bytes(Bytes),
    End,
    Broken(Box<Fault>),
}

/// Relays one stream. `head` is what the caller will be told if it comes to that.
pub async fn relay(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    mut upstream: impl Source,
    head: Head,
    terms: Terms,
) -> std::result::Result<Relay, Stop> {
    let guard = StreamGuard::new(&exchange.snapshot.chain);
    let coding = upstream
        .headers()
        .get(http::header::CONTENT_ENCODING)
        .and_then(|coding| coding.to_str().ok());
    let Ok(inflater) = Inflater::new(coding.unwrap_or(""), terms.most_bytes) else {
        let fault = Fault::provider(
            502,
            "upstream_invalid",
            "the provider's Content-Encoding is not known",
        );
        return Ok(Relay::NotCommitted(fault, Outcome::Broken));
    };
    let mut pump = Pump {
        exchange,
        terms,
        guard,
        frames: Frames::new(frames::announced(upstream.headers()).unwrap_or(Framing::Sse)),
        reader: Reader::new(terms.operation, terms.dialect),
        inflater,
        head,
        uncommitted: Vec::new(),
        uncommitted_bytes: 0,
        committed: false,
        progress: Progress::default(),
        is_metered_apart: upstream.is_metered_apart(),
    };
    let relayed = pump.run(down, &mut upstream).await;
    pump.guard.report(pump.exchange);
    pump.exchange.dispatched.dropped.extend(upstream.dropped());
    if matches!(relayed, Ok(Relay::Ended)) && pump.exchange.relayed.ending == Ending::Complete {
        upstream.finish().await;
    }
    relayed
}

impl Pump<'_> {
    async fn run(
        &mut self,
        down: &mut Downstream<'_>,
        upstream: &mut impl Source,
    ) -> std::result::Result<Relay, Stop> {
        loop {
            let waited = Instant::now();
            let step = step(down.wait(pin!(upstream.read())).await?);
            self.exchange.relayed.upstream_wait += waited.elapsed();
            let batch = match step {
                Step::Bytes(chunk) => self.batch(chunk, upstream),
                Step::End => Batch {
                    pieces: Vec::new(),
                    after: Some(Step::End),
                },
                Step::Broken(fault) => Batch {
                    pieces: Vec::new(),
                    after: Some(Step::Broken(fault)),
                },
            };
            if self.is_metered_apart {
                self.exchange.relayed.usage = upstream.usage();
            }
            if let Some(relay) = self.forward(down, batch).await? {
                return Ok(relay);
            }
        }
    }

    /// Takes what is already there along with the first chunk.
    fn batch(&mut self, first: Bytes, upstream: &mut impl Source) -> Batch {
        let mut bytes = first.len();
        let mut batch = Batch {
            pieces: vec![first],
            after: None,
        };
        while bytes < BATCH_BYTES {
            match upstream.read_now().map(step) {
                Some(Step::Bytes(chunk)) => {
                    bytes += chunk.len();
                    batch.pieces.push(chunk);
                }
                Some(after) => {
                    batch.after = Some(after);
                    break;
                }
                None => break,
            }
        }
        batch
    }

    /// Sends on what came together. `Some` ends the relay.
    async fn forward(
        &mut self,
        down: &mut Downstream<'_>,
        batch: Batch,
    ) -> std::result::Result<Option<Relay>, Stop> {
        let ended = matches!(batch.after, Some(Step::End));
        let taken = match self.events(batch.pieces, ended).await {
            // Boxed: what is rare must not make every stream's state larger.
            Ok(events) if self.guard.waits() => {
                down.wait(Box::pin(self.guarded_waiting(events, ended)).as_mut())
                    .await?
            }
            Ok(events) => self.guarded(events, ended),
            Err(fault) => Err(fault),
        };
        let bytes = match taken {
            Ok(bytes) => bytes,
            Err(fault) => return self.break_off(down, fault, Outcome::Broken).await.map(Some),
        };
        if let Some(relay) = self.send(down, bytes).await? {
            return Ok(Some(relay));
        }
        if self.committed && self.progress.done && self.progress.error.is_none() {
            (self.exchange.relayed.has_all, self.exchange.relayed.ending) = (true, Ending::Complete);
        }
        let awaits_more = self.committed && !self.progress.error_is_last && batch.after.is_none();
        if let Some(fault) = self.progress.error.take_if(|_| !awaits_more) {
            return self.end_in_error(down, fault).await.map(Some);
        }
        if let Some(fault) = &self.progress.error {
            // the caller knows: if it leaves now, the call has failed all the same
            self.exchange.fail_once(Ending::Failed, fault);
            self.exchange.dispatched.broke = Some(Outcome::ErrorEvent);
        }
        match batch.after {
            None => Ok(None),
            Some(Step::Broken(fault)) => self.break_off(down, fault, Outcome::Broken).await.map(Some),
            Some(Step::End | Step::Bytes(_)) => self.end(down).await.map(Some),
        }
    }

    /// Cuts bytes into events and notes what they say.
    async fn events(&mut self, pieces: Vec<Bytes>, ended: bool) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for piece in pieces {
            let plain = match &mut self.inflater {
                Some(inflater) => inflater.push(&piece).await.map_err(|_| unreadable())?,
                None => piece,
            };
            self.frames.push(plain);
            while let Some(frame) = self.frames.next_frame().map_err(|_| unreadable())? {
                let event = Event::read(&mut self.reader, frame).map_err(|_| unreadable())?;
                let is_error = event.view.as_ref().is_some_and(|view| view.is_error);
                if self.progress.error.is_some() && !is_error {
                    self.progress.error_is_last = true;
                    return Ok(events);
                }
                let event = match is_error {
                    true => event.with_bytes(|said| self.exchange.dispatched.scrubbed(said)),
                    false => event,
                };
                if self.note(&event) {
                    events.push(event);
                }
                if self.progress.open.len() > MOST_CHOICES {
                    return Err(unreadable());
                }
            }
        }
        if ended && let Some(inflater) = &mut self.inflater {
            let rest = inflater.finish().await.map_err(|_| unreadable())?;
            self.frames.push(rest);
        }
        Ok(events)
    }

    /// Keeps account of an event; `false` for one that the caller did not ask for.
    fn note(&mut self, event: &Event) -> bool {
        self.progress.done |= event.is_done;
        let Some(view) = &event.view else { return true };
        if self.exchange.dispatched.origin.is_some() {
            self.note_origin(event);
        }
        self.exchange.relayed.events += 1;
        self.progress.note(view);
        self.exchange.relayed.text_bytes += view
            .deltas
            .iter()
            .map(|delta| u64::from(delta.length))
            .sum::<u64>();
        if view.is_error {
            let said = event.error.as_deref().cloned().unwrap_or_default();
            self.progress.error.get_or_insert_with(|| in_band(said));
            self.progress.error_is_last |= !self.is_told_again(event);
        }
        if let Some(usage) = view.usage.as_ref().filter(|_| !self.is_metered_apart) {
            self.exchange.relayed.usage = Some(*usage);
        }
        !(self.terms.hide_usage && view.empty_choices && view.usage.is_some())
    }

    /// OpenAI says an error of Responses twice: in an event for its SDKs, and then as the response that failed, for clients
    /// that wait for a response's end.
    fn is_told_again(&self, event: &Event) -> bool {
        let is_first = event.error.is_some() && !foreign::is_failed_response(&event.data());
        is_first && self.terms.dialect == Dialect::OpenAiResponses
    }

    /// What only the account that answers knows is remembered before the caller can come back to it.
    fn note_origin(&mut self, event: &Event) {
        match self.terms.dialect {
            Dialect::OpenAiChat => self.exchange.note_seals(&foreign::seals_of_chunk(&event.data())),
            _ => self.exchange.note_seals(&event.seals),
        }
        if let Some(id) = &event.id {
            self.exchange.note_answer(id, true);
        }
    }

    /// What the response plugins let out. With the stream's end nothing may be held any more.
    fn guarded(&mut self, events: Vec<Event>, ended: bool) -> Result<Bytes> {
        let flush = ended || self.progress.done || self.progress.error.is_some();
        let mut call = self.exchange.admitted.call.take();
        let released = match &mut call {
            Some(call) => self.guard.push(call, events).and_then(|mut released| {
                released.extend(if flush {
                    self.guard.finish(call)?
                } else {
                    Vec::new()
                });
                Ok(released)
            }),
            None => Ok(events),
        };
        self.exchange.admitted.call = call;
        self.released(released?)
    }

    /// The same for a chain in which some plugin may wait.
    async fn guarded_waiting(&mut self, events: Vec<Event>, ended: bool) -> Result<Bytes> {
        let flush = ended || self.progress.done || self.progress.error.is_some();
        let released = match &mut self.exchange.admitted.call {
            Some(call) => {
                let mut released = self.guard.push_waiting(call, events).await?;
                if flush {
                    released.extend(self.guard.finish_waiting(call).await?);
                }
                released
            }
            None => events,
        };
        self.released(released)
    }

    fn released(&mut self, events: Vec<Event>) -> Result<Bytes> {
        self.committed |= events.iter().any(Event::is_content_bearing);
        joined(events)
    }

    /// Writes bytes, or keeps them while nothing may be said yet.
    async fn send(
        &mut self,
        down: &mut Downstream<'_>,
        bytes: Bytes,
    ) -> std::result::Result<Option<Relay>, Stop> {
        if !self.committed {
            self.uncommitted_bytes += bytes.len();
            if !bytes.is_empty() {
                self.uncommitted.push(bytes);
            }
            let is_full =
                self.uncommitted.len() > UNCOMMITTED_EVENTS || self.uncommitted_bytes > UNCOMMITTED_BYTES;
            self.committed = is_full;
            return if is_full {
                self.commit(down).await.map(|()| None)
            } else {
                Ok(None)
            };
        }
        self.commit(down).await?;
        if !bytes.is_empty() {
            let relayed = &mut self.exchange.relayed;
            relayed
                .first_token
                .get_or_insert_with(|| self.exchange.accepted.at.elapsed());
            down.write(bytes).await?;
        }
        Ok(None)
    }

    /// From here on the answer is this target's.
    async fn commit(&mut self, down: &mut Downstream<'_>) -> std::result::Result<(), Stop> {
        down.head(&self.head).await?;
        for bytes in std::mem::take(&mut self.uncommitted) {
            down.write(bytes).await?;
        }
        Ok(())
    }

    /// The provider closed its stream in order. Whether it had said all is another question.
    async fn end(&mut self, down: &mut Downstream<'_>) -> std::result::Result<Relay, Stop> {
        let is_cut = !self.frames.may_end();
        let is_complete = self.terms.operation.is_none() || self.progress.is_complete();
        if is_cut || !is_complete {
            return self.break_off(down, ended_early(), Outcome::Broken).await;
        }
        self.commit(down).await?;
        self.exchange.relayed.ending = Ending::Complete;
        down.end(Bytes::new()).await?;
        Ok(Relay::Ended)
    }

    /// Before the commit point another target may do it; after it the caller is told, in its stream. What is not the
    /// provider's fault is no mark against it, and would be the same elsewhere: the caller is told at once.
    async fn break_off(
        &mut self,
        down: &mut Downstream<'_>,
        fault: Box<Fault>,
        outcome: Outcome,
    ) -> std::result::Result<Relay, Stop> {
        let is_providers = fault.cause == Cause::Provider;
        if !self.committed && fault.may_try_next() {
            return Ok(Relay::NotCommitted(fault, outcome));
        }
        match (self.committed, is_providers) {
            (false, true) => return Ok(Relay::NotCommitted(fault, outcome)),
            (false, false) => {
                refuse(down, self.exchange, &fault).await?;
                return Ok(Relay::Ended);
            }
            (true, true) => self.exchange.fail(Ending::Truncated, &fault),
            (true, false) => self.exchange.fail(Ending::Refused, &fault),
        }
        self.commit(down).await?;
        let event = fault.event(self.exchange.accepted.dialect);
        down.end(event).await?;
        Ok(match (is_providers, fault.may_try_next()) {
            (true, _) => Relay::Broke(outcome),
            // the adapter's
            (false, true) => Relay::Broke(Outcome::Adapter),
            (false, false) => Relay::Ended,
        })
    }

    /// The provider's own error event is the last thing the caller sees of this stream.
    async fn end_in_error(
        &mut self,
        down: &mut Downstream<'_>,
        fault: Box<Fault>,
    ) -> std::result::Result<Relay, Stop> {
        if !self.committed {
            return Ok(Relay::NotCommitted(fault, Outcome::ErrorEvent));
        }
        self.exchange.fail_once(Ending::Failed, &fault);
        down.end(Bytes::new()).await?;
        Ok(Relay::Broke(Outcome::ErrorEvent))
    }
}

/// Bytes that came together, and what came after them.
struct Batch {
    pieces: Vec<Bytes>,
    after: Option<Step>,
}

impl Progress {
    fn note(&mut self, view: &EventView) {
        for delta in &view.deltas {
            if delta.length > 0 && !self.open.contains(&delta.choice) {
                self.open.push(delta.choice);
            }
        }
        for finish in &view.finishes {
            self.finished = true;
            self.open.retain(|choice| *choice != finish.choice);
        }
        self.last_event_at = Some(Instant::now());
    }

    /// Ended by its mark, or, as some providers do, by nothing more than every choice's end.
    fn is_complete(&self) -> bool {
        self.done || (self.finished && self.open.is_empty())
    }
}

fn step(read: std::result::Result<Option<Bytes>, Interrupted>) -> Step {
    match read {
        Ok(Some(chunk)) => Step::Bytes(chunk),
        Ok(None) => Step::End,
        Err(Interrupted::Silent) => {
            let message = "the provider fell silent in the middle of its stream";
            Step::Broken(Fault::provider(504, "upstream_idle_timeout", message))
        }
        Err(Interrupted::Broken(detail)) => Step::Broken(ended_early().with_detail(detail)),
        Err(Interrupted::Adapter { name, why }) => Step::Broken(Fault::adapter_failed(&name, &why)),
    }
}

fn joined(events: Vec<Event>) -> Result<Bytes> {
    let mut events = events.into_iter();
    let Some(first) = events.next() else {
        return Ok(Bytes::new());
    };
    let first = first.into_bytes().map_err(|_| unreadable())?;
    let Some(second) = events.next() else {
        return Ok(first);
    };
    let mut all = BytesMut::with_capacity(BATCH_BYTES);
    all.extend_from_slice(&first);
    all.extend_from_slice(&second.into_bytes().map_err(|_| unreadable())?);
    for event in events {
        all.extend_from_slice(&event.into_bytes().map_err(|_| unreadable())?);
    }
    Ok(all.freeze())
}

fn ended_early() -> Box<Fault> {
    Fault::provider(
        502,
        "upstream_truncated",
        "the provider's stream broke off; the answer is not complete",
    )
}

fn unreadable() -> Box<Fault> {
    Fault::provider(502, "upstream_invalid", "the provider's stream could not be read")
}

/// The provider's error in its own words, for the record and for the next step; the caller gets the event itself.
fn in_band(view: ErrorView) -> Box<Fault> {
    let status = in_band_status(&view);
    let said = view.message.unwrap_or_else(|| "no reason given".to_owned());
    let mut fault = Fault::provider(status, "upstream_error", format!("the provider answered: {said}"));
    fault.detail = Some("an error event in a stream".to_owned());
    fault
}
