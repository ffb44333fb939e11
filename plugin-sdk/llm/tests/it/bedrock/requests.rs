use penstock_llm::anthropic::AnthropicMessages;
use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::model::{Asked, BodyErrorKind, Codec, Content, Target};
use penstock_llm::openai::chat::OpenAiChat;
use serde_json::{Value, json};

use super::{CLAUDE, NOVA, from_chat, from_messages, lost, sent};

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn pain_d06_results_of_tools_are_one_users_turn_right_behind_their_calls() {
    let (body, written) = from_messages(
        &json!({"max_tokens": 100, "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
                {"type": "tool_use", "id": "b", "name": "look", "input": {}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "and quickly"},
                {"type": "tool_result", "tool_use_id": "a", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]},
                {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": true}]}],
            "tools": [{"name": "look", "input_schema": {"type": "object"}}]}),
        CLAUDE,
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "weather?"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "a", "name": "look", "input": {"at": 1}}},
                {"toolUse": {"toolUseId": "b", "name": "look", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a", "content": [
                    {"text": "see"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}}]}},
                {"toolResult": {"toolUseId": "b", "content": [{"text": "no"}], "status": "error"}},
                {"text": "and quickly"}]},
        ])
    );
    assert!(lost(&written.losses).is_empty(), "{:?}", written.losses);

    let (body, _) = from_chat(
        &json!({"messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "tool_calls": [call("a", "look", "{\"at\":1}"), call("b", "look", "")]},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            {"role": "user", "content": "well?"}],
            "tools": [tool("look")]}),
        CLAUDE,
    );
    assert_eq!(
        body["messages"][2],
        json!({"role": "user", "content": [
            {"toolResult": {"toolUseId": "a", "content": [{"text": "one"}]}},
            {"toolResult": {"toolUseId": "b", "content": [{"text": "two"}]}},
            {"text": "well?"}]})
    );
    assert_eq!(body["messages"][1]["content"][1]["toolUse"]["input"], json!({}));
}

#[test]
fn pain_d07_broken_arguments_are_refused_by_the_calls_id() {
    for input in [json!([1]), json!("{}x"), json!(7)] {
        let body = json!({"messages": [
            {"role": "user", "content": [{"text": "go"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "call_7", "name": "f", "input": input}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "call_7", "content": []}}]}]});
        let refused = sent(&BedrockConverse, &body, &Target::new(CLAUDE)).expect_err("no object");
        assert_eq!(refused.kind, BodyErrorKind::Invalid);
        assert!(refused.message.contains("`call_7`"), "{refused}");
        assert!(
            refused
                .param
                .expect("a field")
                .starts_with("messages[1].content[0]")
        );
    }
}

#[test]
fn results_without_their_calls_and_several_answers_are_refused() {
    let orphan = json!({"messages": [
        {"role": "user", "content": "go"}, {"role": "tool", "tool_call_id": "x", "content": "one"}]});
    let refused = sent(&OpenAiChat, &orphan, &Target::new(CLAUDE)).expect_err("an orphan");
    assert_eq!(refused.param.as_deref(), Some("messages[1].tool_call_id"));
    let several = json!({"n": 2, "messages": [{"role": "user", "content": "go"}]});
    let refused = sent(&OpenAiChat, &several, &Target::new(CLAUDE)).expect_err("two answers");
    assert_eq!(
        (refused.kind, refused.param.as_deref()),
        (BodyErrorKind::Unsupported, Some("n"))
    );
}

#[test]
fn turns_are_a_users_first_one_after_the_other_and_never_empty() {
    let (body, written) = from_chat(
        &json!({"messages": [
            {"role": "system", "content": "be brief"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": " \n"}]},
            {"role": "developer", "content": "in French"}]}),
        CLAUDE,
    );
    assert_eq!(
        body["system"],
        json!([{"text": "be brief"}, {"text": "in French"}])
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "."}]},
            {"role": "assistant", "content": [{"text": "hello"}]},
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        ])
    );
    assert_eq!(
        lost(&written.losses),
        [
            "messages added",
            "messages changed",
            "messages[4].content[1] dropped"
        ]
    );
    let (body, _) = from_chat(
        &json!({"messages": [{"role": "system", "content": "go"}]}),
        CLAUDE,
    );
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"text": "."}]}])
    );
}

#[test]
fn a_forbidden_call_is_one_that_cannot_be_made() {
    let plain =
        json!({"messages": [{"role": "user", "content": "go"}], "tools": [tool("f")], "tool_choice": "none"});
    let (body, written) = from_chat(&plain, CLAUDE);
    assert_eq!(body.get("toolConfig"), None);
    assert_eq!(lost(&written.losses), ["tool_choice changed"]);

    let mut history = json!({"messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call("c", "f", "{}")]},
        {"role": "tool", "tool_call_id": "c", "content": "one"}], "tools": [tool("f")], "tool_choice": "none"});
    let (body, written) = from_chat(&history, CLAUDE);
    let only = &body["toolConfig"]["tools"];
    assert_eq!(only[0]["toolSpec"]["name"], "no_tool");
    assert_eq!(
        (only[1].clone(), body["toolConfig"].get("toolChoice")),
        (Value::Null, None)
    );
    assert_eq!(lost(&written.losses), ["tool_choice changed", "tools added"]);

    // a conversation with calls has to define a tool, even where its caller offers none
    history.as_object_mut().expect("an object").remove("tools");
    history.as_object_mut().expect("an object").remove("tool_choice");
    let (body, written) = from_chat(&history, CLAUDE);
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "no_tool");
    assert_eq!(lost(&written.losses), ["tools added"]);
}

#[test]
fn tools_and_the_choice_of_them_are_said_in_converses_words() {
    let choice = |choice: Value| {
        let (body, _) = from_chat(
            &json!({"messages": [{"role": "user", "content": "go"}], "tools": [tool("f"), tool("g")],
                "tool_choice": choice}),
            NOVA,
        );
        body["toolConfig"].clone()
    };
    assert_eq!(choice(json!("auto"))["toolChoice"], json!({"auto": {}}));
    assert_eq!(choice(json!("required"))["toolChoice"], json!({"any": {}}));
    let named = choice(json!({"type": "function", "function": {"name": "g"}}));
    assert_eq!(named["toolChoice"], json!({"tool": {"name": "g"}}));
    let allowed = choice(
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required",
        "tools": [{"type": "function", "function": {"name": "g"}}]}}),
    );
    assert_eq!(allowed["toolChoice"], json!({"any": {}}));
    assert_eq!(allowed["tools"].as_array().expect("tools").len(), 1);
    assert_eq!(allowed["tools"][0]["toolSpec"]["name"], "g");

    let (body, written) = from_chat(
        &json!({"messages": [{"role": "user", "content": "go"}], "parallel_tool_calls": false, "tools": [
            {"type": "function", "function": {"name": "bare", "description": ""}},
            {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
                "parameters": {"properties": {"a": {"type": "string"}}}}},
            {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}]}),
        CLAUDE,
    );
    assert_eq!(
        body["toolConfig"],
        json!({"tools": [
            {"toolSpec": {"name": "bare", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {"toolSpec": {"name": "f", "description": "d", "strict": true,
                "inputSchema": {"json": {"type": "object", "properties": {"a": {"type": "string"}}}}}},
            {"toolSpec": {"name": "sql", "inputSchema": {"json": {"type": "object",
                "properties": {"input": {"type": "string"}}, "required": ["input"]}}}}]})
    );
    // only Claude can be told so, and only in its own words
    assert_eq!(
        body["additionalModelRequestFields"]["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        lost(&written.losses),
        ["tools[2] changed", "tools[2].format dropped"]
    );
}

#[test]
fn names_of_tools_that_converse_does_not_take_come_back_as_they_were() {
    let long = format!("mcp__server__{}", "x".repeat(90));
    let (body, written) = from_messages(
        &json!({"max_tokens": 9, "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "id/with spaces", "name": long, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "id/with spaces", "content": "x"}]}],
            "tool_choice": {"type": "tool", "name": long},
            "tools": [{"name": long, "input_schema": {"type": "object"}}]}),
        CLAUDE,
    );
    let name = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
        .as_str()
        .expect("a name");
    assert!(name.len() <= 64 && name.starts_with("mcp__server__"), "{name}");
    let called = &body["messages"][1]["content"][0]["toolUse"];
    assert_eq!(called["name"], name);
    assert_eq!(body["toolConfig"]["toolChoice"]["tool"]["name"], name);
    let id = called["toolUseId"].as_str().expect("an id");
    assert!(id.len() <= 64 && !id.contains(['/', ' ']), "{id}");
    assert_eq!(body["messages"][2]["content"][0]["toolResult"]["toolUseId"], id);

    let answer = json!({"output": {"message": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "t", "name": name, "input": {}}}]}}, "stopReason": "tool_use"});
    let bytes = serde_json::to_vec(&answer).expect("JSON");
    let mut read = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    let part = &mut read.choices[0].parts[0];
    written.names.restore(part);
    let Content::ToolCall(call) = &part.content else {
        panic!("{part:?}");
    };
    assert_eq!(call.name.get(), long);
}

#[test]
fn names_of_documents_are_what_converse_takes_and_each_is_there_once() {
    let file = |name: &str| {
        json!({"type": "file", "file": {"filename": name,
        "file_data": "data:application/pdf;base64,aGk="}})
    };
    let (body, written) = from_chat(
        &json!({"messages": [{"role": "user", "content": [
            file("Report (final) [2].pdf"), file("a_b  c: d.e.pdf"), file("Report (final) [2].pdf"), file("日本.pdf"),
            {"type": "text", "text": "compare"}]}]}),
        CLAUDE,
    );
    let documents = body["messages"][0]["content"].as_array().expect("blocks");
    let names: Vec<&str> = documents[..4]
        .iter()
        .map(|block| block["document"]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        ["Report (final) [2]", "a-b c- d-e", "Report (final) [2] (2)", "--"]
    );
    assert_eq!(
        documents[0]["document"],
        json!({"format": "pdf", "name": "Report (final) [2]", "source": {"bytes": "aGk="}})
    );
    assert_eq!(
        lost(&written.losses),
        [
            "messages[0].content[1].title changed",
            "messages[0].content[2].title changed",
            "messages[0].content[3].title changed"
        ]
    );
}

#[test]
fn a_document_stands_beside_a_text() {
    let (body, written) = from_messages(
        &json!({"max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "facts"},
                "citations": {"enabled": true}, "context": "old"}]}]}),
        CLAUDE,
    );
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"document": {"format": "txt", "name": "Document", "context": "old", "citations": {"enabled": true},
                "source": {"text": "facts"}}},
            {"text": "."}])
    );
    assert_eq!(
        lost(&written.losses),
        ["messages added", "messages[0].content[0].title added"]
    );
}

#[test]
fn images_go_as_bytes_and_what_is_elsewhere_is_refused() {
    let image = |url: &str| {
        json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]}]})
    };
    let (body, _) = from_chat(&image("data:image/jpg;base64,aGk="), CLAUDE);
    assert_eq!(
        body["messages"][0]["content"][1],
        json!({"image": {"format": "jpeg", "source": {"bytes": "aGk="}}})
    );
    // by its first bytes, in the standard alphabet, padded
    let (body, _) = from_chat(&image("data:;base64,iVBORw0KGgo-_w"), CLAUDE);
    assert_eq!(
        body["messages"][0]["content"][1],
        json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo+/w=="}}})
    );
    let (body, _) = from_chat(&image("s3://bucket/kiwi.png"), CLAUDE);
    assert_eq!(
        body["messages"][0]["content"][1]["image"]["source"],
        json!({"s3Location": {"uri": "s3://bucket/kiwi.png"}})
    );
    for url in ["https://host/kiwi.png", "data:image/bmp;base64,aGk="] {
        let refused = sent(&OpenAiChat, &image(url), &Target::new(CLAUDE)).expect_err(url);
        assert_eq!(refused.kind, BodyErrorKind::Unsupported);
        assert_eq!(refused.param.as_deref(), Some("messages[0].content[1]"));
    }
}

#[test]
fn limits_and_sampling_are_said_where_each_family_has_them() {
    let body = json!({"messages": [{"role": "user", "content": "go"}], "max_tokens": 9, "temperature": 1.5,
        "top_p": 0.70, "top_k": 5, "stop": ["END", ""], "seed": 7, "user": "u", "metadata": {"team": "a", "no": "é"}});
    let (written, losses) = from_chat(&body, CLAUDE);
    assert_eq!(
        written["inferenceConfig"],
        json!({"maxTokens": 9, "temperature": 1, "topP": 0.70, "stopSequences": ["END"]})
    );
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"top_k": 5, "metadata": {"user_id": "u"}})
    );
    assert_eq!(written["requestMetadata"], json!({"team": "a"}));
    assert_eq!(
        lost(&losses.losses),
        [
            "metadata dropped",
            "seed dropped",
            "stop dropped",
            "temperature changed"
        ]
    );
    let (written, losses) = from_chat(&body, NOVA);
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"inferenceConfig": {"topK": 5}})
    );
    assert!(lost(&losses.losses).contains(&"user dropped".to_owned()));
    let (written, losses) = from_chat(&body, "cohere.command-r-v1:0");
    assert_eq!(
        written["additionalModelRequestFields"],
        json!({"k": 5, "seed": 7})
    );
    assert!(!lost(&losses.losses).contains(&"seed dropped".to_owned()));
    let (written, losses) = from_chat(
        &body,
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
    );
    assert_eq!(written.get("additionalModelRequestFields"), None);
    assert!(lost(&losses.losses).contains(&"top_k dropped".to_owned()));
}

#[test]
fn feature_a31_a_schema_goes_as_a_string_or_is_asked_for_in_words() {
    let body = json!({"messages": [{"role": "user", "content": "go"}], "response_format": {"type": "json_schema",
        "json_schema": {"name": "City", "schema": {"type": "object"}, "strict": true}}});
    let (written, losses) = from_chat(&body, CLAUDE);
    assert_eq!(
        written["outputConfig"],
        json!({"textFormat": {"type": "json_schema",
            "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}", "name": "City"}}}})
    );
    assert!(lost(&losses.losses).is_empty());
    let target = Target {
        structured_output: false,
        ..Target::new(NOVA)
    };
    let (written, losses) = sent(&OpenAiChat, &body, &target).expect("can be said");
    assert_eq!(written.get("outputConfig"), None);
    assert!(
        written["system"][0]["text"]
            .as_str()
            .expect("words")
            .contains("{\"type\":\"object\"}")
    );
    assert_eq!(lost(&losses.losses), ["response_format changed"]);
}

fn cached(mark: Value) -> Value {
    json!({"max_tokens": 9,
        "system": [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": [
                {"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]}]}]})
}

#[test]
fn pain_e07_cache_points_stand_where_converse_takes_them() {
    let (body, written) = from_messages(&cached(json!({"type": "ephemeral"})), CLAUDE);
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(
        body["system"],
        json!([{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}])
    );
    assert_eq!(body["toolConfig"]["tools"][1], point);
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}, point]));
    // not inside the result, but behind it
    assert_eq!(
        body["messages"][2]["content"],
        json!([{"toolResult": {"toolUseId": "x", "content": [{"text": "r"}]}}, point])
    );
    assert!(lost(&written.losses).is_empty(), "{:?}", written.losses);

    let mut whole = cached(json!(null));
    whole["cache_control"] = json!({"type": "ephemeral"});
    whole["messages"]
        .as_array_mut()
        .expect("messages")
        .push(json!({"role": "assistant", "content": "so"}));
    let (body, _) = from_messages(&whole, CLAUDE);
    assert_eq!(body["messages"][3]["content"], json!([{"text": "so"}, point]));

    // five are one too many: the first goes
    whole["messages"][0]["content"][0]["cache_control"] = json!({"type": "ephemeral"});
    let (body, written) = from_messages(&whole, CLAUDE);
    assert_eq!(body["toolConfig"]["tools"].as_array().expect("tools").len(), 1);
    assert_eq!(lost(&written.losses), ["tools[0].cache dropped"]);

    let target = Target {
        cache_points: false,
        ..Target::new("meta.llama3-1-70b-instruct-v1:0")
    };
    let (body, written) = sent(&AnthropicMessages, &cached(json!(null)), &target).expect("can be said");
    assert!(!body.to_string().contains("cachePoint"));
    assert_eq!(lost(&written.losses).len(), 3);
}

#[test]
fn what_is_no_converse_request_is_refused_by_its_field() {
    let refused = |body: &str| {
        let refused = BedrockConverse
            .read_request(body.as_bytes(), &Asked::default())
            .expect_err(body);
        (refused.kind, refused.param.unwrap_or_default())
    };
    let invalid = BodyErrorKind::Invalid;
    let (missing, wrong) = (BodyErrorKind::Missing, BodyErrorKind::WrongType);
    let block = |block: &str| {
        refused(&format!(
            r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#
        ))
    };
    let at = |path: &str| format!("messages[0].content[0]{path}");
    for (found, expected) in [
        (refused("[]"), (wrong, String::new())),
        (refused("{}"), (missing, "messages".to_owned())),
        (refused(r#"{"messages":{}}"#), (wrong, "messages".to_owned())),
        (
            refused(r#"{"messages":[{"role":"tool","content":[]}]}"#),
            (invalid, "messages[0].role".to_owned()),
        ),
        (
            refused(r#"{"messages":[{"role":"user"}]}"#),
            (missing, "messages[0].content".to_owned()),
        ),
        (
            refused(r#"{"messages":[{"role":"user","content":"hi"}]}"#),
            (wrong, "messages[0].content".to_owned()),
        ),
        (
            refused(r#"{"messages":[],"messages":[]}"#),
            (BodyErrorKind::Duplicate, "messages".to_owned()),
        ),
        (
            refused(r#"{"messages":[],"inferenceConfig":{"maxTokens":"9"}}"#),
            (wrong, "inferenceConfig.maxTokens".to_owned()),
        ),
        (
            refused(r#"{"messages":[],"toolConfig":{"tools":[{"toolSpec":{}}]}}"#),
            (missing, "toolConfig.tools[0].toolSpec.name".to_owned()),
        ),
        (block("{}"), (missing, at(""))),
        (block(r#"{"text":"a","image":{}}"#), (invalid, at(""))),
        (block(r#"{"text":7}"#), (wrong, at(".text"))),
        (
            block(r#"{"image":{"format":"png"}}"#),
            (missing, at(".image.source")),
        ),
        (
            block(r#"{"image":{"format":"png","source":{"bytes":"a b"}}}"#),
            (invalid, at(".image.source.bytes")),
        ),
        (
            block(r#"{"toolUse":{"toolUseId":"a","input":{}}}"#),
            (missing, at(".toolUse.name")),
        ),
        (
            block(r#"{"toolResult":{"content":[]}}"#),
            (missing, at(".toolResult.toolUseId")),
        ),
    ] {
        assert_eq!(found, expected);
    }
}
