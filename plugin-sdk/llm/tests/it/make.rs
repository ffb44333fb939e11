//! Makes bodies and streams out of a seed: valid in structure, careless in spelling.

use proptest::test_runner::Config;

/// How many cases a property runs; `PENSTOCK_FUZZ_CASES` asks for more than the quick default.
pub fn cases() -> Config {
    let cases = std::env::var("PENSTOCK_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(192);
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

/// A source of choices: xorshift64*, so that a seed is a case.
pub struct Dice {
    state: u64,
    /// Whether strings may have escaped surrogates without a partner, which serde_json does not take.
    pub lone_surrogates: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            lone_surrogates: false,
        }
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    pub fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    pub fn space(&mut self) -> &'static str {
        self.pick(&["", "", "", "", " ", "\n  ", "\t", " \r\n"])
    }

    /// A text with all sorts of characters.
    pub fn text(&mut self) -> String {
        let pieces = [
            "",
            "a",
            "hello world, ",
            "\"",
            "\\",
            "\n",
            "\u{1}",
            "é",
            "日本語",
            "😀",
            "/",
            "}],{",
            "data: x\n\n",
        ];
        let count = self.below(6);
        (0..count).map(|_| self.pick(&pieces).to_owned()).collect()
    }

    /// A literal, spelled one of the ways it can be.
    pub fn literal(&mut self, text: &str) -> String {
        let mut out = String::from("\"");
        for character in text.chars() {
            let escape = self.one_in(12);
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' if !escape => out.push_str("\\n"),
                '/' if escape => out.push_str("\\/"),
                plain if plain >= ' ' && !escape => out.push(plain),
                other => {
                    let mut units = [0; 2];
                    for unit in other.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        if self.lone_surrogates && self.one_in(6) {
            out.push_str(self.pick(&["\\ud83d", "\\uDE00", "\\ud83d\\ud83d", "\\udbff x"]));
        }
        out.push('"');
        out
    }

    pub fn words(&mut self) -> String {
        let text = self.text();
        self.literal(&text)
    }

    /// An object with these members, some left out, in some order, with some more around them.
    pub fn object(&mut self, members: Vec<(&str, String)>) -> String {
        let mut members: Vec<(String, String)> = members
            .into_iter()
            .map(|(name, value)| (self.literal(name), value))
            .collect();
        if self.one_in(3) {
            let value = self.value(2);
            members.push(("\"x_unknown\"".to_owned(), value));
        }
        for at in (1..members.len()).rev() {
            let with = self.below(at + 1);
            members.swap(at, with);
        }
        let mut out = String::from("{");
        for (at, (name, value)) in members.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            for piece in [
                self.space(),
                name,
                self.space(),
                ":",
                self.space(),
                value,
                self.space(),
            ] {
                out.push_str(piece);
            }
        }
        out + "}"
    }

    pub fn array(&mut self, elements: Vec<String>) -> String {
        let mut out = String::from("[");
        for (at, element) in elements.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            for piece in [self.space(), element, self.space()] {
                out.push_str(piece);
            }
        }
        out + self.space() + "]"
    }

    pub fn some(&mut self, most: usize, mut one: impl FnMut(&mut Dice) -> String) -> String {
        let count = self.below(most + 1);
        let elements = (0..count).map(|_| one(self)).collect();
        self.array(elements)
    }

    /// Any JSON value.
    pub fn value(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { 4 } else { 6 };
        match self.below(kinds) {
            0 => self.pick(&["true", "false", "null"]).to_owned(),
            1 => self.pick(&["0", "-1", "12", "1.5", "1e3", "-0.25E-2"]).to_owned(),
            2 | 3 => self.words(),
            4 => self.some(3, |dice| dice.value(depth - 1)),
            _ => {
                let members =
                    (0..self.below(4)).map(|at| (["a", "b", "c/d", "e~f"][at], self.value(depth - 1)));
                let members = members.collect::<Vec<_>>();
                self.object(members)
            }
        }
    }

    pub fn part(&mut self) -> String {
        let text = self.words();
        let members = match self.below(6) {
            0..=2 => vec![("type", "\"text\"".to_owned()), ("text", text)],
            3 => vec![("type", "\"refusal\"".to_owned()), ("refusal", text)],
            4 => {
                let url = self.object(vec![("url", text), ("detail", "\"low\"".to_owned())]);
                vec![("type", "\"image_url\"".to_owned()), ("image_url", url)]
            }
            _ => {
                let audio = self.object(vec![("data", text), ("format", "\"wav\"".to_owned())]);
                vec![("type", "\"input_audio\"".to_owned()), ("input_audio", audio)]
            }
        };
        self.object(members)
    }

    pub fn tool_call(&mut self) -> String {
        let arguments = if self.one_in(4) {
            self.object(vec![("city", "\"Rome\"".to_owned())])
        } else {
            self.words()
        };
        let function = self.object(vec![("name", "\"look\"".to_owned()), ("arguments", arguments)]);
        self.object(vec![
            ("id", "\"call_1\"".to_owned()),
            ("type", "\"function\"".to_owned()),
            ("function", function),
        ])
    }

    pub fn content(&mut self) -> String {
        match self.below(4) {
            0 => "null".to_owned(),
            1 => self.some(3, Dice::part),
            _ => self.words(),
        }
    }

    pub fn message(&mut self) -> String {
        let role = self.pick(&[
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
            "function",
            "critic",
        ]);
        let mut members = vec![("role", format!("\"{role}\"")), ("content", self.content())];
        if role == "assistant" {
            members.push(("tool_calls", self.some(2, Dice::tool_call)));
            members.push((
                self.pick(&["reasoning", "reasoning_content", "refusal"]),
                self.words(),
            ));
        }
        self.object(members)
    }

    pub fn chat_request(&mut self) -> String {
        let mut members = vec![
            ("model", "\"gpt-4o-mini\"".to_owned()),
            ("messages", self.some(4, Dice::message)),
            ("temperature", "0.5".to_owned()),
        ];
        if self.one_in(2) {
            members.push(("stream", self.pick(&["true", "true", "false", "null"]).to_owned()));
        }
        if self.one_in(2) {
            let options = [
                "null",
                "{}",
                "{ \"include_usage\": true }",
                "{\"include_usage\" :false}",
                "{\"include_obfuscation\":true}",
                "{\"a\":1,\"include_usage\":null}",
            ];
            members.push(("stream_options", self.pick(&options).to_owned()));
        }
        if self.one_in(2) {
            members.push(("metadata", self.value(3)));
        }
        self.object(members)
    }

    pub fn prompt_request(&mut self) -> String {
        let prompt = if self.one_in(3) {
            self.some(3, Dice::words)
        } else {
            self.words()
        };
        self.object(vec![
            ("model", "\"davinci\"".to_owned()),
            ("prompt", prompt),
            ("stream", "true".to_owned()),
        ])
    }

    pub fn input_request(&mut self) -> String {
        let input = match self.below(4) {
            0 => self.words(),
            1 => self.some(3, |dice| {
                dice.some(3, |dice| dice.pick(&["1", "22", "333"]).to_owned())
            }),
            2 => self.some(3, Dice::part),
            _ => self.some(3, Dice::words),
        };
        self.object(vec![("model", "\"embed\"".to_owned()), ("input", input)])
    }

    /// An answer's body (`message`) or an event's data (`delta`).
    pub fn sent(&mut self, message: &'static str) -> String {
        let choices = self.some(3, |dice| {
            let spoken = dice.message();
            let index = dice.pick(&["0", "1", "7", "null"]).to_owned();
            let finish = dice.pick(&["null", "\"stop\"", "\"length\""]).to_owned();
            dice.object(vec![
                ("index", index),
                (message, spoken),
                ("finish_reason", finish),
            ])
        });
        let usage = self.pick(&[
            "null",
            "{}",
            "{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}",
        ]);
        self.object(vec![
            ("id", "\"chatcmpl-1\"".to_owned()),
            ("model", "\"gpt\"".to_owned()),
            ("choices", choices),
            ("usage", usage.to_owned()),
        ])
    }

    /// A stream of events in mixed legal spellings. In one stream lines end one way, as they do in the wild, or any.
    pub fn stream(&mut self) -> Vec<u8> {
        let ends: &[&str] = match self.below(4) {
            0 => &["\n"],
            1 => &["\r\n"],
            2 => &["\r"],
            _ => &["\n", "\r\n", "\r"],
        };
        let mut out = if self.one_in(3) {
            String::from("\u{feff}")
        } else {
            String::new()
        };
        for _ in 0..self.below(6) {
            for _ in 0..self.below(4) {
                let event = self.sent("delta").replace(['\n', '\r'], " ");
                let lines = [
                    "data: {}",
                    "data:{}",
                    "data: é日😀",
                    ": keep-alive",
                    ":",
                    "event: message",
                    "id: 7",
                    "data",
                    "data: [DONE]",
                    "nonsense",
                ];
                let line = if self.one_in(3) {
                    format!("data: {event}")
                } else {
                    self.pick(&lines).to_owned()
                };
                out.push_str(&line);
                out.push_str(self.pick(ends));
            }
            out.push_str(self.pick(ends));
        }
        out.into_bytes()
    }

    /// The same bytes with a few of them changed, taken out, doubled or moved.
    pub fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.below(4) + 1 {
            if bytes.is_empty() {
                return bytes;
            }
            let at = self.below(bytes.len());
            let to = (at + self.below(12)).min(bytes.len());
            match self.below(6) {
                0 => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(at..to)),
                2 => {
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => bytes.truncate(at),
                4 => {
                    let tokens = [
                        "{", "}", "[", "]", "\"", ",", ":", "\\", "null", "1e", "\\u", "\u{feff}", "[[[[[[[[",
                    ];
                    let token = self.pick(&tokens).as_bytes().to_vec();
                    bytes.splice(at..at, token);
                }
                _ => {
                    let other = self.below(bytes.len());
                    bytes.swap(at, other);
                }
            }
        }
        bytes
    }
}
