//! What Pingora's proxy asks while it carries a session, passed on to the session; it decides nothing.

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session as Wire};

use super::session::{Session, Side};

/// It holds nothing: each session comes with its connection.
pub struct Carrier;

type Carried = Option<Box<Session>>;

fn carried(ctx: &mut Carried) -> Result<&mut Session> {
    let none = || Error::explain(ErrorType::InternalError, "no session was handed over");
    ctx.as_deref_mut().ok_or_else(none)
}

/// Whose connection an error is about.
fn side_of(error: &Error) -> Side {
    match error.esource() {
        ErrorSource::Downstream => Side::Caller,
        _ => Side::Provider,
    }
}

#[async_trait]
impl ProxyHttp for Carrier {
    type CTX = Carried;

    fn new_ctx(&self) -> Carried {
        None
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    /// The connection's context is how a session gets here.
    fn on_connection_reuse(&self, _: &mut Wire, ctx: &mut Carried, handed: Box<dyn Any + Send + Sync>) {
        *ctx = handed.downcast().ok();
    }

    async fn upstream_peer(&self, _: &mut Wire, ctx: &mut Carried) -> Result<Box<HttpPeer>> {
        carried(ctx)?.next_peer().await
    }

    fn fail_to_connect(
        &self,
        _: &mut Wire,
        _: &HttpPeer,
        ctx: &mut Carried,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let may_retry = ctx.as_mut().is_some_and(|session| session.unreachable(&error));
        error.set_retry(may_retry);
        error
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Wire,
        head: &mut RequestHeader,
        ctx: &mut Carried,
    ) -> Result<()> {
        *head = carried(ctx)?.outgoing().await?;
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Wire,
        head: &mut ResponseHeader,
        ctx: &mut Carried,
    ) -> Result<()> {
        let answered = carried(ctx)?.answered(head.status.as_u16(), &head.headers);
        answered.map_err(|error| error.into_up())
    }

    async fn response_filter(
        &self,
        _: &mut Wire,
        head: &mut ResponseHeader,
        ctx: &mut Carried,
    ) -> Result<()> {
        let shown = carried(ctx)?.shown(head);
        *head = shown.ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "no head to show"))?;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        wire: &mut Wire,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Carried,
    ) -> Result<()> {
        let session = carried(ctx)?;
        if let Some(body) = body {
            session.passed_up(body);
        }
        // the handshake itself ends, too: it has no body
        if end && wire.was_upgraded() {
            session.ended_by(Side::Caller);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Wire,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Carried,
    ) -> Result<Option<Duration>> {
        let session = carried(ctx)?;
        session.passed_down(body, end)?;
        if end {
            session.ended_by(Side::Provider);
        }
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        wire: &mut Wire,
        mut error: Box<Error>,
        ctx: &mut Carried,
        _: bool,
    ) -> Box<Error> {
        let has_answered = wire.response_written().is_some();
        let may_retry = ctx
            .as_mut()
            .is_some_and(|session| session.broke(&error, side_of(&error), has_answered));
        error.set_retry(may_retry);
        error
    }

    async fn fail_to_proxy(&self, wire: &mut Wire, error: &Error, ctx: &mut Carried) -> FailToProxy {
        if let Some(session) = ctx
            && side_of(error) == Side::Provider
            && wire.response_written().is_none()
        {
            session.give_up(wire.as_downstream_mut()).await;
        }
        FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        }
    }

    /// The record says it.
    fn suppress_error_log(&self, _: &Wire, _: &Carried, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Wire, _: &Carried, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
