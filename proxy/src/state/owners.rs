//! Whose is which id of a provider's: answers and whatever else a caller comes back to, with the account that has it. In
//! memory, bounded and expiring: an id that is not here is nobody's.

use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::state::secret::KeyHash;

/// Where an id leads.
#[derive(Clone, Debug)]
pub struct Owner {
    pub provider: Arc<str>,
    /// Of the credential that it was made with; none for a provider without any.
    pub credential: Option<KeyHash>,
    /// What it used is accounted for.
    pub accounted: bool,
}

/// The ids by their caller's name: nobody finds another's.
#[derive(Debug)]
pub struct Owners {
    entries: Cache<(Arc<str>, Box<str>), Owner>,
}

/// Longer ids are not remembered: no provider makes them.
const LONGEST_ID: usize = 256;

/// How many are remembered, about 30 MB in all, and for how long: OpenAI keeps an answer for 30 days.
const MOST: u64 = 100_000;
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Default for Owners {
    fn default() -> Self {
        Self::new(MOST, KEPT)
    }
}

impl Owners {
    pub fn new(most: u64, kept: Duration) -> Self {
        let entries = Cache::builder().time_to_live(kept).max_capacity(most).build();
        Self { entries }
    }

    pub fn remember(&self, caller: &Arc<str>, id: &str, owner: Owner) {
        if !id.is_empty() && id.len() <= LONGEST_ID {
            self.entries.insert((caller.clone(), id.into()), owner);
        }
    }

    /// Says that what it used is accounted for, and whether it was before: of two that ask at the same time, one is told
    /// no. What is not known stays unknown, and nobody can come back to it.
    pub fn account(&self, caller: &Arc<str>, id: &str) -> bool {
        let mut before = false;
        let entry = self.entries.entry((caller.clone(), id.into()));
        entry.and_compute_with(|known| {
            let Some(known) = known else { return Op::Nop };
            let owner = known.into_value();
            before = owner.accounted;
            Op::Put(Owner {
                accounted: true,
                ..owner
            })
        });
        before
    }

    pub fn find(&self, caller: &Arc<str>, id: &str) -> Option<Owner> {
        if id.len() > LONGEST_ID {
            return None;
        }
        self.entries.get(&(caller.clone(), id.into()))
    }

    pub fn forget(&self, caller: &Arc<str>, id: &str) {
        self.entries.invalidate(&(caller.clone(), id.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            provider: "openai".into(),
            credential: Some(KeyHash::of("k")),
            accounted: false,
        }
    }

    #[test]
    fn g02_an_id_is_found_by_its_own_caller_alone() {
        let (owners, a, b) = (Owners::default(), Arc::from("a"), Arc::from("b"));
        owners.remember(&a, "resp_1", owner());
        assert!(owners.find(&a, "resp_1").is_some());
        assert!(owners.find(&b, "resp_1").is_none());
    }

    #[test]
    fn j01_what_a_batch_used_is_accounted_for_once_however_many_ask() {
        let (owners, a) = (Owners::default(), Arc::from("a"));
        owners.remember(&a, "batch_1", owner());
        let first = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| !owners.account(&a, "batch_1")))
                .collect();
            asking
                .into_iter()
                .map(|one| one.join().unwrap())
                .filter(|first| *first)
                .count()
        });
        assert_eq!(first, 1);
        assert!(owners.account(&a, "batch_1"), "it stays accounted for");
        assert!(!owners.account(&a, "batch_2"));
        assert!(owners.find(&a, "batch_2").is_none());
    }

    #[test]
    fn ids_are_bounded_in_number_and_length() {
        let (owners, a) = (Owners::new(8, KEPT), Arc::from("a"));
        for number in 0..1000 {
            owners.remember(&a, &format!("resp_{number}"), owner());
        }
        owners.entries.run_pending_tasks();
        assert!(owners.entries.entry_count() <= 8);
        owners.remember(&a, &"x".repeat(300), owner());
        assert!(owners.find(&a, &"x".repeat(300)).is_none());
    }
}
