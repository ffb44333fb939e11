//! An answer that is not streamed: read whole and bounded, shown to the response plugins, then written at once. A body
//! that broke off is never passed on.

use std::pin::pin;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header;
use penstock_llm::model::Dialect;
use penstock_llm::openai::{Answer, ErrorView, Operation};

use crate::exchange::{Ending, Exchange, Outcome, Stored, Terms};
use crate::fault::{Cause, Fault, in_band_status};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::event::usage_in;
use crate::relay::guard;
use crate::relay::stream::Relay;
use crate::state::answer::{Head, Interrupted, Source};
use crate::state::counters::Counters;
use crate::state::inflate::{self, Refused};

/// Relays one whole answer.
pub async fn relay(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    mut upstream: impl Source,
    head: Head,
    terms: Terms,
    counters: &Counters,
) -> std::result::Result<Relay, Stop> {
    let waited = Instant::now();
    let body = down
        .wait(pin!(read(&mut upstream, exchange, terms, counters)))
        .await?;
    exchange.relayed.upstream_wait += waited.elapsed();
    exchange.relayed.usage = upstream.usage();
    let is_metered = upstream.is_metered_apart();
    exchange.dispatched.dropped.extend(upstream.dropped());
    upstream.finish().await;
    let parsed = body.and_then(|body| match terms.operation {
        Some(operation) => parse(body, operation, terms.dialect, exchange.accepted.stored.is_some()),
        None if head.status >= 400 => Ok(Body::Unread(exchange.dispatched.scrubbed(body))),
        None => Ok(Body::Unread(body)),
    });
    let guarded = match parsed {
        Ok(Body::Read(answer)) => {
            if !is_metered {
                exchange.relayed.usage = answer.usage().filter(|_| !is_pending(&answer, terms.dialect));
            }
            if exchange.dispatched.origin.is_some() {
                exchange.note_seals(&answer.seals());
                exchange.note_answer(&answer.id().unwrap_or_default(), exchange.relayed.usage.is_some());
            }
            exchange.relayed.text_bytes = answer.segments().iter().map(|text| u64::from(text.length)).sum();
            let guarded = guard::whole(down, exchange, answer).await?;
            guarded.map(|answer| answer.bytes().clone())
        }
        Ok(Body::Unread(body)) => unread(down, exchange, body).await?,
        Err((fault, outcome)) if fault.cause == Cause::Provider || fault.may_try_next() => {
            return Ok(Relay::NotCommitted(fault, outcome));
        }
        // The gateway had no room for it: no mark against the provider.
        Err((fault, _)) => Err(fault),
    };
    match guarded {
        Ok(body) => write(down, exchange, head, body).await?,
        Err(fault) => refuse(down, exchange, &fault).await?,
    }
    Ok(Relay::Ended)
}

/// A body whose dialect is read, or not.
#[expect(
    clippy::large_enum_variant,
    reason = "one on the stack at a time; boxing would allocate for every answer"
)]
enum Body {
    Read(Answer),
    Unread(Bytes),
}

/// What is not read is metered where its usage stands as OpenAI's does, and guarded where it is text.
async fn unread(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    body: Bytes,
) -> std::result::Result<crate::fault::Result<Bytes>, Stop> {
    // a batch is counted where it is known to be over
    if exchange.accepted.stored.as_ref().is_none_or(Stored::is_answer) {
        exchange.relayed.usage = exchange.relayed.usage.or_else(|| usage_in(&body));
    }
    match String::from_utf8(body.to_vec()) {
        Ok(text) => Ok(guard::text(down, exchange, text).await?.map(Bytes::from)),
        Err(_) => Ok(Ok(body)),
    }
}

type Checked<T> = std::result::Result<T, (Box<Fault>, Outcome)>;

/// The whole body, decompressed. Its memory counts with the requests' bodies.
async fn read(
    upstream: &mut impl Source,
    exchange: &mut Exchange,
    terms: Terms,
    counters: &Counters,
) -> Checked<Bytes> {
    let broken = |fault| (fault, Outcome::Broken);
    let limit = exchange.snapshot.limits.body_memory_bytes;
    let no_memory = || broken(no_memory());
    let mut held = counters.body_memory.take(0, limit).ok_or_else(no_memory)?;
    let mut pieces = Pieces::default();
    while let Some(piece) = upstream
        .read()
        .await
        .map_err(|error| broken(interrupted(error)))?
    {
        if pieces.length + piece.len() > terms.most_bytes {
            return Err(broken(too_large(terms.most_bytes)));
        }
        held.grow(piece.len(), limit)
            .then_some(())
            .ok_or_else(no_memory)?;
        pieces.push(piece);
    }
    exchange.accepted.held.push(held);
    let coding = upstream
        .headers()
        .get(header::CONTENT_ENCODING)
        .and_then(|coding| coding.to_str().ok());
    inflate::whole(coding.unwrap_or(""), pieces.joined(), terms.most_bytes)
        .await
        .map_err(|refused| {
            broken(match refused {
                Refused::TooLarge => too_large(terms.most_bytes),
                Refused::Unknown | Refused::Corrupt => unreadable(),
            })
        })
}

/// A body in pieces; one piece, the usual case, is not copied.
#[derive(Default)]
struct Pieces {
    first: Option<Bytes>,
    rest: BytesMut,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        match &self.first {
            None => self.first = Some(piece),
            Some(first) => {
                if self.rest.is_empty() {
                    self.rest.extend_from_slice(first);
                }
                self.rest.extend_from_slice(&piece);
            }
        }
    }

    fn joined(self) -> Bytes {
        if self.rest.is_empty() {
            self.first.unwrap_or_default()
        } else {
            self.rest.freeze()
        }
    }
}

/// An answer is one JSON object, and no error in disguise (PAIN C03), unless it `failed_before` and is looked at again.
fn parse(body: Bytes, operation: Operation, dialect: Dialect, failed_before: bool) -> Checked<Body> {
    let answer = match dialect {
        Dialect::OpenAiChat => Answer::read(operation, body),
        other => Answer::read_in(other, body),
    };
    let answer = answer.map_err(|_| (unreadable(), Outcome::Broken))?;
    match answer.error() {
        None => Ok(Body::Read(answer)),
        Some(_) if failed_before => Ok(Body::Unread(answer.bytes().clone())),
        Some(error) => Err((error_in_answer(error), Outcome::ErrorEvent)),
    }
}

/// A response that is still being made has not said the last word about its usage.
fn is_pending(answer: &Answer, dialect: Dialect) -> bool {
    let status = (dialect == Dialect::OpenAiResponses).then(|| answer.pointer("/status"));
    matches!(status.flatten(), Some(br#""queued""# | br#""in_progress""#))
}

fn error_in_answer(error: ErrorView) -> Box<Fault> {
    let status = in_band_status(&error);
    let said = error.message.unwrap_or_else(|| "no reason given".to_owned());
    Fault::provider(status, "upstream_error", format!("the provider answered: {said}"))
}

async fn write(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    mut head: Head,
    body: Bytes,
) -> std::result::Result<(), Stop> {
    head.length = Some(body.len() as u64);
    exchange.relayed.ending = Ending::Complete;
    down.head(&head).await?;
    down.end(body).await
}

/// Writes an error: as an answer of its own, or, where a stream has begun, as its last event.
pub async fn refuse(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    fault: &Fault,
) -> std::result::Result<(), Stop> {
    let ending = match fault.cause {
        Cause::Provider => Ending::Failed,
        _ => Ending::Refused,
    };
    exchange.fail(ending, fault);
    if down.is_head_out() {
        return down.end(fault.event(exchange.accepted.dialect)).await;
    }
    let body = fault.body(exchange.accepted.dialect);
    let head = Head::of_fault(fault, body.len() as u64);
    down.head(&head).await?;
    down.end(body).await
}

pub(super) fn interrupted(error: Interrupted) -> Box<Fault> {
    match error {
        Interrupted::Silent => Fault::provider(
            504,
            "upstream_idle_timeout",
            "the provider fell silent in the middle of its answer",
        ),
        Interrupted::Broken(detail) => {
            Fault::provider(502, "upstream_truncated", "the provider's answer broke off").with_detail(detail)
        }
        Interrupted::Adapter { name, why } => Fault::adapter_failed(&name, &why),
    }
}

pub(super) fn too_large(most_bytes: usize) -> Box<Fault> {
    let message = format!("the provider's answer is over {most_bytes} bytes, `limits.decompressed_bytes`");
    Fault::provider(502, "upstream_too_large", message).final_here()
}

pub(super) fn no_memory() -> Box<Fault> {
    Fault::overloaded("limits.body_memory_bytes", "retry in a moment")
}

pub(super) fn unreadable() -> Box<Fault> {
    Fault::provider(502, "upstream_invalid", "the provider's answer could not be read")
}
