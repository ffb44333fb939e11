//! Rules for single fields of bodies, as providers, models and targets say them. What a rule makes of a body is
//! `penstock_llm::rules`'.

use penstock_llm::model::{Dialect, Json};
use penstock_llm::rules::{self, Action, FieldPath, Rule};
use serde_json::Value;

use crate::startup::files::{List, Otherwise, ParameterRule};
use crate::startup::problem::{Findings, Mark, suggestion};
use crate::startup::shape::Field;
use crate::state::parameters::{Body, Written};
use crate::state::snapshot::ModelPattern;

/// Without them there is no call, or not the one that was asked for.
const OWN_FIELDS: [&str; 4] = ["messages", "contents", "input", "stream"];

/// Values of one rule. A longer list is no rule for a field any more, and a caller is told of it.
const MOST_VALUES: usize = 100;

/// What a rule does, by the key that says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Forward,
    Drop,
    Error,
    Rename,
    Map,
    Clamp,
    Allow,
    MostItems,
    Default,
    Set,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Drop => "drop",
            Self::Error => "error",
            Self::Rename => "rename",
            Self::Map => "map",
            Self::Clamp => "clamp",
            Self::Allow => "allow",
            Self::MostItems => "most_items",
            Self::Default => "default",
            Self::Set => "set",
        }
    }
}

/// Rules as they were written, in the order of the file.
pub type WrittenRules = Vec<Written>;

/// The rules of a provider; those that do not say for which bodies are for generations in `first`. What is wrong with one is
/// noted, and it is left out.
pub fn parameters(list: &List<ParameterRule>, first: Dialect, findings: &mut Findings) -> WrittenRules {
    let mut rules = of_any_provider(list, findings);
    for rule in &mut rules {
        rule.bodies.get_or_insert_with(|| vec![Body::Generation(first)]);
    }
    rules
}

/// The same before it is known which provider they are for.
pub fn of_any_provider(list: &List<ParameterRule>, findings: &mut Findings) -> WrittenRules {
    let mut rules = Vec::new();
    for field in list.value.iter().flatten() {
        let Some(file) = &field.value else { continue };
        let bodies = (!file.bodies.is_absent()).then(|| bodies(&file.bodies, findings));
        let models = models(&file.models, findings);
        let Some((verb, path)) = verb(file, field.mark, findings) else {
            continue;
        };
        let action = action(verb, file, field.mark, findings);
        let path = field_path(verb, path, findings);
        rules.extend(action.zip(path).map(|(action, field)| Written {
            bodies,
            models,
            rule: Rule { field, action },
        }));
    }
    rules
}

fn bodies(list: &List<String>, findings: &mut Findings) -> Vec<Body> {
    let mut bodies = Vec::new();
    for field in list.value.iter().flatten() {
        let Some(name) = &field.value else { continue };
        match Body::all().find(|body| body.as_str() == name) {
            Some(body) => bodies.push(body),
            None => {
                let remedy = suggestion(name, Body::all().map(Body::as_str));
                findings.problem(field.mark, format!("`{name}` is no kind of body"), remedy);
            }
        }
    }
    bodies
}

fn models(list: &List<String>, findings: &mut Findings) -> Vec<ModelPattern> {
    if list.value.as_ref().is_some_and(Vec::is_empty) {
        let remedy = "name some, or leave `models` out: then it is for all";
        findings.problem(list.mark, "a rule for no model", remedy);
    }
    let mut models = Vec::new();
    for field in list.value.iter().flatten() {
        let Some(name) = &field.value else { continue };
        let is_pattern = !name.is_empty() && !name.strip_suffix('*').unwrap_or(name).contains('*');
        if is_pattern {
            models.push(ModelPattern::parse(name));
        } else {
            let remedy = "a provider's name for it, such as o3-mini, or gpt-5* for all that start so";
            findings.problem(field.mark, "not a model's name", remedy);
        }
    }
    models
}

/// The one thing that a rule says, and of which field.
fn verb<'f>(
    file: &'f ParameterRule,
    owner: Mark,
    findings: &mut Findings,
) -> Option<(Verb, &'f Field<String>)> {
    let all = [
        (Verb::Forward, &file.forward),
        (Verb::Drop, &file.drop),
        (Verb::Error, &file.error),
        (Verb::Rename, &file.rename),
        (Verb::Map, &file.map),
        (Verb::Clamp, &file.clamp),
        (Verb::Allow, &file.allow),
        (Verb::MostItems, &file.most_items),
        (Verb::Default, &file.default),
        (Verb::Set, &file.set),
    ];
    let mut said = all.into_iter().filter(|(_, field)| !field.is_absent());
    match (said.next(), said.next()) {
        (Some(one), None) => Some(one),
        _ => {
            let verbs = all.map(|(verb, _)| verb.as_str()).join(", ");
            let remedy = format!("such as {{drop: logit_bias}}; one of {verbs}");
            findings.problem(owner, "a rule says one thing of one field", remedy);
            None
        }
    }
}

fn field_path(verb: Verb, field: &Field<String>, findings: &mut Findings) -> Option<FieldPath> {
    let Some(path) = FieldPath::parse(field.value.as_deref()?) else {
        let remedy = "such as logit_bias, response_format.strict or messages[].name";
        findings.problem(field.mark, "not the path of a field", remedy);
        return None;
    };
    if OWN_FIELDS.contains(&path.as_str()) {
        let message = format!("`{path}` is the gateway's own");
        findings.problem(field.mark, message, "a rule cannot change it");
        return None;
    }
    if path.as_str() == "model" && !matches!(verb, Verb::Drop | Verb::Rename) {
        let remedy = "a target's `model` says what is asked for";
        findings.problem(field.mark, "`model` is the gateway's own", remedy);
        return None;
    }
    Some(path)
}

fn action(verb: Verb, file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Action> {
    strays(verb, file, findings);
    match verb {
        Verb::Forward => Some(Action::Forward),
        Verb::Drop => Some(Action::Drop),
        Verb::Error => Some(Action::Refuse),
        Verb::Rename => new_name(&file.to, owner, findings).map(Action::Rename),
        Verb::Map => pairs(&file.values, owner, findings).map(Action::Map),
        Verb::Clamp => bounds(file, owner, findings),
        Verb::Allow => allowed(file, owner, findings),
        Verb::MostItems => most_items(file, owner, findings),
        Verb::Default => value(verb, file, owner, findings).map(Action::Default),
        Verb::Set => value(verb, file, owner, findings).map(Action::Set),
    }
}

/// Keys that say nothing in a rule of this kind.
fn strays(verb: Verb, file: &ParameterRule, findings: &mut Findings) {
    let checks = &[Verb::Clamp, Verb::Allow, Verb::MostItems][..];
    let companions: [(&[Verb], &str, Mark); 6] = [
        (&[Verb::Rename], "to", file.to.mark),
        (&[Verb::Default, Verb::Set], "value", file.value.mark),
        (&[Verb::Map, Verb::Allow], "values", file.values.mark),
        (&[Verb::Clamp], "least", file.least.mark),
        (&[Verb::Clamp, Verb::MostItems], "most", file.most.mark),
        (checks, "otherwise", file.otherwise.mark),
    ];
    for (owners, name, mark) in companions {
        if mark != Mark::default() && !owners.contains(&verb) {
            let message = format!("`{name}` says nothing in a rule with `{}`", verb.as_str());
            let owners: Vec<_> = owners
                .iter()
                .map(|owner| format!("`{}`", owner.as_str()))
                .collect();
            findings.problem(mark, message, format!("it belongs to {}", owners.join(" and ")));
        }
    }
}

fn new_name(field: &Field<String>, owner: Mark, findings: &mut Findings) -> Option<Box<str>> {
    let Some(name) = field.value.as_deref() else {
        return missing(field, owner, "`rename` needs the new name, `to`", findings);
    };
    if name.is_empty() || name.contains(['.', '[', ']']) {
        findings.problem(field.mark, "not the name of a field", "it stays in its object");
        return None;
    }
    if OWN_FIELDS.contains(&name) || name == "model" {
        let message = format!("`{name}` is the gateway's own");
        findings.problem(field.mark, message, "nothing else can take its name");
        return None;
    }
    Some(name.into())
}

/// What a value becomes, by the values' words: a key that reads as a number or a truth value stands for that.
fn pairs(
    field: &Field<Value>,
    owner: Mark,
    findings: &mut Findings,
) -> Option<Vec<(Json<'static>, Json<'static>)>> {
    let Some(written) = &field.value else {
        return missing(
            field,
            owner,
            "`map` needs `values`, such as {minimal: low}",
            findings,
        );
    };
    let Some(entries) = written
        .as_object()
        .filter(|entries| is_some_values(entries.len()))
    else {
        let message = "not values and what they become";
        findings.problem(field.mark, message, "1 to 100, such as {minimal: low}");
        return None;
    };
    let from = |key: &String| match serde_json::from_str::<Value>(key) {
        Ok(bare @ (Value::Bool(_) | Value::Number(_))) => json(&bare),
        _ => json(&Value::from(key.as_str())),
    };
    let pair = |(key, to): (&String, &Value)| from(key).zip(json(to));
    entries.iter().map(pair).collect()
}

fn allowed(file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Action> {
    let Some(written) = &file.values.value else {
        return missing(
            &file.values,
            owner,
            "`allow` needs `values`, such as [auto, flex]",
            findings,
        );
    };
    let is_plain = |value: &Value| !value.is_array() && !value.is_object() && !value.is_null();
    let values = written
        .as_array()
        .filter(|values| is_some_values(values.len()) && values.iter().all(is_plain));
    let Some(values) = values else {
        let remedy = "1 to 100 texts, numbers or truth values, such as [auto, flex]";
        findings.problem(file.values.mark, "not a list of values", remedy);
        return None;
    };
    if file.otherwise.value == Some(Otherwise::Clamp) {
        let remedy = "drop or error";
        findings.problem(file.otherwise.mark, "no value is nearest to another", remedy);
        return None;
    }
    Some(Action::Allow {
        values: values.iter().filter_map(json).collect(),
        otherwise: otherwise(file, rules::Otherwise::Drop),
    })
}

fn bounds(file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Action> {
    let (least, most) = (file.least.value, file.most.value);
    if least.is_none() && most.is_none() {
        let absent = file.least.is_absent() && file.most.is_absent();
        let message = "`clamp` needs `least`, `most` or both";
        absent.then(|| findings.problem(owner, message, ""));
        return None;
    }
    let is_finite = [least, most].into_iter().flatten().all(f64::is_finite);
    if !is_finite || least.zip(most).is_some_and(|(least, most)| least > most) {
        findings.problem(
            owner,
            "no number is between these bounds",
            "`least` is not above `most`",
        );
        return None;
    }
    Some(Action::Clamp {
        least,
        most,
        otherwise: otherwise(file, rules::Otherwise::Nearest),
    })
}

fn most_items(file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Action> {
    const MOST: f64 = 1_000_000.0;
    let Some(most) = file.most.value else {
        return missing(&file.most, owner, "`most_items` needs `most`", findings);
    };
    if most.fract() != 0.0 || !(0.0..=MOST).contains(&most) {
        findings.problem(file.most.mark, "not a number of elements", "0 to 1000000");
        return None;
    }
    Some(Action::MostItems {
        most: most as usize,
        otherwise: otherwise(file, rules::Otherwise::Nearest),
    })
}

fn otherwise(file: &ParameterRule, usual: rules::Otherwise) -> rules::Otherwise {
    match file.otherwise.value {
        None => usual,
        Some(Otherwise::Clamp) => rules::Otherwise::Nearest,
        Some(Otherwise::Drop) => rules::Otherwise::Drop,
        Some(Otherwise::Error) => rules::Otherwise::Refuse,
    }
}

fn value(verb: Verb, file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Json<'static>> {
    match &file.value.value {
        Some(value) => json(value),
        None => {
            let message = format!("`{}` needs a `value`", verb.as_str());
            missing(&file.value, owner, &message, findings)
        }
    }
}

fn is_some_values(count: usize) -> bool {
    (1..=MOST_VALUES).contains(&count)
}

fn json(value: &Value) -> Option<Json<'static>> {
    Json::new(value.to_string())
}

/// Notes what is not there; a bad value was noted already.
fn missing<T, R>(field: &Field<T>, owner: Mark, message: &str, findings: &mut Findings) -> Option<R> {
    if field.is_absent() {
        findings.problem(owner, message, "");
    }
    None
}
