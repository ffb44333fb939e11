//! Operators' pages on a listener of their own: metrics, liveness, readiness. It knows no request but its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;

use crate::state::State;

/// The pages.
pub struct Admin {
    pub state: Arc<State>,
}

struct Page {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        let stopping = self.state.draining.load(Ordering::Relaxed);
        if stopping || *shutdown.borrow() {
            session.set_keepalive(None);
        }
        let page = self.page(
            session.req_header().method.as_str(),
            session.req_header().uri.path(),
            stopping,
        );
        write(&mut session, page).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

impl Admin {
    fn page(&self, method: &str, path: &str, stopping: bool) -> Page {
        match (method, path) {
            ("GET" | "HEAD", "/metrics") => self.metrics(),
            // the process answers, that is all liveness may depend on (PAIN O04)
            ("GET" | "HEAD", "/healthz") => Page::text(200, "ok\n"),
            ("GET" | "HEAD", "/readyz") if stopping => Page::text(503, "draining\n"),
            ("GET" | "HEAD", "/readyz") => Page::text(200, "ready\n"),
            (_, "/metrics" | "/healthz" | "/readyz") => Page::text(405, "GET only\n"),
            _ => Page::text(404, "pages: /metrics /healthz /readyz\n"),
        }
    }

    fn metrics(&self) -> Page {
        let (metrics, counters) = (&self.state.metrics, &self.state.counters);
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.connections.set(gauge(counters.connections.value()));
        metrics.requests_in_flight.set(gauge(counters.requests.value()));
        metrics.body_memory_bytes.set(gauge(counters.body_memory.value()));
        let snapshot = self.state.snapshot.load();
        for plugin in &snapshot.chain {
            for (name, stands_at) in plugin.custom_metrics() {
                metrics.count_custom(plugin.name(), &name, stands_at);
            }
        }
        let generation = snapshot.generation;
        metrics.live_generations.set(gauge(self.state.generations.live()));
        metrics
            .config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        Page {
            status: 200,
            content_type: "text/plain; version=0.0.4",
            body: metrics.render(),
        }
    }
}

impl Page {
    fn text(status: u16, text: &'static str) -> Self {
        Self {
            status,
            content_type: "text/plain",
            body: text.as_bytes().to_vec(),
        }
    }
}

async fn write(session: &mut ServerSession, page: Page) -> pingora_error::Result<()> {
    let mut head = ResponseHeader::build(page.status, Some(2))?;
    head.insert_header(header::CONTENT_TYPE, page.content_type)?;
    head.insert_header(header::CONTENT_LENGTH, page.body.len())?;
    session.write_response_header(Box::new(head)).await?;
    let is_head = session.req_header().method == http::Method::HEAD;
    let body = if is_head { Bytes::new() } else { page.body.into() };
    session.write_response_body(body, true).await
}
