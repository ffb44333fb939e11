//! Keeps the instances of one plugin between hooks; starting them is left to `instance`, using them to `hooks`.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::instance::Instance;

/// Idle instances of one plugin. The last one back is the first one out: its memory is still in the processor's cache,
/// and the others grow old enough to be dropped.
pub struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "they are moved in and out by every hook: by address, not by value"
    )]
    idle: Mutex<Vec<Box<Instance>>>,
    most_idle: usize,
    /// None where every hook gets a fresh instance.
    recycle_after: Option<u32>,
}

/// After a burst memory goes back once its instances were not needed for this long.
const OLDEST_IDLE: Duration = Duration::from_secs(60);
/// Even a machine with hundreds of cores does not need more idle copies of one plugin.
const MOST_IDLE: usize = 32;

impl Pool {
    /// `recycle_after` none keeps nothing. `at_once` is how many hooks may wait at the same time, none where none waits.
    pub fn new(recycle_after: Option<u32>, at_once: Option<usize>) -> Pool {
        // hooks that do not wait are never more at a time than threads that serve requests
        let threads = std::thread::available_parallelism().map_or(MOST_IDLE, usize::from);
        Pool {
            idle: Mutex::default(),
            most_idle: at_once.unwrap_or(threads).clamp(2, MOST_IDLE),
            recycle_after,
        }
    }

    pub fn take(&self) -> Option<Box<Instance>> {
        self.recycle_after?;
        unpoisoned(&self.idle).pop()
    }

    /// Keeps an instance whose hook ended well at `now`, unless it is worn out or there are enough.
    pub fn give_back(&self, mut instance: Box<Instance>, now: Instant) {
        instance.idle_since = now;
        if self.recycle_after.is_none_or(|most| instance.uses >= most) {
            return;
        }
        let mut idle = unpoisoned(&self.idle);
        let stale = idle
            .first()
            .is_some_and(|oldest| now.saturating_duration_since(oldest.idle_since) > OLDEST_IDLE);
        let surplus = if stale { Some(idle.remove(0)) } else { None };
        if idle.len() < self.most_idle {
            idle.push(instance);
        }
        drop(idle);
        // freeing its memory is no business of the lock's
        drop(surplus);
    }
}

/// The lock, also after a panic elsewhere: everything behind a lock of this crate is whole between two statements.
pub fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`unpoisoned`].
pub fn unpoisoned_read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`unpoisoned`].
pub fn unpoisoned_write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
