//! One realtime session: which target it goes to, what each side gets to see of the other's head, what passes, and how it
//! ended. It moves no byte itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Version, header};
use pingora_core::protocols::ALPN;
use pingora_core::protocols::http::ServerSession;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::{Gateway, Ready, Settled, WRITE_TIMEOUT, ours, tell};
use crate::dispatch::attempt::{self, Failed};
use crate::dispatch::identity::{Held, Identities};
use crate::dispatch::outgoing::{self, Outgoing};
use crate::dispatch::plan::{Plan, Step};
use crate::dispatch::upstream::{self, Upstreams};
use crate::dispatch::watch::Wait;
use crate::exchange::{Ending, Outcome, Served};
use crate::fault::{Cause, Fault};
use crate::relay::realtime::Meter;
use crate::state::answer::Head;
use crate::state::health::UnderWay;
use crate::state::metrics::OneMore;

/// A provider that sends nothing for this long is gone. Far longer than for an answer: where nobody speaks, nothing
/// comes, not even a keep-alive.
const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);

/// Providers end a session after 30 to 60 minutes; nothing is for ever.
pub(super) const LONGEST_SESSION: Duration = Duration::from_secs(24 * 3600);

/// The longest refusal that is passed on.
const MOST_REFUSAL_BYTES: usize = 256 * 1024;

/// A session from its handover to its record, which is written when this is dropped.
pub struct Session {
    upstreams: Arc<Upstreams>,
    identities: Arc<Identities>,
    plan: Plan,
    protocols: Option<HeaderValue>,
    /// The try under way, until it is answered or has failed.
    step: Option<Step>,
    /// What the provider was shown, where that is a token.
    token: Option<Held>,
    /// The addresses that are left of its provider.
    peers: VecDeque<HttpPeer>,
    /// For its answer to the handshake.
    wait: Wait,
    /// The body of a refusal that is passed on, as far as it has come.
    refusal: Option<BytesMut>,
    began: Instant,
    under_way: Option<UnderWay>,
    /// Why the last try failed.
    fault: Option<Box<Fault>>,
    meter: Meter,
    open: Option<OneMore>,
    left: Option<Side>,
    handed_over: Instant,
    exchange: Settled,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Provider,
}

impl Session {
    pub(super) fn new(gateway: &Gateway, exchange: Settled, ready: Ready) -> Self {
        let now = Instant::now();
        Self {
            upstreams: gateway.upstreams.clone(),
            identities: gateway.identities.clone(),
            plan: ready.plan,
            protocols: ready.protocols,
            step: None,
            token: None,
            peers: VecDeque::new(),
            wait: Wait::new(LONGEST_SESSION),
            refusal: None,
            began: now,
            under_way: None,
            fault: None,
            meter: Meter::default(),
            open: None,
            left: None,
            handed_over: now,
            exchange,
        }
    }

    /// The next address to try: of the target under way, else of the next one.
    pub(super) async fn next_peer(&mut self) -> Result<Box<HttpPeer>> {
        loop {
            if self.step.is_some()
                && let Some(peer) = self.peers.pop_front()
            {
                return Ok(Box::new(peer));
            }
            let Some(step) = self.plan.take_next() else {
                return Error::e_explain(ErrorType::ConnectError, "no target is left");
            };
            let (provider, timeouts) = (step.planned.target.provider.clone(), step.planned.target.timeouts);
            self.wait = Wait::new(timeouts.first_byte);
            self.begin(step.clone());
            match self
                .upstreams
                .watched_peers(&provider, &timeouts, &self.wait)
                .await
            {
                Ok(peers) => self.peers = peers.into_iter().map(for_session).collect(),
                Err(fault) => self.failed(attempt::unanswered(&step, fault)),
            }
        }
    }

    fn begin(&mut self, step: Step) {
        self.began = Instant::now();
        self.under_way = Some(step.planned.health.begin());
        self.exchange.dispatched.attempts.push(step.attempt());
        self.step = Some(step);
    }

    /// The try under way came to nothing.
    fn failed(&mut self, failed: Failed) {
        let took = self.began.elapsed();
        (self.exchange.dispatched).note(took, Some((failed.outcome, failed.status)));
        if let Some(step) = self.step.take()
            && failed.gives_up_on_target()
        {
            self.plan.give_up_on(&step.planned.target);
        }
        if !failed.fault.may_try_next() {
            self.plan = Plan::default();
        }
        self.peers.clear();
        self.under_way = None;
        self.fault = Some(failed.fault);
    }

    fn may_try_again(&self) -> bool {
        !self.peers.is_empty() || !self.plan.is_empty()
    }

    /// The handshake as it goes to the provider, whose answer is waited for from now on.
    pub(super) async fn outgoing(&mut self) -> Result<RequestHeader> {
        let Some(step) = self.step.clone() else {
            return Error::e_explain(ErrorType::InternalError, "no try is under way");
        };
        let outgoing = self.authorized(&step).await;
        self.wait.begin();
        match outgoing {
            Ok(outgoing) => {
                let (method, most) = (outgoing.method.clone(), outgoing.headers.len());
                let mut head = RequestHeader::build(method, outgoing.target().as_bytes(), Some(most))?;
                for (name, value) in outgoing.headers {
                    head.append_header(name, value)?;
                }
                Ok(head)
            }
            Err(failed) => {
                self.failed(failed);
                Error::e_explain(ErrorType::InvalidHTTPHeader, "the credential is no header")
            }
        }
    }

    async fn authorized(&mut self, step: &Step) -> std::result::Result<Outgoing, Failed> {
        let outgoing = outgoing::handshake(&self.exchange, step, self.protocols.clone());
        let mut outgoing = outgoing.map_err(|fault| Failed {
            fault,
            outcome: Outcome::Credential,
            status: None,
        })?;
        if let Some(identity) = step.identity() {
            let identities = self.identities.clone();
            self.token = Some(attempt::authorize(&identities, step, identity, &mut outgoing).await?);
        }
        Ok(outgoing)
    }

    /// The provider's answer to the handshake.
    pub(super) fn answered(&mut self, status: u16, theirs: &HeaderMap) -> Result<()> {
        let Some(step) = self.step.clone() else {
            return Ok(());
        };
        if let (401 | 403, Some(identity), Some(token)) = (status, step.identity(), &self.token) {
            // the next session is shown another one
            identity.lease.refused(token, identity.clock.now_ms());
        }
        let provider = &step.planned.target.provider.name;
        match status {
            101 if theirs.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) => {
                let message = format!("provider {provider} changed the frames in a way nobody asked for");
                self.refused(&step, misunderstood(status, message), theirs)
            }
            101 => {
                self.opened(step);
                Ok(())
            }
            100..=199 => Ok(()),
            200..=299 => {
                let message = format!("provider {provider} does not speak WebSocket here");
                self.refused(&step, misunderstood(status, message), theirs)
            }
            _ => self.refused(
                &step,
                attempt::refusal(&step, None, status, theirs, Bytes::new()),
                theirs,
            ),
        }
    }

    fn opened(&mut self, step: Step) {
        let now = Instant::now();
        let took = now - self.began;
        step.planned.health.succeeded(took);
        let exchange = &mut self.exchange;
        exchange.dispatched.note(took, Some((Outcome::Served, Some(101))));
        exchange.dispatched.served_by = Some(Served {
            target: step.planned.target,
            model: step.planned.model,
        });
        exchange.relayed.status = 101;
        exchange.relayed.first_byte = Some(now - exchange.accepted.at);
        self.open = Some(OneMore::of(&exchange.state.metrics.realtime_sessions));
        self.wait.end();
        self.step = None;
    }

    /// A refusal that is the caller's own business is passed on in the provider's words; any other is told in ours, if
    /// no other target does better.
    fn refused(&mut self, step: &Step, failed: Failed, theirs: &HeaderMap) -> Result<()> {
        let status = failed.status.unwrap_or(502);
        if failed.fault.verbatim.is_some() && is_json(theirs) {
            self.refusal = Some(BytesMut::new());
            self.exchange.dispatched.served_by = Some(Served {
                target: step.planned.target.clone(),
                model: step.planned.model.clone(),
            });
            self.exchange.relayed.status = status;
            let ending = ending_of(&failed.fault);
            self.exchange.fail(ending, &failed.fault);
            self.failed(failed);
            return Ok(());
        }
        self.failed(failed);
        if let Some(fault) = &mut self.fault {
            fault.verbatim = None;
        }
        Error::e_explain(ErrorType::HTTPStatus(status), "the handshake was refused")
    }

    /// The head as the caller gets it.
    pub(super) fn shown(&self, theirs: &ResponseHeader) -> Option<ResponseHeader> {
        let status = theirs.status.as_u16();
        let mut head = match status {
            101 => Head::of_handshake(&theirs.headers),
            _ => Head::of_raw(status, &theirs.headers),
        };
        if let Some(served) = &self.exchange.dispatched.served_by {
            let attempts = self.exchange.dispatched.attempts.len();
            head.served_by(&served.target.provider.name, &served.model, attempts);
        }
        head.to_wire(&ours(&self.exchange), Version::HTTP_11)
    }

    /// A connection that broke before there was an answer.
    fn broke_off(&mut self, error: &Error) {
        let Some(step) = self.step.clone() else { return };
        let provider = &step.planned.target.provider;
        let fault = match error.etype() {
            _ if self.wait.is_over() => upstream::out_of_time(provider),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => upstream::out_of_time(provider),
            _ => upstream::broken_off(provider),
        };
        self.failed(attempt::unanswered(&step, fault.with_detail(error)));
    }

    /// An address could not be reached; whether there is another one to try.
    pub(super) fn unreachable(&mut self, error: &Error) -> bool {
        if let Some(step) = self.step.clone().filter(|_| self.peers.is_empty()) {
            let fault = upstream::unreachable(&step.planned.target.provider).with_detail(error);
            self.failed(attempt::unanswered(&step, fault));
        }
        self.may_try_again()
    }

    /// A connection to a provider broke; whether there is another target to try.
    pub(super) fn broke(&mut self, error: &Error, side: Side, has_answered: bool) -> bool {
        if has_answered || side == Side::Caller {
            self.left.get_or_insert(side);
            return false;
        }
        self.broke_off(error);
        self.may_try_again()
    }

    /// Bytes on their way to the provider.
    pub(super) fn passed_up(&mut self, bytes: &Bytes) {
        self.exchange.accepted.body_bytes += bytes.len() as u64;
    }

    /// Bytes on their way to the caller. A refusal waits for its end: it may quote what nobody must see.
    pub(super) fn passed_down(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<()> {
        if let Some(refusal) = &mut self.refusal {
            refusal.extend_from_slice(&body.take().unwrap_or_default());
            if refusal.len() > MOST_REFUSAL_BYTES {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "the refusal is too long");
            }
            if end {
                let said = std::mem::take(refusal).freeze();
                *body = Some(self.exchange.dispatched.scrubbed(said));
            }
        }
        if let Some(bytes) = body {
            self.exchange.relayed.bytes_out += bytes.len() as u64;
            if self.open.is_some() {
                self.meter.pass(bytes);
            }
        }
        Ok(())
    }

    /// A side has ended the session; the first one counts.
    pub(super) fn ended_by(&mut self, side: Side) {
        self.left.get_or_insert(side);
    }

    /// Tells the caller why there is no session, with every attempt that was made.
    pub(super) async fn give_up(&mut self, wire: &mut ServerSession) {
        let nothing = || Fault::ours(500, "internal", "the session could not be handed over");
        let fault = self.fault.take().unwrap_or_else(nothing);
        let fault = attempt::last_word(fault, &self.exchange.dispatched.attempts);
        tell(wire, &mut self.exchange, &fault).await;
    }

    /// Writes down how it ended, for the record.
    fn close(&mut self) {
        let lasted = self.handed_over.elapsed();
        let exchange = &mut self.exchange;
        exchange.relayed.upstream_wait += lasted;
        if self.open.is_none() {
            return;
        }
        exchange.relayed.usage = self.meter.usage();
        exchange.relayed.metered = Some(self.meter.is_metered());
        exchange.relayed.events = self.meter.events();
        match self.left {
            _ if self.meter.is_closed() => exchange.relayed.ending = Ending::Complete,
            _ if lasted >= LONGEST_SESSION => exchange.fail(Ending::Failed, &too_long()),
            Some(Side::Provider) => exchange.fail(Ending::Truncated, &cut()),
            Some(Side::Caller) | None => exchange.relayed.ending = Ending::Cancelled,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// A peer for WebSocket, which is HTTP/1.1, and whose connection serves nothing else afterwards.
fn for_session(mut peer: HttpPeer) -> HttpPeer {
    peer.options.alpn = ALPN::H1;
    peer.options.max_h2_streams = 1;
    peer.options.idle_timeout = Some(Duration::ZERO);
    peer.options.read_timeout = Some(LONGEST_SILENCE);
    peer.options.write_timeout = Some(WRITE_TIMEOUT);
    // the head is made anew: nothing of the caller's is there to be filtered, or to be refused for
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    peer
}

/// A page for humans is no error for an SDK, and what is compressed was not asked for.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
    is_plain && essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn ending_of(fault: &Fault) -> Ending {
    match fault.cause {
        Cause::Provider => Ending::Failed,
        _ => Ending::Refused,
    }
}

fn misunderstood(status: u16, message: String) -> Failed {
    Failed {
        fault: Fault::provider(502, "upstream_broken", message),
        outcome: Outcome::Broken,
        status: Some(status),
    }
}

fn cut() -> Box<Fault> {
    let message = "the provider broke off the session without a goodbye";
    Fault::provider(502, "upstream_truncated", message)
}

fn too_long() -> Box<Fault> {
    Fault::ours(504, "timeout", "the session was open for too long")
}
