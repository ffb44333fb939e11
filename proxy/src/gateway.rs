//! The life of one connection and of one request: a few lines per stage, in the order a request meets them. What each
//! stage decides is its own business; that every request is settled exactly once is this file's.

mod media;
pub mod realtime;
mod reworded;
mod stored;

use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use penstock_llm::model::Dialect;
use penstock_llm::usage::TokenCount;
use penstock_plugin_host::Hook;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use tokio::runtime::Handle;

use crate::accept::route::{self, Route};
use crate::accept::{body, call, count, handshake, head, listen, named, raw, stored as stored_request};
use crate::adapter::Adapted;
use crate::admit::guard::Admission;
use crate::admit::{self, caller};
use crate::chain;
use crate::dispatch::attempt::{self, Failed};
use crate::dispatch::document::Documents;
use crate::dispatch::fetch::Fetcher;
use crate::dispatch::identity::Identities;
use crate::dispatch::plan::{self, Plan, Planned, Step};
use crate::dispatch::ties::Ties;
use crate::dispatch::upstream::{Upstream, Upstreams};
use crate::dispatch::{betas, route as routing, translate};
use crate::exchange::{Attempt, Ending, Exchange, Kind, Origin, Outcome, Served, Stored, Terms, TurnedAway};
use crate::fault::{Fault, Result};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::head::Ours;
use crate::relay::stream::Relay;
use crate::relay::translate::Translated;
use crate::relay::{self, catalogue, whole};
use crate::settle;
use crate::state::State;
use crate::state::answer::{Head, Source, Translation};
use crate::state::clock;
use crate::state::counters::Held;
use crate::state::idempotency::{Claim, Recording};
use crate::state::metrics::OneMore;
use crate::state::owners::Owner;
use crate::state::snapshot::{Credential, Model, Provider};

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

/// What accept made of a request.
enum Work {
    Call(Box<call::Read>),
    Named(Box<named::Read>),
    Count(Box<count::Read>),
    Raw(Box<raw::Read>),
    Stored(Box<stored_request::Read>),
    Models,
    Model(String),
    Preflight,
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

    /// Stage 1, and the key check as early as it can be: a stranger's body is not worth reading.
    async fn accept(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<Work> {
        let snapshot = exchange.snapshot.clone();
        let held = self.state.counters.requests.take(1, snapshot.limits.requests);
        exchange
            .accepted
            .held
            .push(held.ok_or_else(|| Fault::overloaded("limits.requests", "retry in a moment"))?);
        if listen::is_preflight(session, &snapshot) {
            exchange.accepted.kind = Kind::Preflight;
            return Ok(Work::Preflight);
        }
        let accepted = &mut exchange.accepted;
        let route = route::find(&accepted.method, &accepted.path, |name| {
            snapshot.providers.contains_key(name)
        })?;
        accepted.kind = route.kind();
        let key = head::presented_key(&accepted.headers.0);
        exchange.admitted.caller = Some(caller::identify(&snapshot, key, clock::now_ms())?);
        match route {
            Route::Operation(operation) => {
                let asked = call::Asked::Operation(operation);
                self.accept_call(session, exchange, asked, None).await
            }
            Route::Generation(form) => {
                let asked = call::Asked::Generation(form);
                self.accept_call(session, exchange, asked, None).await
            }
            Route::Named(page) => {
                exchange.accepted.page = Some(page);
                let body = body::read(session, exchange, &self.state.counters).await?;
                let read = named::read(&exchange.accepted.headers.0, body)?;
                Ok(Work::Named(Box::new(read)))
            }
            Route::Spoken(spoken) => {
                let body = body::read(session, exchange, &self.state.counters).await?;
                let read = named::read_spoken(&exchange.accepted.headers.0, &spoken, body)?;
                exchange.accepted.spoken = Some(spoken);
                Ok(Work::Named(Box::new(read)))
            }
            Route::CountTokens => {
                let body = body::read(session, exchange, &self.state.counters).await?;
                Ok(Work::Count(Box::new(count::read(body)?)))
            }
            Route::Stored(stored) => Box::pin(self.accept_stored(session, exchange, stored)).await,
            Route::Models => Ok(Work::Models),
            Route::Model(name) => Ok(Work::Model(name)),
            Route::Raw { provider, rest } => {
                Box::pin(self.accept_raw(session, exchange, &provider, &rest)).await
            }
            Route::Realtime => Err(handshake::required(session.req_header().version)),
        }
    }

    async fn accept_call(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        asked: call::Asked,
        via: Option<Arc<Provider>>,
    ) -> Result<Work> {
        exchange.accepted.kind = Kind::Operation(asked.operation());
        let body = body::read(session, exchange, &self.state.counters).await?;
        let read = call::read(exchange, asked, body)?;
        Ok(Work::Call(Box::new(call::Read { via, ..read })))
    }

    /// Files may be larger than other bodies.
    async fn accept_stored(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        stored: Stored,
    ) -> Result<Work> {
        let body = match stored {
            Stored::Upload => {
                let most = body::Most {
                    bytes: exchange.snapshot.files.upload_bytes,
                    setting: "files.upload_bytes",
                };
                body::read_within(session, exchange, &self.state.counters, most).await?
            }
            _ => body::read(session, exchange, &self.state.counters).await?,
        };
        let query = session.req_header().uri.query();
        exchange.accepted.raw_path = Some(stored_request::upstream_path(&exchange.accepted.path, query));
        let read = stored_request::read(stored, &exchange.accepted.headers.0, query, body)?;
        Ok(Work::Stored(Box::new(read)))
    }

    /// A raw path that leads to an operation is a call like any other, but for its target.
    async fn accept_raw(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        provider: &str,
        rest: &str,
    ) -> Result<Work> {
        let snapshot = exchange.snapshot.clone();
        let provider = snapshot.providers.get(provider).cloned();
        let provider =
            provider.ok_or_else(|| Fault::caller(404, "unknown_url", "there is no such provider here"))?;
        if let Some(operation) = raw::operation(rest).filter(|_| exchange.accepted.method == Method::POST) {
            return self
                .accept_call(
                    session,
                    exchange,
                    call::Asked::Operation(operation),
                    Some(provider),
                )
                .await;
        }
        let path = raw::upstream_path(&provider, rest, session.req_header().uri.query());
        let body = body::read(session, exchange, &self.state.counters).await?;
        let models = raw::models(&path, &body)?;
        exchange.accepted.raw_path = Some(path.clone());
        Ok(Work::Raw(Box::new(raw::Read {
            provider,
            path,
            models,
            body,
        })))
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

    async fn call(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: call::Read) -> Ended {
        let is_kept = !exchange.snapshot.idempotency.window.is_zero();
        let Some(key) = read.idempotency_key.clone().filter(|_| is_kept) else {
            return self.work(down, exchange, read).await;
        };
        let caller = exchange
            .admitted
            .caller
            .as_ref()
            .map(|caller| caller.name.clone())
            .unwrap_or_default();
        match self.state.repeats.claim(&caller, &key, read.fingerprint) {
            Claim::Mismatch => Err(Told::Fault(another_call())),
            Claim::Repeat(recording) => Ok(relay::replay::relay(down, exchange, recording.reader()).await?),
            Claim::First(recording) => {
                down.record_into(recording.clone());
                let claim = Claimed {
                    state: self.state.clone(),
                    caller,
                    key,
                    recording,
                    keep: false,
                };
                Box::pin(self.first(down, exchange, read, claim)).await
            }
        }
    }

    /// The first call of its `Idempotency-Key`: its answer is kept if a repeat should get the same.
    async fn first(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        read: call::Read,
        mut claim: Claimed,
    ) -> Ended {
        let mut ended = self.work(down, exchange, read).await;
        if let Err(Told::Fault(fault)) = ended {
            let keep = matches!(fault.status, 400 | 404 | 422);
            ended = whole::refuse(down, exchange, &fault).await.map_err(Told::Stop);
            claim.keep = keep && ended.is_ok();
            return ended;
        }
        claim.keep = exchange.relayed.ending == Ending::Complete;
        ended
    }

    /// Stage 2, then 3 and 4.
    async fn work(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: call::Read) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange
            .admitted
            .caller
            .clone()
            .ok_or_else(|| Fault::ours(500, "internal", "no caller"))?;
        exchange.ask_for(read.request.model());
        let model = match &read.via {
            Some(provider) => caller::permit_via(&caller, provider, read.request.model())?,
            None => caller::permit(&snapshot, &caller, read.request.model())?,
        };
        let terms = read.terms(&snapshot);
        exchange.admit(read.request);
        if exchange.admitted.streamed {
            down.keep_alive(snapshot.keep_alive);
            relay::guard::check_streamable(&snapshot.chain)?;
        }
        match self.guard(down, exchange, &model).await? {
            Admission::Proceed => self.dispatch(down, exchange, &model, terms).await,
            Admission::Answer(reply) => Ok(relay::reply::relay(down, exchange, terms, &reply.text).await?),
        }
    }

    /// The request plugins. While one of them waits, the caller is watched.
    async fn guard(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        model: &Model,
    ) -> std::result::Result<Admission, Told> {
        if !chain::waits(&exchange.snapshot.chain, &[Hook::OnRequest]) {
            return Ok(admit::guard::request(exchange).await?);
        }
        let totals = model.targets.iter().map(|target| target.timeouts.total);
        down.finish_by(exchange.accepted.at + totals.max().unwrap_or_default());
        Ok(down
            .wait(Box::pin(admit::guard::request(exchange)).as_mut())
            .await??)
    }

    /// The route plugins, likewise.
    async fn order(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        planned: Vec<Planned>,
    ) -> std::result::Result<Vec<Planned>, Told> {
        if !chain::waits(&exchange.snapshot.chain, &[Hook::OnRoute]) {
            return Ok(routing::order(exchange, planned).await?);
        }
        Ok(down
            .wait(Box::pin(routing::order(exchange, planned)).as_mut())
            .await??)
    }

    /// A call of which only the model is read has the model's targets, and the same plugins as any other.
    async fn named(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: named::Read) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange
            .admitted
            .caller
            .clone()
            .ok_or_else(|| Fault::ours(500, "internal", "no caller"))?;
        exchange.ask_for(&read.model);
        let model = caller::permit(&snapshot, &caller, &read.model)?;
        exchange.admit_raw(read.model.into(), read.body);
        self.unread(down, exchange, &model).await
    }

    /// Asks one of the model's targets that can count; where there is none, the caller gets an estimate that says so.
    async fn count(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: count::Read) -> Ended {
        let snapshot = exchange.snapshot.clone();
        let caller = exchange
            .admitted
            .caller
            .clone()
            .ok_or_else(|| Fault::ours(500, "internal", "no caller"))?;
        exchange.ask_for(&read.model);
        let model = caller::permit(&snapshot, &caller, &read.model)?;
        exchange.admit_raw(read.model.into(), read.body);
        let Some(counting) = model.speaking(Dialect::AnthropicMessages) else {
            return estimate(down, exchange, read.estimate).await;
        };
        exchange.accepted.page = Some(count::PAGE);
        self.unread(down, exchange, &counting).await
    }

    /// A raw call has one target, and the same plugins as any other.
    async fn raw(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, read: raw::Read) -> Ended {
        let caller = exchange
            .admitted
            .caller
            .clone()
            .ok_or_else(|| Fault::ours(500, "internal", "no caller"))?;
        if let Some(model) = read.models.first() {
            exchange.ask_for(model);
        }
        caller::permit_raw(&caller, &read.provider, &read.models)?;
        let model = Model::via(&read.provider, read.models.first().map_or("", String::as_str));
        exchange.admit_raw(model.name.clone(), read.body);
        self.unread(down, exchange, &model).await
    }

    /// What is the same for all bodies that are not read.
    async fn unread(&self, down: &mut Downstream<'_>, exchange: &mut Exchange, model: &Model) -> Ended {
        let most_bytes = exchange.snapshot.limits.decompressed_bytes;
        let terms = Terms {
            operation: None,
            dialect: Dialect::OpenAiChat,
            hide_usage: false,
            most_bytes,
        };
        match self.guard(down, exchange, model).await? {
            Admission::Proceed => self.dispatch(down, exchange, model, terms).await,
            Admission::Answer(_) => Err(Told::Fault(no_dialect())),
        }
    }

    /// Stage 3: targets in turn, until one has answered or none is left.
    async fn dispatch(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        model: &Model,
        terms: Terms,
    ) -> Ended {
        let asked = exchange.admitted.model.clone().unwrap_or_default();
        let planned = plan::candidates(model, &asked, &self.state.health);
        let total = planned
            .iter()
            .map(|planned| planned.target.timeouts.total)
            .max()
            .unwrap_or_default();
        down.finish_by(exchange.accepted.at + total);
        let planned = self.order(down, exchange, planned).await?;
        let mut plan = Plan::new(planned, &self.state.health)?;
        exchange.dispatched.ties = Ties::of_call(exchange, &self.state.owners)?;
        exchange.dispatched.ties.bind(&mut plan)?;
        if exchange.accepted.stored.is_some() {
            plan.keep_to(
                exchange.admitted.owner.as_ref(),
                exchange.admitted.caller.as_deref(),
            )?;
        }
        let mut last = None;
        while let Some(step) = plan.take_next() {
            let Some(failed) = self.attempt(down, exchange, &step, terms).await? else {
                return Ok(());
            };
            if exchange.dispatched.ties.take_refused(&failed) {
                plan.again(step);
                continue;
            }
            let may_try_next = failed.fault.may_try_next();
            if failed.gives_up_on_target() {
                plan.give_up_on(&step.planned.target);
            }
            last = Some(failed.fault);
            if !may_try_next {
                break;
            }
        }
        let fault = last.unwrap_or_else(|| Fault::ours(503, "no_target", "no target is left for this model"));
        Err(Told::Fault(attempt::last_word(
            fault,
            &exchange.dispatched.attempts,
        )))
    }

    /// One target: stage 3's sending, then stage 4. `None` when the caller has its answer.
    async fn attempt(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let provider = &step.planned.target.provider;
        let adapted = Adapted::of(&exchange.snapshot, provider, terms.dialect);
        let attempted = self
            .attempt_with(down, exchange, step, terms, adapted.as_ref())
            .await;
        if let Some(adapted) = adapted {
            adapted.note(exchange);
        }
        attempted
    }

    async fn attempt_with(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        terms: Terms,
        adapted: Option<&Arc<Adapted>>,
    ) -> std::result::Result<Option<Failed>, Told> {
        let (mut outgoing, terms) = match self.request_for(down, exchange, step, terms, adapted).await? {
            Ok(made) => made,
            Err(failed) => {
                if failed.outcome == Outcome::Adapter {
                    exchange.dispatched.attempts.push(step.attempt());
                    exchange
                        .dispatched
                        .note(Duration::ZERO, Some((failed.outcome, failed.status)));
                }
                return Ok(Some(failed));
            }
        };
        exchange.dispatched.dropped = std::mem::take(&mut outgoing.dropped);
        let begun = Instant::now();
        let under_way = step.planned.health.begin();
        exchange.dispatched.attempts.push(step.attempt());
        let mut sent = {
            let sent = pin!(attempt::send(
                &self.upstreams,
                &self.identities,
                step,
                &mut outgoing
            ));
            down.wait(sent).await
        };
        if let Ok(Err(failed)) = &sent
            && betas::take_refused(&mut outgoing, failed)
        {
            self.state.metrics.betas_refused.inc();
            let ended = (failed.outcome, failed.status);
            exchange.dispatched.note(begun.elapsed(), Some(ended));
            exchange.dispatched.attempts.push(step.attempt());
            exchange.dispatched.dropped.append(&mut outgoing.dropped);
            // Boxed: what is rare must not make every call's state larger.
            let again = Box::pin(attempt::send(
                &self.upstreams,
                &self.identities,
                step,
                &mut outgoing,
            ));
            sent = down.wait(pin!(again)).await;
        }
        exchange.relayed.upstream_wait += begun.elapsed();
        let relayed = match sent {
            Ok(Ok(upstream)) => {
                step.planned.health.succeeded(begun.elapsed());
                exchange.dispatched.note_status(upstream.status());
                let is_kept = exchange
                    .accepted
                    .stored
                    .as_ref()
                    .is_some_and(|it| !it.is_content());
                match (outgoing.translation.clone(), &outgoing.rewording) {
                    (None, None) if exchange.accepted.kind == Kind::Responses => {
                        Box::pin(self.relay_answer(down, exchange, step, upstream, terms)).await
                    }
                    (None, None) if is_kept => {
                        Box::pin(self.relay_stored(down, exchange, step, upstream, &outgoing, terms)).await
                    }
                    (None, None) => self.relay(down, exchange, step, upstream, terms).await,
                    // Boxed: what is rare must not make every call's state larger.
                    (Some(translation), _) => {
                        Box::pin(self.relay_translated(down, exchange, step, upstream, terms, *translation))
                            .await
                    }
                    (None, Some(rewording)) => {
                        let both = (std::mem::take(&mut outgoing.more), &**rewording);
                        Box::pin(self.relay_reworded(down, exchange, step, upstream, both, terms)).await
                    }
                }
            }
            Ok(Err(failed)) => Ok(Some(failed)),
            Err(stop) => Err(stop.into()),
        };
        drop(under_way);
        match &relayed {
            Ok(failed) => exchange.dispatched.note(
                begun.elapsed(),
                failed.as_ref().map(|failed| (failed.outcome, failed.status)),
            ),
            Err(_) if exchange.relayed.has_all => exchange.dispatched.note(begun.elapsed(), None),
            Err(_) => exchange.dispatched.note_left(begun.elapsed()),
        }
        relayed
    }

    /// Stage 4 for a provider that speaks another dialect than the caller.
    async fn relay_translated(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: Box<Upstream>,
        terms: Terms,
        translation: Translation,
    ) -> std::result::Result<Option<Failed>, Told> {
        let Some(translated) = Translated::new(upstream, translation) else {
            let message = "the provider's Content-Encoding is not known";
            let fault = Fault::provider(502, "upstream_invalid", message);
            return Ok(Some(attempt::failed_in_stream(step, fault, Outcome::Broken)));
        };
        self.relay(down, exchange, step, translated, terms).await
    }

    /// The account that answers a step, where its answers have what only that account knows.
    fn origin(&self, exchange: &Exchange, step: &Step, terms: Terms) -> Option<Origin> {
        let provider = &step.planned.target.provider;
        let speaks = translate::spoken_to(provider, terms.dialect);
        if terms.operation.is_none() || speaks != Dialect::OpenAiResponses {
            return None;
        }
        Some(Origin {
            state: self.state.clone(),
            owner: Owner {
                provider: provider.name.clone(),
                credential: step.credential.credential.as_ref().map(Credential::account),
                accounted: true,
            },
            // an answer that is written anew has an id of the gateway's
            keeps: terms.dialect == speaks
                && exchange.accepted.stored.is_none()
                && !step.is_bridged(exchange.admitted.streamed),
            goes_on: exchange.is_in_background(),
            answer: None,
        })
    }

    /// Stage 4.
    async fn relay(
        &self,
        down: &mut Downstream<'_>,
        exchange: &mut Exchange,
        step: &Step,
        upstream: impl Source,
        terms: Terms,
    ) -> std::result::Result<Option<Failed>, Told> {
        let (status, theirs) = (upstream.status(), upstream.headers());
        // an error is read whole, whatever it calls itself: it may quote what nobody must see
        let is_error = status >= 400;
        let streams = relay::head::is_event_stream(theirs) && !is_error;
        // a file that no plugin wants to see may be larger than what is held
        let is_file = exchange.accepted.stored.as_ref().is_some_and(Stored::is_content)
            && !chain::wants_answers(&exchange.snapshot.chain);
        let is_opaque = is_file || !relay::head::is_text(theirs);
        let passes = terms.operation.is_none() && !streams && !is_error && is_opaque;
        let mut head = match passes {
            true => Head::of_raw(status, theirs),
            false => Head::of_provider(status, theirs, (!streams).then_some(0)),
        };
        let served = Served {
            target: step.planned.target.clone(),
            model: step.planned.model.clone(),
        };
        head.served_by(
            &served.target.provider.name,
            &served.model,
            exchange.dispatched.attempts.len(),
        );
        head.dropped(&exchange.dispatched.dropped);
        exchange.dispatched.served_by = Some(served);
        exchange.dispatched.origin = self.origin(exchange, step, terms);
        let relayed = if streams {
            let _live = OneMore::of(&self.state.metrics.live_streams);
            Box::pin(relay::stream::relay(down, exchange, upstream, head, terms)).await?
        } else if passes {
            Box::pin(relay::pass::relay(down, exchange, upstream, head)).await?
        } else {
            whole::relay(down, exchange, upstream, head, terms, &self.state.counters).await?
        };
        Ok(match relayed {
            Relay::Ended => None,
            Relay::Broke(outcome) => {
                // a guard's refusal, or an adapter's failure, is no mark against the provider
                if matches!(outcome, Outcome::Broken | Outcome::ErrorEvent) {
                    step.planned.health.failed();
                }
                exchange.dispatched.broke = Some(outcome);
                None
            }
            Relay::NotCommitted(fault, outcome) => {
                exchange.dispatched.served_by = None;
                Some(attempt::failed_in_stream(step, fault, outcome))
            }
        })
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

/// A claim on an `Idempotency-Key`, given up or kept when the call is over, however it ends.
struct Claimed {
    state: Arc<State>,
    caller: Arc<str>,
    key: Box<str>,
    recording: Arc<Recording>,
    keep: bool,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.state
            .repeats
            .finish(&self.caller, &self.key, &self.recording, self.keep);
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

async fn list_models(down: &mut Downstream<'_>, exchange: &mut Exchange) -> Ended {
    let snapshot = exchange.snapshot.clone();
    let Some(caller) = exchange.admitted.caller.clone() else {
        return Ok(());
    };
    let body = catalogue::list(caller::visible(&snapshot, &caller));
    page(down, exchange, body).await
}

async fn show_model(down: &mut Downstream<'_>, exchange: &mut Exchange, name: &str) -> Ended {
    let snapshot = exchange.snapshot.clone();
    let Some(caller) = exchange.admitted.caller.clone() else {
        return Ok(());
    };
    exchange.ask_for(name);
    let model = caller::permit(&snapshot, &caller, name)?;
    page(down, exchange, catalogue::single(&model, name)).await
}

/// A page that the gateway answers by itself.
async fn page(down: &mut Downstream<'_>, exchange: &mut Exchange, body: Vec<u8>) -> Ended {
    exchange.relayed.ending = Ending::Complete;
    down.head(&Head::new(200, "application/json", Some(body.len() as u64)))
        .await?;
    Ok(down.end(body.into()).await?)
}

/// The answer to a count that no provider can make.
async fn estimate(down: &mut Downstream<'_>, exchange: &mut Exchange, tokens: TokenCount) -> Ended {
    let body = format!(r#"{{"input_tokens":{tokens}}}"#).into_bytes();
    exchange.relayed.ending = Ending::Complete;
    let mut head = Head::new(200, "application/json", Some(body.len() as u64));
    head.estimated();
    down.head(&head).await?;
    Ok(down.end(body.into()).await?)
}

async fn preflight(down: &mut Downstream<'_>, exchange: &mut Exchange) -> Ended {
    exchange.relayed.ending = Ending::Complete;
    let max_age = exchange
        .snapshot
        .cors
        .as_ref()
        .map_or(Duration::ZERO, |cors| cors.max_age);
    down.head(&Head::preflight(&exchange.accepted.headers.0, max_age))
        .await?;
    Ok(down.end(Bytes::new()).await?)
}

fn out_of_time() -> Box<Fault> {
    Fault::provider(
        504,
        "timeout",
        "the call took longer than `timeouts.total_ms` allows",
    )
    .final_here()
}

fn no_dialect() -> Box<Fault> {
    Fault::ours(
        500,
        "plugin_answer",
        "a plugin answered a call whose dialect the gateway does not write",
    )
}

fn another_call() -> Box<Fault> {
    let message = "the Idempotency-Key was used for another call; use a new one for each call";
    Fault::caller(422, "idempotency_key_reused", message)
}

/// What an attempt is until it has ended otherwise.
impl Step {
    fn attempt(&self) -> Attempt {
        Attempt {
            provider: self.planned.target.provider.name.clone(),
            model: self.planned.model.clone(),
            credential: self
                .credential
                .credential
                .as_ref()
                .map_or(0, |credential| credential.position),
            status: None,
            outcome: Outcome::Cancelled,
            took: Duration::ZERO,
            reason: self.planned.reason.clone(),
        }
    }
}
