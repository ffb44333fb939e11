//! Serde's view of a tree of YAML values: hands out its nodes, notes what is bad in them, and goes on.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::startup::problem::{Findings, Mark, nearest, suggestion};
use crate::startup::shape::FIELD;
use crate::startup::yaml::{Node, Value};

/// Reads one node, noting what is bad in it.
#[derive(Clone, Copy)]
pub struct Reader<'n, 'f> {
    node: &'n Node,
    findings: &'n RefCell<&'f mut Findings>,
}

impl<'n, 'f> Reader<'n, 'f> {
    pub fn new(node: &'n Node, findings: &'n RefCell<&'f mut Findings>) -> Self {
        Self { node, findings }
    }

    fn at(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    pub fn note(self, error: ShapeError) {
        self.findings
            .borrow_mut()
            .problem(self.node.mark, error.message, error.remedy);
    }

    fn unexpected(self) -> Unexpected<'n> {
        match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Unsigned(value) => Unexpected::Unsigned(*value),
            Value::Signed(value) => Unexpected::Signed(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(value) => Unexpected::Str(value),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    /// The entries that a shape knows; the others are noted.
    fn known_entries(
        self,
        entries: &'n [(Node, Node)],
        known: &'static [&'static str],
    ) -> Vec<&'n (Node, Node)> {
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            match &entry.0.value {
                Value::Text(name) if known.contains(&name.as_str()) => kept.push(entry),
                Value::Text(name) => self.unknown_key(entry.0.mark, name, known),
                _ => self.at(&entry.0).note(ShapeError::custom("a key is text")),
            }
        }
        kept
    }

    fn unknown_key(self, mark: Mark, name: &str, known: &[&str]) {
        let is_word = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let message = match is_word || nearest(name, known).is_some() {
            true => format!("unknown key `{name}`"),
            false => "unknown key".to_owned(),
        };
        self.findings
            .borrow_mut()
            .problem(mark, message, suggestion(name, known.iter().copied()));
    }
}

impl<'n> Deserializer<'n> for Reader<'n, '_> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(List {
                reader: self,
                items: items.iter(),
            }),
            Value::Map(entries) => visitor.visit_map(Map::new(self, entries.iter().collect())),
        }
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        if name == FIELD {
            visitor.visit_seq(FieldParts {
                reader: self,
                part: 0,
            })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Null => visitor.visit_map(Map::new(self, Vec::new())),
            Value::Map(entries) => visitor.visit_map(Map::new(self, self.known_entries(entries, known))),
            _ => Err(ShapeError::invalid_type(self.unexpected(), &"a map of settings")),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Text(word) => visitor.visit_enum(StrDeserializer::new(word)),
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(Choice {
                reader: self,
                entry: &entries[0],
            }),
            _ => Err(ShapeError::custom(format!(
                "expected one of {}",
                known.join(", ")
            ))),
        }
    }

    forward_to_deserialize_any! {
        <W: Visitor<'n>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// Line, column, value: a bad value is noted here, and the reading goes on.
struct FieldParts<'n, 'f> {
    reader: Reader<'n, 'f>,
    part: u8,
}

impl<'n> SeqAccess<'n> for FieldParts<'n, '_> {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        self.part += 1;
        let node = self.reader.node;
        let is_empty = node.value == Value::Null;
        match self.part {
            // `limits:` with nothing after it is as good as no `limits:`.
            1 => seed
                .deserialize(if is_empty { 0 } else { node.mark.line }.into_deserializer())
                .map(Some),
            2 => seed.deserialize(node.mark.column.into_deserializer()).map(Some),
            _ if is_empty => Ok(None),
            _ => Ok(seed
                .deserialize(self.reader)
                .map_err(|error| self.reader.note(error))
                .ok()),
        }
    }
}

struct List<'n, 'f> {
    reader: Reader<'n, 'f>,
    items: std::slice::Iter<'n, Node>,
}

impl<'n> SeqAccess<'n> for List<'n, '_> {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        self.items
            .next()
            .map(|item| seed.deserialize(self.reader.at(item)))
            .transpose()
    }
}

struct Map<'n, 'f> {
    reader: Reader<'n, 'f>,
    entries: std::vec::IntoIter<&'n (Node, Node)>,
    value: Option<&'n Node>,
}

impl<'n, 'f> Map<'n, 'f> {
    fn new(reader: Reader<'n, 'f>, entries: Vec<&'n (Node, Node)>) -> Self {
        Self {
            reader,
            entries: entries.into_iter(),
            value: None,
        }
    }
}

impl<'n> MapAccess<'n> for Map<'n, '_> {
    type Error = ShapeError;

    fn next_key_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(self.reader.at(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<S::Value, ShapeError> {
        let value = self
            .value
            .take()
            .ok_or_else(|| ShapeError::custom("a key has no value"))?;
        seed.deserialize(self.reader.at(value))
    }
}

/// `{word: value}` as one choice out of several.
struct Choice<'n, 'f> {
    reader: Reader<'n, 'f>,
    entry: &'n (Node, Node),
}

impl<'n, 'f> de::EnumAccess<'n> for Choice<'n, 'f> {
    type Error = ShapeError;
    type Variant = Reader<'n, 'f>;

    fn variant_seed<S: DeserializeSeed<'n>>(self, seed: S) -> Result<(S::Value, Reader<'n, 'f>), ShapeError> {
        Ok((
            seed.deserialize(self.reader.at(&self.entry.0))?,
            self.reader.at(&self.entry.1),
        ))
    }
}

impl<'n> de::VariantAccess<'n> for Reader<'n, '_> {
    type Error = ShapeError;

    fn unit_variant(self) -> Result<(), ShapeError> {
        Err(ShapeError::custom("this word takes no value"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'n>>(self, seed: S) -> Result<S::Value, ShapeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'n>>(self, _len: usize, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'n>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_struct("", known, visitor)
    }
}

/// Why a value has not the shape that was asked for. Never quotes the value: it may be a secret in the wrong place.
#[derive(Debug)]
pub struct ShapeError {
    message: String,
    remedy: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ShapeError {}

impl de::Error for ShapeError {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self {
            message: message.to_string(),
            remedy: String::new(),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let wanted = expected_words(&expected);
        let remedy = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) | Unexpected::Bool(_)
                if wanted == "text" =>
            {
                "put it in quotes"
            }
            _ => "",
        };
        Self {
            message: format!("expected {wanted}, found {}", found_words(&found)),
            remedy: remedy.to_owned(),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let wanted = expected_words(&expected);
        Self {
            message: format!("expected {wanted}, found {} out of range", found_words(&found)),
            remedy: String::new(),
        }
    }

    fn unknown_field(written: &str, known: &'static [&'static str]) -> Self {
        let message = match nearest(written, known) {
            Some(_) => format!("unknown key `{written}`"),
            None => format!("unknown key; there are {}", known.join(", ")),
        };
        let remedy = nearest(written, known)
            .map(|name| format!("did you mean `{name}`?"))
            .unwrap_or_default();
        Self { message, remedy }
    }

    fn unknown_variant(written: &str, known: &'static [&'static str]) -> Self {
        // Quoted only if it is a slip of the pen: anything else may be a secret that lost its way.
        let message = match nearest(written, known) {
            Some(_) => format!("`{written}` is not possible here"),
            None => format!("expected one of {}", known.join(", ")),
        };
        let remedy = nearest(written, known)
            .map(|name| format!("did you mean `{name}`?"))
            .unwrap_or_default();
        Self { message, remedy }
    }
}

fn expected_words(expected: &str) -> &str {
    match expected {
        "a string" | "a borrowed string" => "text",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "a map of settings",
        _ if expected.contains("variant") => "a word from the list of this setting",
        other => other,
    }
}

fn found_words(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::UnitVariant => "a word without its value",
        _ => "text",
    }
}
