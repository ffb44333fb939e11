//! Conversations of two turns with models that sign what they think: whatever a client brings back of the first, the
//! second has it as its maker wants it.

use serde_json::{Value, json};

use crate::harness::calls::CHAT_PATH;
use crate::harness::client::post_with;
use crate::harness::gateway::{Gateway, KEY, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;

const MESSAGES_PATH: &str = "/v1/messages";

/// An answer of Claude's that thinks, says, and calls.
const CLAUDE_CALLS: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"thinking","thinking":"The user\nwants \u00e9.","signature":"EqQBCkYIBRgC+/=="},{"type":"redacted_thinking","data":"cmVkYWN0ZWQ="},{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_01","name":"look","input":{"at":"sky"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":4}}"#;

/// The same as a stream.
const CLAUDE_STREAM: [&str; 15] = [
    r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"The user\nwants "}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"\u00e9."}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCkYIBRgC+/=="}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"cmVkYWN0ZWQ="}}"#,
    r#"{"type":"content_block_stop","index":1}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"Let me look."}}"#,
    r#"{"type":"content_block_stop","index":2}"#,
    r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_01","name":"look","input":{}}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"at\":\"sky\"}"}}"#,
    r#"{"type":"content_block_stop","index":3}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":4}}"#,
    r#"{"type":"message_stop"}"#,
];

fn framed(events: &[&str]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let kind: Value = serde_json::from_str(event).expect("an event is JSON");
            let kind = kind["type"].as_str().map(|kind| format!("event: {kind}\n"));
            format!("{}data: {event}\n\n", kind.unwrap_or_default())
        })
        .collect()
}

fn before(provider: &Provider, dialect: &str, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", dialects: [{dialect}], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
keys:
  - {{name: team, key: "env:KEY", models: ["*"]}}
  - {{name: others, key: "env:OTHER_KEY", models: ["*"]}}
{lines}
"#,
        provider.address
    ))
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}])
}

fn first(model: &str, streams: bool) -> String {
    json!({"model": model, "stream": streams, "tools": tools(), "messages": [{"role": "user", "content": "What is up?"}]})
        .to_string()
}

/// The second request of a client that knows the fields of OpenAI's reference and no others.
fn second(model: &str, told: &Value) -> String {
    let call = &told["tool_calls"][0];
    let call = json!({"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}});
    json!({"model": model, "tools": tools(), "messages": [
        {"role": "user", "content": "What is up?"},
        {"role": "assistant", "content": told["content"], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "clouds"},
    ]})
    .to_string()
}

/// The message that a client puts together from chunks.
fn put_together(answer: &Message) -> Value {
    let data = answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let (mut text, mut id, mut name, mut arguments) =
        (String::new(), String::new(), String::new(), String::new());
    for chunk in data.filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(chunk).expect("a chunk is JSON");
        let delta = &chunk["choices"][0]["delta"];
        let call = &delta["tool_calls"][0];
        for (whole, piece) in [
            (&mut text, &delta["content"]),
            (&mut id, &call["id"]),
            (&mut name, &call["function"]["name"]),
            (&mut arguments, &call["function"]["arguments"]),
        ] {
            whole.push_str(piece.as_str().unwrap_or_default());
        }
    }
    json!({"content": text, "tool_calls": [{"id": id, "function": {"name": name, "arguments": arguments}}]})
}

/// What Claude has to get back of its turn, byte by byte.
fn claude_turn() -> Value {
    let answer: Value = serde_json::from_str(CLAUDE_CALLS).expect("JSON");
    answer["content"].clone()
}

/// What was sent as the model's turn, when the client went on from `told`.
fn sent_back(gateway: &Gateway, provider: &Provider, key: &str, body: &str) -> Value {
    let mut client = gateway.connect();
    client.send(post_with(CHAT_PATH, key, &[], body));
    let call = provider.call();
    let sent = call.request.json();
    call.answer_json(200, CLAUDE_CALLS);
    assert_eq!(client.answer().status(), 200);
    sent
}

fn told(gateway: &Gateway, provider: &Provider, answer: &str) -> Value {
    let mut client = gateway.begin(CHAT_PATH, first("claude-x", false));
    provider.call().answer_json(200, answer);
    client.answer().json()["choices"][0]["message"].clone()
}

#[test]
fn p13_pain_e02_claudes_signed_thoughts_come_back_though_the_client_dropped_them() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let told = told(&gateway, &provider, CLAUDE_CALLS);
    let sent = sent_back(&gateway, &provider, KEY, &second("claude-x", &told));
    assert_eq!(sent["messages"][1]["content"], claude_turn(), "{sent:#}");
    assert_eq!(sent["messages"][2]["content"][0]["type"], "tool_result");
    // thoughts and signatures are nowhere but where they belong
    let records = gateway.stop();
    let records = serde_json::to_string(&records).expect("JSON");
    assert!(
        !records.contains("EqQB") && !records.contains("wants"),
        "{records}"
    );
}

#[test]
fn pain_e02_they_come_back_though_the_tool_has_another_name_there() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let own_names = |body: String| body.replace("\"look\"", "\"sky.look up\"");
    let mut client = gateway.begin(CHAT_PATH, own_names(first("claude-x", false)));
    let call = provider.call();
    let sent = call.request.json()["tools"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_ne!(sent, "sky.look up");
    call.answer_json(200, CLAUDE_CALLS.replace("\"look\"", &format!("\"{sent}\"")));
    let told = client.answer().json()["choices"][0]["message"].clone();
    assert_eq!(told["tool_calls"][0]["function"]["name"], "sky.look up");
    let back = sent_back(&gateway, &provider, KEY, &own_names(second("claude-x", &told)));
    assert_eq!(back["messages"][1]["content"][0]["type"], "thinking", "{back:#}");
}

#[test]
fn pain_e02_they_come_back_after_a_stream_too() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, first("claude-x", true));
    let events = framed(&CLAUDE_STREAM);
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    provider.call().stream(&events);
    let told = put_together(&client.answer());
    assert_eq!(told["content"], "Let me look.");
    let sent = sent_back(&gateway, &provider, KEY, &second("claude-x", &told));
    assert_eq!(sent["messages"][1]["content"], claude_turn(), "{sent:#}");
}

#[test]
fn pain_e02_a_stream_that_broke_off_leaves_nothing() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let mut client = gateway.begin(CHAT_PATH, first("claude-x", true));
    let events = framed(&CLAUDE_STREAM[..13]);
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    provider.call().stream(&events);
    let told = put_together(&client.answer());
    let sent = sent_back(&gateway, &provider, KEY, &second("claude-x", &told));
    assert_eq!(sent["messages"][1]["content"][0]["type"], "text", "{sent:#}");
}

#[test]
fn pain_e02_one_callers_thoughts_are_no_others() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "");
    let told = told(&gateway, &provider, CLAUDE_CALLS);
    let sent = sent_back(&gateway, &provider, OTHER_KEY, &second("claude-x", &told));
    assert_eq!(sent["messages"][1]["content"][0]["type"], "text", "{sent:#}");
}

#[test]
fn pain_e02_another_makers_model_does_not_get_them() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  claude: {{base_url: "http://{0}/v1", dialects: [anthropic-messages], credentials: ["env:CREDENTIAL"]}}
  gemini: {{base_url: "http://{0}/v1beta", dialects: [gemini], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: claude-x, targets: [{{provider: claude}}]}}
  - {{name: gemini-3-pro, targets: [{{provider: gemini}}]}}
"#,
        provider.address
    ));
    let told = told(&gateway, &provider, CLAUDE_CALLS);
    let mut client = gateway.begin(CHAT_PATH, second("gemini-3-pro", &told));
    let call = provider.call();
    assert!(!call.request.text().contains("EqQB"), "{}", call.request.text());
    assert!(!call.request.text().contains("wants"), "{}", call.request.text());
    call.answer_json(200, r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP","index":0}]}"#);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn nothing_is_kept_where_the_configuration_says_so() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "signatures: {keep: false}");
    let told = told(&gateway, &provider, CLAUDE_CALLS);
    let sent = sent_back(&gateway, &provider, KEY, &second("claude-x", &told));
    assert_eq!(sent["messages"][1]["content"][0]["type"], "text", "{sent:#}");
}

#[test]
fn pain_e02_a_client_that_keeps_reasoning_details_needs_no_help() {
    let provider = Provider::start();
    let gateway = before(&provider, "anthropic-messages", "signatures: {keep: false}");
    let told = told(&gateway, &provider, CLAUDE_CALLS);
    let mut body: Value = serde_json::from_str(&second("claude-x", &told)).expect("JSON");
    body["messages"][1]["reasoning_details"] = told["reasoning_details"].clone();
    let sent = sent_back(&gateway, &provider, KEY, &body.to_string());
    assert_eq!(sent["messages"][1]["content"], claude_turn(), "{sent:#}");
}

const GEMINI_CALLS: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Thinking.","thought":true},{"functionCall":{"name":"look","args":{"at":"sky"}},"thoughtSignature":"CpcBVKhc7q+/="}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3,"totalTokenCount":8},"modelVersion":"gemini-3-pro","responseId":"r1"}"#;

fn before_gemini(provider: &Provider) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1beta", dialects: [gemini], auth: {{header: x-goog-api-key}}, credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    ))
}

#[test]
fn pain_e02_geminis_signature_comes_back_on_its_call_streamed_or_not() {
    let provider = Provider::start();
    let gateway = before_gemini(&provider);
    for streams in [false, true] {
        let mut client = gateway.begin(CHAT_PATH, first("gemini-3-pro", streams));
        let call = provider.call();
        let told = if streams {
            call.stream(&[&format!("data: {GEMINI_CALLS}\n\n")]);
            put_together(&client.answer())
        } else {
            call.answer_json(200, GEMINI_CALLS);
            client.answer().json()["choices"][0]["message"].clone()
        };
        assert!(
            told["tool_calls"][0]["id"]
                .as_str()
                .is_some_and(|id| !id.is_empty()),
            "{told}"
        );
        let mut client = gateway.begin(CHAT_PATH, second("gemini-3-pro", &told));
        let call = provider.call();
        let parts = call.request.json()["contents"][1]["parts"].clone();
        let signed = parts
            .as_array()
            .into_iter()
            .flatten()
            .find(|part| part["functionCall"].is_object());
        assert_eq!(
            signed.map(|part| &part["thoughtSignature"]),
            Some(&json!("CpcBVKhc7q+/=")),
            "{parts}"
        );
        call.answer_json(200, GEMINI_CALLS);
        assert_eq!(client.answer().status(), 200);
    }
}

#[test]
fn pain_e02_the_signature_of_geminis_words_comes_back_at_their_place() {
    let words = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Clouds."},{"text":"","thoughtSignature":"V29yZHM="}]},"finishReason":"STOP","index":0}]}"#;
    let provider = Provider::start();
    let gateway = before_gemini(&provider);
    let mut client = gateway.begin(CHAT_PATH, first("gemini-3-pro", false));
    provider.call().answer_json(200, words);
    assert_eq!(client.answer().status(), 200);
    let next = |question: &str| {
        let body = json!({"model": "gemini-3-pro", "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "Clouds."},
            {"role": "user", "content": "And now?"},
        ]});
        let mut client = gateway.begin(CHAT_PATH, body.to_string());
        let call = provider.call();
        let sent = call.request.text().to_owned();
        call.answer_json(200, words);
        assert_eq!(client.answer().status(), 200);
        sent
    };
    assert!(next("What is up?").contains("V29yZHM="));
    // the same words in another conversation are none of its thoughts
    assert!(!next("What is down?").contains("V29yZHM="));
}

#[test]
fn pain_e06_a_callers_signed_thoughts_go_through_converse_and_back_byte_by_byte() {
    let provider = Provider::start();
    let gateway = Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}", dialects: [bedrock-converse], credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: main, model: "anthropic.*"}}]}}
"#,
        provider.address
    ));
    let ask = |messages: Value| {
        json!({"model": "claude-x", "max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}], "messages": messages})
        .to_string()
    };
    let mut client = gateway.begin(
        MESSAGES_PATH,
        ask(json!([{"role": "user", "content": "What is up?"}])),
    );
    let converse = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "The user\nwants \u{e9}.", "signature": "EqQBCkYIBRgC+/=="}}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"at": "sky"}}},
    ]}}, "stopReason": "tool_use", "usage": {"inputTokens": 5, "outputTokens": 4, "totalTokens": 9}});
    provider.call().answer_json(200, converse.to_string());
    let told = client.answer().json();
    assert_eq!(
        told["content"][0],
        json!({"type": "thinking", "thinking": "The user\nwants \u{e9}.", "signature": "EqQBCkYIBRgC+/=="}),
        "{told:#}"
    );
    let mut client = gateway.begin(
        MESSAGES_PATH,
        ask(json!([
            {"role": "user", "content": "What is up?"},
            {"role": "assistant", "content": told["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tooluse_1", "content": "clouds"}]},
        ])),
    );
    let call = provider.call();
    let sent = call.request.json();
    assert_eq!(
        sent["messages"][1]["content"], converse["output"]["message"]["content"],
        "{sent:#}"
    );
    call.answer_json(200, converse.to_string());
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn pain_d02_thoughts_are_closed_before_words_begin() {
    let provider = Provider::start();
    let gateway = before(&provider, "openai-chat", "");
    let body =
        r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let mut client = gateway.begin(MESSAGES_PATH, body);
    provider.call().stream(&[
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"Hm \"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"so.\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Good\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"more\",\"content\":\" day.\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ]);
    let answer = client.answer();
    let data = answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let mut open: Option<(u64, String)> = None;
    let mut kinds = Vec::new();
    for event in data {
        let event: Value = serde_json::from_str(event).expect("an event is JSON");
        match event["type"].as_str() {
            Some("content_block_start") => {
                assert!(open.is_none(), "a block within a block: {event}");
                let kind = event["content_block"]["type"]
                    .as_str()
                    .expect("a type")
                    .to_owned();
                kinds.push(kind.clone());
                open = Some((event["index"].as_u64().expect("an index"), kind));
            }
            Some("content_block_delta") => {
                let (index, kind) = open.as_ref().expect("a delta is within a block");
                assert_eq!(event["index"].as_u64(), Some(*index), "{event}");
                let fits = match event["delta"]["type"].as_str() {
                    Some("thinking_delta" | "signature_delta") => kind == "thinking",
                    Some("text_delta") => kind == "text",
                    _ => false,
                };
                assert!(fits, "{event} in a block of {kind}");
            }
            Some("content_block_stop") => open = None,
            _ => {}
        }
    }
    assert!(open.is_none());
    assert_eq!(kinds[..2], ["thinking", "text"]);
}
