//! Adapters as plugins: a provider that is spoken with by way of a component, which is swapped while streams run; and one
//! that breaks every rule, which fails its attempt and nothing else.

use std::path::Path;

use penstock_llm::model::{Content, Event, Losses, Part, Start, Text};
use penstock_llm::wire;
use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM, DONE, FINISH};
use crate::harness::client::Client;
use crate::harness::gateway::{CREDENTIAL, Gateway};
use crate::harness::plugins::{self, hostile_adapter_entry};
use crate::harness::provider::Provider;

const MESSAGES_PATH: &str = "/v1/messages";
const MESSAGES: &str = r#"{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}"#;
const MESSAGES_STREAM: &str =
    r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

/// Two providers; calls go to the first one, which has the adapter of this entry, then to the other, which speaks OpenAI's
/// dialect.
fn config(entry: &str, adapted: &Provider, other: &Provider) -> String {
    let name = entry
        .trim_start_matches("{name: ")
        .split(',')
        .next()
        .unwrap_or_default();
    format!(
        r#"
plugins: [{entry}]
providers:
  adapted: {{base_url: "http://{}/v1", adapter: {name}, auth: {{header: x-api-key}}, credentials: ["env:CREDENTIAL"]}}
  other: {{base_url: "{}", credentials: ["env:CREDENTIAL"]}}
models:
  - {{name: "*", targets: [{{provider: adapted, model: "*"}}, {{provider: other, model: "*"}}]}}
"#,
        adapted.address,
        other.url()
    )
}

fn entry(component: &Path, settings: &str) -> String {
    format!(
        "{{name: acme, component: \"{}\", settings: {settings}}}",
        component.display()
    )
}

/// The repository's adapter of this name, before one provider.
fn before(provider: &Provider, adapter: &str, settings: &str, more: &str) -> Gateway {
    let entry = entry(&plugins::adapter(adapter), settings);
    Gateway::of(&format!(
        r#"
plugins: [{entry}]
providers:
  main: {{base_url: "http://{}/v1", adapter: acme, auth: {{header: x-api-key}}, credentials: ["env:CREDENTIAL"]{more}}}
models:
  - {{name: "*", targets: [{{provider: main, model: "*"}}]}}
"#,
        provider.address
    ))
}

/// What the record says of the adapter at a hook.
fn ran<'r>(record: &'r Value, hook: &str) -> &'r Value {
    let all = record["plugins"].as_array().expect("a list");
    all.iter()
        .find(|run| run["hook"] == hook)
        .unwrap_or_else(|| panic!("no {hook}: {record}"))
}

#[test]
fn a_caller_of_chat_is_answered_by_way_of_the_adapter_for_messages() {
    let provider = Provider::start();
    let gateway = before(&provider, "adapter-anthropic", "{}", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/messages");
    assert_eq!(call.request.header("x-api-key"), Some(CREDENTIAL));
    assert_eq!(call.request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(
        call.request.json()["messages"],
        json!([{"role": "user", "content": "hi"}])
    );
    call.answer_json(200, r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Good day."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":4}}"#);
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["object"], "chat.completion");
    assert_eq!(told["choices"][0]["message"]["content"], "Good day.");
    assert!(
        answer
            .header("x-penstock-dropped")
            .is_some_and(|fields| fields.contains("max_"))
    );
    let record = gateway.record();
    assert_eq!(record["usage"]["completion"], 4, "{record}");
    for hook in ["encode", "decode"] {
        let run = ran(&record, hook);
        assert_eq!(
            (&run["name"], &run["verdict"], &run["calls"]),
            (&json!("acme"), &json!("proceed"), &json!(1))
        );
        assert!(
            run["digest"].as_str().is_some_and(|digest| digest.len() == 12),
            "{run}"
        );
        assert!(run["us"].as_u64().is_some_and(|us| us > 0), "{run}");
    }
}

#[test]
fn a_stream_comes_by_way_of_the_adapter_for_messages_and_is_metered() {
    let provider = Provider::start();
    let gateway = before(&provider, "adapter-anthropic", "{}", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    assert_eq!(call.request.json()["stream"], true);
    call.stream(&[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        ": a comment\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Good \"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"day.\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ]);
    let answer = client.answer();
    assert!(answer.text().ends_with(DONE), "{}", answer.text());
    assert_eq!(said(answer.text()), "Good day.");
    let record = gateway.record();
    assert_eq!(record["ending"], "complete");
    assert_eq!(
        (&record["usage"]["prompt"], &record["usage"]["completion"]),
        (&json!(10), &json!(4))
    );
    assert_eq!(ran(&record, "decode")["verdict"], "proceed");
}

#[test]
fn a_stream_that_is_cut_off_never_looks_complete_by_way_of_an_adapter() {
    let provider = Provider::start();
    let gateway = before(&provider, "adapter-anthropic", "{}", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    provider.call().stream(&[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Good \"}}\n\n",
    ]);
    let answer = client.answer();
    assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
    assert!(answer.text().contains("upstream_truncated"), "{}", answer.text());
    assert_eq!(gateway.record()["ending"], "truncated");
}

#[test]
fn errors_come_in_the_callers_dialect_by_way_of_the_adapter() {
    let provider = Provider::start();
    let gateway = before(&provider, "adapter-gemini", "{}", "");
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), "/v1/models/m:generateContent");
    call.answer_json(
        400,
        r#"{"error":{"code":400,"message":"Temperature is out of range","status":"INVALID_ARGUMENT"}}"#,
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 400);
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(message.contains("Temperature is out of range"), "{message}");
    assert_eq!(gateway.record()["error"]["cause"], "caller");
}

#[test]
fn what_the_provider_takes_as_it_is_crosses_no_adapter() {
    let provider = Provider::start();
    let gateway = before(
        &provider,
        "adapter-anthropic",
        "{}",
        ", dialects: [anthropic-messages]",
    );
    let mut client = gateway.begin(MESSAGES_PATH, MESSAGES);
    let call = provider.call();
    assert_eq!(call.request.body, MESSAGES.as_bytes());
    let message = r#"{"id":"msg_1", "type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":4},"brand_new":1e0}"#;
    call.answer_json(200, message);
    assert_eq!(client.answer().text(), message);
    let record = gateway.record();
    assert_eq!(record["plugins"], json!([]), "{record}");

    // others are spoken for
    let _waiting = gateway.begin(CHAT_PATH, CHAT);
    assert_eq!(
        provider.call().request.json()["max_tokens"]
            .as_u64()
            .map(|most| most > 0),
        Some(true)
    );
}

/// A piece of a stream of a provider that calls thoughts otherwise.
fn thinks(field: &str, thought: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"{field}\":\"{thought}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// Reads until so much was thought, as a caller of Messages sees it.
fn read_thoughts(client: &mut Client, thoughts: &str) {
    let mut read = String::new();
    while thought(&read) != thoughts {
        read.push_str(&client.text());
    }
}

fn thought(events: &str) -> String {
    let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let event = |data: &str| serde_json::from_str::<Value>(data).unwrap_or_default();
    data.map(event)
        .filter_map(|event| event["delta"]["thinking"].as_str().map(str::to_owned))
        .collect()
}

/// The text of a stream of chunks.
fn said(events: &str) -> String {
    let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let event = |data: &str| serde_json::from_str::<Value>(data).unwrap_or_default();
    data.map(event)
        .filter_map(|event| {
            event["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn a_provider_changes_its_wire_format_and_the_adapter_is_swapped_while_streams_run() {
    let (provider, other) = (Provider::start(), Provider::start());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let component = folder.path().join("acme.wasm");
    let bytes = std::fs::read(plugins::adapter("adapter-openai")).expect("built just now");
    std::fs::write(&component, &bytes).expect("a temporary folder can be written");
    let with = |field: &str| {
        let rename = format!("{{at: answer, path: \"/choices/*/delta/{field}\", to: reasoning_content}}");
        config(
            &entry(&component, &format!("{{rename: [{rename}]}}")),
            &provider,
            &other,
        )
    };
    let gateway = Gateway::of(&with("thought"));

    let mut old = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    let old_call = provider.call();
    old_call.begin_stream();
    old_call.chunk(thinks("thought", "one "));
    assert_eq!(old.head().header("x-penstock-generation"), Some("1"));
    read_thoughts(&mut old, "one ");

    // the provider calls it otherwise now; the operator replaces component and settings
    std::fs::write(&component, plugins::variant(&bytes, 7)).expect("a temporary folder can be written");
    assert_eq!(gateway.change(&with("musing")), Ok(2));

    let mut new = gateway.begin(MESSAGES_PATH, MESSAGES_STREAM);
    let new_call = provider.call();
    new_call.begin_stream();
    new_call.chunk(thinks("musing", "three "));
    assert_eq!(new.head().header("x-penstock-generation"), Some("2"));
    read_thoughts(&mut new, "three ");
    new_call.chunk(thinks("thought", "not read any more"));
    new_call.stream_rest(&[FINISH, DONE]);
    let (rest, whole) = new.rest();
    assert!(whole && thought(&String::from_utf8_lossy(&rest)).is_empty());

    // the stream that began before goes on as it began
    old_call.chunk(thinks("thought", "two"));
    read_thoughts(&mut old, "two");
    old_call.stream_rest(&[FINISH, DONE]);
    assert!(old.rest().1);

    let records = gateway.records(2);
    let digest = |record: &Value| ran(record, "decode")["digest"].clone();
    assert_eq!(
        (&records[0]["generation"], &records[1]["generation"]),
        (&json!(2), &json!(1))
    );
    assert_ne!(digest(&records[0]), digest(&records[1]));
    for record in &records {
        assert_eq!(record["ending"], "complete", "{record}");
    }
}

/// A stream's beginning, as neutral events.
fn hello() -> Vec<u8> {
    let content = Box::new(Part::new(Content::Text {
        text: Text::plain("Hello"),
        citations: Vec::new(),
    }));
    let events = [
        Event::Start(Box::new(Start::default())),
        Event::PartStart {
            choice: 0,
            part: 0,
            content,
        },
    ];
    let mut bytes = Vec::new();
    wire::write_events(&events, &Losses::default(), &mut bytes);
    bytes
}

#[test]
fn pain_s03_an_adapter_that_fails_before_anything_was_said_costs_its_attempt_and_no_more() {
    let modes = [
        "trap",
        "loop",
        "grow",
        "huge",
        "lie-everything",
        "bad-path",
        "credential",
        "say",
    ];
    for mode in modes {
        let (provider, other) = (Provider::start(), Provider::start());
        // what it says is no message of the encoding
        let entry = hostile_adapter_entry(mode, "encode", b"\xff\xff", "");
        let gateway = Gateway::of(&config(&entry, &provider, &other));
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        other.call().answer_json(200, ANSWER);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text()), (200, ANSWER), "{mode}");
        provider.saw_nothing();
        let record = gateway.record();
        let attempts = record["attempts"].as_array().expect("a list");
        let outcomes: Vec<_> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
        assert_eq!(outcomes, ["adapter", "served"], "{mode}: {record}");
        assert_eq!(ran(&record, "encode")["verdict"], "fault", "{mode}");
        assert_eq!(record["ending"], "complete");
    }
}

#[test]
fn pain_s03_an_answer_that_the_adapter_cannot_read_is_asked_of_the_next_target() {
    for (mode, body) in [
        ("trap", CHAT),
        ("loop", CHAT),
        ("say", CHAT),
        ("trap", CHAT_STREAM),
        ("say", CHAT_STREAM),
    ] {
        let (provider, other) = (Provider::start(), Provider::start());
        let entry = hostile_adapter_entry(mode, "decode", b"\xff\xff", "");
        let gateway = Gateway::of(&config(&entry, &provider, &other));
        let mut client = gateway.begin(CHAT_PATH, body);
        let call = provider.call();
        assert_eq!(call.request.path(), "/v1/own/path?x=1");
        match body {
            CHAT => call.answer_json(200, "{}"),
            _ => call.stream(&["data: {}\n\n"]),
        }
        let call = other.call();
        match body {
            CHAT => call.answer_json(200, ANSWER),
            _ => call.stream(&[FINISH, DONE]),
        }
        let answer = client.answer();
        assert_eq!(answer.status(), 200, "{mode}: {}", answer.text());
        assert!(answer.is_whole);
        let record = gateway.record();
        assert_eq!(record["attempts"][0]["outcome"], "adapter", "{mode}: {record}");
        assert_eq!(record["attempts"][1]["outcome"], "served", "{mode}: {record}");
        assert_eq!(ran(&record, "decode")["verdict"], "fault");
    }
}

#[test]
fn an_adapter_that_fails_in_the_middle_of_a_stream_ends_it_with_an_error_of_ours() {
    let (provider, other) = (Provider::start(), Provider::start());
    let entry = hostile_adapter_entry("trap-later", "decode", &hello(), "");
    let gateway = Gateway::of(&config(&entry, &provider, &other));
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    call.begin_stream();
    call.chunk("data: {}\n\n");
    let head = client.head();
    assert_eq!(head.status(), 200);
    let mut text = String::new();
    while said(&text) != "Hello" {
        text.push_str(&client.text());
    }
    call.chunk("data: {}\n\n");
    let (rest, _) = client.rest();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(
        rest.contains("adapter_failed") && !rest.contains("[DONE]"),
        "{rest}"
    );
    let record = gateway.record();
    assert_eq!(
        (&record["error"]["code"], &record["error"]["cause"]),
        (&json!("adapter_failed"), &json!("plugin"))
    );
    assert_eq!(record["ending"], "refused");
}

#[test]
fn where_no_other_target_is_left_the_caller_hears_that_the_adapter_failed() {
    let provider = Provider::start();
    let entry = hostile_adapter_entry("trap", "encode", b"", "");
    let gateway = Gateway::of(&format!(
        "plugins: [{entry}]\nproviders:\n  main: {{base_url: \"{}\", adapter: adapts, credentials: [\"env:CREDENTIAL\"]}}\n",
        provider.url()
    ));
    let answer = gateway.post(MESSAGES_PATH, MESSAGES);
    assert_eq!(answer.status(), 503);
    // in the caller's dialect
    assert_eq!(answer.json()["type"], "error", "{}", answer.text());
    assert!(
        answer.text().contains("adapter `adapts` failed"),
        "{}",
        answer.text()
    );
    assert_eq!(gateway.record()["error"]["cause"], "plugin");
}

#[test]
fn an_adapter_that_is_none_is_refused_with_what_to_do() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let with = |plugin: &str, adapter: &str| {
        format!(
            "plugins: [{plugin}]\nproviders:\n  main: {{base_url: \"{}\", adapter: {adapter}, credentials: [\"env:CREDENTIAL\"]}}\n",
            provider.url()
        )
    };
    let guard = "{name: balance, component: route-balance}";
    let told = gateway
        .change(&with(guard, "balance"))
        .expect_err("is no adapter");
    assert!(
        told.contains("plugin `balance` is none, it has no `encode` and `decode`")
            && told.contains("adapter-anthropic"),
        "{told}"
    );
    let told = gateway.change(&with(guard, "balanse")).expect_err("is not there");
    assert!(
        told.contains("there is no plugin `balanse`") && told.contains("did you mean `balance`?"),
        "{told}"
    );
    // what was served before is served on
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
}

/// A chat with a tool whose name Gemini does not take.
const ODD_TOOL: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"2 odd/tool?","parameters":{"type":"object","properties":{}}}}]}"#;

#[test]
fn a_tool_whose_name_the_provider_does_not_take_is_called_by_its_own() {
    let provider = Provider::start();
    let adapted = before(&provider, "adapter-gemini", "{}", "");
    let built_in = Gateway::of(&format!(
        "providers:\n  main: {{base_url: \"{}\", dialects: [gemini], credentials: [\"env:CREDENTIAL\"]}}\n",
        provider.url()
    ));
    for gateway in [adapted, built_in] {
        for streamed in [false, true] {
            let body = match streamed {
                true => ODD_TOOL.replacen('{', "{\"stream\":true,", 1),
                false => ODD_TOOL.to_owned(),
            };
            let mut client = gateway.begin(CHAT_PATH, body);
            let call = provider.call();
            let sent = call.request.json()["tools"][0]["functionDeclarations"][0]["name"].clone();
            assert_ne!(sent, "2 odd/tool?");
            let chunk = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"functionCall": {"name": sent, "args": {}}}]}}]});
            match streamed {
                true => call.stream(&[&format!("data: {chunk}\n\n")]),
                false => call.answer_json(200, chunk.to_string()),
            }
            let answer = client.answer();
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert!(
                answer.text().contains(r#""name":"2 odd/tool?""#),
                "{}",
                answer.text()
            );
        }
    }
}
