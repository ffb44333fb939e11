//! `google.rpc.Status`, as it stands alone, in a list of one, in the place of an answer and in streams (APIS.md 4.5,
//! 9.9).

use crate::model::{Codec, Error, ErrorKind, Json, Text};
use crate::write;

use super::Gemini;

/// Reads an error in any of its shapes. Under status 200 its code tells the status.
pub(super) fn read(status: u16, body: &[u8]) -> Error<'static> {
    let failed = if status < 400 { 500 } else { status };
    find(status, body).unwrap_or_else(|| Error::unreadable(failed))
}

/// The same; none where the body is something else.
pub(super) fn find(status: u16, body: &[u8]) -> Option<Error<'static>> {
    let json = Json::new(std::str::from_utf8(body).ok()?.trim())?;
    Some(status_of(&json)?.into_error(status))
}

/// What a status says.
#[derive(Default)]
struct Found {
    code: Option<u64>,
    message: String,
    word: Option<String>,
    reason: Option<String>,
    field: Option<String>,
    retry_after_ms: Option<u64>,
    daily: bool,
}

fn status_of(json: &Json<'_>) -> Option<Found> {
    let elements = json.elements();
    let inner = elements.first().unwrap_or(json);
    let error = inner.pointer("/error")?;
    let text = |pointer: &str| -> Option<String> {
        let value = error.pointer(pointer)?;
        Some(value.as_text()?.get().into_owned())
    };
    if !error.is_object() {
        // what token servers say
        let described = inner.pointer("/error_description");
        let described = described.as_ref().and_then(Json::as_text);
        let word = error.as_text()?.get().into_owned();
        return Some(Found {
            message: described.map_or_else(|| word.clone(), Text::into_string),
            word: Some(word),
            ..Found::default()
        });
    }
    let mut found = Found {
        code: error.pointer("/code").as_ref().and_then(Json::as_u64),
        message: text("/message").unwrap_or_default(),
        word: text("/status"),
        ..Found::default()
    };
    let details = error.pointer("/details");
    for detail in details.as_ref().map(Json::elements).unwrap_or_default() {
        found.detail(&detail);
    }
    Some(found)
}

impl Found {
    fn detail(&mut self, detail: &Json<'_>) {
        let text = |pointer: &str| -> Option<String> {
            let value = detail.pointer(pointer)?;
            Some(value.as_text()?.get().into_owned())
        };
        let kind = text("/@type").unwrap_or_default();
        match kind.rsplit('.').next().unwrap_or_default() {
            "ErrorInfo" => self.reason = text("/reason"),
            "RetryInfo" => self.retry_after_ms = text("/retryDelay").as_deref().and_then(milliseconds),
            "BadRequest" => self.field = text("/fieldViolations/0/field").filter(|field| !field.is_empty()),
            "QuotaFailure" => {
                let quota = text("/violations/0/quotaId").unwrap_or_default();
                self.daily |= quota.contains("PerDay");
            }
            _ => {}
        }
    }

    fn into_error(self, status: u16) -> Error<'static> {
        let own = self.code.and_then(|code| u16::try_from(code).ok());
        let own = own.filter(|code| (400..=599).contains(code));
        let by_word = self.word.as_deref().and_then(kind_of_word);
        let status = match status {
            ..400 => own.or_else(|| by_word.map(ErrorKind::status)).unwrap_or(500),
            _ => status,
        };
        let kind = self.kind(status, by_word).refined_by(&self.message);
        let message = match self.message.is_empty() {
            true => "the provider gave no reason".to_owned(),
            false => self.message,
        };
        Error {
            status,
            code: self.reason.map(Text::from),
            param: self.field.map(Text::from),
            native: self.word.map(Text::from),
            retry_after_ms: self.retry_after_ms,
            ..Error::new(kind, message)
        }
    }

    /// By the reason first, then by the status' word; those of a bad request say less than the HTTP status.
    fn kind(&self, status: u16, by_word: Option<ErrorKind>) -> ErrorKind {
        if let Some(kind) = self.reason.as_deref().and_then(kind_of_reason) {
            return kind;
        }
        match by_word {
            Some(ErrorKind::RateLimit) if self.daily => ErrorKind::Quota,
            Some(ErrorKind::Unavailable) if self.message.contains("overloaded") => ErrorKind::Overloaded,
            Some(ErrorKind::InvalidRequest) | None => ErrorKind::of_status(status),
            Some(kind) => kind,
        }
    }
}

fn kind_of_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => {
            ErrorKind::InvalidRequest
        }
        "UNAUTHENTICATED" | "invalid_grant" | "invalid_client" => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "ALREADY_EXISTS" | "ABORTED" => ErrorKind::Conflict,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => ErrorKind::Server,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" | "CANCELLED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// Reasons that say more than the status does: Google's, and those written below.
fn kind_of_reason(reason: &str) -> Option<ErrorKind> {
    Some(match reason {
        // comes under status 400 (APIS.md 4.5)
        "API_KEY_INVALID" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED" | "CREDENTIALS_MISSING" => {
            ErrorKind::Authentication
        }
        "BILLING_DISABLED" => ErrorKind::Billing,
        _ => KINDS_BEYOND_STATUS.iter().find(|(word, _)| *word == reason)?.1,
    })
}

/// Kinds that no status tells from another.
const KINDS_BEYOND_STATUS: [(&str, ErrorKind); 5] = [
    ("CONTEXT_LENGTH_EXCEEDED", ErrorKind::ContextLength),
    ("CONTENT_POLICY_VIOLATION", ErrorKind::ContentPolicy),
    ("QUOTA_EXCEEDED", ErrorKind::Quota),
    ("OVERLOADED", ErrorKind::Overloaded),
    ("BAD_PROVIDER_ANSWER", ErrorKind::BadAnswer),
];

/// `37s`, `1.5s`.
fn milliseconds(duration: &str) -> Option<u64> {
    let seconds: f64 = duration.strip_suffix('s')?.parse().ok()?;
    (seconds.is_finite() && (0.0..1e12).contains(&seconds)).then(|| (seconds * 1000.0).ceil() as u64)
}

fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::ContextLength
        | ErrorKind::ContentPolicy
        | ErrorKind::TooLarge
        | ErrorKind::Unprocessable => "INVALID_ARGUMENT",
        ErrorKind::Billing => "FAILED_PRECONDITION",
        ErrorKind::Authentication => "UNAUTHENTICATED",
        ErrorKind::Permission => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Conflict => "ABORTED",
        ErrorKind::RateLimit | ErrorKind::Quota => "RESOURCE_EXHAUSTED",
        ErrorKind::Server => "INTERNAL",
        ErrorKind::Unavailable | ErrorKind::Overloaded | ErrorKind::BadAnswer => "UNAVAILABLE",
        ErrorKind::Timeout => "DEADLINE_EXCEEDED",
    }
}

pub(super) fn write(error: &Error<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    write_into(error, &mut out);
    out
}

pub(super) fn write_into(error: &Error<'_>, out: &mut Vec<u8>) {
    let native = error.native.as_ref().map(Text::get);
    let native = native.as_deref().filter(|native| is_rpc_word(native));
    let upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let own = error
        .code
        .as_ref()
        .map(Text::get)
        .filter(|code| !code.is_empty() && upper(code));
    let reason = KINDS_BEYOND_STATUS.iter().find(|(_, kind)| *kind == error.kind);
    let reason = own.as_deref().or(reason.map(|(reason, _)| *reason));
    write::object(out, |object| {
        object.object("error", |object| {
            object.count("code", Gemini.error_status(error).into());
            object.text("message", &error.message);
            object.str("status", native.unwrap_or(word(error.kind)));
            details(error, reason, object);
        });
    });
}

fn is_rpc_word(word: &str) -> bool {
    !word.starts_with("invalid_") && kind_of_word(word).is_some()
}

fn details(error: &Error<'_>, reason: Option<&str>, object: &mut write::Object<'_>) {
    let delay = error.retry_after_ms;
    if reason.is_none() && delay.is_none() && error.param.is_none() {
        return;
    }
    object.array("details", |array| {
        if let Some(reason) = reason {
            array.object(|object| {
                object.str("@type", "type.googleapis.com/google.rpc.ErrorInfo");
                object.str("reason", reason);
            });
        }
        if let Some(delay) = delay {
            array.object(|object| {
                object.str("@type", "type.googleapis.com/google.rpc.RetryInfo");
                let (seconds, rest) = (delay / 1000, delay % 1000);
                match rest {
                    0 => object.str("retryDelay", &format!("{seconds}s")),
                    _ => object.str("retryDelay", &format!("{seconds}.{rest:03}s")),
                }
            });
        }
        if let Some(field) = &error.param {
            array.object(|object| {
                object.str("@type", "type.googleapis.com/google.rpc.BadRequest");
                object.array("fieldViolations", |array| {
                    array.object(|object| object.text("field", field));
                });
            });
        }
    });
}
