//! What a WebSocket handshake asks for: the model in its query, the key where browsers put it, the subprotocols. Whether
//! the caller may have it is decided elsewhere.

use http::{HeaderMap, HeaderValue, Version, header};
use pingora_core::protocols::http::ServerSession;

use crate::accept::head;
use crate::accept::route::{self, Route};
use crate::fault::{Fault, Result};

/// How a browser, which cannot set headers on a WebSocket, sends its key: as a subprotocol (APIS.md 1.14).
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// The subprotocols that a provider may hear of. The others are ways to send keys, organisations and projects, which
/// are the caller's and no business of the provider's.
const REALTIME_PROTOCOL: &str = "realtime";
const BETA_PROTOCOLS: &str = "openai-beta.";

/// The one version of the protocol (RFC 6455, 4.1).
const VERSION: &str = "13";

/// A parameter's name in an error: enough to find it.
const MOST_SHOWN: usize = 60;

/// Whether a request opens a realtime session. Over HTTP/2 there is no such request (RFC 8441 is not served).
pub fn is_handshake(session: &ServerSession) -> bool {
    let head = session.req_header();
    matches!(session, ServerSession::H1(_))
        && session.is_upgrade_req()
        && (head.headers.get(header::UPGRADE))
            .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && matches!(
            route::find(&head.method, head.uri.path(), |_| false),
            Ok(Route::Realtime)
        )
}

/// The answer to a request for the page that opens no session.
pub fn required(version: Version) -> Box<Fault> {
    let message = match version {
        Version::HTTP_2 => "a realtime session is a WebSocket over HTTP/1.1; it cannot be opened over HTTP/2",
        _ => "this page speaks WebSocket: send `Upgrade: websocket`, as a realtime client does",
    };
    Fault::caller(426, "upgrade_required", message)
}

/// The caller's key: where it is for any call, else in the subprotocol that browsers use.
pub fn key(headers: &HeaderMap) -> Option<&str> {
    head::presented_key(headers).or_else(|| {
        offered(headers)
            .find_map(|protocol| protocol.strip_prefix(KEY_PROTOCOL))
            .filter(|key| !key.is_empty())
    })
}

/// The subprotocols to offer to the provider.
pub fn protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_shared = |protocol: &&str| *protocol == REALTIME_PROTOCOL || protocol.starts_with(BETA_PROTOCOLS);
    let shared: Vec<&str> = offered(headers).filter(is_shared).collect();
    let value = HeaderValue::from_str(&shared.join(", ")).ok();
    value.filter(|value| !value.is_empty())
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty())
}

/// Refuses what no provider could take for a handshake, and a body, which would be lost on the way.
pub fn check(headers: &HeaderMap) -> Result<()> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let has_body = text(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    let problem = if !headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        "a WebSocket handshake needs Sec-WebSocket-Key"
    } else if text(header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        "a WebSocket handshake needs `Sec-WebSocket-Version: 13`"
    } else if has_body {
        "a WebSocket handshake has no body"
    } else {
        return Ok(());
    };
    Err(Fault::caller(400, "invalid_handshake", problem))
}

/// The model that the query names: exactly one, and nothing else, which could name another to the provider (PAIN Q01).
pub fn model(query: Option<&str>) -> Result<String> {
    let mut model = None;
    for pair in query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name)?;
        if name != "model" {
            return Err(unknown(&name));
        }
        if model.replace(decoded(value)?).is_some() {
            let message = "`model` must stand once in the query";
            return Err(Fault::caller(400, "duplicate_parameter", message).with_param("model"));
        }
    }
    model.filter(|model| !model.is_empty()).ok_or_else(|| {
        let message = "name the model in the query: /v1/realtime?model=<model>";
        Fault::caller(400, "missing_required_parameter", message).with_param("model")
    })
}

fn unknown(name: &str) -> Box<Fault> {
    let shown: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_SHOWN)
        .collect();
    let message = format!("the query may hold `model` only, not `{shown}`");
    Fault::caller(400, "unknown_parameter", message).with_param(shown)
}

/// Undoes form encoding; what is not legal is refused rather than read in one of several ways.
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => escaped(rest.next(), rest.next()).ok_or_else(not_legal)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| not_legal())
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn not_legal() -> Box<Fault> {
    Fault::caller(
        400,
        "invalid_query",
        "the query is not legally percent-encoded UTF-8",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_protocols(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_browsers_key_is_found_and_never_offered_to_the_provider() {
        let headers = with_protocols(&[
            "realtime, openai-insecure-api-key.sk-1",
            "openai-organization.org-1,openai-beta.realtime-v1",
        ]);
        assert_eq!(key(&headers), Some("sk-1"));
        assert_eq!(protocols(&headers).unwrap(), "realtime, openai-beta.realtime-v1");
        assert_eq!(
            protocols(&with_protocols(&["openai-insecure-api-key.sk-1"])),
            None
        );
        assert_eq!(key(&with_protocols(&["openai-insecure-api-key."])), None);
    }

    #[test]
    fn a_key_in_the_authorization_header_comes_first() {
        let mut headers = with_protocols(&["openai-insecure-api-key.sk-1"]);
        headers.insert(header::AUTHORIZATION, "Bearer sk-2".parse().unwrap());
        assert_eq!(key(&headers), Some("sk-2"));
    }

    fn code(query: &str) -> String {
        model(Some(query)).unwrap_err().code.into_owned()
    }

    #[test]
    fn pain_q01_the_query_names_one_model_and_nothing_that_could_name_another() {
        assert_eq!(model(Some("model=gpt-realtime")).unwrap(), "gpt-realtime");
        assert_eq!(model(Some("&%6dodel=a%2Fb+c&")).unwrap(), "a/b c");
        assert_eq!(code("model=a&model=b"), "duplicate_parameter");
        assert_eq!(code("model=a&%6Dodel=b"), "duplicate_parameter");
        assert_eq!(code("model=a&deployment=b"), "unknown_parameter");
        assert_eq!(code("model=%f"), "invalid_query");
        assert_eq!(code("model=%ff"), "invalid_query");
        assert_eq!(code("model="), "missing_required_parameter");
        assert_eq!(model(None).unwrap_err().param.as_deref(), Some("model"));
    }
}
