//! Streams into events.

use penstock_llm::gemini::{Elements, Gemini, TooLarge};
use penstock_llm::model::{
    Answer, Assembled, Assembler, Codec, Content, Delta, Dialect, Error, ErrorKind, Event, Events, Part,
    StopReason, StreamFrame, ToolCounter, deltas_of_events,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::bytes;

/// What a stream of these bodies comes to, and its events by their names.
pub fn run(chunks: &[Value]) -> (Assembled, Vec<String>) {
    let chunks: Vec<Vec<u8>> = chunks.iter().map(bytes).collect();
    let mut reader = Gemini.stream_reader();
    let mut assembler = Assembler::new(Dialect::Gemini, 1 << 20);
    let mut names = Vec::new();
    for chunk in &chunks {
        let mut events = Events::new();
        reader.read(StreamFrame::data(chunk), &mut events);
        for event in &events {
            assembler.push(event);
            names.push(name(event));
        }
    }
    let mut events = Events::new();
    reader.end(&mut events);
    for event in &events {
        assembler.push(event);
        names.push(name(event));
    }
    (assembler.finish(), names)
}

fn name(event: &Event<'_>) -> String {
    match event {
        Event::Start(_) => "start".into(),
        Event::PartStart { part, .. } => format!("part {part}"),
        Event::Delta { part, delta, .. } => match delta {
            Delta::Signature(_) => format!("signature {part}"),
            Delta::Citation(_) => format!("citation {part}"),
            Delta::Logprobs(_) => format!("logprobs {part}"),
            _ => format!("more {part}"),
        },
        Event::PartStop { part, .. } => format!("over {part}"),
        Event::Usage(_) => "usage".into(),
        Event::Stop { .. } => "stop".into(),
        Event::Extra { .. } => "extra".into(),
        Event::Error(_) => "error".into(),
        Event::Ping => "ping".into(),
        Event::Done => "done".into(),
    }
}

fn whole(chunks: &[Value]) -> Answer<'static> {
    match run(chunks).0 {
        Assembled::Whole(answer) => answer,
        Assembled::Broken(_, error) => panic!("{error:?}"),
    }
}

fn broken(chunks: &[Value]) -> Error<'static> {
    match run(chunks).0 {
        Assembled::Broken(_, error) => error,
        Assembled::Whole(answer) => panic!("{answer:?}"),
    }
}

fn chunk(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}}]})
}

fn last(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}]})
}

fn words(part: &Part<'_>) -> String {
    match &part.content {
        Content::Text { text, .. } => format!("says {}", text.get()),
        Content::Reasoning(thought) => format!("thinks {}", thought.text.get()),
        Content::ToolCall(call) => format!(
            "calls {} {} {}",
            call.id.get(),
            call.name.get(),
            call.arguments.get()
        ),
        Content::Native(native) => format!("native {}", native.kind.get()),
        other => format!("{other:?}"),
    }
}

fn parts_of(answer: &Answer<'_>) -> Vec<String> {
    answer.choices[0].parts.iter().map(words).collect()
}

#[test]
fn pieces_of_one_kind_are_one_part() {
    let chunks = [
        chunk(json!([{"text": "h", "thought": true}])),
        chunk(json!([{"text": "m", "thought": true}])),
        chunk(json!([{"text": "a"}, {"text": "b"}])),
        chunk(json!([{"text": ""}])),
        chunk(
            json!([{"functionCall": {"name": "f", "args": {"x": 1}}}, {"functionCall": {"name": "g", "args": {}, "id": "i"}}]),
        ),
        last(json!([{"text": "c"}])),
    ];
    let (assembled, names) = run(&chunks);
    let Assembled::Whole(answer) = assembled else {
        panic!("broken")
    };
    assert_eq!(
        parts_of(&answer),
        [
            "thinks hm",
            "says ab",
            "calls  f {\"x\":1}",
            "calls i g {}",
            "says c"
        ]
    );
    assert_eq!(
        answer.choices[0].stop.as_ref().expect("a reason").reason,
        StopReason::ToolCalls
    );
    assert_eq!(
        names,
        [
            "start", "part 0", "more 0", "over 0", "part 1", "more 1", "over 1", "part 2", "over 2",
            "part 3", "over 3", "part 4", "over 4", "stop", "done",
        ]
    );
}

#[test]
fn a_signature_ends_what_it_is_of() {
    let answer = whole(&[
        chunk(json!([{"text": "a"}])),
        chunk(json!([{"text": "", "thoughtSignature": "AA"}])),
        chunk(json!([{"text": "b"}])),
        chunk(json!([{"text": "t", "thought": true}, {"thought": true, "thoughtSignature": "BB"}])),
        last(json!([{"functionCall": {"name": "f"}, "thoughtSignature": "CC"}])),
    ]);
    let signed: Vec<(String, Option<String>)> = answer.choices[0]
        .parts
        .iter()
        .map(|part| {
            (
                words(part),
                part.signature
                    .as_ref()
                    .map(|signature| signature.data.get().into_owned()),
            )
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        signed,
        [
            ("says a".into(), some("AA")),
            ("says b".into(), None),
            ("thinks t".into(), some("BB")),
            ("calls  f ".into(), some("CC")),
        ]
    );
}

#[test]
fn what_googles_own_tools_did_comes_whole() {
    let answer = whole(&[
        chunk(json!([{"text": "a"}])),
        chunk(
            json!([{"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}]),
        ),
        last(json!([{"text": "b"}])),
    ]);
    assert_eq!(
        parts_of(&answer),
        [
            "says a",
            "native executableCode",
            "native codeExecutionResult",
            "says b"
        ]
    );
}

#[test]
fn pain_e08_usage_is_what_was_said_last_of_each_count() {
    let mut chunks = [
        chunk(json!([{"text": "a"}])),
        chunk(json!([{"text": "b"}])),
        last(json!([])),
    ];
    chunks[0]["usageMetadata"] = json!({"promptTokenCount": 8, "candidatesTokenCount": 1, "thoughtsTokenCount": 5, "totalTokenCount": 14});
    chunks[1]["usageMetadata"] = json!({"promptTokenCount": 8, "totalTokenCount": 8});
    chunks[2]["usageMetadata"] = json!({"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 14, "trafficType": "ON_DEMAND"});
    let (assembled, names) = run(&chunks);
    let Assembled::Whole(answer) = assembled else {
        panic!("broken")
    };
    let usage = answer.usage.expect("usage");
    assert_eq!(
        (usage.input, usage.output, usage.reasoning),
        (Some(7), Some(7), Some(5))
    );
    assert!(
        names.iter().filter(|name| *name == "usage").count() <= 3,
        "{names:?}"
    );
    assert_eq!(answer.extras[0].name.get(), "usageMetadata.trafficType");
}

#[test]
fn metadata_that_repeat_themselves_are_told_once() {
    let mut chunk = chunk(json!([{"text": "a"}]));
    chunk["usageMetadata"] = json!({"trafficType": "ON_DEMAND"});
    let (_, names) = run(&[chunk.clone(), chunk.clone(), chunk, last(json!([]))]);
    assert_eq!(
        names.iter().filter(|name| *name == "extra").count(),
        0,
        "{names:?}"
    );
}

#[test]
fn choices_run_beside_each_other() {
    let candidate = |index: u32, text: &str| json!({"index": index, "content": {"parts": [{"text": text}]}});
    let over = |index: u32| json!({"index": index, "finishReason": "STOP"});
    let answer = whole(&[
        json!({"candidates": [candidate(0, "a"), candidate(1, "x")]}),
        json!({"candidates": [candidate(1, "y")]}),
        json!({"candidates": [candidate(0, "b"), over(1)]}),
        json!({"candidates": [over(0)]}),
    ]);
    let texts: Vec<String> = answer
        .choices
        .iter()
        .map(|choice| words(&choice.parts[0]))
        .collect();
    assert_eq!(texts, ["says ab", "says xy"]);
}

#[test]
fn a_refused_prompt_is_over_at_once() {
    let (assembled, names) = run(&[
        json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}),
    ]);
    let Assembled::Whole(answer) = assembled else {
        panic!("broken")
    };
    assert_eq!(names, ["start", "stop", "usage", "done"]);
    assert_eq!(
        answer.choices[0].stop.as_ref().expect("a reason").reason,
        StopReason::ContentFilter
    );
}

#[test]
fn pain_c03_a_stream_without_a_reason_is_cut_off() {
    assert_eq!(broken(&[chunk(json!([{"text": "a"}]))]), Error::cut_off());
    assert_eq!(broken(&[]), Error::cut_off());
    let candidate = |index: u32| json!({"index": index, "content": {"parts": [{"text": "a"}]}});
    let one_of_two = json!({"candidates": [candidate(0), {"index": 1, "finishReason": "STOP"}]});
    assert_eq!(broken(&[one_of_two]), Error::cut_off());
}

#[test]
fn pain_c03_errors_between_events_end_the_stream() {
    let error = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}});
    for error in [error.clone(), json!([error])] {
        let (assembled, names) = run(&[chunk(json!([{"text": "a"}])), error, last(json!([{"text": "b"}]))]);
        let Assembled::Broken(answer, error) = assembled else {
            panic!("whole")
        };
        assert_eq!(
            (parts_of(&answer), error.kind, error.status),
            (vec!["says a".into()], ErrorKind::RateLimit, 429)
        );
        assert_eq!(names.last().expect("events"), "error");
    }
}

#[test]
fn an_error_over_several_lines_is_read_as_a_frame_of_its_own() {
    let frame = b"{\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"x\",\n    \"status\": \"INTERNAL\"\n  }\n}\n";
    let (mut reader, mut events) = (Gemini.stream_reader(), Events::new());
    reader.read(StreamFrame::data(frame), &mut events);
    assert!(matches!(&events[..], [Event::Error(error)] if error.kind == ErrorKind::Server));
}

#[test]
fn what_is_no_event_ends_the_stream() {
    for data in [&b"<html>"[..], b"{\"candidates\":", b"{}", b"[1]", b"7"] {
        let (mut reader, mut events) = (Gemini.stream_reader(), Events::new());
        reader.read(StreamFrame::data(data), &mut events);
        assert!(
            matches!(&events[..], [Event::Error(error)] if error.kind == ErrorKind::BadAnswer),
            "{events:?}"
        );
        events.clear();
        reader.read(StreamFrame::data(b"{\"candidates\":[]}"), &mut events);
        assert!(events.is_empty());
        let mut more = Events::new();
        reader.end(&mut more);
        assert!(more.is_empty());
    }
}

#[test]
fn p24_citations_stand_on_the_text_though_they_come_last() {
    let metadata = json!({
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 5}, "groundingChunkIndices": [0]}],
    });
    for (text, start) in [("hello", Some(0)), ("hällo", None)] {
        let mut end = last(json!([{"text": "", "thoughtSignature": "AA"}]));
        end["candidates"][0]["groundingMetadata"] = metadata.clone();
        let mut first = chunk(json!([{"text": text}]));
        // sent again with each event
        first["candidates"][0]["groundingMetadata"] = metadata.clone();
        let answer = whole(&[first, end]);
        assert_eq!(answer.choices[0].parts.len(), 1);
        let Content::Text { citations, .. } = &answer.choices[0].parts[0].content else {
            panic!("a text")
        };
        assert_eq!(citations.len(), 1);
        assert_eq!(citations[0].start, start, "bytes are no characters in {text}");
        assert_eq!(answer.choices[0].extras[0].name.get(), "groundingMetadata");
    }
}

#[test]
fn arguments_that_come_in_pieces_are_json_in_the_end() {
    let call = |call: Value| chunk(json!([{"functionCall": call}]));
    let chunks = [
        call(json!({"name": "f", "id": "i", "willContinue": true})),
        call(
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "New \"", "willContinue": true}], "willContinue": true}),
        ),
        call(json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "York\n"}], "willContinue": true})),
        call(json!({"partialArgs": [
            {"jsonPath": "$.at[0].lat", "numberValue": 40.5},
            {"jsonPath": "$.at[0].lon", "numberValue": -74},
            {"jsonPath": "$.at[1].lat", "nullValue": "NULL_VALUE"},
            {"jsonPath": "$['a b'][\"c\"]", "boolValue": true},
        ], "willContinue": true})),
        call(json!({"partialArgs": [{"jsonPath": "$.empty", "stringValue": ""}], "willContinue": true})),
        call(json!({})),
        last(json!([{"functionCall": {"name": "g", "args": {}}}])),
    ];
    let answer = whole(&chunks);
    let calls: Vec<(String, Value)> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => (
                call.name.get().into_owned(),
                serde_json::from_str(&call.arguments.get()).expect("JSON"),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [
            (
                "f".into(),
                json!({"city": "New \"York\n", "at": [{"lat": 40.5, "lon": -74}, {"lat": null}], "a b": {"c": true}, "empty": ""})
            ),
            ("g".into(), json!({})),
        ]
    );
}

#[test]
fn a_call_that_is_never_finished_is_closed_all_the_same() {
    let call = |call: Value| chunk(json!([{"functionCall": call}]));
    let answer = whole(&[
        call(
            json!({"name": "f", "willContinue": true, "partialArgs": [{"jsonPath": "$.a.b[0]", "stringValue": "x", "willContinue": true}]}),
        ),
        call(json!({"name": "g", "willContinue": true})),
        last(json!([{"text": "so"}])),
    ]);
    assert_eq!(
        parts_of(&answer),
        ["calls  f {\"a\":{\"b\":[\"x\"]}}", "calls  g {}", "says so"]
    );
}

#[test]
fn plugins_see_the_arguments_that_come_in_pieces() {
    let body = bytes(&chunk(json!([{"functionCall": {
        "name": "f", "willContinue": true, "partialArgs": [{"jsonPath": "$.city", "stringValue": "New \"York", "willContinue": true}],
    }}])));
    let (mut reader, mut events) = (Gemini.stream_reader(), Events::new());
    reader.read(StreamFrame::data(&body), &mut events);
    let deltas = deltas_of_events(&events, &body, &mut ToolCounter::default());
    let shown: Vec<&[u8]> = deltas.iter().map(|delta| delta.literal.of(&body)).collect();
    assert_eq!(shown, [&br#"New \"York"#[..]]);
}

#[test]
fn what_comes_behind_the_end_is_not_left_out_in_silence() {
    let more = broken(&[last(json!([{"text": "a"}])), last(json!([{"text": "b"}]))]);
    assert_eq!(more.kind, ErrorKind::BadAnswer);
    let mut metadata = last(json!([{"text": ""}]));
    metadata["usageMetadata"] = json!({"promptTokenCount": 1});
    assert_eq!(
        whole(&[last(json!([{"text": "a"}])), metadata])
            .usage
            .expect("usage")
            .input,
        Some(1)
    );
}

#[test]
fn an_end_mark_of_openais_says_nothing() {
    let (mut reader, mut events) = (Gemini.stream_reader(), Events::new());
    reader.read(StreamFrame::data(b"[DONE]"), &mut events);
    assert!(events.is_empty());
}

/// The elements of a list that comes in these pieces.
fn elements<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Vec<u8>> {
    let (mut elements, mut found) = (Elements::new(1 << 16), Vec::new());
    for piece in pieces {
        elements.push(piece);
        while let Some(element) = elements.next().expect("short enough") {
            found.push(element);
        }
    }
    assert!(elements.is_whole());
    found
}

#[test]
fn pain_c11_a_list_gives_the_same_elements_however_it_is_split() {
    let list = br#"[{"a":"}]\"{"},
{"b":{"c":[{}]}} , {"d":"\\"}]"#;
    let whole = elements([&list[..]]);
    assert_eq!(
        whole,
        [&br#"{"a":"}]\"{"}"#[..], br#"{"b":{"c":[{}]}}"#, br#"{"d":"\\"}"#]
    );
    for at in 0..=list.len() {
        let (before, after) = list.split_at(at);
        assert_eq!(elements([before, after]), whole, "at {at}");
    }
    assert_eq!(elements(list.chunks(1)), whole);
}

#[test]
fn an_element_that_is_too_long_is_refused_and_not_kept() {
    let mut elements = Elements::new(100);
    elements.push(br#"[{"a":1},{"b":""#);
    assert_eq!(elements.next(), Ok(Some(br#"{"a":1}"#.to_vec())));
    assert_eq!(elements.next(), Ok(None));
    elements.push(&[b'x'; 200]);
    assert_eq!(elements.next(), Err(TooLarge));
    elements.push(br#""},{"c":1}]"#);
    assert_eq!(elements.next(), Err(TooLarge));
    assert!(!elements.is_whole());
}

proptest! {
    #[test]
    fn any_bytes_are_cut_the_same_however_they_are_split(
        bytes in prop::collection::vec(prop::sample::select(b"[]{},\"\\ax \n".to_vec()), 0..80),
        at in 0usize..80,
    ) {
        let cut = |pieces: &[&[u8]]| {
            let (mut elements, mut found) = (Elements::new(1 << 10), Vec::new());
            for piece in pieces {
                elements.push(piece);
                while let Ok(Some(element)) = elements.next() {
                    found.push(element);
                }
            }
            (found, elements.is_whole())
        };
        let at = at.min(bytes.len());
        let (before, after) = bytes.split_at(at);
        prop_assert_eq!(cut(&[before, after]), cut(&[&bytes]));
    }
}
