//! Any edits of any request: it stays a valid request, and every byte outside what was edited stays as it was.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use penstock_llm::openai::{Operation, ReadLimits, Request};

/// Valid requests to edit, since few of the fuzzer's own are.
const TEMPLATES: [(Operation, &str); 3] = [
    (Operation::Chat, include_str!("../seeds/bodies/chat")),
    (Operation::Completions, include_str!("../seeds/bodies/completion")),
    (Operation::Embeddings, include_str!("../seeds/bodies/embedding")),
];

fuzz_target!(|input: (u8, String, Vec<(u8, u8, String)>, String)| {
    let (which, pointer, edits, body) = input;
    let (operation, template) = TEMPLATES[usize::from(which) % TEMPLATES.len()];
    let body = if body.starts_with('{') {
        body
    } else {
        template.to_owned()
    };
    let limits = ReadLimits {
        max_bytes: 1 << 20,
        ..ReadLimits::default()
    };
    let Ok(mut request) = Request::read(operation, Bytes::from(body), &limits) else {
        return;
    };
    for (kind, segment, text) in edits {
        let before = request.clone();
        let done = match kind % 3 {
            0 => replaced(&mut request, usize::from(segment), &text),
            1 => request.set(&pointer, &text).is_ok(),
            _ => request.remove(&pointer).is_ok(),
        };
        if !done {
            assert_eq!(
                request.bytes(),
                before.bytes(),
                "an edit that failed left something"
            );
        }
        let fresh =
            Request::read(operation, request.bytes().clone(), &limits).expect("edits leave a valid request");
        assert_eq!((fresh.model(), fresh.stream()), (before.model(), before.stream()));
        assert_eq!(fresh.segments().len(), request.segments().len());
    }
});

/// A text's literal is exchanged, and nothing on either side of it.
fn replaced(request: &mut Request, segment: usize, text: &str) -> bool {
    let before = request.clone();
    let Some(span) = before.segments().get(segment).map(|found| found.span) else {
        return false;
    };
    if request.replace_text(segment, text).is_err() {
        return false;
    }
    let (old, new) = (before.bytes(), request.bytes());
    assert!(new.starts_with(&old[..span.start]));
    assert!(new.ends_with(&old[span.end..]));
    assert_eq!(request.text(segment).as_deref(), Some(text));
    true
}
