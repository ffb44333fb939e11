//! Embeddings and reranking across dialects: what the caller says arrives in the provider's words, and comes back in the
//! caller's; who speaks the provider's dialect gets every byte as it came.

use serde_json::{Value, json};

use crate::harness::client::post_with;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

const PATH: &str = "/v1/embeddings";

/// A gateway in front of a provider of which `lines` say what it speaks.
fn before(provider: &Provider, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"], {lines}}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    ))
}

/// Two floats that 32 bits hold exactly, and the same as base64.
const FLOATS: &str = "[0.5,-2.0]";
const BASE64: &str = "AAAAPwAAAMA=";

fn dropped(answer: &Message) -> &str {
    answer.header("x-penstock-dropped").unwrap_or_default()
}

#[test]
fn a10_base64_is_made_where_a_provider_gives_floats_alone() {
    let provider = Provider::start();
    let gateway = before(&provider, "");
    let body = r#"{"model":"m","input":"hi",  "encoding_format":"base64"}"#;
    let mut client = gateway.begin(PATH, body);
    let call = provider.call();
    assert_eq!(
        (call.request.path(), call.request.text()),
        ("/v1/embeddings", body)
    );
    call.answer_json(
        200,
        format!(r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{FLOATS}}}],"model":"m","usage":{{"prompt_tokens":2,"total_tokens":2}}}}"#),
    );
    let told = client.answer().json();
    assert_eq!(told["data"][0]["embedding"], BASE64);
    assert_eq!(told["usage"]["prompt_tokens"], 2);
    // the other way round
    let mut client = gateway.begin(PATH, r#"{"model":"m","input":"hi"}"#);
    provider.call().answer_json(
        200,
        format!(r#"{{"data":[{{"index":0,"embedding":"{BASE64}"}}],"model":"m"}}"#),
    );
    assert_eq!(client.answer().json()["data"][0]["embedding"], json!([0.5, -2.0]));
    // what fits is not touched
    let answer =
        format!(r#"{{"data" : [{{"embedding":{FLOATS},"odd":1e0,"index":0}}],"model":"m","brand_new":1e0}}"#);
    let mut client = gateway.begin(PATH, r#"{"model":"m","input":"hi"}"#);
    provider.call().answer_json(200, &answer);
    assert_eq!(client.answer().text(), answer);
    assert_eq!(gateway.records(3)[0]["usage"]["prompt"], 2);
}

#[test]
fn a10_openais_caller_is_embedded_by_cohere() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [cohere]");
    let mut client = gateway.begin(
        PATH,
        r#"{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64","user":"u"}"#,
    );
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/embed");
    let sent = call.request.json();
    assert_eq!(sent["texts"], json!(["a", "b"]));
    assert_eq!(sent["output_dimension"], 2);
    assert_eq!(sent["input_type"], "search_document");
    assert_eq!(sent["embedding_types"], json!(["base64"]));
    call.answer_json(
        200,
        format!(r#"{{"id":"e1","embeddings":{{"base64":["{BASE64}","{BASE64}"]}},"texts":["a","b"],"meta":{{"billed_units":{{"input_tokens":3}}}}}}"#),
    );
    let answer = client.answer();
    assert!(dropped(&answer).contains("user"), "{}", dropped(&answer));
    assert!(dropped(&answer).contains("input_type"), "{}", dropped(&answer));
    let told = answer.json();
    assert_eq!(told["object"], "list");
    assert_eq!(told["data"][1]["index"], 1);
    assert_eq!(told["data"][1]["embedding"], BASE64);
    assert_eq!(told["usage"]["prompt_tokens"], 3);
    let record = gateway.record();
    assert_eq!(record["usage"]["prompt"], 3, "{record}");
    assert_eq!(
        (&record["operation"], &record["ending"]),
        (&json!("embeddings"), &json!("complete"))
    );
}

#[test]
fn a10_openais_caller_is_embedded_by_gemini_and_voyage() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [gemini]");
    let mut client = gateway.begin(
        PATH,
        r#"{"model":"gemini-embedding-001","input":["a","b"],"dimensions":2}"#,
    );
    let call = provider.call();
    assert_eq!(
        call.request.path(),
        "/v1/models/gemini-embedding-001:batchEmbedContents"
    );
    assert_eq!(
        call.request.json()["requests"][1]["content"]["parts"][0]["text"],
        "b"
    );
    assert_eq!(call.request.json()["requests"][1]["outputDimensionality"], 2);
    call.answer_json(200, r#"{"embeddings":[{"values":[0.5,1]},{"values":[1,0.5]}]}"#);
    assert_eq!(client.answer().json()["data"][1]["embedding"], json!([1, 0.5]));
    let gateway = before(&provider, "embeddings: voyage-embeddings");
    let mut client = gateway.begin(PATH, r#"{"model":"voyage-3","input":"a","dimensions":2}"#);
    let call = provider.call();
    assert_eq!(call.request.json()["output_dimension"], 2);
    call.answer_json(200, r#"{"object":"list","data":[{"object":"embedding","embedding":[0.5],"index":0}],"model":"voyage-3","usage":{"total_tokens":7}}"#);
    assert_eq!(client.answer().json()["usage"]["prompt_tokens"], 7);
    assert_eq!(gateway.record()["usage"]["prompt"], 7);
}

#[test]
fn a10_many_inputs_are_asked_of_titan_one_by_one_and_come_back_in_order() {
    let mut provider = Provider::start();
    let gateway = before(&provider, "dialects: [bedrock-converse]");
    provider.serve(|call| {
        assert_eq!(
            call.request.path(),
            "/v1/model/amazon.titan-embed-text-v2%3A0/invoke"
        );
        let text = call.request.json()["inputText"]
            .as_str()
            .map(str::to_owned)
            .unwrap_or_default();
        call.answer_json(
            200,
            format!(r#"{{"embedding":[{text}],"inputTextTokenCount":2}}"#),
        );
    });
    let inputs: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let body = json!({"model": "amazon.titan-embed-text-v2:0", "input": inputs});
    let told = gateway.post(PATH, body.to_string()).json();
    let got: Vec<Value> = (0..20)
        .map(|at| told["data"][at]["embedding"][0].clone())
        .collect();
    assert_eq!(got, (0..20).map(Value::from).collect::<Vec<_>>());
    assert_eq!(told["usage"]["prompt_tokens"], 40);
    assert_eq!(provider.calls(), 20);
    let record = gateway.record();
    assert_eq!(
        (&record["usage"]["prompt"], &record["ending"]),
        (&json!(40), &json!("complete"))
    );
    // no more than a caller would wait for
    let inputs = vec!["x"; 257];
    let body = json!({"model": "amazon.titan-embed-text-v2:0", "input": inputs});
    let answer = gateway.post(PATH, body.to_string());
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "too_many_inputs".to_owned())
    );
    assert!(answer.error_message().contains("256"), "{}", answer.text());
    assert_eq!(provider.calls(), 20);
}

#[test]
fn a10_one_refused_input_of_many_fails_the_call_with_the_providers_reason() {
    let mut provider = Provider::start();
    let gateway = before(&provider, "dialects: [bedrock-converse]");
    provider.serve(|call| match call.request.json()["inputText"] == "bad" {
        true => call.answer_with(
            400,
            &[
                ("content-type", "application/json"),
                ("x-amzn-errortype", "ValidationException"),
            ],
            r#"{"message":"Malformed input"}"#,
        ),
        false => call.answer_json(200, r#"{"embedding":[1],"inputTextTokenCount":1}"#),
    });
    let answer = gateway.post(
        PATH,
        r#"{"model":"amazon.titan-embed-text-v2:0","input":["good","bad","good"]}"#,
    );
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "upstream_invalid_request".to_owned())
    );
    assert!(
        answer.error_message().contains("Malformed input"),
        "{}",
        answer.text()
    );
    // the caller's own input it was
    assert_eq!(gateway.record()["ending"], "refused");
}

#[test]
fn a10_callers_of_gemini_and_cohere_are_embedded_by_openais_likes() {
    let provider = Provider::start();
    let gateway = before(&provider, "");
    let one = r#"{"data":[{"index":0,"embedding":[0.5,1]}],"model":"m","usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    let mut client = gateway.begin(
        "/v1beta/models/m:embedContent",
        r#"{"content":{"parts":[{"text":"a"}]},"outputDimensionality":2}"#,
    );
    let call = provider.call();
    assert_eq!(
        call.request.json(),
        json!({"model": "m", "input": "a", "dimensions": 2})
    );
    call.answer_json(200, one);
    assert_eq!(client.answer().json()["embedding"]["values"], json!([0.5, 1]));
    let mut client = gateway.begin(
        "/v1beta/models/m:batchEmbedContents",
        r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}"#,
    );
    let call = provider.call();
    assert_eq!(call.request.json()["input"], json!(["a"]));
    call.answer_json(200, one);
    assert_eq!(client.answer().json()["embeddings"][0]["values"], json!([0.5, 1]));
    let mut client = gateway.begin(
        "/v2/embed",
        r#"{"model":"m","texts":["a"],"input_type":"search_query","embedding_types":["float"]}"#,
    );
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/embeddings");
    call.answer_json(200, one);
    let told = client.answer().json();
    assert_eq!(told["embeddings"]["float"], json!([[0.5, 1]]));
    assert_eq!(told["meta"]["billed_units"]["input_tokens"], 4);
    for record in gateway.records(3) {
        assert_eq!(
            (&record["operation"], &record["usage"]["prompt"]),
            (&json!("embeddings"), &json!(4))
        );
    }
}

#[test]
fn a10_who_speaks_the_providers_dialect_gets_every_byte_and_is_metered() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [cohere]");
    let asked = r#"{"model":"m", "texts":["a"],"input_type":"search_query","embedding_types":["int8"],"brand_new":1e0}"#;
    let answer = r#"{"id":"e" ,"embeddings":{"int8":[[1,2]]},"meta":{"billed_units":{"input_tokens":6}},"brand_new":1e0}"#;
    let mut client = gateway.begin("/v2/embed", asked);
    let call = provider.call();
    assert_eq!((call.request.path(), call.request.text()), ("/v1/embed", asked));
    call.answer_json(200, answer);
    assert_eq!(client.answer().text(), answer);
    assert_eq!(gateway.record()["usage"]["prompt"], 6);
    let gateway = before(&provider, "dialects: [gemini]");
    let asked = r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"brand_new":1e0}]}"#;
    let mut client = gateway.begin("/v1beta/models/m:batchEmbedContents", asked);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/models/m:batchEmbedContents");
    assert_eq!(call.request.text(), asked);
    call.answer_json(200, r#"{"embeddings":[{"values":[1]}] }"#);
    assert_eq!(client.answer().text(), r#"{"embeddings":[{"values":[1]}] }"#);
}

#[test]
fn pain_q01_a_body_that_names_another_model_than_its_path_is_refused() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [gemini]");
    for body in [
        r#"{"requests":[{"model":"models/m"},{"model":"models/other"}]}"#,
        r#"{"model":"models/other","content":{"parts":[{"text":"a"}]}}"#,
        r#"{"model":"models/m","model":"models/other"}"#,
        "not json",
    ] {
        let answer = gateway.post("/v1beta/models/m:batchEmbedContents", body);
        // in Google's shape
        assert_eq!(
            (answer.status(), &answer.json()["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT")),
            "{body}"
        );
    }
    provider.saw_nothing();
    gateway.records(4);
}

#[test]
fn a10_what_a_provider_cannot_embed_is_refused_by_its_place() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [cohere]");
    let answer = gateway.post(PATH, r#"{"model":"m","input":[[1,2],[3]]}"#);
    assert_eq!(
        (answer.status(), answer.error_param()),
        (400, "input[0]".to_owned()),
        "{}",
        answer.text()
    );
    let answer = gateway.post(PATH, r#"{"model":"m","input":"a","encoding_format":"hex"}"#);
    assert_eq!(
        (answer.status(), answer.error_param()),
        (400, "encoding_format".to_owned())
    );
    provider.saw_nothing();
}

#[test]
fn an_answer_that_leaves_an_input_out_or_is_an_error_is_no_answer() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [cohere]");
    for (said, status) in [
        (r#"{"embeddings":{"float":[[1]]}}"#, 502),
        (r#"{"message":"no such model"}"#, 502),
        ("<html>busy</html>", 502),
        ("", 502),
    ] {
        let mut client = gateway.begin(PATH, r#"{"model":"m","input":["a","b"]}"#);
        provider.call().answer_json(200, said);
        let answer = client.answer();
        assert_eq!(answer.status(), status, "{said}: {}", answer.text());
        assert!(!answer.error_code().is_empty());
    }
    assert!(
        gateway
            .records(4)
            .iter()
            .all(|record| record["ending"] == "failed")
    );
}

#[test]
fn a_providers_error_is_told_in_the_dialect_of_who_embeds() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [cohere]");
    let mut client = gateway.begin(PATH, r#"{"model":"m","input":"a"}"#);
    provider.call().answer_json(429, r#"{"message":"slow down"}"#);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code()),
        (429, "rate_limit_exceeded".to_owned())
    );
    let mut client = gateway.begin(
        "/v1beta/models/m:embedContent",
        r#"{"content":{"parts":[{"text":"a"}]}}"#,
    );
    provider.call().answer_json(400, r#"{"message":"too long"}"#);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), &answer.json()["error"]["status"]),
        (400, &json!("INVALID_ARGUMENT"))
    );
    let gateway = before(&provider, "");
    let mut client = gateway.begin(
        "/v2/embed",
        r#"{"model":"m","texts":["a"],"input_type":"search_query"}"#,
    );
    provider.call().answer_json(
        400,
        r#"{"error":{"message":"too long","type":"invalid_request_error"}}"#,
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 400);
    assert!(
        answer.json()["message"]
            .as_str()
            .is_some_and(|said| said.contains("too long")),
        "{}",
        answer.text()
    );
}

#[test]
fn a_ranking_is_said_in_the_providers_words_and_comes_back_in_the_callers() {
    const ASKED: &str =
        r#"{"model":"m","query":"q","documents":["a","b"],"top_n":1,"return_documents":true}"#;
    let provider = Provider::start();
    let gateway = before(&provider, "rerank: voyage-rerank");
    let mut client = gateway.begin("/v1/rerank", ASKED);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/rerank");
    assert_eq!(call.request.json()["top_k"], 1);
    call.answer_json(200, r#"{"object":"list","data":[{"index":1,"relevance_score":0.75}],"model":"m","usage":{"total_tokens":9}}"#);
    let told = client.answer().json();
    assert_eq!(
        told["results"][0],
        json!({"index": 1, "relevance_score": 0.75, "document": {"text": "b"}})
    );
    assert_eq!(gateway.record()["usage"]["prompt"], 9);
    // Cohere itself, by default
    let gateway = before(&provider, "dialects: [cohere]");
    let mut client = gateway.begin("/v2/rerank", r#"{"model":"m","query":"q", "documents":["a"]}"#);
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        r#"{"model":"m","query":"q", "documents":["a"]}"#
    );
    let answer =
        r#"{"results":[{"index":0,"relevance_score":0.5}] ,"meta":{"billed_units":{"search_units":1}}}"#;
    call.answer_json(200, answer);
    assert_eq!(client.answer().text(), answer);
    let mut client = gateway.begin("/api/v1/rerank", ASKED);
    let call = provider.call();
    assert!(call.request.json().get("return_documents").is_none());
    call.answer_json(200, answer);
    let told = client.answer().json();
    assert_eq!(
        (&told["model"], &told["usage"]["search_units"]),
        (&json!("m"), &json!(1))
    );
    // an error, in the words of the page
    let mut client = gateway.begin("/v2/rerank", r#"{"model":"m","query":"q"}"#);
    provider
        .call()
        .answer_json(400, r#"{"message":"documents are missing"}"#);
    assert_eq!(client.answer().json()["message"], "documents are missing");
    let answer = gateway.post("/v1/rerank", r#"{"model":"m","query":"q"}"#);
    assert_eq!(
        (answer.status(), answer.error_param()),
        (400, "documents".to_owned()),
        "{}",
        answer.text()
    );
}

#[test]
fn pain_i02_betas_that_a_target_does_not_take_are_not_sent_and_named() {
    let provider = Provider::start();
    let gateway = before(
        &provider,
        "dialects: [anthropic-messages], betas: [context-1m-2025-08-07]",
    );
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let message = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let headers = [("anthropic-beta", "brand-new-2099-01-01, context-1m-2025-08-07")];
    let mut client = gateway.connect();
    client.send(post_with("/v1/messages", KEY, &headers, body));
    let call = provider.call();
    assert_eq!(
        call.request.header("anthropic-beta"),
        Some("context-1m-2025-08-07")
    );
    call.answer_json(200, message);
    assert_eq!(dropped(&client.answer()), "anthropic-beta: brand-new-2099-01-01");
    assert_eq!(
        gateway.record()["dropped"],
        json!(["anthropic-beta: brand-new-2099-01-01"])
    );
    // hot
    let config = format!(
        "providers:\n  main: {{base_url: \"http://{}/v1\", credentials: [\"env:CREDENTIAL\"], dialects: [anthropic-messages]}}\n",
        provider.address
    );
    gateway.change(&config).expect("a good configuration");
    let mut client = gateway.connect();
    client.send(post_with("/v1/messages", KEY, &headers, body));
    let call = provider.call();
    assert_eq!(call.request.header("anthropic-beta"), Some(headers[0].1));
    call.answer_json(200, message);
    assert_eq!(dropped(&client.answer()), "");
}

#[test]
fn pain_i02_a_refused_beta_is_left_out_and_the_call_made_once_more() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [anthropic-messages]");
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Unexpected value(s) `new-2099-01-01` for the `anthropic-beta` header"}}"#;
    let headers = [("anthropic-beta", "old-2024-01-01,new-2099-01-01")];
    let mut client = gateway.connect();
    client.send(post_with("/v1/messages", KEY, &headers, body));
    provider.call().answer_json(400, refusal);
    let call = provider.call();
    assert_eq!(call.request.header("anthropic-beta"), Some("old-2024-01-01"));
    call.answer_json(200, r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), dropped(&answer)),
        (200, "anthropic-beta: new-2099-01-01")
    );
    assert_eq!(gateway.metric("penstock_betas_refused_total"), 1.0);
    let record = gateway.record();
    assert_eq!(
        (
            &record["attempts"][0]["status"],
            &record["attempts"][1]["outcome"]
        ),
        (&json!(400), &json!("served"))
    );
    // once: who refuses it still is believed
    let mut client = gateway.connect();
    client.send(post_with("/v1/messages", KEY, &headers, body));
    provider.call().answer_json(400, refusal);
    provider.call().answer_json(400, refusal);
    assert_eq!(client.answer().text(), refusal);
}
