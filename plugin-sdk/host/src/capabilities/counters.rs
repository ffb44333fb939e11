//! Capability `counters`: take and give within a fixed window, atomically, of one plugin.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::bindings::penstock::plugin::counters as wit;
use crate::clock::Clock;
use crate::guest::Guest;
use crate::pool::unpoisoned;

/// Keys of one plugin at a time, about 100 bytes each and their key. When all of them count, a new one takes nothing:
/// evicting one would forget what it has limited.
const MOST_KEYS: usize = 10_000;
const LONGEST_KEY: usize = 256;
/// Looking for windows that are over reads every key, so it is done this often at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The counters of one plugin.
pub struct Windows {
    clock: Clock,
    windows: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_name: HashMap<Box<str>, Window>,
    swept: Option<Instant>,
}

struct Window {
    start: Instant,
    /// None never ends by itself: for what is given back, such as calls at a time.
    length: Option<Duration>,
    sum: u64,
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        self.length.map_or(self.sum == 0, |length| elapsed >= length)
    }
}

impl Windows {
    pub fn new(clock: &Clock) -> Windows {
        Windows {
            clock: clock.clone(),
            windows: Mutex::default(),
        }
    }

    /// The sum after adding `amount`; none, and nothing added, where it would pass `limit`. A window begins with the
    /// first take; a `length` of 0 never ends.
    pub fn take(&self, key: &str, amount: u64, limit: u64, length: Duration) -> Option<u64> {
        let now = self.clock.now();
        let length = (!length.is_zero()).then_some(length);
        let mut keys = unpoisoned(&self.windows);
        if let Some(window) = keys.by_name.get_mut(key) {
            if window.is_over(now) {
                *window = Window {
                    start: now,
                    length,
                    sum: 0,
                };
            }
            let sum = window.sum.checked_add(amount).filter(|sum| *sum <= limit)?;
            window.sum = sum;
            return Some(sum);
        }
        if amount > limit || key.len() > LONGEST_KEY || !keys.have_room(now) {
            return None;
        }
        keys.by_name.insert(
            key.into(),
            Window {
                start: now,
                length,
                sum: amount,
            },
        );
        Some(amount)
    }

    /// Takes `amount` back from the running window, down to 0.
    pub fn give(&self, key: &str, amount: u64) {
        let now = self.clock.now();
        if let Some(window) = unpoisoned(&self.windows)
            .by_name
            .get_mut(key)
            .filter(|window| !window.is_over(now))
        {
            window.sum = window.sum.saturating_sub(amount);
        }
    }
}

impl Keys {
    fn have_room(&mut self, now: Instant) -> bool {
        let swept_lately = self
            .swept
            .is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP_EVERY);
        if self.by_name.len() >= MOST_KEYS && !swept_lately {
            self.swept = Some(now);
            self.by_name.retain(|_, window| !window.is_over(now));
        }
        self.by_name.len() < MOST_KEYS
    }
}

impl wit::Host for Guest {
    fn take(
        &mut self,
        key: String,
        amount: u64,
        limit: u64,
        window_ms: u32,
    ) -> wasmtime::Result<Option<u64>> {
        self.charge(0)?;
        Ok(self
            .granted
            .counters
            .take(&key, amount, limit, Duration::from_millis(window_ms.into())))
    }

    fn give(&mut self, key: String, amount: u64) -> wasmtime::Result<()> {
        self.charge(0)?;
        self.granted.counters.give(&key, amount);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn takes_up_to_the_limit_and_again_in_the_next_window() {
        let (clock, hand) = Clock::by_hand(0);
        let windows = Windows::new(&clock);
        assert_eq!(windows.take("k", 3, 5, MINUTE), Some(3));
        assert_eq!(windows.take("k", 3, 5, MINUTE), None);
        assert_eq!(windows.take("k", 2, 5, MINUTE), Some(5));
        assert_eq!(windows.take("k", u64::MAX, u64::MAX, MINUTE), None);
        windows.give("k", 4);
        assert_eq!(windows.take("k", 0, 5, MINUTE), Some(1));
        windows.give("k", 400);
        assert_eq!(windows.take("k", 0, 5, MINUTE), Some(0));
        hand.advance(MINUTE);
        assert_eq!(windows.take("k", 5, 5, MINUTE), Some(5));
        assert_eq!(windows.take("other", 6, 5, MINUTE), None);
    }

    #[test]
    fn without_a_window_only_giving_makes_room() {
        let (clock, hand) = Clock::by_hand(0);
        let windows = Windows::new(&clock);
        assert_eq!(windows.take("k", 1, 1, Duration::ZERO), Some(1));
        hand.advance(MINUTE * 1_000_000);
        assert_eq!(windows.take("k", 1, 1, Duration::ZERO), None);
        windows.give("k", 1);
        assert_eq!(windows.take("k", 1, 1, Duration::ZERO), Some(1));
    }

    #[test]
    fn keys_are_bounded_and_those_that_count_stay() {
        let (clock, hand) = Clock::by_hand(0);
        let windows = Windows::new(&clock);
        for i in 0..MOST_KEYS {
            assert_eq!(windows.take(&i.to_string(), 1, 1, MINUTE), Some(1));
        }
        assert_eq!(windows.take("one more", 1, 1, MINUTE), None);
        assert_eq!(windows.take("0", 1, 1, MINUTE), None);
        hand.advance(MINUTE);
        assert_eq!(windows.take("one more", 1, 1, MINUTE), Some(1));
    }
}
