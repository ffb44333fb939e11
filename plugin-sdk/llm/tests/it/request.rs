use bytes::Bytes;
use penstock_llm::openai::{
    BodyError, BodyErrorKind, Kind, Operation, Provenance, ReadLimits, Request, Role,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::{Dice, cases};

pub fn read(op: Operation, body: &str) -> Request {
    Request::read(
        op,
        Bytes::copy_from_slice(body.as_bytes()),
        &ReadLimits::default(),
    )
    .expect(body)
}

pub fn chat(body: &str) -> Request {
    read(Operation::Chat, body)
}

fn refused(op: Operation, body: &str) -> BodyError {
    Request::read(
        op,
        Bytes::copy_from_slice(body.as_bytes()),
        &ReadLimits::default(),
    )
    .expect_err(body)
}

/// Role, kind and text of each segment.
pub fn told(request: &Request) -> Vec<(Role, Kind, Option<String>)> {
    let text = |at| request.text(at).map(|text| text.into_owned());
    request
        .segments()
        .iter()
        .enumerate()
        .map(|(at, segment)| (segment.role, segment.kind, text(at)))
        .collect()
}

#[test]
fn a_chats_texts_and_media_are_segments() {
    let request = chat(
        r#"{"model":"m","messages":[
        {"role":"system","content":"be\nkind"},
        {"content":[{"type":"text","text":"a\u00e9"},{"type":"image_url","image_url":{"url":"data:"}},
            {"type":"input_audio","input_audio":{"data":"","format":"wav"}},{"type":"file","file":{"file_id":"f"}},
            {"type":"new","text":"seen","extra":[1]}],"role":"user","name":"n"},
        {"role":"assistant","content":null,"reasoning_content":"hm","refusal":"no",
            "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"function":{"arguments":{"x":2}}},
                {"type":"custom","custom":{"name":"c","input":"in"}}]},
        {"role":"tool","content":"42","tool_call_id":"a"},
        {"role":"function","content":[{"type":"text","text":"43"}]},
        {"role":"critic","content":[{"type":"refusal","refusal":"r"},{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}
    ]}"#,
    );
    let text = |role, kind, text: &str| (role, kind, Some(text.to_owned()));
    let expected = vec![
        text(Role::System, Kind::Text, "be\nkind"),
        text(Role::User, Kind::Text, "aé"),
        (Role::User, Kind::Image, None),
        (Role::User, Kind::Audio, None),
        (Role::User, Kind::File, None),
        text(Role::User, Kind::Text, "seen"),
        text(Role::Assistant, Kind::Reasoning, "hm"),
        text(Role::Assistant, Kind::Refusal, "no"),
        text(Role::Assistant, Kind::ToolArguments, "{\"x\":1}"),
        text(Role::Assistant, Kind::ToolArguments, "{\"x\":2}"),
        text(Role::Assistant, Kind::ToolArguments, "in"),
        text(Role::Tool, Kind::ToolResult, "42"),
        text(Role::Tool, Kind::ToolResult, "43"),
        text(Role::Other, Kind::Refusal, "r"),
        text(Role::Other, Kind::Reasoning, "t"),
    ];
    assert_eq!(told(&request), expected);
    let lengths: Vec<u32> = request.segments().iter().map(|segment| segment.length).collect();
    assert_eq!(lengths, [7, 3, 0, 0, 0, 4, 2, 2, 7, 7, 2, 2, 2, 1, 1]);
    let tools: Vec<u32> = request.segments()[8..11]
        .iter()
        .map(|segment| segment.tool)
        .collect();
    assert_eq!(tools, [0, 1, 2]);
    assert!(
        request
            .segments()
            .iter()
            .all(|segment| segment.provenance == Provenance::Caller && segment.choice == 0)
    );
}

#[test]
fn pain_n02_prompts_and_inputs_are_segments_too() {
    let texts = |op, body| {
        let read = read(op, body);
        assert!(read.segments().iter().all(|segment| segment.role == Role::User));
        (0..read.segments().len())
            .map(|at| read.text(at).map(String::from))
            .collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        texts(
            Operation::Completions,
            r#"{"model":"m","prompt":"a","suffix":"z"}"#
        ),
        [some("a"), some("z")]
    );
    assert_eq!(
        texts(
            Operation::Completions,
            r#"{"model":"m","prompt":["a",[1,2],"b",3]}"#
        ),
        [some("a"), some("b")]
    );
    assert_eq!(
        texts(Operation::Embeddings, r#"{"model":"m","input":["a","b"]}"#),
        [some("a"), some("b")]
    );
    assert_eq!(
        texts(Operation::Embeddings, r#"{"model":"m","input":[[1,2],[3]]}"#),
        []
    );
    let nested = r#"{"model":"m","input":[{"content":[{"type":"text","text":"a"},"b"]},{"content":"c"}]}"#;
    assert_eq!(
        texts(Operation::Embeddings, nested),
        [some("a"), some("b"), some("c")]
    );
    let parts =
        r#"{"model":"m","input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}"#;
    assert_eq!(texts(Operation::Moderations, parts), [some("a"), None]);
}

#[test]
fn what_a_chat_has_to_be_is_told_with_the_field() {
    use BodyErrorKind::*;
    let cases = [
        ("[]", WrongType, None),
        (r#"{"messages":[]}"#, Missing, Some("model")),
        (r#"{"model":"","messages":[]}"#, Empty, Some("model")),
        (r#"{"model":5,"messages":[]}"#, WrongType, Some("model")),
        (r#"{"model":null,"messages":[]}"#, WrongType, Some("model")),
        (r#"{"model":"m"}"#, Missing, Some("messages")),
        (r#"{"model":"m","messages":{}}"#, WrongType, Some("messages")),
        (r#"{"model":"m","messages":null}"#, WrongType, Some("messages")),
        (
            r#"{"model":"m","messages":["hi"]}"#,
            WrongType,
            Some("messages[0]"),
        ),
        (
            r#"{"model":"m","messages":[{"content":"x"}]}"#,
            Missing,
            Some("messages[0].role"),
        ),
        (
            r#"{"model":"m","messages":[{"role":1}]}"#,
            WrongType,
            Some("messages[0].role"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user"},{"role":"user","content":7}]}"#,
            WrongType,
            Some("messages[1].content"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":["x"]}]}"#,
            WrongType,
            Some("messages[0].content[0]"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            Missing,
            Some("messages[0].content[0].type"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":1}]}]}"#,
            WrongType,
            Some("messages[0].content[0].type"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#,
            WrongType,
            Some("messages[0].content[0].text"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":{}}]}"#,
            WrongType,
            Some("messages[0].tool_calls"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[1]}]}"#,
            WrongType,
            Some("messages[0].tool_calls[0]"),
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":1}]}]}"#,
            WrongType,
            Some("messages[0].tool_calls[0].function"),
        ),
        (
            r#"{"model":"m","messages":[],"stream":"yes"}"#,
            WrongType,
            Some("stream"),
        ),
        (
            r#"{"model":"m","messages":[],"stream_options":[]}"#,
            WrongType,
            Some("stream_options"),
        ),
        (
            r#"{"model":"m","messages":[],"stream_options":{"include_usage":1}}"#,
            WrongType,
            Some("stream_options.include_usage"),
        ),
    ];
    for (body, kind, param) in cases {
        let error = refused(Operation::Chat, body);
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (kind, param),
            "{body}: {error}"
        );
        assert!(
            param.is_none_or(|param| error.message.starts_with(&format!("`{param}` "))),
            "{error}"
        );
    }
    assert_eq!(
        refused(Operation::Completions, r#"{"model":"m"}"#)
            .param
            .as_deref(),
        Some("prompt")
    );
    assert_eq!(
        refused(Operation::Completions, r#"{"model":"m","prompt":null}"#)
            .param
            .as_deref(),
        Some("prompt")
    );
    assert_eq!(
        refused(Operation::Embeddings, r#"{"model":"m","input":{}}"#)
            .param
            .as_deref(),
        Some("input")
    );
    assert_eq!(
        refused(Operation::Moderations, r#"{"model":"m"}"#)
            .param
            .as_deref(),
        Some("input")
    );
}

#[test]
fn pain_q01_a_key_that_stands_twice_is_refused_however_it_is_spelled() {
    let cases = [
        (r#"{"model":"a","messages":[],"mod\u0065l":"b"}"#, "model"),
        (r#"{"model":"a","messages":[],"messages":[]}"#, "messages"),
        (r#"{"model":"a","messages":[],"x":1,"x":1}"#, "x"),
        (
            r#"{"model":"a","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#,
            "stream_options.include_usage",
        ),
        (
            r#"{"model":"a","messages":[{"role":"user","content":"a","content":"b"}]}"#,
            "messages[0].content",
        ),
        (
            r#"{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
            "messages[0].content[0].text",
        ),
        (
            r#"{"model":"a","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a","url":"b"}}]}]}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"model":"a","messages":[{"role":"assistant","tool_calls":[{"id":"a","id":"b"}]}]}"#,
            "messages[0].tool_calls[0].id",
        ),
        (
            r#"{"model":"a","messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"a","arguments":"b"}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            r#"{"model":"a","messages":[{"role":"assistant","function_call":{"name":"a","name":"b"}}]}"#,
            "messages[0].function_call.name",
        ),
    ];
    for (body, param) in cases {
        let error = refused(Operation::Chat, body);
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (BodyErrorKind::Duplicate, Some(param)),
            "{error}"
        );
    }
    // objects that are not read are the provider's business
    chat(r#"{"model":"a","messages":[],"metadata":{"a":1,"a":2}}"#);
}

#[test]
fn many_keys_are_compared_in_little_time() {
    let many = |last: &str| {
        let keys: String = (0..100_000).map(|at| format!("\"k{at}\":0,")).collect();
        format!("{{{keys}\"model\":\"m\",\"messages\":[],{last}:1}}")
    };
    chat(&many("\"other\""));
    for double in ["\"k3\"", "\"k15\"", "\"k16\"", "\"k\\u0039999\"", "\"model\""] {
        assert_eq!(
            refused(Operation::Chat, &many(double)).kind,
            BodyErrorKind::Duplicate,
            "{double}"
        );
    }
}

#[test]
fn errors_do_not_quote_content() {
    let secret = "hunter2 is the word";
    let bodies = [
        format!(r#"{{"model":"m","messages":"{secret}"}}"#),
        format!(r#"{{"model":"m","messages":["{secret}"]}}"#),
        format!(r#"{{"model":"m","{secret}":1,"{secret}":2,"messages":[]}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"{secret}","content":{{"{secret}":1}}}}]}}"#),
        format!(r#"{{"model":"m","messages":["{secret}"#),
    ];
    for body in bodies {
        let error = refused(Operation::Chat, &body);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn broken_json_is_told_with_its_place() {
    let error = refused(Operation::Chat, "{\"model\":\"m\",\n \"messages\": [}");
    assert_eq!(error.kind, BodyErrorKind::NotJson);
    assert_eq!(
        error.message,
        "the body is not valid JSON: expected a value at line 2 column 15"
    );
    let deep = format!(
        r#"{{"model":"m","messages":[],"x":{}{}}}"#,
        "[".repeat(128),
        "]".repeat(128)
    );
    let error = refused(Operation::Chat, &deep);
    assert_eq!((error.kind, error.param), (BodyErrorKind::TooDeep, None));
    assert!(error.message.contains("128"));
}

#[test]
fn limits_are_kept() {
    let limits = ReadLimits {
        max_bytes: 40,
        max_segments: 2,
        ..ReadLimits::default()
    };
    let read = |body: &str| {
        Request::read(
            Operation::Embeddings,
            Bytes::copy_from_slice(body.as_bytes()),
            &limits,
        )
    };
    assert!(read(r#"{"model":"m","input":["",""]}"#).is_ok());
    assert_eq!(
        read(r#"{"model":"m","input":["","",""]}"#)
            .expect_err("three")
            .kind,
        BodyErrorKind::TooMany
    );
    let error = read(r#"{"model":"m","input":"a text that is long"}"#).expect_err("43 bytes");
    assert_eq!(
        (error.kind, &*error.message),
        (
            BodyErrorKind::TooLarge,
            "the body is longer than 40 bytes: send less"
        )
    );
}

#[test]
fn pain_i04_unknown_fields_roles_and_parts_pass_untouched() {
    let body = r#"{ "model" : "m", "new_field":{"a":[1,2.50,1e3]}, "messages":[{"role":"oracle","content":[{"type":"hologram","x":"\u0041"}],"y":-0}] }"#;
    let request = chat(body);
    assert_eq!(request.outbound("m", true).into_bytes(), body);
}

#[test]
fn pain_h02_an_unedited_body_goes_out_byte_for_byte_and_uncopied() {
    let body = Bytes::from_static(br#" {"messages":[],"model":"gpt","stream":false,"a":1.0} "#);
    let request = Request::read(Operation::Chat, body.clone(), &ReadLimits::default()).expect("valid");
    let outbound = request.outbound("gpt", true);
    assert!(outbound.is_unchanged() && !outbound.usage_added);
    assert_eq!(outbound.into_bytes().as_ptr(), body.as_ptr());
}

#[test]
fn another_model_name_replaces_the_literal_alone() {
    let request = chat(r#"{"model": "g\u0070t","messages":[]}"#);
    assert_eq!(request.model(), "gpt");
    assert!(request.outbound("gpt", false).is_unchanged());
    assert_eq!(
        request.outbound("o\"1", false).into_bytes(),
        r#"{"model": "o\"1","messages":[]}"#
    );
}

#[test]
fn streams_are_made_to_report_usage() {
    let cases = [
        (
            r#"{"model":"m","stream":true,"messages":[]}"#,
            Some(r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#),
        ),
        (
            r#"{"model":"m","stream": true ,"stream_options":{},"messages":[]}"#,
            Some(r#"{"model":"m","stream": true ,"stream_options":{"include_usage":true},"messages":[]}"#),
        ),
        (
            r#"{"stream_options":{ "x":1},"model":"m","stream":true,"messages":[]}"#,
            Some(
                r#"{"stream_options":{"include_usage":true, "x":1},"model":"m","stream":true,"messages":[]}"#,
            ),
        ),
        (
            r#"{"stream_options":{"include_usage":false},"model":"m","stream":true,"messages":[]}"#,
            Some(r#"{"stream_options":{"include_usage":true},"model":"m","stream":true,"messages":[]}"#),
        ),
        (
            r#"{"stream_options":{"include_usage": null},"model":"m","stream":true,"messages":[]}"#,
            Some(r#"{"stream_options":{"include_usage": true},"model":"m","stream":true,"messages":[]}"#),
        ),
        (
            r#"{"stream_options":null,"model":"m","stream":true,"messages":[]}"#,
            Some(r#"{"stream_options":{"include_usage":true},"model":"m","stream":true,"messages":[]}"#),
        ),
        (
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true,"messages":[]}"#,
            None,
        ),
        (r#"{"model":"m","stream":false,"messages":[]}"#, None),
        (r#"{"model":"m","messages":[]}"#, None),
    ];
    for (body, expected) in cases {
        let request = chat(body);
        let outbound = request.outbound("m", true);
        assert_eq!(
            (outbound.usage_added, outbound.is_unchanged()),
            (expected.is_some(), expected.is_none()),
            "{body}"
        );
        assert_eq!(outbound.into_bytes(), expected.unwrap_or(body));
        assert!(request.outbound("m", false).is_unchanged());
    }
    assert!(chat(r#"{"stream_options":{"include_usage":true},"model":"m","messages":[]}"#).usage_asked());
    assert!(
        !read(Operation::Embeddings, r#"{"model":"m","input":"","stream":true}"#)
            .outbound("m", true)
            .usage_added
    );
}

/// The texts that serde_json finds in a chat, in order of kinds rather than of bytes.
pub fn texts_by_serde(body: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        texts.extend(message_texts_by_serde(message));
    }
    texts
}

pub fn message_texts_by_serde(message: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    let strings = |texts: &mut Vec<String>, values: &[&Value]| {
        texts.extend(
            values
                .iter()
                .filter_map(|value| value.as_str())
                .map(str::to_owned),
        );
    };
    strings(
        &mut texts,
        &[
            &message["content"],
            &message["refusal"],
            &message["reasoning"],
            &message["reasoning_content"],
        ],
    );
    for part in message["content"].as_array().into_iter().flatten() {
        strings(&mut texts, &[&part["text"], &part["refusal"]]);
        for thought in part["thinking"].as_array().into_iter().flatten() {
            strings(&mut texts, &[&thought["text"]]);
        }
    }
    for detail in message["reasoning_details"].as_array().into_iter().flatten() {
        strings(&mut texts, &[&detail["text"], &detail["summary"]]);
    }
    for call in message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| &call["function"])
    {
        match &call["arguments"] {
            Value::Null => {}
            Value::String(text) => texts.push(text.clone()),
            raw => texts.push(raw.to_string()),
        }
    }
    strings(
        &mut texts,
        &[
            &message["function_call"]["arguments"],
            &message["audio"]["transcript"],
        ],
    );
    texts
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pain_n02_every_text_that_serde_json_finds_is_a_segment(seed: u64) {
        let body = Dice::new(seed).chat_request();
        let request = chat(&body);
        let value: Value = serde_json::from_str(&body).expect("valid");
        let mut expected = texts_by_serde(&value);
        let raw = |at: usize, text: String| {
            if request.segments()[at].raw { serde_json::from_str::<Value>(&text).expect("raw JSON").to_string() } else { text }
        };
        let segments = request.segments().iter().enumerate();
        let mut found: Vec<String> =
            segments.filter_map(|(at, _)| request.text(at).map(|text| raw(at, text.into_owned()))).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected, "{}", body);
        for (at, segment) in request.segments().iter().enumerate() {
            prop_assert_eq!(segment.length as usize, request.text(at).map_or(0, |text| text.len()));
        }
    }

    #[test]
    fn outbound_changes_the_model_and_the_usage_option_and_nothing_else(seed: u64, ask: bool) {
        let mut dice = Dice::new(seed);
        let body = dice.chat_request();
        let request = chat(&body);
        let outbound = request.outbound("other \"model\"", ask);
        let mut written = b"before".to_vec();
        outbound.write_into(&mut written);
        let written = written.split_off(6);
        prop_assert_eq!(outbound.len(), written.len());
        prop_assert_eq!(&outbound.pieces().collect::<Vec<_>>().concat(), &written);
        let mut expected: Value = serde_json::from_str(&body).expect("valid");
        expected["model"] = json!("other \"model\"");
        let adds = ask && request.stream() && !request.usage_asked();
        prop_assert_eq!(outbound.usage_added, adds);
        if adds {
            if !expected["stream_options"].is_object() {
                expected["stream_options"] = json!({});
            }
            expected["stream_options"]["include_usage"] = json!(true);
        }
        let sent = Request::read(Operation::Chat, written.clone().into(), &ReadLimits::default()).expect("still valid");
        prop_assert!(!adds || sent.usage_asked());
        prop_assert_eq!(serde_json::from_slice::<Value>(&written).expect("valid"), expected);
        prop_assert_eq!(told(&sent), told(&request));
    }
}
