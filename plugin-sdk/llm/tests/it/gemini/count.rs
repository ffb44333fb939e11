//! Counting tokens, both ways.

use penstock_llm::gemini::{Surface, read_count, read_count_request, write_count, write_count_request};
use penstock_llm::model::{ErrorKind, Usage};
use serde_json::{Value, json};

use super::{asked, bytes, parsed, target};

#[test]
fn contents_alone_and_whole_requests_are_counted() {
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    let lone = bytes(&json!({"contents": contents}));
    let whole = bytes(&json!({"generateContentRequest": {
        "model": "models/x", "contents": contents, "systemInstruction": {"parts": [{"text": "be short"}]},
    }}));
    let lone = read_count_request(&lone, &asked("gemini-2.5-flash"))
        .expect("a request")
        .value;
    let whole = read_count_request(&whole, &asked("gemini-2.5-flash"))
        .expect("a request")
        .value;
    assert_eq!((lone.messages.len(), whole.messages.len()), (1, 2));
    let written = |surface| {
        let written = write_count_request(&whole, &target("gemini-2.5-flash"), surface).expect("written");
        parsed(&written)
    };
    let inner = written(Surface::AiStudio)["generateContentRequest"].clone();
    assert_eq!(
        (&inner["model"], &inner["contents"]),
        (&json!("models/gemini-2.5-flash"), &contents)
    );
    let flat = written(Surface::Vertex);
    assert_eq!((flat.get("model"), &flat["contents"]), (None, &contents));
    assert_eq!(flat["systemInstruction"], inner["systemInstruction"]);
}

#[test]
fn a_count_is_the_input_of_a_usage() {
    let usage = read_count(br#"{"totalTokens":31,"totalBillableCharacters":96,"cachedContentTokenCount":5}"#)
        .expect("a count");
    assert_eq!((usage.input, usage.cache_read), (Some(31), Some(5)));
    let written: Value = serde_json::from_slice(&write_count(&usage)).expect("JSON");
    assert_eq!(written, json!({"totalTokens": 31, "cachedContentTokenCount": 5}));
    assert_eq!(write_count(&Usage::default()), br#"{"totalTokens":0}"#);
}

#[test]
fn what_is_no_count_is_an_error() {
    for body in ["", "{}", "[]", "{\"totalTokens\":-1}"] {
        assert_eq!(
            read_count(body.as_bytes()).expect_err(body).kind,
            ErrorKind::BadAnswer
        );
    }
    let error =
        read_count(br#"{"error":{"code":404,"message":"x","status":"NOT_FOUND"}}"#).expect_err("an error");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(read_count_request(b"{", &asked("m")).is_err());
}
