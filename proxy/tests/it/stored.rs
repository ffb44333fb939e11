//! Files and batches: each goes to the provider that keeps it, with the credential that made it, for the key whose it is.

use serde_json::json;

use crate::harness::client::{post_with, request};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, OTHER_CREDENTIAL, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

const FORM: &str = "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{}\r\n--edge--\r\n";

/// Two providers, two keys; the first provider has two credentials.
fn two(a: &Provider, b: &Provider, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  a: {{base_url: "{}", credentials: ["env:CREDENTIAL", "env:OTHER_CREDENTIAL"]}}
  b: {{base_url: "{}", credentials: ["env:CREDENTIAL"]}}
keys:
  - {{name: team, key: "env:KEY", models: ["*"]}}
  - {{name: others, key: "env:OTHER_KEY", models: ["*"]}}
{lines}
"#,
        a.url(),
        b.url()
    ))
}

fn upload(key: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut headers = vec![("content-type", "multipart/form-data; boundary=edge")];
    headers.extend(more);
    let mut wire = post_with("/v1/files", key, &headers, FORM);
    // the helper says JSON as well: a form is what it says first
    let json = b"content-type: application/json\r\n";
    if let Some(at) = crate::harness::message::find(&wire, json) {
        wire.drain(at..at + json.len());
    }
    wire
}

fn get(gateway: &Gateway, path: &str, key: &str) -> Message {
    gateway.send(request("GET", path, key, &[]))
}

#[test]
fn a14_a15_a_batch_goes_to_the_credential_that_holds_its_file() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b, "files: {provider: a}");
    let mut client = gateway.connect();
    client.send(upload(KEY, &[]));
    let call = a.call();
    assert_eq!((call.request.path(), call.request.text()), ("/v1/files", FORM));
    assert_eq!(
        call.request.header("content-type"),
        Some("multipart/form-data; boundary=edge")
    );
    let credential = call
        .request
        .header("authorization")
        .expect("a credential")
        .to_owned();
    let file = r#"{"id":"file-1", "object":"file","bytes":2,"filename":"a.jsonl","purpose":"batch","brand_new":1e0}"#;
    call.answer_json(200, file);
    assert_eq!(client.answer().text(), file);
    // whatever turn it is: always the one that has the file
    for turn in 0..4 {
        let body =
            r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#;
        let mut client = gateway.begin("/v1/batches", body);
        let call = a.call();
        assert_eq!((call.request.path(), call.request.text()), ("/v1/batches", body));
        assert_eq!(call.request.header("authorization"), Some(&*credential));
        call.answer_json(
            200,
            format!(
                r#"{{"id":"batch_{turn}","object":"batch","status":"validating","input_file_id":"file-1"}}"#
            ),
        );
        assert_eq!(client.answer().status(), 200);
    }
    // what it used is accounted for once
    let done = r#"{"id":"batch_3","object":"batch","status":"completed","output_file_id":"file-out","usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}"#;
    for _ in 0..2 {
        let mut client = gateway.connect();
        client.send(request("GET", "/v1/batches/batch_3", KEY, &[]));
        let call = a.call();
        assert_eq!(call.request.header("authorization"), Some(&*credential));
        call.answer_json(200, done);
        assert_eq!(client.answer().text(), done);
    }
    // its output is the caller's too, byte for byte
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/files/file-out/content", KEY, &[]));
    let call = a.call();
    assert_eq!(call.request.path(), "/v1/files/file-out/content");
    let output = [0u8, 255, 13, 10, 0, 123];
    call.answer(200, "application/octet-stream", output);
    assert_eq!(client.answer().body, output);
    let records = gateway.records(8);
    let prompts: Vec<_> = records
        .iter()
        .map(|record| record["usage"]["prompt"].clone())
        .collect();
    assert_eq!(
        prompts.iter().filter(|prompt| **prompt == 5).count(),
        1,
        "{prompts:?}"
    );
    assert_eq!(records[0]["operation"], "files");
    assert_eq!(records[1]["operation"], "batches");
    b.saw_nothing();
}

#[test]
fn a14_another_keys_ids_are_not_found_and_not_listed() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b, "files: {provider: a}");
    for (key, id) in [(KEY, "file-mine"), (OTHER_KEY, "file-theirs")] {
        let mut client = gateway.connect();
        client.send(upload(key, &[]));
        a.call()
            .answer_json(200, format!(r#"{{"id":"{id}","object":"file"}}"#));
        assert_eq!(client.answer().status(), 200);
    }
    let calls = a.calls();
    for (method, path) in [
        ("GET", "/v1/files/file-theirs"),
        ("DELETE", "/v1/files/file-theirs"),
        ("GET", "/v1/files/file-theirs/content"),
        ("GET", "/v1/files/..%2Ffile-mine"),
        ("GET", "/v1/batches/batch_none"),
        ("POST", "/v1/batches/batch_none/cancel"),
    ] {
        let answer = gateway.send(request(method, path, KEY, &[("content-length", "0")]));
        assert_eq!(
            (answer.status(), answer.error_code()),
            (404, "not_found".to_owned()),
            "{method} {path}"
        );
    }
    for body in [
        r#"{"input_file_id":"file-theirs"}"#,
        r#"{"input_file_id":"file-theirs","input_file_id":"file-mine"}"#,
        "{}",
    ] {
        let answer = gateway.post("/v1/batches", body);
        assert!(matches!(answer.status(), 400 | 404), "{body}");
        assert_eq!(answer.error_param(), "input_file_id");
    }
    assert_eq!(a.calls(), calls, "something was forwarded");
    // the list of the credential holds both; the page that has none of the caller's is passed over
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/files?limit=1&purpose=batch", KEY, &[]));
    let call = a.call();
    assert_eq!(call.request.path(), "/v1/files?limit=1&purpose=batch");
    call.answer_json(
        200,
        r#"{"object":"list","data":[{"id":"file-theirs"}],"has_more":true}"#,
    );
    let call = a.call();
    assert_eq!(
        call.request.path(),
        "/v1/files?limit=1&purpose=batch&after=file-theirs"
    );
    call.answer_json(
        200,
        r#"{"object":"list","data":[{"id":"file-mine","n":1e0},{"id":"file-theirs2"}],"has_more":false}"#,
    );
    assert_eq!(
        client.answer().text(),
        r#"{"object":"list","data":[{"id":"file-mine","n":1e0}],"has_more":false}"#
    );
    // what was deleted is gone here too
    let mut client = gateway.connect();
    client.send(request("DELETE", "/v1/files/file-mine", KEY, &[]));
    a.call()
        .answer_json(200, r#"{"id":"file-mine","object":"file","deleted":true}"#);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(get(&gateway, "/v1/files/file-mine", KEY).status(), 404);
}

#[test]
fn a14_a_caller_chooses_the_provider_where_there_are_several() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(&a, &b, "");
    let answer = gateway.send(upload(KEY, &[]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "missing_provider".to_owned())
    );
    let answer = gateway.send(upload(KEY, &[("x-penstock-provider", "nobody")]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (404, "provider_not_found".to_owned())
    );
    let mut client = gateway.connect();
    client.send(upload(KEY, &[("x-penstock-provider", "b")]));
    let call = b.call();
    assert_eq!(
        call.request.header("authorization"),
        Some(&*format!("Bearer {CREDENTIAL}"))
    );
    assert_eq!(call.request.header("x-penstock-provider"), None);
    call.answer_json(200, r#"{"id":"file-b","object":"file"}"#);
    assert_eq!(client.answer().header("x-penstock-provider"), Some("b"));
    // from here on nobody has to say it
    let mut client = gateway.connect();
    client.send(request("GET", "/api/v1/files/file-b", KEY, &[]));
    let call = b.call();
    assert_eq!(call.request.path(), "/v1/files/file-b");
    call.answer_json(200, r#"{"id":"file-b","object":"file"}"#);
    assert_eq!(client.answer().status(), 200);
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/files?provider=b&limit=3&api_key=x", KEY, &[]));
    let call = b.call();
    assert_eq!(call.request.path(), "/v1/files?limit=3");
    call.answer_json(200, r#"{"object":"list","data":[]}"#);
    assert_eq!(client.answer().json()["data"], json!([]));
    a.saw_nothing();
    gateway.records(5);
}

#[test]
fn a14_an_upload_has_a_limit_of_its_own_and_a_providers_error_comes_as_it_is() {
    let (a, b) = (Provider::start(), Provider::start());
    let gateway = two(
        &a,
        &b,
        "files: {provider: a, upload_bytes: 100}\nlimits: {body_bytes: 1000}",
    );
    let answer = gateway.send(upload(KEY, &[]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (413, "request_too_large".to_owned())
    );
    assert!(
        answer.error_message().contains("100 bytes") && answer.error_message().contains("files.upload_bytes"),
        "{}",
        answer.text()
    );
    a.saw_nothing();
    let gateway = two(
        &a,
        &b,
        "files: {provider: a, upload_bytes: 1000}\nlimits: {body_bytes: 100}",
    );
    let mut client = gateway.connect();
    client.send(upload(KEY, &[]));
    let refusal = r#"{"error":{"message":"Invalid purpose","type":"invalid_request_error","param":"purpose","code":null}}"#;
    a.call().answer_json(400, refusal);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (400, refusal));
}

#[test]
fn a14_a_key_for_some_models_may_not_have_files_of_a_whole_provider() {
    let provider = Provider::start();
    let gateway = Gateway::with(
        &provider,
        "keys:\n  - {name: team, key: \"env:KEY\", models: [gpt-4o]}\n  - {name: others, key: \"env:OTHER_KEY\", models: [\"main/*\"]}",
    );
    let answer = gateway.send(upload(KEY, &[]));
    assert_eq!(
        (answer.status(), answer.error_code()),
        (403, "model_not_allowed".to_owned())
    );
    provider.saw_nothing();
    let mut client = gateway.connect();
    client.send(upload(OTHER_KEY, &[]));
    provider.call().answer_json(200, r#"{"id":"file-1"}"#);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a14_a_file_whose_credential_is_gone_is_not_asked_of_another() {
    let provider = Provider::start();
    let config = |credential: &str| {
        format!(
            "providers:\n  main: {{base_url: \"{}\", credentials: [\"env:{credential}\"]}}\n",
            provider.url()
        )
    };
    let gateway = Gateway::of(&config("CREDENTIAL"));
    let mut client = gateway.connect();
    client.send(upload(KEY, &[]));
    provider.call().answer_json(200, r#"{"id":"file-1"}"#);
    client.answer();
    gateway
        .change(&config("OTHER_CREDENTIAL"))
        .expect("a good configuration");
    let answer = get(&gateway, "/v1/files/file-1", KEY);
    assert_eq!(
        (answer.status(), answer.error_code()),
        (404, "not_found".to_owned())
    );
    assert_eq!(provider.calls(), 1);
    assert!(!gateway.records_text().contains(OTHER_CREDENTIAL));
}
