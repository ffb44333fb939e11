//! Recorded traffic through every dialect: what was said is still said, streamed or not, however a stream is split.

use bytes::Bytes;
use penstock_llm::eventstream::{DEFAULT_MAX_MESSAGE_BYTES, EventStreamReader};
use penstock_llm::model::{Answer, Assembled, Codec, Dialect, Framing, LossKind, Losses, Written};
use penstock_llm::sse::{DEFAULT_MAX_EVENT_BYTES, SseReader, write_frame};
use serde_json::Value;

use super::heard::{Heard, pairing, texts};
use super::judge::generous;
use super::streams::{ENVELOPE, assembled, each_frame, frames_of, replayed, translated};
use super::table::{asked, codecs, recorded};
use crate::recorded::Recording;

fn dropped(losses: &Losses) -> bool {
    losses.list().iter().any(|loss| loss.what != LossKind::Added)
}

fn added(losses: &Losses, at: &str) -> bool {
    losses
        .list()
        .iter()
        .any(|loss| loss.what == LossKind::Added && loss.at == at)
}

/// The dialect has one answer per request.
fn one_choice(dialect: Dialect) -> bool {
    !matches!(dialect, Dialect::OpenAiChat | Dialect::Gemini)
}

fn answer<'a>(recording: &'a Recording, codec: &dyn Codec) -> Option<Answer<'a>> {
    let streamed = recording.is_stream();
    if streamed || recording.status >= 400 || !recording.is_json() {
        return None;
    }
    match codec.read_answer(&recording.response) {
        Ok(read) => Some(read.value),
        Err(error) => {
            // a few were recorded of another API than their name says
            println!("{}: {}", recording.name, error.message.get());
            None
        }
    }
}

#[test]
fn recorded_requests_say_the_same_in_every_dialect() {
    let mut said = 0;
    for (recording, from) in recorded() {
        let asked = asked(&recording);
        let Ok(read) = from.read_request(&recording.request, &asked) else {
            assert!(recording.is_odd_request(), "{} is a request", recording.name);
            continue;
        };
        let request = read.value;
        assert!(
            !request.model.is_empty() && !request.messages.is_empty(),
            "{}",
            recording.name
        );
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let model = request.model.get();
            let written = match to.write_request(&request, &generous(&model)) {
                Ok(written) => written,
                Err(refused) => {
                    assert_ne!(to.dialect(), from.dialect(), "{name}: {refused}");
                    println!("{name}: {refused}");
                    continue;
                }
            };
            serde_json::from_slice::<serde_json::Value>(&written.bytes).expect(&name);
            let again = to.read_request(&written.bytes, &asked_again(&model, request.stream, to));
            let again = again.unwrap_or_else(|refused| panic!("{name}: {refused}")).value;
            if !dropped(&written.losses) {
                let mut said = texts(&again);
                // a conversation that began with an answer
                said.retain(|text| !(text == "said: ." && added(&written.losses, "messages")));
                assert_eq!(said, texts(&request), "{name}");
                assert_eq!(pairing(&again.messages), pairing(&request.messages), "{name}");
            }
            assert_eq!(again.stream, request.stream, "{name}");
            if to.dialect() == from.dialect() {
                assert!(
                    !dropped(&written.losses) || request.legacy_functions,
                    "{name}: {:?}",
                    written.losses
                );
                let twice = to.write_request(&again, &generous(&model)).expect(&name);
                assert_eq!(text(&twice), text(&written), "{name}");
            }
            said += 1;
        }
    }
    println!("{said} requests written");
}

fn asked_again<'a>(model: &'a str, stream: bool, to: &dyn Codec) -> penstock_llm::model::Asked<'a> {
    let in_path = matches!(to.dialect(), Dialect::Gemini | Dialect::BedrockConverse);
    penstock_llm::model::Asked {
        model: Some(model),
        stream: in_path.then_some(stream),
        betas: &[],
    }
}

fn text(written: &Written) -> String {
    String::from_utf8(written.bytes.clone()).expect("UTF-8")
}

#[test]
fn recorded_answers_say_the_same_in_every_dialect_streamed_or_not() {
    let mut said = 0;
    for (recording, from) in recorded() {
        let Some(answer) = answer(&recording, from) else {
            continue;
        };
        let heard = Heard::of(&answer);
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let written = to.write_answer(&answer, &ENVELOPE);
            let read = to.read_answer(&written.bytes);
            let read = read.unwrap_or_else(|error| panic!("{name}: {error:?}")).value;
            judge(&heard, &Heard::of(&read), to, &name);
            let stream = replayed(&answer, to, &ENVELOPE);
            let Assembled::Whole(streamed) = assembled(to, &stream) else {
                panic!("{name}: broken");
            };
            judge(&heard, &Heard::of(&streamed), to, &name);
            said += 1;
        }
    }
    println!("{said} answers written");
}

/// What every dialect can say has to be the same; what only some can say is at least not made up.
fn judge(before: &Heard, after: &Heard, to: &dyn Codec, name: &str) {
    let mut before = before.clone();
    if one_choice(to.dialect()) {
        before = before.first_choice();
    }
    for (before, after) in before.choices.iter_mut().zip(&after.choices) {
        // a provider that gave no reason, or an id, has one made up
        if before.stop.is_none() {
            before.stop = after.stop;
        }
        for (before, after) in before.calls.iter_mut().zip(&after.calls) {
            if before.0.is_empty() {
                before.0.clone_from(&after.0);
            }
        }
        if to.dialect() != Dialect::OpenAiChat && !before.refusal.is_empty() && after.refusal.is_empty() {
            before.text = format!("{}{}", before.text, std::mem::take(&mut before.refusal));
        }
        if matches!(
            to.dialect(),
            Dialect::AnthropicMessages | Dialect::Cohere | Dialect::OpenAiResponses
        ) {
            // they have no parts for media in answers, or for images alone
            before.media = after.media.min(before.media);
        }
    }
    if matches!(to.dialect(), Dialect::Cohere | Dialect::Gemini) {
        // they do not say what is written to a cache
        before.cache_write = 0;
    }
    assert_eq!(after.choices, before.choices, "{name}");
    if before.cache_read + before.cache_write > before.input.unwrap_or(0) {
        // counted as read and as written both, which not every dialect can say
        before.cache_write = after.cache_write;
    }
    let counted = |heard: &Heard| {
        (
            heard.input.unwrap_or(0),
            heard.output.unwrap_or(0),
            heard.cache_read,
            heard.cache_write,
        )
    };
    assert_eq!(counted(after), counted(&before), "{name}");
}

#[test]
fn pain_c11_recorded_streams_are_translated_the_same_however_they_are_split() {
    let mut streams = 0;
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let bytes = &recording.response[..];
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let whole = translated(from, to, &ENVELOPE, [bytes]);
            assert!(whole.order.events > 2, "{name}");
            let single = translated(from, to, &ENVELOPE, bytes.chunks(1));
            assert!(single.written == whole.written, "{name} byte by byte");
            assert_eq!(single.assembled, whole.assembled, "{name}");
            let every = if bytes.len() < 4096 { 1 } else { bytes.len() / 512 };
            for at in (0..bytes.len()).step_by(every) {
                let (before, after) = bytes.split_at(at);
                let split = translated(from, to, &ENVELOPE, [before, after]);
                assert!(split.written == whole.written, "{name} split at {at}");
            }
            streams += 1;
        }
    }
    println!("{streams} streams split");
}

/// A frame is the same wherever it is split, and so is the next one: with what their reader makes of frames alone, the
/// same is translated. Each byte is tried with the frames around it, where whole streams are split at some.
#[test]
fn pain_c11_recorded_streams_give_the_same_frames_split_at_every_byte() {
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let raw = raw_frames(from.framing(), &recording.response);
        assert!(!raw.is_empty(), "{}", recording.name);
        for pair in raw.windows(2.min(raw.len())) {
            let window = pair.concat();
            let whole = said(from.framing(), &[&window]);
            for at in 0..=window.len() {
                let (before, after) = window.split_at(at);
                assert_eq!(
                    said(from.framing(), &[before, after]),
                    whole,
                    "{} at {at}",
                    recording.name
                );
            }
        }
    }
}

fn said(framing: Framing, pieces: &[&[u8]]) -> Vec<(Option<Vec<u8>>, Vec<u8>, bool)> {
    let mut frames = Vec::new();
    each_frame(framing, pieces.iter().copied(), |frame| {
        frames.push((
            frame.name.map(<[u8]>::to_vec),
            frame.data.to_vec(),
            frame.exception,
        ));
    });
    frames
}

/// A stream's frames as they came, framing included.
fn raw_frames(framing: Framing, stream: &[u8]) -> Vec<Bytes> {
    let (mut frames, stream) = (Vec::new(), Bytes::copy_from_slice(stream));
    match framing {
        Framing::Sse => {
            let mut reader = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
            reader.push(stream);
            while let Some(frame) = reader.next().expect("within the limit") {
                frames.push(frame.raw);
            }
        }
        Framing::AwsEventStream => {
            let mut reader = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
            reader.push(stream);
            while let Some(message) = reader.next().expect("right checksums") {
                frames.push(message.raw);
            }
        }
    }
    frames
}

/// What a dialect's writer keeps as it came may be spread over lines, each of which would be an event's end.
#[test]
fn recorded_streams_whose_json_is_spread_over_lines_keep_each_event_whole() {
    let is_json = |data: &[u8]| serde_json::from_slice::<Value>(data).is_ok();
    let shape = |written: &[u8]| -> Vec<(Option<String>, bool)> {
        let frames = frames_of(written).into_iter();
        frames.map(|(name, data)| (name, is_json(&data))).collect()
    };
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.is_binary() || recording.status >= 400 {
            continue;
        }
        let mut spread = Vec::new();
        for (name, data) in frames_of(&recording.response) {
            let data = match serde_json::from_slice::<Value>(&data) {
                Ok(value) => serde_json::to_vec_pretty(&value).expect("JSON"),
                Err(_) => data,
            };
            write_frame(name.as_deref().map(str::as_bytes), &data, &mut spread);
        }
        for to in codecs().filter(|to| to.framing() == Framing::Sse) {
            let straight = translated(from, to, &ENVELOPE, [&recording.response[..]]);
            let run = translated(from, to, &ENVELOPE, [&spread[..]]);
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            assert_eq!(shape(&run.written), shape(&straight.written), "{name}");
        }
    }
}

#[test]
fn recorded_streams_assemble_to_the_same_answer_as_unstreamed_ones() {
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let run = translated(from, to, &ENVELOPE, [&recording.response[..]]);
            let Assembled::Whole(answer) = run.assembled else {
                panic!("{name}: broken: {:?}", run.assembled);
            };
            let heard = Heard::of(&answer);
            let Assembled::Whole(streamed) = assembled(to, &run.written) else {
                panic!("{name}: {}", String::from_utf8_lossy(&run.written));
            };
            judge(&heard, &Heard::of(&streamed), to, &name);
            let written = to.write_answer(&answer, &ENVELOPE);
            let unstreamed = to.read_answer(&written.bytes).expect(&name).value;
            judge(&heard, &Heard::of(&unstreamed), to, &name);
        }
    }
}

#[test]
fn pain_c03_a_recorded_stream_that_breaks_off_never_looks_complete() {
    for (recording, from) in recorded() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let bytes = &recording.response[..];
        let every = (bytes.len() / 64).max(1);
        // what ends the stream in the dialects that have an end mark behind the reason is not missed
        let cut_before = bytes.len() * 3 / 4;
        for at in (0..cut_before).step_by(every) {
            for to in codecs() {
                let run = translated(from, to, &ENVELOPE, [&bytes[..at]]);
                let Assembled::Broken(..) = run.assembled else {
                    continue;
                };
                let read = assembled(to, &run.written);
                assert!(
                    matches!(read, Assembled::Broken(..)),
                    "{} cut at {at} as {} looks complete",
                    recording.name,
                    to.dialect().as_str()
                );
            }
        }
    }
}

#[test]
fn pain_d05_recorded_errors_are_errors_in_every_dialect() {
    for (recording, from) in recorded() {
        if recording.status < 400 {
            continue;
        }
        let status = u16::try_from(recording.status).expect("a status");
        let native = recording.header("x-amzn-errortype");
        let error = from.read_error(status, native, &recording.response);
        assert_eq!(error.status, status, "{}", recording.name);
        assert!(!error.message.is_empty(), "{}", recording.name);
        for to in codecs() {
            let body = to.write_error(&error);
            let again = to.read_error(to.error_status(&error), None, &body);
            assert_eq!(
                again.message,
                error.message,
                "{} as {}",
                recording.name,
                to.dialect().as_str()
            );
            assert_eq!(
                again.kind,
                error.kind,
                "{} as {}",
                recording.name,
                to.dialect().as_str()
            );
        }
    }
}
