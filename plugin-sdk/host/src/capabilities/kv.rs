//! Capability `kv`: small values by name, of one plugin, in memory; lost at a restart and evicted when there is no room.

use std::time::Duration;

use bytes::Bytes;

use crate::bindings::penstock::plugin::kv as wit;
use crate::capabilities::store::{Key, Store};
use crate::clock::Clock;
use crate::guest::Guest;

/// What all values and keys of one plugin may take; at least 256 bytes each, so there are 32768 at most.
const MOST_BYTES: u64 = 8 << 20;
/// Larger values belong into `cache`.
const LONGEST_VALUE: usize = 64 << 10;
const LONGEST_KEY: usize = 256;

/// The entries of one plugin.
pub struct Entries(Store<Box<str>>);

impl Key for Box<str> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Entries {
    pub fn new(clock: &Clock) -> Entries {
        Entries(Store::new(clock, MOST_BYTES))
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)
    }

    /// False, and nothing kept, for a key or a value over its limit. A `ttl` of 0 stays until it is evicted.
    pub fn put(&self, key: String, value: Vec<u8>, ttl: Duration) -> bool {
        if key.len() > LONGEST_KEY || value.len() > LONGEST_VALUE {
            return false;
        }
        self.0.put(key.into(), value, ttl);
        true
    }

    pub fn delete(&self, key: &str) {
        self.0.delete(key);
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
        assert!(entries.0.weighed() <= MOST_BYTES);
    }
}
