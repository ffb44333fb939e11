//! RFC 6901 pointers into JSON bytes that were checked before.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::{Cursor, HIGHEST_MAX_DEPTH, JsonLimits, Span, ValueKind};

/// Depth was judged when the bytes were read, by whoever read them.
const ALREADY_CHECKED: JsonLimits = JsonLimits {
    max_depth: HIGHEST_MAX_DEPTH,
};

/// One value directly inside an object or array.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// The key's literal; none in an array.
    pub key: Option<Span>,
    pub value: Span,
}

impl Child {
    /// Where the member or element begins.
    pub fn start(&self) -> usize {
        self.key.map_or(self.value.start, |key| key.start)
    }
}

/// Where the value at `rfc6901` is; none where there is none. Of members with the same key the last one counts, as for
/// most readers.
pub fn pointer(bytes: &[u8], rfc6901: &str) -> Option<Span> {
    let mut here = document(bytes)?;
    for token in tokens(rfc6901)? {
        here = last_child(bytes, here, &token)?;
    }
    Some(here)
}

/// Where the elements of the array at `rfc6901` are; none where there is no array.
pub fn elements(bytes: &[u8], rfc6901: &str) -> Option<Vec<Span>> {
    let array = pointer(bytes, rfc6901).filter(|span| span.of(bytes).starts_with(b"["))?;
    Some(
        children(bytes, array)?
            .into_iter()
            .map(|child| child.value)
            .collect(),
    )
}

/// A pointer's reference tokens, unescaped; none where it is not a pointer.
pub(crate) fn tokens(rfc6901: &str) -> Option<Vec<Cow<'_, str>>> {
    if rfc6901.is_empty() {
        return Some(Vec::new());
    }
    rfc6901.strip_prefix('/')?.split('/').map(token).collect()
}

/// The value that one reference token names inside the value at `parent`.
pub(crate) fn last_child(bytes: &[u8], parent: Span, token: &str) -> Option<Span> {
    let mut found = None;
    let index = array_index(token);
    walk(bytes, parent, |place, key, value| {
        let named = match &key {
            Some((_, name)) => **name == *token.as_bytes(),
            None => index == Some(place),
        };
        if named {
            found = Some(value);
        }
        ControlFlow::Continue(())
    })?;
    found
}

/// Everything directly inside the object or array at `parent` (none for other values), in order.
pub(crate) fn children(bytes: &[u8], parent: Span) -> Option<Vec<Child>> {
    first_children(bytes, parent, usize::MAX)
}

/// The first `most` of them; what comes behind is not looked at.
pub(crate) fn first_children(bytes: &[u8], parent: Span, most: usize) -> Option<Vec<Child>> {
    let mut children = Vec::new();
    walk(bytes, parent, |_, key, value| {
        if children.len() == most {
            return ControlFlow::Break(());
        }
        children.push(Child {
            key: key.map(|(span, _)| span),
            value,
        });
        ControlFlow::Continue(())
    })?;
    Some(children)
}

type Key<'a> = Option<(Span, Cow<'a, [u8]>)>;

/// Calls `each` with everything directly inside a value, until that breaks off.
fn walk<'a>(
    bytes: &'a [u8],
    parent: Span,
    mut each: impl FnMut(usize, Key<'a>, Span) -> ControlFlow<()>,
) -> Option<()> {
    let mut cursor = Cursor::unchecked(bytes, &ALREADY_CHECKED);
    cursor.jump(parent.start);
    match cursor.kind().ok()? {
        ValueKind::Object => {
            let mut members = cursor.begin_object().ok()?;
            let mut place = 0;
            while let Some(key) = cursor.next_member(&mut members).ok()? {
                let value = cursor.skip().ok()?;
                if each(place, Some((key.span, cursor.text(&key))), value).is_break() {
                    break;
                }
                place += 1;
            }
        }
        ValueKind::Array => {
            let mut elements = cursor.begin_array().ok()?;
            let mut place = 0;
            while cursor.next_element(&mut elements).ok()? {
                let value = cursor.skip().ok()?;
                if each(place, None, value).is_break() {
                    break;
                }
                place += 1;
            }
        }
        _ => return None,
    }
    Some(())
}

pub(super) fn document(bytes: &[u8]) -> Option<Span> {
    Cursor::unchecked(bytes, &ALREADY_CHECKED).skip().ok()
}

fn token(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('~') {
        return Some(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut pieces = raw.split('~');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (escaped, rest) = piece.split_at_checked(1)?;
        text.push_str(match escaped {
            "0" => "~",
            "1" => "/",
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(Cow::Owned(text))
}

/// Digits without a leading zero, as RFC 6901 has it.
pub(crate) fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| token.parse().ok())?
}
