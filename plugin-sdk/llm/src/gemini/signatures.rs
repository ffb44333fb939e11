//! Which signature goes with which part of a request.

use std::collections::BTreeSet;

use crate::model::{Content, Losses, Maker, Placed, Reasoning, ReasoningForm, Text, ToolCall};

use super::content_write::Conversation;

/// Base64 of the words that let a call without a signature pass (APIS.md 4.4).
const SKIP_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The signatures that go with one content's parts: their own, those that another dialect kept as encrypted thoughts, and
/// one that lets calls pass whose own is lost.
pub(super) struct Signatures<'w> {
    encrypted: Vec<Encrypted<'w>>,
    calls_to_come: usize,
    /// No call so far.
    first: bool,
}

struct Encrypted<'w> {
    /// Of the call that it belongs to.
    id: Option<Text<'w>>,
    data: Text<'w>,
    /// That call is in the content.
    reserved: bool,
    path: String,
}

impl<'w> Signatures<'w> {
    pub fn of<'a>(parts: &[Placed<'w, 'a>], writer: &mut Conversation<'w, 'a>) -> Signatures<'w> {
        let mut signatures = Signatures {
            encrypted: Vec::new(),
            calls_to_come: 0,
            first: true,
        };
        if writer.own {
            return signatures;
        }
        for placed in parts {
            match &placed.part.content {
                Content::ToolCall(_) => signatures.calls_to_come = signatures.calls_to_come.saturating_add(1),
                Content::Reasoning(Reasoning {
                    form: ReasoningForm::Encrypted,
                    data: Some(data),
                    id,
                    maker: Some(Maker::Google),
                    ..
                }) => signatures.encrypted.push(Encrypted {
                    id: id.as_ref().map(Text::borrowed),
                    data: data.borrowed(),
                    reserved: false,
                    path: placed.path(),
                }),
                _ => {}
            }
        }
        let calls = parts.iter().filter_map(|placed| match &placed.part.content {
            Content::ToolCall(call) => Some(call.id.get()),
            _ => None,
        });
        let calls: BTreeSet<_> = calls.collect();
        for encrypted in &mut signatures.encrypted {
            encrypted.reserved = encrypted.id.as_ref().is_some_and(|id| calls.contains(&id.get()));
        }
        signatures
    }

    pub fn take<'a>(
        &mut self,
        placed: &Placed<'w, 'a>,
        writer: &mut Conversation<'w, 'a>,
    ) -> Option<Text<'w>> {
        let own = writer.signature_of(placed);
        let Content::ToolCall(call) = &placed.part.content else {
            let words = matches!(placed.part.content, Content::Text { .. });
            let lone = own.is_none() && words && self.calls_to_come == 0;
            return own.or_else(|| lone.then(|| self.next())?);
        };
        let first = std::mem::replace(&mut self.first, false);
        let kept = self.of_call(call);
        let found = own.or(kept).or_else(|| first.then(|| self.next())?);
        if found.is_none() && first && !writer.own && writer.family.is_third() {
            writer.losses.added(
                format!("{}.signature", placed.path()),
                "the model takes no call without one: its own was lost on the way",
            );
            return Some(Text::plain(SKIP_SIGNATURE));
        }
        found
    }

    fn of_call(&mut self, call: &ToolCall<'_>) -> Option<Text<'w>> {
        let of_call = |encrypted: &Encrypted<'_>| encrypted.id.as_ref().is_some_and(|id| *id == call.id);
        let at = self.encrypted.iter().position(of_call)?;
        Some(self.encrypted.remove(at).data)
    }

    fn next(&mut self) -> Option<Text<'w>> {
        let at = self.encrypted.iter().position(|encrypted| !encrypted.reserved)?;
        Some(self.encrypted.remove(at).data)
    }

    pub fn name_losses(self, losses: &mut Losses) {
        for left in self.encrypted {
            losses.dropped(left.path, "there is no piece left for it to go with");
        }
    }
}
