//! Passes over a request's body as it stands, before anything is taken out of it: most bodies hold nothing that even begins
//! like a secret, and then their texts need not be fetched one by one.
//!
//! A secret begins with its rule's prefix. In a body the prefix stands as it is, unless a character of it is spelt as an
//! escape, `\u0073` for `s`. Text within text (tool arguments) is escaped once more, which only puts further backslashes
//! before the same letters, or spells them as such escapes too. So a body with neither a prefix nor an escape of an ASCII
//! character holds no secret; any other is looked at text by text.

use crate::prefilter::{Prefilter, WIDTH};
use crate::rules::Rule;

/// A window costs a copy into the guest; a few of them fit its memory at once.
const WINDOW_BYTES: u32 = 1 << 18;

/// How escapes begin that may stand for an ASCII character.
const ESCAPE: [u8; WIDTH] = *b"\\u0";

/// What it takes of an escape to tell.
const ESCAPE_REACH: usize = 5;

pub struct Quick {
    /// Knows prefixes and escapes.
    prefilter: Prefilter,
    prefixes: Vec<Vec<u8>>,
    /// What windows have in common, so that nothing is cut by both.
    overlap: usize,
}

impl Quick {
    /// None where a prefix holds a character that has an escape of its own (`\/`), or none at all that is ASCII.
    pub fn new(rules: &[Rule]) -> Option<Quick> {
        let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"\\/".contains(byte);
        let prefixes: Vec<Vec<u8>> = rules.iter().map(|rule| rule.prefix.clone()).collect();
        let sound = |prefix: &Vec<u8>| prefix.len() >= WIDTH && prefix.iter().all(plain);
        if !prefixes.iter().all(sound) {
            return None;
        }
        let known = prefixes.iter().map(Vec::as_slice);
        let longest = prefixes.iter().map(Vec::len).max().unwrap_or(0);
        Some(Quick {
            prefilter: Prefilter::new(known.chain([&ESCAPE[..]])),
            overlap: longest.max(ESCAPE_REACH) - 1,
            prefixes,
        })
    }

    /// Whether a body may hold a secret; false is certain. `read` gives the bytes at an offset, fewer only at the end.
    pub fn may_hold(&self, read: impl Fn(u64, u32) -> Vec<u8>) -> bool {
        let mut offset = 0;
        loop {
            let window = read(offset, WINDOW_BYTES);
            if self.is_suspect(&window) {
                return true;
            }
            if window.len() < WINDOW_BYTES as usize {
                return false;
            }
            offset += (window.len() - self.overlap) as u64;
        }
    }

    fn is_suspect(&self, window: &[u8]) -> bool {
        let mut at = 0;
        while let Some(place) = self.prefilter.next(window, at) {
            let there = &window[place..];
            if spells_ascii(there) || self.prefixes.iter().any(|prefix| there.starts_with(prefix)) {
                return true;
            }
            at = place + 1;
        }
        false
    }
}

/// Whether an escape stands there that may be one of an ASCII character, below `\u0080`.
fn spells_ascii(there: &[u8]) -> bool {
    match there {
        [
            b'\\',
            b'u',
            b'0',
            b'0',
            b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F',
            ..,
        ] => false,
        [b'\\', b'u', b'0', b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => false,
        _ => there.starts_with(&ESCAPE),
    }
}
