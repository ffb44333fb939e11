//! Connections: how many there may be, how long each may take over a head, how it is reused, and what HTTP/2 may open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, header};
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::accept::proxy_protocol;
use crate::fault::Fault;
use crate::gateway::{Connection, Gateway};
use crate::state::snapshot::{Limits, Snapshot};

/// How long a connection may wait for its next request: Pingora's own keep-alive.
pub const IDLE: Duration = Duration::from_secs(60);

/// A body that nobody will read is taken in up to here, so that the caller can read the answer and the connection can
/// stay; a longer one is not worth its time.
const WORTH_DRAINING: u64 = 256 * 1024;
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// Connections over the limit that are told so at a time; a flood gets no more.
const MOST_TOLD: usize = 64;

/// How long a client that is turned away may take to send what would be in the way of its answer.
const TIME_TO_SPEAK: Duration = Duration::from_millis(100);

/// `PRI * HTTP/2.0` and what follows it (RFC 9113, 3.4). No HTTP/1.1 request is shorter.
const HTTP2_PREFACE: usize = 24;

/// HTTP/2 windows for 50 MB uploads: large enough for a fast line, small enough that a hundred streams fit in memory.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MOST_STREAMS: u32 = 256;
const LARGEST_HEADER_LIST: u32 = 64 * 1024;

/// The front of one listener.
pub struct Front {
    pub gateway: Arc<Gateway>,
    /// Every connection starts with a PROXY protocol header.
    pub proxy_protocol: bool,
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let state = &self.gateway.state;
        let limits = state.snapshot.load().limits.clone();
        let Some(held) = state.counters.connections.take(1, limits.connections) else {
            state
                .metrics
                .rejected
                .with_label_values(&["limits.connections"])
                .inc();
            // Telling costs a connection too, so only so many are told at a time; the others are just closed.
            let _telling = state.counters.turned_away.take(1, MOST_TOLD)?;
            let fault = Fault::overloaded("limits.connections", "retry in a moment");
            turn_away(&mut stream, &fault).await;
            return None;
        };
        let peer = match self.proxy_protocol {
            false => peer(&stream),
            true => {
                let header = proxy_protocol::read(&mut stream);
                let named = tokio::time::timeout(limits.header_deadline, header)
                    .await
                    .ok()?
                    .ok()?;
                named.or_else(|| peer(&stream))
            }
        };
        first_bytes(&mut stream, &limits).await?;
        let connection = Arc::new(Connection::new(self.gateway.clone(), peer, held));
        connection.process_new(stream, shutdown).await
    }
}

/// Waits for the bytes by which HTTP/1 and HTTP/2 are told apart: Pingora would wait for them without a limit.
async fn first_bytes(stream: &mut Stream, limits: &Limits) -> Option<()> {
    if stream.get_ssl_digest().is_some() {
        // the handshake has said which it is
        return Some(());
    }
    let mut preface = [0; HTTP2_PREFACE];
    match tokio::time::timeout(limits.header_deadline, stream.try_peek(&mut preface)).await {
        Ok(peeked) => peeked.ok().map(drop),
        Err(_) => {
            turn_away(stream, &too_slow()).await;
            None
        }
    }
}

/// Answers a connection that will not be served, whatever it wants. What it has sent is taken in first: a socket that is
/// closed with unread bytes is reset, and the answer with it.
async fn turn_away(stream: &mut Stream, fault: &Fault) {
    let body = fault.body();
    let retry = fault.retry_after.map_or(String::new(), |after| {
        format!("retry-after: {}\r\n", after.as_secs())
    });
    let head = format!(
        "HTTP/1.1 {} \r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n",
        fault.status,
        body.len()
    );
    let tell = async {
        let mut sent = [0; 4096];
        let _ = tokio::time::timeout(TIME_TO_SPEAK, stream.read(&mut sent)).await;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        std::io::Result::Ok(())
    };
    // A client that does not take its answer goes without.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, tell).await;
}

fn peer(stream: &Stream) -> Option<SocketAddr> {
    stream.get_socket_digest()?.peer_addr()?.as_inet().copied()
}

/// Reads the head of the next request. `None` where there is none: the client is done, too slow, or makes no sense; what
/// can still be told, it was told.
pub async fn read_head(
    session: &mut ServerSession,
    limits: &Limits,
    is_new: bool,
    shutdown: &ShutdownWatch,
) -> Option<()> {
    session.set_pipelining_enabled(true);
    let patience = limits.header_deadline + if is_new { Duration::ZERO } else { IDLE };
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        biased;
        read = tokio::time::timeout(patience, session.read_request()) => read,
        // an idle connection has nothing to lose
        _ = shutdown.wait_for(|stopping| *stopping) => return None,
    };
    match read {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return None,
        Ok(Err(error)) => {
            if matches!(error.etype(), ErrorType::InvalidHTTPHeader) {
                let message = "the head of the request is not valid HTTP";
                tell(session, &Fault::caller(400, "invalid_http", message)).await;
            }
            session.shutdown().await;
            return None;
        }
        Err(_) => {
            tell(session, &too_slow()).await;
            session.shutdown().await;
            return None;
        }
    }
    if *shutdown.borrow() {
        session.set_keepalive(None);
    }
    Some(())
}

fn too_slow() -> Box<Fault> {
    let message = "no whole head of a request came in time, `limits.header_deadline_ms`; send it faster";
    Fault::caller(408, "request_timeout", message)
}

/// Answers what is no request; the connection ends with it.
async fn tell(session: &mut ServerSession, fault: &Fault) {
    let body = fault.body();
    let head = || -> pingora_error::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(fault.status, Some(3))?;
        head.insert_header(header::CONTENT_TYPE, "application/json")?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        Ok(head)
    };
    if let Ok(head) = head() {
        // A client that is gone need not be told.
        let _ = session.write_error_response(head, body).await;
    }
}

/// Whether a browser asks if its page may call.
pub fn is_preflight(session: &ServerSession, snapshot: &Snapshot) -> bool {
    let head = session.req_header();
    let asks =
        head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let allowed = |cors| crate::relay::head::allowed_origin(cors, &head.headers).is_some();
    asks && snapshot.cors.as_ref().is_some_and(allowed)
}

/// Takes in what is left of a refused request's body, or makes this the connection's last request.
pub async fn drain(session: &mut ServerSession) {
    let length = session.get_header(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let has_body =
        length.is_some_and(|length| length > 0) || session.get_header(header::TRANSFER_ENCODING).is_some();
    let waits = session.get_header(header::EXPECT).is_some();
    let is_short = length.is_some_and(|length| length <= WORTH_DRAINING) && !waits;
    let drained = match (has_body, is_short) {
        (false, _) => true,
        (true, true) => tokio::time::timeout(DRAIN_DEADLINE, take_in(session))
            .await
            .unwrap_or(false),
        (true, false) => false,
    };
    if !drained {
        session.set_keepalive(None);
    }
}

async fn take_in(session: &mut ServerSession) -> bool {
    loop {
        match session.read_request_body().await {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

pub fn h2_options() -> H2Options {
    let mut options = H2Options::new();
    options
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LARGEST_HEADER_LIST);
    options
}
