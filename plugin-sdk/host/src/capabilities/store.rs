//! Values with a time to live, weighed by their bytes, evicted when there is no room. What the keys mean, and who may use
//! them, is left to the capabilities.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::sync::Cache;

use crate::clock::Clock;

/// Each entry costs at least this much of a store's size, which bounds their number: moka's own bookkeeping.
pub const LEAST_ENTRY: usize = 256;

/// A key's own bytes.
pub trait Key: Hash + Eq + Send + Sync + 'static {
    fn bytes(&self) -> usize;
}

/// Entries up to a total of bytes.
pub struct Store<K> {
    cache: Cache<K, Entry>,
    clock: Clock,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    /// None stays until it is evicted.
    until: Option<Instant>,
    lives: Option<Duration>,
}

impl<K: Key> Store<K> {
    pub fn new(clock: &Clock, most_bytes: u64) -> Store<K> {
        let cache = Cache::<K, Entry>::builder()
            .max_capacity(most_bytes)
            .weigher(|key, entry| weight(key, entry))
            .expire_after(Lifetime)
            .build();
        Store {
            cache,
            clock: clock.clone(),
        }
    }

    pub fn get<Q>(&self, key: &Q) -> Option<Bytes>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.cache.get(key)?;
        // moka's own clock frees the memory; what the plugin sees follows ours
        let over = entry.until.is_some_and(|until| self.clock.now() >= until);
        (!over).then_some(entry.value)
    }

    /// A `ttl` of 0 stays until it is evicted.
    pub fn put(&self, key: K, value: Vec<u8>, ttl: Duration) {
        let lives = (!ttl.is_zero()).then_some(ttl);
        let until = lives.and_then(|lives| self.clock.now().checked_add(lives));
        self.cache.insert(
            key,
            Entry {
                value: value.into(),
                until,
                lives,
            },
        );
    }

    pub fn delete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.cache.invalidate(key);
    }

    /// What all entries weigh, once evictions have caught up.
    #[cfg(test)]
    pub fn weighed(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.weighted_size()
    }
}

fn weight(key: &impl Key, entry: &Entry) -> u32 {
    let bytes = key.bytes() + entry.value.len() + LEAST_ENTRY;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Frees an entry when its time is over.
struct Lifetime;

impl<K> Expiry<K, Entry> for Lifetime {
    fn expire_after_create(&self, _: &K, entry: &Entry, _: Instant) -> Option<Duration> {
        entry.lives
    }

    fn expire_after_update(&self, _: &K, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        entry.lives
    }
}
