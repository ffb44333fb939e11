//! Any bytes as a request, an answer, an error or a stream of every dialect: what is read is written in every other one
//! and can be read there again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use penstock_llm::model::{
    Asked, CODECS, Codec, Envelope, Events, StreamFrame, Target, deltas_of_events, segments_of_answer,
    segments_of_request,
};

const ENVELOPE: Envelope<'static> = Envelope {
    id: "id",
    created: 1,
    model: "model",
    usage_asked: true,
    input_estimate: Some(1),
    legacy_functions: false,
    repeated: None,
};

fuzz_target!(|input: (u8, u8, bool, &[u8])| {
    let (from, to, streams, body) = input;
    let pick = |number: u8| CODECS[usize::from(number) % CODECS.len()];
    let (from, to) = (pick(from), pick(to));
    if streams {
        return stream(from, to, body);
    }
    request(from, to, body);
    if let Ok(answer) = from.read_answer(body) {
        let written = to.write_answer(&answer.value, &ENVELOPE);
        assert!(
            to.read_answer(&written.bytes).is_ok(),
            "{}",
            String::from_utf8_lossy(&written.bytes)
        );
        let _ = segments_of_answer(&answer.value, body);
    }
    let error = from.read_error(500, None, body);
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&to.write_error(&error)).is_ok());
});

fn request(from: &dyn Codec, to: &dyn Codec, body: &[u8]) {
    let asked = Asked {
        model: Some("model"),
        ..Asked::default()
    };
    let Ok(request) = from.read_request(body, &asked) else {
        return;
    };
    for segment in segments_of_request(&request.value, body) {
        assert!(segment.span.end <= body.len());
    }
    if let Ok(written) = to.write_request(&request.value, &Target::new("model")) {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&written.bytes).is_ok());
    }
}

/// Lines are the data of events.
fn stream(from: &dyn Codec, to: &dyn Codec, body: &[u8]) {
    let (mut reader, mut writer) = (from.stream_reader(), to.stream_writer(&ENVELOPE));
    let (mut tools, mut out) = (Default::default(), Vec::new());
    for data in body.split(|byte| *byte == b'\n') {
        let mut events = Events::new();
        reader.read(StreamFrame::data(data), &mut events);
        let _ = deltas_of_events(&events, data, &mut tools);
        events.iter().for_each(|event| writer.write(event, &mut out));
    }
    let mut events = Events::new();
    reader.end(&mut events);
    events.iter().for_each(|event| writer.write(event, &mut out));
}
