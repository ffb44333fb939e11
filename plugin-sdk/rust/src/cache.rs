//! Capability `cache`: larger values by key, kept from one call to the next and over a swap of the component. `kv` is for
//! what the plugin knows and all callers may meet; what comes of calls belongs here, where each caller has its own.
//!
//! ```no_run
//! use penstock_plugin::cache::Cache;
//!
//! // change the version when what the values mean changes
//! let verdicts = Cache::of_caller("1");
//! if verdicts.get("key").is_none() {
//!     let _ = verdicts.put("key", b"value", 60_000);
//! }
//! ```

use crate::bindings::capabilities::penstock::plugin::cache as raw;

pub use raw::PutError;
use raw::{Scope, Space};

/// One part of the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache(Space);

impl Cache {
    /// The entries of the caller whose call is running: no other caller's can be met.
    pub fn of_caller(version: impl Into<String>) -> Cache {
        Cache(Space {
            scope: Scope::Caller,
            version: version.into(),
        })
    }

    /// Entries that every caller meets, where the operator allows it: only for what says nothing about any of them.
    pub fn of_everyone(version: impl Into<String>) -> Cache {
        Cache(Space {
            scope: Scope::Everyone,
            version: version.into(),
        })
    }

    /// The value, if it is still there.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        raw::get(&self.0, key)
    }

    /// Keeps a value for so long, or until it is evicted where `ttl_ms` is 0.
    pub fn put(&self, key: &str, value: &[u8], ttl_ms: u32) -> Result<(), PutError> {
        raw::put(&self.0, key, value, ttl_ms)
    }

    /// Forgets it.
    pub fn delete(&self, key: &str) {
        raw::delete(&self.0, key);
    }
}
