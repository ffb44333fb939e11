//! Sixteen places at a time: which of them may begin one of a few three-byte keys. The keys are put into eight groups; for
//! each half of a byte a table says in which groups' keys it occurs, and a place where some group has all six halves is
//! suspect ("Teddy", Hyperscan). May be wrong when it says yes, never when it says no.

use crate::prefilter::WIDTH;

/// Places looked at together.
pub const BLOCK: usize = 16;

/// Bytes that it takes to look at them.
pub const REACH: usize = BLOCK + WIDTH - 1;

const GROUPS: usize = 8;

/// A bit per group, by half a byte.
type Table = [u8; 16];

pub struct Blocks {
    /// For each of a key's bytes.
    low: [Table; WIDTH],
    high: [Table; WIDTH],
}

impl Blocks {
    /// `keys` are in order, so that alike ones share a group.
    pub fn new(keys: &[[u8; WIDTH]]) -> Blocks {
        let mut blocks = Blocks {
            low: [[0; 16]; WIDTH],
            high: [[0; 16]; WIDTH],
        };
        for (group, keys) in keys.chunks(keys.len().div_ceil(GROUPS).max(1)).enumerate() {
            for (place, byte) in keys.iter().flat_map(|key| key.iter().enumerate()) {
                blocks.low[place][usize::from(byte & 15)] |= 1 << group;
                blocks.high[place][usize::from(byte >> 4)] |= 1 << group;
            }
        }
        blocks
    }

    /// The next block from `at` on with a suspect place, and a bit for each of them, the lowest for the first. No bit:
    /// what is left there is too short for a block.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    pub fn next(&self, text: &[u8], mut at: usize) -> (usize, u16) {
        while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
            let places = self.suspects(bytes);
            if places != 0 {
                return (at, places);
            }
            at += BLOCK;
        }
        (at, 0)
    }

    /// One bit per suspect place. Without vectors, for tests on the machine that builds.
    #[cfg(not(target_arch = "wasm32"))]
    fn suspects(&self, text: &[u8; REACH]) -> u16 {
        let groups = |place: usize, byte: &u8| {
            self.low[place][usize::from(byte & 15)] & self.high[place][usize::from(byte >> 4)]
        };
        (0..BLOCK).fold(0, |found, at| {
            let key = text[at..at + WIDTH].iter().enumerate();
            let all = key.fold(u8::MAX, |all, (place, byte)| all & groups(place, byte));
            found | u16::from(all != 0) << at
        })
    }

    #[cfg(target_arch = "wasm32")]
    #[target_feature(enable = "simd128")]
    #[inline]
    fn suspects(&self, text: &[u8; REACH]) -> u16 {
        use std::arch::wasm32::{
            i8x16_bitmask, u8x16_ne, u8x16_splat, u8x16_swizzle, u16x8_shr, v128_and, v128_any_true,
        };
        let half = u8x16_splat(15);
        let groups = |place: usize| {
            let bytes = load(&text[place..]);
            let below = u8x16_swizzle(load(&self.low[place]), v128_and(bytes, half));
            let above = u8x16_swizzle(load(&self.high[place]), v128_and(u16x8_shr(bytes, 4), half));
            v128_and(below, above)
        };
        let all = v128_and(v128_and(groups(0), groups(1)), groups(2));
        if v128_any_true(all) {
            i8x16_bitmask(u8x16_ne(all, u8x16_splat(0)))
        } else {
            0
        }
    }
}

/// The first sixteen bytes as a vector; the compiler makes loads of it.
#[cfg(target_arch = "wasm32")]
#[target_feature(enable = "simd128")]
#[inline]
fn load(bytes: &[u8]) -> std::arch::wasm32::v128 {
    let bytes: &[u8; BLOCK] = bytes.first_chunk().expect("three blocks begin within `REACH`");
    let whole = u128::from_le_bytes(*bytes);
    std::arch::wasm32::u64x2(whole as u64, (whole >> 64) as u64)
}
