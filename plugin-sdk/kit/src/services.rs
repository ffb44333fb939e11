//! Services that a plugin calls, played from its cases: no socket is opened. Which calls a plugin may make is decided by the
//! real host, from the hosts that the cases name.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use penstock_plugin_host::{
    HttpError, HttpResponse, HttpRule, HttpTerms, Outbound, OutboundCall, OutboundFuture,
};
use serde::Deserialize;
use serde_json::Value;

use crate::cases::body;

/// One answer of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    /// The URL that is asked for, whole.
    url: String,
    /// A part of the request's body, where only such a request gets this answer.
    #[serde(default)]
    containing: String,
    #[serde(default = "default_status")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As YAML, which is sent as JSON, or as text.
    #[serde(default)]
    body: Option<Value>,
    /// Instead of an answer.
    #[serde(default)]
    error: Option<ErrorName>,
}

fn default_status() -> u16 {
    200
}

/// What a network can do to a call.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ErrorName {
    NotAllowed,
    TooLarge,
    Unreachable,
    Timeout,
    Broken,
}

impl ErrorName {
    fn error(self) -> HttpError {
        match self {
            ErrorName::NotAllowed => HttpError::NotAllowed,
            ErrorName::TooLarge => HttpError::TooLarge,
            ErrorName::Unreachable => HttpError::Unreachable,
            ErrorName::Timeout => HttpError::Timeout,
            ErrorName::Broken => HttpError::Broken,
        }
    }
}

impl Service {
    /// What an operator would have to list for it.
    pub fn rule(&self) -> Result<HttpRule, String> {
        let wrong = |why: &str| format!("http: {}: {why}", self.url);
        let after_scheme = self
            .url
            .find("://")
            .ok_or_else(|| wrong("expected https://host/path"))?
            + 3;
        let end = self.url[after_scheme..]
            .find(['/', '?'])
            .map_or(self.url.len(), |at| after_scheme + at);
        HttpRule::parse(&self.url[..end]).map_err(|(why, _)| wrong(why))
    }

    fn answers(&self, call: &OutboundCall) -> bool {
        let scheme = if call.rule.tls { "https" } else { "http" };
        let asked = format!("{scheme}://{}{}", call.authority, call.path);
        let is_asked = asked == self.url || asked.strip_suffix('/') == Some(&self.url);
        is_asked && String::from_utf8_lossy(&call.body).contains(&self.containing)
    }

    fn response(&self) -> Result<HttpResponse, HttpError> {
        if let Some(error) = self.error {
            return Err(error.error());
        }
        let headers = self
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        Ok(HttpResponse {
            status: self.status,
            headers: headers.collect(),
            body: self.body.as_ref().map_or_else(Bytes::new, body),
        })
    }
}

/// The services of the case that runs.
#[derive(Default)]
pub(crate) struct Services(Mutex<Vec<Service>>);

impl Services {
    pub fn play(&self, services: &[Service]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = services.to_vec();
    }
}

impl Outbound for Services {
    fn send(&self, call: OutboundCall) -> OutboundFuture {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = services.iter().find(|service| service.answers(&call));
        let answer = found.map_or(Err(HttpError::Unreachable), Service::response);
        let answer = answer.and_then(|response| match response.body.len() {
            length if length > call.most_response_bytes => Err(HttpError::TooLarge),
            _ => Ok(response),
        });
        Box::pin(std::future::ready(answer))
    }
}

/// What an operator would have to list for all of them.
pub(crate) fn terms<'s>(services: impl Iterator<Item = &'s Service>) -> Result<HttpTerms, String> {
    // without any, a plugin may still be loaded: it gets `not-allowed`
    let nowhere = HttpRule::parse("https://service.invalid").map_err(|(why, _)| why.to_string())?;
    let mut rules = vec![Arc::new(nowhere)];
    for service in services {
        rules.push(Arc::new(service.rule()?));
    }
    Ok(HttpTerms {
        rules,
        ..HttpTerms::default()
    })
}

/// What a hook comes to. Nothing in a case has to be waited for.
pub(crate) fn ready<T>(hook: impl Future<Output = T>) -> T {
    let mut hook = pin!(hook);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = hook.as_mut().poll(&mut context) {
            return value;
        }
    }
}
