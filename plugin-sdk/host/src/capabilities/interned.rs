//! What the instances of one plugin compile in `configure` and share: each thing is made once, by the first instance, and
//! named by a number in order of first use. So a number means the same in every instance, one that is restored from a
//! snapshot included, and no request waits for a compiler.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock};

use crate::pool::unpoisoned;

/// Things of one kind by the key that they were made from.
pub struct Interned<K, T> {
    /// Filled while the plugin is loaded.
    growing: Mutex<Growing<K, T>>,
    /// From then on; read without a lock.
    sealed: OnceLock<Sealed<K, T>>,
}

struct Growing<K, T> {
    places: HashMap<K, u32>,
    things: Vec<Arc<T>>,
    /// What the keys hold, in bytes.
    bytes: usize,
}

struct Sealed<K, T> {
    places: HashMap<K, u32>,
    things: Vec<Arc<T>>,
}

/// What one plugin may have of one kind.
#[derive(Copy, Clone)]
pub struct Most {
    pub things: usize,
    /// Of all keys together.
    pub bytes: usize,
    /// What the things are called in errors.
    pub name: &'static str,
}

impl<K: Eq + Hash, T> Interned<K, T> {
    pub fn new() -> Interned<K, T> {
        Interned {
            growing: Mutex::new(Growing {
                places: HashMap::new(),
                things: Vec::new(),
                bytes: 0,
            }),
            sealed: OnceLock::new(),
        }
    }

    /// The number of what `key` makes, which has `bytes`; made now where the plugin is only being loaded. An error is for
    /// the operator.
    pub fn intern(
        &self,
        key: K,
        bytes: usize,
        most: Most,
        make: impl FnOnce(&K) -> Result<T, String>,
    ) -> Result<u32, String> {
        if let Some(sealed) = self.sealed.get() {
            return sealed.places.get(&key).copied().ok_or_else(|| late(most));
        }
        // held while compiling: only the thread that loads the plugin is here
        let mut growing = unpoisoned(&self.growing);
        if let Some(place) = growing.places.get(&key) {
            return Ok(*place);
        }
        let all_bytes = growing.bytes.saturating_add(bytes);
        if growing.things.len() >= most.things || all_bytes > most.bytes {
            return Err(format!(
                "too many {}: a plugin may have {} of together {} bytes",
                most.name, most.things, most.bytes
            ));
        }
        let thing = Arc::new(make(&key)?);
        let place = u32::try_from(growing.things.len()).unwrap_or(u32::MAX);
        growing.things.push(thing);
        growing.places.insert(key, place);
        growing.bytes = all_bytes;
        Ok(place)
    }

    /// No more than there are: the plugin's first instance is configured. `finish` does what takes longer than `configure`
    /// may; an error of it is for the operator.
    pub fn seal(&self, finish: impl Fn(&K, &T) -> Result<(), String>) -> Result<(), String> {
        let mut growing = unpoisoned(&self.growing);
        for (key, place) in &growing.places {
            finish(key, &growing.things[*place as usize])?;
        }
        let sealed = Sealed {
            places: std::mem::take(&mut growing.places),
            things: std::mem::take(&mut growing.things),
        };
        // sealed once, by the one who loads it
        let _ = self.sealed.set(sealed);
        Ok(())
    }

    /// By its number; none before the plugin is loaded.
    pub fn get(&self, place: u32) -> Option<&Arc<T>> {
        self.sealed.get()?.things.get(place as usize)
    }
}

fn late(most: Most) -> String {
    format!(
        "{} are compiled while the plugin is loaded: compile in `configure`, and the same ones each time",
        most.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most {
        things: 2,
        bytes: 10,
        name: "words",
    };

    #[test]
    fn a_key_keeps_its_number_and_nothing_is_made_twice_or_late() {
        let words = Interned::<String, usize>::new();
        let mut made = 0;
        let mut intern = |word: &str| {
            words.intern(word.to_owned(), word.len(), MOST, |word| {
                made += 1;
                Ok(word.len())
            })
        };
        assert_eq!([intern("a"), intern("bb"), intern("a")], [Ok(0), Ok(1), Ok(0)]);
        assert!(intern("c").unwrap_err().contains("too many words"));
        assert_eq!(words.get(1).map(|word| **word), None, "not loaded yet");
        assert_eq!(words.seal(|_, _| Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(words.seal(|_, _| Ok(())), Ok(()));
        let intern = |word: &str| words.intern(word.to_owned(), word.len(), MOST, |_| Ok(9));
        assert_eq!([intern("bb"), intern("a")], [Ok(1), Ok(0)]);
        assert!(intern("c").unwrap_err().contains("configure"));
        assert_eq!(words.get(1).map(|word| **word), Some(2));
        assert_eq!(words.get(2), None);
        assert_eq!(made, 2);
    }

    #[test]
    fn the_keys_bytes_are_bounded_and_a_failure_takes_no_number() {
        let words = Interned::<String, ()>::new();
        let intern = |word: &str, made| words.intern(word.to_owned(), word.len(), MOST, |_| made);
        assert!(intern("eleven long", Ok(())).is_err());
        assert_eq!(intern("a", Err("bad".to_owned())), Err("bad".to_owned()));
        assert_eq!(intern("b", Ok(())), Ok(0));
    }
}
