//! Signatures and sealed thoughts that a caller did not bring back, put where they were, for the maker who made them.

use std::sync::Arc;

use penstock_llm::model::{Content, Maker, Message, Part, Reasoning, ReasoningForm, Request};
use penstock_llm::openai::Role;

use crate::state::signatures::{Anchor, Conversation, Key, Piece, Turn, Vault, Words};

/// Puts back what is missing of the turns that are kept, and gives the conversation as its caller told it.
pub fn put_back(
    request: &mut Request<'_>,
    caller: &str,
    maker: Option<Maker>,
    vault: &Vault,
) -> Conversation {
    let mut conversation = Conversation::of(caller);
    let looks_up = maker.is_some() && !vault.is_unused();
    for message in &mut request.messages {
        let so_far = conversation;
        conversation = conversation.and(message);
        let Some(maker) = maker.filter(|_| looks_up && message.role == Role::Assistant) else {
            continue;
        };
        if let Some(turn) = find(message, caller, &so_far, vault) {
            restore(message, &turn, maker);
        }
    }
    conversation
}

/// By any of its calls, else by its words.
fn find(message: &Message<'_>, caller: &str, so_far: &Conversation, vault: &Vault) -> Option<Arc<Turn>> {
    let calls = message.parts.iter().filter_map(|part| match &part.content {
        Content::ToolCall(call) if !call.id.is_empty() => Some(call),
        _ => None,
    });
    let mut calls = calls.peekable();
    if calls.peek().is_none() {
        return vault.find(&Key::of_words(so_far, Words::of(message)));
    }
    calls
        .map(|call| Key::of_call(caller, &call.id.get()))
        .find_map(|key| vault.find(&key))
}

fn restore(message: &mut Message<'_>, turn: &Turn, maker: Maker) {
    mark(message, turn, maker);
    let has_own = message.parts.iter().any(is_sealed);
    let thoughts = turn.pieces.iter().filter_map(|piece| match piece {
        Piece::Thought { before, part } if is_by(part, maker) => Some((before, part)),
        _ => None,
    });
    let thoughts: Vec<_> = thoughts.collect();
    if has_own || thoughts.is_empty() {
        return;
    }
    // the same words without their signature say nothing that the signed ones do not
    message.parts.retain(|part| !is_bare_thought(part));
    for (before, part) in thoughts {
        let at = place(message, before);
        message.parts.insert(at, Part::clone(part));
    }
}

/// Puts signatures on calls and words that have none.
fn mark(message: &mut Message<'_>, turn: &Turn, maker: Maker) {
    for piece in &turn.pieces {
        let Piece::Mark { on, signature } = piece else {
            continue;
        };
        if signature.maker != Some(maker) {
            continue;
        }
        // words that were several are one now, and what signed the last of them signs them
        let part = message.parts.iter_mut().rev().find(|part| is_at(part, on));
        if let Some(part) = part.filter(|part| part.signature.is_none()) {
            part.signature = Some(signature.clone());
        }
    }
}

/// Thoughts with the same place keep their order: each goes behind those that are there.
fn place(message: &Message<'_>, before: &Anchor) -> usize {
    let at = message.parts.iter().position(|part| is_at(part, before));
    at.unwrap_or(message.parts.len())
}

fn is_at(part: &Part<'_>, anchor: &Anchor) -> bool {
    match (&part.content, anchor) {
        (Content::ToolCall(call), Anchor::Call(id)) => call.id.is(id),
        (Content::Text { .. }, Anchor::Words) => true,
        _ => false,
    }
}

fn is_by(part: &Part<'_>, maker: Maker) -> bool {
    match &part.content {
        Content::Reasoning(thought) => thought.maker == Some(maker),
        _ => false,
    }
}

/// Whether the caller brought thoughts back as their maker wants them.
fn is_sealed(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Reasoning(thought) => part.signature.is_some() || thought.data.is_some(),
        _ => false,
    }
}

fn is_bare_thought(part: &Part<'_>) -> bool {
    let thought = matches!(
        &part.content,
        Content::Reasoning(Reasoning {
            form: ReasoningForm::Text | ReasoningForm::Summary,
            data: None,
            ..
        })
    );
    thought && part.signature.is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use penstock_llm::model::{Dialect, Signature, Text, ToolCall};

    use super::*;
    use crate::state::snapshot::Signatures;

    fn vault() -> Vault {
        Vault::new(&Signatures {
            keep: true,
            bytes: 1 << 20,
            ttl: Duration::from_secs(60),
        })
    }

    fn signed(maker: Maker, words: &'static str) -> Part<'static> {
        let mut part = Part::new(Content::Reasoning(Reasoning::text(words.into(), Some(maker))));
        part.signature = Some(Signature {
            maker: Some(maker),
            data: Text::plain("seal"),
        });
        part
    }

    fn called(id: &'static str) -> Part<'static> {
        Part::new(Content::ToolCall(ToolCall::function(
            id.into(),
            "look".into(),
            "{}".into(),
        )))
    }

    fn request(parts: Vec<Part<'static>>) -> Request<'static> {
        let mut request = Request::new(Dialect::OpenAiChat, "m".into());
        request.messages = vec![
            Message::new(Role::User, vec![Part::text("hi")]),
            Message::new(Role::Assistant, parts),
        ];
        request
    }

    fn kept(vault: &Vault, pieces: Vec<Piece>) {
        vault.keep([Key::of_call("ann", "c1")], Turn { pieces });
    }

    fn thought(before: Anchor, words: &'static str) -> Piece {
        Piece::Thought {
            before,
            part: Box::new(signed(Maker::Anthropic, words)),
        }
    }

    #[test]
    fn pain_e02_thoughts_go_back_before_what_they_were_thought_for() {
        let vault = vault();
        let first = || Anchor::Call("c1".into());
        kept(
            &vault,
            vec![
                thought(Anchor::Words, "one"),
                thought(first(), "two"),
                thought(first(), "three"),
                thought(Anchor::End, "four"),
            ],
        );
        let bare = Part::new(Content::Reasoning(Reasoning::text("one".into(), None)));
        let mut request = request(vec![bare, Part::text("So."), called("c1"), called("c2")]);
        put_back(&mut request, "ann", Some(Maker::Anthropic), &vault);
        let order: Vec<String> = request.messages[1]
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::Reasoning(thought) => thought.text.get().into_owned(),
                Content::Text { text, .. } => text.get().into_owned(),
                Content::ToolCall(call) => call.id.get().into_owned(),
                _ => String::new(),
            })
            .collect();
        assert_eq!(order, ["one", "So.", "two", "three", "c1", "c2", "four"]);
    }

    #[test]
    fn another_makers_model_gets_nothing_back() {
        let vault = vault();
        kept(&vault, vec![thought(Anchor::End, "one")]);
        for maker in [Some(Maker::Google), None] {
            let mut asked = request(vec![called("c1")]);
            put_back(&mut asked, "ann", maker, &vault);
            assert_eq!(asked, request(vec![called("c1")]));
        }
    }

    #[test]
    fn what_the_caller_brought_back_stays_as_it_is() {
        let vault = vault();
        kept(&vault, vec![thought(Anchor::End, "one")]);
        let own = || request(vec![signed(Maker::Anthropic, "mine"), called("c1")]);
        let mut asked = own();
        put_back(&mut asked, "ann", Some(Maker::Anthropic), &vault);
        assert_eq!(asked, own());
    }

    #[test]
    fn pain_e02_a_calls_signature_goes_back_on_it() {
        let vault = vault();
        let signature = Signature {
            maker: Some(Maker::Google),
            data: Text::plain("seal"),
        };
        let mark = |on| Piece::Mark {
            on,
            signature: signature.clone(),
        };
        kept(
            &vault,
            vec![mark(Anchor::Call("c1".into())), mark(Anchor::Call("gone".into()))],
        );
        let mut asked = request(vec![called("c1"), called("c2")]);
        put_back(&mut asked, "ann", Some(Maker::Google), &vault);
        let parts = &asked.messages[1].parts;
        assert_eq!(parts[0].signature.as_ref(), Some(&signature));
        assert_eq!(parts[1].signature, None);
    }

    #[test]
    fn words_are_found_at_their_place_in_the_conversation() {
        let vault = vault();
        let asked = request(vec![Part::text("OK")]);
        let before = Conversation::of("ann").and(&asked.messages[0]);
        let key = Key::of_words(&before, Words::of(&asked.messages[1]));
        let turn = Turn {
            pieces: vec![thought(Anchor::Words, "hm")],
        };
        vault.keep([key], turn);
        let mut same = request(vec![Part::text("OK")]);
        put_back(&mut same, "ann", Some(Maker::Anthropic), &vault);
        assert_eq!(same.messages[1].parts.len(), 2);
        let mut other = request(vec![Part::text("OK")]);
        other.messages[0] = Message::new(Role::User, vec![Part::text("else")]);
        put_back(&mut other, "ann", Some(Maker::Anthropic), &vault);
        assert_eq!(other.messages[1].parts.len(), 1);
    }
}
