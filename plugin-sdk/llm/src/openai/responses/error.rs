//! Errors: bodies as chat completions have them, and what is told inside a stream (APIS.md 1.13, 9.9).

use crate::model::{Error, Text};
use crate::openai::chat::error as chat;
use crate::write::Object;

/// Reads an error's body, an `error` event, or a response that failed.
pub(super) fn read(status: u16, body: &[u8]) -> Error<'static> {
    chat::read(status, body)
}

pub(super) fn write(error: &Error<'_>) -> Vec<u8> {
    chat::write(error)
}

/// Writes the members of an `error` event: flat, as the API has them, and once more under `error`, which is where OpenAI's
/// clients look for what they raise (APIS.md 1.1).
pub(super) fn write_event(error: &Error<'_>, object: &mut Object<'_>) {
    let (kind, _) = chat::words(error.kind);
    object.str("code", &code(error));
    object.text("message", &error.message);
    object.text_or_null("param", error.param.as_ref());
    object.object("error", |object| {
        object.text("message", &error.message);
        object.str("type", kind);
        object.text_or_null("param", error.param.as_ref());
        object.str("code", &code(error));
    });
}

/// Writes the `error` of a response that failed.
pub(super) fn write_failure(error: &Error<'_>, object: &mut Object<'_>) {
    object.str("code", &code(error));
    object.text("message", &error.message);
}

/// The error's own code, else the one of its kind; every failure has one here.
fn code(error: &Error<'_>) -> String {
    let (kind, code) = chat::words(error.kind);
    let own = error.code.as_ref().map(Text::get);
    own.map_or_else(|| code.unwrap_or(kind).to_owned(), |own| own.into_owned())
}
