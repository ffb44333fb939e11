//! What went wrong, in one list that every dialect's errors fit into.

use super::Text;
use crate::fault::BodyError;

/// An error that a provider sent, or that the gateway has to say, in no dialect yet. The words may be a provider's: not
/// for logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Error<'a> {
    /// The HTTP status; for an error inside a stream the one that it would have had.
    pub status: u16,
    pub kind: ErrorKind,
    pub message: Text<'a>,
    /// A stable code (`context_length_exceeded`), where there is one.
    pub code: Option<Text<'a>>,
    /// The field that is at fault.
    pub param: Option<Text<'a>>,
    /// The dialect's own type or status (`overloaded_error`, `RESOURCE_EXHAUSTED`, `ThrottlingException`).
    pub native: Option<Text<'a>>,
    pub request_id: Option<Text<'a>>,
    /// How long to wait, in milliseconds, where the body says so.
    pub retry_after_ms: Option<u64>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    InvalidRequest,
    /// The prompt does not fit the model's context.
    ContextLength,
    /// A filter refused the prompt.
    ContentPolicy,
    Authentication,
    Billing,
    Permission,
    NotFound,
    Conflict,
    TooLarge,
    Unprocessable,
    RateLimit,
    /// A quota is used up: trying again does not help.
    Quota,
    Server,
    Unavailable,
    Overloaded,
    Timeout,
    /// The provider broke its own protocol, or cut the stream off.
    BadAnswer,
}

impl ErrorKind {
    /// By the status alone (APIS.md 9.9).
    pub fn of_status(status: u16) -> ErrorKind {
        match status {
            401 => ErrorKind::Authentication,
            402 => ErrorKind::Billing,
            403 => ErrorKind::Permission,
            404 => ErrorKind::NotFound,
            408 | 504 | 524 => ErrorKind::Timeout,
            409 => ErrorKind::Conflict,
            413 => ErrorKind::TooLarge,
            422 => ErrorKind::Unprocessable,
            429 => ErrorKind::RateLimit,
            502 | 503 => ErrorKind::Unavailable,
            529 => ErrorKind::Overloaded,
            400..=499 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Server,
        }
    }

    /// The status that says it best, for errors that came without one.
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::ContentPolicy => 400,
            ErrorKind::Authentication => 401,
            ErrorKind::Billing => 402,
            ErrorKind::Permission => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Conflict => 409,
            ErrorKind::TooLarge => 413,
            ErrorKind::Unprocessable => 422,
            ErrorKind::RateLimit | ErrorKind::Quota => 429,
            ErrorKind::Server => 500,
            ErrorKind::BadAnswer => 502,
            ErrorKind::Unavailable => 503,
            ErrorKind::Timeout => 504,
            ErrorKind::Overloaded => 529,
        }
    }

    /// What a message says of an error whose type says too little: that the prompt is too long (APIS.md 9.9).
    pub fn refined_by(self, message: &str) -> ErrorKind {
        const TOO_LONG: [&str; 6] = [
            "context_length_exceeded",
            "prompt is too long",
            "maximum context length",
            "input is too long",
            "exceeds the maximum number of tokens",
            "too many tokens",
        ];
        if !matches!(
            self,
            ErrorKind::InvalidRequest | ErrorKind::Unprocessable | ErrorKind::TooLarge
        ) {
            return self;
        }
        let message = message.to_ascii_lowercase();
        match TOO_LONG.iter().any(|words| message.contains(words)) {
            true => ErrorKind::ContextLength,
            false => self,
        }
    }
}

impl<'a> Error<'a> {
    pub fn new(kind: ErrorKind, message: impl Into<Text<'a>>) -> Error<'a> {
        Error {
            status: kind.status(),
            kind,
            message: message.into(),
            code: None,
            param: None,
            native: None,
            request_id: None,
            retry_after_ms: None,
        }
    }

    /// What to say of a body that is no error of the dialect: HTML of a proxy in between, nothing at all, other JSON.
    pub fn unreadable(status: u16) -> Error<'a> {
        let message =
            format!("the provider answered with status {status} and without an error that can be read");
        Error {
            status,
            ..Error::new(ErrorKind::of_status(status), message)
        }
    }

    /// A body under a good status that is no answer.
    pub fn bad_answer(why: &BodyError) -> Error<'a> {
        let message = format!("the provider's answer cannot be read: {}", why.message);
        Error::new(ErrorKind::BadAnswer, message)
    }

    /// A stream that ended before its provider said that it was over.
    pub fn cut_off() -> Error<'a> {
        Error::new(
            ErrorKind::BadAnswer,
            "the provider's stream ended before the answer was complete",
        )
    }

    pub fn into_owned(self) -> Error<'static> {
        Error {
            status: self.status,
            kind: self.kind,
            message: self.message.into_owned(),
            code: self.code.map(Text::into_owned),
            param: self.param.map(Text::into_owned),
            native: self.native.map(Text::into_owned),
            request_id: self.request_id.map(Text::into_owned),
            retry_after_ms: self.retry_after_ms,
        }
    }
}
