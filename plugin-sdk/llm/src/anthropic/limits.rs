//! What Anthropic takes for ids, names and texts.

use std::borrow::Cow;

use crate::model::{Text, tamed};

/// Longest name of a tool.
pub(super) const LONGEST_NAME: usize = 128;

const LONGEST_ID: usize = 64;

/// What names of tools and ids of calls may hold.
pub(super) fn takes(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// A call's id as Anthropic takes it: another's id is made into one, always the same, so that a call and its result still
/// meet.
pub(super) fn id<'t>(id: &'t Text<'_>) -> Cow<'t, str> {
    let id = id.get();
    match !id.is_empty() && id.chars().all(takes) {
        true => id,
        false => Cow::Owned(tamed(&id, LONGEST_ID, takes)),
    }
}
