//! What JSON Schema says of values of one type, in Gemini's words. Types, references and alternatives are left to
//! `schema_down`.

use crate::json::escape_into;

use super::schema_down::{Converter, Keywords};
use super::schema_node::{Kind, Node};

impl<'s> Converter<'s, '_> {
    /// What the keywords say of values of one type.
    pub(super) fn typed(&mut self, kind: Kind, keywords: &Keywords<'s>, depth: usize) -> Node {
        let mut node = Node::of(kind);
        for name in ["title", "description"].iter().chain(kind.keywords()) {
            if let Some(place) = keywords.get(name) {
                node.set(name, self.text(place));
            }
        }
        match kind {
            Kind::Object => self.properties(&mut node, keywords, depth),
            Kind::Array => self.items(&mut node, keywords, depth),
            Kind::Number | Kind::Integer => self.bounds(&mut node, keywords),
            Kind::String | Kind::Boolean | Kind::Null => {}
        }
        self.format(&mut node, kind, keywords);
        self.words(&mut node, keywords);
        node
    }

    fn properties(&mut self, node: &mut Node, keywords: &Keywords<'s>, depth: usize) {
        for place in &keywords.properties {
            for child in self.children(*place) {
                let Some(key) = child.key else { continue };
                let literal = self.text(key);
                if node.properties.iter().any(|(known, _)| known == literal) {
                    continue;
                }
                let inner = self.schema(child.value, depth.saturating_add(1));
                node.properties.push((literal.to_owned(), inner));
            }
        }
        for place in &keywords.required {
            for child in self.children(*place) {
                let name = self.text(child.value);
                if !node.properties.iter().any(|(known, _)| known == name) {
                    self.changed("a property is required that the schema does not describe");
                } else if !node.required.iter().any(|known| known == name) {
                    node.required.push(name.to_owned());
                }
            }
        }
    }

    fn items(&mut self, node: &mut Node, keywords: &Keywords<'s>, depth: usize) {
        let inner = depth.saturating_add(1);
        let single = keywords
            .get("items")
            .filter(|place| self.text(*place).starts_with('{'));
        if let Some(place) = single {
            node.items = Some(Box::new(self.schema(place, inner)));
            return;
        }
        let tuple = keywords.get("prefixItems").or_else(|| keywords.get("items"));
        let places = tuple.map(|place| self.children(place)).unwrap_or_default();
        let mut kinds: Vec<Node> = Vec::new();
        for child in &places {
            let node = self.schema(child.value, inner);
            if !kinds.contains(&node) {
                kinds.push(node);
            }
        }
        if !places.is_empty() {
            self.changed("the places of a list with a schema each go as one schema for all");
            node.set("minItems", &places.len().to_string());
            node.set("maxItems", &places.len().to_string());
        }
        node.items = Some(Box::new(match kinds.len() {
            0 => {
                self.changed("a list that says nothing of its elements goes as one of strings");
                Node::of(Kind::String)
            }
            1 => kinds.pop().unwrap_or_default(),
            _ => Node::any_of(kinds),
        }));
    }

    /// Bounds that a number may not reach: the next whole number, or the bound itself.
    fn bounds(&mut self, node: &mut Node, keywords: &Keywords<'s>) {
        for (keyword, name, step) in [
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ] {
            let Some(place) = keywords.get(keyword) else {
                continue;
            };
            let bound = self.text(place);
            let whole: Option<i64> = bound.parse().ok();
            match whole.and_then(|whole| whole.checked_add(step)) {
                Some(next) if node.kind == Some(Kind::Integer) => node.set(name, &next.to_string()),
                _ if bound.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                    self.changed("a bound that is not to be reached goes as one that may be");
                    node.set(name, bound);
                }
                _ => self.dropped(keyword),
            }
        }
    }

    fn format(&mut self, node: &mut Node, kind: Kind, keywords: &Keywords<'s>) {
        let Some(place) = keywords.get("format") else {
            return;
        };
        let taken = match kind {
            Kind::String => &["\"date-time\"", "\"enum\""][..],
            Kind::Number => &["\"float\"", "\"double\""],
            Kind::Integer => &["\"int32\"", "\"int64\""],
            Kind::Boolean | Kind::Array | Kind::Object | Kind::Null => &[],
        };
        match taken.contains(&self.text(place)) {
            true => node.set("format", self.text(place)),
            false => self.dropped("format"),
        }
    }

    /// `enum` and `const`: values are strings here, and none of them empty.
    fn words(&mut self, node: &mut Node, keywords: &Keywords<'s>) {
        if node.kind == Some(Kind::Boolean) {
            if keywords.get("const").is_some() {
                self.changed("one of the two values that a boolean may have is not ruled out");
            }
            return;
        }
        let places = match (keywords.get("const"), keywords.get("enum")) {
            (Some(place), _) => vec![place],
            (None, Some(place)) => self.children(place).iter().map(|child| child.value).collect(),
            (None, None) => return,
        };
        let (mut plain, mut left_out) = (true, false);
        for place in places {
            let value = self.text(place);
            match value.as_bytes().first() {
                Some(b'n') | None => {}
                Some(b'"') if value.len() == 2 => left_out = true,
                Some(b'"') => node.words.push(value.to_owned()),
                Some(_) => {
                    plain = false;
                    let mut literal = Vec::new();
                    escape_into(value, &mut literal);
                    node.words.push(String::from_utf8_lossy(&literal).into_owned());
                }
            }
        }
        if left_out {
            self.changed("an empty text cannot be one of the values to choose from");
            // a choice without it would forbid what the schema allows
            node.words.clear();
        }
        if node.words.is_empty() {
            return;
        }
        if !plain {
            self.changed("values to choose from are strings");
        }
        let description = node.get("description").map(str::to_owned);
        let words = std::mem::take(&mut node.words);
        *node = Node::of(Kind::String);
        node.words = words;
        if let Some(description) = description {
            node.set("description", &description);
        }
    }
}
