use penstock_llm::openai::{EditError, EventView, Kind, Operation, is_done};
use penstock_llm::splice::Splice;
use penstock_llm::usage::TokenCount;

use crate::sse::frames;

fn chat(data: &str) -> EventView {
    EventView::read(Operation::Chat, data.as_bytes()).expect(data)
}

/// Choice, kind, tool and text of each delta.
fn told(data: &str) -> Vec<(u32, Kind, u32, String)> {
    let view = chat(data);
    let text = |at: usize| view.deltas[at].text(data.as_bytes()).into_owned();
    (0..view.deltas.len())
        .map(|at| {
            (
                view.deltas[at].choice,
                view.deltas[at].kind,
                view.deltas[at].tool,
                text(at),
            )
        })
        .collect()
}

#[test]
fn a_delta_knows_its_channel_and_its_place() {
    let data = r#"{"id":"c","choices":[{"delta":{"content":"h\u0069"},"index":2,"finish_reason":null}],"usage":null}"#;
    let view = chat(data);
    assert_eq!(told(data), [(2, Kind::Text, 0, "hi".to_owned())]);
    assert_eq!(view.deltas[0].literal.of(data.as_bytes()), br#""h\u0069""#);
    assert_eq!(view.deltas[0].length, 2);
    assert!(view.content_bearing && view.finishes.is_empty() && !view.empty_choices && !view.is_error);
}

#[test]
fn pain_n02_every_kind_of_text_is_a_delta() {
    let told = told(
        r#"{"choices":[{"index":0,"delta":{"reasoning":"a","reasoning_content":"b","refusal":"c",
        "reasoning_details":[{"text":"d"},{"summary":"e"}],"content":[{"type":"text","text":"f"},{"type":"thinking","thinking":[{"text":"g"}]}],
        "tool_calls":[{"function":{"arguments":"h"},"index":4},{"function":{"name":"x","arguments":{"i":1}}}],
        "function_call":{"arguments":"j"},"audio":{"transcript":"k"}}},{"index":1,"text":"l"},{"message":{"content":"m"}}]}"#,
    );
    let expected = [
        (0, Kind::Reasoning, 0, "a"),
        (0, Kind::Reasoning, 0, "b"),
        (0, Kind::Refusal, 0, "c"),
        (0, Kind::Reasoning, 0, "d"),
        (0, Kind::Reasoning, 0, "e"),
        (0, Kind::Text, 0, "f"),
        (0, Kind::Reasoning, 0, "g"),
        (0, Kind::ToolArguments, 4, "h"),
        (0, Kind::ToolArguments, 1, r#"{"i":1}"#),
        (0, Kind::ToolArguments, 0, "j"),
        (0, Kind::Text, 0, "k"),
        (1, Kind::Text, 0, "l"),
        (2, Kind::Text, 0, "m"),
    ];
    assert_eq!(
        told,
        expected.map(|(choice, kind, tool, text)| (choice, kind, tool, text.to_owned()))
    );
}

#[test]
fn a_provider_cannot_hide_text_behind_a_second_key() {
    let texts: Vec<_> =
        told(r#"{"choices":[{"delta":{"content":"one","cont\u0065nt":"two"},"delta":{"content":"three"}}]}"#)
            .into_iter()
            .map(|(_, _, _, text)| text)
            .collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn only_content_commits_an_answer() {
    let bearing =
        |delta: &str| chat(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).content_bearing;
    for empty in [
        "{}",
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":null}"#,
        r#"{"tool_calls":[{"index":0,"id":"a"}]}"#,
        r#"{"tool_calls":[{"function":{"name":"","arguments":""}}]}"#,
        r#"{"audio":{"id":"a"}}"#,
        r#"{"audio":{"id":"","data":"","transcript":""}}"#,
        "null",
    ] {
        assert!(!bearing(empty), "{empty}");
    }
    for full in [
        r#"{"content":" "}"#,
        r#"{"refusal":"x"}"#,
        r#"{"reasoning":"x"}"#,
        r#"{"tool_calls":[{"function":{"name":"f"}}]}"#,
        r#"{"tool_calls":[{"function":{"arguments":"{"}}]}"#,
        r#"{"audio":{"data":"AA"}}"#,
        r#"{"images":[{"image_url":{}}]}"#,
        r#"{"function_call":{"name":"f"}}"#,
        r#"{"content":[{"type":"text","text":"x"}]}"#,
    ] {
        assert!(bearing(full), "{full}");
    }
    assert!(
        EventView::read(Operation::Completions, br#"{"choices":[{"text":"x"}]}"#)
            .expect("valid")
            .content_bearing
    );
}

#[test]
fn finishes_usage_and_empty_choices_are_told() {
    let data =
        r#"{"choices":[{"finish_reason":"stop","delta":{},"index":1},{"index":0,"finish_reason":null}]}"#;
    let view = chat(data);
    assert_eq!(view.finishes.len(), 1);
    assert_eq!(
        (
            view.finishes[0].choice,
            view.finishes[0].reason.of(data.as_bytes())
        ),
        (1, &b"\"stop\""[..])
    );
    assert!(
        chat(r#"{"choices":[{"delta":{},"finish_reason":""}]}"#)
            .finishes
            .is_empty()
    );
    let data = r#"{"choices":[{"logprobs":{"content":[]},"delta":{},"index":1},{"logprobs":null}]}"#;
    let view = chat(data);
    assert_eq!((view.logprobs.len(), view.logprobs[0].choice), (1, 1));
    assert_eq!(view.logprobs[0].span.of(data.as_bytes()), br#"{"content":[]}"#);
    let view = chat(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#);
    assert_eq!(
        (view.empty_choices, view.usage.and_then(|usage| usage.prompt)),
        (true, Some(TokenCount(9)))
    );
    assert!(!chat("{}").empty_choices);
    let groq = chat(r#"{"choices":[{"delta":{}}],"x_groq":{"id":"r","usage":{"total_tokens":5}}}"#);
    assert_eq!(groq.usage.and_then(|usage| usage.total), Some(TokenCount(5)));
}

#[test]
fn errors_in_a_stream_are_told() {
    for error in [
        r#"{"error":{"message":"m"}}"#,
        r#"{"error":"m"}"#,
        r#"{"error":{}}"#,
        r#"{"x_groq":{"error":"m"}}"#,
        r#"{"object":"error"}"#,
    ] {
        assert!(chat(error).is_error, "{error}");
    }
    for fine in [
        r#"{"error":null,"choices":[]}"#,
        r#"{"error":""}"#,
        r#"{"error":0}"#,
        r#"{"object":"chat.completion.chunk"}"#,
    ] {
        assert!(!chat(fine).is_error, "{fine}");
    }
}

#[test]
fn the_end_mark_is_no_event() {
    assert!(is_done(b"[DONE]") && is_done(b" [DONE] ") && is_done(b"[DONE]x"));
    assert!(!is_done(b"{\"x\":\"[DONE]\"}") && !is_done(b"") && !is_done(b"DONE"));
    assert!(EventView::read(Operation::Chat, b"[DONE]").is_err());
    assert!(EventView::read(Operation::Chat, b"{\"choices\":[").is_err());
}

#[test]
fn a_deltas_text_is_replaced_within_its_frame() {
    let stream = "id: 1\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"secret\"}}]}\r\n\r\n";
    let frame = &frames([stream.as_bytes()]).0[0];
    let view = EventView::read(Operation::Chat, &frame.data()).expect("valid");
    let splice = view.deltas[0].splice("a\n\"b\"").expect("any text fits a string");
    assert_eq!(
        frame.with_data_spliced(&[splice]),
        stream.replace("\"secret\"", r#""a\n\"b\"""#)
    );
}

#[test]
fn a_replaced_text_cannot_break_out_of_its_frame() {
    let stream = "event: e\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":{\"a\":1}}}]}}]}\n\n";
    let frame = &frames([stream.as_bytes()]).0[0];
    let view = EventView::read(Operation::Chat, &frame.data()).expect("valid");
    assert_eq!(view.deltas[0].splice("[redacted]"), Err(EditError::Invalid));
    let splice = view.deltas[0].splice("{\n\n\"b\":\r2}").expect("JSON");
    let written = frame.with_data_spliced(&[splice]);
    let (again, rest) = frames([&*written]);
    assert_eq!(
        (again.len(), rest.len(), again[0].event_name()),
        (1, 0, Some(&b"e"[..]))
    );
    let view = EventView::read(Operation::Chat, &again[0].data()).expect("valid");
    assert_eq!(view.deltas[0].text(&again[0].data()), "{\n\n\"b\":\n2}");
}

#[test]
fn an_event_in_several_lines_is_written_anew() {
    let frame = &frames([&b"data: {\"choices\":\ndata: [{\"text\":\"x\"}]}\n\n"[..]]).0[0];
    let view = EventView::read(Operation::Completions, &frame.data()).expect("valid");
    let splices: Vec<Splice> = view
        .deltas
        .iter()
        .map(|delta| delta.splice("y").expect("a string"))
        .collect();
    assert_eq!(
        frame.with_data_spliced(&splices),
        "data: {\"choices\":\ndata: [{\"text\":\"y\"}]}\n\n"
    );
}
