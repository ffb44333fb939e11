//! What the process carries at this moment, against the limits of the snapshot: connections, requests, body memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that never passes a limit that the taker names. Limits come from the snapshot, so they may change between
/// two takes; what is held stays held.
#[derive(Debug, Default)]
pub struct Gauge(AtomicUsize);

impl Gauge {
    /// Takes `amount` if the sum stays at or under `limit`.
    pub fn take(self: &Arc<Self>, amount: usize, limit: usize) -> Option<Held> {
        self.grow(amount, limit).then(|| Held {
            gauge: self.clone(),
            amount,
        })
    }

    pub fn value(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn grow(&self, amount: usize, limit: usize) -> bool {
        let fits = |held: usize| held.checked_add(amount).filter(|sum| *sum <= limit);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }
}

/// A share of a gauge, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    gauge: Arc<Gauge>,
    amount: usize,
}

impl Held {
    /// Holds `more` on top, if that stays at or under `limit`.
    pub fn grow(&mut self, more: usize, limit: usize) -> bool {
        let grown = self.gauge.grow(more, limit);
        if grown {
            self.amount += more;
        }
        grown
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

/// The process's gauges.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections: Arc<Gauge>,
    pub requests: Arc<Gauge>,
    pub body_memory: Arc<Gauge>,
    /// Connections over the limit that are being told so.
    pub turned_away: Arc<Gauge>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let gauge = Arc::new(Gauge::default());
        let held = gauge.take(3, 4).unwrap();
        assert!(gauge.take(2, 4).is_none());
        drop(held);
        assert!(gauge.take(4, 4).is_some());
        assert_eq!(gauge.value(), 0);
    }

    #[test]
    fn a_share_grows_only_within_the_limit() {
        let gauge = Arc::new(Gauge::default());
        let mut held = gauge.take(3, 4).unwrap();
        assert!(held.grow(1, 4));
        assert!(!held.grow(1, 4));
        drop(held);
        assert_eq!(gauge.value(), 0);
    }
}
