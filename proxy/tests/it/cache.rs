//! Marks for prompt caches: kept where the provider takes them, in its own form where that differs, and left out, by name,
//! where it caches by itself.

use serde_json::json;

use crate::harness::gateway::Gateway;
use crate::harness::provider::Provider;

/// Marks in every place that takes one, with a spelling that a writer would not choose.
const MARKED: &str = r#"{"model":"claude-m","max_tokens":64,
 "system":[{"type":"text","text":"Rules.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
 "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{ "ttl":"5m", "type":"ephemeral"}}],
 "messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#;

fn before(provider: &Provider, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}", credentials: ["env:CREDENTIAL"], {lines}}}
models:
  - {{name: claude-m, targets: [{{provider: main, model: claude-there}}]}}
"#,
        provider.address
    ))
}

#[test]
fn pain_h01_every_mark_of_a_prompt_cache_reaches_messages_byte_for_byte() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [anthropic-messages]");
    let mut client = gateway.begin("/v1/messages", MARKED);
    let call = provider.call();
    assert_eq!(
        call.request.text(),
        MARKED.replace("claude-m\"", "claude-there\"")
    );
    call.answer_json(400, "{}");
    client.answer();
}

#[test]
fn pain_h01_marks_become_cache_points_of_converse_with_their_time() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [bedrock-converse]");
    let mut client = gateway.begin("/v1/messages", MARKED);
    let call = provider.call();
    let sent = call.request.json();
    let point = |ttl: Option<&str>| match ttl {
        Some(ttl) => json!({"cachePoint": {"type": "default", "ttl": ttl}}),
        None => json!({"cachePoint": {"type": "default"}}),
    };
    assert_eq!(sent["system"][1], point(Some("1h")), "{sent}");
    assert_eq!(
        sent["toolConfig"]["tools"][1]["cachePoint"]["type"], "default",
        "{sent}"
    );
    assert_eq!(sent["messages"][0]["content"][1], point(None), "{sent}");
    assert!(!call.request.text().contains("cache_control"));
    call.answer_json(400, "{}");
    client.answer();
}

#[test]
fn pain_e03_a_mark_on_a_short_prompt_is_no_error_where_google_caches_by_itself() {
    let provider = Provider::start();
    let gateway = before(&provider, "dialects: [gemini]");
    let mut client = gateway.begin("/v1/messages", MARKED);
    let call = provider.call();
    assert!(!call.request.text().contains("cache"), "{}", call.request.text());
    call.answer_json(
        200,
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1,"totalTokenCount":3}}"#,
    );
    let answer = client.answer();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let dropped = answer.header("x-penstock-dropped").unwrap_or("").to_owned();
    assert!(dropped.contains("cache_control"), "{dropped}");
    assert_eq!(gateway.record()["ending"], "complete");
}
