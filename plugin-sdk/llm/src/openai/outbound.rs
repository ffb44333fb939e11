//! A request's bytes on their way to a provider: the caller's own, with at most two places replaced.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::splice::{self, Splice};

pub(super) type Splices = SmallVec<[Splice; 2]>;

/// What to write to a provider. Nothing is copied before it is written.
#[derive(Clone, Debug)]
pub struct Outbound {
    body: Bytes,
    splices: Splices,
    length: usize,
    /// The usage option was added here: the caller did not ask for the usage chunk that comes of it.
    pub usage_added: bool,
}

impl Outbound {
    /// `splices` are in order and apart.
    pub(super) fn new(body: Bytes, splices: Splices, usage_added: bool) -> Outbound {
        let length = splice::length_after(body.len(), &splices);
        Outbound {
            body,
            splices,
            length,
            usage_added,
        }
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the caller's bytes go out as they are.
    pub fn is_unchanged(&self) -> bool {
        self.splices.is_empty()
    }

    /// Appends the body to `out`: the only copy that is made.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        out.reserve(self.length);
        splice::apply_into(&self.body, &self.splices, out);
    }

    /// The body in one piece, without a copy when it is unchanged.
    pub fn into_bytes(self) -> Bytes {
        if self.is_unchanged() {
            return self.body;
        }
        let mut out = Vec::with_capacity(self.length);
        self.write_into(&mut out);
        Bytes::from(out)
    }

    /// The body in pieces, none of them copied: for writers that take several.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        let starts = std::iter::once(0).chain(self.splices.iter().map(|splice| splice.span.end));
        let ends = self
            .splices
            .iter()
            .map(|splice| splice.span.start)
            .chain(std::iter::once(self.body.len()));
        let replacements = self
            .splices
            .iter()
            .map(|splice| splice.with.clone())
            .chain(std::iter::once(Bytes::new()));
        starts
            .zip(ends)
            .zip(replacements)
            .flat_map(|((start, end), with)| [self.body.slice(start..end), with])
            .filter(|piece| !piece.is_empty())
    }
}
