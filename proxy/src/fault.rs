//! What went wrong, in one language for every stage: whose fault it is, whether another target may be tried, what the
//! caller sees and what only the log sees. Status, body and metric label are all derived here.

pub mod spoken;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use penstock_llm::model::Dialect;
use penstock_llm::openai::{BodyError, BodyErrorKind, ErrorView, write};
use penstock_llm::sse;

pub type Result<T> = std::result::Result<T, Box<Fault>>;

/// Whose fault it is: the label in metrics and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Caller,
    Us,
    Provider,
    Plugin,
}

impl Cause {
    pub fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Us => "gateway",
            Self::Provider => "provider",
            Self::Plugin => "plugin",
        }
    }
}

/// What the next step may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The answer would be the same anywhere.
    Stop,
    /// Another target may do better.
    TryNextTarget,
}

/// One failure, as the caller, the operator and the metrics see it.
#[derive(Debug)]
pub struct Fault {
    pub cause: Cause,
    pub next: Next,
    pub status: u16,
    /// `error.type`, a closed list (APIS.md 9.9).
    pub kind: &'static str,
    /// `error.code`, stable: clients may branch on it.
    pub code: Cow<'static, str>,
    /// One sentence that is safe to show: the field, the limit and the remedy, never content or a secret.
    pub message: String,
    /// `error.param`: the field at fault.
    pub param: Option<String>,
    /// The limit of the process that was met.
    pub limit: Option<&'static str>,
    /// For `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The methods of a route, for a 405.
    pub allow: Option<String>,
    /// For the log only.
    pub detail: Option<String>,
    /// A provider's own error body, which the caller gets instead of ours.
    pub verbatim: Option<Verbatim>,
    /// What was tried, for the caller of a call that no target answered.
    pub attempts: Vec<AttemptMark>,
}

/// One attempt as the caller sees it.
#[derive(Clone, Debug)]
pub struct AttemptMark {
    pub provider: Arc<str>,
    pub model: Arc<str>,
    pub status: Option<u16>,
    pub outcome: &'static str,
}

/// Type and code of the error that the caller saw.
#[derive(Clone, Debug)]
pub struct ErrorMark {
    pub kind: &'static str,
    pub code: Box<str>,
    pub cause: &'static str,
    /// The limit of the process that was met.
    pub limit: Option<&'static str>,
}

/// The header with the name of one of AWS' errors.
pub const AWS_ERROR_TYPE: &str = "x-amzn-errortype";

/// A provider's error, to be passed on byte for byte.
#[derive(Clone, Debug)]
pub struct Verbatim {
    pub content_type: Option<http::HeaderValue>,
    /// [`AWS_ERROR_TYPE`]: without it AWS' SDKs know no error by its name.
    pub error_type: Option<http::HeaderValue>,
    pub body: Bytes,
}

impl Fault {
    fn new(
        cause: Cause,
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            cause,
            next: Next::Stop,
            status,
            kind: kind_of(status),
            code: code.into(),
            message: message.into(),
            param: None,
            limit: None,
            retry_after: None,
            allow: None,
            detail: None,
            verbatim: None,
            attempts: Vec::new(),
        })
    }

    /// The caller sent something that no target could take.
    pub fn caller(status: u16, code: &'static str, message: impl Into<String>) -> Box<Self> {
        Self::new(Cause::Caller, status, code, message)
    }

    /// This process cannot or will not do it now.
    pub fn ours(status: u16, code: &'static str, message: impl Into<String>) -> Box<Self> {
        Self::new(Cause::Us, status, code, message)
    }

    /// A provider failed in a way that another may not.
    pub fn provider(status: u16, code: &'static str, message: impl Into<String>) -> Box<Self> {
        let mut fault = Self::new(Cause::Provider, status, code, message);
        fault.next = Next::TryNextTarget;
        fault
    }

    /// A plugin refused the call, in its own words.
    pub fn refused(plugin: &str, refusal: penstock_plugin_host::Refusal) -> Box<Self> {
        let status = refusal.status.clamp(400, 599);
        let mut fault = Self::new(Cause::Plugin, status, refusal.code, refusal.message);
        fault.detail = Some(format!("refused by plugin {plugin}"));
        fault
    }

    /// A plugin that must not be skipped failed.
    pub fn plugin_failed(plugin: &str, why: &impl fmt::Display) -> Box<Self> {
        let message =
            format!("plugin `{plugin}` failed, and this gateway is configured to refuse calls then");
        let mut fault = Self::new(Cause::Plugin, 503, "plugin_failed", message);
        fault.detail = Some(why.to_string());
        fault
    }

    /// An adapter failed: nothing of the provider's can be read or written with it, but another target may do.
    pub fn adapter_failed(plugin: &str, why: &impl fmt::Display) -> Box<Self> {
        let message =
            format!("adapter `{plugin}` failed, and with it what this provider says cannot be translated");
        let mut fault = Self::new(Cause::Plugin, 503, "adapter_failed", message);
        fault.next = Next::TryNextTarget;
        fault.detail = Some(format!("adapter {plugin} {why}"));
        fault
    }

    /// A limit of the process was met.
    pub fn overloaded(limit: &'static str, remedy: &str) -> Box<Self> {
        let mut fault = Self::ours(
            503,
            "overloaded",
            format!("the gateway is at its limit `{limit}`; {remedy}"),
        );
        fault.retry_after = Some(Duration::from_secs(1));
        fault.limit = Some(limit);
        fault
    }

    pub fn with_param(mut self: Box<Self>, param: impl Into<String>) -> Box<Self> {
        self.param = Some(param.into());
        self
    }

    pub fn with_detail(mut self: Box<Self>, detail: impl fmt::Display) -> Box<Self> {
        self.detail = Some(detail.to_string());
        self
    }

    pub fn with_retry_after(mut self: Box<Self>, after: Option<Duration>) -> Box<Self> {
        self.retry_after = after;
        self
    }

    pub fn final_here(mut self: Box<Self>) -> Box<Self> {
        self.next = Next::Stop;
        self
    }

    pub fn may_try_next(&self) -> bool {
        self.next == Next::TryNextTarget
    }

    /// The same with other words: `change` gets every text that may hold a provider's.
    pub fn with_words(mut self: Box<Self>, change: impl Fn(Bytes) -> Bytes) -> Box<Self> {
        self.message = reworded(self.message, &change);
        self.detail = self.detail.map(|detail| reworded(detail, &change));
        self.verbatim = self.verbatim.map(|verbatim| Verbatim {
            body: change(verbatim.body),
            ..verbatim
        });
        self
    }

    /// The body in the caller's dialect.
    pub fn body(&self, dialect: Dialect) -> Bytes {
        match &self.verbatim {
            Some(verbatim) => verbatim.body.clone(),
            None => self.spoken(dialect).into(),
        }
    }

    fn spoken(&self, dialect: Dialect) -> Vec<u8> {
        let other = match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => None,
            other => spoken::body(other, self),
        };
        other.unwrap_or_else(|| self.envelope())
    }

    fn envelope(&self) -> Vec<u8> {
        let mut body = write::error_body(&self.message, self.kind, self.param.as_deref(), Some(&self.code));
        if !self.attempts.is_empty() && body.ends_with(b"}}") {
            body.truncate(body.len() - 2);
            body.extend_from_slice(b",\"attempts\":");
            body.extend_from_slice(&attempts_json(&self.attempts));
            body.extend_from_slice(b"}}");
        }
        body
    }

    /// The same as an event, for a stream whose head has left. It has no choices, so that nothing in it can be taken for
    /// the end of an answer.
    pub fn event(&self, dialect: Dialect) -> Bytes {
        if dialect != Dialect::OpenAiChat
            && let Some(event) = spoken::event(dialect, self)
        {
            return event;
        }
        let mut event = Vec::new();
        sse::write_frame(None, &self.envelope(), &mut event);
        event.into()
    }

    /// What the record keeps of it.
    pub fn mark(&self) -> ErrorMark {
        ErrorMark {
            kind: self.kind,
            code: self.code.as_ref().into(),
            cause: self.cause.label(),
            limit: self.limit,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl From<BodyError> for Box<Fault> {
    fn from(error: BodyError) -> Self {
        let mut fault = Fault::caller(400, code_of(error.kind), error.message);
        fault.param = error.param;
        fault
    }
}

/// The status under which a caller hears of an error that a provider told under a 200, from what the error says of itself:
/// one that SDKs know, and never one that speaks of the caller's key or account (APIS.md 9.9).
pub fn in_band_status(error: &ErrorView) -> u16 {
    match error.status() {
        Some(status @ (400 | 404 | 408 | 413 | 422 | 429 | 502..=504)) => status,
        Some(524) => 504,
        Some(529) => 503,
        _ => 502,
    }
}

/// A text after `change`, which may cut it anywhere.
fn reworded(text: String, change: impl Fn(Bytes) -> Bytes) -> String {
    match String::from_utf8(change(text.into()).into()) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn code_of(kind: BodyErrorKind) -> &'static str {
    match kind {
        BodyErrorKind::NotJson => "invalid_json",
        BodyErrorKind::TooDeep => "json_too_deep",
        BodyErrorKind::TooLarge | BodyErrorKind::TooMany => "body_too_large",
        BodyErrorKind::Duplicate => "duplicate_key",
        BodyErrorKind::Missing => "missing_required_parameter",
        BodyErrorKind::Empty | BodyErrorKind::Invalid => "invalid_value",
        BodyErrorKind::Unsupported => "unsupported_value",
        BodyErrorKind::WrongType => "invalid_type",
    }
}

/// OpenAI's `error.type` for a status (APIS.md 9.9).
fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

fn attempts_json(attempts: &[AttemptMark]) -> Vec<u8> {
    let list = attempts.iter().map(|attempt| {
        serde_json::json!({
            "provider": *attempt.provider,
            "model": *attempt.model,
            "status": attempt.status,
            "outcome": attempt.outcome,
        })
    });
    serde_json::Value::Array(list.collect()).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_under_a_200_never_speaks_of_the_callers_key() {
        let told = |code: &str| {
            in_band_status(&ErrorView {
                code: Some(code.to_owned()),
                ..ErrorView::default()
            })
        };
        assert_eq!((told("401"), told("403"), told("402")), (502, 502, 502));
        assert_eq!((told("529"), told("429"), told("400")), (503, 429, 400));
        assert_eq!((told("overloaded_error"), told("rate_limit_error")), (503, 429));
        assert_eq!(
            (
                told("200"),
                told("server_error"),
                in_band_status(&ErrorView::default())
            ),
            (502, 502, 502)
        );
    }

    #[test]
    fn a_failed_call_lists_its_attempts() {
        let mut fault = Fault::provider(502, "upstream_error", "provider a answered 500");
        let (provider, model) = ("a".into(), "m".into());
        fault.attempts = vec![AttemptMark {
            provider,
            model,
            status: Some(500),
            outcome: "status",
        }];
        let body: serde_json::Value = serde_json::from_slice(&fault.body(Dialect::OpenAiChat)).unwrap();
        assert_eq!(body["error"]["attempts"][0]["status"], 500);
        assert_eq!(body["error"]["code"], "upstream_error");
    }
}
