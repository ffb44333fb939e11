//! A conversation as dialects with strict turns want it: user and assistant one after the other, results of tools first
//! in the turn behind their calls (PAIN D06). What a turn looks like on the wire is left to the dialects.

use super::{Content, Message, Part, Text};
use crate::openai::Role;

/// Adjacent messages of one side, joined.
#[derive(Clone, Debug)]
pub struct Turn<'r, 'a> {
    /// `User` (which tools' results belong to), `Assistant`, or `System` where it was to be kept in its place.
    pub role: Role,
    pub parts: Vec<Placed<'r, 'a>>,
}

/// A part and where it stood.
#[derive(Copy, Clone, Debug)]
pub struct Placed<'r, 'a> {
    pub part: &'r Part<'a>,
    /// Which of the messages.
    pub message: usize,
    /// Which of its parts.
    pub index: usize,
}

/// A conversation cut in two.
#[derive(Clone, Debug)]
pub struct Turns<'r, 'a> {
    pub system: Vec<Placed<'r, 'a>>,
    /// How many of `system` were not at the beginning, and lost their place.
    pub moved: usize,
    pub turns: Vec<Turn<'r, 'a>>,
}

impl Placed<'_, '_> {
    /// As in `messages[2].content[0]`.
    pub fn path(&self) -> String {
        format!("messages[{}].content[{}]", self.message, self.index)
    }
}

/// Cuts a conversation into turns. System messages behind the beginning stay where they are if `system_anywhere`,
/// otherwise they join those at the beginning: as a user's words they would have less weight than their author meant.
pub fn turns<'r, 'a>(messages: &'r [Message<'a>], system_anywhere: bool) -> Turns<'r, 'a> {
    let mut cut = Turns {
        system: Vec::new(),
        moved: 0,
        turns: Vec::new(),
    };
    for (at, message) in messages.iter().enumerate() {
        let parts = message.parts.iter().enumerate().map(|(index, part)| Placed {
            part,
            message: at,
            index,
        });
        if message.is_system() && (cut.turns.is_empty() || !system_anywhere) {
            let before = cut.system.len();
            cut.system.extend(parts);
            if !cut.turns.is_empty() {
                cut.moved += cut.system.len() - before;
            }
            continue;
        }
        let role = match message.role {
            Role::Assistant => Role::Assistant,
            Role::System | Role::Developer => Role::System,
            _ => Role::User,
        };
        match cut.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => cut.turns.push(Turn {
                role,
                parts: parts.collect(),
            }),
        }
    }
    for turn in cut.turns.iter_mut().filter(|turn| turn.role == Role::User) {
        // stable: among themselves results and words keep their order
        turn.parts.sort_by_key(|placed| !is_result(placed.part));
    }
    cut
}

/// The first result whose call is in no earlier message; providers refuse such a conversation.
pub fn orphan_result<'r, 'a>(messages: &'r [Message<'a>]) -> Option<(Placed<'r, 'a>, &'r Text<'a>)> {
    let mut calls: Vec<&Text<'a>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        for (index, part) in message.parts.iter().enumerate() {
            match &part.content {
                Content::ToolCall(call) => calls.push(&call.id),
                Content::ToolResult(result) if !calls.contains(&&result.call_id) => {
                    let placed = Placed {
                        part,
                        message: at,
                        index,
                    };
                    return Some((placed, &result.call_id));
                }
                _ => {}
            }
        }
    }
    None
}

/// The name of the tool that a call was of, for dialects whose results say names (Gemini).
pub fn name_of_call<'r, 'a>(messages: &'r [Message<'a>], call_id: &Text<'_>) -> Option<&'r Text<'a>> {
    messages
        .iter()
        .flat_map(|message| &message.parts)
        .find_map(|part| match &part.content {
            Content::ToolCall(call) if call.id == *call_id => Some(&call.name),
            _ => None,
        })
}

fn is_result(part: &Part<'_>) -> bool {
    matches!(part.content, Content::ToolResult(_))
}
