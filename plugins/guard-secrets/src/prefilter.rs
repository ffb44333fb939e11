//! Where a secret could begin: one look into an 8 KiB table for each byte of text, whatever the number of rules.

/// Bits of a three-byte key's hash: 64 Ki, so that thirty rules hit ordinary text by chance once in 2000 bytes.
const TABLE_BYTES: usize = 1 << 13;

/// How much of a prefix is looked at.
pub const WIDTH: usize = 3;

pub struct Prefilter {
    table: Box<[u8; TABLE_BYTES]>,
}

impl Prefilter {
    /// Knows the first three bytes of these prefixes; shorter ones are not found.
    pub fn new<'a>(prefixes: impl Iterator<Item = &'a [u8]>) -> Prefilter {
        let mut table = Box::new([0; TABLE_BYTES]);
        for key in prefixes.filter_map(key) {
            let hash = hash(key);
            table[hash >> 3] |= 1 << (hash & 7);
        }
        Prefilter { table }
    }

    /// The first place from `from` on where a prefix may begin.
    #[inline]
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let tail = text.get(from..).filter(|tail| tail.len() >= WIDTH)?;
        let mut key = u32::from(tail[0]) << 8 | u32::from(tail[1]);
        for (at, byte) in tail[2..].iter().enumerate() {
            key = (key << 8 | u32::from(*byte)) & 0x00ff_ffff;
            let hash = hash(key);
            if self.table[hash >> 3] >> (hash & 7) & 1 == 1 {
                return Some(from + at);
            }
        }
        None
    }
}

/// The first three bytes as one number.
pub fn key(text: &[u8]) -> Option<u32> {
    let [a, b, c] = text.first_chunk::<WIDTH>()?;
    Some(u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c))
}

/// Fibonacci hashing; 16 bits.
#[inline]
fn hash(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 16) as usize
}
