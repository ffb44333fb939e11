//! Values between JSON and CEL, and how large they are; the numbers stay what they are.

use cel::Value;
use cel::objects::Key;
use serde_json::{Map, Number, Value as Json};

/// The members of a JSON object. An error says what is wrong with the text, not what is in it.
pub fn read(json: &str, longest: usize) -> Result<Vec<(String, Value)>, String> {
    if json.len() > longest {
        return Err(format!(
            "{} bytes of JSON, at most {longest} are taken",
            json.len()
        ));
    }
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let members: Map<String, Json> = serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("not a JSON object: line {line}, column {column}")
    })?;
    Ok(members
        .into_iter()
        .map(|(name, value)| (name, from_json(value)))
        .collect())
}

/// Nested no deeper than the JSON reader allows, which is 128 levels.
fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => from_number(&number),
        Json::String(text) => text.into(),
        Json::Array(values) => values.into_iter().map(from_json).collect::<Vec<_>>().into(),
        Json::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, from_json(value)));
            members.collect::<std::collections::HashMap<_, _>>().into()
        }
    }
}

/// Whole numbers are ints, as they are when written in an expression.
fn from_number(number: &Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(int), _) => Value::Int(int),
        (None, Some(uint)) => Value::UInt(uint),
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// One for the value itself, for each value within it, and for each 32 bytes of text.
pub fn size(value: &Value) -> u64 {
    match value {
        Value::String(text) => text_size(text.len()),
        Value::List(values) => 1 + values.iter().map(size).sum::<u64>(),
        Value::Map(members) => {
            let sizes = members.map.iter().map(|(key, value)| key_size(key) + size(value));
            1 + sizes.sum::<u64>()
        }
        _ => 1,
    }
}

/// Of a text with so many bytes.
pub fn text_size(bytes: usize) -> u64 {
    1 + bytes as u64 / 32
}

fn key_size(key: &Key) -> u64 {
    match key {
        Key::String(text) => text_size(text.len()),
        _ => 1,
    }
}

/// The value as JSON text.
pub fn write(value: &Value, longest: usize) -> Result<String, String> {
    let json = to_json(value)?.to_string();
    if json.len() > longest {
        return Err(format!("its value is over {longest} bytes of JSON"));
    }
    Ok(json)
}

fn to_json(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number)
            .map(Json::Number)
            .ok_or("its value is not a number that JSON has")?,
        Value::String(text) => Json::String(text.as_ref().clone()),
        Value::List(values) => Json::Array(values.iter().map(to_json).collect::<Result<_, _>>()?),
        Value::Map(members) => {
            let members = members
                .map
                .iter()
                .map(|(key, value)| Ok((key_text(key), to_json(value)?)));
            Json::Object(members.collect::<Result<_, String>>()?)
        }
        other => return Err(format!("JSON has no {}", other.type_of())),
    })
}

fn key_text(key: &Key) -> String {
    match key {
        Key::String(text) => text.as_ref().clone(),
        other => other.to_string(),
    }
}
