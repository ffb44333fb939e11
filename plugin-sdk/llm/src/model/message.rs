//! One turn of a conversation.

use super::{Extras, Part, Text};
use crate::openai::Role;

/// One message, as its dialect cut it: tool results may stand in a message of their own (OpenAI) or lead a user's
/// (Anthropic, Gemini, Converse). [`turns`](super::turns) joins them for dialects that want strict turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Never `Role::Other`: a request with a role that nobody knows is refused.
    pub role: Role,
    pub place: Place,
    /// Who of several is speaking.
    pub name: Option<Text<'a>>,
    pub parts: Vec<Part<'a>>,
    /// What the dialect says of the message besides (`prefix`, `phase`, `id`, `status`).
    pub extras: Extras<'a>,
}

impl<'a> Message<'a> {
    pub fn new(role: Role, parts: Vec<Part<'a>>) -> Message<'a> {
        Message {
            role,
            place: Place::Turn,
            name: None,
            parts,
            extras: Vec::new(),
        }
    }

    pub fn is_system(&self) -> bool {
        matches!(self.role, Role::System | Role::Developer)
    }
}

/// Where the message stood.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the messages.
    Turn,
    /// Above them: Anthropic's `system`, `instructions`, `systemInstruction`. Such messages come first and have the
    /// role `System`.
    Top,
}
