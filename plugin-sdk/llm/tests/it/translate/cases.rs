//! Translations written by hand, as data: `cases/<name>.json` for each name below. A case runs as it stands, and with
//! its «texts» and ‹ids› replaced at random, so that none of them can be looked up; a stream is split at every byte. What is read crosses as bytes, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use penstock_llm::model::{
    Answer, Asked, Assembled, CacheMarks, ClaudeHost, Codec, Envelope, Losses, Maker, ReasoningField,
    ReasoningSupport, Target, Written,
};
use penstock_llm::sse::write_frame;
use serde_json::Value;

use super::coverage::{of_answer, of_request};
use super::streams::{ENVELOPE, frames_of, translated};
use super::table::codecs;
use crate::make::Dice;

macro_rules! cases {
    ($($name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
    };
}

cases! {
    a07_callers_of_gemini_reach_other_models,
    p03_models_of_gemini_answer_other_callers,
    a_bare_text_goes_there_and_back,
    a32_images_go_as_base64_or_by_url,
    a32_images_go_to_converse_and_from_it,
    a34_documents_go_as_documents_and_texts,
    a36_reasoning_wishes_become_budgets_efforts_and_adaptive_thinking,
    an_empty_function_call_is_no_call,
    an_unreadable_error_is_still_an_error,
    audio_to_claude_is_refused_by_its_place,
    beta_headers_are_data,
    claude_on_bedrock_and_vertex_has_other_edges,
    custom_tools_go_as_functions_of_a_text,
    e02_another_makers_signature_comes_home_through_messages,
    errors_keep_their_kind_in_either_dialect,
    errors_reach_callers_of_every_dialect,
    f04_reasoning_is_bridged_in_every_spelling,
    images_of_googles_sdks_are_base64_for_everyone,
    legacy_functions_go_as_tools_and_come_back,
    n_answers_are_refused_where_there_is_one,
    p23_earlier_reasoning_goes_back_under_the_name_that_the_host_has_for_it,
    pain_c03_an_error_in_a_stream_is_the_last_thing_said,
    pain_c04_a_stream_without_a_reason_gets_one,
    pain_d01_interleaved_calls_are_sequential_blocks,
    pain_d02_thinking_closes_with_its_signature_before_text_opens,
    pain_d03_usage_is_at_the_start_and_at_the_end,
    pain_d06_results_of_tools_stand_together_behind_their_calls,
    pain_d07_arguments_are_objects_or_the_call_is_named,
    pain_d08_every_stop_reason_has_a_word,
    pain_d10_server_tools_survive_a_stream,
    pain_d11_thoughts_of_claude_go_where_they_are_taken,
    pain_e03_marks_for_a_cache_never_make_a_short_prompt_fail_at_gemini,
    pain_f02_tool_choice_and_parallel_calls_are_kept,
    pain_h01_cache_marks_are_kept_or_named,
    pain_h04_cached_tokens_are_counted_once,
    pain_i01_parameters_are_mapped_clamped_or_named,
    prefill_and_first_turns_are_legal,
    refusals_and_annotations_go_both_ways,
    structured_output_goes_both_ways,
    system_messages_keep_their_blocks_and_weight,
    unknown_roles_types_and_orphans_are_refused_by_name,
    usage_of_every_dimension_adds_up,
}

#[test]
fn every_case_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/translate/cases");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .map(|path| path.file_stem().expect("named").to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(files, names);
}

fn steps(name: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/translate/cases/{name}.json"));
    let text = std::fs::read_to_string(file).expect("a case");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(name: &str) {
    let steps = steps(name);
    assert!(!steps.is_empty(), "{name}");
    for (at, step) in steps.iter().enumerate() {
        for seed in 0..8 {
            let mut words = Words::new(seed);
            let step = words.replaced(step);
            println!("step {at} of {name}, words {seed}");
            run_step(&step, seed);
        }
    }
}

/// What each step of each case has to do with, by its words as they stand: case, kind, reader, writer, and what is in it.
pub fn each_step(mut each: impl FnMut(&str, &str, &dyn Codec, &dyn Codec, BTreeSet<&'static str>)) {
    for name in NAMES {
        for step in steps(name) {
            let step = Words::new(0).replaced(&step);
            let (kind, case) = step
                .as_object()
                .and_then(|step| step.iter().next())
                .expect("a step");
            let from = codec(&case["from"]);
            let to = if case["to"].is_null() {
                from
            } else {
                codec(&case["to"])
            };
            each(name, kind, from, to, features(kind, case, from));
        }
    }
}

fn features(kind: &str, case: &Value, from: &dyn Codec) -> BTreeSet<&'static str> {
    let body = bytes(&case["body"]);
    match kind {
        "request" | "refused" => {
            let read = from.read_request(&body, &Asked::default());
            read.map(|read| of_request(&read.value)).unwrap_or_default()
        }
        "answer" => {
            let read = from.read_answer(&body);
            let mut features = read.map(|read| of_answer(&read.value)).unwrap_or_default();
            features.insert("plain");
            features
        }
        "stream" => {
            let sent = sent(case);
            let mut features = match translated(from, from, &ENVELOPE, [&sent[..]]).assembled {
                Assembled::Whole(answer) | Assembled::Broken(answer, _) => of_answer(&answer),
            };
            features.insert("stream");
            features
        }
        "error" => BTreeSet::from(["errors"]),
        _ => BTreeSet::new(),
    }
}

fn run_step(step: &Value, seed: u64) {
    let object = step.as_object().expect("a step is an object");
    let (kind, case) = object.iter().next().expect("a step says what it is");
    let from = codec(&case["from"]);
    let to = if case["to"].is_null() {
        from
    } else {
        codec(&case["to"])
    };
    match kind.as_str() {
        "request" => request(case, from, to),
        "count" => count(case),
        "refused" => refused(case, from, to),
        "answer" => answer(case, from, to),
        "stream" => stream(case, from, to, seed),
        "error" => error(case, from, to),
        other => panic!("no such step: {other}"),
    }
}

fn codec(name: &Value) -> &'static dyn Codec {
    let name = name.as_str().expect("a dialect");
    codecs()
        .find(|codec| codec.dialect().as_str() == name)
        .unwrap_or_else(|| panic!("no dialect {name}"))
}

fn bytes(body: &Value) -> Vec<u8> {
    match body {
        // not JSON at all
        Value::String(text) => text.clone().into_bytes(),
        body => body.to_string().into_bytes(),
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn betas(case: &Value) -> Vec<&str> {
    case["betas"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(text)
        .collect()
}

fn target<'c>(case: &'c Value) -> Target<'c> {
    let said = &case["target"];
    let base = Target::new(text(&said["model"]).unwrap_or("m"));
    Target {
        stream: said["stream"].as_bool(),
        ask_usage: said["ask_usage"].as_bool().unwrap_or(false),
        maker: match text(&said["maker"]) {
            Some("anthropic") => Some(Maker::Anthropic),
            Some("openai") => Some(Maker::OpenAi),
            _ => None,
        },
        max_output: said["max_output"].as_u64(),
        default_max_output: said["default_max_output"]
            .as_u64()
            .unwrap_or(base.default_max_output),
        reasoning: match text(&said["reasoning"]) {
            Some("none") => ReasoningSupport::None,
            Some("budget") => ReasoningSupport::Budget,
            Some("adaptive") => ReasoningSupport::Adaptive,
            _ => ReasoningSupport::Effort,
        },
        reasoning_field: match text(&said["reasoning_field"]) {
            Some("content") => ReasoningField::Content,
            Some("plain") => ReasoningField::Plain,
            Some("details") => ReasoningField::Details,
            _ => ReasoningField::None,
        },
        cache_marks: match text(&said["cache_marks"]) {
            Some("cache_control") => CacheMarks::CacheControl,
            Some("breakpoint") => CacheMarks::Breakpoint,
            _ => CacheMarks::None,
        },
        claude_host: match text(&said["claude_host"]) {
            Some("bedrock") => ClaudeHost::Bedrock,
            Some("vertex") => ClaudeHost::Vertex,
            _ => ClaudeHost::Anthropic,
        },
        fetches_urls: said["fetches_urls"].as_bool().unwrap_or(true),
        system_anywhere: said["system_anywhere"].as_bool().unwrap_or(false),
        structured_output: said["structured_output"].as_bool().unwrap_or(true),
        legacy_max_tokens: said["legacy_max_tokens"].as_bool().unwrap_or(false),
        ..base
    }
}

fn envelope(case: &Value) -> Envelope<'static> {
    Envelope {
        usage_asked: case["usage_asked"].as_bool().unwrap_or(false),
        input_estimate: case["input_estimate"].as_u64(),
        legacy_functions: case["legacy_functions"].as_bool().unwrap_or(false),
        ..ENVELOPE
    }
}

/// As `max_tokens added`, in any order.
fn losses(losses: &Losses, case: &Value) {
    let mut found: Vec<String> = losses
        .list()
        .iter()
        .map(|loss| format!("{} {}", loss.at, loss.what.as_str()))
        .collect();
    found.sort();
    found.dedup();
    let mut expected: Vec<&str> = case["losses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(text)
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "losses");
}

fn same(written: &[u8], expected: &Value) {
    let written: Value = serde_json::from_slice(written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(written)));
    assert!(
        written == *expected,
        "written:\n{written:#}\nexpected:\n{expected:#}"
    );
}

fn request(case: &Value, from: &dyn Codec, to: &dyn Codec) {
    let body = bytes(&case["body"]);
    let betas = betas(case);
    let asked = Asked {
        betas: &betas,
        ..Asked::default()
    };
    let read = from.read_request(&body, &asked).expect("a request");
    crate::wire::judge::crosses(&read.value, &target(case));
    let Written {
        bytes,
        headers,
        losses: mut lost,
        names: _,
    } = to.write_request(&read.value, &target(case)).expect("written");
    same(&bytes, &case["expect"]);
    lost.append(read.losses);
    losses(&lost, case);
    let headers: BTreeMap<&str, String> = headers.into_iter().collect();
    let expected: BTreeMap<&str, String> = case["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), text(value).expect("text").to_owned()))
        .collect();
    assert_eq!(headers, expected, "headers");
}

fn count(case: &Value) {
    use penstock_llm::anthropic::{read_count, read_count_request, write_count, write_count_request};
    let body = bytes(&case["body"]);
    let read = read_count_request(&body, &Asked::default()).expect("a request");
    let written = write_count_request(&read.value, &target(case)).expect("written");
    same(&written.bytes, &case["expect"]);
    let number = case["tokens"].as_u64().expect("a number");
    assert_eq!(read_count(&write_count(number)), Ok(number));
}

fn refused(case: &Value, from: &dyn Codec, to: &dyn Codec) {
    let body = bytes(&case["body"]);
    let refused = match from.read_request(&body, &Asked::default()) {
        Err(refused) => refused,
        Ok(read) => to
            .write_request(&read.value, &target(case))
            .expect_err("cannot be written"),
    };
    assert_eq!(
        refused.param.as_deref(),
        text(&case["param"]),
        "{}",
        refused.message
    );
    let says = text(&case["says"]).expect("what it says");
    assert!(
        refused.message.contains(says),
        "{} does not say {says}",
        refused.message
    );
}

fn answer(case: &Value, from: &dyn Codec, to: &dyn Codec) {
    let body = bytes(&case["body"]);
    crate::wire::judge::answer_crosses(&body, from);
    let read = match from.read_answer(&body) {
        Ok(read) => read,
        Err(error) => {
            assert_eq!(
                text(&case["error"]),
                Some(&*error.message.get()),
                "an answer that is an error"
            );
            return;
        }
    };
    assert!(case["error"].is_null(), "is no error");
    let written = to.write_answer(&read.value, &envelope(case));
    same(&written.bytes, &case["expect"]);
    let mut lost = written.losses;
    lost.append(read.losses);
    losses(&lost, case);
}

/// The bytes of a stream's frames.
fn sent(case: &Value) -> Vec<u8> {
    let frames = case["frames"].as_array().expect("frames");
    let mut sent = Vec::new();
    for frame in frames {
        match frame {
            Value::String(raw) => write_frame(None, raw.as_bytes(), &mut sent),
            frame => write_frame(
                frame["type"].as_str().map(str::as_bytes),
                frame.to_string().as_bytes(),
                &mut sent,
            ),
        }
    }
    sent
}

fn stream(case: &Value, from: &dyn Codec, to: &dyn Codec, seed: u64) {
    let sent = sent(case);
    crate::wire::judge::stream_crosses(&sent, from);
    let envelope = envelope(case);
    let whole = translated(from, to, &envelope, [&sent[..]]);
    let told: Vec<Value> = frames_of(&whole.written)
        .into_iter()
        .map(|(name, data)| {
            let value: Value = serde_json::from_slice(&data)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&data).into_owned()));
            if let Some(name) = name {
                assert_eq!(
                    value["type"].as_str(),
                    Some(&*name),
                    "an event's name is its type"
                );
            }
            value
        })
        .collect();
    let expected = case["expect"].as_array().expect("frames");
    let shown = |frames: &[Value]| frames.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        told == *expected,
        "written:\n{}\nexpected:\n{}",
        shown(&told),
        shown(expected)
    );
    losses(&whole.losses, case);
    assert_eq!(
        matches!(whole.assembled, Assembled::Whole(Answer { .. })),
        !case["broken"].as_bool().unwrap_or(false),
        "whole or broken"
    );
    split(from, to, &envelope, &sent, &whole.written, seed);
}

fn split(from: &dyn Codec, to: &dyn Codec, envelope: &Envelope<'_>, sent: &[u8], written: &[u8], seed: u64) {
    let single = translated(from, to, envelope, sent.chunks(1));
    assert!(single.written == written, "byte by byte");
    if seed == 0 {
        for at in 0..sent.len() {
            let split = translated(from, to, envelope, [&sent[..at], &sent[at..]]);
            assert!(split.written == written, "split at {at}");
        }
    }
    let mut dice = Dice::new(seed);
    let mut at = 0;
    let mut pieces = Vec::new();
    while at < sent.len() {
        let end = (at + 1 + dice.below(97)).min(sent.len());
        pieces.push(&sent[at..end]);
        at = end;
    }
    assert!(
        translated(from, to, envelope, pieces).written == written,
        "in pieces"
    );
}

fn error(case: &Value, from: &dyn Codec, to: &dyn Codec) {
    let status = u16::try_from(case["status"].as_u64().expect("a status")).expect("a status");
    let body = bytes(&case["body"]);
    let error = from.read_error(status, None, &body);
    crate::wire::judge::error_crosses(&error);
    same(&to.write_error(&error), &case["expect"]);
    let expected = case["expect_status"].as_u64().unwrap_or(status.into());
    assert_eq!(u64::from(to.error_status(&error)), expected, "status");
}

/// What stands for each «text» and ‹id› of a case. The first words are the names themselves.
struct Words {
    dice: Dice,
    plain: bool,
    known: BTreeMap<String, String>,
}

impl Words {
    fn new(seed: u64) -> Words {
        Words {
            dice: Dice::new(seed),
            plain: seed == 0,
            known: BTreeMap::new(),
        }
    }

    fn replaced(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.replaced(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.replaced(value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let texts = self.each(text, '«', '»', true);
        self.each(&texts, '‹', '›', false)
    }

    fn each(&mut self, text: &str, open: char, close: char, free: bool) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(open) {
            let (name, behind) = after.split_once(close).expect("closed");
            out.push_str(before);
            out.push_str(&self.word(name, free));
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    fn word(&mut self, name: &str, free: bool) -> String {
        if self.plain {
            return name.to_owned();
        }
        let key = format!("{free} {name}");
        if let Some(word) = self.known.get(&key) {
            return word.clone();
        }
        // never empty or blank, which some dialects do not take, and never like another
        let number = self.known.len();
        let word = match free {
            true => format!("w{number}{}.", self.dice.text()),
            false => format!("i{number}_{:x}", self.dice.below(1 << 30)),
        };
        self.known.insert(key, word.clone());
        word
    }
}
