//! What an operator says of a model's fields: what its provider gets, what its caller is told, and when the call is refused.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, DONE, FINISH, error, says};
use crate::harness::dialects::Spoken;
use crate::harness::gateway::{CREDENTIAL, Gateway, environment_with};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

/// What o-series models and their like do not take.
const REASONING: &str = r#"{rename: max_tokens, to: max_completion_tokens}, {allow: temperature, values: [1]}, {drop: stop}, {map: reasoning_effort, values: {minimal: low, max: high}}"#;

/// A gateway whose model `m` is at `provider`, with rules of the provider, the model and the target.
fn config(provider: &Provider, [of_provider, of_model, of_target]: [&str; 3], more: &str) -> String {
    format!(
        r#"
providers:
  main:
    base_url: "http://{}/v1"
    credentials: ["env:CREDENTIAL"]
    usage_option: false
    parameters: [{of_provider}]
    {more}
models:
  - {{name: m, parameters: [{of_model}], targets: [{{provider: main, parameters: [{of_target}]}}]}}
  - {{name: "other/*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    )
}

fn gateway(provider: &Provider, rules: [&str; 3], more: &str) -> Gateway {
    Gateway::of(&config(provider, rules, more))
}

/// What the provider got, and what its caller got for `answer`.
fn sent(gateway: &Gateway, provider: &Provider, path: &str, body: &str, answer: &str) -> (Message, Message) {
    let mut client = gateway.begin(path, body);
    let call = provider.call();
    call.answer_json(200, answer);
    let told = client.answer();
    (call.request, told)
}

#[test]
fn pain_i03_a_reasoning_model_gets_what_it_takes_and_its_caller_is_told_what_changed() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ["", REASONING, ""], "");
    let body = r#"{"model":"m", "temperature":0.2,"stop":["x"],"messages":[{"role":"user","content":"stop"}],"max_tokens": 64,"reasoning_effort":"minimal","brand_new":{"stop":1e0}}"#;
    let (got, told) = sent(&gateway, &provider, CHAT_PATH, body, ANSWER);
    assert_eq!(
        got.text(),
        r#"{"model":"m", "messages":[{"role":"user","content":"stop"}],"max_completion_tokens": 64,"reasoning_effort":"low","brand_new":{"stop":1e0}}"#
    );
    let dropped = ["temperature", "stop", "max_tokens", "reasoning_effort"];
    assert_eq!(
        told.header("x-penstock-dropped"),
        Some(dropped.join(", ").as_str())
    );
    assert_eq!((told.status(), told.text()), (200, ANSWER));
    assert_eq!(gateway.record()["dropped"], json!(dropped));
}

#[test]
fn pain_i04_a_body_that_no_rule_of_its_model_is_about_goes_as_it_came() {
    let provider = Provider::start();
    let gateway = gateway(
        &provider,
        ["", REASONING, "{most_items: brand_list, most: 2}"],
        "",
    );
    for body in [
        CHAT,
        r#"{"model":"m" ,"temperature":1.0, "brand_list":[ 1,2 ],"messages":[],"brand_new":{"temperature":0.5}}"#,
        r#"{"messages":[],"temperature":null,"reasoning_effort":"high","model":"m"}"#,
    ] {
        let (got, told) = sent(&gateway, &provider, CHAT_PATH, body, ANSWER);
        assert_eq!((got.text(), told.header("x-penstock-dropped")), (body, None));
    }
}

#[test]
fn pain_i03_a_stream_is_asked_for_under_the_rules_too() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ["", REASONING, ""], "");
    let body = r#"{"model":"m","stream":true,"stop":"x","messages":[]}"#;
    let mut client = gateway.begin(CHAT_PATH, body);
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        r#"{"model":"m","stream":true,"messages":[]}"#
    );
    call.stream(&[&says("hello"), FINISH, DONE]);
    let answer = client.answer();
    assert_eq!(answer.header("x-penstock-dropped"), Some("stop"));
    assert!(answer.text().ends_with(DONE));
}

/// A caller's path, and a body with a temperature of 0.5 and stop words, in each dialect that has them.
const CALLERS: [(&str, &str); 5] = [
    (
        CHAT_PATH,
        r#"{"model":"m","temperature":0.5,"stop":["x"],"messages":[{"role":"user","content":"Hello"}]}"#,
    ),
    (
        "/v1/messages",
        r#"{"model":"m","max_tokens":64,"temperature":0.5,"stop_sequences":["x"],"messages":[{"role":"user","content":"Hello"}]}"#,
    ),
    (
        "/v1beta/models/m:generateContent",
        r#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],"generationConfig":{"temperature":0.5,"stopSequences":["x"]}}"#,
    ),
    (
        "/model/m/converse",
        r#"{"messages":[{"role":"user","content":[{"text":"Hello"}]}],"inferenceConfig":{"temperature":0.5,"stopSequences":["x"]}}"#,
    ),
    (
        "/v2/chat",
        r#"{"model":"m","temperature":0.5,"stop_sequences":["x"],"messages":[{"role":"user","content":"Hello"}]}"#,
    ),
];

#[test]
fn pain_i01_rules_hold_for_callers_of_every_dialect_by_the_names_that_go_out() {
    let provider = Provider::start();
    let gateway = gateway(
        &provider,
        ["", "{drop: stop}, {clamp: temperature, most: 0.25}", ""],
        "",
    );
    for (path, body) in CALLERS {
        let (got, told) = sent(&gateway, &provider, path, body, ANSWER);
        let got = got.json();
        assert_eq!(
            (&got["temperature"], &got["stop"]),
            (&json!(0.25), &Value::Null),
            "{got}"
        );
        let dropped = told.header("x-penstock-dropped").unwrap_or_default();
        assert!(
            dropped.contains("stop") && dropped.contains("temperature"),
            "{path}: {dropped}"
        );
        assert_eq!(told.status(), 200);
    }
    let responses = r#"{"model":"m","temperature":0.5,"input":"Hello"}"#;
    let (got, told) = sent(&gateway, &provider, "/v1/responses", responses, ANSWER);
    assert_eq!(got.json()["temperature"], json!(0.25));
    let dropped = told.header("x-penstock-dropped").unwrap_or_default();
    assert!(dropped.contains("temperature"), "{dropped}");
}

#[test]
fn pain_i01_a_rule_for_another_dialect_names_its_fields() {
    let provider = Provider::start();
    let rules = "{clamp: generationConfig.temperature, most: 0.25}, {drop: generationConfig.stopSequences}";
    let gateway = gateway(&provider, ["", rules, ""], "dialects: [gemini]");
    for (path, body) in CALLERS {
        let mut client = gateway.begin(path, body);
        let call = provider.call();
        let got = call.request.json();
        let config = &got["generationConfig"];
        assert_eq!(
            (&config["temperature"], &config["stopSequences"]),
            (&json!(0.25), &Value::Null),
            "{got}"
        );
        call.answer_json(
            200,
            r#"{"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"finishReason":"STOP","index":0}]}"#,
        );
        assert_eq!(client.answer().status(), 200, "{path}");
    }
}

#[test]
fn pain_i03_a_refused_field_is_a_400_in_the_callers_dialect_with_its_limit_and_one_record() {
    let provider = Provider::start();
    let gateway = gateway(
        &provider,
        ["", "{clamp: temperature, most: 0.25, otherwise: error}", ""],
        "",
    );
    let limit = "`temperature` must be at most 0.25 for this model: send less, or leave it out";
    for (path, body) in CALLERS {
        let answer = gateway.post(path, body);
        let said = answer.text();
        assert_eq!(answer.status(), 400, "{said}");
        assert!(said.contains(limit), "{said}");
        let is_named_elsewhere = said.contains("the field is named as in openai-chat");
        assert_eq!(is_named_elsewhere, path != CHAT_PATH, "{said}");
        assert_eq!(answer.header("x-penstock-dropped"), None);
        let error = answer.json();
        match path {
            CHAT_PATH => {
                let error = &error["error"];
                assert_eq!(error["param"], "temperature");
                assert_eq!(
                    (&error["type"], &error["code"]),
                    (&json!("invalid_request_error"), &json!("unsupported_value"))
                );
            }
            "/v1/messages" => assert_eq!(error["error"]["type"], "invalid_request_error"),
            "/v1beta/models/m:generateContent" => assert_eq!(error["error"]["status"], "INVALID_ARGUMENT"),
            _ => assert_eq!(error["message"].as_str().unwrap_or_default().find(limit), Some(0)),
        }
    }
    provider.saw_nothing();
    let records = gateway.stop();
    assert_eq!(records.len(), CALLERS.len());
    for record in records {
        assert_eq!(
            (&record["status"], &record["error"]["code"]),
            (&json!(400), &json!("unsupported_value")),
            "{record}"
        );
        assert_eq!(record["attempts"], json!([]), "{record}");
    }
}

/// Model `m` goes to `a` under rules, then to `b` under others.
fn two(a: &Provider, of_a: &str, b: &Provider, of_b: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  a: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"]}}
  b: {{base_url: "http://{}/v1", credentials: ["env:OTHER_CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: a, parameters: [{of_a}]}}, {{provider: b, parameters: [{of_b}]}}]}}
"#,
        a.address, b.address
    ))
}

const LOGPROBS: &str = r#"{"model":"m","logprobs":true,"messages":[]}"#;

#[test]
fn pain_i03_what_one_targets_rules_refuse_another_target_takes() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, "{error: logprobs}", &b, "");
    let mut client = gateway.begin(CHAT_PATH, LOGPROBS);
    let call = b.call();
    assert_eq!(call.request.text(), LOGPROBS);
    call.answer_json(200, ANSWER);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.header("x-penstock-provider")),
        (200, Some("b"))
    );
    a.saw_nothing();
    let record = gateway.record();
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
}

#[test]
fn pain_i03_where_every_target_refuses_a_field_the_first_ones_words_are_told() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(
        &a,
        "{error: logprobs}",
        &b,
        "{allow: logprobs, values: [false], otherwise: error}",
    );
    let answer = gateway.post(CHAT_PATH, LOGPROBS);
    let error = &answer.json()["error"];
    assert_eq!(answer.status(), 400);
    assert_eq!(
        error["message"],
        "`logprobs` cannot be sent to this model: leave it out"
    );
    a.saw_nothing();
    b.saw_nothing();
    assert_eq!(gateway.stop().len(), 1);
}

#[test]
fn a_providers_trouble_is_told_rather_than_why_another_was_not_asked() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, "", &b, "{error: logprobs}");
    let mut client = gateway.begin(CHAT_PATH, LOGPROBS);
    a.call().answer_json(503, error("no"));
    let answer = client.answer();
    assert_eq!(answer.status(), 503, "{}", answer.text());
    b.saw_nothing();
}

#[test]
fn rules_of_a_target_come_after_its_models_and_those_after_its_providers() {
    let provider = Provider::start();
    let rules = [
        "{drop: seed}, {clamp: top_p, most: 0.5}, {drop: user}, {set: service_tier, value: flex}",
        "{forward: seed}, {clamp: top_p, most: 0.4}, {drop: \"n\"}",
        "{clamp: top_p, most: 0.3}, {default: \"n\", value: 1}, {drop: service_tier}",
    ];
    let gateway = gateway(&provider, rules, "");
    let body = r#"{"model":"m","seed":1,"top_p":1,"user":"u","n":3,"messages":[]}"#;
    let (got, _) = sent(&gateway, &provider, CHAT_PATH, body, ANSWER);
    assert_eq!(
        got.text(),
        r#"{"model":"m","seed":1,"top_p":0.3,"n":1,"messages":[]}"#
    );
    let other = body.replace("\"m\"", "\"other/x\"");
    let (got, _) = sent(&gateway, &provider, CHAT_PATH, &other, ANSWER);
    assert_eq!(
        got.text(),
        r#"{"model":"x","top_p":0.5,"n":3,"messages":[],"service_tier":"flex"}"#
    );
}

#[test]
fn pain_i03_a_providers_rule_is_for_the_models_that_it_names() {
    let provider = Provider::start();
    let rules =
        r#"{drop: temperature, models: ["o3*", "gpt-5"]}, {drop: stop, models: [o3-mini]}, {drop: seed}"#;
    let gateway = gateway(&provider, [rules, "", ""], "");
    for (model, expected) in [
        ("o3-mini", r#"{"model":"o3-mini","messages":[]}"#),
        ("o3", r#"{"model":"o3","stop":"x","messages":[]}"#),
        ("gpt-5", r#"{"model":"gpt-5","stop":"x","messages":[]}"#),
        (
            "gpt-5-chat",
            r#"{"model":"gpt-5-chat","temperature":0.5,"stop":"x","messages":[]}"#,
        ),
    ] {
        let body =
            format!(r#"{{"model":"other/{model}","temperature":0.5,"stop":"x","seed":1,"messages":[]}}"#);
        let (got, _) = sent(&gateway, &provider, CHAT_PATH, &body, ANSWER);
        assert_eq!(got.text(), expected);
    }
}

#[test]
fn pain_i01_a_rule_is_changed_while_the_gateway_serves() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ["", "{error: stop}", ""], "");
    let body = r#"{"model":"m","stop":"x","messages":[]}"#;
    assert_eq!(gateway.post(CHAT_PATH, body).status(), 400);
    gateway
        .change(&config(&provider, ["", "{drop: stop}", ""], ""))
        .expect("a sound file");
    let (got, told) = sent(&gateway, &provider, CHAT_PATH, body, ANSWER);
    assert_eq!(got.text(), r#"{"model":"m","messages":[]}"#);
    assert_eq!(told.header("x-penstock-dropped"), Some("stop"));
    let wrong = gateway.change(&config(&provider, ["", "{drop: messages}", ""], ""));
    assert!(
        wrong
            .expect_err("a wrong rule")
            .contains("`messages` is the gateway's own")
    );
    let (got, _) = sent(&gateway, &provider, CHAT_PATH, body, ANSWER);
    assert_eq!(got.text(), r#"{"model":"m","messages":[]}"#);
}

#[test]
fn a_rule_of_a_model_holds_for_its_embeddings_where_it_says_so() {
    let provider = Provider::start();
    let rules = "{error: dimensions, in: [embeddings]}, {clamp: dimensions, most: 8, in: [rerank]}";
    let gateway = gateway(&provider, ["", rules, ""], "");
    let answer = gateway.post("/v1/embeddings", r#"{"model":"m","dimensions":16,"input":"x"}"#);
    assert_eq!(
        (answer.status(), &answer.json()["error"]["param"]),
        (400, &json!("dimensions"))
    );
    let ranking = r#"{"model":"m","query":"q","documents":["d"],"dimensions":16}"#;
    let (got, _) = sent(&gateway, &provider, "/v1/rerank", ranking, "{}");
    assert_eq!(got.json()["dimensions"], json!(8));
    let (got, _) = sent(&gateway, &provider, CHAT_PATH, CHAT, ANSWER);
    assert_eq!(got.text(), CHAT);
}

/// `policies/example/reasoning-models.yaml`, with every provider here.
fn example(provider: &Provider) -> Gateway {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example/reasoning-models.yaml");
    let text = std::fs::read_to_string(path).expect("an example");
    let (settings, _) = text.split_once("\nkeys:").expect("keys are last");
    let lines: Vec<String> = settings
        .lines()
        .map(|line| match line.contains("base_url:") {
            true => format!("    base_url: \"{}\"", provider.url()),
            false => line.to_owned(),
        })
        .collect();
    let names = [
        "OPENAI_API_KEY",
        "XAI_API_KEY",
        "DEEPSEEK_API_KEY",
        "ANTHROPIC_API_KEY",
    ];
    let environment = environment_with(&names.map(|name| (name, CREDENTIAL)));
    Gateway::in_environment(
        tempfile::tempdir().expect("a folder"),
        &lines.join("\n"),
        environment,
    )
}

#[test]
fn pain_i03_the_example_gives_known_reasoning_models_what_they_take() {
    let provider = Provider::start();
    let gateway = example(&provider);
    let fields =
        r#""temperature":0.2,"top_p":1,"presence_penalty":0.0,"stop":["x"],"logprobs":true,"max_tokens":9"#;
    for (model, expected) in [
        (
            "openai/o3-mini",
            r#""top_p":1,"presence_penalty":0.0,"max_completion_tokens":9"#,
        ),
        (
            "openai/gpt-5",
            r#""top_p":1,"presence_penalty":0.0,"stop":["x"],"max_completion_tokens":9"#,
        ),
        ("openai/gpt-5-chat-latest", fields),
        ("openai/gpt-4o", fields),
        (
            "xai/grok-4-0709",
            r#""temperature":0.2,"top_p":1,"logprobs":true,"max_tokens":9"#,
        ),
        ("xai/grok-3", fields),
        (
            "deepseek/deepseek-reasoner",
            r#""temperature":0.2,"top_p":1,"presence_penalty":0.0,"stop":["x"],"max_tokens":9"#,
        ),
    ] {
        let body = format!(r#"{{"model":"{model}",{fields},"messages":[]}}"#);
        let (got, _) = sent(&gateway, &provider, CHAT_PATH, &body, ANSWER);
        let (_, name) = model.split_once('/').expect("a provider's model");
        assert_eq!(
            got.text(),
            format!(r#"{{"model":"{name}",{expected},"messages":[]}}"#)
        );
    }
    let body = r#"{"model":"claude-thinking","max_tokens":64,"temperature":0,"top_k":5,"messages":[{"role":"user","content":"Hello"}]}"#;
    let answer = Spoken::Messages.answer();
    let (got, told) = sent(&gateway, &provider, "/v1/messages", body, &answer);
    assert_eq!(
        got.json(),
        json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 8192,
            "messages": [{"role": "user", "content": "Hello"}],
            "thinking": {"type": "enabled", "budget_tokens": 4096},
        })
    );
    assert_eq!(
        told.header("x-penstock-dropped"),
        Some("max_tokens, temperature, top_k")
    );
}

#[test]
fn pain_i03_a_kind_of_provider_knows_what_its_reasoning_models_take() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        "providers:\n  main: {{kind: openai, base_url: \"{}\", credentials: [\"env:CREDENTIAL\"]}}\n",
        provider.url()
    ));
    for (path, body, expected) in [
        (
            CHAT_PATH,
            r#"{"model":"o3-mini","temperature":0.2,"stop":"x","max_tokens":9,"messages":[]}"#,
            r#"{"model":"o3-mini","max_completion_tokens":9,"messages":[]}"#,
        ),
        (
            CHAT_PATH,
            r#"{"model":"gpt-4o","temperature":0.2,"stop":"x","max_tokens":9,"messages":[]}"#,
            r#"{"model":"gpt-4o","temperature":0.2,"stop":"x","max_tokens":9,"messages":[]}"#,
        ),
        (
            "/v1/responses",
            r#"{"model":"gpt-5-mini","temperature":0.2,"top_p":1.0,"input":"x"}"#,
            r#"{"model":"gpt-5-mini","top_p":1.0,"input":"x"}"#,
        ),
    ] {
        let (got, _) = sent(&gateway, &provider, path, body, ANSWER);
        assert_eq!(got.text(), expected, "{path}");
    }
}
