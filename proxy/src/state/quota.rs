//! How many records a second are written about what never became a request. A flood of it is counted, not written down:
//! whoever can open connections must not decide how fast a disk fills up.

use std::sync::atomic::{AtomicU64, Ordering};

/// Enough to see who does what, and at most some 400 MB a day.
const EACH_SECOND: u64 = 10;

/// The second of the last record and how many there were in it, in one number: whoever takes one sees both at once.
const COUNT_BITS: u32 = 16;

/// The records of this second, and what went without one.
#[derive(Debug, Default)]
pub struct Quota {
    second_and_count: AtomicU64,
    unrecorded: AtomicU64,
}

impl Quota {
    /// Whether a record may be written now; with it comes how many went without since the last one.
    pub fn take(&self, now_ms: u64) -> Option<u64> {
        let second = now_ms / 1000;
        let next = |last: u64| {
            let count = match last >> COUNT_BITS == second {
                true => last & ((1 << COUNT_BITS) - 1),
                false => 0,
            };
            (count < EACH_SECOND).then_some(second << COUNT_BITS | (count + 1))
        };
        let taken = self
            .second_and_count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        match taken {
            Ok(_) => Some(self.unrecorded.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.unrecorded.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_without_a_record_is_told_by_the_next_one() {
        let quota = Quota::default();
        let now_ms = 1_800_000_000_000;
        let taken = (0..25).filter(|_| quota.take(now_ms).is_some()).count();
        assert_eq!(taken, 10);
        assert_eq!(quota.take(now_ms + 999), None);
        assert_eq!(quota.take(now_ms + 1000), Some(16));
        assert_eq!(quota.take(now_ms + 1000), Some(0));
    }

    #[test]
    fn many_at_once_lose_no_count() {
        let quota = Quota::default();
        let one = || {
            (0..1000)
                .filter_map(|_| quota.take(5000))
                .fold((0, 0), |(n, sum), more| (n + 1, sum + more))
        };
        let all: Vec<(u64, u64)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let recorded: u64 = all.iter().map(|(recorded, _)| recorded).sum();
        let told: u64 = all.iter().map(|(_, told)| told).sum();
        assert_eq!(recorded, 10);
        assert_eq!(told + quota.take(6000).unwrap(), 4000 - 10);
    }
}
