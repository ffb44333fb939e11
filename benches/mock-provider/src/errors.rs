//! Error answers in OpenAI's envelope, with the types and codes that OpenAI uses for each status.

use serde_json::json;

/// An error that a request earned: its status and body.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Refusal {
    /// The caller's mistake, with the field it is in where one is known.
    pub fn invalid(message: impl Into<String>, param: Option<&str>) -> Refusal {
        Refusal {
            status: 400,
            body: body(&message.into(), "invalid_request_error", param, None),
        }
    }

    /// An unknown route, method or model.
    pub fn not_found(message: impl Into<String>, code: &str) -> Refusal {
        Refusal {
            status: 404,
            body: body(&message.into(), "invalid_request_error", None, Some(code)),
        }
    }

    /// What a control asked for.
    pub fn of_status(status: u16) -> Refusal {
        let (kind, code, message) = match status {
            400 => ("invalid_request_error", None, "The request is invalid."),
            401 => (
                "invalid_request_error",
                Some("invalid_api_key"),
                "Incorrect API key provided.",
            ),
            403 => (
                "invalid_request_error",
                Some("forbidden"),
                "Your key may not use this model.",
            ),
            404 => (
                "invalid_request_error",
                Some("model_not_found"),
                "The model does not exist.",
            ),
            408 => ("timeout", Some("request_timeout"), "The request took too long."),
            409 => (
                "invalid_request_error",
                Some("conflict"),
                "The resource is locked.",
            ),
            413 => (
                "invalid_request_error",
                Some("request_too_large"),
                "The request is too large.",
            ),
            422 => (
                "invalid_request_error",
                Some("unprocessable"),
                "The request cannot be processed.",
            ),
            429 => (
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached for requests.",
            ),
            503 | 529 => (
                "server_error",
                Some("overloaded"),
                "The engine is currently overloaded.",
            ),
            _ => (
                "server_error",
                None,
                "The server had an error while processing your request.",
            ),
        };
        Refusal {
            status,
            body: body(message, kind, None, code),
        }
    }
}

/// `{"error": {...}}` with all four members.
pub fn body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Vec<u8> {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
        .to_string()
        .into_bytes()
}
