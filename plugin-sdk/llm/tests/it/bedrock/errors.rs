use penstock_llm::bedrock::converse::{BedrockConverse, exception_type};
use penstock_llm::model::{Codec, Error, ErrorKind};
use serde_json::{Value, json};

#[test]
fn errors_are_told_in_whatever_shape_they_come() {
    for (status, native, body, kind, message) in [
        (
            400,
            Some("ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"),
            r#"{"message":"The provided model identifier is invalid."}"#,
            ErrorKind::InvalidRequest,
            "The provided model identifier is invalid.",
        ),
        (
            400,
            None,
            r#"{"__type":"com.amazon.coral.validate#ValidationException","Message":"Input is too long for requested model."}"#,
            ErrorKind::ContextLength,
            "Input is too long for requested model.",
        ),
        (
            403,
            Some("UnrecognizedClientException"),
            r#"{"message":"The security token included in the request is invalid."}"#,
            ErrorKind::Authentication,
            "The security token included in the request is invalid.",
        ),
        (
            403,
            Some("AccessDeniedException"),
            r#"{"Message":"no"}"#,
            ErrorKind::Permission,
            "no",
        ),
        (
            404,
            Some("ResourceNotFoundException"),
            r#"{"message":"no"}"#,
            ErrorKind::NotFound,
            "no",
        ),
        (
            408,
            Some("ModelTimeoutException"),
            r#"{"message":"no"}"#,
            ErrorKind::Timeout,
            "no",
        ),
        (
            424,
            Some("ModelErrorException"),
            r#"{"message":"no","originalStatusCode":503,"resourceName":"m"}"#,
            ErrorKind::Unavailable,
            "no",
        ),
        (
            424,
            Some("ModelErrorException"),
            r#"{"message":"no"}"#,
            ErrorKind::BadAnswer,
            "no",
        ),
        (
            429,
            Some("ThrottlingException"),
            r#"{"message":"Too many tokens, please wait before trying again."}"#,
            ErrorKind::RateLimit,
            "Too many tokens, please wait before trying again.",
        ),
        (
            429,
            Some("ThrottlingException"),
            r#"{"message":"Too many tokens per day, please wait before trying again."}"#,
            ErrorKind::Quota,
            "Too many tokens per day, please wait before trying again.",
        ),
        (
            429,
            Some("ModelNotReadyException"),
            r#"{"message":"no"}"#,
            ErrorKind::Unavailable,
            "no",
        ),
        (
            400,
            Some("ServiceQuotaExceededException"),
            r#"{"message":"no"}"#,
            ErrorKind::Quota,
            "no",
        ),
        (500, None, r#"{"message":"no"}"#, ErrorKind::Server, "no"),
        (
            503,
            Some("ServiceUnavailableException"),
            r#"{"message":"no"}"#,
            ErrorKind::Unavailable,
            "no",
        ),
        (
            418,
            Some("BrandNewException"),
            r#"{"message":"no"}"#,
            ErrorKind::InvalidRequest,
            "no",
        ),
    ] {
        let error = BedrockConverse.read_error(status, native, body.as_bytes());
        assert_eq!((error.kind, error.status), (kind, status), "{body}");
        assert_eq!(error.message.get(), message);
        let named = error.native.as_ref().map(|native| native.get().into_owned());
        assert!(named.is_none_or(|native| !native.contains([':', '#'])));
    }
}

#[test]
fn no_bytes_are_no_error() {
    for body in [
        "",
        "<html>502 Bad Gateway</html>",
        "null",
        "[1]",
        "{}",
        "{\"message\":null}",
        "\"text\"",
    ] {
        let error = BedrockConverse.read_error(502, Some("ThrottlingException"), body.as_bytes());
        assert_eq!((error.status, error.kind), (502, ErrorKind::RateLimit), "{body}");
        assert!(error.message.get().contains("502"));
        let error = BedrockConverse.read_error(502, None, body.as_bytes());
        assert_eq!(error.kind, ErrorKind::Unavailable, "{body}");
    }
    let error = BedrockConverse.read_error(500, None, b"\xff\xfe");
    assert_eq!(error.kind, ErrorKind::Server);
}

#[test]
fn pain_d05_every_kind_of_error_has_a_type_that_is_read_as_the_same_kind() {
    for kind in [
        ErrorKind::InvalidRequest,
        ErrorKind::Authentication,
        ErrorKind::Billing,
        ErrorKind::Permission,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::TooLarge,
        ErrorKind::Unprocessable,
        ErrorKind::RateLimit,
        ErrorKind::Quota,
        ErrorKind::Server,
        ErrorKind::Unavailable,
        ErrorKind::Overloaded,
        ErrorKind::Timeout,
        ErrorKind::BadAnswer,
    ] {
        let error = Error::new(kind, "no \"way\"");
        let body = BedrockConverse.write_error(&error);
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            value,
            json!({"__type": exception_type(&error), "message": "no \"way\""})
        );
        let again = BedrockConverse.read_error(BedrockConverse.error_status(&error), None, &body);
        // 529 is nobody's but Anthropic's
        let kind = match kind {
            ErrorKind::Overloaded => ErrorKind::Unavailable,
            other => other,
        };
        assert_eq!((again.kind, again.status), (kind, kind.status()));
    }
    let own = BedrockConverse.read_error(429, Some("ModelNotReadyException"), b"{\"message\":\"wait\"}");
    assert_eq!(exception_type(&own), "ModelNotReadyException");
}
