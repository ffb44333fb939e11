//! Connections: how many there may be, how long each may take over a head, how it is reused, and what HTTP/2 may open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::BytesMut;
use http::{Method, header};
use penstock_llm::model::Dialect;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::server::ReusableHttpStream;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::protocols::tls::TlsRef;
use pingora_core::server::ShutdownWatch;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::accept::{head, proxy_protocol};
use crate::exchange::TurnedAway;
use crate::fault::{Fault, Result};
use crate::gateway::{Connection, Gateway};
use crate::state::counters::Held;
use crate::state::snapshot::{Limits, Snapshot};
use crate::state::{State, clock};

/// How long a connection may wait for its next request.
pub const IDLE: Duration = Duration::from_secs(60);

/// Room for the first read of a head, as Pingora makes it.
const FIRST_READ: usize = 4096;

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
    /// What the certificates of clients are checked with, where they must show one.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let began = Instant::now();
        let mut from = peer(&stream);
        match self.admit(&mut stream, &mut from).await {
            Ok(held) => {
                let connection = Arc::new(Connection::new(self.gateway.clone(), from, held));
                connection.process_new(stream, shutdown).await
            }
            Err(NoRequest::Done) => None,
            Err(NoRequest::Refused { fault, is_told }) => {
                let state = &self.gateway.state;
                let mut away = turned_away(state, from, began, fault);
                // Telling costs a connection too, so only so many are told at a time; the others are just closed.
                let telling = state.counters.turned_away.take(1, MOST_TOLD);
                if is_told && telling.is_some() {
                    // Boxed: what is rare must not make every connection's state larger.
                    Box::pin(turn_away(&mut stream, &mut away)).await;
                }
                self.gateway.turned_away(&away);
                None
            }
        }
    }
}

impl Front {
    /// Lets a connection in that is not one too many, says who is at its other end, and waits for its first bytes.
    async fn admit(
        &self,
        stream: &mut Stream,
        from: &mut Option<SocketAddr>,
    ) -> std::result::Result<Held, NoRequest> {
        let state = &self.gateway.state;
        let limits = state.snapshot.load().limits.clone();
        let held = state.counters.connections.take(1, limits.connections);
        let over = || Fault::overloaded("limits.connections", "retry in a moment");
        let held = held.ok_or_else(|| NoRequest::told(over()))?;
        if self.proxy_protocol
            && let Some(named) = named_client(stream, &limits).await?
        {
            *from = Some(named);
        }
        self.check_certificate(stream)?;
        first_bytes(stream, &limits).await?;
        Ok(held)
    }

    /// Checks the client's certificate against the authorities of the moment. The handshake has done so, too, unless it
    /// resumed a session: then it took over what another handshake had found, under authorities that may be gone since.
    fn check_certificate(&self, stream: &Stream) -> std::result::Result<(), NoRequest> {
        let Some(verifier) = &self.clients else {
            return Ok(());
        };
        let shown = stream.get_ssl().and_then(TlsRef::peer_cert_chain_der);
        let checked = shown
            .and_then(<[_]>::split_first)
            .map(|(own, issuers)| verifier.verify_client_cert(own, issuers, UnixTime::now()).is_ok());
        if checked == Some(true) {
            return Ok(());
        }
        let message = "the client's certificate is not trusted here any more";
        Err(NoRequest::Refused {
            fault: Fault::caller(403, "client_certificate_refused", message),
            is_told: false,
        })
    }
}

/// Why a connection gives no request.
enum NoRequest {
    /// It is over before it began.
    Done,
    Refused {
        fault: Box<Fault>,
        /// Or just closed.
        is_told: bool,
    },
}

impl NoRequest {
    fn told(fault: Box<Fault>) -> Self {
        Self::Refused { fault, is_told: true }
    }
}

/// The client that a balancer names; `None` where it speaks for itself. Who does not begin with a balancer's header is not
/// spoken to.
async fn named_client(
    stream: &mut Stream,
    limits: &Limits,
) -> std::result::Result<Option<SocketAddr>, NoRequest> {
    let read = tokio::time::timeout(limits.header_deadline, proxy_protocol::read(stream)).await;
    let fault = match read {
        Ok(Ok(named)) => return Ok(named),
        // looking whether somebody listens is no attempt to say something
        Ok(Err(error)) if error.kind() != io::ErrorKind::InvalidData => return Err(NoRequest::Done),
        Ok(Err(_)) => {
            let message = "the connection did not begin with a PROXY protocol header";
            Fault::caller(400, "invalid_proxy_header", message)
        }
        Err(_) => too_slow(),
    };
    Err(NoRequest::Refused {
        fault,
        is_told: false,
    })
}

/// Waits for the bytes by which HTTP/1 and HTTP/2 are told apart: Pingora would wait for them without a limit.
async fn first_bytes(stream: &mut Stream, limits: &Limits) -> std::result::Result<(), NoRequest> {
    if stream.get_ssl_digest().is_some() {
        // the handshake has said which it is
        return Ok(());
    }
    let mut preface = [0; HTTP2_PREFACE];
    match tokio::time::timeout(limits.header_deadline, stream.try_peek(&mut preface)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) if preface[0] == 0 => Err(NoRequest::Done),
        Ok(Err(_)) => Err(NoRequest::told(broken_off())),
        Err(_) => Err(NoRequest::told(too_slow())),
    }
}

fn turned_away(state: &State, from: Option<SocketAddr>, began: Instant, fault: Box<Fault>) -> TurnedAway {
    TurnedAway {
        id: head::request_id(),
        at: began,
        at_ms: clock::now_ms(),
        generation: state.snapshot.load().generation,
        client: from.map(|from| from.ip()),
        fault,
        status: 0,
        bytes_out: 0,
    }
}

/// Answers a connection that will not be served, whatever it wants. What it has sent is taken in first: a socket that is
/// closed with unread bytes is reset, and the answer with it.
async fn turn_away(stream: &mut Stream, away: &mut TurnedAway) {
    let (fault, body) = (&away.fault, away.fault.body(Dialect::OpenAiChat));
    let retry = fault.retry_after.map_or(String::new(), |after| {
        format!("retry-after: {}\r\n", after.as_secs())
    });
    let head = format!(
        "HTTP/1.1 {} \r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}x-request-id: {}\r\nx-penstock-generation: {}\r\nconnection: close\r\n\r\n",
        fault.status,
        body.len(),
        away.id,
        away.generation,
    );
    let tell = async {
        let mut sent = [0; 4096];
        let _ = tokio::time::timeout(TIME_TO_SPEAK, stream.read(&mut sent)).await;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        io::Result::Ok(())
    };
    // A client that does not take its answer goes without.
    if let Ok(Ok(())) = tokio::time::timeout(DRAIN_DEADLINE, tell).await {
        (away.status, away.bytes_out) = (fault.status, body.len() as u64);
    }
}

fn peer(stream: &Stream) -> Option<SocketAddr> {
    stream.get_socket_digest()?.peer_addr()?.as_inet().copied()
}

/// Waits for the first bytes of a connection's next request, and gives them with the connection. `None` where there is
/// none: the client is done, has been silent for too long, or the process stops.
pub async fn next_request(
    connection: ReusableHttpStream,
    shutdown: &ShutdownWatch,
) -> Option<(Stream, BytesMut)> {
    let (mut stream, early) = connection.into_parts();
    if let Some(early) = early.filter(|early| !early.is_empty()) {
        return Some((stream, early));
    }
    let mut first = BytesMut::with_capacity(FIRST_READ);
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        biased;
        read = tokio::time::timeout(IDLE, stream.read_buf(&mut first)) => read,
        // an idle connection has nothing to lose
        _ = shutdown.wait_for(|stopping| *stopping) => return None,
    };
    matches!(read, Ok(Ok(1..))).then_some((stream, first))
}

/// Reads the head of a request. `false` where none comes: the client, or the process, is done. An error says what is
/// wrong with what came instead, or did not come; the connection ends with it.
pub async fn read_head(
    session: &mut ServerSession,
    limits: &Limits,
    shutdown: &ShutdownWatch,
) -> Result<bool> {
    session.set_pipelining_enabled(true);
    // no other limit than ours
    session.set_keepalive(Some(0));
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        biased;
        read = tokio::time::timeout(limits.header_deadline, session.read_request()) => read,
        _ = shutdown.wait_for(|stopping| *stopping) => return Ok(false),
    };
    let has_head = match read {
        Ok(Ok(has_head)) => has_head,
        Ok(Err(error)) => return Err(no_head(&error)),
        Err(_) => return Err(too_slow()),
    };
    if *shutdown.borrow() {
        session.set_keepalive(None);
    }
    Ok(has_head)
}

fn no_head(error: &pingora_error::Error) -> Box<Fault> {
    match error.etype() {
        ErrorType::ConnectionClosed | ErrorType::ReadError => broken_off(),
        ErrorType::ReadTimedout => too_slow(),
        _ => {
            let message = "the head of the request is not valid HTTP";
            Fault::caller(400, "invalid_http", message)
        }
    }
}

fn broken_off() -> Box<Fault> {
    let message = "the connection broke off within the head of a request";
    Fault::caller(400, "incomplete_http", message)
}

fn too_slow() -> Box<Fault> {
    let message = "no whole head of a request came in time, `limits.header_deadline_ms`; send it faster";
    Fault::caller(408, "request_timeout", message)
}

/// Answers what is no request; the connection ends with it.
pub async fn refuse_head(
    session: &mut ServerSession,
    state: &State,
    from: Option<SocketAddr>,
    began: Instant,
    fault: Box<Fault>,
) -> TurnedAway {
    let mut away = turned_away(state, from, began, fault);
    let body = away.fault.body(Dialect::OpenAiChat);
    let head = || -> pingora_error::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(away.fault.status, Some(5))?;
        head.insert_header(header::CONTENT_TYPE, "application/json")?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        head.insert_header("x-request-id", &*away.id)?;
        head.insert_header("x-penstock-generation", away.generation)?;
        Ok(head)
    };
    if let Ok(head) = head() {
        let length = body.len() as u64;
        let telling = tokio::time::timeout(DRAIN_DEADLINE, session.write_error_response(head, body));
        // A client that is gone need not be told.
        if let Ok(Ok(())) = telling.await {
            (away.status, away.bytes_out) = (away.fault.status, length);
        }
    }
    session.shutdown().await;
    away
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
