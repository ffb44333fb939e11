//! Capability `metrics`: counters that the plugin names; showing them to a scraper is left to the gateway.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bindings::penstock::plugin::metrics as wit;
use crate::guest::Guest;
use crate::pool::{unpoisoned_read, unpoisoned_write};

/// Every name is a time series in every scraper, for ever.
const MOST_NAMES: usize = 64;
const LONGEST_NAME: usize = 64;

/// The counters of one plugin, declared by their first use.
#[derive(Default)]
pub struct Counted(RwLock<HashMap<Box<str>, AtomicU64>>);

impl Counted {
    /// A name that cannot be a metric's, or one too many, counts nothing.
    pub fn add(&self, name: &str, amount: u64) {
        if let Some(counter) = unpoisoned_read(&self.0).get(name) {
            return add_saturating(counter, amount);
        }
        if !is_metric_name(name) {
            return;
        }
        let mut counters = unpoisoned_write(&self.0);
        if counters.len() < MOST_NAMES || counters.contains_key(name) {
            add_saturating(counters.entry(name.into()).or_default(), amount);
        }
    }

    /// All counters by name.
    pub fn snapshot(&self) -> Vec<(String, u64)> {
        let counters = unpoisoned_read(&self.0);
        let mut all: Vec<_> = counters
            .iter()
            .map(|(name, count)| (name.to_string(), count.load(Ordering::Relaxed)))
            .collect();
        all.sort();
        all
    }
}

fn add_saturating(counter: &AtomicU64, amount: u64) {
    // a counter that went backwards would look like a restart
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
        Some(sum.saturating_add(amount))
    });
}

fn is_metric_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(allowed)
}

impl wit::Host for Guest {
    fn add(&mut self, name: String, amount: u64) -> wasmtime::Result<()> {
        self.charge_telling(0)?;
        self.granted.metrics.add(&name, amount);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_name_and_refuses_what_would_grow_without_bound() {
        let counted = Counted::default();
        counted.add("hits", 2);
        counted.add("hits", u64::MAX);
        for bad in ["", "Hits", "1st", "a b", "é", &"x".repeat(65)] {
            counted.add(bad, 1);
        }
        assert_eq!(counted.snapshot(), [("hits".to_owned(), u64::MAX)]);
        for i in 0..1000 {
            counted.add(&format!("name_{i}"), 1);
        }
        assert_eq!(counted.snapshot().len(), MOST_NAMES);
    }
}
