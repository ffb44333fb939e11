//! Rules for single fields: by hand where a comma could be left over, and against a reading of the whole tree.

use bytes::Bytes;
use penstock_llm::openai::{Operation, ReadLimits, Request};
use penstock_llm::rules::{Action, FieldPath, Rule, Rules};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn rule(field: &str, action: Action) -> Rule {
    Rule {
        field: FieldPath::parse(field).expect(field),
        action,
    }
}

fn drop(field: &str) -> Rule {
    rule(field, Action::Drop)
}

fn rename(field: &str, to: &str) -> Rule {
    rule(field, Action::Rename(to.into()))
}

fn clamp(field: &str, least: f64, most: f64) -> Rule {
    let (least, most) = (Some(least), Some(most));
    rule(field, Action::Clamp { least, most })
}

fn default(field: &str, value: &str) -> Rule {
    rule(field, Action::Default(value.into()))
}

/// What becomes of a body, and what is told of it.
fn under(rules: &[Rule], body: &str) -> (String, String) {
    let mut bytes = body.as_bytes().to_vec();
    let told = Rules::new(rules.to_vec()).apply(&mut bytes);
    (String::from_utf8(bytes).expect("UTF-8"), told.join(" "))
}

#[test]
fn a_dropped_field_takes_its_comma_along_and_nothing_else_moves() {
    let rules = [drop("a"), drop("b")];
    for (body, expected) in [
        (r#"{ "a" : 1 , "x": 2 }"#, r#"{ "x": 2 }"#),
        (r#"{ "x": 2 , "a":[1,{"a":2}] }"#, r#"{ "x": 2 }"#),
        (r#"{"x":1,"a":2,"b":3}"#, r#"{"x":1}"#),
        (r#"{"a":2,"b":3}"#, r#"{}"#),
        (r#"{"a":1,"x":2,"b":3,"y":4}"#, r#"{"x":2,"y":4}"#),
        (r#"{"\u0061":1,"x":{"a":1}}"#, r#"{"x":{"a":1}}"#),
        (r#"[{"a":1}]"#, r#"[{"a":1}]"#),
    ] {
        assert_eq!(under(&rules, body).0, expected, "{body}");
    }
    assert_eq!(under(&rules, r#"{"b":1,"x":0}"#).1, "b");
}

#[test]
fn a_renamed_field_keeps_its_value_and_gives_way_to_one_that_has_the_name() {
    let rules = [rename("max_completion_tokens", "max_tokens")];
    assert_eq!(
        under(&rules, r#"{"max_completion_tokens": 1e2}"#),
        (r#"{"max_tokens": 1e2}"#.into(), "max_completion_tokens".into())
    );
    assert_eq!(
        under(&rules, r#"{"max_completion_tokens":5,"max_tokens":7}"#),
        (r#"{"max_tokens":7}"#.into(), "max_completion_tokens".into())
    );
    let two = [rename("a", "c"), rename("b", "c")];
    assert_eq!(under(&two, r#"{"a":1,"b":2}"#).0, r#"{"c":1}"#);
}

#[test]
fn a_number_beyond_its_bounds_becomes_the_bound() {
    let rules = [clamp("temperature", 0.0, 1.5), clamp("n", 1.0, 1.0)];
    assert_eq!(
        under(&rules, r#"{"temperature":2.0,"n":4}"#),
        (r#"{"temperature":1.5,"n":1}"#.into(), "temperature n".into())
    );
    let fits = r#"{"temperature":1.50,"n":null}"#;
    assert_eq!(under(&rules, fits), (fits.into(), String::new()));
}

#[test]
fn what_is_missing_is_added_once_and_not_told() {
    let rules = [
        drop("model"),
        default("anthropic_version", "\"v1\""),
        default("x", "0"),
    ];
    assert_eq!(
        under(&rules, r#"{"model":"m"}"#),
        (r#"{"anthropic_version":"v1","x":0}"#.into(), String::new())
    );
    assert_eq!(
        under(&rules, r#"{"x":1,"model":"m"}"#).0,
        r#"{"x":1,"anthropic_version":"v1"}"#
    );
    assert_eq!(under(&rules, "{}").0, r#"{"anthropic_version":"v1","x":0}"#);
}

#[test]
fn rules_reach_into_objects_and_every_element_of_arrays() {
    let rules = [
        drop("messages[].name"),
        drop("tools[].function.strict"),
        drop("response_format.json_schema.strict"),
        clamp("generationConfig.topK", 1.0, 40.0),
    ];
    let body = r#"{"messages":[{"role":"user","name":"a"},{"name":"b","role":"user"},7],"tools":[{"function":{"strict":true,"name":"f"}}],"response_format":{"json_schema":{"strict":true}},"generationConfig":{"topK":64}}"#;
    let (sent, told) = under(&rules, body);
    assert_eq!(
        sent,
        r#"{"messages":[{"role":"user"},{"role":"user"},7],"tools":[{"function":{"name":"f"}}],"response_format":{"json_schema":{}},"generationConfig":{"topK":40}}"#
    );
    assert_eq!(
        told,
        "messages[].name tools[].function.strict response_format.json_schema.strict generationConfig.topK"
    );
}

#[test]
fn a_path_that_is_none_is_refused() {
    for wrong in [
        "",
        "a.",
        ".a",
        "a[]",
        "[]",
        "a[0].b",
        "a.[].b",
        "a.b.c.d.e.f.g.h.i",
    ] {
        assert!(FieldPath::parse(wrong).is_none(), "{wrong}");
    }
    assert_eq!(FieldPath::parse("a[].b").unwrap().name(), "b");
}

#[test]
fn rules_and_the_gateways_own_edits_go_out_in_one_body() {
    let rules = Rules::new([
        drop("logit_bias"),
        rename("model", "model_id"),
        default("project_id", "\"p\""),
    ]);
    for (body, expected) in [
        (
            r#"{"model":"m","logit_bias":{},"messages":[],"stream":true}"#,
            r#"{"model_id":"other","messages":[],"stream":true,"stream_options":{"include_usage":true},"project_id":"p"}"#,
        ),
        (
            r#"{"messages":[],"stream":true,"logit_bias":{},"model":"m"}"#,
            r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true},"model_id":"other","project_id":"p"}"#,
        ),
        (
            r#"{"messages":[],"model":"m","stream":true,"logit_bias":{}}"#,
            r#"{"messages":[],"model_id":"other","stream":true,"stream_options":{"include_usage":true},"project_id":"p"}"#,
        ),
    ] {
        let request = Request::read(Operation::Chat, Bytes::from(body), &ReadLimits::default()).unwrap();
        let (outbound, told) = request.outbound_under(&rules, "other", true);
        assert!(outbound.usage_added);
        let pieces: Vec<u8> = outbound.pieces().flatten().collect();
        assert_eq!(String::from_utf8(pieces).unwrap(), expected);
        assert_eq!(outbound.len(), expected.len());
        assert_eq!(outbound.into_bytes(), expected);
        assert_eq!(told, ["logit_bias".into()]);
    }
    let body = Bytes::from(r#"{"messages":[],"model":"m"}"#);
    let request = Request::read(Operation::Chat, body, &ReadLimits::default()).unwrap();
    let dropped = Rules::new([drop("model")]);
    let (outbound, told) = request.outbound_under(&dropped, "other", true);
    assert_eq!(outbound.into_bytes(), r#"{"messages":[]}"#);
    assert!(told.is_empty());
    let none = Rules::new([drop("seed")]);
    assert!(request.outbound_under(&none, "m", false).0.is_unchanged());
}

/// The same rules on a tree, level by level.
fn reference(rules: &[Rule], value: &mut Value) {
    let Value::Object(members) = value else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    let mut kept: Vec<(String, Value)> = Vec::new();
    for name in &names {
        let mut sent = Some((name.clone(), members[name].clone()));
        for rule in rules.iter().filter(|rule| rule.field.as_str() == name) {
            match &rule.action {
                Action::Drop => sent = None,
                Action::Rename(to) => {
                    let taken = names.iter().any(|name| **name == **to)
                        || kept.iter().any(|(name, _)| **name == **to);
                    sent = sent.filter(|_| !taken).map(|(_, value)| (to.to_string(), value));
                }
                Action::Clamp { least, most } => {
                    if let Some((_, value)) = &mut sent
                        && let Some(number) = value.as_f64()
                    {
                        let bounded = number.clamp(least.unwrap(), most.unwrap());
                        if bounded.total_cmp(&number).is_ne() {
                            *value = json!(bounded);
                        }
                    }
                }
                Action::Default(_) => {}
            }
        }
        kept.extend(sent);
    }
    for rule in rules {
        let Action::Default(value) = &rule.action else {
            continue;
        };
        let name = rule.field.as_str().to_owned();
        if !kept.iter().any(|(kept, _)| *kept == name) {
            kept.push((name, serde_json::from_str(value).unwrap()));
        }
    }
    *members = Map::from_iter(kept);
}

fn number(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), number(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn actions() -> impl Strategy<Value = Vec<Rule>> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let one =
        (name.clone(), 0..4, prop::sample::select(vec!["p", "q", "e"])).prop_map(
            |(name, kind, to)| match kind {
                0 => drop(name),
                1 => rename(name, to),
                2 => clamp(name, -1.0, 1.0),
                _ => default(name, "[0]"),
            },
        );
    prop::collection::vec(one, 0..4).prop_map(|rules| {
        // two rules of one field are for the hand-written cases
        let mut seen = Vec::new();
        let is_new = |rule: &Rule| {
            let name = rule.field.as_str().to_owned();
            let is_new = !seen.contains(&name);
            seen.push(name);
            is_new
        };
        rules.into_iter().filter(is_new).collect()
    })
}

fn objects() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        (-3..3_i64).prop_map(|n| json!(n)),
        Just(json!("text, with }")),
        Just(json!({"a": 1, "b": [1, 2]})),
        Just(Value::Null),
    ];
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "q"]);
    prop::collection::vec((name, value), 0..7).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>()
            .into()
    })
}

proptest! {
    #[test]
    fn rules_do_to_bytes_what_they_would_do_to_a_tree(rules in actions(), body in objects(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let (sent, _) = under(&rules, &text);
        let mut expected = body.clone();
        reference(&rules, &mut expected);
        let sent: Value = serde_json::from_str(&sent).map_err(|error| TestCaseError::fail(format!("{error}: {sent}")))?;
        prop_assert_eq!(number(&sent), number(&expected));
    }
}
