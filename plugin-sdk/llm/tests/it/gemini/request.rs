//! Requests into the model.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{
    Codec, Content, Effort, Maker, MediaKind, Place, ReasoningMode, ResponseFormat, Role, Source, ToolChoice,
    ToolKind,
};
use serde_json::{Value, json};

use super::{bytes, read_request, refusal};

fn user(parts: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": parts}]})
}

/// Ids of calls and of results, as they stand.
fn pairing(body: &Value) -> Vec<String> {
    let body = bytes(body);
    let request = read_request(&body).value;
    let mut pairs = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        match &part.content {
            Content::ToolCall(call) => pairs.push(format!("call {}", call.id.get())),
            Content::ToolResult(result) => pairs.push(format!("result {}", result.call_id.get())),
            _ => {}
        }
    }
    pairs
}

#[test]
fn a07_the_path_says_model_and_stream() {
    let body = bytes(&user(json!([{"text": "hi"}])));
    let request = read_request(&body).value;
    assert_eq!(
        (&*request.model.get(), request.stream),
        ("gemini-2.5-flash", false)
    );
}

#[test]
fn instructions_stand_above_and_come_first() {
    let body = bytes(&json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "ho"}]}],
        "system_instruction": {"role": "user", "parts": [{"text": "be short"}]},
    }));
    let request = read_request(&body).value;
    let told: Vec<(Role, Place)> = request.messages.iter().map(|m| (m.role, m.place)).collect();
    assert_eq!(
        told,
        [
            (Role::System, Place::Top),
            (Role::User, Place::Turn),
            (Role::Assistant, Place::Turn)
        ]
    );
}

#[test]
fn calls_without_ids_are_paired_by_name_and_order() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result = |name: &str| json!({"functionResponse": {"name": name, "response": {"output": "x"}}});
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [call("a"), call("b"), call("a")]},
        {"role": "user", "parts": [result("a"), result("a"), result("b")]},
        {"role": "model", "parts": [call("a")]},
        {"role": "function", "parts": [result("a")]},
    ]});
    assert_eq!(
        pairing(&body),
        [
            "call gemini_1_0",
            "call gemini_1_1",
            "call gemini_1_2",
            "result gemini_1_0",
            "result gemini_1_2",
            "result gemini_1_1",
            "call gemini_3_0",
            "result gemini_3_0",
        ]
    );
}

#[test]
fn ids_that_are_there_are_kept_and_their_calls_are_taken() {
    let body = json!({"contents": [
        {"role": "model", "parts": [
            {"functionCall": {"name": "a", "args": {}, "id": "one"}},
            {"functionCall": {"name": "a", "args": {}, "id": "two"}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "a", "id": "one", "response": {}}},
            {"functionResponse": {"name": "a", "response": {}}},
            {"functionResponse": {"name": "a", "response": {}}},
        ]},
    ]});
    // a result too many is of no call
    assert_eq!(
        pairing(&body),
        ["call one", "call two", "result one", "result two", "result "]
    );
}

#[test]
fn the_definitions_own_spelling_says_the_same() {
    let camel = json!({
        "contents": {"role": "user", "parts": {"fileData": {"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}}},
        "generationConfig": {"topP": 0.5, "maxOutputTokens": 7, "thinkingConfig": {"thinkingBudget": 100}},
        "tools": {"functionDeclarations": {"name": "f", "parametersJsonSchema": {"type": "object"}}},
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [{"category": "X", "threshold": "OFF"}],
    });
    let snake = json!({
        "contents": [{"role": "user", "parts": [{"file_data": {"file_uri": "gs://b/a.pdf", "mime_type": "application/pdf"}}]}],
        "generation_config": {"top_p": 0.5, "max_output_tokens": 7, "thinking_config": {"thinking_budget": 100}},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": 2, "allowed_function_names": ["f"]}},
        "safety_settings": [{"category": "X", "threshold": "OFF"}],
    });
    let (camel, snake) = (bytes(&camel), bytes(&snake));
    let (camel, mut snake) = (read_request(&camel).value, read_request(&snake).value);
    assert_eq!(snake.extras[0].name.get(), "safetySettings");
    snake.extras.clone_from(&camel.extras);
    assert_eq!(camel, snake);
}

#[test]
fn parts_are_read_as_what_they_are() {
    let body = bytes(&user(json!([
        {"text": "look"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": "dot"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 1}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"whatComesNext": {"a": 1}},
    ])));
    let request = read_request(&body).value;
    let parts = &request.messages[0].parts;
    let media = |at: usize| match &parts[at].content {
        Content::Media(media) => media.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (media(1).kind, media(2).kind),
        (MediaKind::Image, MediaKind::Audio)
    );
    assert_eq!(media(1).detail.expect("a detail").get(), "low");
    assert_eq!(media(1).title.expect("a title").get(), "dot");
    assert!(matches!(media(3).source, Source::Url(_)) && media(3).kind == MediaKind::Video);
    assert_eq!(parts[3].extras[0].name.get(), "videoMetadata");
    assert!(matches!(
        media(4).source,
        Source::File {
            maker: Some(Maker::Google),
            ..
        }
    ));
    let native = |at: usize| match &parts[at].content {
        Content::Native(native) => native.kind.get().into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (native(5), native(6)),
        ("executableCode".into(), "whatComesNext".into())
    );
}

#[test]
fn thoughts_and_signatures_are_googles() {
    let body = bytes(&json!({"contents": [{"role": "model", "parts": [
        {"text": "hm", "thought": true},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f"}, "thoughtSignature": "AAAA"},
    ]}]}));
    let request = read_request(&body).value;
    let parts = &request.messages[0].parts;
    assert!(matches!(&parts[0].content, Content::Reasoning(thought) if thought.maker == Some(Maker::Google)));
    for part in &parts[1..] {
        assert_eq!(
            part.signature.as_ref().expect("signed").maker,
            Some(Maker::Google)
        );
    }
}

#[test]
fn what_came_of_a_call_is_output_error_or_the_whole_object() {
    let cases = [
        (json!({"output": "22 degrees"}), "22 degrees", Some(false)),
        (json!({"output": {"t": 22}}), r#"{"t":22}"#, Some(false)),
        (json!({"error": "no"}), "no", Some(true)),
        (json!({"result": "22"}), r#"{"result":"22"}"#, None),
        (
            json!({"output": "a", "more": 1}),
            r#"{"more":1,"output":"a"}"#,
            None,
        ),
        (json!({}), "{}", None),
    ];
    for (response, text, is_error) in cases {
        let body = bytes(&user(
            json!([{"functionResponse": {"name": "f", "response": response}}]),
        ));
        let request = read_request(&body).value;
        let Content::ToolResult(result) = &request.messages[0].parts[0].content else {
            panic!("a result");
        };
        assert_eq!(
            result.parts[0].as_text().expect("a text").get(),
            text,
            "{response}"
        );
        assert_eq!(result.is_error, is_error, "{response}");
    }
}

#[test]
fn thinking_is_read_by_budget_and_by_level() {
    let wish = |config: Value| {
        let mut body = user(json!([{"text": "hi"}]));
        body["generationConfig"] = json!({"thinkingConfig": config});
        let body = bytes(&body);
        let wish = read_request(&body).value.reasoning;
        let effort = wish.effort.map(|effort| effort.name().get().into_owned());
        (
            wish.mode,
            wish.budget.and_then(|budget| budget.as_u64()),
            effort,
            wish.include,
        )
    };
    assert_eq!(
        wish(json!({"thinkingBudget": 0})),
        (Some(ReasoningMode::Off), Some(0), None, None)
    );
    assert_eq!(
        wish(json!({"thinkingBudget": -1})),
        (Some(ReasoningMode::Adaptive), None, None, None)
    );
    assert_eq!(
        wish(json!({"thinkingBudget": 512, "includeThoughts": true})),
        (Some(ReasoningMode::On), Some(512), None, Some(true))
    );
    assert_eq!(
        wish(json!({"thinkingLevel": "HIGH"})),
        (None, None, Some("high".into()), None)
    );
    assert_eq!(
        wish(json!({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"})),
        (None, None, None, None)
    );
    assert_eq!(Effort::named("high".into()), Effort::High);
}

#[test]
fn the_answers_form_is_read_from_type_and_schema() {
    let format = |config: Value| {
        let mut body = user(json!([{"text": "hi"}]));
        body["generationConfig"] = config;
        let body = bytes(&body);
        match read_request(&body).value.format {
            Some(ResponseFormat::Schema { schema, .. }) => format!("schema {}", schema.get()),
            Some(ResponseFormat::Json) => "json".into(),
            Some(ResponseFormat::Text) => "text".into(),
            Some(ResponseFormat::Native(json)) => format!("native {}", json.get()),
            None => "nothing".into(),
        }
    };
    assert_eq!(format(json!({})), "nothing");
    assert_eq!(format(json!({"responseMimeType": "application/json"})), "json");
    assert_eq!(format(json!({"responseMimeType": "text/plain"})), "text");
    assert_eq!(
        format(
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "nullable": true}})
        ),
        r#"schema {"type":["object","null"]}"#
    );
    assert_eq!(
        format(json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}})),
        r#"schema {"type":"object"}"#
    );
    assert_eq!(
        format(
            json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}})
        ),
        r#"native {"responseMimeType":"text/x.enum","responseSchema":{"enum":["a"],"type":"STRING"}}"#
    );
}

#[test]
fn modes_of_calling_are_choices() {
    let choice = |config: Value| {
        let mut body = user(json!([{"text": "hi"}]));
        body["toolConfig"] = json!({"functionCallingConfig": config});
        let body = bytes(&body);
        format!(
            "{:?}",
            read_request(&body).value.tool_choice.map(|choice| match choice {
                ToolChoice::Native { json, .. } => json.get().to_owned(),
                ToolChoice::Named(name) => format!("named {}", name.get()),
                ToolChoice::Allowed { names, required } => format!("{} of {}", required, names.len()),
                other => format!("{other:?}"),
            })
        )
    };
    assert_eq!(choice(json!({})), "None");
    assert_eq!(choice(json!({"mode": "AUTO"})), r#"Some("Auto")"#);
    assert_eq!(choice(json!({"mode": "NONE"})), r#"Some("None")"#);
    assert_eq!(choice(json!({"mode": 3})), r#"Some("None")"#);
    assert_eq!(choice(json!({"mode": "ANY"})), r#"Some("Required")"#);
    assert_eq!(
        choice(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        r#"Some("named f")"#
    );
    assert_eq!(
        choice(json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]})),
        r#"Some("true of 2")"#
    );
    assert_eq!(
        choice(json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]})),
        r#"Some("false of 1")"#
    );
    assert_eq!(
        choice(json!({"mode": "VALIDATED"})),
        r#"Some("{\"mode\":\"VALIDATED\"}")"#
    );
}

#[test]
fn tools_of_googles_own_stay_as_they_are() {
    let mut body = user(json!([{"text": "hi"}]));
    body["tools"] = json!([
        {"functionDeclarations": [{"name": "f", "response": {"type": "STRING"}}], "googleSearch": {}},
        {"code_execution": {}},
    ]);
    let body = bytes(&body);
    let request = read_request(&body).value;
    let kinds: Vec<String> = request
        .tools
        .iter()
        .map(|tool| match &tool.kind {
            ToolKind::Function { name, .. } => name.get().into_owned(),
            ToolKind::Native { json, .. } => json.get().to_owned(),
            ToolKind::Custom { .. } => panic!("custom"),
        })
        .collect();
    assert_eq!(kinds, ["f", r#"{"googleSearch":{}}"#, r#"{"codeExecution":{}}"#]);
    assert_eq!(request.tools[0].extras[0].name.get(), "response");
}

#[test]
fn what_has_no_field_is_kept_under_its_path() {
    let mut body = user(json!([{"text": "hi"}]));
    body["cachedContent"] = json!("cachedContents/x");
    body["labels"] = json!({"team": "a"});
    body["generationConfig"] = json!({"speechConfig": {"a": 1}});
    body["toolConfig"] =
        json!({"retrievalConfig": {}, "functionCallingConfig": {"streamFunctionCallArguments": true}});
    let body = bytes(&body);
    let request = read_request(&body).value;
    let mut names: Vec<String> = request
        .extras
        .iter()
        .map(|extra| extra.name.get().into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "cachedContent",
            "generationConfig.speechConfig",
            "labels",
            "toolConfig.functionCallingConfig.streamFunctionCallArguments",
            "toolConfig.retrievalConfig",
        ]
    );
}

#[test]
fn a_prompt_that_one_provider_keeps_is_no_request_to_another() {
    let mut body = user(json!([{"text": "hi"}]));
    let portable = |body: &Value| {
        let body = bytes(body);
        Gemini
            .check_portable(&read_request(&body).value)
            .map_err(|refused| refused.param)
    };
    assert_eq!(portable(&body), Ok(()));
    body["cachedContent"] = json!("cachedContents/x");
    assert_eq!(portable(&body), Err(Some("cachedContent".into())));
}

#[test]
fn what_is_wrong_with_a_request_is_named_by_its_field() {
    let cases = [
        (json!([]), "the body must be a JSON object"),
        (json!({}), "`contents` is missing: it holds the conversation"),
        (json!({"contents": []}), "`contents` must not be empty"),
        (json!({"contents": "hi"}), "`contents` must be an object"),
        (
            json!({"contents": [{"role": "system", "parts": []}]}),
            "`contents[0].role` is none of `user` and `model`",
        ),
        (
            user(json!([{}])),
            "`contents[0].parts[0]` has no data: a part has `text` or another kind",
        ),
        (
            user(json!([{"text": 1}])),
            "`contents[0].parts[0].text` must be a string",
        ),
        (user(json!(["hi"])), "`contents[0].parts[0]` must be an object"),
        (
            user(json!([{"text": "a", "inlineData": {"data": "AAAA"}}])),
            "`contents[0].parts[0]` has more than one kind of data: send several parts",
        ),
        (
            user(json!([{"inlineData": {"data": "?!"}}])),
            "`contents[0].parts[0].inlineData.data` is not valid base64",
        ),
        (
            user(json!([{"inlineData": {}}])),
            "`contents[0].parts[0].inlineData.data` is missing",
        ),
        (
            user(json!([{"fileData": {}}])),
            "`contents[0].parts[0].fileData.fileUri` is missing",
        ),
        (
            user(json!([{"functionCall": {"args": {}}}])),
            "`contents[0].parts[0].functionCall.name` is missing: say which function was called",
        ),
        (
            user(json!([{"functionCall": {"name": "f", "args": "{}"}}])),
            "`contents[0].parts[0].functionCall.args` must be an object",
        ),
        (
            user(json!([{"functionResponse": {"response": {}}}])),
            "`contents[0].parts[0].functionResponse.name` is missing: say which function this is of",
        ),
        (
            json!({"contents": [{"parts": [{"text": "a"}]}], "generationConfig": {"temperature": "hot"}}),
            "`generationConfig.temperature` must be a number",
        ),
        (
            json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{}]}]}),
            "`tools[0].functionDeclarations[0].name` is missing: every function has one",
        ),
        (
            json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{"name": "f", "parameters": []}]}]}),
            "`tools[0].functionDeclarations[0].parameters` must be a schema's object",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(refusal(&body), message, "{body}");
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let body = br#"{"contents":[{"parts":[{"text":"a","text":"b"}]}]}"#;
    let refused =
        penstock_llm::model::Codec::read_request(&penstock_llm::gemini::Gemini, body, &super::asked("m"));
    assert!(refused.expect_err("refused").message.contains("appears twice"));
}
