//! Every reader on mutated input: it says no or reads on, it does not panic, and what it says stays true.

use bytes::Bytes;
use penstock_llm::json::{JsonLimits, Span, pointer, unescape, validate};
use penstock_llm::openai::{Answer, ErrorView, EventView, Operation, ReadLimits, Request, Role};
use penstock_llm::sse::SseReader;
use penstock_llm::usage::Usage;
use proptest::prelude::*;

use crate::make::{Dice, cases};

const OPERATIONS: [Operation; 4] = [
    Operation::Chat,
    Operation::Completions,
    Operation::Embeddings,
    Operation::Moderations,
];

/// Bodies and events, whole and broken.
fn bodies(seed: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(seed);
    dice.lone_surrogates = true;
    let made = [
        dice.chat_request(),
        dice.prompt_request(),
        dice.input_request(),
        dice.sent("message"),
        dice.sent("delta"),
        r#"{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":1.0},"completion_tokens_details":{}}"#
            .to_owned(),
    ];
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for body in made {
        for _ in 0..4 {
            bodies.push(dice.mutated(body.clone().into_bytes()));
        }
        bodies.push(body.into_bytes());
    }
    bodies
}

fn within(span: Span, bytes: &[u8]) -> bool {
    span.start < span.end && span.end <= bytes.len()
}

fn literal(span: Span, raw: bool, bytes: &[u8]) -> bool {
    within(span, bytes)
        && validate(span.of(bytes), &JsonLimits::default()).is_ok()
        && (raw || bytes[span.start] == b'"')
}

fn judge_request(op: Operation, body: &Bytes) {
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

fn judge_sent(op: Operation, body: &Bytes) {
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

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_body_makes_a_reader_panic_or_lie(seed: u64) {
        for body in bodies(seed) {
            let body = Bytes::from(body);
            let valid = validate(&body, &JsonLimits::default()).is_ok();
            for op in OPERATIONS {
                judge_request(op, &body);
                judge_sent(op, &body);
            }
            prop_assert!(valid || Usage::read(&body).is_none());
            drop((ErrorView::read(&body), unescape(&body), pointer(&body, "/messages/0/content")));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let body = Bytes::from(bytes);
        for op in OPERATIONS {
            judge_request(op, &body);
            judge_sent(op, &body);
        }
        drop((ErrorView::read(&body), unescape(&body), pointer(&body, "/a"), Usage::read(&body)));
    }

    #[test]
    fn pain_c11_no_stream_makes_the_reader_panic_or_lose_a_byte(seed: u64, limit in 1usize..400, step in 1usize..50) {
        let mut dice = Dice::new(seed);
        let stream = dice.stream();
        let input = dice.mutated(stream);
        let mut reader = SseReader::new(limit);
        let mut joined = Vec::new();
        let mut failed = false;
        for piece in input.chunks(step) {
            reader.push(Bytes::copy_from_slice(piece));
            loop {
                match reader.next() {
                    Ok(Some(frame)) => {
                        prop_assert!(frame.raw.len() <= limit);
                        prop_assert!(frame.event.is_none_or(|name| name.end <= frame.raw.len()));
                        prop_assert_eq!(frame.data_span().is_some_and(|span| span.of(&frame.raw) != &*frame.data()), false);
                        joined.extend_from_slice(&frame.raw);
                    }
                    Ok(None) => break,
                    Err(_) => { failed = true; break }
                }
            }
            prop_assert!(reader.pending() <= limit);
        }
        joined.extend_from_slice(&reader.finish().unwrap_or_default());
        prop_assert!(input.starts_with(&joined));
        prop_assert_eq!(joined.len() == input.len(), !failed || joined.len() == input.len());
    }
}
