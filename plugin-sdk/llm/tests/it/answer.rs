use bytes::Bytes;
use penstock_llm::openai::{Answer, BodyErrorKind, EditError, Kind, Operation, Provenance, Role};
use penstock_llm::usage::TokenCount;
use proptest::prelude::*;
use serde_json::Value;

use crate::make::{Dice, cases};
use crate::request::message_texts_by_serde;

pub fn read(op: Operation, body: &str) -> Answer {
    Answer::read(op, Bytes::copy_from_slice(body.as_bytes())).expect(body)
}

/// Choice, kind and text of each segment.
fn told(answer: &Answer) -> Vec<(u32, Kind, Option<String>)> {
    let segments = answer.segments().iter().enumerate();
    segments
        .map(|(at, segment)| (segment.choice, segment.kind, answer.text(at).map(String::from)))
        .collect()
}

#[test]
fn pain_n02_all_choices_texts_of_all_kinds_are_segments() {
    let answer = read(
        Operation::Chat,
        r#"{"model":"gp\u0074","choices":[
        {"message":{"role":"assistant","content":"a","refusal":"no","reasoning":"r","reasoning_content":"rc",
            "reasoning_details":[{"type":"reasoning.text","text":"rt"},{"summary":"rs"},{"data":"enc"}],
            "audio":{"id":"x","data":"AAAA","transcript":"said"},"images":[{"image_url":{"url":"u"}}]},
         "index":3,"finish_reason":"stop"},
        {"index":1,"message":{"content":[{"type":"text","text":"p"},{"type":"thinking","thinking":[{"type":"text","text":"t"}]}],
            "tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"g","arguments":{"a": 1}}}],
            "function_call":{"arguments":"legacy"}}}]}"#,
    );
    let some = |choice, kind, text: &str| (choice, kind, Some(text.to_owned()));
    assert_eq!(
        told(&answer),
        [
            some(3, Kind::Text, "a"),
            some(3, Kind::Refusal, "no"),
            some(3, Kind::Reasoning, "r"),
            some(3, Kind::Reasoning, "rc"),
            some(3, Kind::Reasoning, "rt"),
            some(3, Kind::Reasoning, "rs"),
            (3, Kind::Audio, None),
            some(3, Kind::Text, "said"),
            (3, Kind::Image, None),
            some(1, Kind::Text, "p"),
            some(1, Kind::Reasoning, "t"),
            some(1, Kind::ToolArguments, "{}"),
            some(1, Kind::ToolArguments, "{\"a\": 1}"),
            some(1, Kind::ToolArguments, "legacy"),
        ]
    );
    assert!(
        answer
            .segments()
            .iter()
            .all(|segment| (segment.role, segment.provenance) == (Role::Assistant, Provenance::Provider))
    );
    assert_eq!(answer.model().as_deref(), Some("gpt"));
    assert!(answer.has_choices());
    assert_eq!(answer.finishes().len(), 1);
    let completion = read(
        Operation::Completions,
        r#"{"choices":[{"text":"x","index":0},{"text":"y"}]}"#,
    );
    assert_eq!(
        told(&completion),
        [some(0, Kind::Text, "x"), some(1, Kind::Text, "y")]
    );
}

#[test]
fn text_cannot_hide_behind_a_second_key_of_the_same_name() {
    let answer = read(
        Operation::Chat,
        r#"{"choices":[{"message":{"content":"one","content":"two"},"message":{"content":"three"}}],
        "choices":[{"message":{"content":"four"}}]}"#,
    );
    let texts: Vec<_> = told(&answer)
        .into_iter()
        .filter_map(|(_, _, text)| text)
        .collect();
    assert_eq!(texts, ["one", "two", "three", "four"]);
}

#[test]
fn blank_lines_around_an_answer_are_no_fault() {
    let mut answer = read(
        Operation::Chat,
        "\n\r\n\n{\"choices\":[{\"message\":{\"content\":\"a\"}}]}\n\n",
    );
    answer.replace_text(0, "b").expect("fits");
    assert_eq!(
        answer.bytes(),
        "\n\r\n\n{\"choices\":[{\"message\":{\"content\":\"b\"}}]}\n\n"
    );
}

#[test]
fn replaced_texts_are_spliced_in() {
    let body = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"b"}}],"model":"m"}"#;
    let mut answer = read(Operation::Chat, body);
    answer.replace_text(0, "longer").expect("fits");
    answer.replace_text(1, "").expect("fits");
    assert_eq!(
        answer.bytes(),
        &body.replace("\"a\"", "\"longer\"").replace("\"b\"", "\"\"")
    );
    assert_eq!(
        (
            answer.text(0).as_deref(),
            answer.text(1).as_deref(),
            answer.model().as_deref()
        ),
        (Some("longer"), Some(""), Some("m"))
    );
    assert_eq!(answer.finishes()[0].reason.of(answer.bytes()), b"\"stop\"");
    answer.set_byte_limit(body.len());
    assert_eq!(
        answer.replace_text(0, "much longer than that"),
        Err(EditError::TooLarge)
    );
    assert_eq!(answer.replace_text(2, ""), Err(EditError::NotFound));
}

#[test]
fn a_redacted_text_is_not_spelled_by_its_logprobs() {
    let body = r#"{"choices":[{"logprobs":{"content":[{"token":"a"}]},"message":{"content":"a"},"index":0,"finish_reason":"stop"},
        {"index":1,"message":{"content":"b"},"logprobs":{"tokens":["b"]}}],"model":"m"}"#;
    let mut answer = read(Operation::Chat, body);
    answer.replace_text(0, "-").expect("fits");
    let expected = body
        .replace(r#"{"content":[{"token":"a"}]}"#, "null")
        .replace("\"a\"", "\"-\"");
    assert_eq!(answer.bytes(), &expected);
    answer.replace_text(1, "-").expect("fits");
    assert_eq!(
        answer.bytes(),
        &expected
            .replace(r#"{"tokens":["b"]}"#, "null")
            .replace("\"b\"", "\"-\"")
    );
}

#[test]
fn arguments_that_are_an_object_take_json_only() {
    let body = r#"{"choices":[{"message":{"tool_calls":[{"function":{"arguments":{"a":1}}}]}}]}"#;
    let mut answer = read(Operation::Chat, body);
    for bad in [
        "[redacted]",
        "null",
        "{",
        "",
        &("[".repeat(125) + &"]".repeat(125)),
    ] {
        assert_eq!(answer.replace_text(0, bad), Err(EditError::Invalid), "{bad}");
    }
    answer.replace_text(0, r#"{"a":"redacted"}"#).expect("JSON");
    assert_eq!(answer.bytes(), &body.replace(r#"{"a":1}"#, r#"{"a":"redacted"}"#));
}

#[test]
fn usage_is_read_wherever_it_stands() {
    let usage = |op, body| read(op, body).usage().and_then(|usage| usage.prompt);
    assert_eq!(
        usage(Operation::Chat, r#"{"usage":{"prompt_tokens":3}}"#),
        Some(TokenCount(3))
    );
    assert_eq!(
        usage(Operation::Chat, r#"{"x_groq":{"usage":{"prompt_tokens":4}}}"#),
        Some(TokenCount(4))
    );
    assert_eq!(
        usage(
            Operation::Chat,
            r#"{"x_groq":{"usage":{"prompt_tokens":4}},"usage":{"prompt_tokens":5}}"#
        ),
        Some(TokenCount(5))
    );
    assert_eq!(usage(Operation::Chat, r#"{"usage":null}"#), None);
    let embeddings = r#"{"data":[{"embedding":[0.1,-2e-3]}],"choices":[{"text":"no"}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    assert_eq!(usage(Operation::Embeddings, embeddings), Some(TokenCount(8)));
    assert!(read(Operation::Embeddings, embeddings).segments().is_empty());
}

#[test]
fn an_error_under_status_200_is_seen_in_every_shape() {
    let told = |body| {
        let error = read(Operation::Chat, body).error()?;
        Some((
            error.message.unwrap_or_default(),
            error.kind.unwrap_or_default(),
            error.code.unwrap_or_default(),
        ))
    };
    let error =
        |message: &str, kind: &str, code: &str| Some((message.to_owned(), kind.to_owned(), code.to_owned()));
    assert_eq!(
        told(r#"{"error":{"message":"m","type":"t","code":"c"}}"#),
        error("m", "t", "c")
    );
    assert_eq!(
        told(r#"{"error":{"message":"m","code":429}}"#),
        error("m", "", "429")
    );
    assert_eq!(told(r#"{"error":"m","code":"c"}"#), error("m", "", "c"));
    assert_eq!(
        told(r#"{"object":"error","message":"m","type":"t"}"#),
        error("m", "t", "")
    );
    assert_eq!(told(r#"{"x_groq":{"error":"m"}}"#), error("m", "", ""));
    for fine in [
        r#"{"error":null}"#,
        r#"{"error":""}"#,
        r#"{"error":false,"object":"chat.completion"}"#,
        r#"{}"#,
    ] {
        assert_eq!(told(fine), None, "{fine}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["", "[]", "<html>", "{\"a\":1}}", "null"] {
        let error = Answer::read(Operation::Chat, Bytes::from(body)).expect_err(body);
        assert_eq!(error.kind, BodyErrorKind::NotJson, "{body}");
    }
}

#[test]
fn odd_shapes_are_read_as_far_as_they_go() {
    for body in [
        r#"{"choices":5}"#,
        r#"{"choices":[null,1,"x",{"message":7},{"delta":[]}]}"#,
        r#"{"choices":[{"message":{"content":7}}]}"#,
    ] {
        assert!(read(Operation::Chat, body).segments().is_empty());
    }
    let strings = read(
        Operation::Chat,
        r#"{"choices":[{"message":{"content":["bare"],"reasoning_details":["also"]}}]}"#,
    );
    assert_eq!(strings.segments().len(), 2);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pain_n02_every_text_that_serde_json_finds_in_an_answer_is_a_segment(seed: u64) {
        let body = Dice::new(seed).sent("message");
        let answer = read(Operation::Chat, &body);
        let value: Value = serde_json::from_str(&body).expect("valid");
        let choices = value["choices"].as_array().expect("an array");
        let mut expected: Vec<String> = choices.iter().flat_map(|choice| message_texts_by_serde(&choice["message"])).collect();
        let mut found: Vec<String> = (0..answer.segments().len()).filter_map(|at| {
            let text = answer.text(at)?.into_owned();
            Some(if answer.segments()[at].raw { serde_json::from_str::<Value>(&text).expect("raw JSON").to_string() } else { text })
        }).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected, "{}", body);
        prop_assert_eq!(answer.usage().is_some(), value["usage"]["total_tokens"].is_number());
    }

    #[test]
    fn after_replacing_the_index_is_that_of_a_fresh_read(seed: u64) {
        let mut dice = Dice::new(seed);
        let mut answer = read(Operation::Chat, &dice.sent("message"));
        for _ in 0..4 {
            let (at, text) = (dice.below(4), dice.text());
            let _ = answer.replace_text(at, &text);
            let fresh = Answer::read(Operation::Chat, answer.bytes().clone()).expect("still valid");
            prop_assert_eq!(answer.segments(), fresh.segments());
            prop_assert_eq!(told(&answer), told(&fresh));
            prop_assert_eq!((answer.finishes(), answer.model()), (fresh.finishes(), fresh.model()));
        }
    }
}
