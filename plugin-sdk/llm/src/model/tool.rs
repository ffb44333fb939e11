//! Tools: what may be called, what was called, and what came of it.

use super::raw::Json;
use super::{CacheMark, Dialect, Extras, Part, Text};
use crate::fault::{BodyErrorKind, Fault};
use crate::json::{JsonLimits, validate};

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'a> {
    pub kind: ToolKind<'a>,
    pub cache: Option<CacheMark<'a>>,
    /// `defer_loading`, `input_examples` and the like.
    pub extras: Extras<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind<'a> {
    Function {
        name: Text<'a>,
        description: Option<Text<'a>>,
        /// JSON Schema; none where the tool takes nothing.
        parameters: Option<Json<'a>>,
        strict: Option<bool>,
    },
    /// Takes a free text instead of JSON (OpenAI).
    Custom {
        name: Text<'a>,
        description: Option<Text<'a>>,
        format: Option<Json<'a>>,
    },
    /// One of the provider's own, by its dialect's type, such as `web_search_20250305`.
    Native {
        dialect: Dialect,
        kind: Text<'a>,
        /// The whole object.
        json: Json<'a>,
    },
}

impl<'a> Tool<'a> {
    pub fn new(kind: ToolKind<'a>) -> Tool<'a> {
        Tool {
            kind,
            cache: None,
            extras: Vec::new(),
        }
    }

    /// Whether it takes a free text and has that name.
    pub fn is_custom(&self, name: &Text<'_>) -> bool {
        matches!(&self.kind, ToolKind::Custom { name: of, .. } if of == name)
    }

    /// The name that it is called by; none for a provider's own.
    pub fn name(&self) -> Option<&Text<'a>> {
        match &self.kind {
            ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => Some(name),
            ToolKind::Native { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    None,
    Auto,
    /// Some tool has to be called.
    Required,
    /// This one has to be called.
    Named(Text<'a>),
    /// One of these; whether one has to be.
    Allowed {
        names: Vec<Text<'a>>,
        required: bool,
    },
    /// In the dialect's own words.
    Native {
        dialect: Dialect,
        json: Json<'a>,
    },
}

/// A call that the model made.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall<'a> {
    /// Empty where the dialect gave none; a writer that needs one makes one.
    pub id: Text<'a>,
    pub name: Text<'a>,
    /// A text that should hold a JSON object, as the model wrote it: nobody checked it. A custom tool's is free text.
    pub arguments: Text<'a>,
    pub kind: CallKind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CallKind {
    Function,
    Custom,
}

impl<'a> ToolCall<'a> {
    pub fn function(id: Text<'a>, name: Text<'a>, arguments: Text<'a>) -> ToolCall<'a> {
        ToolCall {
            id,
            name,
            arguments,
            kind: CallKind::Function,
        }
    }

    /// The arguments as a JSON object, for dialects that want one: `{}` for no text at all, a custom tool's text as
    /// `{"input":..}`. None where they are not a JSON object.
    pub fn arguments_object(&self) -> Option<Json<'_>> {
        if self.kind == CallKind::Custom {
            let mut wrapped = b"{\"input\":".to_vec();
            self.arguments.write(&mut wrapped);
            wrapped.push(b'}');
            return Some(Json::checked(String::from_utf8(wrapped).ok()?));
        }
        let text = self.arguments.get();
        // Cohere says `null` for none
        if matches!(text.trim(), "" | "null") {
            return Some(Json::checked("{}"));
        }
        Json::new(text).filter(Json::is_object)
    }

    pub fn into_owned(self) -> ToolCall<'static> {
        ToolCall {
            id: self.id.into_owned(),
            name: self.name.into_owned(),
            arguments: self.arguments.into_owned(),
            kind: self.kind,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult<'a> {
    pub call_id: Text<'a>,
    /// The tool's name, where the dialect says it. Those that need it ask [`name_of_call`](super::name_of_call).
    pub name: Option<Text<'a>>,
    pub parts: Vec<Part<'a>>,
    /// None where the dialect does not say.
    pub is_error: Option<bool>,
}

impl<'a> ToolResult<'a> {
    pub fn new(call_id: Text<'a>, parts: Vec<Part<'a>>) -> ToolResult<'a> {
        ToolResult {
            call_id,
            name: None,
            parts,
            is_error: None,
        }
    }

    pub fn into_owned(self) -> ToolResult<'static> {
        ToolResult {
            call_id: self.call_id.into_owned(),
            name: self.name.map(Text::into_owned),
            parts: self.parts.into_iter().map(Part::into_owned).collect(),
            is_error: self.is_error,
        }
    }
}

/// An id for a call whose provider gives none, the same for the same answer.
pub(crate) fn made_id(answer: &str, choice: u32, call: usize) -> String {
    let stem: String = answer
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(32)
        .collect();
    format!("call_{stem}_{choice}_{call}")
}

/// Whether a call's arguments are a JSON object, or nothing, which stands for an empty one.
pub(crate) fn is_object(arguments: &str) -> bool {
    let arguments = arguments.trim();
    let whole = arguments.starts_with('{') && validate(arguments.as_bytes(), &JsonLimits::default()).is_ok();
    whole || matches!(arguments, "" | "null")
}

/// What to say of a call whose arguments are no JSON object: it is named by its id, where that looks like one.
pub(crate) fn broken_arguments(id: Option<&Text<'_>>) -> Fault {
    let id = id.map(Text::get).unwrap_or_default();
    let plain = id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
    let what = match plain && !id.is_empty() {
        true => format!("of the call `{id}` are not a JSON object"),
        false => "of a call are not a JSON object".to_owned(),
    };
    Fault::new(BodyErrorKind::Invalid, "arguments", what)
}
