//! Calls of which only the model is read: images, audio, reranking. They go where their model goes, and everything else of
//! them arrives as it was sent.

use serde_json::json;

use crate::harness::client::post_with;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::provider::Provider;

/// Model `m` goes to two providers, under other names there.
fn two(a: &Provider, b: &Provider) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  a: {{base_url: "{}", credentials: ["env:CREDENTIAL"]}}
  b: {{base_url: "{}", credentials: ["env:OTHER_CREDENTIAL"]}}
models:
  - {{name: m, targets: [{{provider: a, model: m-of-a}}, {{provider: b, model: m-of-b}}]}}
"#,
        a.url(),
        b.url()
    ))
}

#[test]
fn an_image_is_asked_of_the_models_targets_one_after_the_other() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut client = gateway.begin(
        "/v1/images/generations",
        r#"{"prompt": "a sluice",  "model":"m", "n": 1e0}"#,
    );
    let call = a.call();
    assert_eq!(call.request.path(), "/v1/images/generations");
    assert_eq!(
        call.request.text(),
        r#"{"prompt": "a sluice",  "model":"m-of-a", "n": 1e0}"#
    );
    call.answer_json(503, r#"{"error":{"message":"busy"}}"#);
    let call = b.call();
    assert_eq!(
        call.request.text(),
        r#"{"prompt": "a sluice",  "model":"m-of-b", "n": 1e0}"#
    );
    let body = r#"{"created": 1, "data":[{"b64_json":"aGk="}], "usage":{"input_tokens":7,"output_tokens":9,"total_tokens":16}}"#;
    call.answer_json(200, body);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, body));
    let record = gateway.record();
    assert_eq!(
        (&record["operation"], &record["model"]),
        (&json!("images"), &json!("m"))
    );
    assert_eq!(record["usage"]["prompt"], 7, "{record}");
    assert!(
        gateway
            .metrics()
            .contains(r#"penstock_request_duration_seconds_count{operation="images"} 1"#)
    );
}

#[test]
fn a_recording_is_transcribed_by_the_model_that_the_form_names() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let form = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\nRIFF\0\x01--edg\r\n--edge\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--edge--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=edge")];
    let mut client = gateway.connect();
    client.send(post_with("/v1/audio/transcriptions", KEY, &headers, form));
    let call = a.call();
    assert_eq!(call.request.header("content-type"), Some(headers[0].1));
    assert_eq!(
        call.request.text(),
        form.replace("\r\n\r\nm\r\n", "\r\n\r\nm-of-a\r\n")
    );
    call.answer_json(200, r#"{"text":"hello"}"#);
    assert_eq!(client.answer().text(), r#"{"text":"hello"}"#);
    assert_eq!(gateway.record()["operation"], "audio");
}

#[test]
fn speech_comes_as_the_bytes_that_the_provider_sent() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let mut client = gateway.begin(
        "/v1/audio/speech",
        r#"{"model":"m","input":"hi","voice":"alloy"}"#,
    );
    let sound = [0u8, 255, 1, 254, 13, 10, 0];
    a.call().answer(200, "audio/mpeg", sound);
    let answer = client.answer();
    assert_eq!(answer.header("content-type"), Some("audio/mpeg"));
    assert_eq!(answer.body, sound);
}

#[test]
fn both_rerank_pages_lead_to_the_models_provider() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    for page in ["/v1/rerank", "/v2/rerank", "/api/v1/rerank"] {
        let mut client = gateway.begin(page, r#"{"model":"m","query":"q","documents":["a","b"]}"#);
        let call = a.call();
        assert_eq!(call.request.path(), "/v1/rerank");
        call.answer_json(200, r#"{"results":[{"index":1,"relevance_score":0.9}]}"#);
        assert_eq!(client.answer().status(), 200);
    }
}

#[test]
fn a_call_without_a_model_or_with_one_that_is_not_allowed_goes_nowhere() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b);
    let answer = gateway.post("/v1/images/generations", r#"{"prompt":"x"}"#);
    assert_eq!((answer.status(), answer.error_param()), (400, "model".to_owned()));
    let answer = gateway.post("/v1/images/generations", r#"{"model":"m","model":"n"}"#);
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "invalid_json".to_owned())
    );
    let answer = gateway.post("/v1/audio/speech", r#"{"model":"none"}"#);
    assert_eq!(
        (answer.status(), answer.error_code()),
        (404, "model_not_found".to_owned())
    );
    a.saw_nothing();
    b.saw_nothing();
}
