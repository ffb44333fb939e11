use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::model::{Codec, Content, ErrorKind, StopReason, Usage};
use penstock_llm::openai::chat::OpenAiChat;
use serde_json::{Value, json};

use super::lost;
use crate::translate::streams::ENVELOPE;

fn answer(members: &Value) -> Vec<u8> {
    let mut body = json!({"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "stopReason": "end_turn"});
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    serde_json::to_vec(&body).expect("JSON")
}

#[test]
fn pain_j01_pain_e08_cached_tokens_stand_beside_the_input_and_are_counted_once() {
    let bytes = answer(
        &json!({"usage": {"inputTokens": 2, "outputTokens": 5, "totalTokens": 1329,
        "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 322,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 300}, {"ttl": "1h", "inputTokens": 22}]}}),
    );
    let read = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    assert_eq!(
        read.usage,
        Some(Usage {
            input: Some(1324),
            output: Some(5),
            total: Some(1329),
            cache_read: Some(1000),
            cache_write: Some(322),
            cache_write_5m: Some(300),
            cache_write_1h: Some(22),
            ..Usage::default()
        })
    );
    let written = OpenAiChat.write_answer(&read, &ENVELOPE);
    let chat: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(chat["usage"]["prompt_tokens"], 1324);
    assert_eq!(chat["usage"]["prompt_tokens_details"]["cached_tokens"], 1000);
    let again = OpenAiChat.read_answer(&written.bytes).expect("an answer").value;
    let back = BedrockConverse.write_answer(&again, &ENVELOPE);
    let back: Value = serde_json::from_slice(&back.bytes).expect("JSON");
    assert_eq!(back["usage"]["totalTokens"], 1329);
    assert_eq!(back["usage"]["cacheReadInputTokens"], 1000);
}

#[test]
fn usage_that_nobody_gave_is_not_zero() {
    let read = BedrockConverse
        .read_answer(&answer(&json!({})))
        .expect("an answer")
        .value
        .into_owned();
    assert_eq!(read.usage, None);
    let written = BedrockConverse.write_answer(&read, &ENVELOPE);
    let body: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(body.get("usage"), None);
}

#[test]
fn pain_d08_every_reason_to_stop_is_known_and_the_unknown_is_kept() {
    for (word, reason, finish) in [
        ("end_turn", StopReason::End, "stop"),
        ("tool_use", StopReason::ToolCalls, "tool_calls"),
        ("max_tokens", StopReason::Length, "length"),
        ("stop_sequence", StopReason::StopSequence, "stop"),
        (
            "guardrail_intervened",
            StopReason::ContentFilter,
            "content_filter",
        ),
        ("content_filtered", StopReason::ContentFilter, "content_filter"),
        ("malformed_model_output", StopReason::Error, "error"),
        ("malformed_tool_use", StopReason::MalformedCall, "error"),
        (
            "model_context_window_exceeded",
            StopReason::ContextWindow,
            "length",
        ),
        ("something_new", StopReason::Other, "stop"),
    ] {
        let bytes = answer(&json!({"stopReason": word}));
        let read = BedrockConverse.read_answer(&bytes).expect(word).value;
        let stop = read.choices[0].stop.as_ref().expect("a reason");
        assert_eq!(stop.reason, reason, "{word}");
        assert!(stop.native.as_ref().is_some_and(|native| native.is(word)));
        let chat = OpenAiChat.write_answer(&read, &ENVELOPE);
        let chat: Value = serde_json::from_slice(&chat.bytes).expect("JSON");
        assert_eq!(chat["choices"][0]["finish_reason"], finish, "{word}");
        let own = BedrockConverse.write_answer(&read, &ENVELOPE);
        let own: Value = serde_json::from_slice(&own.bytes).expect("JSON");
        assert_eq!(own["stopReason"], word);
    }
    let bytes = answer(
        &json!({"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}}),
    );
    let read = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    let sequence = read.choices[0]
        .stop
        .as_ref()
        .and_then(|stop| stop.sequence.as_ref());
    assert!(sequence.is_some_and(|sequence| sequence.is("END")));
}

#[test]
fn an_answer_without_output_is_an_answer_and_an_error_is_an_error() {
    let blocked = br#"{"stopReason":"guardrail_intervened","usage":{"inputTokens":1,"outputTokens":0,"totalTokens":1}}"#;
    let read = BedrockConverse.read_answer(blocked).expect("an answer").value;
    assert!(read.choices[0].parts.is_empty());
    for (body, kind) in [
        (
            &br#"{"__type":"ThrottlingException","message":"slow down"}"#[..],
            ErrorKind::RateLimit,
        ),
        (
            br#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            ErrorKind::NotFound,
        ),
        (br#"{"message":"it broke"}"#, ErrorKind::Server),
        (b"{}", ErrorKind::BadAnswer),
        (b"[]", ErrorKind::BadAnswer),
        (b"<html>", ErrorKind::BadAnswer),
        (b"", ErrorKind::BadAnswer),
        (b"\xff", ErrorKind::BadAnswer),
    ] {
        let error = BedrockConverse.read_answer(body).expect_err("no answer");
        assert_eq!(error.kind, kind, "{}", String::from_utf8_lossy(body));
        assert!(error.status >= 400);
    }
}

#[test]
fn what_bedrock_measured_and_traced_is_kept() {
    let members = json!({"metrics": {"latencyMs": 1234}, "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
        "trace": {"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/m"}}});
    let bytes = answer(&members);
    let read = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    assert!(
        read.model
            .as_ref()
            .is_some_and(|model| model.get().ends_with("foundation-model/m"))
    );
    assert!(read.service_tier.as_ref().is_some_and(|tier| tier.is("flex")));
    let own = BedrockConverse.write_answer(&read, &ENVELOPE);
    let own: Value = serde_json::from_slice(&own.bytes).expect("JSON");
    for (name, value) in members.as_object().expect("an object") {
        assert_eq!(own[name], *value);
    }
    let chat = OpenAiChat.write_answer(&read, &ENVELOPE);
    let named = lost(&chat.losses);
    for name in ["metrics dropped", "performanceConfig dropped", "trace dropped"] {
        assert!(named.contains(&name.to_owned()), "{named:?}");
    }
}

#[test]
fn citations_are_heard_by_every_caller() {
    let bytes = answer(&json!({"output": {"message": {"role": "assistant", "content": [
        {"citationsContent": {"content": [{"text": "Ruby is "}, {"text": "old"}], "citations": [
            {"title": "facts", "location": {"web": {"url": "https://r", "domain": "r"}},
                "sourceContent": [{"text": "a "}, {"text": "b"}]}]}}]}}}));
    let read = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    let [_, last] = &read.choices[0].parts[..] else {
        panic!("{:?}", read.choices[0].parts);
    };
    let Content::Text { citations, .. } = &last.content else {
        panic!("{last:?}");
    };
    let text =
        |text: &Option<penstock_llm::model::Text<'_>>| text.as_ref().map(|text| text.get().into_owned());
    assert_eq!(text(&citations[0].title).as_deref(), Some("facts"));
    assert_eq!(text(&citations[0].url).as_deref(), Some("https://r"));
    assert_eq!(text(&citations[0].quote).as_deref(), Some("a b"));
    let own = BedrockConverse.write_answer(&read, &ENVELOPE);
    let again = BedrockConverse.read_answer(&own.bytes).expect("an answer").value;
    assert_eq!(
        again.choices[0]
            .parts
            .iter()
            .filter_map(|part| part.as_text())
            .map(|text| text.get())
            .collect::<String>(),
        "Ruby is old"
    );
}

#[test]
fn an_answer_of_another_dialect_is_said_in_converses_words() {
    let body = json!({"id": "1", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "so", "refusal": "no",
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://r", "title": "t",
                "start_index": 0, "end_index": 2}}],
            "tool_calls": [
                {"id": "", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c", "type": "function", "function": {"name": "g", "arguments": "{\"a\":"}}]}},
        {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "other"}}]});
    let bytes = serde_json::to_vec(&body).expect("JSON");
    let read = OpenAiChat.read_answer(&bytes).expect("an answer").value;
    let written = BedrockConverse.write_answer(&read, &ENVELOPE);
    let value: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    let content = value["output"]["message"]["content"].as_array().expect("blocks");
    let calls: Vec<&Value> = content.iter().filter_map(|block| block.get("toolUse")).collect();
    assert_eq!(calls[0]["input"], json!({"a": 1}));
    assert!(!calls[0]["toolUseId"].as_str().expect("an id").is_empty());
    assert_eq!(
        (&calls[1]["toolUseId"], &calls[1]["input"]),
        (&json!("c"), &json!({}))
    );
    let cited = content
        .iter()
        .find_map(|block| block.get("citationsContent"))
        .expect("cited");
    assert_eq!(
        cited["citations"][0]["location"],
        json!({"web": {"url": "https://r"}})
    );
    assert_eq!(value["stopReason"], "tool_use");
    let named = lost(&written.losses);
    assert!(named.contains(&"choices dropped".to_owned()), "{named:?}");
    assert_eq!(
        named.iter().filter(|name| name.ends_with("changed")).count(),
        2,
        "{named:?}"
    );
}
