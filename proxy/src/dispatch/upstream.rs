//! The wire to a provider: Pingora's connection pools, one write per HTTP/1.1 request, HTTP/2 where it is wanted, and an
//! answer to read from. Which provider, and what a status means, is decided elsewhere.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Method};
use moka::sync::Cache;
use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_error::{Error, ErrorType, OrErr};
use pingora_http::RequestHeader;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::dispatch::egress::Tunnel;
use crate::dispatch::names::Names;
use crate::dispatch::outgoing::{Outgoing, authority};
use crate::dispatch::trust::Trusts;
use crate::dispatch::watch::{Wait, Watched};
use crate::fault::{Fault, Result};
use crate::state::answer::{Interrupted, Source};
use crate::state::snapshot::{Provider, Timeouts};

/// Idle connections kept per worker, over all providers.
const POOL: usize = 512;

/// How long an idle connection is kept: under the minute after which most servers and load balancers close it.
const IDLE: Duration = Duration::from_secs(55);

/// Handshakes under way to one peer at a time: a burst on a cold start must not open one connection per request.
const CONNECTING_AT_ONCE: usize = 32;

/// With HTTP/2 one connection carries many, so one handshake at a time is right.
const CONNECTING_AT_ONCE_H2: usize = 1;

/// Streams on one HTTP/2 connection; servers advertise about this many.
const STREAMS_PER_CONNECTION: usize = 100;

/// HTTP/2 windows: one slow reader may fill its stream's, never its siblings' connection (PINGORA.md 14).
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Peers whose gates are kept at once.
const MOST_PEERS: u64 = 4096;

/// What is left of an answer that nobody wants is read up to here, so that its connection can be used again.
const WORTH_DRAINING: usize = 64 * 1024;

/// The code of a fault: a name leads to no address that it may lead to.
pub const NOT_REACHED_FROM_HERE: &str = "address_not_allowed";

/// Every way to a provider: pools, resolver, gates.
pub struct Upstreams {
    http1: TransportConnector,
    http2: v2::Connector,
    names: Names,
    trusts: Trusts,
    gates: Cache<u64, Arc<Semaphore>>,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            http1: TransportConnector::new(Some(ConnectorOptions::new(POOL))),
            http2: v2::Connector::new(Some(ConnectorOptions::new(POOL))),
            names: Names::default(),
            trusts: Trusts::default(),
            gates: Cache::new(MOST_PEERS),
        }
    }
}

/// An answer whose head has come. Large, and handed from stage to stage: it travels in a box.
pub struct Upstream {
    session: Option<HttpSession>,
    peer: HttpPeer,
    pools: Arc<Upstreams>,
    /// The body was read to its end, so the connection may serve another request.
    complete: bool,
}

impl Upstreams {
    /// Sends one request and waits for the answer's head. A reused connection that turns out to be dead before it gave a
    /// byte is replaced by a fresh one, once.
    pub async fn send(
        self: &Arc<Self>,
        provider: &Provider,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
    ) -> Result<Box<Upstream>> {
        let peers = self.peers(provider, timeouts).await?;
        self.send_by(peers, provider, timeouts, outgoing).await
    }

    /// The same to such addresses only. A name that leads to none of them is a fault with the code
    /// [`NOT_REACHED_FROM_HERE`], and nothing is connected to.
    pub async fn send_where(
        self: &Arc<Self>,
        provider: &Provider,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
        may_reach: &(dyn Fn(IpAddr) -> bool + Sync),
    ) -> Result<Box<Upstream>> {
        let mut peers = self.peers(provider, timeouts).await?;
        peers.retain(|peer| {
            peer.address()
                .as_inet()
                .is_some_and(|address| may_reach(address.ip()))
        });
        if peers.is_empty() {
            let message = format!("{} may not be reached from here", provider.name);
            return Err(Fault::ours(502, NOT_REACHED_FROM_HERE, message));
        }
        self.send_by(peers, provider, timeouts, outgoing).await
    }

    async fn send_by(
        self: &Arc<Self>,
        peers: Vec<HttpPeer>,
        provider: &Provider,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
    ) -> Result<Box<Upstream>> {
        let mut last = None;
        for peer in peers {
            match self.send_to(&peer, provider, timeouts, outgoing).await {
                Ok(session) => return Ok(self.answer(session, peer, timeouts)),
                Err(failure) if failure.is_connect() => last = Some(failure),
                Err(failure) => return Err(failure.into_fault(provider)),
            }
        }
        Err(last.map_or_else(|| unreachable(provider), |failure| failure.into_fault(provider)))
    }

    fn answer(
        self: &Arc<Self>,
        mut session: HttpSession,
        peer: HttpPeer,
        timeouts: &Timeouts,
    ) -> Box<Upstream> {
        session.set_read_timeout(Some(timeouts.idle));
        Box::new(Upstream {
            session: Some(session),
            peer,
            pools: self.clone(),
            complete: false,
        })
    }

    async fn send_to(
        &self,
        peer: &HttpPeer,
        provider: &Provider,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
    ) -> std::result::Result<HttpSession, Failure> {
        if provider.http2 {
            return Box::pin(self.send_http2(peer, timeouts, outgoing)).await;
        }
        if let Some(stream) = self.http1.reused_stream(peer).await {
            match exchange_http1(Http1::new(stream), outgoing, timeouts).await {
                Err(Failure::Stale(_)) => {}
                other => return other,
            }
        }
        // Boxed: a TLS handshake's state is large, and rarely needed.
        let stream = Box::pin(self.connect_http1(peer)).await?;
        exchange_http1(Http1::new(stream), outgoing, timeouts)
            .await
            .map_err(Failure::not_stale)
    }

    async fn connect_http1(&self, peer: &HttpPeer) -> std::result::Result<Stream, Failure> {
        let _gate = self.gate(peer, CONNECTING_AT_ONCE).await?;
        self.http1.new_stream(peer).await.map_err(Failure::Connect)
    }

    async fn send_http2(
        &self,
        peer: &HttpPeer,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
    ) -> std::result::Result<HttpSession, Failure> {
        let session = match self
            .http2
            .reused_http_session(peer)
            .await
            .map_err(Failure::Connect)?
        {
            Some(session) => HttpSession::H2(session),
            None => match self.reused_http1(peer, timeouts, outgoing).await {
                Some(answered) => return answered,
                None => self.connect_http2(peer).await?,
            },
        };
        match session {
            HttpSession::H1(http1) => exchange_http1(http1, outgoing, timeouts)
                .await
                .map_err(Failure::not_stale),
            other => exchange_general(other, outgoing, timeouts).await,
        }
    }

    /// A peer that was offered HTTP/2 and speaks HTTP/1.1 only has its connections in the other pool. `None` where there is
    /// none that still works.
    async fn reused_http1(
        &self,
        peer: &HttpPeer,
        timeouts: &Timeouts,
        outgoing: &Outgoing,
    ) -> Option<std::result::Result<HttpSession, Failure>> {
        let stream = self.http1.reused_stream(peer).await?;
        match exchange_http1(Http1::new(stream), outgoing, timeouts).await {
            Err(Failure::Stale(_)) => None,
            other => Some(other),
        }
    }

    /// Waits its turn; whoever was before has probably made the connection that is needed.
    async fn connect_http2(&self, peer: &HttpPeer) -> std::result::Result<HttpSession, Failure> {
        let _gate = self.gate(peer, CONNECTING_AT_ONCE_H2).await?;
        if let Some(session) = self
            .http2
            .reused_http_session(peer)
            .await
            .map_err(Failure::Connect)?
        {
            return Ok(HttpSession::H2(session));
        }
        self.http2.new_http_session(peer).await.map_err(Failure::Connect)
    }

    /// Waits no longer than for a connection: behind a peer that does not answer, each would wait for all before it.
    async fn gate(
        &self,
        peer: &HttpPeer,
        width: usize,
    ) -> std::result::Result<tokio::sync::OwnedSemaphorePermit, Failure> {
        let gate = self
            .gates
            .get_with(peer.reuse_hash(), || Arc::new(Semaphore::new(width)));
        let patience = peer.options.connection_timeout.unwrap_or(Duration::MAX);
        let turn = tokio::time::timeout(patience, gate.acquire_owned()).await;
        turn.ok().and_then(std::result::Result::ok).ok_or_else(|| {
            let why = "too many connections to the provider are being made already";
            Failure::Connect(Error::explain(ErrorType::ConnectTimedout, why))
        })
    }

    /// Where a provider's connections go to: one peer for each of its addresses, in the order to try them.
    pub async fn peers(&self, provider: &Provider, timeouts: &Timeouts) -> Result<Vec<HttpPeer>> {
        let hop = provider.connect_proxy.as_ref();
        let (host, port) = hop.map_or((&provider.host, provider.port), |proxy| (&proxy.host, proxy.port));
        let addresses = self.names.resolve(host, port).await?;
        let material = self.trusts.of(&provider.trust)?;
        let peer = |address| {
            let sni = provider.host.trim_matches(['[', ']']).to_owned();
            let mut peer = HttpPeer::new(address, provider.tls, sni);
            peer.group_key = group_key(provider, material.fingerprint);
            peer.client_cert_key = material.client.clone();
            peer.options.ca = material.ca.clone();
            peer.options.connection_timeout = Some(timeouts.connect);
            peer.options.total_connection_timeout = Some(timeouts.connect);
            peer.options.idle_timeout = Some(IDLE);
            if provider.http2 {
                peer.options.alpn = if provider.tls { ALPN::H2H1 } else { ALPN::H2 };
                peer.options.max_h2_streams = STREAMS_PER_CONNECTION;
                peer.options.h2_stream_window_size = Some(STREAM_WINDOW);
                peer.options.h2_connection_window_size = Some(CONNECTION_WINDOW);
            }
            peer.options.custom_l4 =
                hop.map(|proxy| Arc::new(tunnel(provider, proxy, address, timeouts)) as _);
            peer
        };
        Ok(addresses.into_iter().map(peer).collect())
    }

    /// The same for connections that break when `wait` is in vain.
    pub async fn watched_peers(
        &self,
        provider: &Provider,
        timeouts: &Timeouts,
        wait: &Wait,
    ) -> Result<Vec<HttpPeer>> {
        let mut peers = self.peers(provider, timeouts).await?;
        for peer in &mut peers {
            let proxy = provider.connect_proxy.as_ref().zip(peer.address().as_inet());
            let watched = Watched {
                tunnel: proxy.map(|(proxy, address)| tunnel(provider, proxy, *address, timeouts)),
                wait: wait.clone(),
            };
            peer.options.custom_l4 = Some(Arc::new(watched));
        }
        Ok(peers)
    }
}

fn tunnel(
    provider: &Provider,
    proxy: &crate::state::snapshot::ConnectProxy,
    address: SocketAddr,
    timeouts: &Timeouts,
) -> Tunnel {
    let authority = match authority(provider) {
        with_port if with_port.len() > provider.host.len() => with_port,
        host => format!("{host}:{}", provider.port),
    };
    Tunnel {
        proxy: address,
        authority,
        authorization: proxy.authorization.clone(),
        timeout: timeouts.connect,
    }
}

/// What Pingora's own pool key leaves out: CA, protocol and the way there (PINGORA.md 17).
fn group_key(provider: &Provider, fingerprint: u64) -> u64 {
    if fingerprint == 0 && provider.connect_proxy.is_none() {
        return u64::from(provider.http2);
    }
    let mut hasher = DefaultHasher::new();
    (fingerprint, provider.http2, &provider.host, provider.port).hash(&mut hasher);
    provider
        .connect_proxy
        .as_ref()
        .map(|proxy| (&proxy.host, proxy.port))
        .hash(&mut hasher);
    hasher.finish()
}

/// Head and body in one write, then the head of the answer.
async fn exchange_http1(
    mut http1: Http1,
    outgoing: &Outgoing,
    timeouts: &Timeouts,
) -> std::result::Result<HttpSession, Failure> {
    if outgoing.method == Method::HEAD {
        // The session has to know the method, or it waits for a body that never comes.
        return Box::pin(exchange_general(HttpSession::H1(http1), outgoing, timeouts)).await;
    }
    let mut stream = http1.into_inner();
    let wire = outgoing.to_wire();
    let written = async {
        stream
            .write_all(&wire)
            .await
            .or_err(ErrorType::WriteError, "request")?;
        stream.flush().await.or_err(ErrorType::WriteError, "request")
    };
    match tokio::time::timeout(timeouts.first_byte, written).await {
        Ok(result) => result.map_err(Failure::Stale)?,
        Err(_) => return Err(Failure::Timeout),
    }
    http1 = Http1::new(stream);
    read_head(HttpSession::H1(http1), timeouts).await
}

/// The long way: HTTP/2, and methods whose answers are framed in their own way.
async fn exchange_general(
    mut session: HttpSession,
    outgoing: &Outgoing,
    timeouts: &Timeouts,
) -> std::result::Result<HttpSession, Failure> {
    let head = request_header(outgoing).map_err(Failure::Broken)?;
    let send = async {
        session.write_request_header(Box::new(head)).await?;
        if !outgoing.body.is_empty() {
            session.write_request_body(outgoing.body.to_bytes(), true).await?;
        }
        session.finish_request_body().await
    };
    match tokio::time::timeout(timeouts.first_byte, send).await {
        Ok(result) => result.map_err(Failure::Broken)?,
        Err(_) => return Err(Failure::Timeout),
    }
    read_head(session, timeouts).await
}

fn request_header(outgoing: &Outgoing) -> pingora_error::Result<RequestHeader> {
    let mut head = RequestHeader::build(
        outgoing.method.clone(),
        outgoing.target().as_bytes(),
        Some(outgoing.headers.len() + 1),
    )?;
    for (name, value) in &outgoing.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(http::header::CONTENT_LENGTH, outgoing.body.len())?;
    Ok(head)
}

async fn read_head(
    mut session: HttpSession,
    timeouts: &Timeouts,
) -> std::result::Result<HttpSession, Failure> {
    let head = async {
        loop {
            session.read_response_header().await?;
            let status = session.response_header().map(|head| head.status);
            if status.is_some_and(|status| !status.is_informational()) {
                return Ok(());
            }
        }
    };
    match tokio::time::timeout(timeouts.first_byte, head).await {
        Ok(Ok(())) => Ok(session),
        Ok(Err(error)) => Err(Failure::before_head(error)),
        Err(_) => Err(Failure::Timeout),
    }
}

/// Why no head came.
enum Failure {
    Connect(Box<Error>),
    /// The connection was dead before it gave a byte: fatal on a fresh one, nothing on a reused one.
    Stale(Box<Error>),
    Broken(Box<Error>),
    Timeout,
}

impl Failure {
    fn before_head(error: Box<Error>) -> Self {
        match error.etype() {
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => Self::Stale(error),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Self::Timeout,
            _ => Self::Broken(error),
        }
    }

    fn not_stale(self) -> Self {
        match self {
            Self::Stale(error) => Self::Broken(error),
            other => other,
        }
    }

    fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }

    fn into_fault(self, provider: &Provider) -> Box<Fault> {
        match self {
            Self::Connect(error) => unreachable(provider).with_detail(error),
            Self::Timeout => out_of_time(provider),
            Self::Stale(error) | Self::Broken(error) => broken_off(provider).with_detail(error),
        }
    }
}

pub fn out_of_time(provider: &Provider) -> Box<Fault> {
    let message = format!("provider {} gave no answer in time", provider.name);
    Fault::provider(504, "upstream_timeout", message)
}

pub fn broken_off(provider: &Provider) -> Box<Fault> {
    let message = format!("provider {} broke off before it answered", provider.name);
    Fault::provider(502, "upstream_broken", message)
}

pub fn unreachable(provider: &Provider) -> Box<Fault> {
    Fault::provider(
        502,
        "upstream_unreachable",
        format!("provider {} cannot be reached", provider.name),
    )
}

impl Upstream {
    fn head(&self) -> Option<&pingora_http::ResponseHeader> {
        self.session.as_ref().and_then(HttpSession::response_header)
    }
}

impl Source for Box<Upstream> {
    fn status(&self) -> u16 {
        self.head().map_or(502, |head| head.status.as_u16())
    }

    fn headers(&self) -> &HeaderMap {
        static NONE: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
        self.head().map_or(&NONE, |head| &head.headers)
    }

    async fn read(&mut self) -> std::result::Result<Option<Bytes>, Interrupted> {
        let Some(session) = &mut self.session else {
            return Ok(None);
        };
        let chunk = session.read_response_body().await.map_err(interrupted)?;
        self.complete = chunk.is_none();
        Ok(chunk)
    }

    fn read_now(&mut self) -> Option<std::result::Result<Option<Bytes>, Interrupted>> {
        tokio::task::unconstrained(self.read()).now_or_never()
    }

    /// Gives the connection back. What is left of a small body is read first; a large one is not worth it.
    async fn finish(mut self) {
        let mut drained = 0;
        while !self.complete && drained < WORTH_DRAINING {
            match self.read_now() {
                Some(Ok(Some(chunk))) => drained += chunk.len(),
                Some(Ok(None)) => {}
                Some(Err(_)) | None => break,
            }
        }
        if !self.complete {
            return;
        }
        match self.session.take() {
            Some(HttpSession::H1(mut http1)) => {
                http1.respect_keepalive();
                if let Some(stream) = http1.reuse().await {
                    self.pools
                        .http1
                        .release_stream(stream, self.peer.reuse_hash(), Some(IDLE));
                }
            }
            Some(HttpSession::H2(http2)) => {
                self.pools
                    .http2
                    .release_http_session(http2, &self.peer, Some(IDLE));
            }
            _ => {}
        }
    }
}

fn interrupted(error: Box<Error>) -> Interrupted {
    match error.etype() {
        ErrorType::ReadTimedout => Interrupted::Silent,
        _ => Interrupted::Broken(error.to_string()),
    }
}

impl Drop for Upstream {
    /// An answer that was not read to its end: HTTP/1.1 closes with its stream, HTTP/2 resets its stream and gives the
    /// connection back, which its pool would otherwise never see again (PINGORA.md 15).
    fn drop(&mut self) {
        if let Some(HttpSession::H2(mut http2)) = self.session.take() {
            http2.shutdown();
            self.pools
                .http2
                .release_http_session(http2, &self.peer, Some(IDLE));
        }
    }
}
