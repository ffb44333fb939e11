//! A set of a few named things in one machine word; what the things are is left to their types.

use std::fmt;
use std::marker::PhantomData;

/// Something that a [`SetOf`] may hold.
pub trait Member: Copy + 'static {
    /// Every member, each at the place that [`Member::place`] says.
    const ALL: &'static [Self];

    /// Below 32, and different for each member.
    fn place(self) -> u32;

    /// The name that operators read and write.
    fn name(self) -> &'static str;
}

/// A set of a few named things.
pub struct SetOf<M>(u32, PhantomData<M>);

impl<M: Member> SetOf<M> {
    pub const EMPTY: SetOf<M> = SetOf(0, PhantomData);

    pub fn all() -> SetOf<M> {
        M::ALL.iter().copied().collect()
    }

    pub fn contains(self, member: M) -> bool {
        self.0 & (1 << member.place()) != 0
    }

    pub fn insert(&mut self, member: M) {
        self.0 |= 1 << member.place();
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in `self` and not in `other`.
    pub fn without(self, other: SetOf<M>) -> SetOf<M> {
        SetOf(self.0 & !other.0, PhantomData)
    }

    /// What is in either.
    pub fn and(self, other: SetOf<M>) -> SetOf<M> {
        SetOf(self.0 | other.0, PhantomData)
    }

    pub fn iter(self) -> impl Iterator<Item = M> {
        M::ALL
            .iter()
            .copied()
            .filter(move |member| self.contains(*member))
    }
}

impl<M: Member> FromIterator<M> for SetOf<M> {
    fn from_iter<I: IntoIterator<Item = M>>(members: I) -> SetOf<M> {
        let mut set = SetOf::EMPTY;
        for member in members {
            set.insert(member);
        }
        set
    }
}

impl<M: Member, const N: usize> From<[M; N]> for SetOf<M> {
    fn from(members: [M; N]) -> SetOf<M> {
        members.into_iter().collect()
    }
}

impl<M> Clone for SetOf<M> {
    fn clone(&self) -> SetOf<M> {
        *self
    }
}

impl<M> Copy for SetOf<M> {}

impl<M> PartialEq for SetOf<M> {
    fn eq(&self, other: &SetOf<M>) -> bool {
        self.0 == other.0
    }
}

impl<M> Eq for SetOf<M> {}

impl<M: Member> Default for SetOf<M> {
    fn default() -> SetOf<M> {
        SetOf::EMPTY
    }
}

/// The names with commas between them, as in a configuration's list.
impl<M: Member> fmt::Display for SetOf<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, member) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}", member.name())?;
        }
        Ok(())
    }
}

impl<M: Member> fmt::Debug for SetOf<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}
