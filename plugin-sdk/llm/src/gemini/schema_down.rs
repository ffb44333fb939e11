//! JSON Schema as Gemini's schemas, for models that take nothing else (PAIN E01): what they have no word for is said in
//! another way where there is one, and named as a loss where there is none.

use std::borrow::Cow;

use crate::json::{Child, Span, children, pointer, unescape_inner};
use crate::model::{Json, Losses};

use super::schema_node::{Kind, Node};

/// Deeper schemas are cut: the models refuse them, and references can nest without end.
const MAX_DEPTH: usize = 24;
/// How often a schema may be gone through: references that lead to the same place again and again add up.
const MAX_PASSES: usize = 64;
const LEAST_WORK_BYTES: usize = 4 << 20;

/// The schema in Gemini's words; none for an object without properties, which is said by leaving it out. `at` names it in
/// losses. `own` ones came from callers who know what the models take, and keep every keyword.
pub(super) fn convert(schema: &Json<'_>, own: bool, at: &str, losses: &mut Losses) -> Option<Json<'static>> {
    let node = node_of(schema, own, at, losses)?;
    if node.kind == Some(Kind::Object) && node.properties.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(schema.get().len());
    node.write(&mut out);
    Some(Json::checked(String::from_utf8_lossy(&out).into_owned()))
}

fn node_of(schema: &Json<'_>, own: bool, at: &str, losses: &mut Losses) -> Option<Node> {
    let root = schema.get();
    let place = pointer(root.as_bytes(), "")?;
    let mut converter = Converter {
        root,
        own,
        at,
        losses,
        work_left: root.len().saturating_mul(MAX_PASSES).max(LEAST_WORK_BYTES),
        references: vec![place.start],
    };
    Some(converter.schema(place, 0))
}

pub(super) struct Converter<'s, 'l> {
    root: &'s str,
    own: bool,
    at: &'l str,
    losses: &'l mut Losses,
    /// In bytes looked at.
    work_left: usize,
    /// Where the references that are being followed lead to.
    references: Vec<usize>,
}

/// A schema's keywords, with those of what it refers to and of `allOf`: the nearest one counts.
#[derive(Default)]
pub(super) struct Keywords<'s> {
    by_name: Vec<(Cow<'s, str>, Span)>,
    /// Each of these adds to the others.
    pub(super) properties: Vec<Span>,
    pub(super) required: Vec<Span>,
}

impl Keywords<'_> {
    pub(super) fn get(&self, name: &str) -> Option<Span> {
        self.by_name
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, place)| *place)
    }
}

impl<'s> Converter<'s, '_> {
    pub(super) fn text(&self, place: Span) -> &'s str {
        self.root.get(place.start..place.end).unwrap_or_default()
    }

    pub(super) fn children(&mut self, place: Span) -> Vec<Child> {
        self.work_left = self.work_left.saturating_sub(place.len());
        children(self.root.as_bytes(), place).unwrap_or_default()
    }

    fn inner(&self, literal: Span) -> Cow<'s, str> {
        let literal = self.text(literal);
        let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        unescape_inner(inner.unwrap_or_default().as_bytes())
    }

    fn strings(&mut self, place: Span) -> Vec<Cow<'s, str>> {
        if self.text(place).starts_with('"') {
            return vec![self.inner(place)];
        }
        let found = self.children(place);
        found.iter().map(|child| self.inner(child.value)).collect()
    }

    pub(super) fn dropped(&mut self, keyword: &str) {
        let why = match KNOWN.contains(&keyword) {
            true => format!("the schema's `{keyword}` has no counterpart in Gemini's schemas"),
            // keywords that nobody knows are the caller's words
            false => "a keyword of the schema has no counterpart in Gemini's schemas".to_owned(),
        };
        self.losses.dropped(self.at.to_owned(), why);
    }

    pub(super) fn changed(&mut self, why: &'static str) {
        self.losses.changed(self.at.to_owned(), why);
    }

    pub(super) fn schema(&mut self, place: Span, depth: usize) -> Node {
        if !self.text(place).starts_with('{') {
            return self.anything();
        }
        if depth > MAX_DEPTH || self.work_left == 0 {
            self.changed("the schema is cut where it nests too deeply or refers to itself");
            return Node::of(Kind::Object);
        }
        let before = self.references.len();
        let mut keywords = Keywords::default();
        let whole = self.collect(place, &mut keywords, depth);
        let node = match whole {
            true => self.build(&keywords, depth),
            false => Node::of(Kind::Object),
        };
        self.references.truncate(before);
        node
    }

    /// A schema that takes everything has no type here; a text can hold most of it.
    fn anything(&mut self) -> Node {
        self.changed("a schema that says no type goes as a string");
        Node::of(Kind::String)
    }

    /// False where the schema leads back to itself.
    fn collect(&mut self, place: Span, keywords: &mut Keywords<'s>, depth: usize) -> bool {
        let (mut reference, mut all) = (None, None);
        for child in self.children(place) {
            let Some(key) = child.key else { continue };
            let name = self.inner(key);
            match &*name {
                "$ref" => reference = Some(child.value),
                "allOf" => all = Some(child.value),
                "properties" => keywords.properties.push(child.value),
                "required" => keywords.required.push(child.value),
                _ if keywords.get(&name).is_none() => keywords.by_name.push((name, child.value)),
                _ => {}
            }
        }
        let mut whole = true;
        if let Some(reference) = reference {
            whole &= self.follow(reference, keywords, depth);
        }
        if let Some(all) = all {
            let parts = self.children(all);
            if parts.len() > 1 {
                self.changed("the schemas of `allOf` are joined to one");
            }
            for part in parts.iter().filter(|_| depth < MAX_DEPTH) {
                whole &= self.collect(part.value, keywords, depth.saturating_add(1));
            }
        }
        whole
    }

    fn follow(&mut self, reference: Span, keywords: &mut Keywords<'s>, depth: usize) -> bool {
        let name = self.inner(reference);
        self.work_left = self.work_left.saturating_sub(self.root.len());
        let target = name
            .strip_prefix('#')
            .and_then(|path| pointer(self.root.as_bytes(), path));
        let Some(target) = target else {
            self.dropped("$ref");
            return true;
        };
        if self.references.contains(&target.start) || depth > MAX_DEPTH {
            self.changed("the schema is cut where it nests too deeply or refers to itself");
            return false;
        }
        self.references.push(target.start);
        self.collect(target, keywords, depth.saturating_add(1))
    }

    fn build(&mut self, keywords: &Keywords<'s>, depth: usize) -> Node {
        let (mut kinds, mut nullable) = self.kinds(keywords);
        let any_of = keywords.get("anyOf").or_else(|| keywords.get("oneOf"));
        if keywords.get("oneOf").is_some() {
            self.changed("`oneOf` goes as `anyOf`");
        }
        let shaped = !keywords.properties.is_empty() || keywords.get("items").is_some();
        if let Some(place) = any_of {
            if !shaped {
                return self.any_of(place, keywords, nullable, depth);
            }
            self.dropped("anyOf");
        }
        if kinds.is_empty() {
            kinds.extend(self.inferred(keywords));
        }
        if let Some(place) = keywords.get("enum")
            && self
                .children(place)
                .iter()
                .any(|child| self.text(child.value) == "null")
        {
            nullable = true;
        }
        let mut node = match kinds.as_slice() {
            [] if nullable => Node::of(Kind::Null),
            [] => self.anything(),
            [kind] => self.typed(*kind, keywords, depth),
            kinds => Node::any_of(
                kinds
                    .iter()
                    .map(|kind| self.typed(*kind, keywords, depth))
                    .collect(),
            ),
        };
        node.nullable |= nullable && node.kind != Some(Kind::Null);
        node.settle();
        self.unsaid(&mut node, keywords);
        node
    }

    /// The types that are said, and whether null is one of them.
    fn kinds(&mut self, keywords: &Keywords<'s>) -> (Vec<Kind>, bool) {
        let mut kinds = Vec::new();
        let mut nullable = keywords
            .get("nullable")
            .is_some_and(|place| self.text(place) == "true");
        if let Some(place) = keywords.get("type") {
            for name in self.strings(place) {
                match Kind::named(&name) {
                    Some(Kind::Null) => nullable = true,
                    Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
                    _ => {}
                }
            }
        }
        (kinds, nullable)
    }

    fn inferred(&mut self, keywords: &Keywords<'s>) -> Option<Kind> {
        if !keywords.properties.is_empty() || keywords.get("additionalProperties").is_some() {
            return Some(Kind::Object);
        }
        if keywords.get("items").is_some() || keywords.get("prefixItems").is_some() {
            return Some(Kind::Array);
        }
        if let Some(place) = keywords.get("const") {
            return self.kind_of_value(place);
        }
        if let Some(place) = keywords.get("enum") {
            let values = self.children(place);
            return values.iter().find_map(|child| self.kind_of_value(child.value));
        }
        let has = |names: &[&str]| names.iter().any(|name| keywords.get(name).is_some());
        match () {
            () if has(&["minLength", "maxLength", "pattern", "format"]) => Some(Kind::String),
            () if has(&[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "multipleOf",
            ]) =>
            {
                Some(Kind::Number)
            }
            () if has(&["minItems", "maxItems"]) => Some(Kind::Array),
            () => None,
        }
    }

    fn kind_of_value(&self, place: Span) -> Option<Kind> {
        match self.text(place).as_bytes().first() {
            Some(b'n') | None => None,
            Some(b't' | b'f') => Some(Kind::Boolean),
            Some(b'{') => Some(Kind::Object),
            Some(b'[') => Some(Kind::Array),
            Some(_) => Some(Kind::String),
        }
    }

    fn any_of(&mut self, place: Span, keywords: &Keywords<'s>, mut nullable: bool, depth: usize) -> Node {
        let mut branches = Vec::new();
        for child in self.children(place) {
            let node = self.schema(child.value, depth.saturating_add(1));
            match node.kind {
                Some(Kind::Null) => nullable = true,
                _ => branches.push(node),
            }
        }
        let mut node = match branches.len() {
            0 if nullable => Node::of(Kind::Null),
            0 => self.anything(),
            1 => branches.pop().unwrap_or_default(),
            _ => Node::any_of(branches),
        };
        node.nullable |= nullable && node.kind != Some(Kind::Null);
        for name in ["title", "description"] {
            if let Some(place) = keywords.get(name) {
                node.set(name, self.text(place));
            }
        }
        node.settle();
        self.unsaid(&mut node, keywords);
        node
    }

    /// What was said and has no counterpart.
    fn unsaid(&mut self, node: &mut Node, keywords: &Keywords<'s>) {
        for (name, place) in &keywords.by_name {
            match TRANSLATED.contains(&&**name) {
                true => {}
                false if self.own => node.set(name, self.text(*place)),
                false => self.dropped(name),
            }
        }
    }
}

/// Keywords that are said here, one way or another, or that only hold what others refer to.
const TRANSLATED: [&str; 29] = [
    "type",
    "nullable",
    "title",
    "description",
    "format",
    "enum",
    "const",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "example",
    "propertyOrdering",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "$comment",
];

/// Keywords of JSON Schema that losses may name.
const KNOWN: [&str; 24] = [
    "$ref",
    "anyOf",
    "format",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "additionalProperties",
    "additionalItems",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "default",
    "examples",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "uniqueItems",
    "multipleOf",
    "dependentRequired",
    "dependentSchemas",
    "contentEncoding",
    "contentMediaType",
    "readOnly",
];
