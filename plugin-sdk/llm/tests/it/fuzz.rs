//! Every reader on mutated input: it says no or reads on, it does not panic, and what it says stays true.

use bytes::Bytes;
use penstock_llm::json::{JsonLimits, pointer, unescape, validate};
use penstock_llm::openai::ErrorView;
use penstock_llm::sse::SseReader;
use penstock_llm::usage::Usage;
use proptest::prelude::*;

use crate::judge;
use crate::make::{Dice, cases};

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

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_body_makes_a_reader_panic_or_lie(seed: u64) {
        for body in bodies(seed) {
            let body = Bytes::from(body);
            let valid = validate(&body, &JsonLimits::default()).is_ok();
            for op in judge::OPERATIONS {
                judge::request(op, &body);
                judge::sent(op, &body);
            }
            prop_assert!(valid || Usage::read(&body).is_none());
            drop((ErrorView::read(&body), unescape(&body), pointer(&body, "/messages/0/content")));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let body = Bytes::from(bytes);
        for op in judge::OPERATIONS {
            judge::request(op, &body);
            judge::sent(op, &body);
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
