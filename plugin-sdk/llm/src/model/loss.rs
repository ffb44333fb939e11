//! What a translation could not carry, as data: nothing is dropped or made up without being named here.

use std::borrow::Cow;
use std::fmt;

/// More than this many losses are counted, not listed.
pub const MAX_LOSSES: usize = 256;

/// One thing that is not on the other side as it was on this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The field, such as `messages[2].content[0]` or `top_k`; the model's own names, never content.
    pub at: Cow<'static, str>,
    pub what: LossKind,
    pub why: Cow<'static, str>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// Not sent.
    Dropped,
    /// Sent as something near it.
    Changed,
    /// Sent though nobody asked, because the dialect demands it (`max_tokens`).
    Added,
}

impl LossKind {
    pub fn as_str(self) -> &'static str {
        match self {
            LossKind::Dropped => "dropped",
            LossKind::Changed => "changed",
            LossKind::Added => "added",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.at, self.what.as_str(), self.why)
    }
}

/// The losses of one translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    list: Vec<Loss>,
    unlisted: usize,
}

impl Losses {
    /// What another `Losses` listed: `list` is at most [`MAX_LOSSES`] long.
    pub(crate) fn listed(list: Vec<Loss>, unlisted: usize) -> Losses {
        Losses { list, unlisted }
    }

    pub fn dropped(&mut self, at: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.push(at.into(), LossKind::Dropped, why.into());
    }

    pub fn changed(&mut self, at: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.push(at.into(), LossKind::Changed, why.into());
    }

    pub fn added(&mut self, at: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.push(at.into(), LossKind::Added, why.into());
    }

    /// The same loss is listed once: in a stream it would come with each event.
    fn push(&mut self, at: Cow<'static, str>, what: LossKind, why: Cow<'static, str>) {
        let loss = Loss { at, what, why };
        if self.list.len() >= MAX_LOSSES {
            self.unlisted = self.unlisted.saturating_add(1);
        } else if !self.list.contains(&loss) {
            self.list.push(loss);
        }
    }

    pub fn append(&mut self, more: Losses) {
        for loss in more.list {
            self.push(loss.at, loss.what, loss.why);
        }
        self.unlisted = self.unlisted.saturating_add(more.unlisted);
    }

    pub fn list(&self) -> &[Loss] {
        &self.list
    }

    /// How many more there were than are listed.
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// The fields alone, as many as are worth telling a caller.
    pub fn names(&self) -> Vec<Box<str>> {
        const MOST: usize = 32;
        let names = self.list.iter().map(|loss| loss.at.as_ref().into());
        names.take(MOST).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
