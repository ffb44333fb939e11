//! Models that stream always, or never: their callers get what they asked for all the same, in every dialect.

use serde_json::{Value, json};

use crate::harness::calls::{CHAT_PATH, DONE};
use crate::harness::client::request;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::provider::Provider;

const WHOLE_CHAT: &str =
    r#"{"model":"m",  "future":{"a":1e0},"messages":[{"role":"user","content":"h\u0069"}]}"#;
const STREAMED_CHAT: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"future":1e0,"messages":[{"role":"user","content":"hi"}]}"#;

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Good day."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#;

const CHUNKS: [&str; 4] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Good \"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"day.\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n",
];

/// A gateway in front of a provider whose models stream `always` or `never`.
fn before(provider: &Provider, dialect: &str, streaming: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", dialects: [{dialect}], credentials: ["env:CREDENTIAL"], facts: {{streaming: {streaming}}}}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    ))
}

fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = lines.filter(|data| *data != "[DONE]");
    events
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

#[test]
fn a_whole_answer_is_put_together_where_the_model_only_streams() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "always");
    let mut client = gateway.begin(CHAT_PATH, WHOLE_CHAT);
    let call = provider.call();
    // what it is asked with is the caller's own, byte for byte, with a stream and its usage asked for
    let expected = WHOLE_CHAT.replace(
        "}]}",
        r#"}],"stream":true,"stream_options":{"include_usage":true}}"#,
    );
    assert_eq!(call.request.text(), expected);
    call.stream(&[&CHUNKS[..], &[DONE]].concat());
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let told = answer.json();
    assert_eq!(told["object"], "chat.completion");
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    assert_eq!(told["usage"]["total_tokens"], 12);
    let record = gateway.record();
    assert_eq!(record["ending"], "complete");
    assert_eq!(record["usage"]["completion"], 3, "{record}");
}

#[test]
fn a_stream_is_made_of_a_whole_answer_where_the_model_never_streams() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "never");
    let mut client = gateway.begin(CHAT_PATH, STREAMED_CHAT);
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        r#"{"model":"m","stream":false,"future":1e0,"messages":[{"role":"user","content":"hi"}]}"#
    );
    call.answer_json(200, ANSWER);
    let answer = client.answer();
    let kind = answer.header("content-type").unwrap_or("");
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert!(answer.text().ends_with(DONE), "{}", answer.text());
    let chunks = data(answer.text());
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "Good day.");
    let last = chunks.last().expect("a chunk");
    assert_eq!(
        (&last["choices"], &last["usage"]["total_tokens"]),
        (&json!([]), &json!(12))
    );
    assert_eq!(gateway.record()["usage"]["prompt"], 9);
    // and no usage where none was asked for
    let mut client = gateway.begin(
        CHAT_PATH,
        r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    );
    provider.call().answer_json(200, ANSWER);
    assert!(
        data(client.answer().text())
            .iter()
            .all(|chunk| !chunk["choices"][0].is_null())
    );
    assert_eq!(gateway.records(2)[1]["usage"]["prompt"], 9);
}

#[test]
fn callers_of_every_dialect_get_a_whole_answer_of_a_model_that_only_streams_and_the_other_way_round() {
    let ask = |dialect: &str, streams: bool| -> (String, String) {
        let hi = r#"[{"role":"user","content":"hi"}]"#;
        let parts = r#"[{"role":"user","parts":[{"text":"hi"}]}]"#;
        let blocks = r#"[{"role":"user","content":[{"text":"hi"}]}]"#;
        match dialect {
            "chat" => (
                CHAT_PATH.into(),
                format!(r#"{{"model":"m","stream":{streams},"messages":{hi}}}"#),
            ),
            "responses" => (
                "/v1/responses".into(),
                format!(r#"{{"model":"m","stream":{streams},"input":"hi"}}"#),
            ),
            "messages" => (
                "/v1/messages".into(),
                format!(r#"{{"model":"m","max_tokens":9,"stream":{streams},"messages":{hi}}}"#),
            ),
            "gemini" => (
                format!(
                    "/v1beta/models/m:{}",
                    if streams {
                        "streamGenerateContent?alt=sse"
                    } else {
                        "generateContent"
                    }
                ),
                format!(r#"{{"contents":{parts}}}"#),
            ),
            _ => (
                format!(
                    "/model/m/{}",
                    if streams { "converse-stream" } else { "converse" }
                ),
                format!(r#"{{"messages":{blocks}}}"#),
            ),
        }
    };
    for caller in ["chat", "responses", "messages", "gemini", "converse"] {
        for streams in [false, true] {
            let provider = Provider::start();
            let gateway = before(&provider, "openai-chat", if streams { "never" } else { "always" });
            let (path, body) = ask(caller, streams);
            let mut client = gateway.begin(&path, body);
            let call = provider.call();
            assert_eq!(
                call.request.json()["stream"].as_bool().unwrap_or(false),
                !streams,
                "{caller}"
            );
            match streams {
                true => call.answer_json(200, ANSWER),
                false => call.stream(&[&CHUNKS[..], &[DONE]].concat()),
            }
            let answer = client.answer();
            assert_eq!(answer.status(), 200, "{caller}: {}", answer.text());
            let kind = answer.header("content-type").unwrap_or("").to_owned();
            assert_eq!(kind == "application/json", !streams, "{caller}: {kind}");
            let record = gateway.record();
            assert_eq!(record["ending"], "complete", "{caller} {streams}: {record}");
            assert_eq!(record["usage"]["completion"], 3, "{caller} {streams}: {record}");
            if !streams {
                assert!(answer.text().contains("Good day."), "{caller}: {}", answer.text());
            }
        }
    }
}

#[test]
fn where_the_path_says_that_an_answer_is_streamed_the_path_changes() {
    let provider = Provider::start();
    let gateway = before(&provider, "gemini", "always");
    let mut client = gateway.begin(
        "/v1beta/models/m:generateContent",
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
    );
    let call = provider.call();
    assert!(
        call.request
            .path()
            .ends_with("/models/m:streamGenerateContent?alt=sse"),
        "{}",
        call.request.path()
    );
    call.stream(&[
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Good \"}]}}]}\n\n",
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"day.\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2,\"totalTokenCount\":3}}\n\n",
    ]);
    let told = client.answer().json();
    let parts = told["candidates"][0]["content"]["parts"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let said: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    assert_eq!(said, "Good day.", "{told}");
    assert_eq!(gateway.record()["usage"]["completion"], 2);
}

#[test]
fn a_stream_that_breaks_is_no_whole_answer_and_the_next_target_is_asked() {
    let (first, second) = (Provider::start(), Provider::start());
    let gateway = Gateway::of(&format!(
        r#"
providers:
  first: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"]}}
  second: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"]}}
models:
  - name: m
    targets:
      - {{provider: first, facts: {{streaming: always}}}}
      - {{provider: second}}
"#,
        first.address, second.address
    ));
    let mut client = gateway.begin(CHAT_PATH, WHOLE_CHAT);
    first.call().stream(&CHUNKS[..2]);
    let call = second.call();
    // what another target is asked with is as it came
    assert_eq!(call.request.text(), WHOLE_CHAT);
    call.answer_json(200, ANSWER);
    assert_eq!(
        client.answer().json()["choices"][0]["message"]["content"],
        "Good day."
    );
    let record = gateway.record();
    assert_eq!(record["attempts"][0]["outcome"], "broken", "{record}");
    assert_eq!(record["ending"], "complete");
}

#[test]
fn an_error_that_a_stream_tells_is_the_whole_answers_error() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "always");
    let mut client = gateway.begin(CHAT_PATH, WHOLE_CHAT);
    provider.call().stream(&[
        CHUNKS[0],
        "data: {\"error\":{\"message\":\"out of room\",\"type\":\"server_error\",\"code\":\"overloaded\"}}\n\n",
    ]);
    let answer = client.answer();
    assert!(answer.status() >= 500, "{}", answer.text());
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("out of room"))
    );
    let record = gateway.record();
    assert_eq!(record["ending"], "failed", "{record}");
}

#[test]
fn a_caller_of_functions_gets_a_function_call_and_no_tool() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "always");
    let body = json!({"model": "m", "functions": [{"name": "f", "parameters": {"type": "object"}}],
        "messages": [{"role": "user", "content": "hi"}]});
    let mut client = gateway.begin(CHAT_PATH, body.to_string());
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let name = json!({"role": "assistant", "function_call": {"name": "f", "arguments": ""}});
    provider.call().stream(&[
        &chunk(name, Value::Null),
        &chunk(json!({"function_call": {"arguments": "{\"a\":1}"}}), Value::Null),
        &chunk(json!({}), json!("function_call")),
        DONE,
    ]);
    let told = client.answer().json();
    let choice = &told["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call", "{told}");
    assert_eq!(
        choice["message"]["function_call"],
        json!({"name": "f", "arguments": "{\"a\":1}"}),
        "{told}"
    );
    assert_eq!(choice["message"]["tool_calls"], Value::Null, "{told}");
}

#[test]
fn a_response_that_was_made_a_stream_of_can_be_come_back_to() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-responses", "never");
    let mut client = gateway.begin("/v1/responses", r#"{"model":"m","stream":true,"input":"hi"}"#);
    let response = json!({"id": "resp_7", "object": "response", "created_at": 1, "status": "completed", "model": "m",
        "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "Good day.", "annotations": []}]}],
        "usage": {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9}});
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        r#"{"model":"m","stream":false,"input":"hi"}"#
    );
    call.answer_json(200, response.to_string());
    let events = data(client.answer().text());
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["response"]["id"]),
        (&json!("response.completed"), &json!("resp_7"))
    );
    // under the id that the caller was told
    let mut client = gateway.connect();
    client.send(request("GET", "/v1/responses/resp_7", KEY, &[]));
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/responses/resp_7");
    call.answer_json(200, response.to_string());
    assert_eq!(client.answer().status(), 200);
}
