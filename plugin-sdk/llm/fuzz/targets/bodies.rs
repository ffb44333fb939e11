//! Any bytes as a body or an event of every operation: the readers refuse it or tell the truth about it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use penstock_llm::json::{JsonLimits, pointer, unescape, validate};
use penstock_llm::openai::ErrorView;
use penstock_llm::usage::Usage;

#[path = "../../tests/it/judge.rs"]
mod judge;

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let valid = validate(&body, &JsonLimits::default()).is_ok();
    // serde_json skips strings without looking at their UTF-8, and stops at a smaller depth.
    let taken = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    assert!(taken || !valid || is_deep(&body));
    assert!(valid || !taken || std::str::from_utf8(&body).is_err());
    for op in judge::OPERATIONS {
        judge::request(op, &body);
        judge::sent(op, &body);
    }
    assert!(valid || Usage::read(&body).is_none());
    drop((
        ErrorView::read(&body),
        unescape(&body),
        pointer(&body, "/messages/0/content"),
    ));
});

/// As deep as serde_json goes, or it looks so.
fn is_deep(body: &[u8]) -> bool {
    body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100
}
