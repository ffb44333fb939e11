//! Capability `match`: which of thousands of words a text has, found by the host in one pass. Patterns, and what a match
//! means, are left to the plugin.
//!
//! Tables for thousands of words take longer to build than `configure` may. It only says which words there are; the tables
//! are built once it is done, before the plugin is called.

use std::borrow::Cow;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use wasmtime::component::Resource;

use crate::bindings::penstock::plugin::match_ as wit;
use crate::capabilities::interned::{Interned, Most};
use crate::fault::Overrun;
use crate::guest::Guest;
use crate::resources::{AnswerHandle, CallHandle};

/// What a plugin may compile: the largest lists of words that are worth it. A MiB of them is some 20 MiB of tables, built
/// in a few seconds, once.
const MOST: Most = Most {
    things: 16,
    bytes: 1 << 20,
    name: "sets of words",
};
const MOST_WORDS: usize = 20_000;
const LONGEST_WORD: usize = 1024;
/// Of one set. Words of one length without a common beginning have the largest.
const MOST_TABLE_BYTES: usize = 64 << 20;
/// What one call of the host finds at most.
const MOST_FOUND: u32 = 1000;

/// The sets of words of one plugin.
pub type Sets = Interned<Words, Set>;

/// One set; empty until the plugin is loaded.
#[derive(Default)]
pub struct Set(OnceLock<AhoCorasick>);

/// What a set is made from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Words {
    words: Vec<String>,
    ignore_ascii_case: bool,
}

impl Words {
    fn bytes(&self) -> usize {
        self.words.iter().map(String::len).sum()
    }

    /// The set of these words, still without its tables. An error is for the operator.
    fn checked(&self) -> Result<Set, String> {
        if self.words.len() > MOST_WORDS {
            let number = self.words.len();
            return Err(format!("{number} words, a set has {MOST_WORDS} at most"));
        }
        for (place, word) in self.words.iter().enumerate() {
            if word.is_empty() || word.len() > LONGEST_WORD {
                let length = word.len();
                return Err(format!(
                    "word {place} has {length} bytes: expected 1 to {LONGEST_WORD}"
                ));
            }
        }
        Ok(Set::default())
    }

    /// Makes the tables to find them with.
    pub fn build(&self, set: &Set) -> Result<(), String> {
        let tables = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(self.ignore_ascii_case)
            .build(&self.words)
            .map_err(|why| format!("the words are too many: {why}"))?;
        let bytes = tables.memory_usage();
        if bytes > MOST_TABLE_BYTES {
            return Err(format!(
                "the words need {bytes} bytes of tables, at most {MOST_TABLE_BYTES} may be"
            ));
        }
        // built once, by the one who loads the plugin
        let _ = set.0.set(tables);
        Ok(())
    }
}

/// Leftmost and longest first, without overlap. Words are UTF-8, so matches are whole characters.
fn found(set: &AhoCorasick, text: &str, most: u32) -> Vec<wit::Found> {
    let wire = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    let matches = set.find_iter(text).take(most.min(MOST_FOUND) as usize);
    matches
        .map(|it| wit::Found {
            word: it.pattern().as_u32(),
            start: wire(it.start()),
            end: wire(it.end()),
        })
        .collect()
}

impl Guest {
    fn found_in(&self, set: u32, text: Option<Cow<'_, str>>, most: u32) -> wasmtime::Result<Vec<wit::Found>> {
        let Some(set) = self.compiled.sets.get(set).and_then(|set| set.0.get()) else {
            return Err(Overrun::Handle.into());
        };
        Ok(text.map(|text| found(set, &text, most)).unwrap_or_default())
    }
}

impl wit::Host for Guest {
    fn compile(
        &mut self,
        words: Vec<String>,
        ignore_ascii_case: bool,
    ) -> wasmtime::Result<Result<u32, String>> {
        self.charge(0)?;
        let words = Words {
            words,
            ignore_ascii_case,
        };
        let bytes = words.bytes();
        Ok(self.compiled.sets.intern(words, bytes, MOST, Words::checked))
    }

    fn find(&mut self, set: u32, text: String, most: u32) -> wasmtime::Result<Vec<wit::Found>> {
        self.charge(0)?;
        self.found_in(set, Some(text.into()), most)
    }

    fn find_in_call(
        &mut self,
        handle: Resource<CallHandle>,
        set: u32,
        segment: u32,
        most: u32,
    ) -> wasmtime::Result<Vec<wit::Found>> {
        self.call(&handle, 0)?;
        self.found_in(set, self.call.body.text(segment), most)
    }

    fn find_in_answer(
        &mut self,
        handle: Resource<AnswerHandle>,
        set: u32,
        segment: u32,
        most: u32,
    ) -> wasmtime::Result<Vec<wit::Found>> {
        self.answer(&handle, 0)?;
        self.found_in(set, self.answer.text(segment), most)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn compiled(words: &[&str], ignore_ascii_case: bool) -> Result<AhoCorasick, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        built(&Words {
            words,
            ignore_ascii_case,
        })
    }

    fn built(words: &Words) -> Result<AhoCorasick, String> {
        let set = words.checked()?;
        words.build(&set)?;
        Ok(set.0.into_inner().expect("built"))
    }

    fn places(set: &AhoCorasick, text: &str, most: u32) -> Vec<(u32, u32, u32)> {
        let found = found(set, text, most);
        found.iter().map(|it| (it.word, it.start, it.end)).collect()
    }

    #[test]
    fn the_longest_word_is_found_where_several_begin_and_none_overlap() {
        let set = compiled(&["ab", "abc", "bcd", "é"], false).expect("compiles");
        assert_eq!(
            places(&set, "abcd ab é AB", 10),
            [(1, 0, 3), (0, 5, 7), (3, 8, 10)]
        );
        assert_eq!(places(&set, "abcd ab é", 1), [(1, 0, 3)]);
        assert_eq!(
            places(&set, &"ab".repeat(5000), u32::MAX).len(),
            MOST_FOUND as usize
        );
        let any_case = compiled(&["Straße"], true).expect("compiles");
        assert_eq!(places(&any_case, "STRAßE straße", 10), [(0, 0, 7), (0, 8, 15)]);
        let none = compiled(&[], false).expect("compiles");
        assert_eq!(places(&none, "abc", 10), []);
    }

    #[test]
    fn words_that_make_no_set_are_told() {
        let told = |words: &[&str]| compiled(words, false).map(drop).expect_err("refused");
        assert_eq!(told(&["a", ""]), "word 1 has 0 bytes: expected 1 to 1024");
        assert_eq!(
            told(&[&"x".repeat(1025)]),
            "word 0 has 1025 bytes: expected 1 to 1024"
        );
        assert!(told(&vec!["x"; MOST_WORDS + 1]).contains("a set has 20000 at most"));
    }

    /// A MiB of words that share no beginning, and texts that almost match all the time.
    #[test]
    fn the_largest_set_is_built_soon_and_hostile_texts_take_a_time_in_proportion() {
        let mut seed = 1_u64;
        let mut letter = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((seed >> 33) % 26) as u8)
        };
        let words: Vec<String> = (0..MOST_WORDS)
            .map(|_| (0..52).map(|_| letter()).collect())
            .collect();
        let start = Instant::now();
        let words = Words {
            words,
            ignore_ascii_case: true,
        };
        let set = built(&words).expect("compiles");
        println!("{} bytes in {:?}", set.memory_usage(), start.elapsed());
        let almost: String = words
            .words
            .iter()
            .map(|word| format!("{}-", &word[..51]))
            .collect();
        let repeated = "a".repeat(1 << 20);
        for text in [almost, repeated] {
            let start = Instant::now();
            assert_eq!(places(&set, &text, 10), []);
            println!("{} bytes in {:?}", text.len(), start.elapsed());
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        }
    }
}
