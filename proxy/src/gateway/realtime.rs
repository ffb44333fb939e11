//! Realtime sessions: the handshake is checked and planned like any call, then Pingora's own proxy carries the session.
//! What becomes of it on the way is `session`'s business.

mod carrier;
mod session;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use http::HeaderValue;
use penstock_llm::model::Dialect;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_http::RequestHeader;
use pingora_proxy::{HttpProxy, http_proxy};

use self::carrier::Carrier;
use self::session::{LONGEST_SESSION, Session};
use super::{Gateway, Settled};
use crate::accept::{handshake, head, listen};
use crate::admit::guard::Admission;
use crate::admit::{self, caller};
use crate::dispatch::plan::{self, Plan};
use crate::dispatch::route as routing;
use crate::exchange::{Exchange, Kind};
use crate::fault::{Fault, Result};
use crate::relay::downstream::Downstream;
use crate::relay::head::Ours;
use crate::relay::{realtime, whole};
use crate::state::clock;

/// A caller that takes nothing for this long is gone, as for any answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections that one handshake may try: every step of a plan with every address of its provider.
const MOST_TRIES: usize = 64;

/// Pingora's proxy, made when the first session comes: most gateways never see one.
#[derive(Default)]
pub struct Realtime {
    proxy: OnceLock<Arc<HttpProxy<Carrier>>>,
}

impl Realtime {
    fn proxy(&self) -> &Arc<HttpProxy<Carrier>> {
        self.proxy.get_or_init(|| {
            let conf = ServerConf {
                max_retries: MOST_TRIES,
                ..ServerConf::default()
            };
            Arc::new(http_proxy(&Arc::new(conf), Carrier))
        })
    }
}

/// What was made of a handshake that may go on.
struct Ready {
    plan: Plan,
    protocols: Option<HeaderValue>,
}

/// Serves one session from its handshake to its end, which is the connection's end too.
pub async fn serve(
    gateway: &Gateway,
    mut wire: ServerSession,
    peer: Option<IpAddr>,
    shutdown: &ShutdownWatch,
) {
    let snapshot = gateway.state.snapshot.load_full();
    let exchange = head::begin(wire.req_header(), peer, snapshot);
    let mut exchange = Settled::new(exchange, &gateway.state);
    match check(gateway, wire.req_header(), &mut exchange).await {
        Ok(ready) => carry(gateway, wire, exchange, ready, shutdown).await,
        Err(fault) => {
            wire.set_keepalive(None);
            listen::drain(&mut wire).await;
            tell(&mut wire, &mut exchange, &fault).await;
            wire.shutdown().await;
        }
    }
}

/// Stages 1 and 2, and stage 3 as far as choosing goes.
async fn check(gateway: &Gateway, wire: &RequestHeader, exchange: &mut Exchange) -> Result<Ready> {
    let (snapshot, state) = (exchange.snapshot.clone(), &gateway.state);
    exchange.accepted.kind = Kind::Realtime;
    let held = state.counters.requests.take(1, snapshot.limits.requests);
    let held = held.ok_or_else(|| Fault::overloaded("limits.requests", "retry in a moment"))?;
    exchange.accepted.held.push(held);
    let headers = exchange.accepted.headers.clone();
    let caller = caller::identify(&snapshot, handshake::key(&headers.0), clock::now_ms())?;
    exchange.admitted.caller = Some(caller.clone());
    handshake::check(&headers.0)?;
    let asked = handshake::model(wire.uri.query())?;
    exchange.ask_for(&asked);
    let model = caller::permit(&snapshot, &caller, &asked)?;
    exchange.admit_realtime(asked.as_str().into());
    realtime::check_guards(exchange)?;
    if let Admission::Answer(_) = admit::guard::request(exchange).await? {
        let message = "a plugin answered a realtime session, which has no place for an answer";
        return Err(Fault::ours(500, "plugin_answer", message));
    }
    let planned = plan::candidates(&model, &asked, &state.health);
    let planned = routing::order(exchange, planned).await?;
    Ok(Ready {
        plan: Plan::new(planned, &state.health)?,
        protocols: handshake::protocols(&headers.0),
    })
}

/// Hands the connection over. Pingora's proxy reads its requests itself, so it gets a new session that starts with the
/// head that was read, and with what the caller sent after it.
async fn carry(
    gateway: &Gateway,
    mut wire: ServerSession,
    exchange: Settled,
    ready: Ready,
    shutdown: &ShutdownWatch,
) {
    let ServerSession::H1(http1) = &wire else { return };
    let mut prefix = BytesMut::from(&http1.get_headers_raw_bytes()[..]);
    // only a connection that stays is given back
    wire.set_keepalive(Some(0));
    let Ok(Some(connection)) = wire.finish().await else {
        return;
    };
    let (stream, early) = connection.into_parts();
    prefix.unsplit(early.unwrap_or_default());
    let mut wire = ServerSession::new_http1(stream);
    wire.set_pipelined_prefix(prefix);
    wire.set_pipelining_enabled(true);
    // a caller may listen for as long as it likes
    wire.set_read_timeout(None);
    wire.set_write_timeout(Some(WRITE_TIMEOUT));
    let session = Session::new(gateway, exchange, ready);
    wire.set_connection_user_context(Some(Box::new(session)));
    let carried = gateway.realtime.proxy().process_new_http(wire, shutdown);
    tokio::select! {
        biased;
        _ = carried => {}
        // what is dropped here closes both connections and settles the session
        () = tokio::time::sleep(LONGEST_SESSION) => {}
    }
}

/// Tells the caller why there is no session.
async fn tell(wire: &mut ServerSession, exchange: &mut Exchange, fault: &Fault) {
    let ours = ours(exchange);
    let mut down = Downstream::new(wire, ours, Dialect::OpenAiChat);
    // a caller that has left cannot be told
    let _ = whole::refuse(&mut down, exchange, fault).await;
    exchange.relayed.status = down.status().unwrap_or(0);
    exchange.relayed.bytes_out = down.bytes_out();
    exchange.relayed.first_byte = down.first_byte_at().map(|at| at - exchange.accepted.at);
}

fn ours(exchange: &Exchange) -> Ours {
    Ours::new(
        exchange.accepted.id.clone(),
        exchange.snapshot.generation,
        exchange.accepted.dialect,
        exchange.snapshot.cors.as_ref(),
        &exchange.accepted.headers.0,
    )
}
