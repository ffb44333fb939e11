//! The conversation out of the model: roles, turns, and which part goes where (APIS.md 9.1 to 9.3).

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::model::{
    Content, Dialect, Losses, Maker, Message, Names, Part, Placed, ReasoningForm, Request, Role, Target,
    Text, Turn, turns,
};
use crate::write::{Array, Object};

use super::NO_SUCH;
use super::family::Family;
use super::signatures::Signatures;

/// Writes a conversation.
pub(super) struct Conversation<'w, 'a> {
    pub(super) request: &'w Request<'a>,
    pub(super) target: &'w Target<'w>,
    pub(super) family: Family,
    pub(super) own: bool,
    pub(super) names: &'w mut Names,
    pub(super) losses: &'w mut Losses,
    /// The calls so far, by id: the tool's name, and the how manieth it is.
    pub(super) calls: BTreeMap<String, (&'w Text<'a>, usize)>,
}

impl<'w, 'a> Conversation<'w, 'a> {
    pub fn new(
        request: &'w Request<'a>,
        target: &'w Target<'w>,
        names: &'w mut Names,
        losses: &'w mut Losses,
    ) -> Conversation<'w, 'a> {
        Conversation {
            request,
            target,
            family: Family::of(target.model),
            own: request.dialect == Dialect::Gemini,
            names,
            losses,
            calls: BTreeMap::new(),
        }
    }

    /// Writes `systemInstruction` and `contents`. `instruction` is what the model has to be told besides.
    ///
    /// # Errors
    /// What cannot be said here and must not be left out, by its place.
    pub fn write(&mut self, instruction: Option<&str>, body: &mut Object<'_>) -> Result<(), Fault> {
        match self.own {
            true => self.as_they_were(instruction, body),
            false => self.in_turns(instruction, body),
        }
    }

    /// Messages of this dialect keep their cut.
    fn as_they_were(&mut self, instruction: Option<&str>, body: &mut Object<'_>) -> Result<(), Fault> {
        let request = self.request;
        let top = request.messages.iter().filter(|message| message.is_system());
        let system: Vec<Placed<'w, 'a>> = placed(&request.messages, |message| message.is_system());
        let extras = top.flat_map(|message| &message.extras);
        self.system(&system, instruction, extras, body)?;
        let mut result = Ok(());
        body.array("contents", |array| {
            let spoken = request.messages.iter().enumerate();
            for (at, message) in spoken.filter(|(_, message)| !message.is_system()) {
                if result.is_ok() {
                    result = self.message(message, at, array);
                }
            }
        });
        result
    }

    fn message(&mut self, message: &'w Message<'a>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let role = match message.role {
            Role::Assistant => "model",
            Role::Tool => "function",
            _ => "user",
        };
        let parts = message.parts.iter().enumerate();
        let parts: Vec<Placed<'w, 'a>> = parts
            .map(|(index, part)| Placed {
                part,
                message: at,
                index,
            })
            .collect();
        let mut result = Ok(());
        let kept = self.kept(&parts, message.role);
        if kept.is_empty() && !parts.is_empty() {
            return Ok(());
        }
        array.object(|object| {
            object.str("role", role);
            result = self.parts(&parts, &kept, object);
            object.extras(&message.extras);
        });
        result
    }

    /// Messages of other dialects become turns: the user begins, and results stand alone right behind their calls.
    fn in_turns(&mut self, instruction: Option<&str>, body: &mut Object<'_>) -> Result<(), Fault> {
        let request = self.request;
        self.unsaid_of_messages();
        let cut = turns(&request.messages, false);
        if cut.moved > 0 {
            self.losses.changed(
                "messages",
                "instructions behind the beginning join those at the beginning",
            );
        }
        self.system(&cut.system, instruction, [], body)?;
        let mut result = Ok(());
        body.array("contents", |array| {
            let begins = cut.turns.first().is_some_and(|turn| turn.role == Role::User);
            if !begins {
                self.losses
                    .added("messages[0]", "the conversation has to begin with a user");
                array.object(|object| {
                    object.str("role", "user");
                    object.array("parts", |array| array.object(|object| object.str("text", " ")));
                });
            }
            for turn in &cut.turns {
                if result.is_ok() {
                    result = self.turn(turn, array);
                }
            }
        });
        result
    }

    fn unsaid_of_messages(&mut self) {
        for (at, message) in self.request.messages.iter().enumerate() {
            if message.name.is_some() {
                self.losses.dropped(format!("messages[{at}].name"), NO_SUCH);
            }
            for extra in &message.extras {
                self.losses
                    .dropped(format!("messages[{at}].{}", extra.name.get()), NO_SUCH);
            }
        }
    }

    fn system<'e>(
        &mut self,
        parts: &[Placed<'w, 'a>],
        instruction: Option<&str>,
        extras: impl IntoIterator<Item = &'e crate::model::Extra<'e>>,
        body: &mut Object<'_>,
    ) -> Result<(), Fault> {
        let kept = self.kept(parts, Role::System);
        if kept.is_empty() && instruction.is_none() {
            return Ok(());
        }
        let mut result = Ok(());
        body.object("systemInstruction", |object| {
            object.array("parts", |array| {
                for placed in &kept {
                    if result.is_ok() {
                        result = self.part(placed, None, array);
                    }
                }
                if let Some(instruction) = instruction {
                    array.object(|object| object.str("text", instruction));
                }
            });
            for extra in extras {
                object.member(&extra.name, &extra.value);
            }
        });
        result
    }

    fn turn(&mut self, turn: &Turn<'w, 'a>, array: &mut Array<'_>) -> Result<(), Fault> {
        if turn.role == Role::Assistant {
            return self.content("model", &turn.parts, array);
        }
        let is_result = |placed: &&Placed<'w, 'a>| matches!(placed.part.content, Content::ToolResult(_));
        let mut results: Vec<Placed<'w, 'a>> = turn.parts.iter().filter(is_result).copied().collect();
        // results without ids are told apart by their order
        results.sort_by_key(|placed| self.order_of(placed.part));
        let others = turn.parts.iter().filter(|placed| !is_result(placed)).copied();
        let media = self.media_of(&results);
        self.content("user", &results, array)?;
        let others: Vec<Placed<'w, 'a>> = media.into_iter().chain(others).collect();
        self.content("user", &others, array)
    }

    fn order_of(&self, part: &Part<'_>) -> usize {
        let Content::ToolResult(result) = &part.content else {
            return usize::MAX;
        };
        self.calls
            .get(&*result.call_id.get())
            .map_or(usize::MAX, |(_, order)| *order)
    }

    /// Media of results that the model takes beside them alone.
    fn media_of(&mut self, results: &[Placed<'w, 'a>]) -> Vec<Placed<'w, 'a>> {
        if self.family.is_third() {
            return Vec::new();
        }
        let mut media = Vec::new();
        for placed in results {
            let Content::ToolResult(result) = &placed.part.content else {
                continue;
            };
            let inner = result.parts.iter().filter(|part| is_media(part));
            media.extend(inner.map(|part| Placed { part, ..*placed }));
        }
        if let Some(first) = media.first() {
            self.losses
                .changed(first.path(), "media of a tool's result follow behind it");
        }
        media
    }

    fn content(&mut self, role: &str, parts: &[Placed<'w, 'a>], array: &mut Array<'_>) -> Result<(), Fault> {
        let role_of = if role == "model" {
            Role::Assistant
        } else {
            Role::User
        };
        let kept = self.kept(parts, role_of);
        if kept.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", role);
            result = self.parts(parts, &kept, object);
        });
        result
    }

    /// Writes those of the parts that are kept.
    fn parts(
        &mut self,
        all: &[Placed<'w, 'a>],
        kept: &[Placed<'w, 'a>],
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        let mut signatures = Signatures::of(all, self);
        let mut result = Ok(());
        object.array("parts", |array| {
            for placed in kept {
                let signature = signatures.take(placed, self);
                if result.is_ok() {
                    result = self.part(placed, signature, array);
                }
            }
        });
        signatures.name_losses(self.losses);
        result
    }

    /// The parts that are written; what the others held is named.
    fn kept(&mut self, parts: &[Placed<'w, 'a>], role: Role) -> Vec<Placed<'w, 'a>> {
        parts
            .iter()
            .filter(|placed| self.keeps(placed, role))
            .copied()
            .collect()
    }

    fn keeps(&mut self, placed: &Placed<'w, 'a>, role: Role) -> bool {
        let why = match &placed.part.content {
            Content::Reasoning(thought) if self.own && thought.maker == Some(Maker::Google) => return true,
            Content::Reasoning(_) if self.own => "thoughts of another maker are not sent back",
            _ if self.own => return true,
            // an empty text is refused
            Content::Text { text, .. } => return !text.is_empty() || self.signature_of(placed).is_some(),
            Content::Refusal(text) => return !text.is_empty(),
            Content::Reasoning(thought)
                if thought.maker == Some(Maker::Google) && role == Role::Assistant =>
            {
                // what is encrypted goes with the call that it belongs to
                return thought.form != ReasoningForm::Encrypted
                    && !(thought.text.is_empty() && placed.part.signature.is_none());
            }
            Content::Reasoning(_) => "thoughts of another maker are not sent back",
            Content::Native(native) if native.dialect == Dialect::Gemini => return true,
            Content::Native(_) => "only its own dialect can say this",
            Content::ToolCall(_) if role != Role::Assistant => "does not belong into a message of this role",
            Content::ToolResult(_) if role != Role::User => "does not belong into a message of this role",
            Content::Media(_) if role == Role::System => "instructions are texts alone",
            _ => return true,
        };
        self.losses.dropped(placed.path(), why);
        false
    }

    /// A signature that the model's maker takes back. Models of this dialect are Google's where nobody says otherwise.
    pub(super) fn signature_of(&mut self, placed: &Placed<'w, 'a>) -> Option<Text<'w>> {
        let signature = placed.part.signature.as_ref()?;
        let maker = self.target.maker.unwrap_or(Maker::Google);
        if maker == Maker::Google && signature.maker == Some(Maker::Google) {
            return Some(signature.data.borrowed());
        }
        self.losses.dropped(
            format!("{}.signature", placed.path()),
            "signatures of another maker are not sent back",
        );
        None
    }
}

fn placed<'w, 'a>(messages: &'w [Message<'a>], of: impl Fn(&Message<'a>) -> bool) -> Vec<Placed<'w, 'a>> {
    let mut all = Vec::new();
    for (message, found) in messages.iter().enumerate().filter(|(_, message)| of(message)) {
        let parts = found.parts.iter().enumerate();
        all.extend(parts.map(|(index, part)| Placed { part, message, index }));
    }
    all
}

pub(super) fn is_media(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Media(_))
}
