//! Encrypted thoughts by a mark, so that whoever gave them can be found again: only the account that they were made for
//! can read them, and any other is refused with the whole request (PAIN G01). Who that is is left to the gateway.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};

use super::{Content, Event, Maker, Part, Request, Text};

/// Stands for one piece of encrypted thoughts; says nothing of what is in it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seal(pub u64);

impl Seal {
    /// Of a part that only its provider's account can read. Other makers' signatures and secrets are good for every
    /// account.
    pub fn of_part(part: &Part<'_>) -> Option<Seal> {
        match &part.content {
            Content::Reasoning(thought) if thought.maker == Some(Maker::OpenAi) => {
                thought.data.as_ref().map(Seal::of)
            }
            _ => None,
        }
    }

    pub fn of_event(event: &Event<'_>) -> Option<Seal> {
        match event {
            Event::PartStart { content, .. } => Seal::of_part(content),
            _ => None,
        }
    }

    fn of(data: &Text<'_>) -> Seal {
        let mut hasher = DefaultHasher::new();
        hasher.write(data.get().as_bytes());
        Seal(hasher.finish())
    }
}

impl Request<'_> {
    /// The encrypted thoughts in the conversation, oldest first.
    pub fn seals(&self) -> Vec<Seal> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.filter_map(Seal::of_part).collect()
    }

    /// Takes out the encrypted thoughts that `is_foreign` says can not be read there, with what else was thought in the
    /// same piece, which means nothing without them. Their places.
    pub fn unseal(&mut self, is_foreign: impl Fn(Seal) -> bool) -> Vec<String> {
        let mut places = Vec::new();
        for (at, message) in self.messages.iter_mut().enumerate() {
            let secrets = message
                .parts
                .iter()
                .filter(|part| Seal::of_part(part).is_some_and(&is_foreign));
            let secrets: Vec<Option<String>> = secrets.map(id_of).collect();
            if secrets.is_empty() {
                continue;
            }
            let ids: BTreeSet<String> = secrets.into_iter().flatten().collect();
            let is_of_foreign = |part: &Part<'_>| id_of(part).is_some_and(|id| ids.contains(&id));
            let mut index = 0usize;
            message.parts.retain(|part| {
                let place = index;
                index = index.saturating_add(1);
                let goes = is_of_foreign(part) || Seal::of_part(part).is_some_and(&is_foreign);
                if goes {
                    places.push(format!("messages[{at}].content[{place}]"));
                }
                !goes
            });
        }
        // a turn of nothing but thoughts is no turn any more
        self.messages
            .retain(|message| !message.parts.is_empty() || message.role != super::Role::Assistant);
        places
    }
}

fn id_of(part: &Part<'_>) -> Option<String> {
    match &part.content {
        Content::Reasoning(thought) => thought.id.as_ref().map(|id| id.get().into_owned()),
        _ => None,
    }
}
