//! Schemas, both ways: the cases are data in `schemas.json`.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{Codec, ToolKind};
use serde_json::{Value, json};

use super::{bytes, from_chat, lines, read_request, target};

fn cases(of: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("schemas.json")).expect("JSON");
    all[of].as_array().expect("cases").clone()
}

/// What a schema becomes for a model that takes no JSON Schema, and what is lost on the way.
fn down(schema: &Value) -> (Value, Vec<String>) {
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
    });
    let (written, losses) = from_chat(&body, "gemini-2.0-flash");
    let declaration = &written["tools"][0]["functionDeclarations"][0];
    assert!(declaration.get("parametersJsonSchema").is_none());
    (declaration["parameters"].clone(), lines(&losses))
}

#[test]
fn pain_e01_schemas_are_down_converted_and_what_is_dropped_is_named() {
    for case in cases("down") {
        let (schema, losses) = down(&case["schema"]);
        assert_eq!(schema, case["gemini"], "{}", case["name"]);
        let expected: Vec<&str> = case["losses"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let found: Vec<&str> = losses
            .iter()
            .map(|line| line.trim_start_matches("tools[0].parameters "))
            .collect();
        let sorted = |mut lines: Vec<&str>| -> Vec<String> {
            lines.sort_unstable();
            lines.iter().map(ToString::to_string).collect()
        };
        // which of them comes first is told by the order of members
        assert_eq!(sorted(found), sorted(expected), "{}", case["name"]);
    }
}

/// The words that Gemini's schemas have, down to the bottom.
fn judge(schema: &Value, at: &str) {
    const WORDS: [&str; 22] = [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "items",
        "minimum",
        "maximum",
        "default",
    ];
    let object = schema.as_object().unwrap_or_else(|| panic!("{at} is {schema}"));
    for (name, value) in object {
        assert!(WORDS.contains(&&**name), "{at}.{name}");
        match &**name {
            "properties" => value
                .as_object()
                .expect("an object")
                .iter()
                .for_each(|(name, inner)| judge(inner, &format!("{at}.{name}"))),
            "items" => judge(value, &format!("{at}[]")),
            "anyOf" => {
                assert_eq!(object.len(), 1, "{at}: nothing stands beside anyOf");
                value
                    .as_array()
                    .expect("a list")
                    .iter()
                    .for_each(|inner| judge(inner, at));
            }
            "enum" => assert!(
                value
                    .as_array()
                    .expect("a list")
                    .iter()
                    .all(|word| word.as_str().is_some_and(|word| !word.is_empty())),
                "{at}"
            ),
            "required" => {
                let properties = object
                    .get("properties")
                    .and_then(Value::as_object)
                    .expect("properties");
                assert!(
                    value
                        .as_array()
                        .expect("a list")
                        .iter()
                        .all(|name| properties.contains_key(name.as_str().expect("a name"))),
                    "{at}"
                );
            }
            _ => {}
        }
    }
    let kind = object.get("type").and_then(Value::as_str);
    let known = [
        "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL",
    ];
    assert!(
        object.contains_key("anyOf") || kind.is_some_and(|kind| known.contains(&kind)),
        "{at}: {schema}"
    );
    if kind == Some("ARRAY") {
        assert!(object.contains_key("items"), "{at}: a list says what it is of");
    }
}

#[test]
fn pain_e01_down_converted_schemas_have_nothing_that_the_models_refuse() {
    for case in cases("down") {
        let (schema, _) = down(&case["schema"]);
        if !schema.is_null() {
            judge(&schema, "");
        }
    }
}

#[test]
fn pain_e01_a_schema_that_refers_to_itself_ends() {
    let mut definitions = serde_json::Map::new();
    for at in 0..60 {
        let next = format!("#/$defs/d{}", at + 1);
        let inner: Value = (0..8)
            .map(|name| (format!("p{name}"), json!({"$ref": next})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        definitions.insert(format!("d{at}"), json!({"type": "object", "properties": inner}));
    }
    let doubling =
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions});
    let (schema, losses) = down(&doubling);
    judge(&schema, "");
    assert!(bytes(&schema).len() < 64 << 20);
    assert!(
        losses.iter().any(|line| line.contains("is cut where it nests")),
        "{losses:?}"
    );
}

#[test]
fn pain_e01_models_that_take_json_schema_get_it_as_it_is() {
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": 1}}, "additionalProperties": false});
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
    });
    for model in [
        "gemini-2.5-flash",
        "gemini-3-pro-preview",
        "gemini-flash-latest",
        "tunedModels/mine",
    ] {
        let (written, losses) = from_chat(&body, model);
        let declaration = &written["tools"][0]["functionDeclarations"][0];
        assert_eq!(declaration["parametersJsonSchema"], schema, "{model}");
        assert!(losses.is_empty(), "{:?}", lines(&losses));
    }
}

#[test]
fn geminis_schemas_become_json_schema() {
    for case in cases("up") {
        let body = bytes(&json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": case["gemini"]}]}],
        }));
        let request = read_request(&body).value;
        let ToolKind::Function {
            parameters: Some(schema),
            ..
        } = &request.tools[0].kind
        else {
            panic!("{}", case["name"]);
        };
        let schema: Value = serde_json::from_str(schema.get()).expect("JSON");
        assert_eq!(schema, case["schema"], "{}", case["name"]);
    }
}

#[test]
fn properties_come_in_the_order_that_is_asked_for() {
    let body = br#"{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":
        {"type":"OBJECT","propertyOrdering":["b","a"],"properties":{"a":{"type":"STRING"},"c":{"type":"STRING"},"b":{"type":"STRING"}}}}]}]}"#;
    let request = read_request(body).value;
    let written = Gemini
        .write_request(&request, &target("gemini-2.5-flash"))
        .expect("written");
    let text = String::from_utf8(written.bytes).expect("UTF-8");
    let at = |name: &str| text.find(name).expect("a property");
    assert!(
        at("\"b\":{") < at("\"a\":{") && at("\"a\":{") < at("\"c\":{"),
        "{text}"
    );
}
