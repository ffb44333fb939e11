//! Where a secret could begin: one look into an 8 KiB table for each byte of text, whatever the number of rules. And what
//! could be a prefix that the end of the text cuts.

/// Bits of a three-byte key's hash: 64 Ki, so that thirty rules hit ordinary text by chance once in 2000 bytes.
const TABLE_BYTES: usize = 1 << 13;

/// How much of a prefix is looked at.
pub const WIDTH: usize = 3;

pub struct Prefilter {
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
        let mut table = Box::new([0; TABLE_BYTES]);
        for key in prefixes.into_iter().filter_map(key) {
            let hash = hash(key);
            table[hash >> 3] |= 1 << (hash & 7);
        }
        Prefilter { table, beginnings }
    }

    /// Whether a prefix begins with all of `end`, which is shorter than [`WIDTH`]. May be wrong when it says yes.
    pub fn may_begin(&self, end: &[u8]) -> bool {
        self.beginnings.binary_search(&number(end)).is_ok()
    }

    /// The first place from `from` on where a prefix may begin.
    #[inline]
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let tail = text.get(from..)?;
        // four places at a time: the branch, and the host's check for a deadline, come once for them
        let mut at = 0;
        while let Some([a, b, c, d, e, f]) = tail.get(at..).and_then(|rest| rest.first_chunk()) {
            let (ab, cd) = (pair(*a, *b), pair(*c, *d));
            let (bc, de) = (pair(*b, *c), pair(*d, *e));
            let any = self.bit(ab << 8 | u32::from(*c))
                | self.bit(bc << 8 | u32::from(*d))
                | self.bit(cd << 8 | u32::from(*e))
                | self.bit(de << 8 | u32::from(*f));
            if any & 1 == 1 {
                break;
            }
            at += 4;
        }
        let found = tail[at..]
            .windows(WIDTH)
            .position(|three| key(three).is_some_and(|key| self.bit(key) & 1 == 1));
        found.map(|found| from + at + found)
    }

    /// The table's bit for a key, lowest; the others are noise.
    #[inline]
    fn bit(&self, key: u32) -> u8 {
        let hash = hash(key);
        self.table[hash >> 3] >> (hash & 7)
    }
}

fn pair(first: u8, second: u8) -> u32 {
    u32::from(first) << 8 | u32::from(second)
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
