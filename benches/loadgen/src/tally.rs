//! What a run has counted so far. Only answers and events inside the measured window go into the figures; every request
//! goes into the error count.

use std::collections::BTreeMap;

use crate::answer::Failure;

/// Exact samples are kept, four bytes each; a run that would need more than this is too long to be read anyway.
const MAX_SAMPLES: usize = 20_000_000;

#[derive(Default)]
pub struct Tally {
    /// between the end of the warm-up and the end of the run
    pub measuring: bool,
    /// every request that was sent, warm-up included
    pub sent: u64,
    pub requests: u64,
    pub events: u64,
    /// microseconds from the intended moment of sending to the end of the answer
    pub totals_us: Vec<u32>,
    /// the same to the first byte
    pub first_bytes_us: Vec<u32>,
    /// provider's write to our read, per stamped event
    pub event_delays_us: Vec<u32>,
    pub failures: BTreeMap<Failure, u64>,
}

impl Tally {
    pub fn answered(&mut self, first_byte_us: u32, total_us: u32) {
        if self.measuring && self.totals_us.len() < MAX_SAMPLES {
            self.requests += 1;
            self.totals_us.push(total_us);
            self.first_bytes_us.push(first_byte_us);
        }
    }

    /// `delays_us` is emptied.
    pub fn events(&mut self, count: u64, delays_us: &mut Vec<u32>) {
        if self.measuring && self.event_delays_us.len() < MAX_SAMPLES {
            self.events += count;
            self.event_delays_us.append(delays_us);
        }
        delays_us.clear();
    }

    pub fn failed(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }
}
