//! The head of an answer: what is kept of the provider's, and what the gateway adds. It writes nothing.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use penstock_llm::model::Dialect;
use pingora_http::ResponseHeader;

use crate::fault::{AWS_ERROR_TYPE, Fault};
use crate::relay::frames;
pub use crate::state::answer::Head;
use crate::state::snapshot::Cors;

/// What callers' SDKs look at in a provider's head (APIS.md 9.10).
const KEPT: &[&str] = &[
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "retry-after-ms",
];
const KEPT_PREFIXES: &[&str] = &["x-ratelimit-", "anthropic-ratelimit-"];

/// What makes a WebSocket handshake's answer (RFC 6455, 4.2.2), but for extensions, which are never asked for.
const HANDSHAKE: &[HeaderName] = &[
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
];

/// What every answer carries, whatever it is.
#[derive(Clone, Debug)]
pub struct Ours {
    pub request_id: Arc<str>,
    pub generation: u64,
    /// What the caller speaks: each dialect's SDKs look for the request's id in a header of their own.
    pub dialect: Dialect,
    /// The origin that a browser may hand the answer to.
    pub origin: Option<HeaderValue>,
}

impl Ours {
    pub fn new(
        request_id: Arc<str>,
        generation: u64,
        dialect: Dialect,
        cors: Option<&Cors>,
        headers: &HeaderMap,
    ) -> Self {
        let origin = cors.and_then(|cors| allowed_origin(cors, headers));
        Self {
            request_id,
            generation,
            dialect,
            origin,
        }
    }

    /// The header of the caller's SDK for the request's id, besides `x-request-id`.
    fn id_header(&self) -> Option<&'static str> {
        match self.dialect {
            Dialect::AnthropicMessages => Some("request-id"),
            Dialect::BedrockConverse => Some("x-amzn-requestid"),
            _ => None,
        }
    }
}

/// The request's `Origin`, if its pages may call.
pub fn allowed_origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let is_allowed = cors
        .origins
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes());
    is_allowed.then(|| origin.clone())
}

/// Whether a body is text that a guard can read.
pub fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || ["json", "jsonl", "xml", "javascript", "x-ndjson"]
            .iter()
            .any(|kind| essence.ends_with(kind))
}

/// Whether a body comes event by event.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    frames::announced(headers).is_some()
}

impl Head {
    pub fn new(status: u16, content_type: &'static str, length: Option<u64>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self {
            status,
            headers,
            length,
        }
    }

    /// The head of a stream that starts before its provider has answered.
    pub fn event_stream(dialect: Dialect) -> Self {
        Self::streaming(200, frames::content_type(dialect))
    }

    fn streaming(status: u16, content_type: HeaderValue) -> Self {
        let headers = vec![
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            // nginx and its kin would gather the stream otherwise
            (
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            ),
        ];
        Self {
            status,
            headers,
            length: None,
        }
    }

    /// What is kept of a provider's head. Its framing and coding are the connection's business and left out.
    pub fn of_provider(status: u16, theirs: &HeaderMap, length: Option<u64>) -> Self {
        let json = HeaderValue::from_static("application/json");
        let content_type = theirs.get(header::CONTENT_TYPE).cloned().unwrap_or(json);
        let mut head = match length {
            None => Self::streaming(status, content_type),
            Some(_) => Self {
                status,
                headers: vec![(header::CONTENT_TYPE, content_type)],
                length,
            },
        };
        head.keep(theirs);
        head
    }

    /// The head that opens a session.
    pub fn of_handshake(theirs: &HeaderMap) -> Self {
        let kept = |name: &HeaderName| Some((name.clone(), theirs.get(name)?.clone()));
        let mut head = Self {
            status: 101,
            headers: HANDSHAKE.iter().filter_map(kept).collect(),
            length: None,
        };
        head.keep(theirs);
        head
    }

    /// Keeps what callers may want to know of a provider's head.
    fn keep(&mut self, theirs: &HeaderMap) {
        for (name, value) in theirs {
            let begins = |prefix: &&str| name.as_str().starts_with(prefix);
            if KEPT.contains(&name.as_str()) || KEPT_PREFIXES.iter().any(begins) {
                self.headers.push((name.clone(), value.clone()));
            }
        }
        if let Some(id) = theirs.get("x-request-id").or_else(|| theirs.get("request-id")) {
            self.headers
                .push((HeaderName::from_static("x-upstream-request-id"), id.clone()));
        }
    }

    /// The head of a raw answer that is passed on piece by piece, coded as it came.
    pub fn of_raw(status: u16, theirs: &HeaderMap) -> Self {
        let length = theirs
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut head = Self::of_provider(status, theirs, length);
        for name in [header::CONTENT_ENCODING, header::CONTENT_DISPOSITION] {
            head.headers
                .extend(theirs.get(&name).map(|value| (name, value.clone())));
        }
        head
    }

    /// The head of an error.
    pub fn of_fault(fault: &Fault, length: u64) -> Self {
        let json = HeaderValue::from_static("application/json");
        let content_type = fault
            .verbatim
            .as_ref()
            .and_then(|verbatim| verbatim.content_type.clone())
            .unwrap_or(json);
        let mut head = Self {
            status: fault.status,
            headers: vec![(header::CONTENT_TYPE, content_type)],
            length: Some(length),
        };
        let error_type = fault
            .verbatim
            .as_ref()
            .and_then(|verbatim| verbatim.error_type.clone());
        head.headers
            .extend(error_type.map(|name| (HeaderName::from_static(AWS_ERROR_TYPE), name)));
        if let Some(after) = fault.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            head.headers
                .push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if fault.status == 426 {
            let websocket = HeaderValue::from_static("websocket");
            head.headers.push((header::UPGRADE, websocket));
        }
        let allow = fault.allow.as_deref();
        if let Some(allow) = allow.and_then(|methods| HeaderValue::from_str(methods).ok()) {
            head.headers.push((header::ALLOW, allow));
        }
        head
    }

    /// Says who served it, and after how many tries.
    pub fn served_by(&mut self, provider: &str, model: &str, attempts: usize) {
        let mut push = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                self.headers.push((HeaderName::from_static(name), value));
            }
        };
        push("x-penstock-provider", provider);
        push("x-penstock-model", model);
        self.headers.push((
            HeaderName::from_static("x-penstock-attempts"),
            HeaderValue::from(attempts),
        ));
    }

    /// Says that the numbers in the body are the gateway's own guess.
    pub fn estimated(&mut self) {
        let name = HeaderName::from_static("x-penstock-estimated");
        self.headers.push((name, HeaderValue::from_static("true")));
    }

    /// Names the fields of the request that the provider's dialect could not say.
    pub fn dropped(&mut self, fields: &[Box<str>]) {
        if fields.is_empty() {
            return;
        }
        if let Ok(value) = HeaderValue::from_str(&fields.join(", ")) {
            self.headers
                .push((HeaderName::from_static("x-penstock-dropped"), value));
        }
    }

    /// The answer to a browser that asks whether its page may call: yes, with what it asked to send.
    pub fn preflight(asked: &HeaderMap, max_age: Duration) -> Self {
        let mut headers = Vec::with_capacity(3);
        headers.push((
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, DELETE"),
        ));
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone()));
        }
        headers.push((
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(max_age.as_secs()),
        ));
        Self {
            status: 204,
            headers,
            length: None,
        }
    }

    /// In Pingora's form. `None` only for a status that is none.
    pub fn to_wire(&self, ours: &Ours, version: Version) -> Option<ResponseHeader> {
        let status = StatusCode::from_u16(self.status).ok()?;
        let mut wire = ResponseHeader::build_no_case(status, Some(self.headers.len() + 6)).ok()?;
        for (name, value) in &self.headers {
            wire.append_header(name.clone(), value.clone()).ok()?;
        }
        wire.insert_header("x-request-id", &*ours.request_id).ok()?;
        if let Some(name) = ours.id_header() {
            wire.insert_header(name, &*ours.request_id).ok()?;
        }
        wire.insert_header("x-penstock-generation", ours.generation)
            .ok()?;
        if let Some(origin) = &ours.origin {
            wire.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
                .ok()?;
            wire.insert_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "*")
                .ok()?;
            wire.insert_header(header::VARY, "origin").ok()?;
        }
        match self.length {
            Some(length) => wire.insert_header(header::CONTENT_LENGTH, length).ok()?,
            None if matches!(self.status, 101 | 204) => {}
            None if version == Version::HTTP_11 => {
                wire.insert_header(header::TRANSFER_ENCODING, "chunked").ok()?;
            }
            None => {}
        }
        Some(wire)
    }
}
