//! Rules for single fields of bodies, as providers say them. What a rule makes of a body is `penstock_llm::rules`'.

use penstock_llm::model::{Dialect, Json};
use penstock_llm::rules::{Action, FieldPath, Otherwise, Rule};

use crate::startup::files::{List, ParameterRule};
use crate::startup::problem::{Findings, Mark, suggestion};
use crate::startup::shape::Field;
use crate::state::parameters::Body;

/// Rules as they were written, with the bodies that they are for.
pub type WrittenRules = Vec<(Vec<Body>, Rule)>;

/// Without them there is no call, or not the one that was asked for.
const OWN_FIELDS: [&str; 4] = ["messages", "contents", "input", "stream"];

/// What a rule does, by the key that says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Drop,
    Rename,
    Clamp,
    Default,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Rename => "rename",
            Self::Clamp => "clamp",
            Self::Default => "default",
        }
    }
}

/// The rules of a list; those that do not say for which bodies are for generations in `first`. What is wrong with one is
/// noted, and it is left out.
pub fn parameters(list: &List<ParameterRule>, first: Dialect, findings: &mut Findings) -> WrittenRules {
    let mut rules = Vec::new();
    for field in list.value.iter().flatten() {
        let Some(file) = &field.value else { continue };
        let bodies = bodies(&file.bodies, first, findings);
        let Some((verb, path)) = verb(file, field.mark, findings) else {
            continue;
        };
        let action = action(verb, file, field.mark, findings);
        let path = field_path(path, findings);
        rules.extend(
            action
                .zip(path)
                .map(|(action, field)| (bodies, Rule { field, action })),
        );
    }
    rules
}

fn bodies(list: &List<String>, first: Dialect, findings: &mut Findings) -> Vec<Body> {
    if list.is_absent() {
        return vec![Body::Generation(first)];
    }
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

/// The one thing that a rule says, and of which field.
fn verb<'f>(
    file: &'f ParameterRule,
    owner: Mark,
    findings: &mut Findings,
) -> Option<(Verb, &'f Field<String>)> {
    let all = [
        (Verb::Drop, &file.drop),
        (Verb::Rename, &file.rename),
        (Verb::Clamp, &file.clamp),
        (Verb::Default, &file.default),
    ];
    let mut said = all.into_iter().filter(|(_, field)| !field.is_absent());
    match (said.next(), said.next()) {
        (Some(one), None) => Some(one),
        _ => {
            let remedy =
                "{drop: a}, {rename: a, to: b}, {clamp: a, least: 0, most: 1} or {default: a, value: 1}";
            findings.problem(owner, "a rule says one thing of one field", remedy);
            None
        }
    }
}

fn field_path(field: &Field<String>, findings: &mut Findings) -> Option<FieldPath> {
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
    Some(path)
}

fn action(verb: Verb, file: &ParameterRule, owner: Mark, findings: &mut Findings) -> Option<Action> {
    strays(verb, file, findings);
    match verb {
        Verb::Drop => Some(Action::Drop),
        Verb::Rename => new_name(&file.to, owner, findings).map(Action::Rename),
        Verb::Clamp => bounds(file, owner, findings),
        Verb::Default => match &file.value.value {
            Some(value) => Json::new(value.to_string()).map(Action::Default),
            None => missing(&file.value, owner, "`default` needs a `value`", findings),
        },
    }
}

/// Keys that say nothing in a rule of this kind.
fn strays(verb: Verb, file: &ParameterRule, findings: &mut Findings) {
    let companions = [
        (Verb::Rename, "to", file.to.mark),
        (Verb::Default, "value", file.value.mark),
        (Verb::Clamp, "least", file.least.mark),
        (Verb::Clamp, "most", file.most.mark),
    ];
    for (owner, name, mark) in companions {
        if mark != Mark::default() && owner != verb {
            let message = format!("`{name}` says nothing in a rule with `{}`", verb.as_str());
            findings.problem(mark, message, format!("it belongs to `{}`", owner.as_str()));
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
    Some(name.into())
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
        otherwise: Otherwise::Nearest,
    })
}

/// Notes what is not there; a bad value was noted already.
fn missing<T, R>(field: &Field<T>, owner: Mark, message: &str, findings: &mut Findings) -> Option<R> {
    if field.is_absent() {
        findings.problem(owner, message, "");
    }
    None
}
