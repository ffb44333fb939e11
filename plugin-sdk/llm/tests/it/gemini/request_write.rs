//! Requests of other dialects for models of Google's.

use penstock_llm::anthropic::AnthropicMessages;
use penstock_llm::gemini::Gemini;
use penstock_llm::model::{
    Codec, Content, Dialect, Maker, Media, MediaKind, Message, Part, Reasoning, ReasoningSupport, Request,
    Role, Signature, Source, Target, Text, ToolCall, ToolResult, replay,
};
use serde_json::{Value, json};

use super::{bytes, from_chat, lines, named, parsed, read_request, target, try_from_chat};

fn chat(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

#[test]
fn instructions_go_above_and_the_user_begins() {
    let body = chat(json!([
        {"role": "system", "content": "one"},
        {"role": "assistant", "content": "hello"},
        {"role": "developer", "content": "two"},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": ""},
    ]));
    let (written, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written,
        json!({
            "systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}]},
            "contents": [
                {"role": "user", "parts": [{"text": " "}]},
                {"role": "model", "parts": [{"text": "hello"}]},
                {"role": "user", "parts": [{"text": "hi"}]},
            ],
        })
    );
    assert_eq!(
        lines(&losses),
        [
            "messages changed: instructions behind the beginning join those at the beginning",
            "messages[0] added: the conversation has to begin with a user",
        ]
    );
}

#[test]
fn instructions_alone_get_somebody_to_answer() {
    let (written, _) = from_chat(
        &chat(json!([{"role": "system", "content": "one"}])),
        "gemini-2.5-flash",
    );
    assert_eq!(
        written["contents"],
        json!([{"role": "user", "parts": [{"text": " "}]}])
    );
}

#[test]
fn pain_d06_results_of_parallel_calls_stand_right_behind_them_in_their_order() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call("c1", "a", "{\"x\":1}"), call("c2", "b", "")]},
        {"role": "tool", "tool_call_id": "c2", "content": "{\"t\": 2}"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "user", "content": "and?"},
    ]));
    let (written, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written["contents"],
        json!([
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "a", "args": {"x": 1}}},
                {"functionCall": {"id": "c2", "name": "b", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "a", "response": {"output": "one"}}},
                {"functionResponse": {"id": "c2", "name": "b", "response": {"t": 2}}},
            ]},
            {"role": "user", "parts": [{"text": "and?"}]},
        ])
    );
    assert!(losses.is_empty(), "{:?}", lines(&losses));
}

#[test]
fn ids_that_are_used_again_are_of_the_latest_call() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call("c", "first", "{}")]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "tool_calls": [call("c", "second", "{}")]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
    ]));
    let (written, _) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written["contents"][2]["parts"][0]["functionResponse"]["name"],
        "first"
    );
    assert_eq!(
        written["contents"][4]["parts"][0]["functionResponse"]["name"],
        "second"
    );
}

#[test]
fn what_came_of_a_call_reads_the_same_when_it_is_read_again() {
    for text in [
        "plain",
        "{\"output\":\"x\"}",
        "{\"error\":1}",
        "[1,2]",
        "{\"a\":{\"b\":1}}",
        "",
        "12",
        "{broken",
        "{\"output\":1,\"b\":2}",
    ] {
        let body = chat(json!([
            {"role": "user", "content": "go"},
            {"role": "assistant", "tool_calls": [call("c", "f", "{}")]},
            {"role": "tool", "tool_call_id": "c", "content": text},
        ]));
        let (written, _) = from_chat(&body, "gemini-2.5-flash");
        let again = bytes(&written);
        let request = read_request(&again).value;
        let Content::ToolResult(result) = &request.messages[2].parts[0].content else {
            panic!("a result");
        };
        let read = result.parts[0].as_text().expect("a text").get().into_owned();
        let same = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
        assert_eq!(same(&read), same(text), "{text}");
        assert_ne!(result.is_error, Some(true), "{text}");
    }
}

#[test]
fn pain_d07_broken_arguments_are_refused_with_the_calls_name() {
    for arguments in ["{oops", "[1]", "7", "{} {}"] {
        let call = ToolCall::function("call_7".into(), "f".into(), arguments.into());
        let request = anthropic(vec![Part::text("so"), Part::new(Content::ToolCall(call))]);
        let refused = Gemini.write_request(&request, &target("gemini-2.5-flash"));
        assert_eq!(
            refused.expect_err("refused").message,
            "`messages[1].content[1].arguments` of the call `call_7` are not a JSON object"
        );
    }
}

#[test]
fn a_result_of_no_call_is_refused() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "tool", "tool_call_id": "nobody", "content": "x"},
    ]));
    let refused = try_from_chat(&body, &target("gemini-2.5-flash")).expect_err("refused");
    assert_eq!(
        refused,
        "`messages[1].content[0]` is the result of a call that is in no earlier message"
    );
}

#[test]
fn pain_e02_signatures_go_back_with_their_calls() {
    let mut signed = call("c1", "a", "{}");
    signed["extra_content"] = json!({"google": {"thought_signature": "c2ln"}});
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [signed, call("c2", "b", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
    ]));
    let (written, losses) = from_chat(&body, "gemini-3-pro-preview");
    let parts = &written["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "c2ln");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    assert!(losses.is_empty(), "{:?}", lines(&losses));
}

#[test]
fn pain_e02_a_call_whose_signature_was_lost_passes_where_one_is_demanded() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call("c1", "a", "{}"), call("c2", "b", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "assistant", "tool_calls": [call("c3", "a", "{}")]},
        {"role": "tool", "tool_call_id": "c3", "content": "3"},
    ]));
    let (third, losses) = from_chat(&body, "gemini-3-flash-preview");
    let signature =
        |contents: usize, part: usize| third["contents"][contents]["parts"][part]["thoughtSignature"].clone();
    let skip = json!("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=");
    assert_eq!(
        (signature(1, 0), signature(1, 1), signature(3, 0)),
        (skip.clone(), Value::Null, skip)
    );
    assert!(named(&losses, "messages[1].content[0].signature"));
    let (second, losses) = from_chat(&body, "gemini-2.5-flash");
    assert!(!second.to_string().contains("thoughtSignature") && losses.is_empty());
}

#[test]
fn a36_encrypted_thoughts_of_googles_are_signatures() {
    let details = json!([
        {"type": "reasoning.text", "text": "hm", "format": "google-gemini-v1"},
        {"type": "reasoning.encrypted", "data": "b25l", "format": "google-gemini-v1", "id": "c2"},
        {"type": "reasoning.encrypted", "data": "dHdv", "format": "google-gemini-v1"},
        {"type": "reasoning.encrypted", "data": "Zm9yZWlnbg==", "format": "openai-responses-v1"},
    ]);
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "reasoning_details": details, "tool_calls": [call("c1", "a", "{}"), call("c2", "b", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
    ]));
    let (written, losses) = from_chat(&body, "gemini-3-pro-preview");
    assert_eq!(
        written["contents"][1]["parts"],
        json!([
            {"text": "hm", "thought": true},
            {"functionCall": {"id": "c1", "name": "a", "args": {}}, "thoughtSignature": "dHdv"},
            {"functionCall": {"id": "c2", "name": "b", "args": {}}, "thoughtSignature": "b25l"},
        ])
    );
    assert_eq!(losses.list().len(), 1, "{:?}", lines(&losses));
}

/// A request of Anthropic's, as its reader gives it.
fn anthropic(parts: Vec<Part<'static>>) -> Request<'static> {
    let mut request = Request::new(Dialect::AnthropicMessages, Text::plain("m"));
    request
        .messages
        .push(Message::new(Role::User, vec![Part::text("hi")]));
    request.messages.push(Message::new(Role::Assistant, parts));
    request
}

#[test]
fn pain_e02_what_claude_signed_comes_home_through_a_caller_of_gemini() {
    let answer = bytes(&json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln+/=="},
            {"type": "redacted_thinking", "data": "cmVk/+=="},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }));
    let read = AnthropicMessages.read_answer(&answer).expect("an answer").value;
    let written = parsed(&Gemini.write_answer(&read, &super::ENVELOPE));
    let mut streamed = Vec::new();
    let mut writer = Gemini.stream_writer(&super::ENVELOPE);
    replay(&read, |event| writer.write(&event, &mut streamed));
    let list = list_of(&streamed);
    let streamed = Gemini.read_answer(&list).expect("an answer").value;
    let streamed = parsed(&Gemini.write_answer(&streamed, &super::ENVELOPE));
    for answer in [written, streamed] {
        let body = bytes(&json!({"contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            answer["candidates"][0]["content"],
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]},
        ]}));
        let request = read_request(&body).value;
        let back = AnthropicMessages.write_request(
            &request,
            &Target {
                maker: Some(Maker::Anthropic),
                ..Target::new("claude")
            },
        );
        let back = parsed(&back.expect("written"));
        assert_eq!(
            back["messages"][1]["content"],
            json!([
                {"type": "thinking", "thinking": "hm", "signature": "c2ln+/=="},
                {"type": "redacted_thinking", "data": "cmVk/+=="},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
            ])
        );
        // and Gemini never gets to see it
        let own = Gemini
            .write_request(&request, &target("gemini-2.5-flash"))
            .expect("written");
        assert_eq!(
            parsed(&own)["contents"][1]["parts"],
            json!([{"functionCall": {"id": "toolu_1", "name": "f", "args": {}}}])
        );
        assert!(named(&own.losses, "messages[1].content[0]") && named(&own.losses, "messages[1].content[1]"));
    }
}

/// The events of a stream as a JSON list.
fn list_of(stream: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(stream);
    let bodies: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    format!("[{}]", bodies.join(",")).into_bytes()
}

#[test]
fn g03_thoughts_and_signatures_of_other_makers_are_left_out_and_named() {
    let mut thought = Part::new(Content::Reasoning(Reasoning::text(
        "secret".into(),
        Some(Maker::Anthropic),
    )));
    let signature = Signature {
        maker: Some(Maker::Anthropic),
        data: "sig".into(),
    };
    thought.signature = Some(signature.clone());
    let mut said = Part::text("hello");
    said.signature = Some(signature);
    let request = anthropic(vec![thought, said]);
    let written = Gemini
        .write_request(&request, &target("gemini-2.5-flash"))
        .expect("written");
    let text = String::from_utf8_lossy(&written.bytes);
    assert!(!text.contains("sig") && !text.contains("secret"), "{text}");
    assert!(named(&written.losses, "messages[1].content[0]"));
    assert!(named(&written.losses, "messages[1].content[1].signature"));
}

#[test]
fn images_and_files_go_as_bytes_or_by_address() {
    let body = chat(json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.JPG?x=1"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ]}]));
    let (written, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}},
            {"fileData": {"fileUri": "https://example.com/a"}},
            {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ])
    );
    assert_eq!(
        lines(&losses),
        ["messages[0].content[4].title dropped: Gemini has nothing like it"]
    );
}

#[test]
fn media_that_the_provider_cannot_get_at_are_refused() {
    let refused = |part: Value, target: &Target<'_>| {
        let body = chat(json!([{"role": "user", "content": [part]}]));
        try_from_chat(&body, target).expect_err("refused")
    };
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let mut blind = target("gemini-2.0-flash");
    blind.fetches_urls = false;
    assert_eq!(
        refused(image, &blind),
        "`messages[0].content[0]` is media by URL, which the provider does not fetch: send it as base64"
    );
    let upload = json!({"type": "file", "file": {"file_id": "file-abc"}});
    assert_eq!(
        refused(upload, &target("gemini-2.5-flash")),
        "`messages[0].content[0]` names a file that was uploaded to another provider"
    );
}

#[test]
fn media_of_results_go_inside_where_the_model_takes_them_and_behind_elsewhere() {
    let image = Part::new(Content::Media(Media {
        media_type: Some("image/png".into()),
        ..Media::new(MediaKind::Image, Source::Base64("AAAA".into()))
    }));
    let called = ToolCall::function("c".into(), "f".into(), "{}".into());
    let mut request = anthropic(vec![Part::new(Content::ToolCall(called))]);
    let result = ToolResult::new("c".into(), vec![Part::text("see"), image]);
    request.messages.push(Message::new(
        Role::User,
        vec![Part::new(Content::ToolResult(result))],
    ));
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let written = |model| {
        let written = Gemini.write_request(&request, &target(model)).expect("written");
        (parsed(&written)["contents"].clone(), written.losses)
    };
    let (third, losses) = written("gemini-3-pro-preview");
    assert_eq!(third[2]["parts"][0]["functionResponse"]["parts"], json!([inline]));
    assert!(!named(&losses, "messages[2].content[0]"));
    let (second, losses) = written("gemini-2.5-pro");
    assert_eq!(second[2]["parts"][0]["functionResponse"].get("parts"), None);
    assert_eq!(second[3], json!({"role": "user", "parts": [inline]}));
    assert!(named(&losses, "messages[2].content[0]"));
}

#[test]
fn failed_results_say_so() {
    let called = ToolCall::function("c".into(), "f".into(), "{}".into());
    let mut request = anthropic(vec![Part::new(Content::ToolCall(called))]);
    let mut result = ToolResult::new("c".into(), vec![Part::text("no")]);
    result.is_error = Some(true);
    request.messages.push(Message::new(
        Role::User,
        vec![Part::new(Content::ToolResult(result))],
    ));
    let written = Gemini
        .write_request(&request, &target("gemini-2.5-flash"))
        .expect("written");
    let response = &parsed(&written)["contents"][2]["parts"][0]["functionResponse"]["response"];
    assert_eq!(*response, json!({"error": "no"}));
}

#[test]
fn a36_efforts_are_budgets_of_one_generation_and_levels_of_the_next() {
    let config = |effort: &str, model: &str| {
        let mut body = chat(json!([{"role": "user", "content": "hi"}]));
        body["reasoning_effort"] = json!(effort);
        body["max_completion_tokens"] = json!(10_000);
        let (written, losses) = from_chat(&body, model);
        (
            written["generationConfig"]["thinkingConfig"].clone(),
            !losses.is_empty(),
        )
    };
    let budget = |tokens: u64| json!({"includeThoughts": true, "thinkingBudget": tokens});
    let level = |level: &str| json!({"includeThoughts": true, "thinkingLevel": level});
    let cases = [
        ("none", "gemini-2.5-flash", json!({"thinkingBudget": 0}), false),
        ("none", "gemini-2.5-pro", json!({"thinkingBudget": 128}), true),
        ("low", "gemini-2.5-flash", budget(2_000), true),
        ("high", "gemini-2.5-pro", budget(8_000), true),
        ("minimal", "gemini-2.5-flash-lite", budget(1_000), true),
        (
            "none",
            "gemini-3-flash-preview",
            json!({"thinkingLevel": "MINIMAL"}),
            true,
        ),
        (
            "none",
            "gemini-3-pro-preview",
            json!({"thinkingLevel": "LOW"}),
            true,
        ),
        ("minimal", "gemini-3-flash-preview", level("MINIMAL"), false),
        ("minimal", "gemini-3.1-pro-preview", level("LOW"), true),
        ("medium", "gemini-3-pro-preview", level("HIGH"), true),
        ("medium", "gemini-3.1-pro-preview", level("MEDIUM"), false),
        ("high", "gemini-flash-latest", level("HIGH"), false),
        ("xhigh", "gemini-3-flash-preview", level("HIGH"), true),
        (
            "default",
            "gemini-3-flash-preview",
            json!({"includeThoughts": true}),
            true,
        ),
        ("high", "gemini-2.0-flash", Value::Null, true),
        ("none", "gemini-2.0-flash", Value::Null, false),
    ];
    for (effort, model, expected, lossy) in cases {
        assert_eq!(config(effort, model), (expected, lossy), "{effort} {model}");
    }
}

#[test]
fn a36_budgets_are_kept_within_the_models_bounds() {
    let config = |reasoning: Value, most: u64, model: &str| {
        let mut body = chat(json!([{"role": "user", "content": "hi"}]));
        body["reasoning"] = reasoning;
        body["max_completion_tokens"] = json!(most);
        from_chat(&body, model).0["generationConfig"]["thinkingConfig"].clone()
    };
    let budget = |tokens: u64| json!({"includeThoughts": true, "thinkingBudget": tokens});
    assert_eq!(
        config(json!({"max_tokens": 3000}), 9000, "gemini-2.5-flash"),
        budget(3000)
    );
    assert_eq!(
        config(json!({"max_tokens": 90_000}), 100_000, "gemini-2.5-flash"),
        budget(24_576)
    );
    assert_eq!(
        config(json!({"max_tokens": 10}), 9000, "gemini-2.5-pro"),
        budget(128)
    );
    assert_eq!(
        config(json!({"enabled": true}), 9000, "gemini-2.5-pro"),
        json!({"includeThoughts": true, "thinkingBudget": -1})
    );
    assert_eq!(
        config(
            json!({"max_tokens": 900, "exclude": true}),
            1000,
            "gemini-3-flash-preview"
        ),
        json!({"includeThoughts": false, "thinkingLevel": "HIGH"})
    );
    assert_eq!(
        config(json!({"enabled": false}), 9000, "gemini-2.5-flash"),
        json!({"thinkingBudget": 0})
    );
}

#[test]
fn what_is_known_of_the_model_counts_where_its_name_says_nothing() {
    let mut body = chat(json!([{"role": "user", "content": "hi"}]));
    body["reasoning_effort"] = json!("low");
    let config = |reasoning| {
        let target = Target {
            reasoning,
            ..target("endpoints/123")
        };
        let written = try_from_chat(&body, &target).expect("written");
        parsed(&written)["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(config(ReasoningSupport::None), Value::Null);
    assert_eq!(config(ReasoningSupport::Effort)["thinkingLevel"], "LOW");
    assert_eq!(config(ReasoningSupport::Budget)["thinkingBudget"], 65_536 / 5);
}

#[test]
fn a31_the_answers_form_is_asked_for_as_the_model_takes_it() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let mut body = chat(json!([{"role": "user", "content": "hi"}]));
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}});
    let (newer, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        newer["generationConfig"],
        json!({"responseMimeType": "application/json", "responseJsonSchema": schema})
    );
    assert!(losses.is_empty(), "{:?}", lines(&losses));
    let (older, losses) = from_chat(&body, "gemini-2.0-flash");
    assert_eq!(
        older["generationConfig"]["responseSchema"],
        json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}})
    );
    assert!(named(&losses, "response_format.schema"));
    body["response_format"] = json!({"type": "json_object"});
    let (json, _) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        json["generationConfig"],
        json!({"responseMimeType": "application/json"})
    );
}

#[test]
fn f01_a_form_that_the_model_does_not_take_beside_functions_is_asked_for_in_words() {
    let mut body = chat(json!([{"role": "user", "content": "hi"}]));
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}});
    body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let (second, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(second.get("generationConfig"), None);
    let told = second["systemInstruction"]["parts"][0]["text"]
        .as_str()
        .expect("told");
    assert!(told.contains("JSON Schema: {\"type\":\"object\"}"), "{told}");
    assert!(named(&losses, "response_format"));
    let (third, losses) = from_chat(&body, "gemini-3-flash-preview");
    assert_eq!(third["generationConfig"]["responseMimeType"], "application/json");
    assert!(losses.is_empty(), "{:?}", lines(&losses));
}

#[test]
fn f02_choices_of_tools_are_modes() {
    let config = |choice: Value| {
        let mut body = chat(json!([{"role": "user", "content": "hi"}]));
        body["tools"] = json!([{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "g"}}]);
        body["tool_choice"] = choice;
        from_chat(&body, "gemini-2.5-flash").0["toolConfig"]["functionCallingConfig"].clone()
    };
    assert_eq!(config(json!("none")), json!({"mode": "NONE"}));
    assert_eq!(config(json!("auto")), json!({"mode": "AUTO"}));
    assert_eq!(config(json!("required")), json!({"mode": "ANY"}));
    assert_eq!(
        config(json!({"type": "function", "function": {"name": "g"}})),
        json!({"mode": "ANY", "allowedFunctionNames": ["g"]})
    );
    let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [{"type": "function", "function": {"name": "f"}}]}});
    assert_eq!(
        config(allowed("required")),
        json!({"mode": "ANY", "allowedFunctionNames": ["f"]})
    );
    assert_eq!(
        config(allowed("auto")),
        json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]})
    );
}

#[test]
fn names_that_the_provider_does_not_take_come_back_as_they_were() {
    let long = "x".repeat(80);
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [call("c", "7 zwölf", "{}")]},
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "7 zwölf"}},
            {"type": "function", "function": {"name": long}},
            {"type": "function", "function": {"name": "a.b:c-d"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "7 zwölf"}},
    });
    let written = try_from_chat(&body, &target("gemini-2.5-flash")).expect("written");
    let value = parsed(&written);
    let name = |at: usize| {
        value["tools"][0]["functionDeclarations"][at]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    for at in 0..3 {
        let name = name(at);
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        assert!(name.len() <= 64 && name.chars().all(legal), "{name}");
        assert!(
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'),
            "{name}"
        );
    }
    assert_eq!(name(2), "a.b:c-d");
    assert_eq!(value["contents"][1]["parts"][0]["functionCall"]["name"], name(0));
    assert_eq!(
        value["contents"][2]["parts"][0]["functionResponse"]["name"],
        name(0)
    );
    assert_eq!(
        value["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"][0],
        name(0)
    );
    let mut back = Part::new(Content::ToolCall(ToolCall::function(
        "c".into(),
        name(0).into(),
        "{}".into(),
    )));
    written.names.restore(&mut back);
    assert!(matches!(back.content, Content::ToolCall(call) if call.name.is("7 zwölf")));
}

#[test]
fn custom_tools_go_as_functions_of_one_text_and_come_back() {
    let mut body = chat(json!([{"role": "user", "content": "hi"}]));
    body["tools"] = json!([{"type": "custom", "custom": {"name": "sql", "description": "d"}}]);
    let written = try_from_chat(&body, &target("gemini-2.5-flash")).expect("written");
    assert_eq!(
        parsed(&written)["tools"],
        json!([{"functionDeclarations": [{
            "name": "sql",
            "description": "d",
            "parameters": {"type": "OBJECT", "properties": {"input": {"type": "STRING"}}, "required": ["input"]},
        }]}])
    );
    let mut back = Part::new(Content::ToolCall(ToolCall::function(
        "c".into(),
        "sql".into(),
        "{\"input\":\"select\"}".into(),
    )));
    written.names.restore(&mut back);
    assert!(matches!(back.content, Content::ToolCall(call) if call.arguments.is("select")));
}

#[test]
fn sampling_goes_by_its_names_here() {
    let mut body = chat(json!([{"role": "user", "content": "hi"}]));
    let said = json!({
        "temperature": 0.70, "top_p": 0.9, "top_k": 5, "n": 2, "max_tokens": 9, "seed": 3, "presence_penalty": 1,
        "frequency_penalty": -1, "logprobs": true, "top_logprobs": 4, "stop": ["a", "b"], "modalities": ["text", "image"],
    });
    for (name, value) in said.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let (written, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written["generationConfig"],
        json!({
            "temperature": 0.70, "topP": 0.9, "topK": 5, "candidateCount": 2, "maxOutputTokens": 9, "seed": 3,
            "presencePenalty": 1, "frequencyPenalty": -1, "responseLogprobs": true, "logprobs": 4,
            "stopSequences": ["a", "b"], "responseModalities": ["TEXT", "IMAGE"],
        })
    );
    assert!(losses.is_empty(), "{:?}", lines(&losses));
}

#[test]
fn i01_what_gemini_has_nothing_like_is_named() {
    let mut body = chat(json!([{"role": "user", "content": "hi", "name": "ann"}]));
    let said = json!({
        "logit_bias": {"1": 2}, "user": "u", "metadata": {"a": "b"}, "prompt_cache_key": "k", "verbosity": "low",
        "service_tier": "flex", "min_p": 0.1, "repetition_penalty": 1.1, "store": true, "parallel_tool_calls": false,
    });
    for (name, value) in said.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let (written, losses) = from_chat(&body, "gemini-2.5-flash");
    assert_eq!(
        written,
        json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    );
    let mut places: Vec<&str> = losses.list().iter().map(|loss| &*loss.at).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "logit_bias",
            "messages[0].name",
            "metadata",
            "min_p",
            "parallel_tool_calls",
            "prompt_cache_key",
            "repetition_penalty",
            "service_tier",
            "store",
            "user",
            "verbosity",
        ]
    );
}

#[test]
fn i04_what_this_dialect_alone_says_goes_out_as_it_came() {
    let body = json!({
        "contents": [
            {"role": "user", "parts": [
                {"text": "hi"},
                {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}, "videoMetadata": {"fps": 1}},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": "dot"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}},
            ]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "AAAA"},
                {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "BBBB"},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "CCCC"},
                {"functionCall": {"name": "g", "id": "x"}},
                {"text": ""},
            ]},
            {"role": "function", "parts": [
                {"functionResponse": {"name": "f", "response": {"result": 1}}},
                {"functionResponse": {"name": "g", "id": "x", "response": {"error": "no"}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
            ]},
        ],
        "systemInstruction": {"parts": [{"text": "be short"}]},
        "tools": [
            {"functionDeclarations": [{"name": "f", "description": "", "parametersJsonSchema": {"type": "object"}, "response": {"type": "STRING"}}]},
            {"googleSearch": {}},
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "VALIDATED", "streamFunctionCallArguments": true},
            "retrievalConfig": {"languageCode": "de"},
        },
        "generationConfig": {
            "temperature": 0.5, "thinkingConfig": {"includeThoughts": true, "thinkingBudget": -1, "later": 1},
            "responseModalities": ["TEXT"], "speechConfig": {"a": 1}, "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": ["a"]},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "cachedContent": "cachedContents/x",
        "labels": {"a": "b"},
        "serviceTier": "flex",
        "whatComesNext": {"deep": [1, 2.50]},
    });
    let body_bytes = bytes(&body);
    let request = read_request(&body_bytes).value;
    let written = Gemini
        .write_request(&request, &Target::new("gemini-2.5-flash"))
        .expect("written");
    assert_eq!(parsed(&written), body);
    assert!(written.losses.is_empty(), "{:?}", lines(&written.losses));
}
