//! A schema in Gemini's words, as a tree and as JSON. How JSON Schema becomes one is left to `schema_down`.

use crate::write::{Object, object};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
    Null,
}

impl Kind {
    /// In either spelling.
    pub fn named(name: &str) -> Option<Kind> {
        Some(match &*name.to_ascii_lowercase() {
            "string" => Kind::String,
            "number" => Kind::Number,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "array" => Kind::Array,
            "object" => Kind::Object,
            "null" => Kind::Null,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Kind::String => "STRING",
            Kind::Number => "NUMBER",
            Kind::Integer => "INTEGER",
            Kind::Boolean => "BOOLEAN",
            Kind::Array => "ARRAY",
            Kind::Object => "OBJECT",
            Kind::Null => "NULL",
        }
    }

    /// The keywords that say something of its values and are taken as they are.
    pub fn keywords(self) -> &'static [&'static str] {
        match self {
            Kind::String => &["minLength", "maxLength", "pattern", "example"],
            Kind::Number | Kind::Integer => &["minimum", "maximum", "example"],
            Kind::Array => &["minItems", "maxItems", "example"],
            Kind::Object => &["minProperties", "maxProperties", "propertyOrdering", "example"],
            Kind::Boolean => &["example"],
            Kind::Null => &[],
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    /// None where `any_of` says it.
    pub kind: Option<Kind>,
    pub nullable: bool,
    /// Keywords with their JSON.
    plain: Vec<(String, String)>,
    /// The values to choose from, as JSON.
    pub words: Vec<String>,
    /// By the literal of the name.
    pub properties: Vec<(String, Node)>,
    /// The literals of names.
    pub required: Vec<String>,
    pub items: Option<Box<Node>>,
    pub any_of: Vec<Node>,
}

impl Node {
    pub fn of(kind: Kind) -> Node {
        Node {
            kind: Some(kind),
            ..Node::default()
        }
    }

    pub fn any_of(branches: Vec<Node>) -> Node {
        Node {
            any_of: branches,
            ..Node::default()
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.plain.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    pub fn set(&mut self, name: &str, json: &str) {
        match self.plain.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => json.clone_into(value),
            None => self.plain.push((name.to_owned(), json.to_owned())),
        }
    }

    /// Beside `anyOf` nothing may stand: what is said of all is said of each.
    pub fn settle(&mut self) {
        if self.any_of.is_empty() {
            return;
        }
        for branch in &mut self.any_of {
            branch.nullable |= self.nullable;
            for (name, value) in &self.plain {
                if branch.get(name).is_none() {
                    branch.set(name, value);
                }
            }
            branch.settle();
        }
        self.nullable = false;
        self.plain.clear();
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        object(out, |object| self.members(object));
    }

    fn members(&self, object: &mut Object<'_>) {
        if let Some(kind) = self.kind {
            object.str("type", kind.name());
        }
        for (name, value) in &self.plain {
            object.value(name).extend_from_slice(value.as_bytes());
        }
        if self.nullable {
            object.bool("nullable", true);
        }
        literals("enum", &self.words, object);
        if !self.properties.is_empty() {
            object.object("properties", |object| {
                for (literal, node) in &self.properties {
                    node.write(object.literal(literal));
                }
            });
        }
        literals("required", &self.required, object);
        if let Some(items) = &self.items {
            items.write(object.value("items"));
        }
        if !self.any_of.is_empty() {
            object.array("anyOf", |array| {
                self.any_of.iter().for_each(|node| node.write(array.value()))
            });
        }
    }
}

fn literals(name: &str, literals: &[String], object: &mut Object<'_>) {
    if literals.is_empty() {
        return;
    }
    object.array(name, |array| {
        for literal in literals {
            array.value().extend_from_slice(literal.as_bytes());
        }
    });
}
