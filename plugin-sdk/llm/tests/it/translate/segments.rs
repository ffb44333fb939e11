//! What plugins see: the same segments and deltas of every dialect, at their places in the bytes (P10).

use penstock_llm::model::{
    Asked, Dialect, Events, StreamFrame, ToolCounter, deltas_of_events, segments_of_answer,
    segments_of_request,
};
use penstock_llm::openai::{Answer, EventView, Kind, Operation, ReadLimits, Request, Role, Segment, is_done};
use penstock_llm::splice::{Splice, apply};

use super::streams::frames_of;
use super::table::{asked, recorded};

type Seen = (Role, Kind, u32, u32, String);

fn seen(segments: &[Segment], body: &[u8]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = segments
        .iter()
        .map(|segment| {
            let text = segment.text(body).unwrap_or_default().into_owned();
            assert_eq!(text.len(), segment.length as usize);
            (segment.role, segment.kind, segment.choice, segment.tool, text)
        })
        .filter(|(_, kind, _, _, text)| !kind.has_text() || !text.is_empty())
        .collect();
    seen.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    seen
}

#[test]
fn p10_the_model_shows_the_segments_that_are_read_in_place() {
    let mut compared = 0;
    for (recording, codec) in recorded() {
        if codec.dialect() != Dialect::OpenAiChat {
            continue;
        }
        let body = &recording.request[..];
        let in_place = Request::read(Operation::Chat, body.to_vec().into(), &ReadLimits::default());
        let read = codec.read_request(body, &asked(&recording));
        if let (Ok(in_place), Ok(read)) = (in_place, read) {
            assert_eq!(
                seen(&segments_of_request(&read.value, body), body),
                seen(in_place.segments(), body),
                "{}",
                recording.name
            );
            compared += 1;
        }
        if recording.is_stream() || !recording.is_json() {
            continue;
        }
        let body = &recording.response[..];
        let in_place = Answer::read(Operation::Chat, body.to_vec().into());
        if let (Ok(in_place), Ok(read)) = (in_place, codec.read_answer(body)) {
            // Perplexity says everything twice
            let said = seen(&segments_of_answer(&read.value, body), body);
            let in_place = seen(in_place.segments(), body);
            assert_eq!(said, in_place, "{}", recording.name);
            compared += 1;
        }
    }
    println!("{compared} bodies compared");
}

#[test]
fn p10_the_model_shows_the_deltas_that_are_read_in_place() {
    for (recording, codec) in recorded() {
        if codec.dialect() != Dialect::OpenAiChat || !recording.is_stream() {
            continue;
        }
        let (mut reader, mut tools) = (codec.stream_reader(), ToolCounter::default());
        for (_, data) in frames_of(&recording.response) {
            let mut events = Events::new();
            reader.read(StreamFrame::data(&data), &mut events);
            if is_done(&data) {
                continue;
            }
            let deltas = deltas_of_events(&events, &data, &mut tools);
            let told: Vec<_> = deltas
                .iter()
                .map(|delta| (delta.kind, delta.choice, delta.tool, delta.text(&data)))
                .collect();
            let view = EventView::read(Operation::Chat, &data).expect("an event");
            let in_place: Vec<_> = view
                .deltas
                .iter()
                .filter(|delta| delta.length > 0)
                .map(|delta| (delta.kind, delta.choice, delta.tool, delta.text(&data)))
                .collect();
            let told: Vec<_> = told.into_iter().filter(|(.., text)| !text.is_empty()).collect();
            assert_eq!(told, in_place, "{}", recording.name);
        }
    }
}

/// One secret in every place of a Messages request where words can stand.
const EVERYWHERE: &str = r#"{"model":"m","max_tokens":9,
"system":[{"type":"text","text":"SECRET system"}],
"messages":[
 {"role":"user","content":"SECRET \"quoted\" user"},
 {"role":"assistant","content":[{"type":"thinking","thinking":"SECRET thought","signature":"s"},{"type":"text","text":"SECRET said"},
  {"type":"tool_use","id":"t1","name":"f","input":{"a":"SECRET argument"}}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"SECRET result"},
  {"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"SECRET part"}]},
  {"type":"document","source":{"type":"text","media_type":"text/plain","data":"SECRET document"}},
  {"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"SECRET found"}]},
  {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}"#;

#[test]
fn n01_every_text_of_a_messages_request_is_seen_and_can_be_replaced_where_it_stands() {
    let codec = Dialect::AnthropicMessages.codec().expect("written");
    let body = EVERYWHERE.as_bytes();
    let read = codec.read_request(body, &Asked::default()).expect("a request");
    let segments = segments_of_request(&read.value, body);
    let with_secret = |segment: &&Segment| segment.text(body).is_some_and(|text| text.contains("SECRET"));
    let found: Vec<(Role, Kind)> = segments
        .iter()
        .filter(with_secret)
        .map(|segment| (segment.role, segment.kind))
        .collect();
    assert_eq!(
        found,
        [
            (Role::System, Kind::Text),
            (Role::User, Kind::Text),
            (Role::Assistant, Kind::Reasoning),
            (Role::Assistant, Kind::Text),
            (Role::Assistant, Kind::ToolArguments),
            (Role::Tool, Kind::ToolResult),
            (Role::Tool, Kind::ToolResult),
            (Role::User, Kind::Text),
            (Role::Tool, Kind::ToolResult),
        ]
    );
    assert!(segments.iter().any(|segment| segment.kind == Kind::Image));
    let mut splices: Vec<Splice> = segments
        .iter()
        .filter(with_secret)
        .map(|segment| {
            let text = segment.text(body).unwrap_or_default().replace("SECRET", "[gone]");
            let with = if segment.raw {
                text
            } else {
                serde_json::to_string(&text).expect("a string")
            };
            Splice::new(segment.span, with.into_bytes())
        })
        .collect();
    splices.sort_by_key(|splice| splice.span.start);
    let edited = String::from_utf8(apply(body, &splices)).expect("UTF-8");
    assert_eq!(edited, EVERYWHERE.replace("SECRET", "[gone]"));
}

#[test]
fn n01_every_text_of_a_messages_stream_is_seen() {
    let codec = Dialect::AnthropicMessages.codec().expect("written");
    let frames = [
        r#"{"type":"message_start","message":{"id":"i","model":"m","usage":{"input_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"one"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"two"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"three"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"y":1}}}"#,
    ];
    let (mut reader, mut tools, mut told) = (codec.stream_reader(), ToolCounter::default(), Vec::new());
    for data in frames {
        let mut events = Events::new();
        reader.read(StreamFrame::data(data.as_bytes()), &mut events);
        let deltas = deltas_of_events(&events, data.as_bytes(), &mut tools);
        told.extend(
            deltas
                .iter()
                .map(|delta| (delta.kind, delta.tool, delta.text(data.as_bytes()).into_owned())),
        );
    }
    told.retain(|(.., text)| !text.is_empty());
    let expected = [
        (Kind::Reasoning, 0, "one"),
        (Kind::Text, 0, "two"),
        (Kind::Text, 0, "three"),
        (Kind::ToolArguments, 0, "{\"x\":"),
        (Kind::ToolArguments, 1, "{\"y\":1}"),
    ];
    assert_eq!(
        told,
        expected.map(|(kind, tool, text)| (kind, tool, text.to_owned()))
    );
}
