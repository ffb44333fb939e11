//! Stage 1 of each kind of request: the key check, the body, and what is read of it. What becomes of it is decided in `super`.

use std::sync::Arc;

use http::Method;
use pingora_core::protocols::http::ServerSession;

use super::Gateway;
use crate::accept::route::{self, Route};
use crate::accept::{body, call, count, handshake, head, listen, named, raw, stored as stored_request};
use crate::admit::caller;
use crate::exchange::{Exchange, Kind, Stored};
use crate::fault::{Fault, Result};
use crate::state::clock;
use crate::state::snapshot::Provider;

/// What accept made of a request.
pub(super) enum Work {
    Call(Box<call::Read>),
    Named(Box<named::Read>),
    Count(Box<count::Read>),
    Raw(Box<raw::Read>),
    Stored(Box<stored_request::Read>),
    Models,
    Model(String),
    Preflight,
}

impl Gateway {
    /// Stage 1, and the key check as early as it can be: a stranger's body is not worth reading.
    pub(super) async fn accept(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<Work> {
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
}
