//! Templates: text with variables in double braces. Names are resolved at load, so a misspelt one never reaches a prompt;
//! values are put in once and not looked at again, so a value with braces in it stays what it is.

use std::collections::BTreeMap;

/// A template that was read.
#[derive(Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// What a call fills in.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable {
    Model,
    Caller,
    Date,
    Generation,
    RequestId,
    Header(String),
}

/// Where values come from.
pub trait Values {
    /// The variable's text; empty where there is none.
    fn value(&self, variable: &Variable) -> String;
}

impl Template {
    /// Reads a template; `constants` are the operator's own variables.
    pub fn parse(text: &str, constants: &BTreeMap<String, String>) -> Result<Template, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            push_text(&mut pieces, before);
            let (name, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
            match constants.get(name.trim()) {
                Some(constant) => push_text(&mut pieces, constant),
                None => pieces.push(Piece::Variable(variable(name.trim(), constants)?)),
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Template(pieces))
    }

    /// The text for one call.
    pub fn filled(&self, values: &dyn Values) -> String {
        let room = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Variable(_) => USUAL_VALUE,
        });
        let mut out = String::with_capacity(room.sum());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(variable) => out.push_str(&values.value(variable)),
            }
        }
        out
    }
}

/// Room for a name or an id; a longer value takes one more allocation.
const USUAL_VALUE: usize = 40;

const NAMES: [(&str, Variable); 5] = [
    ("model", Variable::Model),
    ("caller", Variable::Caller),
    ("date", Variable::Date),
    ("generation", Variable::Generation),
    ("request_id", Variable::RequestId),
];

/// Whether a call fills in this name, so that an operator cannot define it.
pub fn is_taken(name: &str) -> bool {
    name.starts_with("header.") || NAMES.iter().any(|(known, _)| *known == name)
}

fn variable(name: &str, constants: &BTreeMap<String, String>) -> Result<Variable, String> {
    if let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(variable.clone());
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match name.strip_prefix("header.") {
        Some(header) if !header.is_empty() && header.bytes().all(legal) => {
            Ok(Variable::Header(header.to_ascii_lowercase()))
        }
        _ => {
            let known = NAMES.iter().map(|(known, _)| *known).chain(["header.<name>"]);
            let known: Vec<&str> = known.chain(constants.keys().map(String::as_str)).collect();
            Err(format!(
                "there is no variable `{name}`; there are {}",
                known.join(", ")
            ))
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names;

    impl Values for Names {
        fn value(&self, variable: &Variable) -> String {
            match variable {
                Variable::Header(name) if name == "x-team" => "blue {{model}}".to_string(),
                Variable::Header(_) => String::new(),
                other => format!("<{other:?}>"),
            }
        }
    }

    fn filled(text: &str) -> Result<String, String> {
        let constants = BTreeMap::from([("company".to_string(), "Acme {{date}}".to_string())]);
        Template::parse(text, &constants).map(|template| template.filled(&Names))
    }

    #[test]
    fn variables_are_filled_in_once() {
        let cases = [
            ("", ""),
            ("plain { } text", "plain { } text"),
            ("{{model}}{{ caller }}", "<Model><Caller>"),
            ("{{header.X-Team}}|{{header.none}}", "blue {{model}}|"),
            ("for {{company}}.", "for Acme {{date}}."),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_variable_is_refused_at_load_with_the_ones_that_exist() {
        let error = filled("{{modell}}").expect_err("misspelt");
        assert_eq!(
            error,
            "there is no variable `modell`; there are model, caller, date, generation, request_id, header.<name>, company"
        );
        for bad in ["{{}}", "{{header.}}", "{{header.a b}}", "{{open"] {
            filled(bad).expect_err(bad);
        }
    }
}
