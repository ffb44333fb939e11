//! Traffic recorded from providers, where it is at hand: read by the crate and by serde_json, and compared.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use penstock_llm::json::{JsonLimits, validate};
use penstock_llm::openai::{Answer, ErrorView, EventView, Operation, ReadLimits, Request, is_done};
use penstock_llm::sse::is_blank;
use penstock_llm::usage::TokenCount;
use serde_json::Value;

use crate::request::{message_texts_by_serde, texts_by_serde};
use crate::sse::frames;

pub struct Recording {
    pub name: String,
    pub api: String,
    pub model: String,
    pub path: String,
    pub status: u64,
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    headers: Value,
}

impl Recording {
    fn operation(&self) -> Option<Operation> {
        match self.api.as_str() {
            "openai.chat" => Some(Operation::Chat),
            "openai.completions" => Some(Operation::Completions),
            "openai.embeddings" => Some(Operation::Embeddings),
            _ => None,
        }
    }

    pub fn is_stream(&self) -> bool {
        let beginning = self.response.trim_ascii_start();
        let sse: [&[u8]; 3] = [b"data:", b"event:", b":"];
        sse.iter().any(|mark| beginning.starts_with(mark)) || self.is_binary()
    }

    /// AWS event-stream messages.
    pub fn is_binary(&self) -> bool {
        self.response.first() == Some(&0)
    }

    pub fn is_json(&self) -> bool {
        matches!(self.response.trim_ascii_start().first(), Some(b'{' | b'['))
    }

    /// A few were recorded without their request, or with one that is of another API, or broken on purpose.
    pub fn is_odd_request(&self) -> bool {
        serde_json::from_slice::<Value>(&self.request).map_or(true, |body| {
            ["messages", "contents", "input"]
                .iter()
                .all(|list| body.get(list).is_none())
        })
    }

    /// Of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str()
    }
}

/// All recordings, or none where they are not at hand and nobody said that they have to be.
pub fn recordings() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    if !folder.is_dir() {
        assert!(
            std::env::var_os("PENSTOCK_REQUIRE_SHARED").is_none_or(|required| required != "1"),
            "no ../shared/recordings"
        );
        println!("skipped: no ../shared/recordings");
        return Vec::new();
    }
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "the folder of recordings is empty");
    files.iter().map(|file| recording(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

fn recording(file: &Path) -> Recording {
    let text = std::fs::read(file).expect("readable");
    assert_eq!(validate(&text, &JsonLimits::default()), Ok(()), "{file:?}");
    let value: Value = serde_json::from_slice(&text).expect("valid");
    let body = |side: &str| match (&value[side]["body"]["text"], &value[side]["body"]["b64"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::String(base64)) => from_base64(base64),
        _ => Vec::new(),
    };
    let text = |pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Recording {
        name: file.display().to_string(),
        api: text("/api"),
        model: text("/model"),
        path: text("/request/path"),
        status: value["response"]["status"].as_u64().unwrap_or_default(),
        request: body("request"),
        response: body("response"),
        headers: value["response"]["headers"].clone(),
    }
}

/// As recorded: the standard alphabet, padded.
pub fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} in base64"),
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four
                .iter()
                .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
            let bits = bits << (6 * (4 - four.len()));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

#[test]
fn recorded_bodies_are_json_where_serde_json_says_so() {
    for recording in recordings() {
        for body in [&recording.request, &recording.response] {
            let by_serde = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
            assert_eq!(
                validate(body, &JsonLimits::default()).is_ok(),
                by_serde,
                "{}",
                recording.name
            );
        }
    }
}

#[test]
fn pain_h02_recorded_requests_are_read_and_go_out_as_they_came() {
    for recording in recordings() {
        let Some(op) = recording.operation() else { continue };
        let body = Bytes::from(recording.request.clone());
        // a few were recorded without their request
        let Ok(value) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        let Ok(request) = Request::read(op, body.clone(), &ReadLimits::default()) else {
            // Azure names its deployment in the path and none in the body
            assert!(value.get("model").is_none(), "{}", recording.name);
            continue;
        };
        assert_eq!(
            Some(request.model()),
            value["model"].as_str(),
            "{}",
            recording.name
        );
        assert_eq!(
            request.stream(),
            value["stream"].as_bool().unwrap_or(false),
            "{}",
            recording.name
        );
        assert_eq!(request.outbound(request.model(), false).into_bytes(), body);
        if op == Operation::Chat {
            let found = (0..request.segments().len())
                .filter_map(|at| request.text(at).map(String::from))
                .collect();
            assert_eq!(
                sorted(found),
                sorted(texts_by_serde(&value)),
                "{}",
                recording.name
            );
        }
        let sent = request.outbound("another", true);
        let again =
            Request::read(op, sent.clone().into_bytes(), &ReadLimits::default()).expect("still valid");
        assert_eq!(
            (again.model(), again.segments().len()),
            ("another", request.segments().len())
        );
        assert_eq!(again.usage_asked(), request.usage_asked() || sent.usage_added);
    }
}

#[test]
fn recorded_answers_have_the_texts_and_usage_that_serde_json_finds() {
    let mut answers = 0;
    for recording in recordings() {
        let Some(op) = recording.operation().filter(|_| !recording.is_stream()) else {
            continue;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&recording.response) else {
            continue;
        };
        if !value.is_object() {
            continue;
        }
        let answer = Answer::read(op, Bytes::from(recording.response.clone())).expect(&recording.name);
        let expected = value["choices"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|choice| {
                let text = choice["text"].as_str().map(str::to_owned);
                // Perplexity sends an empty delta along
                let delta = message_texts_by_serde(&choice["delta"]);
                message_texts_by_serde(&choice["message"])
                    .into_iter()
                    .chain(delta)
                    .chain(text)
            });
        let found = (0..answer.segments().len())
            .filter_map(|at| answer.text(at).map(String::from))
            .collect();
        assert_eq!(sorted(found), sorted(expected.collect()), "{}", recording.name);
        let total = value["usage"]["total_tokens"].as_u64().map(TokenCount);
        assert_eq!(
            answer.usage().and_then(|usage| usage.total),
            total,
            "{}",
            recording.name
        );
        assert!(
            recording.status >= 400 || answer.error().is_none(),
            "{}",
            recording.name
        );
        assert_eq!(
            answer.model().as_deref(),
            value["model"].as_str(),
            "{}",
            recording.name
        );
        answers += 1;
    }
    println!("{answers} answers compared");
}

#[test]
fn pain_c11_recorded_streams_give_the_same_events_however_they_are_split() {
    let mut events = 0;
    for recording in recordings() {
        let Some(op) = recording.operation().filter(|_| recording.is_stream()) else {
            continue;
        };
        let input = &recording.response[..];
        let whole = frames([input]);
        for step in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(
                frames(input.chunks(step)),
                whole,
                "{} in steps of {step}",
                recording.name
            );
        }
        assert!(is_blank(&whole.1), "{}", recording.name);
        let crlf = String::from_utf8_lossy(input).replace('\n', "\r\n");
        assert_eq!(frames(crlf.as_bytes().chunks(5)).0.len(), whole.0.len());
        for frame in whole
            .0
            .iter()
            .filter(|frame| frame.has_data() && !is_done(&frame.data()))
        {
            judge_event(op, &frame.data(), &recording.name);
            events += 1;
        }
    }
    println!("{events} events compared");
}

fn judge_event(op: Operation, data: &[u8], name: &str) {
    let value: Value = serde_json::from_slice(data).expect(name);
    let view = EventView::read(op, data).expect(name);
    let expected = value["choices"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|choice| {
            let text = choice["text"].as_str().map(str::to_owned);
            message_texts_by_serde(&choice["delta"]).into_iter().chain(text)
        });
    let found = view
        .deltas
        .iter()
        .map(|delta| delta.text(data).into_owned())
        .collect();
    assert_eq!(sorted(found), sorted(expected.collect()), "{name}");
    let finishes = value["choices"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|choice| choice["finish_reason"].is_string());
    assert_eq!(view.finishes.len(), finishes.count(), "{name}");
    let prompt = value["usage"]["prompt_tokens"].as_u64().map(TokenCount);
    assert_eq!(view.usage.and_then(|usage| usage.prompt), prompt, "{name}");
    assert_eq!(
        view.empty_choices,
        value["choices"].as_array().is_some_and(Vec::is_empty),
        "{name}"
    );
    assert!(!view.is_error, "{name}");
}

#[test]
fn recorded_errors_are_told_in_whatever_shape_they_came() {
    for recording in recordings() {
        if recording.status < 400 || recording.operation().is_none() {
            continue;
        }
        let error = ErrorView::read(&recording.response).expect(&recording.name);
        assert!(
            error.message.is_some_and(|message| !message.is_empty()),
            "{}",
            recording.name
        );
    }
}
