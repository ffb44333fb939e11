//! Requests from and to Responses.

use penstock_llm::model::{Asked, BodyErrorKind, Dialect, Maker, Target};
use serde_json::{Value, json};

use super::{codec, dropped, json as written, made_by, request, responses};

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const MESSAGES: Dialect = Dialect::AnthropicMessages;

fn body(input: Value) -> Value {
    json!({"model": "gpt", "input": input})
}

#[test]
fn a04_a_text_alone_is_a_users_message() {
    let sent = request(RESPONSES, &body(json!("Hello")), CHAT, &Target::new("m"));
    assert_eq!(
        written(&sent)["messages"],
        json!([{"role": "user", "content": "Hello"}])
    );
}

#[test]
fn a04_items_of_one_turn_are_one_message_with_its_calls_and_results_behind() {
    let sent = request(
        RESPONSES,
        &json!({
            "model": "gpt",
            "instructions": "Be brief.",
            "input": [
                {"role": "developer", "content": "Use tools."},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "Weather?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
                ]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look it up."}], "encrypted_content": "gAAA"},
                {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                 "content": [{"type": "output_text", "text": "One moment.", "annotations": []}]},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Oslo\"}", "status": "completed"},
                {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "weather", "arguments": "{\"city\":\"Rome\"}"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "sun"}]},
                {"role": "user", "content": "And Bern?"},
            ],
            "tools": [{"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": true}],
            "tool_choice": {"type": "function", "name": "weather"},
            "parallel_tool_calls": false,
            "max_output_tokens": 99,
            "temperature": 0.20,
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
            "reasoning": {"effort": "high"},
        }),
        CHAT,
        &Target::new("m"),
    );
    assert_eq!(
        written(&sent),
        json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "Use tools."},
                {"role": "user", "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                ]},
                {"role": "assistant", "content": "One moment.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
                    {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "rain"},
                {"role": "tool", "tool_call_id": "c2", "content": "sun"},
                {"role": "user", "content": "And Bern?"},
            ],
            "temperature": 0.20,
            "max_completion_tokens": 99,
            "tools": [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
            "reasoning_effort": "high",
            "verbosity": "low",
        })
    );
    // the thoughts, which the provider does not take back, are named
    assert_eq!(
        dropped(&sent.losses),
        ["messages[3].content[0]", "messages[3].content[1]"]
    );
}

#[test]
fn p_a_chat_request_is_asked_of_a_provider_of_responses() {
    let sent = request(
        CHAT,
        &json!({
            "model": "a",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
                ]},
                {"role": "assistant", "content": "One moment.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "rain"},
                {"role": "tool", "tool_call_id": "c2", "content": "1"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "weather"}},
                {"type": "custom", "custom": {"name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "s"}}}},
            ],
            "tool_choice": "required",
            "max_tokens": 9,
            "stop": "x",
            "seed": 1,
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "stream": true,
        }),
        RESPONSES,
        &Target::new("m"),
    );
    assert_eq!(
        written(&sent),
        json!({
            "model": "m",
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "Weather?"},
                    {"type": "input_image", "image_url": "https://x.test/a.png"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
                ]},
                {"role": "assistant", "content": "One moment."},
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "select 1"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "1"},
            ],
            "max_output_tokens": 9,
            "tools": [
                // left out, `strict` would be true here
                {"type": "function", "name": "weather", "parameters": null, "strict": false},
                {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "s"}},
            ],
            "tool_choice": "required",
            "text": {"format": {"type": "json_object"}},
            "reasoning": {"effort": "low"},
            // nobody asked to keep anything, so what is thought has to come along
            "include": ["reasoning.encrypted_content"],
            "store": false,
            "stream": true,
        })
    );
    assert_eq!(dropped(&sent.losses), ["seed", "stop"]);
}

#[test]
fn pain_g03_a_long_history_of_encrypted_thoughts_is_no_error_to_another_maker_and_is_named() {
    let mut input = Vec::new();
    for turn in 0..20 {
        input.push(json!({"role": "user", "content": format!("q{turn}")}));
        input.push(json!({"type": "reasoning", "id": format!("rs_{turn}"), "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"}));
        input.push(json!({"type": "web_search_call", "id": format!("ws_{turn}"), "status": "completed", "action": {"type": "search", "query": "q"}}));
        input.push(json!({"type": "function_call", "id": format!("fc_{turn}"), "call_id": format!("c{turn}"), "name": "f", "arguments": "{}"}));
        input.push(json!({"type": "function_call_output", "call_id": format!("c{turn}"), "output": "r"}));
    }
    input.push(json!({"role": "user", "content": "go on"}));
    for (to, maker) in [
        (MESSAGES, Maker::Anthropic),
        (CHAT, Maker::Google),
        (Dialect::Gemini, Maker::Google),
    ] {
        let sent = request(RESPONSES, &body(json!(input)), to, &made_by(maker));
        let text = String::from_utf8(sent.bytes.clone()).expect("UTF-8");
        assert!(
            !text.contains("gAAA") && !text.contains("web_search"),
            "{to:?}: {text}"
        );
        for turn in 0..20 {
            assert!(text.contains(&format!("q{turn}")), "{to:?}");
        }
        // each thought and each search, by its place
        let places = dropped(&sent.losses);
        assert!(places.contains(&"messages[1].content[1]"), "{to:?}: {places:?}");
        assert!(places.len() >= 40, "{to:?}: {places:?}");
    }
}

#[test]
fn pain_g01_encrypted_thoughts_go_back_to_their_maker_alone() {
    let details = |format: &str| {
        json!({"model": "a", "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a", "reasoning_details": [
                {"type": "reasoning.summary", "summary": "s", "id": "rs_1", "format": format},
                {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": format},
            ]},
            {"role": "user", "content": "r"},
        ]})
    };
    let sent = request(
        CHAT,
        &details("openai-responses-v1"),
        RESPONSES,
        &made_by(Maker::OpenAi),
    );
    assert_eq!(
        written(&sent)["input"][1],
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"})
    );
    assert_eq!(written(&sent)["include"], json!(["reasoning.encrypted_content"]));
    let sent = request(
        CHAT,
        &details("anthropic-claude-v1"),
        RESPONSES,
        &made_by(Maker::OpenAi),
    );
    assert_eq!(written(&sent)["input"][1]["role"], "assistant");
    assert_eq!(
        dropped(&sent.losses),
        ["messages[1].content[0]", "messages[1].content[1]"]
    );
}

#[test]
fn e02_another_makers_signature_comes_home_through_responses() {
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "sig/1"},
            {"type": "redacted_thinking", "data": "data/2"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    })
    .to_string();
    let read = codec(MESSAGES)
        .read_answer(answer.as_bytes())
        .expect("an answer")
        .value;
    let told = responses().write_answer(&read, &crate::translate::streams::ENVELOPE);
    let told: Value = serde_json::from_slice(&told.bytes).expect("JSON");
    let mut input = vec![json!({"role": "user", "content": "q"})];
    input.extend(told["output"].as_array().expect("items").clone());
    input.push(json!({"type": "function_call_output", "call_id": "t1", "output": "r"}));
    let sent = request(
        RESPONSES,
        &body(json!(input)),
        MESSAGES,
        &made_by(Maker::Anthropic),
    );
    assert_eq!(
        written(&sent)["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "Let me see.", "signature": "sig/1"},
            {"type": "redacted_thinking", "data": "data/2"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ])
    );
    // and to nobody else
    let sent = request(RESPONSES, &body(json!(input)), RESPONSES, &made_by(Maker::OpenAi));
    assert!(!String::from_utf8_lossy(&sent.bytes).contains("sig"), "{sent:?}");
}

#[test]
fn e02_geminis_signature_of_a_call_comes_home_through_responses() {
    let answer = json!({
        "responseId": "r", "modelVersion": "gemini-3",
        "candidates": [{"content": {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
        ]}, "finishReason": "STOP"}],
    })
    .to_string();
    let gemini = codec(Dialect::Gemini);
    let read = gemini.read_answer(answer.as_bytes()).expect("an answer").value;
    let told = responses().write_answer(&read, &crate::translate::streams::ENVELOPE);
    let told: Value = serde_json::from_slice(&told.bytes).expect("JSON");
    let mut input = vec![json!({"role": "user", "content": "q"})];
    input.extend(told["output"].as_array().expect("items").clone());
    let id = told["output"][1]["call_id"].clone();
    input.push(json!({"type": "function_call_output", "call_id": id, "output": "r"}));
    let sent = request(
        RESPONSES,
        &body(json!(input)),
        Dialect::Gemini,
        &made_by(Maker::Google),
    );
    let call = &written(&sent)["contents"][1]["parts"][0];
    assert_eq!(
        (&call["functionCall"]["name"], &call["thoughtSignature"]),
        (&json!("f"), &json!("c2ln"))
    );
}

#[test]
fn what_only_one_provider_keeps_is_refused_by_name() {
    for (member, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("prompt", json!({"id": "pmpt_1"})),
        ("store", json!(true)),
        ("background", json!(true)),
    ] {
        let mut asked = body(json!("Hello"));
        asked[member] = value;
        let bytes = asked.to_string().into_bytes();
        let read = responses()
            .read_request(&bytes, &Asked::default())
            .expect("a request");
        let refused = responses().check_portable(&read.value).expect_err("refused");
        assert_eq!(refused.param.as_deref(), Some(member));
        assert_eq!(refused.kind, BodyErrorKind::Unsupported);
        assert!(
            refused.message.contains("send "),
            "names the remedy: {}",
            refused.message
        );
    }
    let reference =
        body(json!([{"role": "user", "content": "q"}, {"type": "item_reference", "id": "rs_1"}])).to_string();
    let read = responses()
        .read_request(reference.as_bytes(), &Asked::default())
        .expect("a request");
    assert!(responses().check_portable(&read.value).is_err());
    let plain = json!({"model": "m", "input": "q", "store": false, "background": false, "previous_response_id": null, "truncation": "auto"}).to_string();
    let read = responses()
        .read_request(plain.as_bytes(), &Asked::default())
        .expect("a request");
    assert_eq!(responses().check_portable(&read.value), Ok(()));
}

#[test]
fn bad_input_is_refused_with_the_field_and_the_remedy() {
    for (asked, param) in [
        (json!({"input": "x"}), "model"),
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": 1}), "input"),
        (json!({"model": "m", "input": [1]}), "input[0]"),
        (
            json!({"model": "m", "input": [{"content": "x"}]}),
            "input[0].type",
        ),
        (
            json!({"model": "m", "input": [{"role": "chef", "content": "x"}]}),
            "input[0].role",
        ),
        (
            json!({"model": "m", "input": [{"role": "user"}]}),
            "input[0].content",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"text": "x"}]}]}),
            "input[0].content[0].type",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
            "input[0].call_id",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}),
            "input[0].name",
        ),
        // PAIN D07
        (
            json!({"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]}),
            "input[0].arguments",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call_output", "output": "x"}]}),
            "input[0].call_id",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]}),
            "input[0].output",
        ),
        (
            json!({"model": "m", "input": "x", "tools": [{"name": "f"}]}),
            "tools[0].type",
        ),
        // as chat completions have it
        (
            json!({"model": "m", "input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools[0].name",
        ),
        (
            json!({"model": "m", "input": "x", "tool_choice": "maybe"}),
            "tool_choice",
        ),
        (
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}),
            "text.format.schema",
        ),
        (
            json!({"model": "m", "input": "x", "temperature": "hot"}),
            "temperature",
        ),
        (json!({"model": "m", "input": "x", "include": [1]}), "include[0]"),
    ] {
        let bytes = asked.to_string().into_bytes();
        let refused = responses()
            .read_request(&bytes, &Asked::default())
            .expect_err("refused");
        assert_eq!(refused.param.as_deref(), Some(param), "{}", refused.message);
    }
}

#[test]
fn a_request_of_its_own_dialect_is_written_with_all_that_it_said() {
    let asked = json!({
        "model": "m",
        "instructions": "i",
        "input": [
            {"role": "user", "content": "q"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"role": "assistant", "content": "a", "phase": "final_answer"},
            {"type": "item_reference", "id": "x"},
            {"role": "user", "content": [{"type": "input_text", "text": "q"}, {"type": "input_file", "file_id": "f_1"}]},
        ],
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false, "defer_loading": true}],
        "tool_choice": {"type": "web_search"},
        "text": {"verbosity": "low", "later": 1},
        "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
        "include": ["web_search_call.results", "message.output_text.logprobs"],
        "safety_identifier": "u",
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "stream": true,
        "store": false,
        "truncation": "auto",
        "max_tool_calls": 3,
        "previous_response_id": "resp_1",
    });
    let sent = request(RESPONSES, &asked, RESPONSES, &made_by(Maker::OpenAi));
    let mut told = written(&sent);
    // a message of one text says it without parts
    assert_eq!(told["input"][3]["content"][0]["text"], "a");
    told["input"][3]["content"] = json!("a");
    assert_eq!(told, asked);
    assert!(sent.losses.is_empty(), "{:?}", sent.losses);
}

#[test]
fn pain_g01_thoughts_of_another_account_are_taken_out_with_what_they_are_summed_up_in() {
    let asked = body(json!([
        {"role": "user", "content": "q"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "theirs"}], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "r"},
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "mine"}], "encrypted_content": "gBBB"},
        {"role": "assistant", "content": "a"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"role": "user", "content": "r"},
    ]))
    .to_string();
    let mut request = responses()
        .read_request(asked.as_bytes(), &Asked::default())
        .expect("a request")
        .value;
    let seals = request.seals();
    assert_eq!(seals.len(), 3);
    // the same thoughts have the same seal, others another one
    assert_eq!((seals[0] == seals[2], seals[0] == seals[1]), (true, false));
    let foreign = seals[0];
    assert_eq!(
        request.unseal(|seal| seal == foreign),
        [
            "messages[1].content[0]",
            "messages[1].content[1]",
            "messages[3].content[3]"
        ]
    );
    let sent = responses()
        .write_request(&request, &made_by(Maker::OpenAi))
        .expect("can be written");
    let text = String::from_utf8(sent.bytes).expect("UTF-8");
    assert!(!text.contains("gAAA") && !text.contains("theirs"), "{text}");
    assert!(text.contains("gBBB") && text.contains("mine"), "{text}");
    assert!(request.unseal(|_| false).is_empty());
}
