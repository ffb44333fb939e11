//! Errors (APIS.md 3.4, 9.9).

use crate::model::{Error, ErrorKind, Text};
use crate::openai::ErrorView;
use crate::write::object;

/// Reads an error. Under status 200 (inside a stream, or in the place of an answer) its type tells the status.
pub(super) fn read(status: u16, body: &[u8]) -> Error<'static> {
    let failed = if status < 400 { 500 } else { status };
    let Some(view) = ErrorView::read(body) else {
        return Error::unreadable(failed);
    };
    let named = view.kind.as_deref().and_then(kind_of);
    let status = match (status, named) {
        (..400, Some(kind)) => kind.status(),
        (..400, None) => failed,
        _ => status,
    };
    let message = view.message.filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| "the provider gave no reason".to_owned());
    let kind = named
        .unwrap_or_else(|| ErrorKind::of_status(status))
        .refined_by(&message);
    Error {
        status,
        native: view.kind.map(Text::from),
        code: view.code.map(Text::from),
        param: view.param.map(Text::from),
        request_id: request_id(body),
        ..Error::new(kind, message)
    }
}

fn request_id(body: &[u8]) -> Option<Text<'static>> {
    let place = crate::json::pointer(body, "/request_id")?;
    let literal = place.of(body);
    let text = literal
        .starts_with(b"\"")
        .then(|| crate::json::unescape(literal).into_owned());
    text.map(Text::plain)
}

fn kind_of(native: &str) -> Option<ErrorKind> {
    Some(match native {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "conflict_error" => ErrorKind::Conflict,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimit,
        "api_error" => ErrorKind::Server,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        _ => return None,
    })
}

/// `error.type`.
fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::ContextLength
        | ErrorKind::ContentPolicy
        | ErrorKind::Unprocessable
        | ErrorKind::Conflict => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Billing => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit | ErrorKind::Quota => "rate_limit_error",
        ErrorKind::Server | ErrorKind::Unavailable | ErrorKind::BadAnswer => "api_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
    }
}

/// The envelope of a whole answer and of an event alike.
pub(super) fn write(error: &Error<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    object(&mut out, |body| {
        body.str("type", "error");
        body.object("error", |inner| {
            inner.str("type", word(error.kind));
            inner.text("message", &error.message);
        });
        body.text_if("request_id", error.request_id.as_ref());
    });
    out
}
