//! Where a body is cut on its way: at every kind of place where a careless reader goes wrong, and at random ones that are
//! the same in every run.

/// A body in pieces, under a name for messages.
pub struct Cut {
    pub name: String,
    pub pieces: Vec<Vec<u8>>,
}

/// Bodies up to here are also sent byte by byte.
const SMALL: usize = 3000;

/// Every way that a body is cut in these tests.
pub fn all(body: &[u8]) -> Vec<Cut> {
    let mut cuts = vec![
        at("whole", body, |_| false),
        at("within words and characters", body, |i| is_awkward(body, i)),
    ];
    if body.len() <= SMALL {
        cuts.push(at("byte by byte", body, |_| true));
    }
    for seed in 1..=3 {
        cuts.push(random(body, seed));
    }
    cuts
}

/// Pieces of 1 to 60 bytes.
pub fn random(body: &[u8], seed: u64) -> Cut {
    let mut random = Random(seed);
    let mut next = random.below(60);
    let is_cut = |i: usize| {
        let is_cut = i == next + 1;
        if is_cut {
            next = i + random.below(60);
        }
        is_cut
    };
    at(&format!("at random, seed {seed}"), body, is_cut)
}

fn at(name: &str, body: &[u8], mut is_cut: impl FnMut(usize) -> bool) -> Cut {
    let mut pieces = Vec::new();
    let mut start = 0;
    for i in 1..body.len() {
        if is_cut(i) {
            pieces.push(body[start..i].to_vec());
            start = i;
        }
    }
    pieces.push(body[start..].to_vec());
    pieces.retain(|piece| !piece.is_empty());
    Cut {
        name: name.to_owned(),
        pieces,
    }
}

/// Inside a character of several bytes, between CR and LF, between the two ends of an event, in the middle of `data:`,
/// behind a backslash, before a quote.
fn is_awkward(body: &[u8], i: usize) -> bool {
    let (before, after) = (body[i - 1], body[i]);
    let in_character = (0x80..0xc0).contains(&after);
    let in_line_end = after == b'\n' && matches!(before, b'\r' | b'\n');
    let in_word = body[..i].ends_with(b"da") && body[i..].starts_with(b"ta");
    let in_escape = before == b'\\' || body[..i].ends_with(b"\\u");
    let in_done = body[..i].ends_with(b"[DO");
    in_character || in_line_end || in_word || in_escape || in_done || (after == b'"' && i.is_multiple_of(7))
}

/// SplitMix64: a generator of one line is random enough for places to cut.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).expect("below a usize")
    }
}
