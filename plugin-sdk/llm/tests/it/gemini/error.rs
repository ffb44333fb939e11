//! Errors, both ways.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{Codec, Error, ErrorKind};
use serde_json::{Value, json};

use super::bytes;

fn read(status: u16, body: &Value) -> Error<'static> {
    Gemini.read_error(status, None, &bytes(body)).into_owned()
}

#[test]
fn a_bad_key_is_told_though_it_comes_under_400() {
    let error = read(
        400,
        &json!({"error": {
            "code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
        }}),
    );
    assert_eq!((error.status, error.kind), (400, ErrorKind::Authentication));
    assert_eq!(error.code.expect("a code").get(), "API_KEY_INVALID");
    assert_eq!(error.native.expect("its word").get(), "INVALID_ARGUMENT");
}

#[test]
fn how_long_to_wait_and_which_field_is_at_fault_are_told() {
    let error = read(
        429,
        &json!([{"error": {
            "code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"},
                {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0]"}]},
            ],
        }}]),
    );
    assert_eq!(
        (error.kind, error.retry_after_ms),
        (ErrorKind::RateLimit, Some(37_500))
    );
    assert_eq!(error.param.as_ref().expect("a field").get(), "contents[0]");
    let written = Gemini.write_error(&error);
    let again = Gemini.read_error(429, None, &written);
    assert_eq!(
        (again.retry_after_ms, again.param, again.native),
        (error.retry_after_ms, error.param, error.native)
    );
}

#[test]
fn words_and_statuses_are_kinds() {
    let kind = |status: u16, word: &str, message: &str| {
        read(
            status,
            &json!({"error": {"code": status, "message": message, "status": word}}),
        )
        .kind
    };
    let cases = [
        (400, "INVALID_ARGUMENT", "x", ErrorKind::InvalidRequest),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ErrorKind::ContextLength,
        ),
        (400, "FAILED_PRECONDITION", "x", ErrorKind::InvalidRequest),
        (401, "UNAUTHENTICATED", "x", ErrorKind::Authentication),
        (403, "PERMISSION_DENIED", "x", ErrorKind::Permission),
        (404, "NOT_FOUND", "x", ErrorKind::NotFound),
        (409, "ABORTED", "x", ErrorKind::Conflict),
        (413, "INVALID_ARGUMENT", "x", ErrorKind::TooLarge),
        (429, "RESOURCE_EXHAUSTED", "x", ErrorKind::RateLimit),
        (499, "CANCELLED", "x", ErrorKind::Timeout),
        (500, "INTERNAL", "x", ErrorKind::Server),
        (503, "UNAVAILABLE", "x", ErrorKind::Unavailable),
        (
            503,
            "UNAVAILABLE",
            "The model is overloaded.",
            ErrorKind::Overloaded,
        ),
        (504, "DEADLINE_EXCEEDED", "x", ErrorKind::Timeout),
        (418, "WHAT_COMES_NEXT", "x", ErrorKind::InvalidRequest),
    ];
    for (status, word, message, expected) in cases {
        assert_eq!(kind(status, word, message), expected, "{status} {word} {message}");
    }
    let daily = read(
        429,
        &json!({"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]},
        ]}}),
    );
    assert_eq!(daily.kind, ErrorKind::Quota);
}

#[test]
fn an_error_of_a_stream_has_the_status_that_its_code_says() {
    let error = read(
        200,
        &json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}),
    );
    assert_eq!((error.status, error.kind), (503, ErrorKind::Unavailable));
    assert_eq!(
        read(
            200,
            &json!({"error": {"message": "x", "status": "RESOURCE_EXHAUSTED"}})
        )
        .status,
        429
    );
    assert_eq!(read(200, &json!({"error": {"message": "x"}})).status, 500);
}

#[test]
fn token_servers_have_errors_of_their_own() {
    let error = read(
        400,
        &json!({"error": "invalid_grant", "error_description": "Bad Request"}),
    );
    assert_eq!(
        (error.kind, &*error.message.get()),
        (ErrorKind::Authentication, "Bad Request")
    );
}

#[test]
fn bodies_that_are_no_errors_are_unreadable_ones() {
    for body in [
        "",
        "<html><body>502</body></html>",
        "{}",
        "[]",
        "[[]]",
        "null",
        "\"x\"",
        "{\"error\":",
        "\u{feff}{}",
    ] {
        let error = Gemini.read_error(502, None, body.as_bytes());
        assert_eq!(
            (error.status, error.kind),
            (502, ErrorKind::Unavailable),
            "{body}"
        );
        assert!(!error.message.get().contains("html"));
    }
    assert_eq!(
        Gemini.read_error(500, None, &[0xff, 0xfe]).kind,
        ErrorKind::Server
    );
}

#[test]
fn pain_d05_every_error_is_written_in_this_dialect_and_is_the_same_when_read_again() {
    let kinds = [
        (ErrorKind::InvalidRequest, 400, "INVALID_ARGUMENT"),
        (ErrorKind::ContextLength, 400, "INVALID_ARGUMENT"),
        (ErrorKind::ContentPolicy, 400, "INVALID_ARGUMENT"),
        (ErrorKind::Authentication, 401, "UNAUTHENTICATED"),
        (ErrorKind::Billing, 402, "FAILED_PRECONDITION"),
        (ErrorKind::Permission, 403, "PERMISSION_DENIED"),
        (ErrorKind::NotFound, 404, "NOT_FOUND"),
        (ErrorKind::Conflict, 409, "ABORTED"),
        (ErrorKind::TooLarge, 413, "INVALID_ARGUMENT"),
        (ErrorKind::Unprocessable, 422, "INVALID_ARGUMENT"),
        (ErrorKind::RateLimit, 429, "RESOURCE_EXHAUSTED"),
        (ErrorKind::Quota, 429, "RESOURCE_EXHAUSTED"),
        (ErrorKind::Server, 500, "INTERNAL"),
        (ErrorKind::BadAnswer, 502, "UNAVAILABLE"),
        (ErrorKind::Unavailable, 503, "UNAVAILABLE"),
        (ErrorKind::Timeout, 504, "DEADLINE_EXCEEDED"),
        (ErrorKind::Overloaded, 503, "UNAVAILABLE"),
    ];
    for (kind, code, word) in kinds {
        let mut error = Error::new(kind, "sorry \"you\"");
        error.code = Some("not_one_of_googles".into());
        let written = Gemini.write_error(&error);
        let value: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(value["error"]["code"], code, "{kind:?}");
        assert_eq!(value["error"]["status"], word, "{kind:?}");
        assert_eq!(value["error"]["message"], "sorry \"you\"");
        let again = Gemini.read_error(Gemini.error_status(&error), None, &written);
        assert_eq!(again.kind, kind);
    }
}
