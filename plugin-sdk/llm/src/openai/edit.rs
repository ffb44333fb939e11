//! Edits of indexed bodies: a splice in the bytes, and every offset that was known moved along with it.

use std::borrow::Cow;

use bytes::Bytes;

use super::Segment;
use crate::json::{self, Child, JsonLimits, Span};
use crate::splice::{self, Splice};

/// Why an edit was not made. Nothing has changed then. Mirrors the plugin contract.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum EditError {
    /// No such segment or pointer.
    NotFound,
    /// The segment is not text, or the value does not fit its place or is not JSON.
    Invalid,
    /// The gateway owns this field.
    ReadOnly,
    /// The body would pass its limit.
    TooLarge,
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EditError::NotFound => "no such segment or pointer",
            EditError::Invalid => "not a value for this place",
            EditError::ReadOnly => "the gateway owns this field",
            EditError::TooLarge => "the body would pass its limit",
        })
    }
}

impl std::error::Error for EditError {}

/// How offsets move with one splice.
#[derive(Copy, Clone, Debug)]
pub(super) struct Move {
    from: Span,
    with: usize,
}

impl Move {
    pub fn of(splice: &Splice) -> Move {
        Move {
            from: splice.span,
            with: splice.with.len(),
        }
    }

    pub fn offset(&self, at: usize) -> usize {
        if at < self.from.end {
            at
        } else {
            at - self.from.len() + self.with
        }
    }

    /// A span apart from the splice, around it, or equal to it.
    pub fn span(&self, span: Span) -> Span {
        let start = if span.start <= self.from.start {
            span.start
        } else {
            self.offset(span.start)
        };
        Span::new(start, self.offset(span.end))
    }
}

/// The splice that gives `segments[index]` another text.
pub(super) fn text_splice(
    segments: &[Segment],
    index: usize,
    text: &str,
    limits: &JsonLimits,
) -> Result<Splice, EditError> {
    let segment = segments.get(index).ok_or(EditError::NotFound)?;
    if !segment.kind.has_text() {
        return Err(EditError::Invalid);
    }
    value_splice(segment.span, segment.raw, text, limits)
}

/// The splice that puts `text` over a string literal, or, where the text is `raw` JSON, as such.
pub(super) fn value_splice(
    span: Span,
    raw: bool,
    text: &str,
    limits: &JsonLimits,
) -> Result<Splice, EditError> {
    if raw {
        let value = json_value(text, limits)?;
        // null is no text at all: the piece would be gone
        if value == "null" {
            return Err(EditError::Invalid);
        }
        return Ok(Splice::new(span, Bytes::copy_from_slice(value.as_bytes())));
    }
    let mut literal = Vec::with_capacity(text.len() + 2);
    json::escape_into(text, &mut literal);
    Ok(Splice::new(span, literal))
}

/// After the splice from `text_splice`: the segment's new length, and where all segments are now.
pub(super) fn moved(segments: &mut [Segment], index: usize, text: &str, moved: Move) {
    for segment in segments.iter_mut() {
        segment.span = moved.span(segment.span);
    }
    let segment = &mut segments[index];
    let length = if segment.raw {
        segment.span.len()
    } else {
        text.len()
    };
    segment.length = u32::try_from(length).unwrap_or(u32::MAX);
}

/// The bytes with the splices made, unless they pass `byte_limit`.
pub(super) fn spliced(bytes: &[u8], sorted: &[Splice], byte_limit: usize) -> Result<Bytes, EditError> {
    if splice::length_after(bytes.len(), sorted) > byte_limit {
        return Err(EditError::TooLarge);
    }
    Ok(Bytes::from(splice::apply(bytes, sorted)))
}

/// `text` without white space around it, if it is one JSON value.
pub(super) fn json_value<'t>(text: &'t str, limits: &JsonLimits) -> Result<&'t str, EditError> {
    json::validate(text.as_bytes(), limits).map_err(|_| EditError::Invalid)?;
    Ok(text.trim_matches([' ', '\t', '\n', '\r']))
}

/// The splices that put `value` at a pointer: over what is there, or as a new member or last element.
pub(super) fn set(bytes: &[u8], tokens: &[Cow<'_, str>], value: &str) -> Result<Vec<Splice>, EditError> {
    let (parent, token) = parent_of(bytes, tokens)?;
    let children = json::children(bytes, parent).ok_or(EditError::NotFound)?;
    let is_object = bytes[parent.start] == b'{';
    let named = named(bytes, &children, token);
    if !named.is_empty() {
        let value = Bytes::copy_from_slice(value.as_bytes());
        return Ok(named
            .iter()
            .map(|at| Splice::new(children[*at].value, value.clone()))
            .collect());
    }
    let mut added = Vec::with_capacity(token.len() + value.len() + 4);
    if !children.is_empty() {
        added.push(b',');
    }
    if is_object {
        json::escape_into(token, &mut added);
        added.push(b':');
    } else if token != "-" {
        return Err(EditError::NotFound);
    }
    added.extend_from_slice(value.as_bytes());
    let at = children.last().map_or(parent.start + 1, |last| last.value.end);
    Ok(vec![Splice::insert(at, added)])
}

/// The splices that take away what is at a pointer, with the commas that are then too many.
pub(super) fn remove(bytes: &[u8], tokens: &[Cow<'_, str>]) -> Result<Vec<Splice>, EditError> {
    let (parent, token) = parent_of(bytes, tokens)?;
    let children = json::children(bytes, parent).ok_or(EditError::NotFound)?;
    let gone = named(bytes, &children, token);
    if gone.is_empty() {
        return Err(EditError::NotFound);
    }
    let last_kept = (0..children.len())
        .rev()
        .find(|at| gone.binary_search(at).is_err());
    let mut splices: Vec<Splice> = Vec::with_capacity(gone.len());
    for at in gone {
        if last_kept.is_some_and(|kept| at < kept) {
            splices.push(Splice::delete(Span::new(
                children[at].start(),
                children[at + 1].start(),
            )));
            continue;
        }
        // from here to the end nothing is kept: one splice takes all, and the comma before
        let from = last_kept.map_or(children[at].start(), |kept| children[kept].value.end);
        let to = children[children.len() - 1].value.end;
        splices.push(Splice::delete(Span::new(from, to)));
        break;
    }
    Ok(splices)
}

fn parent_of<'t>(bytes: &[u8], tokens: &'t [Cow<'_, str>]) -> Result<(Span, &'t str), EditError> {
    let (last, above) = tokens.split_last().ok_or(EditError::ReadOnly)?;
    let mut parent = json::pointer(bytes, "").ok_or(EditError::NotFound)?;
    for token in above {
        parent = json::last_child(bytes, parent, token).ok_or(EditError::NotFound)?;
    }
    Ok((parent, last))
}

/// The children that a token names: several where a key stands more than once, so that no edit leaves one behind.
fn named(bytes: &[u8], children: &[Child], token: &str) -> Vec<usize> {
    let is_array = children.first().is_some_and(|child| child.key.is_none());
    if is_array {
        let index = json::array_index(token).filter(|index| *index < children.len());
        return index.into_iter().collect();
    }
    let same = |child: &Child| {
        child
            .key
            .is_some_and(|key| json::unescape(key.of(bytes)) == token)
    };
    (0..children.len()).filter(|at| same(&children[*at])).collect()
}
