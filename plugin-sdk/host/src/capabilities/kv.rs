//! Capability `kv`: bytes by name, of one plugin, in memory; lost at a restart and evicted when there is no room.

use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::sync::Cache;

use crate::bindings::penstock::plugin::kv as wit;
use crate::clock::Clock;
use crate::guest::Guest;

/// What all values and keys of one plugin may take.
const MOST_BYTES: u64 = 8 << 20;
/// Each entry costs at least this much of `MOST_BYTES`, which bounds their number at 32768: moka's own bookkeeping.
const LEAST_ENTRY: u64 = 256;
/// Larger values belong into a store of their own.
const LONGEST_VALUE: usize = 64 << 10;
const LONGEST_KEY: usize = 256;

/// The entries of one plugin.
pub struct Entries {
    cache: Cache<Box<str>, Entry>,
    clock: Clock,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    /// None stays until it is evicted.
    until: Option<Instant>,
    lives: Option<Duration>,
}

impl Entries {
    pub fn new(clock: &Clock) -> Entries {
        let cache = Cache::<Box<str>, Entry>::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|key, entry| weight(key, entry))
            .expire_after(Lifetime)
            .build();
        Entries {
            cache,
            clock: clock.clone(),
        }
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.cache.get(key)?;
        // moka's own clock frees the memory; what the plugin sees follows ours
        let over = entry.until.is_some_and(|until| self.clock.now() >= until);
        (!over).then_some(entry.value)
    }

    /// False, and nothing kept, for a key or a value over its limit. A `ttl` of 0 stays until it is evicted.
    pub fn put(&self, key: String, value: Vec<u8>, ttl: Duration) -> bool {
        if key.len() > LONGEST_KEY || value.len() > LONGEST_VALUE {
            return false;
        }
        let lives = (!ttl.is_zero()).then_some(ttl);
        let until = lives.and_then(|lives| self.clock.now().checked_add(lives));
        self.cache.insert(
            key.into(),
            Entry {
                value: value.into(),
                until,
                lives,
            },
        );
        true
    }

    pub fn delete(&self, key: &str) {
        self.cache.invalidate(key);
    }
}

fn weight(key: &str, entry: &Entry) -> u32 {
    let bytes = (key.len() + entry.value.len()) as u64 + LEAST_ENTRY;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Frees an entry when its time is over.
struct Lifetime;

impl Expiry<Box<str>, Entry> for Lifetime {
    fn expire_after_create(&self, _: &Box<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        entry.lives
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        entry.lives
    }
}

impl wit::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge(0)?;
        Ok(self.granted.kv.get(&key).map(Vec::from))
    }

    fn put(&mut self, key: String, value: Vec<u8>, ttl_ms: u32) -> wasmtime::Result<bool> {
        self.charge(value.len())?;
        Ok(self
            .granted
            .kv
            .put(key, value, Duration::from_millis(ttl_ms.into())))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge(0)?;
        self.granted.kv.delete(&key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_END: Duration = Duration::ZERO;

    #[test]
    fn values_last_as_long_as_they_were_given() {
        let (clock, hand) = Clock::by_hand(0);
        let entries = Entries::new(&clock);
        assert!(entries.put("a".into(), vec![1], Duration::from_secs(3600)));
        assert!(entries.put("b".into(), vec![2], NO_END));
        hand.advance(Duration::from_secs(3599));
        assert_eq!(entries.get("a").as_deref(), Some(&[1][..]));
        hand.advance(Duration::from_secs(1));
        assert_eq!(entries.get("a"), None);
        assert_eq!(entries.get("b").as_deref(), Some(&[2][..]));
        entries.delete("b");
        assert_eq!(entries.get("b"), None);
    }

    #[test]
    fn size_limits_hold_for_one_value_and_for_all() {
        let entries = Entries::new(&Clock::system());
        assert!(!entries.put("k".into(), vec![0; LONGEST_VALUE + 1], NO_END));
        assert!(!entries.put("k".repeat(LONGEST_KEY + 1), vec![], NO_END));
        for i in 0..1000 {
            assert!(entries.put(i.to_string(), vec![0; LONGEST_VALUE], NO_END));
        }
        entries.cache.run_pending_tasks();
        assert!(entries.cache.weighted_size() <= MOST_BYTES);
    }
}
