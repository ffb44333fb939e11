//! Where a secret could begin: sixteen places at a time by the halves of their first three bytes (`blocks`), then one look
//! into an 8 KiB table. And what could be a prefix that the end of the text cuts.

use crate::blocks::{BLOCK, Blocks};

/// Bits of a three-byte key's hash: 64 Ki, so that thirty rules hit ordinary text by chance once in 2000 bytes.
const TABLE_BYTES: usize = 1 << 13;

/// How much of a prefix is looked at.
pub const WIDTH: usize = 3;

pub struct Prefilter {
    blocks: Blocks,
    table: Box<[u8; TABLE_BYTES]>,
    /// The first one and the first two bytes of prefixes, each as a number, in order.
    beginnings: Vec<u32>,
}

impl Prefilter {
    /// Knows the first three bytes of these prefixes; shorter ones are not found.
    pub fn new<'a>(prefixes: impl Iterator<Item = &'a [u8]>) -> Prefilter {
        let prefixes: Vec<&[u8]> = prefixes.collect();
        let mut beginnings: Vec<u32> = prefixes
            .iter()
            .flat_map(|prefix| (1..WIDTH).filter_map(|length| prefix.get(..length)).map(number))
            .collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        let mut keys: Vec<[u8; WIDTH]> = prefixes
            .iter()
            .filter_map(|prefix| prefix.first_chunk().copied())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let mut table = Box::new([0; TABLE_BYTES]);
        for hash in keys.iter().filter_map(|bytes| key(bytes)).map(hash) {
            table[hash >> 3] |= 1 << (hash & 7);
        }
        Prefilter {
            blocks: Blocks::new(&keys),
            table,
            beginnings,
        }
    }

    /// Whether a prefix begins with all of `end`, which is shorter than [`WIDTH`]. May be wrong when it says yes.
    pub fn may_begin(&self, end: &[u8]) -> bool {
        self.beginnings.binary_search(&number(end)).is_ok()
    }

    /// The first place from `from` on where a prefix may begin.
    #[inline]
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let (block, mut places) = self.blocks.next(text, at);
            at = block;
            if places == 0 {
                break;
            }
            while places != 0 {
                let place = at + places.trailing_zeros() as usize;
                if self.is_known(&text[place..]) {
                    return Some(place);
                }
                places &= places - 1;
            }
            at += BLOCK;
        }
        let rest = text.get(at..)?;
        let found = rest.windows(WIDTH).position(|three| self.is_known(three));
        found.map(|found| at + found)
    }

    #[inline]
    fn is_known(&self, text: &[u8]) -> bool {
        key(text)
            .map(hash)
            .is_some_and(|hash| self.table[hash >> 3] >> (hash & 7) & 1 == 1)
    }
}

/// The first three bytes as one number.
pub fn key(text: &[u8]) -> Option<u32> {
    let [a, b, c] = text.first_chunk::<WIDTH>()?;
    Some(u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c))
}

/// A few bytes as one number.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(1, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Fibonacci hashing; 16 bits.
#[inline]
fn hash(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_every_prefix_is_found_in_text_of_any_length() {
        let rules = crate::rules::builtin();
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.prefix.as_slice()));
        for rule in &rules {
            for at in 0..40 {
                for behind in 0..20 {
                    let text = [&vec![b'.'; at], &rule.prefix[..], &vec![0xc3; behind]].concat();
                    assert_eq!(prefilter.next(&text, 0), Some(at), "{text:?}");
                    assert_eq!(prefilter.next(&text, at), Some(at), "{text:?}");
                }
            }
        }
        assert_eq!(prefilter.next(&[b'.'; 100], 0), None);
        assert_eq!(prefilter.next(b"sk-", 4), None);
    }
}
