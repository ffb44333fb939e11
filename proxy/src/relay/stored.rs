//! A provider's answer about files and batches: the ids in it, and lists without what is another caller's. What is no list
//! stays as it came.

use bytes::Bytes;
use penstock_llm::json;
use penstock_llm::usage::Usage;

/// The ids that a caller may come back to: of the thing itself, and of the files that a batch has made.
pub fn ids(body: &[u8]) -> Vec<String> {
    const PLACES: [&str; 4] = ["/id", "/output_file_id", "/error_file_id", "/input_file_id"];
    PLACES.iter().filter_map(|place| text_at(body, place)).collect()
}

/// What a batch has used, once it is over.
pub fn usage(body: &[u8]) -> Option<Usage> {
    let status = text_at(body, "/status")?;
    let is_over = matches!(&*status, "completed" | "expired" | "cancelled" | "failed");
    is_over
        .then(|| json::pointer(body, "/usage"))?
        .and_then(|span| Usage::read(span.of(body)))
}

/// A list with the elements that are the caller's.
pub struct Kept {
    pub body: Bytes,
    pub is_empty: bool,
    /// The last element of the whole list, where more follow it.
    pub next: Option<String>,
}

/// Leaves out of a list what `is_own` says of its id is not the caller's. None for what is no list.
pub fn kept(body: &Bytes, is_own: impl Fn(&str) -> bool) -> Option<Kept> {
    let data = json::pointer(body, "/data")?;
    let elements = json::elements(body, "/data")?;
    let id_of = |element: &json::Span| text_at(element.of(body), "/id");
    let own: Vec<&json::Span> = elements
        .iter()
        .filter(|element| id_of(element).is_some_and(|id| is_own(&id)))
        .collect();
    let has_more = json::pointer(body, "/has_more").is_some_and(|span| span.of(body) == b"true");
    let next = elements.last().filter(|_| has_more).and_then(id_of);
    if own.len() == elements.len() {
        return Some(Kept {
            body: body.clone(),
            is_empty: own.is_empty(),
            next,
        });
    }
    let mut list = b"[".to_vec();
    for (at, element) in own.iter().enumerate() {
        if at > 0 {
            list.push(b',');
        }
        list.extend_from_slice(element.of(body));
    }
    list.push(b']');
    let ends = [own.first(), own.last()].map(|element| literal(element.and_then(|element| id_of(element))));
    let mut edits = vec![(data, list)];
    for (name, end) in ["/first_id", "/last_id"].into_iter().zip(ends) {
        edits.extend(json::pointer(body, name).map(|span| (span, end)));
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    for (span, with) in edits {
        out.extend_from_slice(body.get(at..span.start)?);
        out.extend_from_slice(&with);
        at = span.end;
    }
    out.extend_from_slice(body.get(at..)?);
    Some(Kept {
        body: out.into(),
        is_empty: own.is_empty(),
        next,
    })
}

fn literal(text: Option<String>) -> Vec<u8> {
    let Some(text) = text else {
        return b"null".to_vec();
    };
    let mut literal = Vec::with_capacity(text.len() + 2);
    json::escape_into(&text, &mut literal);
    literal
}

fn text_at(body: &[u8], place: &str) -> Option<String> {
    let literal = json::pointer(body, place)?.of(body);
    literal
        .starts_with(b"\"")
        .then(|| json::unescape(literal).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_the_callers_own_and_says_where_the_next_begins() {
        let body = Bytes::from_static(
            br#"{"object":"list","data":[{"id":"a","n":1e0},{"id":"b"},{"id":"c"}],"first_id":"a","last_id":"c","has_more":true}"#,
        );
        let own = kept(&body, |id| id == "a").unwrap();
        assert_eq!(
            own.body,
            &br#"{"object":"list","data":[{"id":"a","n":1e0}],"first_id":"a","last_id":"a","has_more":true}"#
                [..]
        );
        assert_eq!(own.next.as_deref(), Some("c"));
        let none = kept(&body, |_| false).unwrap();
        assert!(
            none.is_empty
                && none
                    .body
                    .ends_with(br#""data":[],"first_id":null,"last_id":null,"has_more":true}"#)
        );
        assert_eq!(kept(&body, |_| true).unwrap().body, body);
        assert!(kept(&Bytes::from_static(b"{}"), |_| true).is_none());
    }

    #[test]
    fn a_batch_is_accounted_for_once_it_is_over() {
        let running =
            br#"{"status":"in_progress","usage":{"input_tokens":5,"output_tokens":1,"total_tokens":6}}"#;
        assert!(usage(running).is_none());
        let over = br#"{"status":"completed","usage":{"input_tokens":5,"output_tokens":1,"total_tokens":6}}"#;
        assert_eq!(
            usage(over).and_then(|usage| usage.prompt).map(|count| count.0),
            Some(5)
        );
    }
}
