//! Recorded traffic with every text and id replaced at random: what comes out is what came out before, replaced the same
//! way. So nothing in a translation can be looked up, and nothing depends on what a text says.

use std::collections::BTreeMap;

use penstock_llm::model::{Asked, Codec, Framing};
use penstock_llm::sse::write_frame;
use serde_json::Value;

use super::judge::generous;
use super::streams::{ENVELOPE, frames_of, translated};
use super::table::{asked, codecs, recorded};
use crate::make::Dice;
use crate::recorded::from_base64;

/// Members that hold words, whatever the dialect.
const TEXTS: &[&str] = &[
    "text",
    "content",
    "thinking",
    "refusal",
    "reasoning",
    "reasoning_content",
    "description",
    "title",
    "system",
    "instructions",
    "output",
    "tool_plan",
];

/// Members that hold ids.
const IDS: &[&str] = &[
    "id",
    "tool_call_id",
    "tool_use_id",
    "toolUseId",
    "call_id",
    "request_id",
    "responseId",
    "response_id",
];

/// What stands for each text and id.
struct Renaming {
    dice: Dice,
    known: BTreeMap<String, String>,
}

impl Renaming {
    fn new(seed: u64) -> Renaming {
        Renaming {
            dice: Dice::new(seed),
            known: BTreeMap::new(),
        }
    }

    /// Replaces what stands under the members' names above.
    fn input(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if TEXTS.contains(&name.as_str()) => self.replace(text, true),
                        Value::String(text) if IDS.contains(&name.as_str()) => self.replace(text, false),
                        // a model's JSON is one text to some dialects and a value to others
                        _ if matches!(name.as_str(), "input" | "args" | "arguments" | "json")
                            && !value.is_array() => {}
                        value => self.input(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.input(value)),
            _ => {}
        }
    }

    fn replace(&mut self, text: &mut String, free: bool) {
        // short ones may be words of a dialect
        if text.trim().len() < 5
            || !text.contains(|c: char| c == ' ' || c == '_' || c == '-' || c.is_ascii_digit())
        {
            return;
        }
        if let Some(known) = self.known.get(text.as_str()) {
            *text = known.clone();
            return;
        }
        let number = self.known.len();
        let word = match free {
            true => format!("w{number} {}.", self.dice.text()),
            false => format!("i_{number}_{:x}", self.dice.below(1 << 30)),
        };
        // the beginning of an answer loses the white space at its end on the way
        self.known
            .entry(text.trim_end().to_owned())
            .or_insert_with(|| word.clone());
        self.known.insert(std::mem::take(text), word.clone());
        *text = word;
    }

    /// A document that a dialect can only say as its title with the text behind it.
    fn behind_a_title<'t>(&'t self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let known = self.known.iter().filter(|(known, _)| known.len() > 20);
        known
            .filter_map(|(known, word)| Some((text.strip_suffix(known.as_str())?, word.as_str())))
            .min_by_key(|(before, _)| before.len())
    }

    /// Several texts that a dialect can only say as one.
    fn joined(&self, text: &str) -> Option<String> {
        let (mut rest, mut joined) = (text, String::new());
        while !rest.is_empty() {
            let known = self
                .known
                .iter()
                .filter(|(known, _)| rest.starts_with(known.as_str()));
            let (known, word) = known.max_by_key(|(known, _)| known.len())?;
            joined.push_str(word);
            rest = rest.strip_prefix(known.as_str())?;
        }
        Some(joined)
    }

    /// Replaces whatever is known, wherever it stands.
    fn output(&self, value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(|value| self.output(value)),
            Value::Array(values) => values.iter_mut().for_each(|value| self.output(value)),
            Value::String(text) => {
                // the mark of another maker's data, with the id of the thought that it is of; in base64 at Gemini
                if text.starts_with("cGVuc3RvY2sv") {
                    *text = String::from_utf8_lossy(&from_base64(text)).into_owned();
                }
                if text.starts_with("penstock/") {
                    let parts = text.split('/');
                    let parts = parts.map(|part| self.known.get(part).map_or(part, String::as_str));
                    *text = parts.collect::<Vec<_>>().join("/");
                } else if let Some(known) = self.known.get(text.as_str()) {
                    text.clone_from(known);
                } else if let Some(joined) = self.joined(text) {
                    *text = joined;
                } else if let Some((before, word)) = self.behind_a_title(text) {
                    let title = before.trim_end();
                    let known = self.known.get(title).map_or(title, String::as_str);
                    *text = format!("{known}{}{word}", &before[title.len()..]);
                }
            }
            _ => {}
        }
    }
}

/// Places of citations count characters, which are others in other texts.
fn without_places(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| {
                !matches!(
                    name.as_str(),
                    "start_index" | "end_index" | "startIndex" | "endIndex" | "start" | "end"
                )
            });
            // what stands at such a place in the text
            if members.contains_key("sources") {
                members.remove("text");
            }
            // a document's name is spelled in the few characters that Converse allows
            if members.contains_key("format") && members.contains_key("source") {
                members.remove("name");
            }
            members.values_mut().for_each(without_places);
        }
        Value::Array(values) => values.iter_mut().for_each(without_places),
        _ => {}
    }
}

/// A result that a dialect can only say as a text holds JSON: its texts are renamed like others.
fn unfold(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(unfold),
        Value::Array(values) => values.iter_mut().for_each(unfold),
        Value::String(text) if text.starts_with('{') => {
            if let Ok(held) = serde_json::from_str(text) {
                *value = held;
                unfold(value);
            }
        }
        _ => {}
    }
}

fn same(mut before: Value, mut after: Value, renaming: &Renaming, name: &str) {
    // the written one as well: an id that is a text elsewhere, too, is renamed in one of its places only
    for value in [&mut before, &mut after] {
        renaming.output(value);
        unfold(value);
        renaming.output(value);
    }
    without_places(&mut before);
    without_places(&mut after);
    assert!(
        before == after,
        "{name}\nexpected:\n{before:#}\nwritten:\n{after:#}"
    );
}

/// Ids as every dialect takes them: others are made of those that some cannot say.
fn tame_ids(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(id) if IDS.contains(&name.as_str()) => {
                        *id = id.replace(':', "_");
                        id.truncate(60);
                    }
                    value => tame_ids(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(tame_ids),
        _ => {}
    }
}

fn request(value: &Value, from: &dyn Codec, to: &dyn Codec, asked: &Asked<'_>) -> Option<Value> {
    let body = value.to_string().into_bytes();
    let read = from.read_request(&body, asked).ok()?;
    let written = to.write_request(&read.value, &generous("m")).ok()?;
    Some(serde_json::from_slice(&written.bytes).expect("JSON"))
}

#[test]
fn renamed_requests_are_written_as_the_recorded_ones() {
    for (at, (recording, from)) in recorded().into_iter().enumerate() {
        let Ok(mut value) = serde_json::from_slice::<Value>(&recording.request) else {
            continue;
        };
        tame_ids(&mut value);
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let Some(before) = request(&value, from, to, &asked(&recording)) else {
                continue;
            };
            let (mut renaming, mut renamed) = (Renaming::new(at as u64), value.clone());
            renaming.input(&mut renamed);
            let after =
                request(&renamed, from, to, &asked(&recording)).unwrap_or_else(|| panic!("{name}: refused"));
            same(before, after, &renaming, &name);
        }
    }
}

fn answer(value: &Value, from: &dyn Codec, to: &dyn Codec) -> Option<Value> {
    let body = value.to_string().into_bytes();
    let read = from.read_answer(&body).ok()?;
    let written = to.write_answer(&read.value, &ENVELOPE);
    Some(serde_json::from_slice(&written.bytes).expect("JSON"))
}

#[test]
fn renamed_answers_are_written_as_the_recorded_ones() {
    for (at, (recording, from)) in recorded().into_iter().enumerate() {
        let Ok(value) = serde_json::from_slice::<Value>(&recording.response) else {
            continue;
        };
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let Some(before) = answer(&value, from, to) else {
                continue;
            };
            let (mut renaming, mut renamed) = (Renaming::new(at as u64), value.clone());
            renaming.input(&mut renamed);
            let after = answer(&renamed, from, to).unwrap_or_else(|| panic!("{name}: refused"));
            same(before, after, &renaming, &name);
        }
    }
}

/// Responses tell every text again when it is whole, which is told of pieces that were renamed one by one: that both are
/// the same is tested where the dialect is.
fn without_repeats(value: &mut Value) {
    const ENDS: [&str; 4] = [
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
    ];
    let kind = value["type"].as_str().unwrap_or_default();
    if (kind.starts_with("response.") && kind.ends_with(".done") || ENDS.contains(&kind))
        && let Some(members) = value.as_object_mut()
    {
        members.retain(|name, _| !matches!(name.as_str(), "text" | "refusal" | "part" | "item" | "response"));
    }
}

/// The events' values; the end mark as a string.
fn events(stream: &[u8]) -> Vec<(Option<String>, Value)> {
    let value = |data: &[u8]| {
        serde_json::from_slice(data)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(data).into_owned()))
    };
    frames_of(stream)
        .into_iter()
        .map(|(name, data)| (name, value(&data)))
        .collect()
}

fn stream(events: &[(Option<String>, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in events {
        let data = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        write_frame(name.as_ref().map(String::as_bytes), data.as_bytes(), &mut out);
    }
    out
}

#[test]
fn renamed_streams_are_written_as_the_recorded_ones_wherever_they_are_split() {
    for (at, (recording, from)) in recorded().into_iter().enumerate() {
        if !recording.is_stream() || recording.status >= 400 || from.framing() != Framing::Sse {
            continue;
        }
        let told = events(&recording.response);
        let (mut renaming, mut renamed) = (Renaming::new(at as u64), told.clone());
        for (_, value) in &mut renamed {
            renaming.input(value);
        }
        let (told, renamed) = (stream(&told), stream(&renamed));
        let mut dice = Dice::new(at as u64);
        for to in codecs().filter(|codec| codec.framing() == Framing::Sse) {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let before = translated(from, to, &ENVELOPE, [&told[..]]).written;
            let after = translated(from, to, &ENVELOPE, renamed.chunks(1 + dice.below(61))).written;
            let (before, after) = (events(&before), events(&after));
            assert_eq!(before.len(), after.len(), "{name}");
            for ((_, mut before), (_, mut after)) in before.into_iter().zip(after) {
                without_repeats(&mut before);
                without_repeats(&mut after);
                same(before, after, &renaming, &name);
            }
        }
    }
}
