//! Where this crate gets the time from, so that tests can move it; measuring how long a hook took is left to `hooks`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine's time, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<ClockHand>);

/// Moves a clock that was made by [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct ClockHand {
    start: Instant,
    start_unix_ms: u64,
    moved_ms: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's own clocks.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock that stands at `unix_ms` (milliseconds since 1970) until its hand is moved.
    pub fn by_hand(unix_ms: u64) -> (Clock, ClockHand) {
        let hand = ClockHand {
            start: Instant::now(),
            start_unix_ms: unix_ms,
            moved_ms: Arc::new(AtomicU64::new(0)),
        };
        (Clock(Some(hand.clone())), hand)
    }

    /// Never goes back.
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(hand) => hand.start + Duration::from_millis(hand.moved_ms.load(Ordering::Relaxed)),
        }
    }

    /// Milliseconds since 1970-01-01 UTC; may go back when the machine's clock is set.
    pub fn unix_ms(&self) -> u64 {
        match &self.0 {
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Some(hand) => hand
                .start_unix_ms
                .saturating_add(hand.moved_ms.load(Ordering::Relaxed)),
        }
    }
}

impl ClockHand {
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
