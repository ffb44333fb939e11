//! `/{provider}/*`: a provider's own API passed through, under the same keys, policies and accounts as everything else.

use crate::harness::calls::{ANSWER, CHAT, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::{post, post_with, request};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY};
use crate::harness::message::find;
use crate::harness::provider::Provider;
use crate::harness::squeeze;

const LIMITED: &str = r#"keys: [{name: team, key: "env:KEY", models: ["m", "gpt-*"]}]"#;

#[test]
fn feature_a20_any_call_passes_byte_for_byte_with_the_gateways_credential() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let mut client = gateway.connect();
        let length = body.len().to_string();
        let headers = [
            ("content-type", "application/octet-stream"),
            ("content-length", length.as_str()),
            ("cookie", "a=b"),
        ];
        client.send(request(
            method,
            "/main/files/a%20b?x=1&api_key=sk-other&y=%2F",
            KEY,
            &headers,
        ));
        client.send(&body);
        let call = provider.call();
        assert!(
            call.request
                .start_line()
                .starts_with(&format!("{method} /v1/files/a%20b?x=1&y=%2F ")),
            "{}",
            call.request.start_line()
        );
        assert!(call.request.body == body);
        assert_eq!(
            call.request.header("content-type"),
            Some("application/octet-stream")
        );
        assert_eq!(
            call.request.header("authorization"),
            Some(format!("Bearer {CREDENTIAL}").as_str())
        );
        assert_eq!(
            (
                find(&call.request.head, KEY.as_bytes()),
                call.request.header("cookie")
            ),
            (None, None)
        );
        call.begin(201, &[("content-type", "audio/mpeg")]);
        body.chunks(700).for_each(|piece| call.chunk(piece));
        call.end();
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (201, Some("audio/mpeg"))
        );
        assert!(answer.body == body && answer.is_whole);
        assert_eq!(answer.header("x-penstock-provider"), Some("main"));
    }
    for record in gateway.records(4) {
        assert_eq!(
            (&record["operation"], &record["ending"], &record["key"]),
            (&"raw".into(), &"complete".into(), &"team".into())
        );
        assert!(
            !record.to_string().contains("sk-other"),
            "a query is not recorded"
        );
    }
}

#[test]
fn feature_a20_a_page_is_fetched_and_a_base_path_not_doubled() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for path in ["/main/models", "/main/v1/models"] {
        let mut client = gateway.connect();
        client.send(request("GET", path, KEY, &[]));
        let call = provider.call();
        assert_eq!(
            (call.request.start_line(), call.request.body.len()),
            ("GET /v1/models HTTP/1.1", 0)
        );
        call.answer_json(200, "[1]");
        assert_eq!(client.answer().text(), "[1]");
    }
}

#[test]
fn feature_a20_a_raw_path_to_a_known_operation_is_a_call_like_any_other() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.begin("/main/v1/chat/completions", CHAT);
    let call = provider.call();
    assert_eq!(
        (call.request.path(), call.request.text()),
        ("/v1/chat/completions", CHAT)
    );
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let mut client = gateway.begin("/main/chat/completions", CHAT_STREAM);
    provider.call().stream(&[&says("a"), FINISH, DONE]);
    assert_eq!(client.answer().text(), [&says("a"), FINISH, DONE].concat());
    let twice = gateway.post(
        "/main/chat/completions",
        r#"{"model":"m","model":"n","messages":[]}"#,
    );
    assert_eq!(
        (twice.status(), twice.error_code().as_str()),
        (400, "duplicate_key")
    );
    let records = gateway.records(3);
    assert_eq!(
        (&records[0]["operation"], &records[0]["usage"]["total"]),
        (&"chat".into(), &3.into())
    );
}

#[test]
fn a_raw_call_without_a_good_key_reaches_nobody() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    for key in ["", "wrong"] {
        assert_eq!(gateway.send(post("/main/audio/speech", key, "{}")).status(), 401);
    }
    assert_eq!(gateway.post("/nobody/audio/speech", "{}").status(), 404);
    provider.saw_nothing();
    gateway.records(3);
}

#[test]
fn pain_q01_a_raw_call_may_name_allowed_models_only_wherever_it_names_them() {
    let provider = Provider::start();
    let gateway = Gateway::with(&provider, LIMITED);
    let refused = [
        ("/main/responses", r#"{"model":"other"}"#),
        ("/main/responses", r#"{"mod\u0065l":"other"}"#),
        ("/main/responses?model=other", r#"{"model":"m"}"#),
        ("/main/responses?a=b&mod%65l=other", r#"{"model":"m"}"#),
        ("/main/models/other:generate", r#"{"model":"m"}"#),
        ("/main/models/othe%72:generate", r#"{"model":"m"}"#),
        ("/main/deployments/other/x", r#"{"model":"m"}"#),
        // one that names none might be any
        ("/main/responses", "{}"),
        ("/main/responses", "model=other"),
    ];
    for (path, body) in refused {
        let answer = gateway.post(path, body);
        assert_eq!(
            (answer.status(), answer.error_code().as_str()),
            (403, "model_not_allowed"),
            "{path} {body}"
        );
    }
    let twice = gateway.post("/main/responses", r#"{"model":"m","model":"other"}"#);
    assert_eq!((twice.status(), twice.error_param().as_str()), (400, "model"));
    provider.saw_nothing();
    for (path, body) in [
        ("/main/responses", r#"{"model":"m"}"#),
        ("/main/models/gpt-4:x", "{}"),
        ("/main/x?model=gpt-4o", "{}"),
    ] {
        let mut client = gateway.begin(path, body);
        provider.call().answer_json(200, "{}");
        assert_eq!(client.answer().status(), 200, "{path} {body}");
    }
}

#[test]
fn a_raw_answer_keeps_its_coding_and_a_refusal_its_words() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let body = squeeze::compressed("gzip", &[7; 4000]);
    let mut client = gateway.connect();
    client.send(post_with(
        "/main/audio/speech",
        KEY,
        &[("accept-encoding", "gzip")],
        r#"{"model":"m"}"#,
    ));
    provider.call().answer_with(
        200,
        &[("content-type", "audio/wav"), ("content-encoding", "gzip")],
        &body,
    );
    let answer = client.answer();
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body == body);
    let mut client = gateway.begin("/main/audio/speech", "{}");
    provider.call().answer_json(400, "{ \"error\":\"theirs\"}");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (400, "{ \"error\":\"theirs\"}"));
    let mut client = gateway.begin("/main/audio/speech", "{}");
    provider.call().answer_json(401, "{}");
    assert_eq!(client.answer().error_code(), "upstream_credentials_rejected");
}

#[test]
fn a_raw_stream_leaves_as_it_comes_and_goes_with_its_caller() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.begin("/main/responses", r#"{"model":"m","stream":true}"#);
    let call = provider.call();
    call.begin_stream();
    for number in 0..3 {
        let event = format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"{number}\"}}\n\n"
        );
        call.chunk(&event);
        if number == 0 {
            assert_eq!(client.head().status(), 200);
        }
        assert_eq!(client.read_until("\n\n"), event);
    }
    client.close();
    call.wait_gone();
    assert_eq!(gateway.record()["ending"], "cancelled");
}

#[test]
fn a_raw_answer_that_breaks_off_does_not_look_complete() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let mut client = gateway.begin("/main/audio/speech", "{}");
    let call = provider.call();
    call.begin(200, &[("content-type", "audio/mpeg")]);
    call.chunk([1; 1000]);
    client.head();
    client.piece();
    call.reset();
    let (_, is_whole) = client.rest();
    assert!(!is_whole);
    assert_eq!(gateway.record()["ending"], "truncated");
}

/// PAIN K05: policies hold for every route.
#[test]
fn a_guard_is_not_passed_by_a_raw_call() {
    let secret = "ghp_0123456789abcdefABCDEF0123456789abcd";
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "plugins: [{component: guard-secrets, settings: {action: block}}]",
    );
    let answer = gateway.post(
        "/main/responses",
        format!(r#"{{"model":"m","input":"my {secret}"}}"#),
    );
    assert_eq!(
        (answer.status(), answer.error_code().as_str()),
        (400, "secret_detected"),
        "{}",
        answer.text()
    );
    provider.saw_nothing();
    let mut client = gateway.begin("/main/responses", r#"{"model":"m","input":"clean"}"#);
    provider
        .call()
        .answer_json(200, format!(r#"{{"output":"your {secret}"}}"#));
    let answer = client.answer();
    assert!(
        find(&answer.body, secret.as_bytes()).is_none(),
        "{}",
        answer.text()
    );
    assert!(
        gateway
            .records(2)
            .iter()
            .all(|record| record["plugins"].as_array().is_some_and(|runs| !runs.is_empty()))
    );
}
