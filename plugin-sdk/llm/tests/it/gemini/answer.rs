//! Whole answers into the model.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{Codec, Content, ErrorKind, Maker, StopReason, Usage};
use serde_json::{Value, json};

use super::{bytes, read_answer};

fn said(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}]})
}

#[test]
fn pain_d08_every_reason_has_a_meaning_and_keeps_its_word() {
    let cases = [
        ("STOP", StopReason::End),
        ("MAX_TOKENS", StopReason::Length),
        ("SAFETY", StopReason::ContentFilter),
        ("RECITATION", StopReason::ContentFilter),
        ("BLOCKLIST", StopReason::ContentFilter),
        ("PROHIBITED_CONTENT", StopReason::ContentFilter),
        ("SPII", StopReason::ContentFilter),
        ("IMAGE_SAFETY", StopReason::ContentFilter),
        ("IMAGE_PROHIBITED_CONTENT", StopReason::ContentFilter),
        ("IMAGE_RECITATION", StopReason::ContentFilter),
        ("MODEL_ARMOR", StopReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", StopReason::MalformedCall),
        ("UNEXPECTED_TOOL_CALL", StopReason::MalformedCall),
        ("TOO_MANY_TOOL_CALLS", StopReason::Error),
        ("LANGUAGE", StopReason::Error),
        ("OTHER", StopReason::Error),
        ("IMAGE_OTHER", StopReason::Error),
        ("NO_IMAGE", StopReason::Error),
        ("WHAT_COMES_NEXT", StopReason::Other),
    ];
    for (word, reason) in cases {
        let mut body = said(json!([{"text": "a"}]));
        body["candidates"][0]["finishReason"] = json!(word);
        let body = bytes(&body);
        let answer = read_answer(&body);
        let stop = answer.choices[0].stop.as_ref().expect("a reason");
        assert_eq!(
            (stop.reason, &*stop.native.as_ref().expect("its word").get()),
            (reason, word)
        );
        // and it goes out as it came
        let written = Gemini.write_answer(&answer, &super::ENVELOPE);
        assert_eq!(super::parsed(&written)["candidates"][0]["finishReason"], word);
    }
}

#[test]
fn reasons_may_be_numbers() {
    let mut body = said(json!([{"text": "a"}]));
    for (number, reason) in [
        (1, StopReason::End),
        (2, StopReason::Length),
        (3, StopReason::ContentFilter),
        (99, StopReason::Other),
    ] {
        body["candidates"][0]["finishReason"] = json!(number);
        let body = bytes(&body);
        assert_eq!(
            read_answer(&body).choices[0]
                .stop
                .as_ref()
                .expect("a reason")
                .reason,
            reason
        );
    }
}

#[test]
fn a_stop_with_calls_is_for_the_caller_to_act_on() {
    let body = bytes(&said(
        json!([{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "AA"}, {"functionCall": {"name": "g"}}]),
    ));
    let answer = read_answer(&body);
    let choice = &answer.choices[0];
    assert_eq!(
        choice.stop.as_ref().expect("a reason").reason,
        StopReason::ToolCalls
    );
    let calls: Vec<(String, String)> = choice
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => (call.name.get().into_owned(), call.arguments.get().into_owned()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [("f".into(), "{\"a\":1}".into()), ("g".into(), String::new())]
    );
    assert_eq!(
        choice.parts[0].signature.as_ref().expect("signed").maker,
        Some(Maker::Google)
    );
}

#[test]
fn a_refused_prompt_is_an_answer_without_words() {
    let body = bytes(&json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    }));
    let answer = read_answer(&body);
    let [choice] = &answer.choices[..] else {
        panic!("one choice")
    };
    let stop = choice.stop.as_ref().expect("a reason");
    assert_eq!((stop.reason, choice.parts.len()), (StopReason::ContentFilter, 0));
    assert!(stop.native.as_ref().expect("its word").is("PROHIBITED_CONTENT"));
    assert_eq!(answer.usage.expect("usage").input, Some(7));
    let written = Gemini.write_answer(&answer, &super::ENVELOPE);
    let written = super::parsed(&written);
    assert_eq!(written["promptFeedback"]["blockReason"], "PROHIBITED_CONTENT");
    assert_eq!(written.get("candidates"), None);
}

#[test]
fn pain_j01_thoughts_and_tool_input_are_added_up() {
    let mut body = said(json!([{"text": "a"}]));
    body["usageMetadata"] = json!({
        "promptTokenCount": 427, "candidatesTokenCount": 122, "totalTokenCount": 1767, "thoughtsTokenCount": 447,
        "toolUsePromptTokenCount": 771, "cachedContentTokenCount": 100, "serviceTier": "standard",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 400}, {"modality": "DOCUMENT", "tokenCount": 27}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 122}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 100}], "trafficType": "ON_DEMAND",
    });
    let body_bytes = bytes(&body);
    let answer = read_answer(&body_bytes);
    let usage = answer.usage.expect("usage");
    assert_eq!(
        usage,
        Usage {
            input: Some(427 + 771),
            output: Some(122 + 447),
            total: Some(1767),
            cache_read: Some(100),
            tool_input: Some(771),
            reasoning: Some(447),
            input_text: Some(400),
            input_document: Some(27),
            output_image: Some(122),
            ..Usage::default()
        }
    );
    assert_eq!(usage.sum(), usage.total);
    let written = Gemini.write_answer(&answer, &super::ENVELOPE);
    assert_eq!(super::parsed(&written)["usageMetadata"], body["usageMetadata"]);
}

#[test]
fn pain_h04_cached_tokens_are_a_part_of_the_input() {
    let body = br#"{"candidates":[{"content":{}}],"usageMetadata":{"promptTokenCount":3520,"cachedContentTokenCount":3512}}"#;
    let usage = read_answer(body).usage.expect("usage");
    assert_eq!(
        (usage.input, usage.cache_read, usage.uncached_input()),
        (Some(3520), Some(3512), Some(8))
    );
}

#[test]
fn choices_are_told_apart_by_their_index() {
    let body = bytes(&json!({"candidates": [
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"},
        {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
    ]}));
    let answer = read_answer(&body);
    let texts: Vec<String> = answer
        .choices
        .iter()
        .map(|choice| choice.parts[0].as_text().expect("a text").get().into_owned())
        .collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn what_an_answer_says_of_itself_is_kept() {
    let body = bytes(&json!({
        "candidates": [{
            "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "finishMessage": "why", "avgLogprobs": -0.5,
            "safetyRatings": [{"category": "X"}], "logprobsResult": {"chosenCandidates": []}, "later": true,
        }],
        "modelVersion": "gemini-9", "responseId": "r1", "createTime": "2026-08-19T14:38:19.092175Z", "modelStatus": {"a": 1},
    }));
    let answer = read_answer(&body);
    assert_eq!(answer.id.as_ref().expect("an id").get(), "r1");
    assert_eq!(answer.model.as_ref().expect("a model").get(), "gemini-9");
    assert_eq!(answer.created, Some(1_787_150_299));
    assert!(answer.choices[0].logprobs.is_some());
    let written = super::parsed(&Gemini.write_answer(&answer, &super::ENVELOPE));
    let mut expected: Value = serde_json::from_slice(&body).expect("JSON");
    // to the second
    expected["createTime"] = json!("2026-08-19T14:38:19Z");
    expected["candidates"][0]["index"] = json!(0);
    expected["candidates"][0]["content"]["role"] = json!("model");
    assert_eq!(written, expected);
}

#[test]
fn p24_grounding_is_citations_at_their_places_in_characters() {
    let text = "Grüße aus Paris. Schön.";
    let start = text.find("Paris").expect("there");
    let body = bytes(&json!({"candidates": [{
        "content": {"parts": [{"text": "hm", "thought": true}, {"text": text}]},
        "finishReason": "STOP",
        "groundingMetadata": {
            "webSearchQueries": ["q"],
            "groundingChunks": [
                {"web": {"uri": "https://a", "title": "A"}},
                {"retrievedContext": {"text": "words", "title": "T"}},
            ],
            "groundingSupports": [
                {"segment": {"startIndex": start, "endIndex": start + 5, "text": "Paris"}, "groundingChunkIndices": [0, 1, 9]},
                {"segment": {"endIndex": text.len()}, "groundingChunkIndices": [0]},
            ],
        },
        "citationMetadata": {"citationSources": [{"startIndex": 0, "endIndex": 7, "uri": "https://c", "license": "mit"}]},
    }]}));
    let answer = read_answer(&body);
    let Content::Text { citations, .. } = &answer.choices[0].parts[1].content else {
        panic!("a text");
    };
    let seen: Vec<_> = citations
        .iter()
        .map(|c| {
            let text = |text: &Option<penstock_llm::model::Text<'_>>| {
                text.as_ref().map(|text| text.get().into_owned())
            };
            (text(&c.url), text(&c.title), text(&c.quote), c.start, c.end)
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            (some("https://a"), some("A"), None, Some(10), Some(15)),
            (None, some("T"), some("words"), Some(10), Some(15)),
            (some("https://a"), some("A"), None, Some(0), Some(23)),
            (some("https://c"), None, None, Some(0), Some(5)),
        ]
    );
    // Gemini's own are written as they were
    let written = super::parsed(&Gemini.write_answer(&answer, &super::ENVELOPE));
    let before: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        written["candidates"][0]["groundingMetadata"],
        before["candidates"][0]["groundingMetadata"]
    );
}

#[test]
fn pain_c03_an_error_under_a_good_status_is_an_error() {
    let error =
        json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    for body in [error.clone(), json!([error])] {
        let body = bytes(&body);
        let error = Gemini.read_answer(&body).expect_err("an error");
        assert_eq!((error.status, error.kind), (503, ErrorKind::Overloaded));
    }
}

#[test]
fn what_is_no_answer_is_said_so() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "7",
        r#"{"candidates":[]}"#,
        r#"{"usageMetadata":{"promptTokenCount":1}}"#,
    ] {
        let error = Gemini.read_answer(body.as_bytes()).expect_err(body);
        assert_eq!((error.status, error.kind), (502, ErrorKind::BadAnswer), "{body}");
    }
}

#[test]
fn a_stream_that_came_as_a_list_is_one_answer() {
    let body = bytes(&json!([
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3}},
    ]));
    let answer = read_answer(&body);
    assert_eq!(answer.choices[0].parts[0].as_text().expect("a text").get(), "ab");
    assert_eq!(answer.usage.expect("usage").input, Some(3));
    let cut = &body[..body.len() - 60];
    assert_eq!(
        Gemini.read_answer(cut).expect_err("cut off").kind,
        ErrorKind::BadAnswer
    );
}

#[test]
fn members_of_the_wrong_type_are_passed_and_named() {
    let body = br#"{"candidates":[{"content":{"parts":[{"text":7},"x",{"text":"a"}],"role":"model"},"finishReason":"STOP","index":"0"}],"usageMetadata":[],"modelVersion":3}"#;
    let read = Gemini.read_answer(body).expect("an answer");
    assert_eq!(read.value.choices[0].parts.len(), 1);
    assert!(!read.losses.is_empty());
}
