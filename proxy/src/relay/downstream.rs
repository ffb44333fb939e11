//! The caller's side of an answer: its head, its pieces, keep-alives in silences, and whether the caller is still there.
//! What the pieces say is not its business.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use penstock_llm::model::Dialect;
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;

use crate::fault::spoken::keep_alive;
use crate::relay::head::Ours;
use crate::state::answer::Head;
use crate::state::idempotency::Recording;

/// A caller that takes nothing for this long is gone; longer than any pause of a live one, shorter than forever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A call without a limit of its own: nothing is forever.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why an answer cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The caller has left, or takes nothing any more.
    CallerLeft,
    /// The call's total time is over; the caller can still be told.
    OutOfTime,
}

/// Where an answer goes.
pub struct Downstream<'s> {
    session: &'s mut ServerSession,
    /// Of a streaming caller; others get no keep-alives.
    keep_alive: Option<Duration>,
    /// What the caller speaks.
    dialect: Dialect,
    /// Sent with every head.
    ours: Ours,
    /// A repeat of this call may want the same answer.
    recording: Option<Arc<Recording>>,
    /// When the call has to be over.
    deadline: Instant,
    /// What the caller was told, once it was.
    status: Option<u16>,
    /// The caller left, but others read the recording.
    alone: bool,
    bytes_out: u64,
    first_byte_at: Option<Instant>,
}

impl<'s> Downstream<'s> {
    pub fn new(session: &'s mut ServerSession, ours: Ours, dialect: Dialect) -> Self {
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        Self {
            session,
            keep_alive: None,
            dialect,
            ours,
            recording: None,
            deadline: Instant::now() + LONGEST,
            status: None,
            alone: false,
            bytes_out: 0,
            first_byte_at: None,
        }
    }

    /// For a streaming caller: what it hears in silences, and when it has to be over.
    pub fn keep_alive(&mut self, interval: Option<Duration>) {
        self.keep_alive = interval;
    }

    pub fn finish_by(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// From here on everything that is written is also kept for repeats of this call.
    pub fn record_into(&mut self, recording: Arc<Recording>) {
        self.recording = Some(recording);
    }

    pub fn is_head_out(&self) -> bool {
        self.status.is_some()
    }

    pub fn status(&self) -> Option<u16> {
        self.status
    }

    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte_at
    }

    /// Waits for `work`, keeping the caller's connection warm and watching whether the caller is still there. It is taken
    /// where it is: by value it would stand twice in the state of the connection.
    pub async fn wait<F: Future>(&mut self, mut work: Pin<&mut F>) -> Result<F::Output, Stop> {
        loop {
            let patience = self.patience();
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = gone(self.session, self.alone) => self.lost()?,
                () = tokio::time::sleep(patience) => self.grow_impatient().await?,
            }
        }
    }

    /// Until the next keep-alive is due or the call has to be over.
    fn patience(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.keep_alive.map_or(left, |interval| interval.min(left))
    }

    async fn grow_impatient(&mut self) -> Result<(), Stop> {
        if Instant::now() >= self.deadline {
            return Err(Stop::OutOfTime);
        }
        self.keep_warm().await
    }

    /// Writes the head of an answer. Later ones are ignored: a keep-alive may have sent one before the provider did.
    pub async fn head(&mut self, head: &Head) -> Result<(), Stop> {
        if self.is_head_out() {
            return Ok(());
        }
        self.status = Some(head.status);
        self.first_byte_at = Some(Instant::now());
        if let Some(recording) = &self.recording {
            recording.head(head.clone());
        }
        let version = self.session.req_header().version;
        let Some(wire) = head.to_wire(&self.ours, version) else {
            return Err(Stop::CallerLeft);
        };
        self.send_head(wire).await
    }

    async fn send_head(&mut self, wire: ResponseHeader) -> Result<(), Stop> {
        if self.alone {
            return Ok(());
        }
        let written = self.session.write_response_header(Box::new(wire)).await;
        written.or_else(|_| self.lost())
    }

    /// Writes a piece of the body as soon as it is there.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Stop> {
        self.send(piece, false).await
    }

    /// Writes the last piece, which may be empty.
    pub async fn end(&mut self, piece: Bytes) -> Result<(), Stop> {
        self.send(piece, true).await
    }

    async fn send(&mut self, piece: Bytes, end: bool) -> Result<(), Stop> {
        self.bytes_out += piece.len() as u64;
        if let Some(recording) = &self.recording {
            recording.piece(piece.clone());
        }
        if self.alone {
            return Ok(());
        }
        let written = self.session.write_response_body(piece, end).await;
        written.or_else(|_| self.lost())
    }

    async fn keep_warm(&mut self) -> Result<(), Stop> {
        self.head(&Head::event_stream(self.dialect)).await?;
        if self.alone {
            return Ok(());
        }
        let sign = keep_alive(self.dialect);
        self.bytes_out += sign.len() as u64;
        let written = self.session.write_response_body(sign, false).await;
        written.or_else(|_| self.lost())
    }

    /// The caller is gone. If a repeat of its call is waiting for the answer, the work goes on for that one.
    fn lost(&mut self) -> Result<(), Stop> {
        self.alone = self
            .recording
            .as_ref()
            .is_some_and(|recording| recording.has_readers());
        if self.alone { Ok(()) } else { Err(Stop::CallerLeft) }
    }
}

/// Resolves when the caller has closed its side. Safe to drop: it takes no byte.
async fn gone(session: &mut ServerSession, alone: bool) {
    if alone {
        return std::future::pending().await;
    }
    // What comes on a finished request is the next one, pipelined; only an error or the end means that the caller left.
    let _ = session.read_body_or_idle(true).await;
}
