//! A value that a JSON schema accepts, for structured output and tool arguments. Covers what SDKs generate from types.

use serde_json::{Map, Value};

/// Deeper schemas are cut with null: a schema may refer to itself.
const MAX_DEPTH: usize = 16;

/// The value for `schema`; references are looked up in its own `$defs` or `definitions`. Strings say `text`.
pub fn sample(schema: &Value, text: &str) -> Value {
    value(schema, schema, text, 0)
}

fn value(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"]
        .as_str()
        .and_then(|name| root.pointer(name.trim_start_matches('#')))
    {
        return value(target, root, text, depth + 1);
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema.get("default")) {
        return fixed.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|list| list.first()) {
        return first.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].as_array().and_then(|list| list.first()) {
            return value(first, root, text, depth + 1);
        }
    }
    of_type(schema, root, text, depth)
}

fn of_type(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    let kind = match &schema["type"] {
        Value::Array(list) => list.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    match kind.or(schema.get("properties").map(|_| "object")) {
        Some("object") => object(schema, root, text, depth),
        Some("array") => {
            let items = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
            let item = value(&schema["items"], root, text, depth + 1);
            Value::Array((0..items).map(|_| item.clone()).collect())
        }
        Some("integer") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("number") => schema["minimum"].as_f64().unwrap_or(1.5).into(),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        _ => string(schema, text).into(),
    }
}

fn object(schema: &Value, root: &Value, text: &str, depth: usize) -> Value {
    let Some(properties) = schema["properties"].as_object() else {
        return Value::Object(Map::new());
    };
    let member = |(name, inner): (&String, &Value)| (name.clone(), value(inner, root, text, depth + 1));
    Value::Object(properties.iter().map(member).collect())
}

fn string(schema: &Value, text: &str) -> String {
    match schema["format"].as_str() {
        Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
        Some("date") => "2026-01-01".to_owned(),
        Some("time") => "00:00:00Z".to_owned(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".to_owned(),
        Some("email") => "mock@example.com".to_owned(),
        Some("uri" | "url") => "https://example.com/".to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::sample;
    use serde_json::json;

    #[test]
    fn a_schema_as_an_sdk_writes_it_gets_every_property() {
        let schema = json!({
            "type": "object", "required": ["name", "steps", "kind", "note"],
            "properties": {
                "name": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}},
                "note": {"anyOf": [{"type": "null"}, {"type": "string"}]}, "at": {"type": "string", "format": "date"},
            },
            "$defs": {"Step": {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}}},
        });
        let expected = json!({
            "name": "hi", "kind": "a", "steps": [{"n": 1, "ok": true}], "note": null, "at": "2026-01-01",
        });
        assert_eq!(sample(&schema, "hi"), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema =
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}});
        assert!(sample(&schema, "x").is_object());
    }
}
