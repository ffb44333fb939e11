//! YAML text into a tree of values that know their place. The one file that names the YAML library; which keys there
//! are and what they mean is for `shape`, `files` and `check`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::startup::problem::Mark;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub mark: Mark,
    pub value: Value,
}

/// What YAML knows. Keys of a map are text, each with its own place, in the order of the file and without repeats.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Reads one YAML document. The error's text names no value of the file.
pub fn parse(text: &str) -> Result<Node, (Mark, String)> {
    match serde_saphyr::from_str::<Spanned<Raw>>(text) {
        Ok(root) => Ok(root.into()),
        Err(error) => {
            let mark = error.location().map(mark).unwrap_or_default();
            Err((
                mark,
                format!("not valid YAML: {}", plain(&error.without_snippet().to_string())),
            ))
        }
    }
}

/// The library's sentence without its own account of the place and its advice to programmers.
fn plain(message: &str) -> String {
    const MAX_CHARS: usize = 160;
    let end = message.find(" at line ").unwrap_or(message.len());
    let message = message[..end]
        .split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or_default();
    let message = message.split("; use ").next().unwrap_or_default();
    message.chars().take(MAX_CHARS).collect()
}

fn mark(location: Location) -> Mark {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Mark {
        line: number(location.line()),
        column: number(location.column()),
    }
}

/// A value as the library's deserialiser hands it over.
enum Raw {
    Plain(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl From<Spanned<Raw>> for Node {
    fn from(raw: Spanned<Raw>) -> Self {
        let value = match raw.value {
            Raw::Plain(value) => value,
            Raw::List(items) => Value::List(items.into_iter().map(Node::from).collect()),
            Raw::Map(entries) => Value::Map(entries.into_iter().map(|(k, v)| (key(k), v.into())).collect()),
        };
        Self {
            mark: mark(raw.referenced),
            value,
        }
    }
}

fn key(raw: Spanned<String>) -> Node {
    Node {
        mark: mark(raw.referenced),
        value: Value::Text(raw.value),
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Bool(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Unsigned(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(
            u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned),
        ))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'n>(node: &'n Node, name: &str) -> &'n Node {
        let Value::Map(entries) = &node.value else {
            panic!("not a map: {node:?}")
        };
        let found = entries
            .iter()
            .find(|(key, _)| key.value == Value::Text(name.into()));
        &found.expect("the key is in the text").1
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let root = parse("a: 1\nb:\n  - x\n  - c: 0.15\n    d: ~\n").unwrap();
        assert_eq!(
            entry(&root, "a"),
            &Node {
                mark: Mark { line: 1, column: 4 },
                value: Value::Unsigned(1)
            }
        );
        let Value::List(items) = &entry(&root, "b").value else {
            panic!("b is a list")
        };
        assert_eq!(items[0].mark, Mark { line: 3, column: 5 });
        assert_eq!(entry(&items[1], "c").value, Value::Float(0.15));
        assert_eq!(entry(&items[1], "d").value, Value::Null);
    }

    #[test]
    fn pain_q02_a_yaml_error_never_quotes_a_value() {
        let broken = [
            "a: [1, sk-canary\nb: 2\n",
            "a: \"sk-canary\nb: 2\n",
            "a: sk-canary: x\n",
            "a: 'x'y sk-canary\n",
            "a: \"\\q sk-canary\"\n",
            "a: !!int sk-canary\n",
            "a: !!bool sk-canary\n",
            "a: b\u{0}c sk-canary\n",
            "? {a: b}\n: sk-canary\n",
            "- a\nb: sk-canary\n",
            "a: 1\na: sk-canary\n",
            "a: .inf # sk-canary\n",
            "a: &x sk-canary\nb: *y\n",
        ];
        for text in broken {
            let (mark, message) = parse(text).expect_err(text);
            assert!(!message.contains("canary"), "{message}");
            assert!(mark.line > 0, "{text:?} has no line");
        }
    }

    #[test]
    fn a_repeated_key_is_refused_with_its_place() {
        let (mark, message) = parse("models: 1\nkeys: 2\nmodels: 3\n").unwrap_err();
        assert_eq!(
            (mark.line, message.as_str()),
            (3, "not valid YAML: duplicate mapping key: models")
        );
    }

    #[test]
    fn deep_nesting_and_alias_bombs_end_in_an_error() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let before = level - 1;
            bomb.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{before}"); 10].join(", ")
            ));
        }
        assert!(parse(&bomb).is_err());
    }
}
