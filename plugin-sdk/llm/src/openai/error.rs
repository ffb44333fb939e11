//! Why a body was not taken, in words that are safe to show and to log: fields, limits and remedies, never content.

use std::fmt;

use crate::json::{JsonError, JsonErrorKind, pointer, unescape};

/// What is wrong with a body.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum BodyErrorKind {
    NotJson,
    TooDeep,
    TooLarge,
    /// More texts than are read.
    TooMany,
    /// The same key twice in one object.
    Duplicate,
    Missing,
    Empty,
    WrongType,
}

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    pub kind: BodyErrorKind,
    /// The field, such as `messages[2].role`.
    pub param: Option<String>,
    /// Names the field, the limit and the remedy; quotes nothing of the body.
    pub message: String,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BodyError {}

/// A `BodyError` on its way out: collects the field's path from the inside.
#[derive(Debug)]
pub(super) enum Fault {
    Json(JsonError),
    Field(Box<Field>),
}

#[derive(Debug)]
pub(super) struct Field {
    kind: BodyErrorKind,
    path: String,
    what: &'static str,
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

impl Fault {
    #[cold]
    pub fn new(kind: BodyErrorKind, path: &str, what: &'static str) -> Fault {
        Fault::Field(Box::new(Field {
            kind,
            path: path.to_owned(),
            what,
        }))
    }

    pub fn missing(path: &str, what: &'static str) -> Fault {
        Fault::new(BodyErrorKind::Missing, path, what)
    }

    pub fn wrong_type(path: &str, what: &'static str) -> Fault {
        Fault::new(BodyErrorKind::WrongType, path, what)
    }

    /// The same, inside the member `name`.
    #[cold]
    pub fn within(mut self, name: &str) -> Fault {
        if let Fault::Field(field) = &mut self {
            let joint = if field.path.is_empty() || field.path.starts_with('[') {
                ""
            } else {
                "."
            };
            field.path = format!("{name}{joint}{}", field.path);
        }
        self
    }

    /// The same, inside the element `index`.
    #[cold]
    pub fn within_element(self, index: usize) -> Fault {
        self.within(&format!("[{index}]"))
    }

    pub fn into_body_error(self, body: &[u8], max_depth: usize) -> BodyError {
        match self {
            Fault::Json(error) => json_error(error, body, max_depth),
            Fault::Field(field) => {
                let Field { kind, path, what } = *field;
                if path.is_empty() {
                    return BodyError {
                        kind,
                        message: what.to_owned(),
                        param: None,
                    };
                }
                BodyError {
                    kind,
                    message: format!("`{path}` {what}"),
                    param: Some(path),
                }
            }
        }
    }
}

/// For answers, whose readers know no field that could be wrong.
impl From<Fault> for JsonError {
    fn from(fault: Fault) -> JsonError {
        match fault {
            Fault::Json(error) => error,
            Fault::Field(_) => JsonError {
                offset: 0,
                kind: JsonErrorKind::ExpectedValue,
            },
        }
    }
}

fn json_error(error: JsonError, body: &[u8], max_depth: usize) -> BodyError {
    let (line, column) = error.line_column(body);
    let (kind, message) = match error.kind {
        JsonErrorKind::TooDeep => (
            BodyErrorKind::TooDeep,
            format!("the body nests arrays and objects more than {max_depth} deep: flatten it"),
        ),
        JsonErrorKind::TooManyTexts => (
            BodyErrorKind::TooMany,
            "the body holds more texts than are read: split it into several".to_owned(),
        ),
        what => (
            BodyErrorKind::NotJson,
            format!("the body is not valid JSON: {what} at line {line} column {column}"),
        ),
    };
    BodyError {
        kind,
        param: None,
        message,
    }
}

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
