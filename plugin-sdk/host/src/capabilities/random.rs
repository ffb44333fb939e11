//! Capability `random`: fast numbers for sampling and spreading; not for keys.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::bindings::penstock::plugin::random as wit;
use crate::guest::Guest;

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and two multiplications a number, any seed is good.
pub struct Numbers(u64);

impl Numbers {
    /// Seeded from the system's randomness, by way of the standard library's hash keys.
    pub fn seeded() -> Numbers {
        Numbers(RandomState::new().build_hasher().finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl wit::Host for Guest {
    fn next(&mut self) -> wasmtime::Result<u64> {
        self.charge(0)?;
        Ok(self.numbers.next())
    }
}
