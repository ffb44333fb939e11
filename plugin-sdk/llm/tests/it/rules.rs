//! Rules for single fields: by hand where a comma could be left over, and against a reading of the whole tree.

use bytes::Bytes;
use penstock_llm::json;
use penstock_llm::model::Json;
use penstock_llm::openai::{BodyError, BodyErrorKind, Operation, ReadLimits, Request};
use penstock_llm::rules::{Action, FieldPath, Otherwise, Rule, Rules};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use Otherwise::{Nearest, Refuse};

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
    bounded(field, Some(least), Some(most), Nearest)
}

fn bounded(field: &str, least: Option<f64>, most: Option<f64>, otherwise: Otherwise) -> Rule {
    let action = Action::Clamp {
        least,
        most,
        otherwise,
    };
    rule(field, action)
}

fn value(text: &str) -> Json<'static> {
    Json::new(text.to_owned()).expect("JSON")
}

fn default(field: &str, text: &str) -> Rule {
    rule(field, Action::Default(value(text)))
}

fn set(field: &str, text: &str) -> Rule {
    rule(field, Action::Set(value(text)))
}

fn map(field: &str, pairs: &[(&str, &str)]) -> Rule {
    let pairs = pairs.iter().map(|(from, to)| (value(from), value(to)));
    rule(field, Action::Map(pairs.collect()))
}

fn allow(field: &str, values: &[&str], otherwise: Otherwise) -> Rule {
    let values = values.iter().map(|text| value(text)).collect();
    rule(field, Action::Allow { values, otherwise })
}

fn most_items(field: &str, most: usize, otherwise: Otherwise) -> Rule {
    rule(field, Action::MostItems { most, otherwise })
}

fn refuse(field: &str) -> Rule {
    rule(field, Action::Refuse)
}

/// What becomes of a body, and what is told of it.
fn under(rules: &[Rule], body: &str) -> (String, String) {
    let mut bytes = body.as_bytes().to_vec();
    let told = Rules::new(rules.to_vec()).apply(&mut bytes);
    let told = told.unwrap_or_else(|error| panic!("{body}: {error}"));
    (String::from_utf8(bytes).expect("UTF-8"), told.join(" "))
}

/// Why a body is refused, which is then as it was.
fn refusal(rules: &[Rule], body: &str) -> BodyError {
    let mut bytes = body.as_bytes().to_vec();
    let told = Rules::new(rules.to_vec()).apply(&mut bytes);
    assert_eq!(bytes, body.as_bytes());
    told.expect_err(body)
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
fn a_body_of_members_without_end_is_refused_and_one_of_many_is_taken() {
    let rules = [rename("a", "b"), drop("tools[].x"), drop("deep[].deeper[].x")];
    let many = |count: usize, one: &str| vec![one; count].join(",");
    // nulls under a name that a rule gives away, which each would have to be compared with all others
    let nulls = format!(r#"{{"a":1,{}}}"#, many(65_535, r#""b":null"#));
    assert_eq!(under(&rules, &nulls).0, r#"{"b":1}"#);
    let others = format!("{{{}}}", many(65_537, r#""c":null"#));
    assert_eq!(
        refusal(&rules, &others).message,
        TOO_MANY.replace("FIELD", "the body")
    );
    let elements = format!(r#"{{"tools":[{}]}}"#, many(65_537, "0"));
    let error = refusal(&rules, &elements);
    assert_eq!(error.kind, BodyErrorKind::TooMany);
    assert_eq!(error.message, TOO_MANY.replace("FIELD", "`tools`"));
    let inner = format!(r#"{{"deeper":[{}]}}"#, many(1_000, r#"{"x":1}"#));
    let places = format!(r#"{{"deep":[{}]}}"#, many(100, &inner));
    assert_eq!(refusal(&rules, &places).kind, BodyErrorKind::TooMany);
}

const TOO_MANY: &str = "FIELD has more than 65536 members, elements or places for a rule: send fewer";

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
        let (outbound, told) = request.outbound_under(&rules, "other", true).unwrap();
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
    let (outbound, told) = request.outbound_under(&dropped, "other", true).unwrap();
    assert_eq!(outbound.into_bytes(), r#"{"messages":[]}"#);
    assert!(told.is_empty());
    let none = Rules::new([drop("seed")]);
    let (outbound, _) = request.outbound_under(&none, "m", false).unwrap();
    assert!(outbound.is_unchanged());
    let refused = Rules::new([refuse("messages")]);
    let error = request.outbound_under(&refused, "m", false).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("messages"));
}

#[test]
fn pain_i01_a_value_becomes_another_and_the_rest_of_the_body_stays() {
    let rules = [
        map(
            "reasoning_effort",
            &[("\"minimal\"", "\"low\""), ("\"max\"", "\"high\"")],
        ),
        map("tool_choice", &[("\"any\"", "{\"type\":\"any\"}"), ("1", "true")]),
    ];
    assert_eq!(
        under(
            &rules,
            r#"{"a": 1.0e0, "reasoning_effort" : "m\u0069nimal" , "b":[ ]}"#
        ),
        (
            r#"{"a": 1.0e0, "reasoning_effort" : "low" , "b":[ ]}"#.into(),
            "reasoning_effort".into()
        )
    );
    assert_eq!(
        under(&rules, r#"{"tool_choice":"any"}"#).0,
        r#"{"tool_choice":{"type":"any"}}"#
    );
    assert_eq!(
        under(&rules, r#"{"tool_choice":1.0}"#).0,
        r#"{"tool_choice":true}"#
    );
    for same in [
        r#"{"reasoning_effort":"high","tool_choice":"1"}"#,
        r#"{"reasoning_effort":null,"tool_choice":["any"]}"#,
    ] {
        assert_eq!(under(&rules, same), (same.into(), String::new()));
    }
}

#[test]
fn pain_i01_a_value_that_is_not_allowed_is_dropped_or_refused() {
    let dropped = [allow("temperature", &["1"], Otherwise::Drop)];
    assert_eq!(
        under(&dropped, r#"{"temperature":0.2,"x":1}"#),
        (r#"{"x":1}"#.into(), "temperature".into())
    );
    for same in [r#"{"temperature":1.00}"#, r#"{"temperature":null}"#] {
        assert_eq!(under(&dropped, same), (same.into(), String::new()));
    }
    let refused = [allow("service_tier", &["\"auto\"", "\"flex\""], Refuse)];
    let error = refusal(&refused, r#"{"service_tier":"priority"}"#);
    assert_eq!(
        error.message,
        r#"`service_tier` must be one of "auto", "flex" for this model: send that, or leave it out"#
    );
}

#[test]
fn pain_i01_a_list_that_is_too_long_keeps_its_first_elements() {
    let rules = [most_items("stop", 2, Nearest)];
    assert_eq!(
        under(&rules, r#"{"stop": [ "a", "b" , "c","d"]}"#),
        (r#"{"stop": [ "a", "b"]}"#.into(), "stop".into())
    );
    for same in [
        r#"{"stop":["a","b"]}"#,
        r#"{"stop":"abc"}"#,
        r#"{"stop":{"a":1,"b":2,"c":3}}"#,
    ] {
        assert_eq!(under(&rules, same), (same.into(), String::new()));
    }
    assert_eq!(
        under(&[most_items("stop", 0, Nearest)], r#"{"stop":["a"]}"#).0,
        r#"{"stop":[]}"#
    );
    let none = [most_items("stop", 0, Otherwise::Drop)];
    assert_eq!(under(&none, r#"{"stop":["a"]}"#).0, "{}");
    let error = refusal(&[most_items("stop", 2, Refuse)], r#"{"stop":[1,2,3]}"#);
    assert_eq!(
        error.message,
        "`stop` can have at most 2 elements for this model: send fewer"
    );
}

#[test]
fn pain_i03_a_refusal_names_the_field_its_limit_and_what_to_do() {
    let cases: &[(Rule, &str, &str, &str)] = &[
        (
            refuse("logprobs"),
            r#"{"logprobs":true}"#,
            "logprobs",
            "cannot be sent to this model: leave it out",
        ),
        (
            bounded("max_tokens", None, Some(4096.0), Refuse),
            r#"{"max_tokens":4097}"#,
            "max_tokens",
            "must be at most 4096 for this model: send less, or leave it out",
        ),
        (
            bounded("budget", Some(1024.0), None, Refuse),
            r#"{"budget":-1e3}"#,
            "budget",
            "must be at least 1024 for this model: send more, or leave it out",
        ),
        (
            bounded("generationConfig.temperature", Some(0.0), Some(1.5), Refuse),
            r#"{"generationConfig":{"temperature":2}}"#,
            "generationConfig.temperature",
            "must be between 0 and 1.5 for this model: send such a number, or leave it out",
        ),
        (
            bounded("n", Some(1.0), Some(1.0), Refuse),
            r#"{"n":2}"#,
            "n",
            "can only be 1 for this model: send that, or leave it out",
        ),
        (
            refuse("tools[].function.strict"),
            r#"{"tools":[{"function":{}},{"function":{"strict":true}}]}"#,
            "tools[1].function.strict",
            "cannot be sent to this model: leave it out",
        ),
    ];
    for (rule, body, param, message) in cases {
        let error = refusal(std::slice::from_ref(rule), body);
        assert_eq!(error.kind, BodyErrorKind::Unsupported);
        assert_eq!(error.param.as_deref(), Some(*param));
        assert_eq!(error.message, format!("`{param}` {message}"));
    }
    let null = r#"{"logprobs":null}"#;
    assert_eq!(under(&[refuse("logprobs")], null), (null.into(), String::new()));
}

#[test]
fn what_is_set_is_sent_whatever_came() {
    let rules = [
        set("service_tier", "\"flex\""),
        set("reasoning.effort", "\"low\""),
    ];
    assert_eq!(
        under(&rules, r#"{"service_tier":"auto","reasoning":{}}"#),
        (
            r#"{"service_tier":"flex","reasoning":{"effort":"low"}}"#.into(),
            "service_tier".into()
        )
    );
    assert_eq!(
        under(&rules, "{}"),
        (r#"{"service_tier":"flex"}"#.into(), String::new())
    );
    let same = r#"{"service_tier":"fle\u0078"}"#;
    assert_eq!(under(&rules, same), (same.into(), String::new()));
    let default = [default("max_tokens", "4096")];
    assert_eq!(
        under(&default, r#"{"max_tokens":null,"x":1}"#),
        (r#"{"max_tokens":4096,"x":1}"#.into(), String::new())
    );
}

#[test]
fn rules_of_one_field_are_done_in_order_and_the_later_one_of_a_kind_counts() {
    let body = r#"{"a":5}"#;
    for (rules, expected) in [
        (vec![clamp("a", 0.0, 2.0), clamp("a", 0.0, 9.0)], r#"{"a":5}"#),
        (
            vec![clamp("a", 0.0, 2.0), map("a", &[("2", "\"two\"")])],
            r#"{"a":"two"}"#,
        ),
        (
            vec![map("a", &[("2", "\"two\"")]), clamp("a", 0.0, 2.0)],
            r#"{"a":2}"#,
        ),
        (vec![drop("a"), set("a", "1")], r#"{"a":1}"#),
        (vec![set("a", "1"), drop("a")], "{}"),
        (vec![drop("a"), default("a", "0")], r#"{"a":0}"#),
        (vec![refuse("a"), drop("a")], "{}"),
        (
            vec![drop("a"), rename("a", "b"), rule("a", Action::Forward)],
            body,
        ),
        (vec![set("a", "7"), rename("a", "b")], r#"{"b":7}"#),
    ] {
        assert_eq!(under(&rules, body).0, expected, "{rules:?}");
    }
    let added = [default("a", "0"), rename("a", "b"), default("b", "1")];
    assert_eq!(under(&added, "{}").0, r#"{"b":0}"#);
    assert_eq!(under(&added, r#"{"b":2}"#).0, r#"{"b":2}"#);
}

#[test]
fn pain_i03_a_renamed_field_is_under_the_rules_of_its_new_name() {
    let new = "max_completion_tokens";
    let limited = [rename("max_tokens", new), clamp(new, 1.0, 100.0)];
    assert_eq!(
        under(&limited, r#"{"max_tokens":500}"#).0,
        r#"{"max_completion_tokens":100}"#
    );
    let refused = [rename("max_tokens", new), bounded(new, None, Some(100.0), Refuse)];
    let error = refusal(&refused, r#"{"max_tokens":500}"#);
    assert_eq!(
        error.message,
        "`max_tokens` must be at most 100 for this model: send less, or leave it out"
    );
    // a null under the new name is no value that it would have to give way to
    assert_eq!(
        under(&limited, r#"{"max_completion_tokens":null,"max_tokens":5}"#),
        (
            r#"{"max_completion_tokens":5}"#.into(),
            "max_completion_tokens max_tokens".into()
        )
    );
    let nulls = r#"{"max_tokens":null,"max_completion_tokens":null}"#;
    assert_eq!(under(&limited, nulls).0, r#"{"max_completion_tokens":null}"#);
}

/// What o-series models, Claude with thinking, Grok's and DeepSeek's reasoning models do not take, as an operator says it.
#[test]
fn pain_i03_the_bodies_of_reasoning_models_go_out_without_what_they_refuse() {
    let openai = [
        rename("max_tokens", "max_completion_tokens"),
        allow("temperature", &["1"], Otherwise::Drop),
        allow("top_p", &["1"], Otherwise::Drop),
        allow("presence_penalty", &["0"], Otherwise::Drop),
        drop("stop"),
        drop("logprobs"),
    ];
    assert_eq!(
        under(
            &openai,
            r#"{"model":"o3","messages":[{"role":"user","content":"temperature, stop"}],"temperature":0.2,"top_p":1,"stop":["\n"],"max_tokens":256,"presence_penalty":0.0,"x_new":{"stop":1}}"#
        ),
        (
            r#"{"model":"o3","messages":[{"role":"user","content":"temperature, stop"}],"top_p":1,"max_completion_tokens":256,"presence_penalty":0.0,"x_new":{"stop":1}}"#.into(),
            "temperature stop max_tokens".into()
        )
    );
    let claude = [
        set("temperature", "1"),
        drop("top_k"),
        clamp("thinking.budget_tokens", 1024.0, 32000.0),
    ];
    assert_eq!(
        under(
            &claude,
            r#"{"model":"c","max_tokens":9000,"temperature":0,"thinking":{"type":"enabled","budget_tokens":64},"top_k":5}"#
        ),
        (
            r#"{"model":"c","max_tokens":9000,"temperature":1,"thinking":{"type":"enabled","budget_tokens":1024}}"#.into(),
            "temperature thinking.budget_tokens top_k".into()
        )
    );
}

/// The same rules on a tree, level by level; none where one refuses.
fn reference(rules: &[Rule], value: &mut Value) -> Option<()> {
    let Value::Object(members) = value else {
        return Some(());
    };
    let of = |name: &str| {
        rules
            .iter()
            .filter(move |rule| rule.field.as_str() == name)
            .collect::<Vec<_>>()
    };
    let new_name = |name: &str| {
        let to = of(name).into_iter().find_map(|rule| match &rule.action {
            Action::Rename(to) => Some(to.to_string()),
            _ => None,
        });
        to.unwrap_or_else(|| name.to_owned())
    };
    let mut sent: Vec<(String, Value)> = Vec::new();
    for (name, value) in members.iter() {
        if let Some(value) = judged(&of(name), Some(value.clone()))? {
            sent.push((name.clone(), value));
        }
    }
    let stays_null = |name: &str, sent: &[(String, Value)]| {
        members[name].is_null() && sent.contains(&(name.to_owned(), Value::Null))
    };
    let mut kept: Vec<(String, Value)> = Vec::new();
    for (name, value) in &sent {
        let to = new_name(name);
        let is_void = stays_null(name, &sent);
        let is_overtaken = if to == *name {
            let gets = |(other, _): &(String, Value)| {
                other != name && new_name(other) == *name && !stays_null(other, &sent)
            };
            is_void && sent.iter().any(gets)
        } else {
            let is_taken = members.contains_key(&to) && (is_void || !stays_null(&to, &sent));
            is_taken || kept.iter().any(|(kept, _)| *kept == to)
        };
        if !is_overtaken {
            kept.push((to, value.clone()));
        }
    }
    for rule in rules {
        let name = rule.field.as_str();
        let to = new_name(name);
        if !members.contains_key(name)
            && !kept.iter().any(|(kept, _)| *kept == to)
            && let Some(value) = judged(&of(name), None)?
        {
            kept.push((to, value));
        }
    }
    *members = Map::from_iter(kept);
    Some(())
}

fn judged(rules: &[&Rule], came: Option<Value>) -> Option<Option<Value>> {
    let mut value = came;
    for rule in rules {
        value = one(&rule.action, value)?;
    }
    Some(value)
}

fn one(action: &Action, came: Option<Value>) -> Option<Option<Value>> {
    let tree = |json: &Json<'_>| serde_json::from_str::<Value>(json.get()).unwrap();
    let (action, came) = match (action, came) {
        (Action::Drop, _) => return Some(None),
        (Action::Set(value) | Action::Default(value), None | Some(Value::Null)) => {
            return Some(Some(tree(value)));
        }
        (_, came @ (None | Some(Value::Null))) => return Some(came),
        (action, Some(came)) => (action, came),
    };
    let fails = |nearest: Option<Value>, otherwise: Otherwise| match otherwise {
        Otherwise::Nearest => Some(nearest),
        Otherwise::Drop => Some(None),
        Otherwise::Refuse => None,
    };
    match action {
        Action::Refuse => None,
        Action::Set(value) => Some(Some(tree(value))),
        Action::Map(pairs) => {
            let pair = pairs
                .iter()
                .find(|(from, _)| number(&tree(from)) == number(&came));
            Some(Some(pair.map_or(came, |(_, to)| tree(to))))
        }
        Action::Clamp {
            least,
            most,
            otherwise,
        } => match came.as_f64() {
            Some(number) if number < least.unwrap() => fails(Some(json!(least)), *otherwise),
            Some(number) if number > most.unwrap() => fails(Some(json!(most)), *otherwise),
            _ => Some(Some(came)),
        },
        Action::Allow { values, otherwise } => {
            if values.iter().any(|one| number(&tree(one)) == number(&came)) {
                return Some(Some(came));
            }
            fails(None, *otherwise)
        }
        Action::MostItems { most, otherwise } => match &came {
            Value::Array(items) if items.len() > *most => fails(Some(items[..*most].into()), *otherwise),
            _ => Some(Some(came)),
        },
        Action::Forward | Action::Rename(_) | Action::Default(_) | Action::Drop => Some(Some(came)),
    }
}

fn number(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(number).collect::<Vec<_>>().into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), number(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn an_otherwise() -> impl Strategy<Value = Otherwise> {
    prop::sample::select(vec![Nearest, Otherwise::Drop, Refuse])
}

/// One of every kind that looks at a value and sends one in the same place, or none.
fn a_check(name: &'static str) -> impl Strategy<Value = Rule> {
    (0..6, an_otherwise()).prop_map(move |(kind, otherwise)| match kind {
        0 => bounded(name, Some(-1.0), Some(1.0), otherwise),
        1 => map(name, &[("1", "\"one\""), ("\"text, with }\"", "{\"a\":[]}")]),
        2 => allow(name, &["1", "\"text, with }\"", "true"], otherwise),
        3 => most_items(name, 1, otherwise),
        4 => set(name, "2.5"),
        _ => refuse(name),
    })
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        3 => name().prop_flat_map(a_check),
        1 => name().prop_map(drop),
        1 => name().prop_map(|name| default(name, "[0]")),
        2 => (name(), prop::sample::select(vec!["p", "q", "e"])).prop_map(|(name, to)| rename(name, to)),
    ]
}

fn actions() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(a_rule(), 0..4).prop_map(|rules| {
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

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3..3_i64).prop_map(|n| json!(n)),
        (-7..7_i32).prop_map(|n| json!(f64::from(n) / 4.0)),
        Just(json!("text, with }")),
        Just(json!({"a": 1, "b": [1, 2]})),
        Just(json!([1, {"a": "]"}, 3])),
        any::<bool>().prop_map(|truth| json!(truth)),
        Just(Value::Null),
    ]
}

fn objects() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "q"]);
    prop::collection::vec((name, a_value()), 0..7).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>()
            .into()
    })
}

fn spelled(body: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(body)
    } else {
        serde_json::to_string(body)
    }
    .unwrap()
}

/// What goes out; none where a rule refuses.
fn sent(rules: &[Rule], body: &str) -> Option<String> {
    let mut bytes = body.as_bytes().to_vec();
    Rules::new(rules.to_vec()).apply(&mut bytes).ok()?;
    Some(String::from_utf8(bytes).expect("UTF-8"))
}

proptest! {
    #[test]
    fn rules_do_to_bytes_what_they_would_do_to_a_tree(rules in actions(), body in objects(), pretty: bool) {
        let sent = sent(&rules, &spelled(&body, pretty));
        let mut expected = body.clone();
        let is_taken = reference(&rules, &mut expected).is_some();
        prop_assert_eq!(sent.is_some(), is_taken);
        if let Some(sent) = sent {
            let sent: Value = serde_json::from_str(&sent)
                .map_err(|error| TestCaseError::fail(format!("{error}: {sent}")))?;
            prop_assert_eq!(number(&sent), number(&expected));
        }
    }

    #[test]
    fn what_went_through_rules_once_goes_through_them_as_it_is(rules in actions(), body in objects(), pretty: bool) {
        if let Some(once) = sent(&rules, &spelled(&body, pretty)) {
            prop_assert_eq!(sent(&rules, &once), Some(once));
        }
    }

    #[test]
    fn every_byte_outside_of_the_value_stays(rule in a_check("a"), value in a_value(), rest in objects(), pretty: bool) {
        let mut body = rest;
        body["a"] = value;
        let body = spelled(&body, pretty);
        let span = json::pointer(body.as_bytes(), "/a").unwrap();
        let (sent, told) = {
            let mut bytes = body.as_bytes().to_vec();
            let Ok(told) = Rules::new([rule]).apply(&mut bytes) else { return Ok(()) };
            (String::from_utf8(bytes).unwrap(), told)
        };
        let is_there = json::pointer(sent.as_bytes(), "/a").is_some();
        prop_assert_eq!(told.is_empty(), sent == body || body[span.start..span.end] == *"null");
        if is_there {
            prop_assert!(sent.starts_with(&body[..span.start]), "{sent}");
            prop_assert!(sent.ends_with(&body[span.end..]), "{sent}");
        }
    }

    #[test]
    fn rules_take_any_bytes_and_valid_json_stays_valid(
        rule in a_rule(),
        path in "[ab](\\[\\])?\\.[ab](\\.[ab])?",
        body in prop_oneof![
            "[ab0-9\"\\\\{}\\[\\]:, .eE-]{0,40}",
            (objects(), objects()).prop_map(|(mut outer, inner)| {
                outer["a"] = json!([inner.clone(), [inner.clone()], 1]);
                outer["b"] = inner;
                outer.to_string()
            }),
        ],
    ) {
        let field = FieldPath::parse(&path).unwrap();
        let rules = Rules::new([rule.clone(), Rule { field, action: rule.action }]);
        let mut bytes = body.clone().into_bytes();
        let was_valid = serde_json::from_str::<Value>(&body).is_ok();
        let told = rules.apply(&mut bytes);
        if was_valid {
            prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        }
        if told.is_err() {
            prop_assert_eq!(bytes, body.into_bytes());
        }
    }
}
