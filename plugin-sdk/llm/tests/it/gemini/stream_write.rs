//! Events as streams for callers of Gemini.

use penstock_llm::gemini::Gemini;
use penstock_llm::model::{
    Citation, Codec, Content, Delta, Dialect, Error, ErrorKind, Event, Json, Maker, Media, MediaKind, Part,
    Reasoning, Signature, Source, Start, Stop, StopReason, StreamWriter, Text, ToolCall, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::ENVELOPE;

fn start() -> Event<'static> {
    Event::Start(Box::new(Start {
        id: Some("r1".into()),
        ..Start::default()
    }))
}

fn part(part: u32, content: Part<'static>) -> Event<'static> {
    Event::PartStart {
        choice: 0,
        part,
        content: Box::new(content),
    }
}

fn delta(part: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta {
        choice: 0,
        part,
        delta,
    }
}

fn over(part: u32) -> Event<'static> {
    Event::PartStop { choice: 0, part }
}

fn stop(reason: StopReason) -> Event<'static> {
    Event::Stop {
        choice: 0,
        stop: Box::new(Stop::new(reason)),
    }
}

fn call(id: &'static str, name: &'static str) -> Part<'static> {
    Part::new(Content::ToolCall(ToolCall::function(
        id.into(),
        name.into(),
        Text::default(),
    )))
}

fn write(events: &[Event<'_>], mut writer: Box<dyn StreamWriter>) -> (String, Vec<String>) {
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    (
        String::from_utf8(out).expect("UTF-8"),
        super::lines(&writer.take_losses()),
    )
}

/// The bodies of a stream's events.
fn bodies(events: &[Event<'_>]) -> (Vec<Value>, Vec<String>) {
    let (text, losses) = write(events, Gemini.stream_writer(&ENVELOPE));
    let frames = text.split("\n\n").filter(|frame| !frame.trim().is_empty());
    let body =
        |frame: &str| serde_json::from_str(frame.trim().strip_prefix("data: ").expect("data")).expect("JSON");
    (frames.map(body).collect(), losses)
}

/// The parts of all events, in order.
fn parts(bodies: &[Value]) -> Vec<Value> {
    let of = |body: &Value| {
        body["candidates"][0]["content"]["parts"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    bodies
        .iter()
        .flat_map(of)
        .filter(|part| *part != json!({"text": ""}))
        .collect()
}

#[test]
fn words_go_as_they_come_and_calls_when_they_are_whole() {
    let events = [
        start(),
        part(
            0,
            Part::new(Content::Reasoning(Reasoning::text("h".into(), None))),
        ),
        delta(0, Delta::Reasoning("m".into())),
        over(0),
        part(1, Part::text("a")),
        delta(1, Delta::Text("b".into())),
        over(1),
        part(2, call("i", "f")),
        part(3, call("j", "g")),
        delta(3, Delta::Arguments("{\"y\"".into())),
        delta(2, Delta::Arguments("{\"x\":1}".into())),
        delta(3, Delta::Arguments(":2}".into())),
        over(2),
        over(3),
        stop(StopReason::ToolCalls),
        Event::Usage(Box::new(Usage {
            input: Some(3),
            output: Some(4),
            ..Usage::default()
        })),
        Event::Done,
    ];
    let (bodies, losses) = bodies(&events);
    assert_eq!(
        parts(&bodies),
        [
            json!({"text": "h", "thought": true}),
            json!({"text": "m", "thought": true}),
            json!({"text": "a"}),
            json!({"text": "b"}),
            json!({"functionCall": {"id": "i", "name": "f", "args": {"x": 1}}}),
            json!({"functionCall": {"id": "j", "name": "g", "args": {"y": 2}}}),
        ]
    );
    let end = bodies.last().expect("an end");
    assert_eq!(end["candidates"][0]["finishReason"], "STOP");
    assert_eq!(
        end["usageMetadata"],
        json!({"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7})
    );
    for body in &bodies {
        assert_eq!(
            (&body["responseId"], &body["modelVersion"]),
            (&json!("r1"), &json!("the-model"))
        );
    }
    assert_eq!(
        bodies
            .iter()
            .filter(|body| body["candidates"][0].get("finishReason").is_some())
            .count(),
        1
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn pain_e02_signatures_come_behind_their_words_and_with_their_calls() {
    let signature = |maker, data: &'static str| Signature {
        maker: Some(maker),
        data: data.into(),
    };
    let mut signed = call("i", "f");
    signed.signature = Some(signature(Maker::Google, "CC"));
    let events = [
        start(),
        part(0, Part::text("a")),
        delta(0, Delta::Signature(signature(Maker::Google, "A"))),
        delta(0, Delta::Signature(signature(Maker::Google, "B"))),
        over(0),
        part(1, signed),
        over(1),
        part(
            2,
            Part::new(Content::Reasoning(Reasoning::text(
                "t".into(),
                Some(Maker::Anthropic),
            ))),
        ),
        delta(2, Delta::Signature(signature(Maker::Anthropic, "ZZ"))),
        over(2),
        stop(StopReason::End),
        Event::Done,
    ];
    let (bodies, losses) = bodies(&events);
    assert_eq!(
        parts(&bodies),
        [
            json!({"text": "a"}),
            json!({"text": "", "thoughtSignature": "AB"}),
            json!({"functionCall": {"id": "i", "name": "f", "args": {}}, "thoughtSignature": "CC"}),
            json!({"text": "t", "thought": true}),
            json!({"text": "", "thought": true, "thoughtSignature": "cGVuc3RvY2svc2lnbmF0dXJlL2FudGhyb3BpYy1jbGF1ZGUtdjEvL1pa"}),
        ]
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn pieces_of_audio_stand_for_whole_bytes() {
    let audio = Part::new(Content::Media(Media::new(
        MediaKind::Audio,
        Source::Base64("AAAAB".into()),
    )));
    let events = [
        start(),
        part(0, audio),
        delta(0, Delta::Data("BBBCC".into())),
        delta(0, Delta::Data("CCDD".into())),
        over(0),
        stop(StopReason::End),
        Event::Done,
    ];
    let data: Vec<String> = parts(&bodies(&events).0)
        .iter()
        .map(|part| part["inlineData"]["data"].as_str().expect("data").to_owned())
        .collect();
    assert_eq!(data, ["AAAABBBB", "CCCC", "DD"]);
}

#[test]
fn p24_citations_go_with_the_last_event() {
    let mut citation = Citation::native(Dialect::AnthropicMessages, Json::new("{}").expect("JSON"));
    citation.url = Some("https://a".into());
    let events = [
        start(),
        part(0, Part::text("ab")),
        over(0),
        part(1, Part::text("cd")),
        delta(1, Delta::Text("ef".into())),
        delta(1, Delta::Citation(Box::new(citation))),
        over(1),
        stop(StopReason::End),
        Event::Done,
    ];
    let (bodies, _) = bodies(&events);
    assert_eq!(
        bodies.last().expect("an end")["candidates"][0]["groundingMetadata"],
        json!({
            "groundingChunks": [{"web": {"uri": "https://a"}}],
            "groundingSupports": [{"segment": {"startIndex": 2, "endIndex": 6}, "groundingChunkIndices": [0]}],
        })
    );
}

#[test]
fn pain_d05_an_error_ends_the_stream_in_this_dialect() {
    let events = [
        start(),
        part(0, Part::text("a")),
        Event::Error(Box::new(Error::new(ErrorKind::Overloaded, "busy"))),
        delta(0, Delta::Text("b".into())),
        Event::Done,
    ];
    let (bodies, _) = bodies(&events);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[1]["error"]["code"], 503);
    assert_eq!(bodies[1]["error"]["status"], "UNAVAILABLE");
}

#[test]
fn a_stream_of_nothing_has_an_end() {
    for events in [&[Event::Done][..], &[start(), Event::Done]] {
        let (bodies, _) = bodies(events);
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0]["candidates"][0]["finishReason"], "STOP");
    }
}

#[test]
fn signs_of_life_are_blank_lines_as_googles_client_takes_nothing_else() {
    let (text, _) = write(
        &[start(), Event::Ping, part(0, Part::text("a")), Event::Ping],
        Gemini.stream_writer(&ENVELOPE),
    );
    assert!(
        text.starts_with("\ndata: {") && text.ends_with("\n\n\n"),
        "{text}"
    );
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with("data: "))
    );
}

#[test]
fn without_sse_a_stream_is_one_list() {
    let events = [
        start(),
        Event::Ping,
        part(0, Part::text("a")),
        Event::Ping,
        delta(0, Delta::Text("b".into())),
        over(0),
        stop(StopReason::End),
        Event::Done,
    ];
    let (text, _) = write(&events, Gemini.list_writer(&ENVELOPE));
    let list: Value = serde_json::from_str(&text).expect("one JSON value");
    assert_eq!(list.as_array().expect("a list").len(), 3);
    let broken = [
        start(),
        part(0, Part::text("a")),
        Event::Error(Box::new(Error::cut_off())),
    ];
    let (text, _) = write(&broken, Gemini.list_writer(&ENVELOPE));
    let list: Value = serde_json::from_str(&text).expect("one JSON value");
    assert_eq!(list[1]["error"]["code"], 502);
    let at_once = [Event::Error(Box::new(Error::cut_off()))];
    let (text, _) = write(&at_once, Gemini.list_writer(&ENVELOPE));
    assert_eq!(
        serde_json::from_str::<Value>(&text).expect("one JSON value")[0]["error"]["code"],
        502
    );
}

#[test]
fn a_call_that_never_ends_is_not_kept_without_end() {
    let mut writer = Gemini.stream_writer(&ENVELOPE);
    let mut out = Vec::new();
    writer.write(&start(), &mut out);
    writer.write(&part(0, call("i", "f")), &mut out);
    let piece: Text<'static> = Text::plain("x".repeat(1 << 20));
    for _ in 0..20 {
        writer.write(&delta(0, Delta::Arguments(piece.clone())), &mut out);
    }
    assert!(out.len() < 1 << 10, "nothing of it went out");
    assert!(String::from_utf8_lossy(&out).contains("\"error\""));
}

/// Any event, in any order.
fn any_event() -> impl Strategy<Value = Event<'static>> {
    let at = || (0u32..3, 0u32..4);
    let content = prop_oneof![
        Just(Part::text("a")),
        Just(call("i", "f")),
        Just(Part::new(Content::Reasoning(Reasoning::text("t".into(), None)))),
        Just(Part::new(Content::Reasoning(Reasoning::encrypted(
            "t".into(),
            Some(Maker::Google)
        )))),
        Just(Part::new(Content::Media(Media::new(
            MediaKind::Image,
            Source::Base64("AAAA".into())
        )))),
    ];
    let more = prop_oneof![
        Just(Delta::Text("b".into())),
        Just(Delta::Reasoning("b".into())),
        Just(Delta::Arguments("{".into())),
        Just(Delta::Data("BB".into())),
        Just(Delta::Signature(Signature {
            maker: Some(Maker::Google),
            data: "S".into()
        })),
        Just(Delta::Logprobs(Json::new("{}").expect("JSON"))),
        Just(Delta::Native("x".into())),
    ];
    prop_oneof![
        Just(start()),
        (at(), content).prop_map(|((choice, part), content)| Event::PartStart {
            choice,
            part,
            content: Box::new(content)
        }),
        (at(), more).prop_map(|((choice, part), delta)| Event::Delta { choice, part, delta }),
        at().prop_map(|(choice, part)| Event::PartStop { choice, part }),
        (0u32..3).prop_map(|choice| Event::Stop {
            choice,
            stop: Box::new(Stop::new(StopReason::End))
        }),
        Just(Event::Usage(Box::new(Usage {
            input: Some(u64::MAX),
            reasoning: Some(u64::MAX),
            ..Usage::default()
        }))),
        Just(Event::Ping),
        Just(Event::Done),
        Just(Event::Error(Box::new(Error::cut_off()))),
    ]
}

proptest! {
    #[test]
    fn whatever_order_events_come_in_the_stream_is_legal(events in prop::collection::vec(any_event(), 0..30)) {
        let ended = |event: &&Event<'_>| matches!(event, Event::Done | Event::Error(_));
        let (bodies, _) = bodies(&events);
        let over = |body: &Value| body["candidates"].as_array().is_some_and(|all| all.iter().any(|one| one.get("finishReason").is_some()));
        let ends = bodies.iter().filter(|body| over(body) || body.get("error").is_some()).count();
        prop_assert_eq!(ends, usize::from(events.iter().any(|event| ended(&event))));
        prop_assert!(ends == 0 || bodies.last().is_some_and(|body| over(body) || body.get("error").is_some()));
        let (list, _) = write(&events, Gemini.list_writer(&ENVELOPE));
        if ends > 0 {
            prop_assert!(serde_json::from_str::<Value>(&list).is_ok(), "{}", list);
        }
    }
}
