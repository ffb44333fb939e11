//! The request's head as plain values: its id, who sent it, its method, path and headers. The body is not touched.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::HeaderMap;

use crate::accept::{client, route};
use crate::exchange::{Accepted, Admitted, Dispatched, Exchange, Headers, Kind, Relayed};
use crate::state::clock;
use crate::state::snapshot::Snapshot;

/// Starts an exchange: from here on something will be recorded, whatever happens.
pub fn begin(head: &http::request::Parts, peer: Option<IpAddr>, snapshot: Arc<Snapshot>) -> Exchange {
    let client = peer.map(|peer| client::address(peer, &head.headers, &snapshot.trusted_proxies));
    let accepted = Accepted {
        id: request_id(),
        at: Instant::now(),
        at_ms: clock::now_ms(),
        method: head.method.clone(),
        path: head.uri.path().into(),
        client,
        headers: Arc::new(Headers(head.headers.clone())),
        kind: Kind::Unknown,
        dialect: route::dialect_of(head.uri.path()),
        body_bytes: 0,
        raw_path: None,
        page: None,
        spoken: None,
        stored: None,
        held: Vec::new(),
    };
    Exchange {
        snapshot,
        accepted,
        admitted: Admitted::default(),
        dispatched: Dispatched::default(),
        relayed: Relayed::default(),
        plugins: Vec::new(),
    }
}

/// The caller's key, from where each SDK puts it.
pub fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer
        .or_else(|| text("x-api-key"))
        .or_else(|| text("api-key"))
        .or_else(|| text("x-goog-api-key"))
        .filter(|key| !key.is_empty())
}

/// `req_` and 32 hex digits, unique within and, by its random start, across processes. It names a request and protects
/// nothing, so it need not be unguessable.
pub fn request_id() -> Arc<str> {
    static START: std::sync::OnceLock<(u64, u64)> = std::sync::OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (high, low) = START.get_or_init(|| (random_u64(), random_u64()));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("req_{high:016x}{:016x}", low.wrapping_add(count)).into()
}

/// The standard library seeds each `RandomState` from the system.
fn random_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(name: &'static str, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        presented_key(&headers).map(str::to_owned)
    }

    #[test]
    fn a_key_is_found_where_each_sdk_puts_it() {
        assert_eq!(key_of("authorization", "Bearer sk-1").as_deref(), Some("sk-1"));
        assert_eq!(key_of("authorization", "bearer  sk-1").as_deref(), Some("sk-1"));
        assert_eq!(key_of("x-api-key", "sk-1").as_deref(), Some("sk-1"));
        assert_eq!(key_of("api-key", "sk-1").as_deref(), Some("sk-1"));
        assert_eq!(key_of("x-goog-api-key", "sk-1").as_deref(), Some("sk-1"));
        assert_eq!(key_of("authorization", "Basic abc"), None);
        assert_eq!(key_of("authorization", "Bearer "), None);
    }

    #[test]
    fn no_two_requests_share_an_id() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
