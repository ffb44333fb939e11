//! Fields that a provider takes otherwise than its dialects say: what it gets, and what its caller is told.

use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM};
use crate::harness::gateway::Gateway;
use crate::harness::message::Message;
use crate::harness::provider::Provider;

/// A gateway in front of a provider with these rules, and `more` of its settings.
fn under(provider: &Provider, rules: &str, more: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"], parameters: [{rules}], {more}}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    ))
}

/// What the provider got, and what its caller got for `answer`.
fn sent(
    gateway: &Gateway,
    provider: &Provider,
    (path, body): (&str, &str),
    answer: &str,
) -> (Message, Message) {
    let mut client = gateway.begin(path, body);
    let call = provider.call();
    call.answer_json(200, answer);
    let told = client.answer();
    (call.request, told)
}

const RULES: &str = r#"{drop: logit_bias}, {drop: "messages[].name"}, {rename: max_completion_tokens, to: max_tokens}, {clamp: temperature, most: 1}, {default: top_k, value: {a: [1]}}, {drop: user, in: [embeddings]}"#;

#[test]
fn pain_i01_fields_are_dropped_renamed_bounded_and_added_and_the_caller_is_told() {
    let provider = Provider::start();
    let gateway = under(&provider, RULES, "usage_option: false");
    let body = r#"{"model": "m", "logit_bias":{"1":2},"messages":[{"role":"user","name":"n","content":"hi"}],"max_completion_tokens" : 9,"temperature":1.5,"user":"u","brand_new":1e0}"#;
    let (got, told) = sent(&gateway, &provider, (CHAT_PATH, body), ANSWER);
    assert_eq!(
        got.text(),
        r#"{"model": "m", "messages":[{"role":"user","content":"hi"}],"max_tokens" : 9,"temperature":1,"user":"u","brand_new":1e0,"top_k":{"a":[1]}}"#
    );
    assert_eq!(
        told.header("x-penstock-dropped"),
        Some("logit_bias, messages[].name, max_completion_tokens, temperature")
    );
    assert_eq!(told.text(), ANSWER);
    assert_eq!(
        gateway.record()["dropped"],
        json!([
            "logit_bias",
            "messages[].name",
            "max_completion_tokens",
            "temperature"
        ])
    );
}

#[test]
fn a_body_that_no_rule_is_about_goes_as_it_came() {
    let provider = Provider::start();
    let gateway = under(
        &provider,
        "{drop: logit_bias}, {clamp: top_p, most: 1}",
        "usage_option: false",
    );
    for body in [CHAT, CHAT_STREAM, r#"{"model":"m" ,"top_p":1, "messages":[]}"#] {
        let (got, told) = sent(&gateway, &provider, (CHAT_PATH, body), ANSWER);
        assert_eq!((got.text(), told.header("x-penstock-dropped")), (body, None));
    }
}

#[test]
fn a_rule_goes_together_with_the_models_name_and_the_option_for_usage() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"], parameters: [{{drop: seed}}]}}
models:
  - {{name: m, targets: [{{provider: main, model: other}}]}}
"#,
        provider.address
    ));
    let body = r#"{"seed":1,"model":"m","stream":true,"messages":[]}"#;
    let (got, told) = sent(&gateway, &provider, (CHAT_PATH, body), ANSWER);
    assert_eq!(
        got.text(),
        r#"{"model":"other","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#
    );
    assert_eq!(told.header("x-penstock-dropped"), Some("seed"));
}

#[test]
fn pain_i01_rules_hold_for_a_call_of_another_dialect_too() {
    let provider = Provider::start();
    let gateway = under(&provider, "{rename: stop, to: stop_sequences}", "");
    let messages = r#"{"model":"m","max_tokens":64,"stop_sequences":["x"],"messages":[{"role":"user","content":"Hello"}]}"#;
    let (got, told) = sent(&gateway, &provider, ("/v1/messages", messages), ANSWER);
    let got = got.json();
    assert_eq!(
        (&got["stop_sequences"], &got["stop"]),
        (&json!(["x"]), &Value::Null)
    );
    assert_eq!(told.header("x-penstock-dropped"), Some("stop"));
}

#[test]
fn each_rule_is_for_its_kind_of_body() {
    let provider = Provider::start();
    let rules = r#"{drop: user, in: [embeddings, rerank]}, {drop: metadata, in: [openai-responses]}, {rename: dimensions, to: size, in: [embeddings]}"#;
    let gateway = under(&provider, rules, "dialects: [openai-chat, openai-responses]");
    let cases = [
        (
            "/v1/embeddings",
            r#"{"user":"u","model":"m","dimensions":8,"input":"x"}"#,
            r#"{"model":"m","size":8,"input":"x"}"#,
            Some("user, dimensions"),
        ),
        (
            "/v1/rerank",
            r#"{"model":"m","query":"q","documents":["d"],"user":"u"}"#,
            r#"{"model":"m","query":"q","documents":["d"]}"#,
            Some("user"),
        ),
        (
            "/v1/responses",
            r#"{"model":"m","input":"x","metadata":{}}"#,
            r#"{"model":"m","input":"x"}"#,
            Some("metadata"),
        ),
        (
            "/v1/moderations",
            r#"{"model":"m","input":"x","user":"u"}"#,
            r#"{"model":"m","input":"x","user":"u"}"#,
            None,
        ),
    ];
    for (path, body, expected, dropped) in cases {
        let answer = match path {
            "/v1/responses" => r#"{"id":"r","object":"response","status":"completed","output":[]}"#,
            _ => r#"{"results":[],"data":[]}"#,
        };
        let (got, told) = sent(&gateway, &provider, (path, body), answer);
        assert_eq!(
            (got.text(), told.header("x-penstock-dropped")),
            (expected, dropped),
            "{path}: {}",
            told.text()
        );
    }
}

#[test]
fn rules_for_embeddings_hold_in_the_providers_dialect_and_in_each_of_several_requests() {
    let provider = Provider::start();
    let gateway = under(
        &provider,
        "{drop: normalize, in: [embeddings]}, {default: x, value: 1, in: [embeddings]}",
        "embeddings: bedrock-titan-embed",
    );
    let mut client = gateway.begin("/v1/embeddings", r#"{"model":"m","input":["a","b"]}"#);
    for _ in 0..2 {
        let call = provider.call();
        let got = call.request.json();
        assert_eq!((&got["x"], &got["normalize"]), (&json!(1), &Value::Null), "{got}");
        call.answer_json(200, r#"{"embedding":[0.5],"inputTextTokenCount":1}"#);
    }
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a_stream_of_another_dialect_is_not_asked_for_usage_where_the_provider_knows_no_such_option() {
    let provider = Provider::start();
    let messages =
        r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    for (more, expected) in [
        ("usage_option: false", Value::Null),
        ("", json!({"include_usage": true})),
    ] {
        let gateway = under(&provider, "", more);
        let (got, _) = sent(&gateway, &provider, ("/v1/messages", messages), ANSWER);
        assert_eq!(got.json()["stream_options"], expected, "{more}");
    }
}
