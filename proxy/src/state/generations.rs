//! Which configuration generations some request still uses: how an operator sees that a swap has gone through.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::state::snapshot::Snapshot;

/// Every generation that has not been forgotten, weakly held.
#[derive(Debug, Default)]
pub struct Generations(Mutex<Vec<Weak<Snapshot>>>);

impl Generations {
    pub fn began(&self, snapshot: &Arc<Snapshot>) {
        self.with(|all| all.push(Arc::downgrade(snapshot)));
    }

    pub fn live(&self) -> usize {
        self.with(|all| all.len())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Weak<Snapshot>>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|snapshot| snapshot.strong_count() > 0);
        act(&mut all)
    }
}
