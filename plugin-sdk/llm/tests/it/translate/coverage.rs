//! What is tested of each pair of dialects: by the cases in `cases/`, and by recorded traffic, whose tests run over every
//! recording. What a dialect has nothing like is shown as well: it is named as a loss (`losses.txt`), or refused by its place.
//! `--nocapture` prints the table.

use std::collections::{BTreeMap, BTreeSet};

use penstock_llm::model::{Answer, Assembled, Codec, Content, MediaKind, Message, Part, Request, Source};

use super::cases;
use super::streams::{ENVELOPE, translated};
use super::table::{asked, codecs, recorded};

/// What callers of one dialect want of models of another.
const FEATURES: &[&str] = &[
    "plain",
    "stream",
    "tools",
    "parallel tools",
    "images",
    "reasoning",
    "structured output",
    "cache",
    "errors",
];

/// Which tests show what, by caller, provider and feature.
#[derive(Default)]
struct Shown(BTreeMap<(&'static str, &'static str, &'static str), BTreeSet<String>>);

impl Shown {
    fn by(&mut self, test: &str, caller: &dyn Codec, provider: &dyn Codec, features: BTreeSet<&'static str>) {
        for feature in features {
            let key = (caller.dialect().as_str(), provider.dialect().as_str(), feature);
            self.0.entry(key).or_default().insert(test.to_owned());
        }
    }
}

fn has_calls(parts: &[Part<'_>], features: &mut BTreeSet<&'static str>) {
    let calls = parts
        .iter()
        .filter(|part| matches!(part.content, Content::ToolCall(_)))
        .count();
    if calls > 0 {
        features.insert("tools");
    }
    if calls > 1 {
        features.insert("parallel tools");
    }
}

fn of_part(part: &Part<'_>, features: &mut BTreeSet<&'static str>) {
    if part.cache.is_some() {
        features.insert("cache");
    }
    match &part.content {
        Content::Reasoning(_) => drop(features.insert("reasoning")),
        Content::Media(media) if media.kind == MediaKind::Image => drop(features.insert("images")),
        Content::Media(media) => {
            if let Source::Parts(parts) = &media.source {
                parts.iter().for_each(|part| of_part(part, features));
            }
        }
        Content::ToolResult(result) => result.parts.iter().for_each(|part| of_part(part, features)),
        _ => {}
    }
}

fn of_message(message: &Message<'_>, features: &mut BTreeSet<&'static str>) {
    has_calls(&message.parts, features);
    message.parts.iter().for_each(|part| of_part(part, features));
}

/// What a request has.
pub fn of_request(request: &Request<'_>) -> BTreeSet<&'static str> {
    let mut features = BTreeSet::from(["plain"]);
    request
        .messages
        .iter()
        .for_each(|message| of_message(message, &mut features));
    if !request.tools.is_empty() {
        features.insert("tools");
    }
    if request.tools.iter().any(|tool| tool.cache.is_some()) || request.cache.is_some() {
        features.insert("cache");
    }
    if !request.reasoning.is_empty() {
        features.insert("reasoning");
    }
    if request.format.is_some() {
        features.insert("structured output");
    }
    features
}

/// What an answer has.
pub fn of_answer(answer: &Answer<'_>) -> BTreeSet<&'static str> {
    let mut features = BTreeSet::new();
    for choice in &answer.choices {
        has_calls(&choice.parts, &mut features);
        choice.parts.iter().for_each(|part| of_part(part, &mut features));
    }
    let usage = answer.usage.unwrap_or_default();
    if usage.cache_read.is_some_and(|read| read > 0) || usage.cache_write.is_some_and(|written| written > 0) {
        features.insert("cache");
    }
    // that a picture is made is another thing than that one is shown
    features.remove("images");
    features
}

fn of_recordings(shown: &mut Shown) {
    for (recording, codec) in recorded() {
        for other in codecs() {
            let by = |of: &str| format!("recorded {of}");
            if let Ok(read) = codec.read_request(&recording.request, &asked(&recording))
                && other
                    .write_request(&read.value, &super::judge::generous("m"))
                    .is_ok()
            {
                shown.by(&by("requests"), codec, other, of_request(&read.value));
            }
            if recording.status >= 400 {
                shown.by(&by("errors"), other, codec, BTreeSet::from(["errors"]));
            } else if recording.is_stream() {
                let run = translated(codec, other, &ENVELOPE, [&recording.response[..]]);
                if let Assembled::Whole(answer) = run.assembled {
                    let mut features = of_answer(&answer);
                    features.insert("stream");
                    shown.by(&by("streams"), other, codec, features);
                }
            } else if let Ok(read) = codec.read_answer(&recording.response) {
                let mut features = of_answer(&read.value);
                features.insert("plain");
                shown.by(&by("answers"), other, codec, features);
            }
        }
    }
}

fn of_cases(shown: &mut Shown) {
    cases::each_step(|name, kind, from, to, features| match kind {
        "request" | "refused" => shown.by(name, from, to, features),
        "answer" | "stream" | "error" => shown.by(name, to, from, features),
        _ => {}
    });
}

#[test]
fn every_pair_of_dialects_is_shown_in_everything_that_callers_want() {
    let mut shown = Shown::default();
    of_cases(&mut shown);
    of_recordings(&mut shown);
    let (mut table, mut missing) = (String::new(), Vec::new());
    for caller in codecs() {
        for provider in codecs().filter(|provider| provider.dialect() != caller.dialect()) {
            let (from, to) = (caller.dialect().as_str(), provider.dialect().as_str());
            for feature in FEATURES {
                let by = shown.0.get(&(from, to, *feature));
                let said = match by {
                    Some(by) => by.iter().cloned().collect::<Vec<_>>().join(", "),
                    None => {
                        missing.push(format!("{from} to {to}: {feature}"));
                        "nothing".to_owned()
                    }
                };
                table.push_str(&format!("| {from} | {to} | {feature} | {said} |\n"));
            }
        }
    }
    println!("| caller | provider | what | shown by |\n|---|---|---|---|\n{table}");
    // without recordings the cases alone do not show everything
    assert!(
        missing.is_empty() || recorded().is_empty(),
        "nothing shows {missing:#?}"
    );
}
