//! What a provider says is wrong, in any of the shapes that they use. Why a caller's body is not taken is in `fault`.

use crate::json::{pointer, unescape};

/// An error that a provider sent, in a body or in an event. The words are the provider's: not for logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorView {
    pub message: Option<String>,
    /// `type` on the wire.
    pub kind: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
}

impl ErrorView {
    /// Reads what a provider sent under an error status, or sent as an error event, in any of the shapes that they
    /// use: `error` as an object or as a string, the same in `x_groq`, `message` or `detail` at the top. None where
    /// there is none of these; false, null, 0 and empty texts are none. Bytes that are not JSON have none.
    pub fn read(body: &[u8]) -> Option<ErrorView> {
        let Some(error) = truthy(body, "/error").or_else(|| truthy(body, "/x_groq/error")) else {
            let mut view = ErrorView::fields(body);
            view.message = view
                .message
                .or_else(|| text(body, "/detail").or_else(|| text(body, "/detail/0/msg")));
            return view.message.is_some().then_some(view);
        };
        let mut view = ErrorView::fields(error);
        view.code = view.code.or_else(|| text(body, "/code"));
        if error.starts_with(b"\"") {
            view.message = Some(unescape(error).into_owned());
        }
        Some(view)
    }

    /// The HTTP status that it would have had, from a number in `code` or a word there or in `type`.
    pub fn status(&self) -> Option<u16> {
        super::chat::error::status_of(self)
    }

    fn fields(object: &[u8]) -> ErrorView {
        ErrorView {
            message: text(object, "/message"),
            kind: text(object, "/type"),
            code: text(object, "/code"),
            param: text(object, "/param"),
        }
    }
}

fn truthy<'a>(body: &'a [u8], path: &str) -> Option<&'a [u8]> {
    Some(pointer(body, path)?.of(body)).filter(|value| is_truthy(value))
}

/// What the official clients' languages take for true; an empty object is an error for one of them, so it is one.
pub(super) fn is_truthy(value: &[u8]) -> bool {
    !matches!(value, b"null" | b"false" | b"0" | b"\"\"" | b"")
}

/// A string's text or a number's digits.
fn text(body: &[u8], path: &str) -> Option<String> {
    let value = pointer(body, path)?.of(body);
    match value.first()? {
        b'"' => Some(unescape(value).into_owned()),
        b'-' | b'0'..=b'9' => Some(String::from_utf8_lossy(value).into_owned()),
        _ => None,
    }
}
