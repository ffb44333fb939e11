//! Gemini's schemas (a subset of OpenAPI 3.0's) as JSON Schema, which every other dialect has (APIS.md 4.1).

use std::borrow::Cow;

use crate::json::{Child, Span, children, pointer, unescape_inner};
use crate::model::Json;

use super::spelling::camel;

/// The same schema in JSON Schema's words. What is JSON Schema already stays as it is.
pub(super) fn convert(schema: &Json<'_>) -> Json<'static> {
    let root = schema.get();
    let mut out = Vec::with_capacity(root.len());
    if let Some(place) = pointer(root.as_bytes(), "") {
        Converter { root }.schema(place, &mut out);
    }
    Json::checked(String::from_utf8_lossy(&out).into_owned())
}

struct Converter<'s> {
    root: &'s str,
}

/// A member of a schema: its name as JSON has it, and its value.
struct Member<'s> {
    name: Cow<'s, str>,
    /// The name's literal, with its quotes.
    literal: &'s str,
    value: Span,
}

impl<'s> Converter<'s> {
    fn text(&self, place: Span) -> &'s str {
        self.root.get(place.start..place.end).unwrap_or_default()
    }

    fn children(&self, place: Span) -> Vec<Child> {
        children(self.root.as_bytes(), place).unwrap_or_default()
    }

    fn is_object(&self, place: Span) -> bool {
        self.text(place).starts_with('{')
    }

    fn members(&self, place: Span) -> Vec<Member<'s>> {
        let member = |child: Child| {
            let literal = self.text(child.key?);
            let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
            Some(Member {
                name: unescape_inner(inner.as_bytes()),
                literal,
                value: child.value,
            })
        };
        self.children(place).into_iter().filter_map(member).collect()
    }

    fn schema(&self, place: Span, out: &mut Vec<u8>) {
        if !self.is_object(place) {
            return out.extend_from_slice(self.text(place).as_bytes());
        }
        let mut members = self.members(place);
        for member in &mut members {
            member.name = named(&member.name);
        }
        let value = |name: &str| {
            members
                .iter()
                .rfind(|member| member.name == name)
                .map(|member| member.value)
        };
        let nullable = value("nullable").is_some_and(|place| self.text(place) == "true");
        let typed = value("type").is_some();
        let order = value("propertyOrdering");
        out.push(b'{');
        let mut list = List::new(out);
        for member in &members {
            let place = member.value;
            match &*member.name {
                "nullable" | "propertyOrdering" => {}
                // says no more than the list does
                "format" if self.text(place) == "\"enum\"" => {}
                "type" => {
                    if let Some(kind) = kind(self.text(place)) {
                        list.name("type");
                        write_kind(&kind, nullable, list.out);
                    }
                }
                "properties" => {
                    list.name("properties");
                    self.map(place, order, list.out);
                }
                "$defs" => {
                    list.name("$defs");
                    self.map(place, None, list.out);
                }
                "items" | "additionalProperties" => {
                    list.name(&member.name);
                    self.schema(place, list.out);
                }
                "anyOf" => {
                    list.name("anyOf");
                    self.array(place, nullable && !typed, list.out);
                }
                "enum" => {
                    list.name("enum");
                    self.words(place, nullable, list.out);
                }
                "example" => {
                    list.name("examples");
                    list.out.push(b'[');
                    list.out.extend_from_slice(self.text(place).as_bytes());
                    list.out.push(b']');
                }
                name if is_count(name) => {
                    list.name(name);
                    list.out.extend_from_slice(count(self.text(place)).as_bytes());
                }
                "$ref" => {
                    list.name("$ref");
                    let target = self.text(place).replacen("\"#/defs/", "\"#/$defs/", 1);
                    list.out.extend_from_slice(target.as_bytes());
                }
                _ => {
                    list.literal(member.literal);
                    list.out.extend_from_slice(self.text(place).as_bytes());
                }
            }
        }
        out.push(b'}');
    }

    /// Schemas by name, those that an order names first.
    fn map(&self, place: Span, order: Option<Span>, out: &mut Vec<u8>) {
        if !self.is_object(place) {
            return out.extend_from_slice(self.text(place).as_bytes());
        }
        let mut members = self.members(place);
        if let Some(order) = order {
            let order: Vec<&str> = self
                .children(order)
                .iter()
                .map(|child| self.text(child.value))
                .collect();
            let rank = |member: &Member<'_>| order.iter().position(|name| *name == member.literal);
            members.sort_by_cached_key(|member| rank(member).unwrap_or(usize::MAX));
        }
        out.push(b'{');
        let mut list = List::new(out);
        for member in members {
            list.literal(member.literal);
            self.schema(member.value, list.out);
        }
        out.push(b'}');
    }

    fn array(&self, place: Span, or_null: bool, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut list = List::new(out);
        for child in self.children(place) {
            list.comma();
            self.schema(child.value, list.out);
        }
        if or_null {
            list.comma();
            list.out.extend_from_slice(br#"{"type":"null"}"#);
        }
        out.push(b']');
    }

    fn words(&self, place: Span, or_null: bool, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut list = List::new(out);
        for child in self.children(place) {
            list.comma();
            list.out.extend_from_slice(self.text(child.value).as_bytes());
        }
        if or_null {
            list.comma();
            list.out.extend_from_slice(b"null");
        }
        out.push(b']');
    }
}

/// Members or elements with the commas between them.
struct List<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl<'o> List<'o> {
    fn new(out: &'o mut Vec<u8>) -> List<'o> {
        List { out, any: false }
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
    }

    fn literal(&mut self, literal: &str) {
        self.comma();
        self.out.extend_from_slice(literal.as_bytes());
        self.out.push(b':');
    }

    fn name(&mut self, name: &str) {
        self.literal(&format!("\"{name}\""));
    }
}

/// Vertex has the members for references without their sign.
fn named<'s>(name: &str) -> Cow<'s, str> {
    let name = camel(Cow::Borrowed(name.as_bytes()));
    Cow::Owned(match &*name {
        b"ref" => "$ref".to_owned(),
        b"defs" => "$defs".to_owned(),
        name => String::from_utf8_lossy(name).into_owned(),
    })
}

/// A type's name as JSON Schema has it, from its name or its number; none where nothing is said, and the literal where
/// it is something else.
fn kind(literal: &str) -> Option<Cow<'_, str>> {
    let name = match literal.trim_matches('"') {
        "TYPE_UNSPECIFIED" | "0" | "null" if literal != "\"null\"" => return None,
        "1" => "string",
        "2" => "number",
        "3" => "integer",
        "4" => "boolean",
        "5" => "array",
        "6" => "object",
        "7" => "null",
        _ if literal.starts_with('"') => return Some(literal.to_ascii_lowercase().into()),
        _ => return Some(literal.into()),
    };
    Some(format!("\"{name}\"").into())
}

fn write_kind(kind: &str, nullable: bool, out: &mut Vec<u8>) {
    if nullable && kind.starts_with('"') && kind != "\"null\"" {
        out.push(b'[');
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b",\"null\"]");
    } else {
        out.extend_from_slice(kind.as_bytes());
    }
}

/// Counts may be spelled as strings, as protocol buffers do it with large numbers.
fn is_count(name: &str) -> bool {
    matches!(
        name,
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties"
    )
}

fn count(literal: &str) -> &str {
    let inner = literal.trim_matches('"');
    match !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()) {
        true => inner,
        false => literal,
    }
}
