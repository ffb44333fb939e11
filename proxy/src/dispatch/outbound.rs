//! The calls that plugins make, on the wire that providers are reached by, with connections of their own. Whether a call
//! may be made was decided by the plugin host; here it is made sure that it goes to an address that it may go to.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use penstock_plugin_host::{HttpError, HttpResponse, Outbound as Calls, OutboundCall, OutboundFuture};

use crate::dispatch::outgoing::{Outgoing, OutgoingBody};
use crate::dispatch::upstream::{self, Upstream, Upstreams};
use crate::state::answer::{Interrupted, Source};
use crate::state::facts::Facts;
use crate::state::pages::Pages;
use crate::state::parameters::Parameters;
use crate::state::snapshot::{Auth, Betas, MediaTaken, Provider, Timeouts, Trust};

/// Connections for plugins. None is shared with providers: what a plugin does to its own cannot meet a caller's.
#[derive(Default)]
pub struct Outbound {
    /// Made with the first call: it reads the system's certificates.
    upstreams: OnceLock<Arc<Upstreams>>,
}

impl Calls for Outbound {
    fn send(&self, call: OutboundCall) -> OutboundFuture {
        let upstreams = self.upstreams.get_or_init(Arc::default).clone();
        Box::pin(async move {
            let within = call.within;
            let made = tokio::time::timeout(within, make(&upstreams, call)).await;
            made.unwrap_or(Err(HttpError::Timeout))
        })
    }
}

async fn make(upstreams: &Arc<Upstreams>, call: OutboundCall) -> Result<HttpResponse, HttpError> {
    let most_bytes = call.most_response_bytes;
    read(open(upstreams, call).await?, most_bytes).await
}

/// Sends a call and waits for the response's head. The address that was looked at is the one that is connected to.
pub async fn open(upstreams: &Arc<Upstreams>, call: OutboundCall) -> Result<Box<Upstream>, HttpError> {
    let (service, timeouts) = service(&call);
    let rule = call.rule.clone();
    let outgoing = outgoing(call)?;
    let may_reach = |address| rule.may_reach(address);
    let sent = upstreams
        .send_where(&service, &timeouts, &outgoing, &may_reach)
        .await;
    sent.map_err(|fault| error_of(&fault.code))
}

/// What the wire knows of the other side, as if it were a provider.
fn service(call: &OutboundCall) -> (Provider, Timeouts) {
    let timeouts = Timeouts {
        connect: call.within,
        first_byte: call.within,
        idle: call.within,
        total: call.within,
    };
    let service = Provider {
        name: "a plugin's service".into(),
        tls: call.rule.tls,
        host: call.host.as_str().into(),
        port: call.rule.port,
        base_path: "".into(),
        dialects: Vec::new(),
        adapter: None,
        embeddings: None,
        rerank: None,
        betas: Arc::new(Betas::All),
        facts: Facts::default(),
        credentials: Vec::new(),
        auth: Auth::None,
        usage_option: false,
        pages: Pages::default(),
        parameters: Parameters::default(),
        headers: Vec::new(),
        http2: false,
        trust: Trust {
            ca_pem: call.rule.ca_pem.clone(),
            ..Trust::default()
        },
        connect_proxy: None,
        timeouts,
        media: MediaTaken::default(),
    };
    (service, timeouts)
}

fn outgoing(call: OutboundCall) -> Result<Outgoing, HttpError> {
    let host = HeaderValue::from_str(&call.authority).map_err(|_| HttpError::Invalid)?;
    let mut headers = vec![(header::HOST, host)];
    headers.extend(call.headers);
    Ok(Outgoing {
        method: call.method,
        path: call.path,
        key: None,
        headers,
        body: OutgoingBody::Plain(call.body),
        is_raw: true,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    })
}

/// The whole response, as far as its limit goes. One over it closes its connection.
async fn read(mut from: Box<Upstream>, most_bytes: usize) -> Result<HttpResponse, HttpError> {
    let (status, headers) = (from.status(), from.headers().clone());
    let mut left = most_bytes
        .checked_sub(size(&headers))
        .ok_or(HttpError::TooLarge)?;
    let mut body = BytesMut::new();
    while let Some(piece) = from.read().await.map_err(interrupted)? {
        left = left.checked_sub(piece.len()).ok_or(HttpError::TooLarge)?;
        body.extend_from_slice(&piece);
    }
    from.finish().await;
    Ok(HttpResponse {
        status,
        headers,
        body: Bytes::from(body),
    })
}

fn size(headers: &HeaderMap) -> usize {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    sizes.sum()
}

fn interrupted(error: Interrupted) -> HttpError {
    match error {
        Interrupted::Silent => HttpError::Timeout,
        // no adapter reads what services say
        Interrupted::Broken(_) | Interrupted::Adapter { .. } => HttpError::Broken,
    }
}

/// What the wire's own codes mean to a plugin.
fn error_of(code: &str) -> HttpError {
    match code {
        upstream::NOT_REACHED_FROM_HERE => HttpError::NotAllowed,
        "upstream_unreachable" | "upstream_tls_material" => HttpError::Unreachable,
        "upstream_timeout" => HttpError::Timeout,
        _ => HttpError::Broken,
    }
}
