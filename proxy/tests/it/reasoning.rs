//! Thinking over several turns: what a host demands back it gets back, under its own name for it, whatever the caller calls
//! it; and how much is thought is said in the target's words.

use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::provider::Provider;

fn before(provider: &Provider, lines: &str) -> Gateway {
    Gateway::of(&format!(
        r#"
providers:
  main: {{base_url: "http://{}/v1", credentials: ["env:CREDENTIAL"], {lines}}}
"#,
        provider.address
    ))
}

/// A turn of a host that thinks and calls a tool.
fn turn(number: usize) -> String {
    json!({"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null, "reasoning_content": format!("thought {number}"),
        "tool_calls": [{"id": format!("call_{number}"), "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    .to_string()
}

#[test]
fn pain_f04_five_turns_of_thinking_and_tools_by_messages_at_a_host_that_wants_its_reasoning_back() {
    let provider = Provider::start();
    let gateway = before(
        &provider,
        "facts: {reasoning_field: reasoning_content, max_tokens_field: max_tokens}",
    );
    let mut messages = vec![json!({"role": "user", "content": "hi"})];
    for number in 0..5 {
        let body = json!({"model": "m", "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}], "messages": messages});
        let mut client = gateway.begin("/v1/messages", body.to_string());
        let call = provider.call();
        let sent = call.request.json();
        assert_eq!(sent["max_tokens"], 2000, "{sent}");
        let thoughts: Vec<&str> = sent["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|message| message["reasoning_content"].as_str())
            .collect();
        let expected: Vec<String> = (0..number).map(|turn| format!("thought {turn}")).collect();
        assert_eq!(thoughts, expected, "{sent}");
        call.answer_json(200, turn(number));
        let told = client.answer().json();
        assert_eq!(told["content"][0]["type"], "thinking", "{told}");
        assert_eq!(told["content"][0]["thinking"], format!("thought {number}"));
        // the caller sends back what it got, and the result
        messages.push(json!({"role": "assistant", "content": told["content"]}));
        let id = told["content"]
            .as_array()
            .and_then(|blocks| blocks.last())
            .map(|block| block["id"].clone());
        messages.push(
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "ok"}]}),
        );
    }
    gateway.records(5);
}

#[test]
fn a36_an_effort_is_said_in_the_words_of_the_target() {
    let cases: [(&str, &str, Value); 4] = [
        (
            "dialects: [anthropic-messages], facts: {reasoning: adaptive}",
            "/thinking/type",
            json!("adaptive"),
        ),
        (
            "dialects: [anthropic-messages], facts: {reasoning: budget}",
            "/thinking/type",
            json!("enabled"),
        ),
        (
            "dialects: [anthropic-messages], facts: {reasoning: none}",
            "/thinking",
            Value::Null,
        ),
        (
            "dialects: [gemini]",
            "/generationConfig/thinkingConfig/thinkingBudget",
            json!(6553),
        ),
    ];
    let provider = Provider::start();
    for (lines, place, expected) in cases {
        let gateway = before(&provider, lines);
        let body = r#"{"model":"gemini-2.5-flash","reasoning_effort":"high","max_completion_tokens":8192,"messages":[{"role":"user","content":"hi"}]}"#;
        let mut client = gateway.begin("/v1/chat/completions", body);
        let call = provider.call();
        let sent = call.request.json();
        assert_eq!(
            sent.pointer(place).cloned().unwrap_or_default(),
            expected,
            "{lines}: {sent}"
        );
        call.answer_json(400, "{}");
        client.answer();
    }
}

#[test]
fn pain_d08_a_caller_without_a_limit_gets_the_models_default_and_never_0() {
    let provider = Provider::start();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    for (lines, expected) in [
        ("dialects: [anthropic-messages]", 4096),
        (
            "dialects: [anthropic-messages], facts: {default_output_tokens: 1000}",
            1000,
        ),
        (
            "dialects: [anthropic-messages], facts: {max_output_tokens: 512}",
            512,
        ),
    ] {
        let gateway = before(&provider, lines);
        let mut client = gateway.begin("/v1/chat/completions", body);
        let call = provider.call();
        assert_eq!(call.request.json()["max_tokens"], expected, "{lines}");
        call.answer_json(400, "{}");
        client.answer();
    }
}

#[test]
fn p23_thinking_goes_by_the_hosts_own_name_for_it_both_ways() {
    let provider = Provider::start();
    let names = ["reasoning_content", "reasoning"];
    for name in names {
        let gateway = before(&provider, &format!("facts: {{reasoning_field: {name}}}"));
        let messages = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "before", "signature": ""}, {"type": "text", "text": "yes"}]},
            {"role": "user", "content": "and?"},
        ]);
        let body = json!({"model": "m", "max_tokens": 2000, "messages": messages});
        let mut client = gateway.begin("/v1/messages", body.to_string());
        let call = provider.call();
        let sent = call.request.json();
        assert_eq!(sent["messages"][1][name], "before", "{sent}");
        let others = names.iter().filter(|other| **other != name);
        for other in others {
            assert_eq!(sent["messages"][1][*other], Value::Null, "{sent}");
        }
        call.answer_json(
            200,
            json!({"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "so", name: "after"}}]})
            .to_string(),
        );
        let told = client.answer().json();
        assert_eq!(
            (&told["content"][0]["type"], &told["content"][0]["thinking"]),
            (&json!("thinking"), &json!("after")),
            "{told}"
        );
    }
}
