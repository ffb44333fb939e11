//! The request's body, whole and bounded: in size, in time, and in what all bodies together may hold.

use bytes::{Bytes, BytesMut};
use http::header;
use pingora_core::protocols::http::ServerSession;

use crate::exchange::Exchange;
use crate::fault::{Fault, Result};
use crate::state::counters::{Counters, Held};
use crate::state::inflate::{self, Refused};
use crate::state::snapshot::Limits;

/// Room for a body whose length is not known yet.
const FIRST_ROOM: usize = 16 * 1024;

/// Reads the body of a request. The memory it takes is held until the exchange ends.
pub async fn read(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    counters: &Counters,
) -> Result<Bytes> {
    let most = Most {
        bytes: exchange.snapshot.limits.body_bytes,
        setting: "limits.body_bytes",
    };
    read_within(session, exchange, counters, most).await
}

/// How large a body may be, and what an operator calls that limit.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub bytes: usize,
    pub setting: &'static str,
}

/// The same where another limit goes for the body's length.
pub async fn read_within(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    counters: &Counters,
    most: Most,
) -> Result<Bytes> {
    let snapshot = exchange.snapshot.clone();
    let limits = &snapshot.limits;
    let collected = collect(session, exchange, (limits, most), counters);
    let body = match tokio::time::timeout(limits.body_deadline, collected).await {
        Ok(body) => body?,
        Err(_) => return Err(too_slow(limits)),
    };
    exchange.accepted.body_bytes = body.len() as u64;
    decoded(session, body, most).await
}

async fn collect(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    (limits, most): (&Limits, Most),
    counters: &Counters,
) -> Result<Bytes> {
    let declared = declared_length(session)?;
    if declared.is_some_and(|length| length > most.bytes as u64) {
        return Err(too_large(most));
    }
    let expected = declared.map_or(FIRST_ROOM, |length| usize::try_from(length).unwrap_or(most.bytes));
    let mut held = counters
        .body_memory
        .take(expected, limits.body_memory_bytes)
        .ok_or_else(no_memory)?;
    if session.get_header(header::EXPECT).is_some() {
        session
            .write_continue_response()
            .await
            .map_err(|error| broken(&error))?;
    }
    let first = session
        .read_request_body()
        .await
        .map_err(|error| broken(&error))?
        .unwrap_or_default();
    let whole = if declared == Some(first.len() as u64) {
        first
    } else {
        rest(session, first, expected, (limits, most), &mut held).await?
    };
    exchange.accepted.held.push(held);
    Ok(whole)
}

async fn rest(
    session: &mut ServerSession,
    first: Bytes,
    expected: usize,
    (limits, most): (&Limits, Most),
    held: &mut Held,
) -> Result<Bytes> {
    let mut reserved = expected;
    let mut body = BytesMut::with_capacity(expected.min(FIRST_ROOM));
    let mut next = Some(first);
    while let Some(chunk) = next {
        let length = body.len() + chunk.len();
        if length > most.bytes {
            return Err(too_large(most));
        }
        if length > reserved {
            let more = length - reserved;
            reserved = length;
            held.grow(more, limits.body_memory_bytes)
                .then_some(())
                .ok_or_else(no_memory)?;
        }
        body.extend_from_slice(&chunk);
        next = session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?;
    }
    Ok(body.freeze())
}

/// `Content-Length`, if there is one. Anything but one plain number could be read differently by the next reader.
fn declared_length(session: &ServerSession) -> Result<Option<u64>> {
    let Some(value) = session.get_header(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let digits = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| Fault::caller(400, "invalid_content_length", "Content-Length must be one number"))
}

/// A body that came compressed, as it was before; the limit holds for what comes out.
async fn decoded(session: &ServerSession, body: Bytes, most: Most) -> Result<Bytes> {
    let Some(coding) = session.get_header(header::CONTENT_ENCODING) else {
        return Ok(body);
    };
    let coding = coding.to_str().unwrap_or("?");
    inflate::whole(coding, body, most.bytes)
        .await
        .map_err(|refused| match refused {
            Refused::TooLarge => too_large(most),
            Refused::Unknown => {
                let message = "Content-Encoding must be gzip, deflate, br, zstd or absent";
                Fault::caller(415, "unsupported_content_encoding", message)
            }
            Refused::Corrupt => {
                let message = "the body is not what its Content-Encoding says";
                Fault::caller(400, "invalid_content_encoding", message)
            }
        })
}

fn too_large(most: Most) -> Box<Fault> {
    let Most { bytes, setting } = most;
    let message = format!(
        "the body is over {bytes} bytes, this gateway's limit `{setting}`; send less or have it raised"
    );
    Fault::caller(413, "request_too_large", message)
}

fn too_slow(limits: &Limits) -> Box<Fault> {
    let seconds = limits.body_deadline.as_secs();
    Fault::caller(
        408,
        "request_timeout",
        format!("the body was not complete after {seconds} s; send it faster"),
    )
}

fn no_memory() -> Box<Fault> {
    Fault::overloaded("limits.body_memory_bytes", "retry in a moment")
}

fn broken(error: &pingora_error::Error) -> Box<Fault> {
    Fault::caller(
        400,
        "invalid_body",
        "the body broke off or its framing is not valid",
    )
    .with_detail(error)
}
