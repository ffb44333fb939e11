//! Other names for members, everything else byte for byte: what a dialect that differs in a name needs.

use super::pointer::{children, document, tokens};
use super::{Span, escape_into, unescape};
use crate::splice::{Splice, apply};

/// Stands for every element of an array, or every member of an object.
const EACH: &str = "*";

/// `bytes` with the members that `path` leads to called `to`; none where there is no such member. A path is an RFC 6901
/// pointer in which `*` stands for every element: `/choices/*/delta/thoughts`.
pub fn renamed(bytes: &[u8], path: &str, to: &str) -> Option<Vec<u8>> {
    let path = tokens(path)?;
    let (name, way) = path.split_last()?;
    let mut parents = vec![document(bytes)?];
    for token in way {
        let below = parents.iter().flat_map(|parent| values(bytes, *parent, token));
        parents = below.collect();
    }
    let keys = parents.iter().flat_map(|parent| keys(bytes, *parent, name));
    let mut literal = Vec::new();
    escape_into(to, &mut literal);
    let splices: Vec<Splice> = keys.map(|key| Splice::new(key, literal.clone())).collect();
    (!splices.is_empty()).then(|| apply(bytes, &splices))
}

fn values(bytes: &[u8], parent: Span, token: &str) -> Vec<Span> {
    let all = children(bytes, parent).unwrap_or_default();
    let index = super::array_index(token);
    let named = all.iter().enumerate().filter(|(place, child)| match child.key {
        _ if token == EACH => true,
        Some(key) => unescape(key.of(bytes)) == token,
        None => index == Some(*place),
    });
    named.map(|(_, child)| child.value).collect()
}

fn keys(bytes: &[u8], parent: Span, name: &str) -> Vec<Span> {
    let all = children(bytes, parent).unwrap_or_default();
    let keys = all.iter().filter_map(|child| child.key);
    keys.filter(|key| unescape(key.of(bytes)) == name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &str, path: &str, to: &str) -> Option<String> {
        renamed(bytes.as_bytes(), path, to).map(|bytes| String::from_utf8(bytes).expect("still text"))
    }

    #[test]
    fn only_the_names_that_the_path_leads_to_are_others() {
        let body = r#"{"a": 1.0e2, "list":[{"a":"\u0061"},{"b":{"a":2}},{"a" :3}]}"#;
        assert_eq!(
            told(body, "/list/*/a", "q\"").as_deref(),
            Some(r#"{"a": 1.0e2, "list":[{"q\"":"\u0061"},{"b":{"a":2}},{"q\"" :3}]}"#)
        );
        assert_eq!(
            told(body, "/list/1/b/a", "c").as_deref(),
            Some(r#"{"a": 1.0e2, "list":[{"a":"\u0061"},{"b":{"c":2}},{"a" :3}]}"#)
        );
        assert_eq!(
            told(r#"{"x":{"a":1},"y":{"a":2}}"#, "/*/a", "b").as_deref(),
            Some(r#"{"x":{"b":1},"y":{"b":2}}"#)
        );
    }

    #[test]
    fn what_is_not_there_or_no_json_changes_nothing() {
        for (body, path) in [
            ("{}", "/a"),
            ("[1]", "/a"),
            ("{\"a\":", "/a"),
            ("", "/a"),
            ("{\"a\":1}", ""),
            ("{\"a\":1}", "a"),
        ] {
            assert_eq!(told(body, path, "b"), None, "{body} {path}");
        }
    }
}
