//! What outlives a request. Nothing here knows how a request is served.

pub mod answer;
pub mod catalogue;
pub mod clock;
pub mod counters;
pub mod facts;
pub mod generations;
pub mod health;
pub mod idempotency;
pub mod identity;
pub mod inflate;
pub mod lease;
pub mod media;
pub mod meters;
pub mod metrics;
pub mod owners;
pub mod pages;
pub mod parameters;
pub mod quota;
pub mod records;
pub mod scrub;
pub mod secret;
pub mod signatures;
pub mod snapshot;
pub mod unkept;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

/// All of it, shared by every connection.
#[derive(Debug)]
pub struct State {
    /// The generation that new requests get.
    pub snapshot: Arc<ArcSwap<snapshot::Snapshot>>,
    /// Set once, when the process is told to stop: no new connections, and not ready for more.
    pub draining: AtomicBool,
    pub generations: generations::Generations,
    pub counters: counters::Counters,
    pub health: health::Health,
    pub metrics: Arc<metrics::Metrics>,
    pub records: records::Records,
    /// Of records about what never became a request.
    pub turned_away: quota::Quota,
    pub repeats: idempotency::Repeats,
    pub signatures: Arc<signatures::Vault>,
    pub owners: owners::Owners,
}
