//! The life of one connection and of one request: a few lines per stage, in the order a request meets them. What each
//! stage decides is its own business; that every request is settled exactly once is this file's.

mod accept;
mod call;
mod dispatch;
mod media;
mod pages;
pub mod realtime;
mod reworded;
mod stored;

use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use tokio::runtime::Handle;

use self::accept::Work;
use self::pages::{list_models, preflight, show_model};
use crate::accept::{handshake, head, listen};
use crate::dispatch::document::Documents;
use crate::dispatch::fetch::Fetcher;
use crate::dispatch::identity::Identities;
use crate::dispatch::upstream::Upstreams;
use crate::exchange::{Ending, Exchange, TurnedAway};
use crate::fault::{Fault, Result};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::head::Ours;
use crate::relay::whole;
use crate::settle;
use crate::state::State;
use crate::state::counters::Held;

/// What serves requests: shared by all connections of all listeners.
pub struct Gateway {
    pub state: Arc<State>,
    pub upstreams: Arc<Upstreams>,
    pub identities: Arc<Identities>,
    pub realtime: realtime::Realtime,
    pub fetcher: Fetcher,
    pub documents: Documents,
}

/// One client connection.
pub struct Connection {
    gateway: Arc<Gateway>,
    peer: Option<SocketAddr>,
    options: HttpServerOptions,
    _held: Held,
}

/// A request and its settlement, which happens when this is dropped: after the last byte, or with the task.
struct Settled {
    /// There until it is dropped.
    exchange: Option<Exchange>,
    state: Arc<State>,
}

impl Settled {
    fn new(exchange: Exchange, state: &Arc<State>) -> Self {
        Self {
            exchange: Some(exchange),
            state: state.clone(),
        }
    }
}

impl Connection {
    pub fn new(gateway: Arc<Gateway>, peer: Option<SocketAddr>, held: Held) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(listen::IDLE);
        Self {
            gateway,
            peer,
            options,
            _held: held,
        }
    }
}

#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let began = Instant::now();
        let limits = self.gateway.state.snapshot.load().limits.clone();
        match listen::read_head(&mut session, &limits, shutdown).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(fault) => {
                let state = &self.gateway.state;
                // Boxed: what is rare must not make every connection's state larger.
                let refusing = Box::pin(listen::refuse_head(&mut session, state, self.peer, began, fault));
                self.gateway.turned_away(&refusing.await);
                return None;
            }
        }
        let peer = self.peer.map(|peer| peer.ip());
        if handshake::is_handshake(&session) {
            // Boxed: what is rare must not make every connection's state larger.
            Box::pin(realtime::serve(&self.gateway, session, peer, shutdown)).await;
            return None;
        }
        let stays = self.gateway.serve(&mut session, peer).await;
        if !stays {
            session.shutdown().await;
            return None;
        }
        let mut settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok().flatten()?;
        let (stream, first_bytes) = listen::next_request(reusable, shutdown).await?;
        settings.set_pipelined_prefix(first_bytes);
        Some(ReusedHttpStream::new(stream, Some(settings)))
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(listen::h2_options())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl Gateway {
    /// Accounts for what never became a request.
    pub fn turned_away(&self, away: &TurnedAway) {
        settle::turned_away(&self.state, away);
    }

    /// Serves one request; whether its connection may serve another.
    async fn serve(&self, session: &mut ServerSession, peer: Option<IpAddr>) -> bool {
        let snapshot = self.state.snapshot.load_full();
        let exchange = head::begin(session.req_header(), peer, snapshot);
        let mut exchange = Settled::new(exchange, &self.state);
        let accepted = self.accept(session, &mut exchange).await;
        if accepted.is_err() {
            listen::drain(session).await;
        }
        let headers = &exchange.accepted.headers.0;
        let ours = Ours::new(
            exchange.accepted.id.clone(),
            exchange.snapshot.generation,
            exchange.accepted.dialect,
            exchange.snapshot.cors.as_ref(),
            headers,
        );
        let mut down = Downstream::new(session, ours, exchange.accepted.dialect);
        let told = self.answer(&mut down, &mut exchange, accepted).await;
        exchange.relayed.status = down.status().unwrap_or(0);
        exchange.relayed.bytes_out = down.bytes_out();
        exchange.relayed.first_byte = down.first_byte_at().map(|at| at - exchange.accepted.at);
        told.is_ok() && exchange.relayed.ending != Ending::Truncated
    }

    /// Stages 2 to 4: until the caller has an answer, or has been told why not.
    async fn answer(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        accepted: Result<Work>,
    ) -> std::result::Result<(), Stop> {
        let done = match accepted {
            Ok(Work::Call(read)) => self.call(down, exchange, *read).await,
            // Boxed: what is rare must not make every call's state larger.
            Ok(Work::Raw(read)) => Box::pin(self.raw(down, exchange, *read)).await,
            Ok(Work::Stored(read)) => Box::pin(self.stored(down, exchange, *read)).await,
            Ok(Work::Named(read)) => Box::pin(self.named(down, exchange, *read)).await,
            Ok(Work::Count(read)) => Box::pin(self.count(down, exchange, *read)).await,
            Ok(Work::Models) => list_models(down, exchange).await,
            Ok(Work::Model(name)) => show_model(down, exchange, &name).await,
            Ok(Work::Preflight) => preflight(down, exchange).await,
            Err(fault) => Err(Told::Fault(fault)),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Told::Fault(fault)) => whole::refuse(down, exchange, &fault).await,
            Err(Told::Stop(stop)) if exchange.relayed.has_all => Err(stop),
            Err(Told::Stop(Stop::OutOfTime)) => whole::refuse(down, exchange, &out_of_time()).await,
            Err(Told::Stop(stop)) => {
                exchange.relayed.ending = Ending::Cancelled;
                Err(stop)
            }
        }
    }
}

/// How the work on a call ended, if not with an answer.
enum Told {
    /// The caller is to be told.
    Fault(Box<Fault>),
    /// The caller cannot be told, or time is up.
    Stop(Stop),
}

type Ended = std::result::Result<(), Told>;

impl From<Box<Fault>> for Told {
    fn from(fault: Box<Fault>) -> Self {
        Self::Fault(fault)
    }
}

impl From<Stop> for Told {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Deref for Settled {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        self.exchange.as_ref().expect("taken by drop alone")
    }
}

impl DerefMut for Settled {
    fn deref_mut(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("taken by drop alone")
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        if self.exchange.as_ref().is_some_and(settle::waits)
            && let Ok(runtime) = Handle::try_current()
            && let Some(exchange) = self.exchange.take()
        {
            return settle::settle_waiting(&runtime, &self.state, exchange);
        }
        if let Some(exchange) = &mut self.exchange {
            settle::settle(&self.state, exchange);
        }
    }
}

fn out_of_time() -> Box<Fault> {
    Fault::provider(
        504,
        "timeout",
        "the call took longer than `timeouts.total_ms` allows",
    )
    .final_here()
}
