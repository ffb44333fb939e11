//! Searches one window of text, remembering between windows what a search of the whole text would know: whether it stands
//! within a secret, and what the character before it was. Any split of a text finds the same secrets.

use std::ops::Range;

use crate::charset::Charset;
use crate::matching::{Answer, Runs, matches};
use crate::pem;
use crate::prefilter::{Prefilter, WIDTH, key};
use crate::rules::{Body, Rule};
use crate::view::View;

pub struct Scanner {
    prefilter: Prefilter,
    /// Longest prefix first, so that `sk-ant-` is not taken for `sk-`.
    rules: Vec<Rule>,
    /// The prefilter's key of each rule.
    keys: Vec<Option<u32>>,
    /// The replacement of each rule, and the same as it stands within a JSON string.
    replacements: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// From here on more text is needed to tell.
    pub hold_from: Option<usize>,
    pub state: State,
}

#[derive(Debug)]
pub struct Hit {
    pub range: Range<usize>,
    rule: usize,
    /// The rest of a secret whose beginning has been replaced in an earlier window.
    continued: bool,
}

/// What is known about the text before a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The text stands within a secret of this rule.
    within: Option<u8>,
    before: Before,
}

/// The character before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Boundary,
    Word,
    /// A backslash: `\n` in text that was escaped twice is a line break too.
    Backslash,
}

/// A state names a rule in one byte.
const MOST_RULES: usize = 200;

impl State {
    /// What [`State::written`] wrote; nothing at all at the beginning.
    pub fn read(bytes: &[u8]) -> State {
        let [within, before] = bytes else {
            return State::default();
        };
        let before = match before {
            1 => Before::Word,
            2 => Before::Backslash,
            _ => Before::Boundary,
        };
        State {
            within: within.checked_sub(1),
            before,
        }
    }

    /// Nothing where there is nothing to remember.
    pub fn written(self) -> Option<[u8; 2]> {
        let bytes = [self.within.map_or(0, |rule| rule + 1), self.before as u8];
        (self != State::default()).then_some(bytes)
    }
}

impl Scanner {
    pub fn new(mut rules: Vec<Rule>, replacement: &str) -> Result<Scanner, String> {
        if rules.len() > MOST_RULES {
            return Err(format!(
                "custom: {} rules in all, at most {MOST_RULES}",
                rules.len()
            ));
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.len()));
        let replacements = rules.iter().map(|rule| {
            let plain = replacement.replace("{rule}", &rule.name);
            let within_json = json_escaped(&plain);
            (plain, within_json)
        });
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.prefix.as_slice()));
        let keys = rules.iter().map(|rule| key(&rule.prefix)).collect();
        Ok(Scanner {
            prefilter,
            replacements: replacements.collect(),
            keys,
            rules,
        })
    }

    pub fn rule_name(&self, hit: &Hit) -> &str {
        &self.rules[hit.rule].name
    }

    /// What takes a hit's place: nothing where it only continues one.
    pub fn replacement(&self, hit: &Hit, within_json: bool) -> &str {
        let (plain, json) = &self.replacements[hit.rule];
        match (hit.continued, within_json) {
            (true, _) => "",
            (false, true) => json,
            (false, false) => plain,
        }
    }

    /// The secrets of one window; `last` says that no text follows.
    pub fn scan(&self, text: &str, last: bool, state: State) -> Found {
        let view = View::of(text, last);
        let mut search = Search {
            scanner: self,
            text: &view.bytes,
            last,
            before: state.before,
            runs: Runs::default(),
            hits: Vec::new(),
            within: None,
        };
        let end = search.run(
            state
                .within
                .map(usize::from)
                .filter(|rule| *rule < self.rules.len()),
        );
        let before = search.before(end);
        let state = State {
            within: search.within.map(|rule| rule as u8),
            before,
        };
        let hits = search.hits.into_iter().map(|mut hit| {
            hit.range = view.source(hit.range.start)..view.source(hit.range.end);
            hit
        });
        let hits = hits.collect();
        let hold_from = if end < view.bytes.len() {
            Some(view.source(end))
        } else {
            view.cut
        };
        Found {
            hits,
            hold_from,
            state,
        }
    }
}

/// One window's search; places are the view's.
struct Search<'a> {
    scanner: &'a Scanner,
    text: &'a [u8],
    last: bool,
    before: Before,
    runs: Runs,
    hits: Vec<Hit>,
    within: Option<usize>,
}

impl Search<'_> {
    /// Searches; the place up to which everything is decided.
    fn run(&mut self, within: Option<usize>) -> usize {
        let mut at = 0;
        if let Some(rule) = within {
            at = self.swallow(rule, 0, 0, true);
            if self.within.is_some() {
                return at;
            }
        }
        while let Some(place) = self.scanner.prefilter.next(self.text, at) {
            match self.begins(place) {
                (Answer::No, _) => at = place + 1,
                (Answer::More, _) => return place,
                (Answer::Yes { start, end }, rule) => {
                    at = self.swallow(rule, start, end, false);
                    if self.within.is_some() {
                        return at;
                    }
                }
            }
        }
        self.cut_prefix(at)
    }

    /// The first rule, longest prefix first, that does not say no.
    fn begins(&mut self, place: usize) -> (Answer, usize) {
        let wanted = key(&self.text[place..]);
        let word_start = self.before(place) != Before::Word;
        for (index, rule) in self.scanner.rules.iter().enumerate() {
            if self.scanner.keys[index] != wanted || (rule.at_word_start && !word_start) {
                continue;
            }
            match matches(rule, self.text, place, self.last, &mut self.runs) {
                Answer::No => {}
                answer => return (answer, index),
            }
        }
        (Answer::No, 0)
    }

    /// Takes the secret to its end, or to the end of the window; the place after it.
    fn swallow(&mut self, rule: usize, start: usize, from: usize, continued: bool) -> usize {
        let (end, more) = match &self.scanner.rules[rule].body {
            Body::Armour => pem::body_end(self.text, from, self.last),
            Body::Parts { tail, .. } => self.tail_end(*tail, from),
        };
        if end > start {
            self.hits.push(Hit {
                range: start..end,
                rule,
                continued,
            });
        }
        self.within = more.then_some(rule);
        end
    }

    fn tail_end(&mut self, tail: Charset, from: usize) -> (usize, bool) {
        let end = self.runs.end(self.text, tail, from);
        (end, end == self.text.len() && !self.last)
    }

    /// A prefix that the end of the window cuts within its first characters, which the prefilter cannot see.
    fn cut_prefix(&self, from: usize) -> usize {
        let end = self.text.len();
        if self.last {
            return end;
        }
        let first = from.max((end + 1).saturating_sub(WIDTH));
        let cut = (first..end).find(|place| {
            let there = &self.text[*place..];
            self.scanner.prefilter.may_begin(there) && self.cuts(there, self.before(*place) != Before::Word)
        });
        cut.unwrap_or(end)
    }

    fn cuts(&self, there: &[u8], word_start: bool) -> bool {
        let cuts = |rule: &Rule| rule.prefix.starts_with(there) && (word_start || !rule.at_word_start);
        self.scanner.rules.iter().any(cuts)
    }

    /// The character before a place.
    fn before(&self, place: usize) -> Before {
        let before = |place: usize| place.checked_sub(1).map(|at| self.text[at]);
        match before(place) {
            None => self.before,
            Some(b'\\') => Before::Backslash,
            Some(byte) if byte.is_ascii_alphanumeric() => {
                let escaped = match before(place - 1) {
                    Some(byte) => byte == b'\\',
                    None => self.before == Before::Backslash,
                };
                if escaped && b"nrtbf".contains(&byte) {
                    Before::Boundary
                } else {
                    Before::Word
                }
            }
            Some(_) => Before::Boundary,
        }
    }
}

/// As it stands between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, character| {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
                other => out.push(other),
            }
            out
        })
}
