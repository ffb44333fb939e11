//! Why a body was not taken, in words that are safe to show and to log: fields, limits and remedies, never content.
//! Which answer a caller gets for it is left to the gateway.

use std::borrow::Cow;
use std::fmt;

use crate::json::{JsonError, JsonErrorKind};

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
    /// Of the right type, with a value that cannot be.
    Invalid,
    /// Meaningful, but not where it would have to go.
    Unsupported,
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
pub(crate) enum Fault {
    Json(JsonError),
    Field(Box<Field>),
}

#[derive(Debug)]
pub(crate) struct Field {
    kind: BodyErrorKind,
    path: String,
    what: Cow<'static, str>,
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

impl Fault {
    #[cold]
    pub fn new(kind: BodyErrorKind, path: &str, what: impl Into<Cow<'static, str>>) -> Fault {
        Fault::Field(Box::new(Field {
            kind,
            path: path.to_owned(),
            what: what.into(),
        }))
    }

    pub fn invalid(path: &str, what: &'static str) -> Fault {
        Fault::new(BodyErrorKind::Invalid, path, what)
    }

    pub fn unsupported(path: &str, what: &'static str) -> Fault {
        Fault::new(BodyErrorKind::Unsupported, path, what)
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
                        message: what.into_owned(),
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

/// Adds the place to whatever went wrong inside it.
pub(crate) trait Within {
    /// The same, inside the member `name`.
    fn within(self, name: &str) -> Self;
}

impl<T> Within for Result<T, Fault> {
    #[inline]
    fn within(self, name: &str) -> Self {
        self.map_err(|fault| fault.within(name))
    }
}
