//! What a request names instead of saying it: no other provider than the one that keeps it can answer such a request.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{Content, Extra, Message, Request};

/// Members that stand for something kept elsewhere, and what to do instead.
const KEPT: &[(&str, &str)] = &[
    (
        "previous_response_id",
        "names an answer that only the provider which gave it keeps: send the whole conversation in `input`",
    ),
    (
        "conversation",
        "names a conversation that only its provider keeps: send its items in `input`",
    ),
    (
        "prompt",
        "names a prompt that only its provider keeps: send its text in `instructions` and `input`",
    ),
];

/// Members that ask to be kept.
const KEEPING: &[(&str, &str)] = &[
    (
        "store",
        "asks to keep the answer, which the model's provider cannot: send false, or leave it out",
    ),
    (
        "background",
        "asks to answer later, which the model's provider cannot: send false, or leave it out",
    ),
];

/// # Errors
/// The member that only one provider understands.
pub(super) fn check(request: &Request<'_>) -> Result<(), BodyError> {
    let found = request.extras.iter().find_map(refused);
    let found = found.or_else(|| request.messages.iter().enumerate().find_map(reference));
    match found {
        Some(fault) => Err(fault.into_body_error(&[], DEFAULT_MAX_DEPTH)),
        None => Ok(()),
    }
}

fn refused(extra: &Extra<'_>) -> Option<Fault> {
    let why =
        |list: &[(&'static str, &'static str)]| list.iter().find(|(name, _)| extra.name.is(name)).copied();
    let kept = why(KEPT).filter(|_| !extra.value.is_null());
    let keeping = || why(KEEPING).filter(|_| extra.value.as_bool() == Some(true));
    let (name, why) = kept.or_else(keeping)?;
    Some(Fault::unsupported(name, why))
}

fn reference((at, message): (usize, &Message<'_>)) -> Option<Fault> {
    let referring = message
        .parts
        .iter()
        .any(|part| matches!(&part.content, Content::Native(native) if native.kind.is("item_reference")));
    let why = "refers to an item that only the provider which gave it keeps: send the item itself";
    referring.then(|| Fault::unsupported(&format!("messages[{at}]"), why))
}
