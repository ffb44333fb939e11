//! Refuses an object with the same key twice: two readers may take different ones, and a check would then have looked
//! at another value than the provider does.

use std::borrow::Cow;
use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::fault::{BodyErrorKind, Fault};
use crate::json::{Cursor, Literal};

/// Up to this many keys comparing with each is quickest; beyond, a tree keeps the work from growing with the square.
const FEW: usize = 16;

/// The keys of one object so far.
pub(crate) struct Keys<'a> {
    refusing: bool,
    few: SmallVec<[Cow<'a, [u8]>; FEW]>,
    many: BTreeSet<Cow<'a, [u8]>>,
}

impl<'a> Keys<'a> {
    /// When not `refusing`, any key passes (in answers: their text is read wherever it stands).
    pub fn new(refusing: bool) -> Keys<'a> {
        Keys {
            refusing,
            few: SmallVec::new(),
            many: BTreeSet::new(),
        }
    }

    /// The key's name, unescaped.
    #[inline]
    pub fn take(&mut self, cursor: &Cursor<'a>, key: &Literal) -> Result<Cow<'a, [u8]>, Fault> {
        let name = cursor.text(key);
        if self.refusing && !self.insert(name.clone()) {
            return Err(Fault::new(
                BodyErrorKind::Duplicate,
                shown(&name),
                "appears twice: send it once",
            ));
        }
        Ok(name)
    }

    /// The first few keys are in `few`, the others in `many`.
    fn insert(&mut self, name: Cow<'a, [u8]>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}

/// Keys are the caller's words too: shown only where they look like a field's name.
fn shown(name: &[u8]) -> &str {
    let plain = name.len() <= 40
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    match std::str::from_utf8(name) {
        Ok(name) if plain && !name.is_empty() => name,
        _ => "(a field)",
    }
}
