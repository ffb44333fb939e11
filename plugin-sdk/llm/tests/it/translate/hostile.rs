//! Bytes that no honest side sends: nothing panics, everything that is written is JSON or whole frames, and a stream has
//! one end.

use std::sync::LazyLock;

use penstock_llm::model::{Asked, BodyErrorKind, Dialect, Framing};
use proptest::prelude::*;
use serde_json::Value;

use super::judge;
use super::streams::frames_of;
use super::table::{RECORDED, codecs};
use crate::make::{Dice, cases};
use crate::recorded::recordings;

/// Values that stand where another was meant.
const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5e300",
    "18446744073709551616",
    "\"\"",
    "\"x\"",
    "\"\\ud83d\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"type\":\"text\"}",
    "{\"type\":\"tool_use\"}",
    "[{\"type\":\"thinking\"}]",
    "{\"function\":null}",
    "{\"role\":\"tool\"}",
    "\"{\"",
    "[{\"index\":4294967295}]",
];

/// Words that dialects know, put where they may not belong.
const WORDS: &[&str] = &[
    "system",
    "tool",
    "assistant",
    "user",
    "text",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "image_url",
    "data:image/png;base64,AAAA",
    "data:,",
    "any",
    "tool_calls",
    "error",
    "message_start",
    "content_block_delta",
    "penstock/x/y/z",
    "penstock/",
    "json_schema",
];

/// Changes a few values of a body at random.
fn bent(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Object(members) => {
            if dice.one_in(9) {
                let names: Vec<String> = members.keys().cloned().collect();
                if let Some(name) = names.get(dice.below(names.len().max(1))) {
                    members.remove(name);
                }
            }
            members.values_mut().for_each(|value| bent_value(value, dice));
        }
        Value::Array(values) => {
            if dice.one_in(9) && !values.is_empty() {
                let again = values[dice.below(values.len())].clone();
                values.push(again);
            }
            values.iter_mut().for_each(|value| bent_value(value, dice));
        }
        _ => {}
    }
}

fn bent_value(value: &mut Value, dice: &mut Dice) {
    if dice.one_in(14) {
        *value = serde_json::from_str(dice.pick(ODD)).unwrap_or(Value::Null);
        return;
    }
    if value.is_string() && dice.one_in(10) {
        *value = Value::String(dice.pick(WORDS).to_owned());
        return;
    }
    bent(value, dice);
}

/// A body as it was recorded, or made up, with some of it bent.
fn body(of: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let base = &of[dice.below(of.len())];
    let mut bytes = match serde_json::from_slice::<Value>(base) {
        Ok(mut value) => {
            bent(&mut value, dice);
            value.to_string().into_bytes()
        }
        Err(_) => base.clone(),
    };
    // and sometimes broken as bytes
    if dice.one_in(6) && !bytes.is_empty() {
        let at = dice.below(bytes.len());
        bytes[at] = dice.below(256) as u8;
    }
    if dice.one_in(12) {
        bytes.truncate(dice.below(bytes.len() + 1));
    }
    bytes
}

/// What of one dialect there is to bend, besides values that fit nowhere.
struct Honest {
    requests: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    streams: Vec<Vec<u8>>,
}

static HONEST: LazyLock<Vec<(Dialect, Honest)>> = LazyLock::new(|| {
    codecs()
        .map(|codec| (codec.dialect(), Honest::of(codec.dialect())))
        .collect()
});

impl Honest {
    fn of(dialect: Dialect) -> Honest {
        let mut honest = Honest {
            requests: vec![
                br#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            ],
            answers: ODD.iter().map(|text| text.as_bytes().to_vec()).collect(),
            streams: vec![b"data: {\"choices\":[]}\n\n".to_vec()],
        };
        let api = RECORDED
            .iter()
            .find(|(_, of)| *of == dialect)
            .map(|(api, _)| *api);
        for recording in recordings()
            .into_iter()
            .filter(|recording| Some(&*recording.api) == api)
        {
            match recording.is_stream() {
                true => honest.streams.push(recording.response),
                false => honest.answers.push(recording.response),
            }
            honest.requests.push(recording.request);
        }
        honest
    }

    fn to_bend(dialect: Dialect) -> &'static Honest {
        let found = HONEST.iter().find(|(of, _)| *of == dialect);
        &found.expect("a dialect that is written").1
    }
}

#[test]
fn a_number_that_no_float_holds_is_passed_on() {
    let body =
        br#"{"id":"a","role":"assistant","content":[],"u":1e99999,"n":{"\udc00":-777777777777e07777777}}"#;
    codecs().for_each(|from| judge::answer(body, from));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn bent_requests_are_refused_or_written(seed: u64) {
        let mut dice = Dice::new(seed);
        for from in codecs() {
            let bodies = &Honest::to_bend(from.dialect()).requests;
            for _ in 0..8 {
                judge::request(&body(bodies, &mut dice), from);
            }
        }
    }

    #[test]
    fn bent_answers_are_errors_or_written(seed: u64) {
        let mut dice = Dice::new(seed);
        for from in codecs() {
            let bodies = &Honest::to_bend(from.dialect()).answers;
            for _ in 0..8 {
                judge::answer(&body(bodies, &mut dice), from);
            }
        }
    }

    #[test]
    fn pain_c03_bent_streams_have_one_end(seed: u64) {
        let mut dice = Dice::new(seed);
        for from in codecs().filter(|codec| codec.framing() == Framing::Sse) {
            let streams = &Honest::to_bend(from.dialect()).streams;
            let frames = frames_of_whole(&streams[dice.below(streams.len())]);
            let mut sent = Vec::new();
            for (name, data) in frames {
                let times = if dice.one_in(20) { dice.below(3) } else { 1 };
                let data = body(&[data], &mut dice);
                for _ in 0..times {
                    penstock_llm::sse::write_frame(name.as_ref().map(String::as_bytes), &data, &mut sent);
                }
            }
            judge::stream(&sent, from);
        }
    }
}

fn frames_of_whole(stream: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let mut whole = stream.to_vec();
    whole.extend_from_slice(b"\n\n");
    frames_of(&whole)
}

#[test]
fn deep_and_crowded_bodies_are_refused() {
    for from in codecs() {
        let deep = format!(
            r#"{{"model":"m","max_tokens":1,"messages":{}{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let asked = Asked {
            model: Some("m"),
            ..Asked::default()
        };
        assert!(
            from.read_request(deep.as_bytes(), &asked).is_err(),
            "{:?}",
            from.dialect()
        );
        let many = vec!["{}"; 200_000].join(",");
        let crowded = format!(
            r#"{{"model":"m","max_tokens":1,"tools":[{many}],"messages":[{many}],"contents":[{many}]}}"#
        );
        assert!(
            from.read_request(crowded.as_bytes(), &asked).is_err(),
            "{:?}",
            from.dialect()
        );
        let names: Vec<String> = (0..100_000).map(|at| format!("\"x{at}\":0")).collect();
        let wide = format!("{{{}}}", names.join(","));
        let refused = from
            .read_request(wide.as_bytes(), &asked)
            .expect_err("too many members");
        assert_eq!(refused.kind, BodyErrorKind::TooMany, "{:?}", from.dialect());
    }
}
