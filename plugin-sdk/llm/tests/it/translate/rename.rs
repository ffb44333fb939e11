//! Recorded traffic with every text and id replaced at random: what comes out is what came out before, replaced the same
//! way. So nothing in a translation can be looked up, and nothing depends on what a text says.

use std::collections::BTreeMap;

use penstock_llm::eventstream::{write_event, write_exception};
use penstock_llm::model::{Asked, Codec, Framing};
use penstock_llm::sse::write_frame;
use serde_json::Value;

use super::judge::generous;
use super::streams::{ENVELOPE, each_frame, translated};
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
                let document = members.contains_key("format") && members.contains_key("source");
                for (name, value) in members {
                    match value {
                        Value::String(text)
                            if matches!(name.as_str(), "title" | "filename" | "displayName")
                                || (document && name == "name") =>
                        {
                            self.retitle(text);
                        }
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
            true => self.of_the_same_length(text),
            false => format!("i_{number}_{:x}", self.dice.below(1 << 30)),
        };
        // the beginning of an answer loses the white space at its end on the way
        self.known
            .entry(text.trim_end().to_owned())
            .or_insert_with(|| word.trim_end().to_owned());
        self.known.insert(std::mem::take(text), word.clone());
        *text = word;
    }

    /// Other characters, each as long as the one that it stands for, so that places in the text stay what they are,
    /// whether they count bytes or characters. White space stays.
    fn of_the_same_length(&mut self, text: &str) -> String {
        let mut word = String::with_capacity(text.len());
        for c in text.chars() {
            let others = match c.len_utf8() {
                _ if c.is_whitespace() => {
                    word.push(c);
                    continue;
                }
                // what a text begins with tells some dialects what it is
                1 if word.trim().len() < 2 => "abcdefghijklmnopqrstuvwxyz",
                1 => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\"\\/<>&'{}[]:,.",
                2 => "\u{e9}\u{df}\u{f1}\u{416}",
                3 => "\u{65e5}\u{672c}\u{20ac}\u{2028}",
                _ => "\u{1f642}\u{1f680}\u{10348}",
            };
            let at = self.dice.below(others.chars().count());
            word.extend(others.chars().nth(at));
        }
        word
    }

    /// The title of a document: letters and digits for letters and digits, so that what a dialect makes of it is known.
    fn retitle(&mut self, text: &mut String) {
        if let Some(known) = self.known.get(text.as_str()) {
            *text = known.clone();
            return;
        }
        let letter = |c: char| {
            if c.is_ascii_alphanumeric() {
                (b'a' + self.dice.below(26) as u8) as char
            } else {
                c
            }
        };
        let (stem, extension) = text.rsplit_once('.').unwrap_or((text, ""));
        let title = stem.chars().map(letter).collect::<String>();
        self.known.insert(in_converse(stem), in_converse(&title));
        let title = match extension {
            "" => title,
            extension => format!("{title}.{extension}"),
        };
        self.known.insert(std::mem::replace(text, title.clone()), title);
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

/// What Cohere's citations say again is cut out of the text, which was renamed as a whole.
fn without_cuttings(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("sources") {
                members.remove("text");
            }
            members.values_mut().for_each(without_cuttings);
        }
        Value::Array(values) => values.iter_mut().for_each(without_cuttings),
        _ => {}
    }
}

/// A title in the characters that Converse takes (APIS.md 5.1): letters, digits, hyphens, brackets, and single spaces.
fn in_converse(stem: &str) -> String {
    let tame = |c: char| match c {
        _ if c.is_ascii_alphanumeric() || "-()[]".contains(c) => c,
        _ if c.is_whitespace() => ' ',
        _ => '-',
    };
    let tame: String = stem.chars().map(tame).collect();
    tame.split_whitespace().collect::<Vec<_>>().join(" ")
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
    without_cuttings(&mut before);
    without_cuttings(&mut after);
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

/// What one frame of a stream says; the end mark as a string.
#[derive(Clone, Debug)]
struct Said {
    name: Option<String>,
    value: Value,
    exception: bool,
}

fn said(framing: Framing, stream: &[u8]) -> Vec<Said> {
    let mut frames = Vec::new();
    each_frame(framing, [stream], |frame| {
        frames.push(Said {
            name: frame.name.map(|name| String::from_utf8_lossy(name).into_owned()),
            value: serde_json::from_slice(frame.data)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(frame.data).into_owned())),
            exception: frame.exception,
        });
    });
    frames
}

fn stream(framing: Framing, frames: &[Said]) -> Vec<u8> {
    let mut out = Vec::new();
    for Said {
        name,
        value,
        exception,
    } in frames
    {
        let data = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
            .into_bytes();
        let named = name.as_deref().unwrap_or_default();
        match framing {
            Framing::Sse => write_frame(name.as_ref().map(String::as_bytes), &data, &mut out),
            Framing::AwsEventStream if *exception => write_exception(named, &data, &mut out).expect("short"),
            Framing::AwsEventStream => write_event(named, &data, &mut out).expect("short"),
        }
    }
    out
}

#[test]
fn renamed_streams_are_written_as_the_recorded_ones_wherever_they_are_split() {
    for (at, (recording, from)) in recorded().into_iter().enumerate() {
        if !recording.is_stream() || recording.status >= 400 {
            continue;
        }
        let told = said(from.framing(), &recording.response);
        let (mut renaming, mut renamed) = (Renaming::new(at as u64), told.clone());
        for frame in &mut renamed {
            renaming.input(&mut frame.value);
        }
        let (told, renamed) = (stream(from.framing(), &told), stream(from.framing(), &renamed));
        let mut dice = Dice::new(at as u64);
        for to in codecs() {
            let name = format!("{} as {}", recording.name, to.dialect().as_str());
            let before = translated(from, to, &ENVELOPE, [&told[..]]).written;
            let after = translated(from, to, &ENVELOPE, renamed.chunks(1 + dice.below(61))).written;
            let (before, after) = (said(to.framing(), &before), said(to.framing(), &after));
            assert_eq!(before.len(), after.len(), "{name}");
            for (mut before, mut after) in before.into_iter().zip(after) {
                assert_eq!(before.name, after.name, "{name}");
                without_repeats(&mut before.value);
                without_repeats(&mut after.value);
                same(before.value, after.value, &renaming, &name);
            }
        }
    }
}
