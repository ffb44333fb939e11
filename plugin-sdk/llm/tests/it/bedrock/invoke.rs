use penstock_llm::anthropic::AnthropicMessages;
use penstock_llm::bedrock::invoke::{CHUNK, read_chunk, read_exception, write_chunk};
use penstock_llm::model::{
    Asked, Assembled, Assembler, ClaudeHost, Codec, Dialect, ErrorKind, Events, StreamFrame, Target,
};
use serde_json::{Value, json};

use crate::eventstream::messages;
use crate::recorded::{Recording, recordings};

fn of_claude() -> Vec<Recording> {
    recordings()
        .into_iter()
        .filter(|recording| recording.api == "bedrock.invoke" && recording.model.contains("claude"))
        .collect()
}

/// Chunks as the events of the dialect in them.
fn assembled(payloads: &[&[u8]]) -> Assembled {
    let mut reader = AnthropicMessages.stream_reader();
    let mut assembler = Assembler::new(Dialect::AnthropicMessages, 1 << 20);
    for payload in payloads {
        let data = read_chunk(payload).expect("a chunk");
        let mut events = Events::new();
        reader.read(StreamFrame::data(&data), &mut events);
        events.iter().for_each(|event| assembler.push(event));
    }
    let mut events = Events::new();
    reader.end(&mut events);
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

#[test]
fn pain_d09_recorded_chunks_hold_claudes_own_stream() {
    for recording in recordings() {
        if recording.api != "bedrock.invoke" || !recording.is_binary() {
            continue;
        }
        let (frames, wrong, whole) = messages(recording.response.chunks(7));
        assert_eq!((wrong, whole), (None, true), "{}", recording.name);
        assert!(
            frames
                .iter()
                .all(|frame| frame.frame().name == Some(CHUNK.as_bytes()))
        );
        let payloads: Vec<&[u8]> = frames.iter().map(|frame| frame.payload()).collect();
        for payload in &payloads {
            let data = read_chunk(payload).expect("a chunk");
            let mut again = Vec::new();
            write_chunk(&data, &mut again).expect("short");
            let (again, ..) = messages([&again[..]]);
            assert_eq!(read_chunk(again[0].payload()).expect("a chunk"), data);
        }
        if recording.model.contains("claude") {
            let Assembled::Whole(answer) = assembled(&payloads) else {
                panic!("{}: broken", recording.name);
            };
            assert!(answer.usage.is_some_and(|usage| usage.output.is_some()));
            assert!(
                answer.choices[0]
                    .parts
                    .iter()
                    .any(|part| part.as_text().is_some())
            );
            let cut = assembled(&payloads[..payloads.len() / 2]);
            assert!(matches!(cut, Assembled::Broken(..)));
        }
    }
}

#[test]
fn recorded_requests_to_claude_pass_as_they_came() {
    for recording in of_claude() {
        let asked = Asked {
            model: Some(&recording.model),
            stream: Some(recording.path.ends_with("stream")),
            betas: &[],
        };
        let read = AnthropicMessages
            .read_request(&recording.request, &asked)
            .expect(&recording.name);
        let target = Target {
            claude_host: ClaudeHost::Bedrock,
            ..Target::new(&recording.model)
        };
        let written = AnthropicMessages
            .write_request(&read.value, &target)
            .expect(&recording.name);
        let sent: Value = serde_json::from_slice(&written.bytes).expect("JSON");
        assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
        assert_eq!((sent.get("model"), sent.get("stream")), (None, None));
        let mut came: Value = serde_json::from_slice(&recording.request).expect("JSON");
        let mut sent = sent;
        // one text alone may be a string or a block
        for body in [&mut came, &mut sent] {
            for message in body["messages"].as_array_mut().expect("messages") {
                if let Value::String(text) = &message["content"] {
                    message["content"] = json!([{"type": "text", "text": text}]);
                }
            }
        }
        let count = |body: &Value| body["messages"].as_array().map(Vec::len);
        assert_eq!(count(&sent), count(&came), "{}", recording.name);
        assert_eq!(sent.get("tools"), came.get("tools"), "{}", recording.name);
    }
}

#[test]
fn what_is_no_chunk_is_a_broken_stream() {
    for payload in [
        &b""[..],
        b"{}",
        b"[]",
        b"{\"bytes\":7}",
        b"{\"bytes\":\"a b\"}",
        b"{\"bytes\":null,\"p\":\"abc\"}",
        b"\xff",
    ] {
        let error = read_chunk(payload).expect_err("no chunk");
        assert_eq!(error.kind, ErrorKind::BadAnswer, "{payload:?}");
    }
    assert_eq!(
        read_chunk(b"{\"p\":\"abc\",\"bytes\":\"e30\"}").expect("a chunk"),
        b"{}"
    );
}

#[test]
fn pain_c03_an_exception_between_chunks_is_bedrocks_own() {
    let error = read_exception(Some(b"throttlingException"), b"{\"message\":\"slow down\"}");
    assert_eq!((error.kind, error.status), (ErrorKind::RateLimit, 429));
    assert!(error.message.is("slow down"));
}
