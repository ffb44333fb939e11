//! Whether a rule's secret begins at a place: yes, no, or more text is needed to tell. Runs of characters are measured
//! once for all rules and places, so hostile text costs no more than a few passes.

use crate::charset::Charset;
use crate::pem;
use crate::rules::{Body, Part, Rule};

#[derive(Debug, PartialEq)]
pub enum Answer {
    No,
    /// The text ends before it can be told.
    More,
    /// The secret begins at `start` and has been recognised up to `end`.
    Yes {
        start: usize,
        end: usize,
    },
}

/// Where runs of a charset end, remembered for the run last measured.
#[derive(Default)]
pub struct Runs(Vec<(Charset, usize, usize)>);

impl Runs {
    /// The end of the run of `of` that goes through `at`; `at` itself where there is none.
    pub fn end(&mut self, text: &[u8], of: Charset, at: usize) -> usize {
        let known = self.0.iter().position(|(set, _, _)| *set == of);
        if let Some((_, start, end)) = known.map(|index| self.0[index])
            && (start..=end).contains(&at)
        {
            return end;
        }
        let length = text[at..]
            .iter()
            .position(|byte| !of.contains(*byte))
            .unwrap_or(text.len() - at);
        let run = (of, at, at + length);
        match known {
            Some(index) => self.0[index] = run,
            None => self.0.push(run),
        }
        at + length
    }
}

/// Whether `rule` matches at `at`; `last` says that no text follows.
pub fn matches(rule: &Rule, text: &[u8], at: usize, last: bool, runs: &mut Runs) -> Answer {
    match literal(text, at, &rule.prefix, last) {
        Answer::Yes { end, .. } => match &rule.body {
            Body::Armour => pem::begins(text, at, end, last),
            Body::Parts { parts, .. } => all_parts(parts, text, at, end, last, runs),
        },
        other => other,
    }
}

fn all_parts(parts: &[Part], text: &[u8], start: usize, at: usize, last: bool, runs: &mut Runs) -> Answer {
    let (mut start, mut at) = (start, at);
    for (index, part) in parts.iter().enumerate() {
        let answer = match part {
            Part::Literal(bytes) => literal(text, at, bytes, last),
            Part::Run {
                of,
                least,
                most: None,
            } if index + 1 == parts.len() => {
                let end = runs.end(text, *of, at);
                at_least(text, at, end, *least, last)
            }
            Part::Run { of, least, most } => {
                let end = runs.end(text, *of, at);
                within(text, at, end, *least, most.unwrap_or(usize::MAX), last)
            }
            Part::Between { of, most } => {
                let end = runs.end(text, *of, at);
                within(text, at, end, 0, *most, last)
            }
        };
        let Answer::Yes { end, .. } = answer else {
            return answer;
        };
        at = end;
        if matches!(part, Part::Between { .. }) {
            start = end;
        }
    }
    Answer::Yes { start, end: at }
}

fn literal(text: &[u8], at: usize, bytes: &[u8], last: bool) -> Answer {
    let there = &text[at..];
    if there.starts_with(bytes) {
        return Answer::Yes {
            start: at,
            end: at + bytes.len(),
        };
    }
    if !last && bytes.starts_with(there) {
        Answer::More
    } else {
        Answer::No
    }
}

/// A run whose end does not matter once it is long enough.
fn at_least(text: &[u8], at: usize, end: usize, least: usize, last: bool) -> Answer {
    if end - at >= least {
        return Answer::Yes { start: at, end };
    }
    if end == text.len() && !last {
        Answer::More
    } else {
        Answer::No
    }
}

/// A run whose end has to be seen.
fn within(text: &[u8], at: usize, end: usize, least: usize, most: usize, last: bool) -> Answer {
    let length = end - at;
    if length > most {
        return Answer::No;
    }
    if end == text.len() && !last {
        return Answer::More;
    }
    if length < least {
        Answer::No
    } else {
        Answer::Yes { start: at, end }
    }
}
