//! Writes one answer as its controls say: in time, in pieces, encoded, or broken on purpose.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::controls::{Controls, Fault};
use crate::encode::Encoder;
use crate::errors;
use crate::received::{Ending, Log};
use crate::reply::{Script, frame, stamp};
use crate::wire::{Connection, Gone};

/// A burst is written at once up to this size.
const MAX_BURST_BYTES: usize = 256 * 1024;
const DONE: &[u8] = b"data: [DONE]\n\n";

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Keep,
    Close,
}

/// One answer on its way.
pub struct Sending<'a> {
    pub connection: &'a mut Connection,
    pub controls: &'a Controls,
    pub log: &'a Log,
    /// the request's number in the log
    pub id: u64,
    pub status: u16,
}

impl Sending<'_> {
    /// Sends a body of known length.
    pub async fn whole(&mut self, content_type: &str, body: Vec<u8>) -> Next {
        let ended = self.try_whole(content_type, body).await;
        self.settle(ended, 0)
    }

    /// Sends a stream of events, chunk by chunk.
    pub async fn stream(&mut self, script: &Script) -> Next {
        let mut events = 0;
        let ended = self.try_stream(script, &mut events).await;
        self.settle(ended, events)
    }

    fn settle(&mut self, ended: Result<Ending, Gone>, events: u64) -> Next {
        let ending = ended.unwrap_or(Ending::Disconnected);
        self.log.progressed(self.id, self.status, events, ending);
        match ending {
            Ending::Complete if self.controls.fault != Fault::CloseAfter => Next::Keep,
            _ => Next::Close,
        }
    }

    async fn try_whole(&mut self, content_type: &str, mut body: Vec<u8>) -> Result<Ending, Gone> {
        self.connection.write_bytes = self.controls.write_bytes;
        if let Some(ending) = self.before_head().await? {
            return Ok(ending);
        }
        match self.controls.fault {
            Fault::ErrorEvent => {
                body = errors::body("The mock broke on purpose.", "server_error", None, None);
            }
            Fault::Garbage => body = b"<html>this is not JSON</html>".to_vec(),
            Fault::Truncated => body.truncate(body.len() / 2),
            _ => {}
        }
        let mut encoder = Encoder::new(self.controls.encoding);
        if !encoder.is_plain() {
            body = encoder.last(&body).await?;
        }
        let mut out = self.head(content_type, Some(body.len()));
        let breaks = matches!(
            self.controls.fault,
            Fault::ResetMid | Fault::CloseMid | Fault::HangMid
        );
        out.extend_from_slice(if breaks { &body[..body.len() / 2] } else { &body });
        self.connection.write(&out).await?;
        match breaks {
            true => self.break_off(0).await,
            false => Ok(self.well_or_faulted()),
        }
    }

    async fn try_stream(&mut self, script: &Script, events: &mut u64) -> Result<Ending, Gone> {
        self.connection.write_bytes = self.controls.write_bytes;
        if let Some(ending) = self.before_head().await? {
            return Ok(ending);
        }
        let mut body = Chunks {
            encoder: Encoder::new(self.controls.encoding),
            out: self.head("text/event-stream", None),
        };
        for event in &script.opening {
            self.event(&mut body, event).await?;
        }
        let started = Instant::now();
        let fault_at = self.controls.fault_after.unwrap_or(script.total / 2) as u64;
        while *events < script.total as u64 {
            if *events == fault_at && self.breaks_in_the_middle() {
                return self.break_stream(&mut body, *events).await;
            }
            if !self.controls.event_delay.is_zero() {
                self.log
                    .progressed(self.id, self.status, *events, Ending::Answering);
                let pace = self
                    .controls
                    .event_delay
                    .saturating_mul(u32::try_from(*events + 1).unwrap_or(u32::MAX));
                self.connection.wait_until(started + pace).await?;
            }
            let event = &script.content[*events as usize % script.content.len()];
            self.event(&mut body, event).await?;
            *events += 1;
        }
        if self.breaks_in_the_middle() {
            return self.break_stream(&mut body, *events).await;
        }
        for event in &script.closing {
            self.event(&mut body, event).await?;
        }
        if self.controls.fault != Fault::NoDone {
            body.add(DONE).await?;
        }
        body.end().await?;
        self.connection.write(&body.out).await?;
        Ok(self.well_or_faulted())
    }

    /// Waits as asked; an ending if there will be no head.
    async fn before_head(&mut self) -> Result<Option<Ending>, Gone> {
        if !self.controls.delay.is_zero() {
            self.connection
                .wait_until(Instant::now() + self.controls.delay)
                .await?;
        }
        match self.controls.fault {
            Fault::Hang => Err(self.connection.wait_for_leave().await),
            Fault::ResetHead => {
                self.connection.reset_on_close();
                Ok(Some(Ending::Faulted))
            }
            Fault::CloseHead => Ok(Some(Ending::Faulted)),
            _ => Ok(None),
        }
    }

    async fn event(&mut self, body: &mut Chunks, frame: &[u8]) -> Result<(), Gone> {
        match self.controls.stamp {
            true => {
                let mut stamped = Vec::with_capacity(frame.len() + 32);
                stamp(frame, now_us(), &mut stamped);
                body.add(&stamped).await?;
            }
            false => body.add(frame).await?,
        }
        if !self.controls.burst || body.out.len() >= MAX_BURST_BYTES {
            self.connection.write(&body.out).await?;
            body.out.clear();
        }
        Ok(())
    }

    fn breaks_in_the_middle(&self) -> bool {
        use Fault::*;
        matches!(
            self.controls.fault,
            ResetMid | CloseMid | HangMid | Truncated | ErrorEvent | Garbage
        )
    }

    async fn break_stream(&mut self, body: &mut Chunks, events: u64) -> Result<Ending, Gone> {
        let last = match self.controls.fault {
            Fault::ErrorEvent => errors::body("The mock broke on purpose.", "server_error", None, None),
            Fault::Garbage => b"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"cut".to_vec(),
            Fault::Truncated => Vec::new(),
            _ => {
                self.connection.write(&body.out).await?;
                return self.break_off(events).await;
            }
        };
        if !last.is_empty() {
            body.add(&frame(&String::from_utf8_lossy(&last))).await?;
        }
        body.end().await?;
        self.connection.write(&body.out).await?;
        Ok(Ending::Faulted)
    }

    /// Leaves the framing open.
    async fn break_off(&mut self, events: u64) -> Result<Ending, Gone> {
        match self.controls.fault {
            Fault::HangMid => {
                self.log
                    .progressed(self.id, self.status, events, Ending::Answering);
                Err(self.connection.wait_for_leave().await)
            }
            Fault::ResetMid => {
                // An RST that overtakes the bytes before it would make the peer lose them, and the test its middle.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                self.connection.reset_on_close();
                Ok(Ending::Faulted)
            }
            _ => Ok(Ending::Faulted),
        }
    }

    fn well_or_faulted(&self) -> Ending {
        match self.controls.fault {
            Fault::None | Fault::CloseAfter => Ending::Complete,
            _ => Ending::Faulted,
        }
    }

    fn head(&self, content_type: &str, length: Option<usize>) -> Vec<u8> {
        use std::io::Write;
        let mut head = Vec::with_capacity(1024);
        let (status, reason) = (self.status, reason(self.status));
        let _ = write!(
            head,
            "HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\n"
        );
        let _ = write!(
            head,
            "x-request-id: req_mock_{}\r\nopenai-processing-ms: 1\r\n",
            self.id
        );
        if let Some(after) = &self.controls.retry_after
            && status != 200
        {
            let _ = write!(head, "retry-after: {after}\r\n");
        }
        if let Some(encoding) = self.controls.encoding {
            let _ = write!(head, "content-encoding: {}\r\n", encoding.name());
        }
        let _ = match length {
            Some(length) => write!(head, "content-length: {length}\r\n\r\n"),
            None => write!(
                head,
                "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
            ),
        };
        head
    }
}

/// A chunked body in the making; `out` is what is not written yet.
struct Chunks {
    encoder: Encoder,
    out: Vec<u8>,
}

impl Chunks {
    async fn add(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match self.encoder.is_plain() {
            true => self.chunk(bytes),
            false => {
                let encoded = self.encoder.piece(bytes).await?;
                self.chunk(&encoded);
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Gone> {
        let trailer = self.encoder.last(b"").await?;
        self.chunk(&trailer);
        self.out.extend_from_slice(b"0\r\n\r\n");
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) {
        // An empty chunk would be the end of the body.
        if !bytes.is_empty() {
            self.out
                .extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            self.out.extend_from_slice(bytes);
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Mock",
    }
}
