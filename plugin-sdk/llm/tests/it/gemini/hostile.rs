//! Input that nobody should send: it is read or refused, and nothing else happens.

use penstock_llm::gemini::{Gemini, Surface, read_count, read_count_request, write_count_request};
use penstock_llm::model::{Codec, Events, StreamFrame};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{ENVELOPE, asked, bytes, target};

/// Names that mean something somewhere, and some that do not.
const NAMES: [&str; 40] = [
    "contents",
    "parts",
    "role",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "functionResponse",
    "name",
    "args",
    "id",
    "response",
    "output",
    "inlineData",
    "fileData",
    "mimeType",
    "data",
    "tools",
    "functionDeclarations",
    "parameters",
    "type",
    "properties",
    "items",
    "anyOf",
    "enum",
    "const",
    "$ref",
    "$defs",
    "allOf",
    "required",
    "candidates",
    "content",
    "finishReason",
    "usageMetadata",
    "groundingMetadata",
    "groundingSupports",
    "error",
    "promptFeedback",
    "blockReason",
    "x",
];

fn any_value() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "a",
        "user",
        "model",
        "OBJECT",
        "string",
        "null",
        "STOP",
        "#",
        "#/$defs/x",
        "$.a[0].b",
        "AAAA",
        "ü\u{1f600}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let members = prop::collection::vec((prop::sample::select(NAMES.to_vec()), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
            )),
        ]
    })
}

fn try_everything(body: &[u8]) {
    for model in ["gemini-2.0-flash", "gemini-3-pro-preview"] {
        if let Ok(read) = Gemini.read_request(body, &asked(model))
            && let Ok(written) = Gemini.write_request(&read.value, &target(model))
        {
            serde_json::from_slice::<Value>(&written.bytes).expect("JSON");
        }
        if let Ok(read) = read_count_request(body, &asked(model)) {
            let _ = write_count_request(&read.value, &target(model), Surface::AiStudio);
        }
    }
    if let Ok(read) = Gemini.read_answer(body) {
        let written = Gemini.write_answer(&read.value, &ENVELOPE);
        serde_json::from_slice::<Value>(&written.bytes).expect("JSON");
    }
    let _ = read_count(body);
    let error = Gemini.read_error(200, None, body);
    assert!(error.status >= 400);
    serde_json::from_slice::<Value>(&Gemini.write_error(&error)).expect("JSON");
    let (mut reader, mut events) = (Gemini.stream_reader(), Events::new());
    let mut writer = Gemini.stream_writer(&ENVELOPE);
    reader.read(StreamFrame::data(body), &mut events);
    reader.read(StreamFrame::data(body), &mut events);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    let mut events = Events::new();
    reader.end(&mut events);
    events.iter().for_each(|event| writer.write(event, &mut out));
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in any_value()) {
        try_everything(&bytes(&value));
        try_everything(&bytes(&json!({"contents": value})));
        try_everything(&bytes(&json!({"contents": [{"parts": value}]})));
        try_everything(&bytes(&json!({"candidates": [{"content": {"parts": value.clone()}, "groundingMetadata": value}]})));
    }

    #[test]
    fn pain_e01_any_schema_is_converted(schema in any_value()) {
        let schema = json!({"type": "object", "properties": {"a": schema}, "$defs": {"x": schema}});
        let body = json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}]});
        try_everything(&bytes(&body));
        let up = json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]});
        try_everything(&bytes(&up));
    }

    #[test]
    fn any_bytes_are_refused_in_words(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        try_everything(&bytes);
    }
}

#[test]
fn a_body_that_nests_without_end_is_refused() {
    let deep = format!("{{\"contents\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    try_everything(deep.as_bytes());
    let schema = format!("{}1{}", "{\"items\":".repeat(110), "}".repeat(110));
    let body = format!(
        "{{\"contents\":[{{\"parts\":[{{\"text\":\"a\"}}]}}],\"tools\":[{{\"functionDeclarations\":[{{\"name\":\"f\",\"parameters\":{schema}}}]}}]}}"
    );
    try_everything(body.as_bytes());
}

#[test]
fn many_calls_and_results_are_paired_in_their_number() {
    let calls: Vec<Value> = (0..20_000)
        .map(|at| json!({"functionCall": {"name": format!("f{at}"), "args": {}}}))
        .collect();
    let results: Vec<Value> = (0..20_000)
        .rev()
        .map(|at| json!({"functionResponse": {"name": format!("f{at}"), "response": {}}}))
        .collect();
    let body = json!({"contents": [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]});
    try_everything(&bytes(&body));
}
