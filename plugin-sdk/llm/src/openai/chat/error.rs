//! Errors of OpenAI and its likes, read and written (APIS.md 1.1, 2.8, 9.9).

use crate::model::{Error, ErrorKind, Text};
use crate::openai::error::ErrorView;
use crate::openai::write::error_body;

/// Reads an error in any of its shapes. Under status 200 (inside a stream, or in the place of an answer) its code or
/// type tells the status.
pub(in crate::openai) fn read(status: u16, body: &[u8]) -> Error<'static> {
    let failed = if status < 400 { 500 } else { status };
    let Some(view) = ErrorView::read(body) else {
        return Error::unreadable(failed);
    };
    let status = match status {
        ..400 => status_of(&view).unwrap_or(failed),
        _ => status,
    };
    let message = view.message.clone().unwrap_or_default();
    let kind = kind_of(&view)
        .unwrap_or_else(|| ErrorKind::of_status(status))
        .refined_by(&message);
    let message = match message.is_empty() {
        true => "the provider gave no reason".to_owned(),
        false => message,
    };
    Error {
        status,
        code: view.code.map(Text::from),
        param: view.param.map(Text::from),
        native: view.kind.map(Text::from),
        ..Error::new(kind, message)
    }
}

pub(crate) fn status_of(view: &ErrorView) -> Option<u16> {
    // OpenRouter's codes are statuses
    let number = view.code.as_ref().and_then(|code| code.parse().ok());
    let status = number.filter(|status| (400..=599).contains(status));
    status.or_else(|| kind_of(view).map(ErrorKind::status))
}

/// By code first, which is the finer one.
fn kind_of(view: &ErrorView) -> Option<ErrorKind> {
    let by_code = view.code.as_deref().and_then(kind_of_word);
    by_code.or_else(|| view.kind.as_deref().and_then(kind_of_word))
}

fn kind_of_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "context_length_exceeded" => ErrorKind::ContextLength,
        "content_filter" | "content_policy_violation" => ErrorKind::ContentPolicy,
        "invalid_api_key" | "authentication_error" => ErrorKind::Authentication,
        "billing_error" | "billing_hard_limit_reached" => ErrorKind::Billing,
        "insufficient_quota" => ErrorKind::Quota,
        "permission_error" | "permission_denied" => ErrorKind::Permission,
        "not_found_error" | "model_not_found" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => ErrorKind::RateLimit,
        "overloaded_error" | "overloaded" | "provider_overloaded" => ErrorKind::Overloaded,
        "service_unavailable" | "service_unavailable_error" => ErrorKind::Unavailable,
        "timeout" | "timeout_error" => ErrorKind::Timeout,
        "server_error" | "api_error" | "internal_server_error" => ErrorKind::Server,
        "invalid_request_error" | "unsupported_parameter" | "invalid_value" => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

/// `type` and, where the error has none of its own, `code`.
pub(in crate::openai) fn words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::Conflict | ErrorKind::Unprocessable => {
            ("invalid_request_error", None)
        }
        ErrorKind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::ContentPolicy => ("invalid_request_error", Some("content_filter")),
        ErrorKind::Authentication => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Billing | ErrorKind::Quota => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Permission => ("permission_error", None),
        ErrorKind::NotFound => ("not_found_error", Some("not_found")),
        ErrorKind::TooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorKind::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Server | ErrorKind::BadAnswer => ("server_error", None),
        ErrorKind::Unavailable => ("server_error", Some("service_unavailable")),
        ErrorKind::Overloaded => ("server_error", Some("overloaded")),
        ErrorKind::Timeout => ("timeout", Some("timeout")),
    }
}

pub(in crate::openai) fn write(error: &Error<'_>) -> Vec<u8> {
    let (kind, code) = words(error.kind);
    let own_code = error.code.as_ref().map(Text::get);
    let param = error.param.as_ref().map(Text::get);
    error_body(
        &error.message.get(),
        kind,
        param.as_deref(),
        own_code.as_deref().or(code),
    )
}
