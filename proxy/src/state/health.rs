//! How each target and credential has been doing lately: attempts under way, first-byte time, failures in a row, and
//! how long to leave it alone. Kept by target id, so it survives a change of configuration.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use moka::sync::Cache;

use crate::state::clock;

/// Targets whose numbers are kept at once; more than any sane config, less than memory cares about.
const MOST_TARGETS: u64 = 10_000;

/// Weight of a new first-byte time in the moving average: 1/8, as TCP smooths its round-trip time (RFC 6298).
const SMOOTHING_SHIFT: u32 = 3;

/// The health of all targets.
#[derive(Debug)]
pub struct Health {
    targets: Cache<Arc<str>, Arc<TargetHealth>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            targets: Cache::new(MOST_TARGETS),
        }
    }
}

impl Health {
    /// The numbers of one target, or of one credential of a provider, named by its id.
    pub fn of(&self, id: &Arc<str>) -> Arc<TargetHealth> {
        match self.targets.get(id) {
            Some(health) => health,
            None => self.targets.get_with(id.clone(), Arc::default),
        }
    }
}

/// A target's or credential's place for its numbers, found once.
#[derive(Clone, Debug, Default)]
pub struct HealthHandle(OnceLock<Arc<TargetHealth>>);

impl HealthHandle {
    /// The numbers under `id`, looked up on first use.
    pub fn find(&self, health: &Health, id: impl FnOnce() -> Arc<str>) -> &Arc<TargetHealth> {
        self.0.get_or_init(|| health.of(&id()))
    }
}

/// One target's numbers. All are hints for routing: relaxed atomics, no lock.
#[derive(Debug, Default)]
pub struct TargetHealth {
    in_flight: AtomicU32,
    /// Microseconds; 0 is unknown.
    first_byte_us: AtomicU32,
    failures: AtomicU32,
    /// Milliseconds since 1970.
    resting_until_ms: AtomicU64,
}

impl TargetHealth {
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn first_byte_us(&self) -> Option<u32> {
        Some(self.first_byte_us.load(Ordering::Relaxed)).filter(|us| *us > 0)
    }

    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    pub fn succeeded(&self, first_byte: Duration) {
        let sample = u32::try_from(first_byte.as_micros()).unwrap_or(u32::MAX).max(1);
        let smoothed = match self.first_byte_us.load(Ordering::Relaxed) {
            0 => sample,
            old => old - (old >> SMOOTHING_SHIFT) + (sample >> SMOOTHING_SHIFT),
        };
        self.first_byte_us.store(smoothed.max(1), Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.resting_until_ms.store(0, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        let saturating = |failures: u32| failures.checked_add(1);
        let _ = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, saturating);
    }

    /// Leaves it alone for as long as it asked (`Retry-After`).
    pub fn rest(&self, how_long: Duration) {
        let ms = u64::try_from(how_long.as_millis()).unwrap_or(u64::MAX);
        self.resting_until_ms
            .store(clock::now_ms().saturating_add(ms), Ordering::Relaxed);
    }

    pub fn is_resting(&self, now_ms: u64) -> bool {
        self.rest_left(now_ms).is_some()
    }

    /// What is left of its rest.
    pub fn rest_left(&self, now_ms: u64) -> Option<Duration> {
        let until = self.resting_until_ms.load(Ordering::Relaxed);
        (until > now_ms).then(|| Duration::from_millis(until - now_ms))
    }
}

/// One attempt under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<TargetHealth>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_until_it_is_dropped() {
        let health = Arc::new(TargetHealth::default());
        let under_way = health.begin();
        assert_eq!(health.in_flight(), 1);
        drop(under_way);
        assert_eq!(health.in_flight(), 0);
    }

    #[test]
    fn a_success_ends_a_row_of_failures() {
        let health = TargetHealth::default();
        health.failed();
        health.failed();
        assert_eq!(health.failures(), 2);
        health.succeeded(Duration::from_millis(2));
        assert_eq!((health.failures(), health.first_byte_us()), (0, Some(2000)));
    }

    #[test]
    fn a_rest_ends_when_its_time_has_come() {
        let health = TargetHealth::default();
        health.rest(Duration::from_secs(60));
        assert!(health.is_resting(clock::now_ms()));
        assert!(!health.is_resting(clock::now_ms() + 61_000));
    }
}
