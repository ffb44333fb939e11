//! Callers and providers of different dialects: what one says the other gets in its own words, answers and errors,
//! streamed and not; who speaks the provider's dialect gets every byte as it came.

use serde_json::{Value, json};

use crate::harness::calls::{CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH, says};
use crate::harness::client::post_with;
use crate::harness::gateway::{CREDENTIAL, Gateway};
use crate::harness::plugins;
use crate::harness::provider::Provider;

const MESSAGES_PATH: &str = "/v1/messages";
const MESSAGES: &str =
    r#"{"model":"m","max_tokens":64,"system":"Be brief.","messages":[{"role":"user","content":"Hello"}]}"#;
const MESSAGES_STREAM: &str =
    r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

/// An answer of Anthropic's, with a field that nobody knows and odd spacing.
const MESSAGE: &str = r#"{"id":"msg_1", "type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Good day."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":4},"brand_new":1e0}"#;

const MESSAGE_EVENTS: [&str; 7] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Good \"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"day.\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// A gateway in front of a provider that speaks `dialect`.
fn before(provider: &Provider, dialect: &str, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", dialects: [{dialect}], auth: {{header: x-api-key}}, credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
{lines}
"#,
        provider.address
    ))
}

/// A chain of one of the repository's plugins.
fn chain(entry: &str) -> String {
    format!(
        "plugin_dir: \"{}\"\nplugins: [{entry}]",
        plugins::folder().display()
    )
}

/// The JSON of each event of a stream.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
        .collect()
}

#[test]
fn an_openai_caller_is_answered_by_a_provider_that_speaks_messages() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/messages");
    assert_eq!(call.request.header("x-api-key"), Some(CREDENTIAL));
    assert_eq!(call.request.header("anthropic-version"), Some("2023-06-01"));
    let sent = call.request.json();
    assert_eq!(sent["messages"][0]["role"], "user");
    assert!(sent["max_tokens"].as_u64().is_some_and(|most| most > 0), "{sent}");
    call.answer_json(200, MESSAGE);
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    // what had to be made up is said
    assert!(
        answer
            .header("x-penstock-dropped")
            .is_some_and(|fields| fields.contains("max_"))
    );
    let told = answer.json();
    assert_eq!(told["object"], "chat.completion");
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    // PAIN J01: read from the cache and written to it are part of the prompt
    assert_eq!(told["usage"]["prompt_tokens"], 10);
    let record = gateway.record();
    assert_eq!(
        (&record["ending"], &record["operation"]),
        (&json!("complete"), &json!("chat"))
    );
    assert_eq!(record["usage"]["prompt"], 10, "{record}");
}

#[test]
fn an_openai_caller_gets_a_messages_stream_as_chunks_and_the_tokens_are_counted() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&MESSAGE_EVENTS);
    let answer = client.answer();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let chunks = events(answer.text());
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "Good day.");
    let finish = chunks
        .iter()
        .find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("stop"));
    let record = gateway.record();
    assert_eq!(record["ending"], "complete");
    assert_eq!(record["usage"]["completion"], 4, "{record}");
}

#[test]
fn a_messages_stream_that_breaks_never_looks_complete_to_an_openai_caller() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&MESSAGE_EVENTS[..4]);
    let answer = client.answer();
    assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
    assert!(
        !answer.text().contains("finish_reason\":\"stop"),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("upstream_truncated"), "{}", answer.text());
    assert_eq!(gateway.record()["ending"], "truncated");
}

#[test]
fn a_messages_caller_gets_every_byte_of_a_provider_that_speaks_messages() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES);
    let call = provider.call();
    assert_eq!(call.request.text(), MESSAGES);
    call.answer_json(200, MESSAGE);
    assert_eq!(client.answer().text(), MESSAGE);
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    provider.call().stream(&MESSAGE_EVENTS);
    assert_eq!(client.answer().text(), MESSAGE_EVENTS.concat());
    for record in gateway.records(2) {
        assert_eq!(record["ending"], "complete", "{record}");
        assert_eq!(record["usage"]["prompt"], 10, "{record}");
        assert_eq!(record["usage"]["completion"], 4, "{record}");
    }
}

#[test]
fn a_messages_caller_is_answered_by_a_provider_that_speaks_chat() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/chat/completions");
    let sent = call.request.json();
    assert_eq!(sent["messages"][0]["content"], "Be brief.");
    assert_eq!(sent["messages"][1]["content"], "Hello");
    call.answer_json(
        200,
        r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"Good day."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}"#,
    );
    let told = client.answer().json();
    assert_eq!(
        (&told["type"], &told["role"]),
        (&json!("message"), &json!("assistant"))
    );
    assert_eq!(told["content"][0]["text"], "Good day.");
    assert_eq!(told["stop_reason"], "end_turn");
    // the caller's convention counts what was read from a cache beside the rest
    assert_eq!(told["usage"]["input_tokens"], 5);
    assert_eq!(told["usage"]["cache_read_input_tokens"], 4);
    assert_eq!(gateway.record()["usage"]["prompt"], 9);
}

#[test]
fn pain_d04_errors_are_told_in_the_callers_dialect() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    // the gateway's own
    let answer = gateway.post(MESSAGES_PATH, r#"{"model":"m","messages":[]"#);
    let told = answer.json();
    assert_eq!(
        (answer.status(), &told["type"], &told["error"]["type"]),
        (400, &json!("error"), &json!("invalid_request_error"))
    );
    let answer = gateway.send(post_with(MESSAGES_PATH, "wrong", &[], MESSAGES));
    assert_eq!(
        (answer.status(), &answer.json()["error"]["type"]),
        (401, &json!("authentication_error"))
    );
    // a provider's, to a caller of another dialect
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 300000 tokens > 200000 maximum"}}"#,
    );
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code()),
        (400, "context_length_exceeded".to_owned())
    );
    assert!(
        answer.error_message().contains("prompt is too long"),
        "{}",
        answer.text()
    );
    // 529 is nobody else's status
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    );
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code()),
        (503, "upstream_overloaded".to_owned())
    );
    assert!(answer.error_message().contains("Overloaded"), "{}", answer.text());
}

#[test]
fn pain_d05_an_error_within_a_stream_is_told_in_the_callers_dialect() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let stream: Vec<&str> = MESSAGE_EVENTS[..4].iter().copied().chain([error]).collect();
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&stream);
    let answer = client.answer();
    let last = events(answer.text()).pop().expect("an event");
    assert!(
        last["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("Overloaded")),
        "{last}"
    );
    assert!(!answer.text().contains("[DONE]"));
    // before anything was said it is an answer of its own
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&[MESSAGE_EVENTS[0], error]);
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.error_code()),
        (503, "upstream_error".to_owned()),
        "{}",
        answer.text()
    );
}

#[test]
fn pain_p10_one_guard_holds_for_every_dialect_and_edits_leave_every_other_byte() {
    let provider = Provider::start();
    let chain = chain(
        "{name: secrets, component: guard-secrets, settings: {scan: [requests, answers], action: redact}, fail: closed}",
    );
    let gateway = before(&provider, "anthropic-messages", &chain);
    let secret = concat!("sk-proj", "-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
    let asked = MESSAGES.replace("Hello", &format!("My key is {secret}"));
    let mut client = gateway.begin(MESSAGES_PATH, &asked);
    let call = provider.call();
    assert!(!call.request.text().contains(secret), "{}", call.request.text());
    assert!(
        call.request
            .text()
            .starts_with(r#"{"model":"m","max_tokens":64,"system":"Be brief.","#)
    );
    call.answer_json(200, MESSAGE.replace("Good day.", &format!("It is {secret}.")));
    let answer = client.answer();
    assert!(!answer.text().contains(secret), "{}", answer.text());
    assert!(
        answer.text().ends_with(r#""brand_new":1e0}"#),
        "{}",
        answer.text()
    );
    // split over two events of a stream
    let (one, two) = secret.split_at(20);
    let mut stream = MESSAGE_EVENTS.map(str::to_owned);
    stream[2] = stream[2].replace("Good ", one);
    stream[3] = stream[3].replace("day.", two);
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    for (path, body) in [(MESSAGES_PATH, MESSAGES_STREAM), (CHAT_PATH, CHAT_STREAM)] {
        let mut client = gateway.begin(path, body);
        provider.call().stream(&stream);
        let answer = client.answer();
        assert!(!answer.text().contains(one), "{path}: {}", answer.text());
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert!(
        gateway
            .records(3)
            .iter()
            .all(|record| record["ending"] == "complete")
    );
}

#[test]
fn a_decorator_puts_instructions_where_each_dialect_has_them() {
    let provider = Provider::start();
    let chain = chain(
        r#"{name: rules, component: prompt-decorator, capabilities: [clock], settings: {prepend: [{role: system, text: "House rules."}]}}"#,
    );
    let gateway = before(&provider, "anthropic-messages", &chain);
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES);
    let call = provider.call();
    assert_eq!(call.request.json()["system"], "House rules.\n\nBe brief.");
    call.answer_json(200, MESSAGE);
    client.answer();
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    let call = provider.call();
    assert_eq!(call.request.json()["system"][0]["text"], "House rules.");
    call.stream(&MESSAGE_EVENTS);
    client.answer();
}

#[test]
fn pain_c01_a_messages_caller_hears_a_ping_while_it_waits() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "keep_alive_ms: 50");
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    let call = provider.call();
    assert_eq!(client.head().status(), 200);
    client.read_until("event: ping\ndata: {\"type\": \"ping\"}\n\n");
    call.stream(&MESSAGE_EVENTS);
    let (rest, is_whole) = client.rest();
    assert!(is_whole && rest.ends_with(MESSAGE_EVENTS[6].as_bytes()));
}

#[test]
fn tokens_are_counted_by_a_provider_that_can_and_estimated_for_others() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
    let mut client = gateway.begin("/v1/messages/count_tokens", body);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/messages/count_tokens");
    assert_eq!(call.request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(call.request.text(), body);
    call.answer_json(200, r#"{"input_tokens":8}"#);
    let answer = client.answer();
    assert_eq!(
        (answer.text(), answer.header("x-penstock-estimated")),
        (r#"{"input_tokens":8}"#, None)
    );
    let gateway = before(&provider, "openai-chat", "");
    let answer = gateway.post("/v1/messages/count_tokens", body);
    assert_eq!(
        (answer.text(), answer.header("x-penstock-estimated")),
        (r#"{"input_tokens":2}"#, Some("true"))
    );
    assert_eq!(gateway.record()["operation"], "count_tokens");
}

#[test]
fn an_answer_is_streamed_or_not_as_the_caller_asked_whatever_the_provider_does() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().answer_json(200, MESSAGE);
    let answer = client.answer();
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    );
    let said: String = events(answer.text())
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "Good day.");
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().stream(&MESSAGE_EVENTS);
    let told = client.answer().json();
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(told["usage"]["completion_tokens"], 4);
    // half a stream is no answer
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().stream(&MESSAGE_EVENTS[..4]);
    assert_eq!(client.answer().status(), 502);
}

#[test]
fn an_openai_caller_and_a_gemini_caller_are_answered_by_a_provider_that_speaks_gemini() {
    const CONTENT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Good day."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":10},"modelVersion":"g","responseId":"r1"}"#;
    let provider = Provider::start();
    let gateway = before(&provider, "gemini", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/models/m:generateContent");
    assert_eq!(call.request.json()["contents"][0]["parts"][0]["text"], "hi");
    call.answer_json(200, CONTENT);
    let told = client.answer().json();
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    // PAIN H04: thoughts are output, though they stand beside it
    assert_eq!(told["usage"]["completion_tokens"], 5);
    let asked = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    let mut client = gateway.begin("/v1beta/models/m:streamGenerateContent?alt=sse", asked);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/models/m:streamGenerateContent?alt=sse");
    assert_eq!(call.request.text(), asked);
    let stream = format!("data: {CONTENT}\n\n");
    call.stream(&[&stream]);
    assert_eq!(client.answer().text(), stream);
    assert!(
        gateway
            .records(2)
            .iter()
            .all(|record| record["usage"]["completion"] == 5)
    );
}

#[test]
fn an_openai_caller_is_answered_by_a_provider_that_speaks_converse() {
    let provider = Provider::start();
    let gateway = before(&provider, "bedrock-converse", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/model/m/converse");
    call.answer_json(
        200,
        r#"{"output":{"message":{"role":"assistant","content":[{"text":"Good day."}]}},"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":3,"totalTokens":8},"metrics":{"latencyMs":1}}"#,
    );
    let told = client.answer().json();
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(gateway.record()["usage"]["completion"], 3);
}

#[test]
fn boto3_learns_the_name_of_bedrocks_own_refusal() {
    let provider = Provider::start();
    let gateway = before(&provider, "bedrock-converse", "");
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let mut client = gateway.begin("/model/m/converse", body);
    let name = "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/";
    provider.call().answer_with(
        400,
        &[("content-type", "application/json"), ("x-amzn-errortype", name)],
        r#"{"message":"The provided model identifier is invalid."}"#,
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.header("x-amzn-errortype"), Some(name));
    assert_eq!(
        answer.text(),
        r#"{"message":"The provided model identifier is invalid."}"#
    );
}

#[test]
fn pain_c07_what_a_provider_does_not_count_is_estimated_whatever_the_callers_dialect_demands() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES);
    provider.call().answer_json(
        200,
        r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}]}"#,
    );
    assert_eq!(client.answer().json()["usage"]["output_tokens"], 0);
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    let (text, finish) = (says("hello there"), FINISH);
    provider.call().stream(&[&text, finish, DONE]);
    assert!(client.answer().text().contains("message_stop"));
    for record in gateway.records(2) {
        assert_eq!(record["usage"]["source"], "estimated", "{record}");
        assert!(
            record["usage"]["completion"]
                .as_u64()
                .is_some_and(|count| count > 0),
            "{record}"
        );
    }
}
