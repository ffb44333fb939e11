//! The spellings that Google's servers take: names of members in either case, numbers for enums, one element for a list
//! of one. What the members mean is left to the others.

use std::borrow::Cow;

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::Text;
use crate::read::{Members, Reader};

pub(super) const TEXT: &str = "must be a string";
pub(super) const NUMBER: &str = "must be a number";
pub(super) const BOOL: &str = "must be true or false";
pub(super) const OBJECT: &str = "must be an object";
pub(super) const ARRAY: &str = "must be an array";

/// A member's name as JSON has it: the definition's own name is taken too (`inline_data` for `inlineData`).
pub(super) fn camel(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if !key.contains(&b'_') || key.starts_with(b"_") {
        return key;
    }
    let mut name = Vec::with_capacity(key.len());
    let mut raise = false;
    for byte in key.iter() {
        match byte {
            b'_' => raise = true,
            _ if std::mem::take(&mut raise) => name.push(byte.to_ascii_uppercase()),
            _ => name.push(*byte),
        }
    }
    Cow::Owned(name)
}

/// Steps into an object; none for null, and where a lenient reader finds something else.
pub(super) fn object<'a>(reader: &mut Reader<'a>) -> Result<Option<Members<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::Null => reader.pass().map(|()| None),
        _ => reader.object(OBJECT),
    }
}

/// The next member's name, as JSON has it.
pub(super) fn next<'a>(
    reader: &mut Reader<'a>,
    members: &mut Members<'a>,
) -> Result<Option<Cow<'a, [u8]>>, Fault> {
    Ok(reader.next(members)?.map(camel))
}

/// Each element; a lone one counts as a list of one.
pub(super) fn each<'a>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>, usize) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match reader.kind()? {
        ValueKind::Object | ValueKind::String => read(reader, 0),
        _ => reader.each(ARRAY, read),
    }
}

/// An enum's value: its name, or its number as digits.
pub(super) fn word<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::Number => Ok(reader
            .number(NUMBER)?
            .map(|number| Text::plain(number.get().to_owned()))),
        _ => reader.text(TEXT),
    }
}

/// What stands in a known object and is not known: named as a loss, as the model keeps such members of whole requests,
/// messages and parts alone.
pub(super) fn unknown(reader: &mut Reader<'_>, of: &'static str) -> Result<(), Fault> {
    reader.pass()?;
    reader.losses.dropped(of, "has a member that is not known");
    Ok(())
}
