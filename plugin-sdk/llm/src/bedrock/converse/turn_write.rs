//! A conversation in Converse's strict turns: a user's first, user and assistant one after the other, none of them empty
//! (APIS.md 6.3, 9.1; PAIN D06).

use crate::fault::Fault;
use crate::model::{
    Content, Dialect, Maker, Media, MediaKind, Message, Part, Place, Placed, Request, Role, Text, Turn, turns,
};
use crate::write::{Array, Object, nowhere};

use super::block_write::{Blocks, NO_SUCH, is_taken_back};

/// What stands in for words that have to be there.
const NOTHING_SAID: &str = ".";

/// Writes `system` and `messages`.
pub(super) struct Conversation<'w, 'a> {
    pub request: &'w Request<'a>,
    pub maker: Option<Maker>,
    /// System messages may stand among the others.
    pub system_anywhere: bool,
    /// What is asked for in words, as the dialect has no other.
    pub asked: Option<String>,
    pub blocks: Blocks<'w>,
}

impl Conversation<'_, '_> {
    /// # Errors
    /// What cannot be said here and must not be left out, by its place.
    pub fn write(mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        if self.blocks.own {
            return self.own(body);
        }
        let cut = turns(&self.request.messages, self.system_anywhere);
        if cut.moved > 0 {
            self.blocks.losses.changed(
                "messages",
                "later system messages stand with the first ones: the model takes them there alone",
            );
        }
        self.unsaid();
        self.system(&cut.system, body)?;
        let turns = self.said_turns(cut.turns);
        let mut result = Ok(());
        body.array("messages", |array| {
            if turns.first().is_none_or(|turn| turn.role != Role::User) {
                self.blocks
                    .losses
                    .added("messages", "a conversation begins with a user's turn");
                array.object(|object| {
                    object.str("role", "user");
                    object.array("content", nothing_said);
                });
            }
            let last = turns.len().saturating_sub(1);
            let mut numbered = turns.iter().enumerate();
            result = numbered.try_for_each(|(at, turn)| self.turn(turn, at == last, array));
        });
        result
    }

    /// As its caller cut it.
    fn own(&mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        let is_top = |message: &Message<'_>| message.place == Place::Top;
        let messages = self.request.messages.iter().enumerate();
        let (top, said): (Vec<_>, Vec<_>) = messages.partition(|(_, message)| is_top(message));
        let system: Vec<Placed<'_, '_>> = top
            .iter()
            .flat_map(|(at, message)| placed(message, *at))
            .collect();
        self.system(&system, body)?;
        let mut result = Ok(());
        body.array("messages", |array| {
            result = said.iter().try_for_each(|(at, message)| {
                let mut written = Ok(());
                array.object(|object| {
                    object.str("role", role(message.role));
                    object.array("content", |array| {
                        written = self.parts(&placed(message, *at), array)
                    });
                    object.extras(&message.extras);
                });
                written
            });
        });
        result
    }

    fn system(&mut self, said: &[Placed<'_, '_>], body: &mut Object<'_>) -> Result<(), Fault> {
        let asked = self.asked.take();
        let any = said.iter().any(|placed| self.is_said(placed.part));
        if !any && asked.is_none() {
            return self.parts(said, &mut nowhere(&mut Vec::new()));
        }
        let mut result = Ok(());
        body.array("system", |array| {
            let (words, others): (Vec<_>, Vec<_>) = said
                .iter()
                .copied()
                .partition(|placed| self.blocks.own || is_words(placed.part));
            for placed in others {
                self.blocks
                    .losses
                    .dropped(placed.path(), "system messages hold texts alone");
            }
            result = self.parts(&words, array);
            if let Some(asked) = asked {
                array.object(|object| object.str("text", &asked));
            }
        });
        result
    }

    /// The turns in which anything is said, their neighbours joined; what is lost with the others is named.
    fn said_turns<'r, 'p>(&mut self, turns: Vec<Turn<'r, 'p>>) -> Vec<Turn<'r, 'p>> {
        let mut said: Vec<Turn<'r, 'p>> = Vec::with_capacity(turns.len());
        for turn in turns {
            if !turn.parts.iter().any(|placed| self.is_said(placed.part)) {
                // nothing that could be refused is in it
                let _ = self.parts(&turn.parts, &mut nowhere(&mut Vec::new()));
                continue;
            }
            match said.last_mut() {
                Some(last) if last.role == turn.role => last.parts.extend(turn.parts),
                _ => said.push(turn),
            }
        }
        said
    }

    fn turn(&mut self, turn: &Turn<'_, '_>, last: bool, array: &mut Array<'_>) -> Result<(), Fault> {
        let wordless = turn.role == Role::User && is_wordless_document(&turn.parts);
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", role(turn.role));
            object.array("content", |array| {
                result = self.parts(&turn.parts, array);
                if wordless {
                    self.blocks
                        .losses
                        .added("messages", "beside a document there has to be a text");
                    nothing_said(array);
                }
                if last {
                    self.last_point(turn, array);
                }
            });
        });
        result
    }

    /// A mark on the whole request: a cache point behind its last turn (PAIN E07).
    fn last_point(&mut self, turn: &Turn<'_, '_>, array: &mut Array<'_>) {
        let Some(mark) = &self.request.cache else {
            return;
        };
        let marked = turn.parts.last().is_some_and(|end| end.part.cache.is_some());
        if self.blocks.written > 0 && !marked {
            let Blocks { points, losses, .. } = &mut self.blocks;
            points.write(mark, false, array, losses, &|| "cache_control".to_owned());
        }
    }

    fn parts(&mut self, placed: &[Placed<'_, '_>], array: &mut Array<'_>) -> Result<(), Fault> {
        let parts: Vec<&Part<'_>> = placed.iter().map(|placed| placed.part).collect();
        let path = |index: usize| placed.get(index).map(Placed::path).unwrap_or_default();
        let written = self.blocks.write(&parts, &path, array);
        written.map_err(|(index, fault)| {
            let (message, at) = placed
                .get(index)
                .map_or((0, 0), |placed| (placed.message, placed.index));
            fault
                .within_element(at)
                .within("content")
                .within_element(message)
                .within("messages")
        })
    }

    /// Whether anything of a part will be written.
    fn is_said(&self, part: &Part<'_>) -> bool {
        if self.blocks.own {
            return true;
        }
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) => !text.is_blank(),
            Content::Native(native) => native.dialect == Dialect::BedrockConverse,
            Content::Reasoning(thought) => is_taken_back(part, thought, false, self.maker),
            _ => true,
        }
    }

    fn unsaid(&mut self) {
        for (at, message) in self.request.messages.iter().enumerate() {
            if message.name.is_some() {
                self.blocks
                    .losses
                    .dropped(format!("messages[{at}].name"), NO_SUCH);
            }
            for extra in &message.extras {
                let path = format!("messages[{at}].{}", extra.name.get());
                self.blocks.losses.dropped(path, NO_SUCH);
            }
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::System | Role::Developer => "system",
        _ => "user",
    }
}

fn placed<'r, 'a>(message: &'r Message<'a>, at: usize) -> Vec<Placed<'r, 'a>> {
    let parts = message.parts.iter().enumerate();
    parts
        .map(|(index, part)| Placed {
            part,
            message: at,
            index,
        })
        .collect()
}

fn nothing_said(array: &mut Array<'_>) {
    array.object(|object| object.text("text", &Text::plain(NOTHING_SAID)));
}

fn is_words(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Text { .. } | Content::Refusal(_))
}

/// A document stands among the parts, and no words do.
fn is_wordless_document(parts: &[Placed<'_, '_>]) -> bool {
    let document = |placed: &Placed<'_, '_>| {
        matches!(
            &placed.part.content,
            Content::Media(Media {
                kind: MediaKind::Document,
                ..
            })
        )
    };
    let words = |placed: &Placed<'_, '_>| placed.part.as_text().is_some_and(|text| !text.is_blank());
    parts.iter().any(document) && !parts.iter().any(words)
}
