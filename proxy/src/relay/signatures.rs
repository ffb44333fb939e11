//! What of an answer its caller may not bring back: thoughts that are signed or sealed, and signatures of calls and words,
//! collected while the answer is translated and kept when it is over.

use penstock_llm::model::{Answer, Content, Delta, Event, Maker, Part, Signature, Text, ToolCall, replay};

use crate::state::signatures::{Anchor, Keeping, Key, MOST_TURN_BYTES, Piece, Turn, Words};

/// What a part counts besides its texts: a provider that begins parts without end fills the room of a turn, not memory.
const PART_BYTES: usize = 256;

/// Choices of one answer that are looked at.
const MOST_CHOICES: usize = 8;

/// Collects the turns of one answer.
pub struct Collector {
    keeping: Keeping,
    /// For calls that the provider gave no id.
    id: String,
    choices: Vec<Collected>,
    bytes: usize,
}

/// One choice's turn.
#[derive(Default)]
struct Collected {
    index: u32,
    turn: Turn,
    open: Vec<(u32, Open)>,
    /// Of `turn`'s thoughts, how many stand before something that has not come yet.
    waiting: usize,
    words: Words,
    calls: Vec<Key>,
    /// Calls so far, those that cannot be looked up included.
    count: usize,
}

/// A part that is still growing.
enum Open {
    Thought(Box<Part<'static>>),
    Visible {
        anchor: Anchor,
        signature: Option<Signature<'static>>,
    },
}

impl Collector {
    pub fn new(keeping: Keeping, answer_id: &str) -> Self {
        Self {
            keeping,
            id: answer_id.chars().filter(char::is_ascii_alphanumeric).collect(),
            choices: Vec::new(),
            bytes: 0,
        }
    }

    /// Sees one event of a stream. A call without an id gets one here, so that it can be found by it.
    pub fn see(&mut self, event: &mut Event<'_>) {
        match event {
            Event::PartStart {
                choice,
                part,
                content,
            } => self.begin(*choice, *part, content),
            Event::Delta { choice, part, delta } => self.grow(*choice, *part, delta),
            Event::PartStop { choice, part } => self.close(*choice, *part),
            Event::Stop { choice, .. } => self.keep(*choice),
            _ => {}
        }
    }

    /// Sees a whole answer.
    pub fn see_whole(&mut self, answer: &mut Answer<'_>) {
        for choice in &mut answer.choices {
            for (count, part) in choice.parts.iter_mut().enumerate() {
                if let Content::ToolCall(call) = &mut part.content {
                    name(call, &self.id, choice.index, count);
                }
            }
        }
        replay(answer, |mut event| self.see(&mut event));
    }

    fn begin(&mut self, choice: u32, part: u32, content: &mut Part<'_>) {
        if self.choices.iter().all(|collected| collected.index != choice) {
            if self.choices.len() == MOST_CHOICES {
                return;
            }
            self.choices.push(Collected {
                index: choice,
                ..Collected::default()
            });
        }
        let Some(collected) = self
            .choices
            .iter_mut()
            .find(|collected| collected.index == choice)
        else {
            return;
        };
        self.bytes += PART_BYTES + bytes_of(content);
        let is_full = self.bytes > MOST_TURN_BYTES;
        let open = match &mut content.content {
            Content::Reasoning(_) if !is_full => Open::Thought(Box::new(content.clone().into_owned())),
            Content::ToolCall(call) => {
                name(call, &self.id, choice, collected.count);
                collected.count += 1;
                if is_full {
                    return;
                }
                let id = call.id.get();
                let key = Key::of_call(&self.keeping.caller, &id);
                collected.calls.push(key);
                let anchor = Anchor::Call(id.as_ref().into());
                collected.reached(&anchor);
                Open::Visible {
                    anchor,
                    signature: content.signature.clone().map(Signature::into_owned),
                }
            }
            Content::Text { text, .. } if !is_full => {
                collected.say(text);
                Open::Visible {
                    anchor: Anchor::Words,
                    signature: content.signature.clone().map(Signature::into_owned),
                }
            }
            _ => return,
        };
        collected.open.push((part, open));
    }

    fn grow(&mut self, choice: u32, part: u32, delta: &Delta<'_>) {
        let Some(collected) = self
            .choices
            .iter_mut()
            .find(|collected| collected.index == choice)
        else {
            return;
        };
        if let Delta::Text(text) = delta {
            return collected.say(text);
        }
        let Some((_, open)) = collected.open.iter_mut().find(|(open, _)| *open == part) else {
            return;
        };
        let more = match delta {
            Delta::Reasoning(text) | Delta::Data(text) => text,
            Delta::Signature(signature) => &signature.data,
            _ => return,
        };
        self.bytes += more.len();
        if self.bytes <= MOST_TURN_BYTES {
            open.grow(delta);
        }
    }

    fn close(&mut self, choice: u32, part: u32) {
        let maker = self.keeping.maker;
        let Some(collected) = self
            .choices
            .iter_mut()
            .find(|collected| collected.index == choice)
        else {
            return;
        };
        let at = collected.open.iter().position(|(open, _)| *open == part);
        let Some((_, open)) = at.map(|at| collected.open.remove(at)) else {
            return;
        };
        match open {
            Open::Thought(thought) => collected.think(*thought, maker),
            Open::Visible {
                anchor,
                signature: Some(signature),
            } => collected.turn.pieces.push(Piece::Mark {
                on: anchor,
                signature: made_by(signature, maker),
            }),
            Open::Visible { signature: None, .. } => {}
        }
    }

    /// A choice is over: from here on its caller may go on with it.
    fn keep(&mut self, choice: u32) {
        let Some(at) = self
            .choices
            .iter()
            .position(|collected| collected.index == choice)
        else {
            return;
        };
        for part in self.choices[at]
            .open
            .iter()
            .map(|(part, _)| *part)
            .collect::<Vec<_>>()
        {
            self.close(choice, part);
        }
        let collected = self.choices.remove(at);
        if self.bytes > MOST_TURN_BYTES {
            return;
        }
        let mut keys = collected.calls;
        if keys.is_empty() {
            keys.push(Key::of_words(&self.keeping.conversation, collected.words));
        }
        self.keeping.vault.keep(keys, collected.turn);
    }
}

impl Collected {
    fn say(&mut self, text: &Text<'_>) {
        if !text.is_empty() {
            self.words.push(text);
            self.reached(&Anchor::Words);
        }
    }

    /// Thoughts that waited for something visible stand before it.
    fn reached(&mut self, anchor: &Anchor) {
        if self.waiting == 0 {
            return;
        }
        for piece in self.turn.pieces.iter_mut().rev() {
            match piece {
                Piece::Thought { before, .. } if self.waiting > 0 => {
                    *before = anchor.clone();
                    self.waiting -= 1;
                }
                _ => {}
            }
        }
    }

    /// Words alone are no use to the maker: what counts is that they are signed or sealed.
    fn think(&mut self, mut part: Part<'static>, maker: Option<Maker>) {
        part.signature = part.signature.map(|signature| made_by(signature, maker));
        let Content::Reasoning(thought) = &mut part.content else {
            return;
        };
        if part.signature.is_none() && thought.data.as_ref().is_none_or(Text::is_empty) {
            return;
        }
        let signer = part.signature.as_ref().and_then(|signature| signature.maker);
        thought.maker = thought.maker.or(signer).or(maker);
        part.extras.clear();
        self.turn.pieces.push(Piece::Thought {
            before: Anchor::End,
            part: Box::new(part),
        });
        self.waiting += 1;
    }
}

impl Open {
    fn grow(&mut self, delta: &Delta<'_>) {
        match (self, delta) {
            (Self::Thought(part), Delta::Signature(more)) => sign(&mut part.signature, more),
            (Self::Visible { signature, .. }, Delta::Signature(more)) => sign(signature, more),
            (Self::Thought(part), Delta::Reasoning(more)) => {
                if let Content::Reasoning(thought) = &mut part.content {
                    thought.text.push(more);
                }
            }
            (Self::Thought(part), Delta::Data(more)) => {
                if let Content::Reasoning(thought) = &mut part.content {
                    thought.data.get_or_insert_default().push(more);
                }
            }
            _ => {}
        }
    }
}

fn sign(signature: &mut Option<Signature<'static>>, more: &Signature<'_>) {
    match signature {
        Some(signature) => signature.data.push(&more.data),
        None => *signature = Some(more.clone().into_owned()),
    }
}

fn made_by(signature: Signature<'static>, maker: Option<Maker>) -> Signature<'static> {
    Signature {
        maker: signature.maker.or(maker),
        ..signature
    }
}

/// Gives a call an id where its provider gave none.
fn name(call: &mut ToolCall<'_>, answer: &str, choice: u32, count: usize) {
    if call.id.is_empty() {
        call.id = Text::plain(format!("call_{answer}_{choice}_{count}"));
    }
}

fn bytes_of(part: &Part<'_>) -> usize {
    let signature = part
        .signature
        .as_ref()
        .map_or(0, |signature| signature.data.len());
    let content = match &part.content {
        Content::Reasoning(thought) => thought.text.len() + thought.data.as_ref().map_or(0, Text::len),
        Content::ToolCall(call) => call.id.len(),
        _ => 0,
    };
    signature + content
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use penstock_llm::model::{Events, Reasoning, Stop, StopReason};

    use super::*;
    use crate::state::signatures::{Conversation, Vault};
    use crate::state::snapshot::Signatures;

    fn collector() -> (Collector, Arc<Vault>) {
        let vault = Arc::new(Vault::new(&Signatures {
            keep: true,
            bytes: 4 << 20,
            ttl: Duration::from_secs(60),
        }));
        let keeping = Keeping {
            vault: vault.clone(),
            caller: "ann".into(),
            conversation: Conversation::of("ann"),
            maker: Some(Maker::Anthropic),
        };
        (Collector::new(keeping, "a-1"), vault)
    }

    fn start(part: u32, content: Content<'static>) -> Event<'static> {
        Event::PartStart {
            choice: 0,
            part,
            content: Box::new(Part::new(content)),
        }
    }

    fn delta(part: u32, delta: Delta<'static>) -> Event<'static> {
        Event::Delta {
            choice: 0,
            part,
            delta,
        }
    }

    fn stop(part: u32) -> Event<'static> {
        Event::PartStop { choice: 0, part }
    }

    fn over() -> Event<'static> {
        Event::Stop {
            choice: 0,
            stop: Box::new(Stop::new(StopReason::End)),
        }
    }

    fn signature(data: &'static str) -> Delta<'static> {
        Delta::Signature(Signature {
            maker: None,
            data: data.into(),
        })
    }

    fn call(id: &'static str) -> Content<'static> {
        Content::ToolCall(ToolCall::function(id.into(), "look".into(), "{}".into()))
    }

    fn thought() -> Content<'static> {
        Content::Reasoning(Reasoning::text(Text::default(), None))
    }

    #[test]
    fn an_answer_of_parts_without_end_is_not_kept_and_takes_no_memory() {
        let (mut collector, vault) = collector();
        for part in 0..20_000 {
            collector.see(&mut start(part, call("call_9")));
            collector.see(&mut delta(part, signature("sign")));
            collector.see(&mut stop(part));
        }
        let kept = &collector.choices[0];
        assert!(
            kept.calls.len() <= MOST_TURN_BYTES / PART_BYTES,
            "{}",
            kept.calls.len()
        );
        assert!(kept.turn.pieces.len() <= MOST_TURN_BYTES / PART_BYTES);
        collector.see(&mut over());
        assert!(vault.find(&Key::of_call("ann", "call_9")).is_none());
    }

    #[test]
    fn pain_e02_a_streamed_thought_is_kept_whole_before_its_call() {
        let (mut collector, vault) = collector();
        let events: Events<'_> = [
            start(0, thought()),
            delta(0, Delta::Reasoning("let ".into())),
            delta(0, Delta::Reasoning("me".into())),
            delta(0, signature("si")),
            delta(0, signature("gn")),
            stop(0),
            start(1, call("call_9")),
            stop(1),
            over(),
        ]
        .into_iter()
        .collect();
        for mut event in events {
            collector.see(&mut event);
        }
        let turn = vault.find(&Key::of_call("ann", "call_9")).unwrap();
        let [Piece::Thought { before, part }] = &*turn.pieces else {
            panic!("{turn:?}");
        };
        assert_eq!(*before, Anchor::Call("call_9".into()));
        let signature = part.signature.as_ref().unwrap();
        assert_eq!(
            (signature.data.get().as_ref(), signature.maker),
            ("sign", Some(Maker::Anthropic))
        );
        assert!(matches!(&part.content, Content::Reasoning(thought) if thought.text.is("let me")));
    }

    #[test]
    fn a_call_without_an_id_gets_one_by_which_it_is_found() {
        let (mut collector, vault) = collector();
        let mut begun = start(0, call(""));
        collector.see(&mut begun);
        for mut event in [delta(0, signature("s")), stop(0), over()] {
            collector.see(&mut event);
        }
        assert!(matches!(&begun, Event::PartStart { content, .. }
            if matches!(&content.content, Content::ToolCall(call) if call.id.is("call_a1_0_0"))));
        assert!(vault.find(&Key::of_call("ann", "call_a1_0_0")).is_some());
    }

    #[test]
    fn thoughts_that_nobody_signed_are_not_kept() {
        let (mut collector, vault) = collector();
        for mut event in [
            start(0, thought()),
            delta(0, Delta::Reasoning("hm".into())),
            stop(0),
            start(1, call("c")),
            stop(1),
            over(),
        ] {
            collector.see(&mut event);
        }
        assert!(vault.is_unused());
    }

    #[test]
    fn a_turn_without_end_is_not_kept_however_long_it_grows() {
        let (mut collector, vault) = collector();
        collector.see(&mut start(0, thought()));
        for _ in 0..40 {
            collector.see(&mut delta(0, Delta::Reasoning("x".repeat(64 << 10).into())));
        }
        for mut event in [
            delta(0, signature("s")),
            stop(0),
            start(1, call("c")),
            stop(1),
            over(),
        ] {
            collector.see(&mut event);
        }
        assert!(vault.is_unused());
    }
}
