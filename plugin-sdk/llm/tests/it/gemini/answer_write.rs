//! Answers of other dialects for callers of Gemini.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{
    Answer, Choice, Citation, Codec, Content, Dialect, Extra, Json, Maker, Media, MediaKind, Part, Reasoning,
    Signature, Source, Stop, StopReason, Text, ToolCall, Usage,
};
use serde_json::{Value, json};

use super::{ENVELOPE, lines, named, parsed};

/// `penstock/signature/anthropic-claude-v1//sig` in base64.
const MARKED: &str = "cGVuc3RvY2svc2lnbmF0dXJlL2FudGhyb3BpYy1jbGF1ZGUtdjEvL3NpZw==";

fn answer(parts: Vec<Part<'static>>, stop: Option<Stop<'static>>) -> Answer<'static> {
    Answer {
        choices: vec![Choice {
            parts,
            stop,
            ..Choice::new(0)
        }],
        ..Answer::new(Dialect::AnthropicMessages)
    }
}

fn written(answer: &Answer<'_>) -> Value {
    parsed(&Gemini.write_answer(answer, &ENVELOPE))
}

#[test]
fn words_thoughts_and_calls_are_parts_of_one_candidate() {
    let mut thought = Part::new(Content::Reasoning(Reasoning::text(
        "hm".into(),
        Some(Maker::Anthropic),
    )));
    thought.signature = Some(Signature {
        maker: Some(Maker::Anthropic),
        data: "sig".into(),
    });
    let call = ToolCall::function("toolu_1".into(), "f".into(), "{\"a\": 1}".into());
    let broken = ToolCall::function("toolu_2".into(), "g".into(), "{oops".into());
    let mut answer = answer(
        vec![
            thought,
            Part::text("hello"),
            Part::new(Content::ToolCall(call)),
            Part::new(Content::ToolCall(broken)),
        ],
        Some(Stop::native(StopReason::ToolCalls, "tool_use".into())),
    );
    answer.usage = Some(Usage {
        input: Some(10),
        output: Some(20),
        reasoning: Some(5),
        cache_read: Some(4),
        cache_write: Some(1),
        ..Usage::default()
    });
    let output = Gemini.write_answer(&answer, &ENVELOPE);
    assert_eq!(
        parsed(&output),
        json!({
            "candidates": [{
                "content": {
                    "parts": [
                        {"text": "hm", "thought": true, "thoughtSignature": MARKED},
                        {"text": "hello"},
                        {"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": 1}}},
                        {"functionCall": {"id": "toolu_2", "name": "g", "args": {}}},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": 10, "candidatesTokenCount": 15, "totalTokenCount": 30,
                "cachedContentTokenCount": 4, "thoughtsTokenCount": 5,
            },
            "modelVersion": "the-model",
            "responseId": "made-1",
        })
    );
    assert_eq!(
        lines(&output.losses),
        [
            "content[3].arguments changed: are not a JSON object, and go as an empty one",
            "usage.cache_write dropped: Gemini has nothing like it",
        ]
    );
}

#[test]
fn pain_d08_every_reason_has_a_word() {
    let cases = [
        (StopReason::End, "end_turn", "STOP", None),
        (StopReason::StopSequence, "stop_sequence", "STOP", None),
        (StopReason::Length, "length", "MAX_TOKENS", None),
        (
            StopReason::ContextWindow,
            "model_context_window_exceeded",
            "MAX_TOKENS",
            Some("model_context_window_exceeded"),
        ),
        (StopReason::ToolCalls, "tool_use", "STOP", None),
        (StopReason::ContentFilter, "content_filter", "SAFETY", None),
        (StopReason::Refusal, "refusal", "SAFETY", None),
        (StopReason::Pause, "pause_turn", "STOP", Some("pause_turn")),
        (
            StopReason::MalformedCall,
            "malformed_tool_use",
            "MALFORMED_FUNCTION_CALL",
            None,
        ),
        (StopReason::Error, "error", "OTHER", None),
        (StopReason::Other, "new_word", "STOP", Some("new_word")),
    ];
    for (reason, native, word, message) in cases {
        let stop = Stop::native(reason, Text::plain(native));
        let value = written(&answer(vec![Part::text("a")], Some(stop)));
        let candidate = &value["candidates"][0];
        assert_eq!(candidate["finishReason"], word, "{native}");
        assert_eq!(
            candidate.get("finishMessage").and_then(Value::as_str),
            message,
            "{native}"
        );
    }
    // a caller waits for a reason
    assert_eq!(
        written(&answer(vec![Part::text("a")], None))["candidates"][0]["finishReason"],
        "STOP"
    );
}

#[test]
fn p24_citations_are_grounding_at_their_places_in_bytes() {
    let mut citation = Citation::native(Dialect::AnthropicMessages, Json::new("{}").expect("JSON"));
    citation.url = Some("https://a".into());
    citation.title = Some("A".into());
    citation.start = Some(10);
    citation.end = Some(15);
    let mut of_document = Citation::native(Dialect::AnthropicMessages, Json::new("{}").expect("JSON"));
    of_document.title = Some("T".into());
    of_document.quote = Some("words".into());
    let part = Part::new(Content::Text {
        text: "Grüße aus Paris. Schön.".into(),
        citations: vec![citation, of_document],
    });
    let value = written(&answer(vec![Part::text("ü"), part], None));
    assert_eq!(
        value["candidates"][0]["groundingMetadata"],
        json!({
            "groundingChunks": [
                {"web": {"uri": "https://a", "title": "A"}},
                {"retrievedContext": {"title": "T", "text": "words"}},
            ],
            "groundingSupports": [
                {"segment": {"startIndex": 13, "endIndex": 18}, "groundingChunkIndices": [0]},
                {"segment": {"startIndex": 2, "endIndex": 28}, "groundingChunkIndices": [1]},
            ],
        })
    );
}

#[test]
fn log_probabilities_of_openai_go_in_geminis_form() {
    let mut answer = answer(vec![Part::text("a")], None);
    answer.choices[0].logprobs = Json::new(
        r#"{"content":[{"token":"a","logprob":-0.1,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.1},{"token":"b","logprob":-2}]}],"refusal":null}"#,
    );
    assert_eq!(
        written(&answer)["candidates"][0]["logprobsResult"],
        json!({
            "topCandidates": [{"candidates": [{"token": "a", "logProbability": -0.1}, {"token": "b", "logProbability": -2}]}],
            "chosenCandidates": [{"token": "a", "logProbability": -0.1}],
        })
    );
    answer.choices[0].logprobs = Json::new("[1]");
    assert!(named(&Gemini.write_answer(&answer, &ENVELOPE).losses, "logprobs"));
}

#[test]
fn p25_media_are_inline_data() {
    let image = Media {
        media_type: Some("image/webp".into()),
        ..Media::new(MediaKind::Image, Source::Base64("AAAA".into()))
    };
    let audio = Media {
        transcript: Some("hi".into()),
        ..Media::new(MediaKind::Audio, Source::Base64("BBBB".into()))
    };
    let answer = answer(
        vec![Part::new(Content::Media(image)), Part::new(Content::Media(audio))],
        None,
    );
    let output = Gemini.write_answer(&answer, &ENVELOPE);
    assert_eq!(
        parsed(&output)["candidates"][0]["content"]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}},
        ])
    );
    assert!(named(&output.losses, "content[1].transcript"));
}

#[test]
fn what_other_dialects_say_besides_is_named() {
    let mut answer = answer(
        vec![Part::new(Content::Refusal("no".into()))],
        Some(Stop::new(StopReason::Refusal)),
    );
    let extra = |name: &'static str| Extra {
        name: Text::plain(name),
        value: Json::new("1").expect("JSON"),
    };
    answer.extras.push(extra("container"));
    answer.choices[0].extras.push(extra("content_filter_results"));
    answer.service_tier = Some("priority".into());
    let output = Gemini.write_answer(&answer, &ENVELOPE);
    assert_eq!(
        parsed(&output)["candidates"][0]["content"]["parts"],
        json!([{"text": "no"}])
    );
    for at in [
        "container",
        "choice.content_filter_results",
        "service_tier",
        "content[0]",
    ] {
        assert!(named(&output.losses, at), "{at}: {:?}", lines(&output.losses));
    }
}
