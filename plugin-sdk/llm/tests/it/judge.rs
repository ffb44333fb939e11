//! What must hold of any bytes that a reader of bodies or events takes: shared by the property tests and the fuzzer.

use bytes::Bytes;
use penstock_llm::json::{JsonLimits, Span, validate};
use penstock_llm::openai::{Answer, EventView, Operation, ReadLimits, Request, Role};

pub const OPERATIONS: [Operation; 4] = [
    Operation::Chat,
    Operation::Completions,
    Operation::Embeddings,
    Operation::Moderations,
];

/// A request is refused, or everything that is read from it is there, and edits leave a valid one.
pub fn request(op: Operation, body: &Bytes) {
    let Ok(mut request) = Request::read(op, body.clone(), &ReadLimits::default()) else {
        return;
    };
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok());
    assert!(!request.model().is_empty());
    for (at, segment) in request.segments().iter().enumerate() {
        assert_eq!(request.text(at).is_some(), segment.kind.has_text());
        assert!(literal(
            segment.span,
            segment.raw || !segment.kind.has_text(),
            body
        ));
        assert_eq!(
            segment.length as usize,
            request.text(at).map_or(0, |text| text.len())
        );
    }
    let sent = request.outbound("x", true).into_bytes();
    assert!(Request::read(op, sent, &ReadLimits::default()).is_ok_and(|sent| sent.model() == "x"));
    for at in 0..request.segments().len().min(3) {
        let _ = request.replace_text(at, "{\"x\":\"y\"}");
    }
    let _ = request.add_message(1, Role::User, "x");
    let _ = request.set("/messages/0/content", "\"x\"");
    let _ = request.remove("/messages/0");
    let fresh = Request::read(op, request.bytes().clone(), &ReadLimits::default())
        .expect("edits leave a valid request");
    assert_eq!(fresh.segments().len(), request.segments().len());
}

/// The two readers of what a provider sends agree, and every span lies where it says.
pub fn sent(op: Operation, body: &Bytes) {
    let event = EventView::read(op, body);
    let answer = Answer::read(op, body.clone());
    assert_eq!(event.is_ok(), answer.is_ok());
    let (Ok(event), Ok(mut answer)) = (event, answer) else {
        return;
    };
    assert_eq!(event.usage, answer.usage());
    assert_eq!(event.is_error, answer.error().is_some());
    let spoken: Vec<String> = event
        .deltas
        .iter()
        .map(|delta| delta.text(body).into_owned())
        .collect();
    let texts: Vec<String> = (0..answer.segments().len())
        .filter_map(|at| answer.text(at).map(String::from))
        .collect();
    assert_eq!(spoken, texts);
    assert!(
        event
            .deltas
            .iter()
            .all(|delta| literal(delta.literal, delta.raw, body))
    );
    assert!(
        event
            .finishes
            .iter()
            .all(|finish| literal(finish.reason, false, body))
    );
    for at in 0..answer.segments().len().min(3) {
        let _ = answer.replace_text(at, "[\"x\"]");
    }
    assert!(Answer::read(op, answer.bytes().clone()).is_ok());
}

fn within(span: Span, bytes: &[u8]) -> bool {
    span.start < span.end && span.end <= bytes.len()
}

fn literal(span: Span, raw: bool, bytes: &[u8]) -> bool {
    within(span, bytes)
        && validate(span.of(bytes), &JsonLimits::default()).is_ok()
        && (raw || bytes[span.start] == b'"')
}
