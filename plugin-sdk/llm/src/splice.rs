//! The only way a body changes: some of its ranges replaced, every other byte as it was.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::json::Span;

/// One range and what stands there instead. An empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    pub span: Span,
    pub with: Bytes,
}

impl Splice {
    pub fn new(span: Span, with: impl Into<Bytes>) -> Splice {
        Splice {
            span,
            with: with.into(),
        }
    }

    pub fn insert(at: usize, with: impl Into<Bytes>) -> Splice {
        Splice::new(Span::new(at, at), with)
    }

    pub fn delete(span: Span) -> Splice {
        Splice::new(span, Bytes::new())
    }
}

/// `bytes` with the splices made, which have to be in order and apart. One that is not, or that lies outside, is left
/// out rather than made in the wrong place.
pub fn apply(bytes: &[u8], sorted: &[Splice]) -> Vec<u8> {
    let mut out = Vec::with_capacity(length_after(bytes.len(), sorted));
    apply_into(bytes, sorted, &mut out);
    out
}

/// As [`apply`], appending to `out`.
pub fn apply_into(bytes: &[u8], sorted: &[Splice], out: &mut Vec<u8>) {
    let mut at = 0;
    for splice in fitting(bytes.len(), sorted) {
        out.extend_from_slice(&bytes[at..splice.span.start]);
        out.extend_from_slice(&splice.with);
        at = splice.span.end;
    }
    out.extend_from_slice(&bytes[at..]);
}

/// How long `length` bytes are with the splices made.
pub fn length_after(length: usize, sorted: &[Splice]) -> usize {
    fitting(length, sorted).fold(length, |length, splice| {
        length + splice.with.len() - splice.span.len()
    })
}

/// Takes out the splices that lie inside one before them. `sorted` is in order.
pub(crate) fn retain_fitting<A: smallvec::Array<Item = Splice>>(sorted: &mut SmallVec<A>) {
    let mut at = 0;
    sorted.retain(|splice| {
        let fits = at <= splice.span.start;
        if fits {
            at = splice.span.end;
        }
        fits
    });
}

fn fitting(length: usize, sorted: &[Splice]) -> impl Iterator<Item = &Splice> {
    let mut at = 0;
    sorted.iter().filter(move |splice| {
        let fits =
            at <= splice.span.start && splice.span.start <= splice.span.end && splice.span.end <= length;
        if fits {
            at = splice.span.end;
        }
        fits
    })
}
