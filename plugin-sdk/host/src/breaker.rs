//! Counts what a plugin's failures cost, and says when it is not to be called for a while.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::clock::Clock;
use crate::limits::Trips;
use crate::pool::unpoisoned;

/// Open once `trips.count` failures came within `trips.per` of the first of them, until that time is over.
pub struct Breaker {
    trips: Trips,
    clock: Clock,
    /// What every call reads; the rest is looked at only where this is set.
    open: AtomicBool,
    window: Mutex<Option<Window>>,
}

struct Window {
    start: Instant,
    failures: u32,
}

impl Breaker {
    pub fn new(trips: Trips, clock: Clock) -> Breaker {
        Breaker {
            trips,
            clock,
            open: AtomicBool::new(false),
            window: Mutex::new(None),
        }
    }

    pub fn is_open(&self) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return false;
        }
        let mut window = unpoisoned(&self.window);
        let over = window.as_ref().is_none_or(|window| self.is_over(window));
        if over {
            *window = None;
            self.open.store(false, Ordering::Relaxed);
        }
        !over
    }

    /// True where this failure is the one that opens it.
    pub fn count_failure(&self) -> bool {
        if self.trips.count == 0 {
            return false;
        }
        let mut window = unpoisoned(&self.window);
        let current = match window.take().filter(|window| !self.is_over(window)) {
            Some(Window { start, failures }) => Window {
                start,
                failures: failures.saturating_add(1),
            },
            None => Window {
                start: self.clock.now(),
                failures: 1,
            },
        };
        let opens = current.failures == self.trips.count;
        if opens {
            self.open.store(true, Ordering::Relaxed);
        }
        *window = Some(current);
        opens
    }

    fn is_over(&self, window: &Window) -> bool {
        self.clock.now().saturating_duration_since(window.start) >= self.trips.per
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn opens_at_the_last_failure_and_closes_with_the_window() {
        let (clock, hand) = Clock::by_hand(0);
        let breaker = Breaker::new(
            Trips {
                count: 2,
                per: Duration::from_secs(60),
            },
            clock,
        );
        assert!(!breaker.count_failure());
        assert!(!breaker.is_open());
        hand.advance(Duration::from_secs(59));
        assert!(breaker.count_failure());
        assert!(breaker.is_open());
        hand.advance(Duration::from_secs(1));
        assert!(!breaker.is_open());
        assert!(!breaker.count_failure());
    }

    #[test]
    fn failures_further_apart_than_the_window_never_open_it() {
        let (clock, hand) = Clock::by_hand(0);
        let breaker = Breaker::new(
            Trips {
                count: 2,
                per: Duration::from_secs(60),
            },
            clock,
        );
        for _ in 0..10 {
            assert!(!breaker.count_failure());
            hand.advance(Duration::from_secs(60));
        }
        assert!(!breaker.is_open());
    }
}
