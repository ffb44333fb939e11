//! Capability `cache`: larger values by key, of one plugin, each caller's apart from every other's. What is not asked for
//! by the caller that it belongs to is not there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::bindings::penstock::plugin::cache as wit;
use crate::capabilities::store::{Key, Store};
use crate::clock::Clock;
use crate::guest::{Guest, Stage};

/// What an operator grants with it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct CacheTerms {
    /// What all entries of the plugin may take together, in bytes. Of its own: a plugin that fills its cache evicts
    /// nothing of another one.
    pub bytes: u64,
    /// Whether entries for `everyone` are allowed.
    pub everyone: bool,
}

impl CacheTerms {
    /// Less could not hold one answer.
    pub const LEAST_BYTES: u64 = 1 << 20;
}

impl Default for CacheTerms {
    fn default() -> CacheTerms {
        CacheTerms {
            bytes: 64 << 20,
            everyone: false,
        }
    }
}

const LONGEST_KEY: usize = 1 << 10;
const LONGEST_VERSION: usize = 64;
/// An entry may take this part of the cache, so that one alone cannot empty it.
const LARGEST_SHARE: u64 = 8;

/// The entries of one plugin.
pub struct Entries {
    store: Store<Place>,
    longest_value: usize,
}

/// Whose entry it is, and which.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    /// None for what everyone sees. A variant of its own: no caller's name can pass for it.
    caller: Option<Arc<str>>,
    version: Box<str>,
    key: Box<str>,
}

impl Key for Place {
    fn bytes(&self) -> usize {
        self.key.len() + self.version.len() + size_of::<Place>()
    }
}

impl Entries {
    pub fn new(clock: &Clock, bytes: u64) -> Entries {
        Entries {
            store: Store::new(clock, bytes),
            longest_value: usize::try_from(bytes / LARGEST_SHARE).unwrap_or(usize::MAX),
        }
    }

    fn get(&self, place: &Place) -> Option<Bytes> {
        self.store.get(place)
    }

    /// False, and nothing kept, for what is over its limit.
    fn put(&self, place: Place, value: Vec<u8>, ttl: Duration) -> bool {
        let fits = value.len() <= self.longest_value
            && place.key.len() <= LONGEST_KEY
            && place.version.len() <= LONGEST_VERSION;
        if fits {
            self.store.put(place, value, ttl);
        }
        fits
    }
}

/// The cache as one plugin may use it.
#[derive(Clone)]
pub struct Granted {
    pub entries: Arc<Entries>,
    pub everyone: bool,
}

impl Guest {
    /// The entries and the place in them; none where this guest may not ask for it now.
    fn place(&self, space: wit::Space, key: String) -> Option<(Arc<Entries>, Place)> {
        let granted = self.terms.cache.as_ref()?;
        let caller = match space.scope {
            wit::Scope::Caller if self.stage == Stage::None => return None,
            wit::Scope::Caller => Some(self.call.caller.clone()),
            wit::Scope::Everyone if granted.everyone => None,
            wit::Scope::Everyone => return None,
        };
        let place = Place {
            caller,
            version: space.version.into(),
            key: key.into(),
        };
        Some((granted.entries.clone(), place))
    }
}

impl wit::Host for Guest {
    fn get(&mut self, space: wit::Space, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge(0)?;
        let found = self
            .place(space, key)
            .and_then(|(entries, place)| entries.get(&place));
        Ok(found.map(Vec::from))
    }

    fn put(
        &mut self,
        space: wit::Space,
        key: String,
        value: Vec<u8>,
        ttl_ms: u32,
    ) -> wasmtime::Result<Result<(), wit::PutError>> {
        self.charge(value.len())?;
        let Some((entries, place)) = self.place(space, key) else {
            return Ok(Err(wit::PutError::NotAllowed));
        };
        let kept = entries.put(place, value, Duration::from_millis(ttl_ms.into()));
        Ok(if kept {
            Ok(())
        } else {
            Err(wit::PutError::TooLarge)
        })
    }

    fn delete(&mut self, space: wit::Space, key: String) -> wasmtime::Result<()> {
        self.charge(0)?;
        if let Some((entries, place)) = self.place(space, key) {
            entries.store.delete(&place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_END: Duration = Duration::ZERO;

    fn place(caller: Option<&str>, version: &str, key: &str) -> Place {
        Place {
            caller: caller.map(Arc::from),
            version: version.into(),
            key: key.into(),
        }
    }

    #[test]
    fn an_entry_is_found_by_its_caller_its_version_and_its_key_alone() {
        let entries = Entries::new(&Clock::system(), CacheTerms::LEAST_BYTES);
        assert!(entries.put(place(Some("a"), "1", "k"), vec![1], NO_END));
        assert_eq!(
            entries.get(&place(Some("a"), "1", "k")).as_deref(),
            Some(&[1][..])
        );
        for other in [
            place(Some("b"), "1", "k"),
            place(Some(""), "1", "k"),
            place(None, "1", "k"),
            place(Some("a"), "2", "k"),
            place(Some("a"), "1k", ""),
            place(Some("a1"), "", "k"),
        ] {
            assert_eq!(entries.get(&other), None);
        }
    }

    #[test]
    fn size_limits_hold_for_one_entry_and_for_all() {
        let bytes = CacheTerms::LEAST_BYTES;
        let entries = Entries::new(&Clock::system(), bytes);
        let largest = (bytes / LARGEST_SHARE) as usize;
        assert!(!entries.put(place(None, "", "k"), vec![0; largest + 1], NO_END));
        assert!(!entries.put(place(None, "", &"k".repeat(LONGEST_KEY + 1)), vec![], NO_END));
        assert!(!entries.put(place(None, &"v".repeat(LONGEST_VERSION + 1), "k"), vec![], NO_END));
        for i in 0..100 {
            assert!(entries.put(place(None, "", &i.to_string()), vec![0; largest], NO_END));
        }
        assert!(entries.store.weighed() <= bytes);
    }

    #[test]
    fn values_last_as_long_as_they_were_given() {
        let (clock, hand) = Clock::by_hand(0);
        let entries = Entries::new(&clock, CacheTerms::LEAST_BYTES);
        assert!(entries.put(place(Some("a"), "", "k"), vec![1], Duration::from_secs(60)));
        hand.advance(Duration::from_secs(59));
        assert!(entries.get(&place(Some("a"), "", "k")).is_some());
        hand.advance(Duration::from_secs(1));
        assert_eq!(entries.get(&place(Some("a"), "", "k")), None);
    }
}
