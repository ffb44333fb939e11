use bytes::Bytes;
use penstock_llm::bedrock::converse::BedrockConverse;
use penstock_llm::eventstream::{DEFAULT_MAX_MESSAGE_BYTES, EventStreamReader};
use penstock_llm::model::{
    Answer, Assembled, Assembler, CallKind, Codec, Content, Delta, Error, ErrorKind, Event, Events, Extra,
    Json, Losses, Maker, Media, MediaKind, Part, Reasoning, Signature, Source, Start, Stop, StopReason,
    StreamFrame, Text, ToolCall, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::{Dice, cases};
use crate::translate::streams::ENVELOPE;
use crate::translate::streams::{MOST, Order, assembled};

fn frame<'a>(name: &'a str, data: &'a [u8]) -> StreamFrame<'a> {
    StreamFrame {
        name: Some(name.as_bytes()),
        data,
        exception: name.ends_with("Exception"),
    }
}

/// What comes of these frames, in the order that the model promises.
fn read_frames(frames: &[StreamFrame<'_>]) -> (Assembled, Order) {
    let mut reader = BedrockConverse.stream_reader();
    let (mut assembler, mut order) = (Assembler::new(BedrockConverse.dialect(), MOST), Order::default());
    let mut take = |events: &[Event<'_>]| {
        for event in events {
            order.check(event);
            assembler.push(event);
        }
    };
    for frame in frames {
        let mut events = Events::new();
        reader.read(*frame, &mut events);
        take(&events);
    }
    let mut events = Events::new();
    reader.end(&mut events);
    take(&events);
    (assembler.finish(), order)
}

/// What comes of these events.
fn read(events: &[(&str, Value)]) -> Assembled {
    let payloads: Vec<Vec<u8>> = events
        .iter()
        .map(|(_, payload)| serde_json::to_vec(payload).expect("JSON"))
        .collect();
    let frames: Vec<StreamFrame<'_>> = events
        .iter()
        .zip(&payloads)
        .map(|((name, _), payload)| frame(name, payload))
        .collect();
    read_frames(&frames).0
}

fn whole(events: &[(&str, Value)]) -> Answer<'static> {
    match read(events) {
        Assembled::Whole(answer) => answer,
        Assembled::Broken(_, error) => panic!("{error:?}"),
    }
}

fn broken(events: &[(&str, Value)]) -> Error<'static> {
    match read(events) {
        Assembled::Broken(_, error) => error,
        Assembled::Whole(answer) => panic!("{answer:?}"),
    }
}

/// A stream as its client sees it: names and payloads.
fn told(stream: &[u8]) -> Vec<(String, Value)> {
    let mut reader = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
    reader.push(Bytes::copy_from_slice(stream));
    let mut told = Vec::new();
    while let Some(message) = reader.next().expect("right checksums") {
        let frame = message.frame();
        let name = String::from_utf8_lossy(frame.name.expect("a name")).into_owned();
        told.push((name, serde_json::from_slice(frame.data).expect("JSON")));
    }
    assert!(reader.is_whole());
    told
}

fn written(events: &[Event<'_>]) -> (Vec<(String, Value)>, Losses) {
    let mut writer = BedrockConverse.stream_writer(&ENVELOPE);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    (told(&out), writer.take_losses())
}

fn start(part: u32, content: Part<'static>) -> Event<'static> {
    Event::PartStart {
        choice: 0,
        part,
        content: Box::new(content),
    }
}

fn more(part: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta {
        choice: 0,
        part,
        delta,
    }
}

fn close(part: u32) -> Event<'static> {
    Event::PartStop { choice: 0, part }
}

fn over(reason: StopReason) -> Event<'static> {
    Event::Stop {
        choice: 0,
        stop: Box::new(Stop::new(reason)),
    }
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> Part<'static> {
    let call = ToolCall::function(id.into(), name.into(), arguments.into());
    assert_eq!(call.kind, CallKind::Function);
    Part::new(Content::ToolCall(call))
}

fn text_start(block: u64, text: &str) -> (&'static str, Value) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": block, "delta": {"text": text}}),
    )
}

fn stop_event() -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": "end_turn"}))
}

#[test]
fn every_kind_of_block_is_put_together() {
    let answer = whole(&[
        ("messageStart", json!({"role": "assistant", "p": "abc"})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "EqQB"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "RW13S0FoZ0I="}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        text_start(2, "Ruby "),
        text_start(2, "is old"),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"citation": {"title": "facts"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 3, "start": {"image": {"format": "webp"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 3, "delta": {"image": {"source": {"bytes": "aGk="}}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 3})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "a", "name": "f"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 4, "delta": {"toolUse": {"input": "{\"x\""}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 4, "delta": {"toolUse": {"input": ":1}"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 4})),
        (
            "messageStop",
            json!({"stopReason": "tool_use", "additionalModelResponseFields": {"stop_sequence": null}}),
        ),
        (
            "metadata",
            json!({"usage": {"inputTokens": 2, "outputTokens": 3, "totalTokens": 9, "cacheReadInputTokens": 4},
                "metrics": {"latencyMs": 7}, "serviceTier": {"type": "flex"}}),
        ),
    ]);
    // the same, unstreamed
    let body = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
        {"reasoningContent": {"redactedContent": "RW13S0FoZ0I="}},
        {"citationsContent": {"content": [{"text": "Ruby is old"}], "citations": [{"title": "facts"}]}},
        {"image": {"format": "webp", "source": {"bytes": "aGk="}}},
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x":1}}}]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 2, "outputTokens": 3, "totalTokens": 9,
        "cacheReadInputTokens": 4}});
    let bytes = serde_json::to_vec(&body).expect("JSON");
    let unstreamed = BedrockConverse.read_answer(&bytes).expect("an answer").value;
    assert_eq!(answer.choices[0].parts, unstreamed.choices[0].parts);
    assert_eq!(answer.usage, unstreamed.usage);
    assert_eq!(answer.choices[0].stop, unstreamed.choices[0].stop);
    let kept: Vec<String> = answer
        .extras
        .iter()
        .map(|extra| extra.name.get().into_owned())
        .collect();
    assert_eq!(kept, ["additionalModelResponseFields", "metrics", "serviceTier"]);
}

#[test]
fn what_the_providers_own_tools_did_stays_in_its_own_words() {
    let answer = whole(&[
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "s", "name": "nova_code_interpreter",
                "type": "server_tool_use"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{\"snippet\":\"1\"}"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "s", "status": "success"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"toolResult": [{"json": {"out": 1}}]}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 2, "start": {"toolResult": {"toolUseId": "t"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        stop_event(),
    ]);
    let written = BedrockConverse.write_answer(&answer, &ENVELOPE);
    let body: Value = serde_json::from_slice(&written.bytes).expect("JSON");
    assert_eq!(
        body["output"]["message"]["content"],
        json!([
            {"toolUse": {"toolUseId": "s", "name": "nova_code_interpreter", "type": "server_tool_use",
                "input": {"snippet": "1"}}},
            {"toolResult": {"toolUseId": "s", "status": "success", "content": [{"json": {"out": 1}}]}},
            {"toolResult": {"toolUseId": "t", "content": []}}])
    );
    // no call of the caller's: nothing for it to answer
    assert_eq!(
        answer.choices[0].stop.as_ref().expect("a reason").reason,
        StopReason::End
    );
    let again = crate::translate::streams::replayed(&answer, &BedrockConverse, &ENVELOPE);
    let Assembled::Whole(again) = assembled(&BedrockConverse, &again) else {
        panic!("broken");
    };
    let again = BedrockConverse.write_answer(&again, &ENVELOPE);
    let again: Value = serde_json::from_slice(&again.bytes).expect("JSON");
    assert_eq!(again["output"], body["output"]);
}

#[test]
fn pain_c03_exceptions_inside_a_stream_end_it_with_their_kind() {
    let begun = [
        ("messageStart", json!({"role": "assistant"})),
        text_start(0, "Hel"),
    ];
    for (name, payload, kind, status) in [
        (
            "throttlingException",
            json!({"message": "slow"}),
            ErrorKind::RateLimit,
            429,
        ),
        (
            "validationException",
            json!({"message": "prompt is too long"}),
            ErrorKind::ContextLength,
            400,
        ),
        (
            "internalServerException",
            json!({"message": "no"}),
            ErrorKind::Server,
            500,
        ),
        (
            "serviceUnavailableException",
            json!({"message": "no"}),
            ErrorKind::Unavailable,
            503,
        ),
        (
            "modelStreamErrorException",
            json!({"message": "no", "originalStatusCode": 529, "originalMessage": "overloaded"}),
            ErrorKind::Overloaded,
            424,
        ),
        (
            "modelTimeoutException",
            json!({"message": "no"}),
            ErrorKind::Timeout,
            408,
        ),
        (
            "brandNewException",
            json!({"message": "no"}),
            ErrorKind::Server,
            500,
        ),
        ("brandNewException", json!({}), ErrorKind::Server, 500),
    ] {
        let error = broken(&[begun.to_vec(), vec![(name, payload), stop_event()]].concat());
        assert_eq!((error.kind, error.status), (kind, status), "{name}");
        let first = broken(&[(name, json!({"message": "first"}))]);
        assert!(first.message.is("first"));
    }
    let (assembled, _) = read_frames(&[StreamFrame {
        name: Some(b"InternalFailure"),
        data: b"it broke",
        exception: true,
    }]);
    assert!(matches!(assembled, Assembled::Broken(_, error) if error.message.is("it broke")));
}

#[test]
fn pain_c03_a_stream_that_ends_before_its_reason_is_cut_off() {
    let cut = Error::cut_off();
    assert_eq!(broken(&[]), cut);
    assert_eq!(broken(&[("messageStart", json!({"role": "assistant"}))]), cut);
    assert_eq!(
        broken(&[
            text_start(0, "a"),
            ("contentBlockStop", json!({"contentBlockIndex": 0}))
        ]),
        cut
    );
    // without counts it is whole all the same, whichever comes first
    assert_eq!(whole(&[text_start(0, "a"), stop_event()]).usage, None);
    let counts = (
        "metadata",
        json!({"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}}),
    );
    assert!(
        whole(&[text_start(0, "a"), counts.clone(), stop_event()])
            .usage
            .is_some()
    );
    assert_eq!(broken(&[text_start(0, "a"), counts]), cut);
    let bad = broken(&[("messageStart", json!({})), ("contentBlockDelta", json!([1]))]);
    assert_eq!(bad, cut);
    for payload in [&b"<html>"[..], b"", b"{\"delta\":"] {
        let (assembled, _) = read_frames(&[frame("contentBlockDelta", payload)]);
        assert!(matches!(assembled, Assembled::Broken(_, error) if error.kind == ErrorKind::BadAnswer));
    }
}

#[test]
fn pain_d01_pain_d02_blocks_come_one_after_the_other() {
    let thought = Part::new(Content::Reasoning(Reasoning::text("h".into(), None)));
    let signature = Signature {
        maker: Some(Maker::Anthropic),
        data: "EqQB".into(),
    };
    let (told, losses) = written(&[
        Event::Start(Box::default()),
        start(0, thought),
        more(0, Delta::Reasoning("m".into())),
        more(0, Delta::Signature(signature)),
        close(0),
        start(1, Part::text("")),
        close(1),
        start(2, Part::text("so")),
        close(2),
        start(3, call("a", "f", "{\"x\":")),
        start(4, call("b", "g", "")),
        start(5, call("c", "h", "")),
        more(4, Delta::Arguments("{}".into())),
        more(3, Delta::Arguments("1}".into())),
        close(4),
        close(3),
        close(5),
        over(StopReason::ToolCalls),
        Event::Usage(Box::new(Usage {
            input: Some(10),
            cache_read: Some(4),
            output: Some(2),
            ..Usage::default()
        })),
        Event::Done,
    ]);
    let names: Vec<&str> = told.iter().map(|(name, _)| &**name).collect();
    let (started, gave, ended) = ("contentBlockStart", "contentBlockDelta", "contentBlockStop");
    assert_eq!(
        names,
        [
            "messageStart",
            gave,
            gave,
            gave,
            ended,
            gave,
            ended,
            started,
            gave,
            gave,
            ended,
            started,
            gave,
            ended,
            started,
            gave,
            ended,
            "messageStop",
            "metadata"
        ]
    );
    let blocks: Vec<u64> = told
        .iter()
        .filter_map(|(_, payload)| payload["contentBlockIndex"].as_u64())
        .collect();
    assert_eq!(blocks, [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assert_eq!(
        told[7].1["start"],
        json!({"toolUse": {"toolUseId": "a", "name": "f"}})
    );
    assert_eq!(told[9].1["delta"], json!({"toolUse": {"input": "1}"}}));
    // a call without input has none
    assert_eq!(told[15].1["delta"], json!({"toolUse": {"input": "{}"}}));
    assert_eq!(told[17].1, json!({"stopReason": "tool_use"}));
    assert_eq!(
        told[18].1["usage"],
        json!({"inputTokens": 6, "outputTokens": 2, "totalTokens": 12, "cacheReadInputTokens": 4})
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn an_error_ends_a_written_stream_as_an_exception() {
    for (kind, name) in [
        (ErrorKind::RateLimit, "throttlingException"),
        (ErrorKind::Overloaded, "serviceUnavailableException"),
        (ErrorKind::BadAnswer, "modelStreamErrorException"),
        (ErrorKind::Server, "internalServerException"),
        (ErrorKind::ContextLength, "validationException"),
    ] {
        let (told, _) = written(&[
            start(0, Part::text("Hel")),
            Event::Error(Box::new(Error::new(kind, "no"))),
            close(0),
            Event::Done,
        ]);
        let (last, payload) = told.last().expect("an exception");
        assert_eq!((&**last, &payload["message"]), (name, &json!("no")));
        assert_eq!(told.len(), 3);
    }
}

#[test]
fn what_cannot_be_streamed_is_named() {
    let audio = Media {
        transcript: Some("spoken".into()),
        ..Media::new(MediaKind::Audio, Source::Base64("aGk=".into()))
    };
    let other = Event::PartStart {
        choice: 1,
        part: 0,
        content: Box::new(Part::text("other")),
    };
    let extras = vec![
        Extra {
            name: Text::plain("system_fingerprint"),
            value: Json::new("1").expect("JSON"),
        },
        Extra {
            name: Text::plain("metrics"),
            value: Json::new("{\"latencyMs\":1}").expect("JSON"),
        },
    ];
    let (told, losses) = written(&[
        Event::Start(Box::new(Start {
            extras,
            ..Start::default()
        })),
        start(0, Part::new(Content::Media(audio))),
        more(0, Delta::Transcript(" more".into())),
        more(0, Delta::Data("aGk=".into())),
        close(0),
        start(1, Part::new(Content::Refusal("no".into()))),
        close(1),
        other,
        Event::Ping,
        Event::Done,
    ]);
    let texts: String = told
        .iter()
        .filter_map(|(_, payload)| payload["delta"]["text"].as_str())
        .collect();
    assert_eq!(texts, "spoken moreno");
    assert_eq!(
        told.last().expect("metadata").1,
        json!({"metrics": {"latencyMs": 1}})
    );
    assert_eq!(
        super::lost(&losses),
        [
            "choices dropped",
            "content[0] dropped",
            "content[1] changed",
            "system_fingerprint dropped"
        ]
    );
}

/// Some event, legal or not.
fn some_event(dice: &mut Dice) -> (String, String) {
    let block = dice.below(4);
    let text = dice.words();
    let inner = match dice.below(16) {
        0 => format!(r#"{{"delta":{{"text":{text}}}"#),
        1 => format!(r#"{{"delta":{{"reasoningContent":{{"text":{text}}}}}"#),
        2 => format!(r#"{{"delta":{{"reasoningContent":{{"signature":{text}}}}}"#),
        3 => r#"{"delta":{"reasoningContent":{"redactedContent":"RW13S0FoZ0I="}}"#.to_owned(),
        4 => format!(r#"{{"delta":{{"toolUse":{{"input":{text}}}}}"#),
        5 => r#"{"delta":{"citation":{"title":"t"}}"#.to_owned(),
        6 => r#"{"delta":{"toolResult":[{"text":"x"}]}"#.to_owned(),
        7 => r#"{"delta":{"image":{"source":{"bytes":"aGk="}}}"#.to_owned(),
        8 => format!(r#"{{"start":{{"toolUse":{{"toolUseId":{text},"name":"f"}}}}"#),
        9 => r#"{"start":{"toolUse":{"toolUseId":"s","name":"f","type":"server_tool_use"}}"#.to_owned(),
        10 => r#"{"start":{"toolResult":{"toolUseId":"s"}}"#.to_owned(),
        11 => r#"{"start":{"image":{"format":"png"}}"#.to_owned(),
        12 => r#"{"start":{"new":{}}"#.to_owned(),
        13 => r#"{"stopReason":"end_turn""#.to_owned(),
        14 => r#"{"usage":{"inputTokens":18446744073709551615,"cacheReadInputTokens":9},"metrics":{}"#
            .to_owned(),
        _ => format!(r#"{{"x":{}"#, dice.value(2)),
    };
    let name = dice.pick(&[
        "messageStart",
        "contentBlockStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStop",
        "messageStop",
        "metadata",
        "somethingNew",
    ]);
    (
        name.to_owned(),
        format!(r#"{inner},"contentBlockIndex":{block}}}"#),
    )
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn events_in_any_order_keep_the_models_order_and_are_written_as_a_legal_stream(seed: u64) {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.below(40);
        let events: Vec<(String, Vec<u8>)> = (0..count)
            .map(|_| {
                let (name, payload) = some_event(&mut dice);
                let payload = payload.into_bytes();
                (name, if dice.one_in(40) { dice.mutated(payload) } else { payload })
            })
            .collect();
        let frames: Vec<StreamFrame<'_>> = events.iter().map(|(name, payload)| frame(name, payload)).collect();
        let (read, order): (Assembled, Order) = read_frames(&frames);
        prop_assert!(order.events >= 1);

        let mut reader = BedrockConverse.stream_reader();
        let mut writer = BedrockConverse.stream_writer(&ENVELOPE);
        let mut out = Vec::new();
        for frame in frames {
            let mut events = Events::new();
            reader.read(frame, &mut events);
            events.iter().for_each(|event| writer.write(event, &mut out));
        }
        let mut events = Events::new();
        reader.end(&mut events);
        events.iter().for_each(|event| writer.write(event, &mut out));
        prop_assert!(legal(&told(&out)), "{:?}", told(&out));
        let again = assembled(&BedrockConverse, &out);
        prop_assert_eq!(matches!(read, Assembled::Whole(_)), matches!(again, Assembled::Whole(_)));
    }

    #[test]
    fn whatever_the_writer_is_given_it_writes_a_legal_stream(seed: u64) {
        let mut dice = Dice::new(seed);
        let mut writer = BedrockConverse.stream_writer(&ENVELOPE);
        let mut out = Vec::new();
        for _ in 0..dice.below(40) {
            writer.write(&any_event(&mut dice), &mut out);
        }
        writer.write(&Event::Done, &mut out);
        prop_assert!(legal(&told(&out)), "{:?}", told(&out));
    }
}

fn any_event(dice: &mut Dice) -> Event<'static> {
    let part = dice.below(4) as u32;
    match dice.below(16) {
        0 => Event::Start(Box::default()),
        1 => start(part, Part::text("a")),
        2 => start(part, call("a", "f", "")),
        3 => start(
            part,
            Part::new(Content::Reasoning(Reasoning::text("h".into(), None))),
        ),
        4 => start(
            part,
            Part::new(Content::Reasoning(Reasoning::encrypted("x".into(), None))),
        ),
        5 => start(
            part,
            Part::new(Content::Media(Media::new(
                MediaKind::Image,
                Source::Base64("aGk=".into()),
            ))),
        ),
        6 => more(part, Delta::Text("b".into())),
        7 => more(part, Delta::Arguments("{}".into())),
        8 => more(part, Delta::Reasoning("m".into())),
        9 => more(part, Delta::Data("aGk=".into())),
        10 => more(part, Delta::Native("{}".into())),
        11 | 12 => close(part),
        13 => over(StopReason::End),
        14 => Event::Ping,
        _ if dice.one_in(8) => Event::Error(Box::new(Error::cut_off())),
        _ => Event::Usage(Box::default()),
    }
}

/// One start, blocks one after the other and counted without a gap, one end.
fn legal(told: &[(String, Value)]) -> bool {
    let (mut next, mut open, mut ended) = (0, None, false);
    for (at, (name, payload)) in told.iter().enumerate() {
        let block = payload["contentBlockIndex"].as_u64();
        let exception = name.ends_with("Exception");
        if (name == "messageStart") != (at == 0) && !exception {
            return false;
        }
        if ended && name != "metadata" {
            return false;
        }
        match &**name {
            "contentBlockStart" | "contentBlockDelta" if open.is_none() => {
                if block != Some(next) {
                    return false;
                }
                open = block;
                next += 1;
            }
            "contentBlockDelta" if block == open => {}
            "contentBlockStop" if open.is_some() && block == open => open = None,
            "messageStop" if open.is_none() => ended = true,
            "messageStart" => {}
            "metadata" if ended && at + 1 == told.len() => {}
            _ if exception && at + 1 == told.len() => ended = true,
            _ => return false,
        }
    }
    ended
}
