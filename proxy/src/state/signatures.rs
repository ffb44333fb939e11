//! Signatures and sealed thoughts of answers whose callers may not bring them back: kept for a while, by what a caller
//! does bring back. What is worth keeping is relay's business, where it belongs in a request is dispatch's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::sync::Cache;
use penstock_llm::model::{Content, Dialect, Maker, Message, Part, Signature, Source, Text};
use penstock_llm::openai::Role;
use sha2::{Digest, Sha256};

use crate::state::snapshot::Signatures;

/// One turn is kept up to this size: the longest thoughts are a tenth of it.
pub const MOST_TURN_BYTES: usize = 1 << 20;

/// What an entry takes besides its texts, roughly.
const ENTRY_BYTES: usize = 256;

/// The turns of all callers. They hold thoughts, so nothing here can be printed.
pub struct Vault {
    turns: Cache<Key, Arc<Turn>>,
    /// Most gateways never keep a turn, and then nothing has to be looked up.
    is_used: AtomicBool,
}

/// Stands for a turn of one caller: a digest, from which nothing can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// A conversation so far, as one caller tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation([u8; 32]);

/// What one answer had besides what its caller surely brings back.
#[derive(Default)]
pub struct Turn {
    pub pieces: Vec<Piece>,
}

/// One thing to be put back.
pub enum Piece {
    /// A thought that is signed or sealed, and what it stands before.
    Thought {
        before: Anchor,
        part: Box<Part<'static>>,
    },
    /// The signature of a visible part.
    Mark {
        on: Anchor,
        signature: Signature<'static>,
    },
}

/// A visible part of a turn, by what a caller brings back of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    Call(Box<str>),
    /// The turn's words, which callers join to one.
    Words,
    End,
}

/// Where a turn of an answer under way is kept when it is over.
#[derive(Clone)]
pub struct Keeping {
    pub vault: Arc<Vault>,
    pub caller: Arc<str>,
    /// The request that is being answered.
    pub conversation: Conversation,
    /// Whose model it is, where its signatures do not say so.
    pub maker: Option<Maker>,
}

/// Whether a caller of a dialect can be counted on to bring signatures back: where they are members that every client
/// returns with its turn. Clients of chat know none, and most make their messages anew.
pub fn come_back(dialect: Dialect) -> bool {
    !matches!(dialect, Dialect::OpenAiChat | Dialect::Cohere)
}

impl Vault {
    pub fn new(settings: &Signatures) -> Self {
        let weigh = |_: &Key, turn: &Arc<Turn>| u32::try_from(turn.bytes()).unwrap_or(u32::MAX);
        let turns = Cache::builder()
            .time_to_live(settings.ttl)
            .weigher(weigh)
            .max_capacity(settings.bytes)
            .build();
        Self {
            turns,
            is_used: AtomicBool::new(false),
        }
    }

    /// Itself, unless the configuration keeps nothing: then what it still has goes, too.
    pub fn while_kept<'v>(self: &'v Arc<Self>, settings: &Signatures) -> Option<&'v Arc<Self>> {
        if settings.keep {
            return Some(self);
        }
        if self.is_used.swap(false, Ordering::Relaxed) {
            self.turns.invalidate_all();
        }
        None
    }

    pub fn is_unused(&self) -> bool {
        !self.is_used.load(Ordering::Relaxed)
    }

    /// Keeps a turn under each of its keys, and counts it once for each.
    pub fn keep(&self, keys: impl IntoIterator<Item = Key>, turn: Turn) {
        if turn.pieces.is_empty() || turn.bytes() > MOST_TURN_BYTES {
            return;
        }
        let turn = Arc::new(turn);
        for key in keys {
            self.turns.insert(key, turn.clone());
        }
        self.is_used.store(true, Ordering::Relaxed);
    }

    pub fn find(&self, key: &Key) -> Option<Arc<Turn>> {
        self.turns.get(key)
    }
}

impl Key {
    /// Of a call: providers' ids of calls do not come twice. The tool's name may be another on its way to the provider.
    pub fn of_call(caller: &str, id: &str) -> Self {
        let mut digest = Sha256::new_with_prefix(b"call");
        for piece in [caller, id] {
            feed(&mut digest, piece);
        }
        Self(digest.finalize().into())
    }

    /// Of words, which may well come twice: only at the same place of the same conversation they are the same turn.
    pub fn of_words(conversation: &Conversation, words: Words) -> Self {
        let mut digest = Sha256::new_with_prefix(b"words");
        digest.update(conversation.0);
        digest.update(words.0.finalize());
        Self(digest.finalize().into())
    }
}

/// A turn's words, however many pieces they come in.
#[derive(Default)]
pub struct Words(Sha256);

impl Words {
    pub fn push(&mut self, text: &Text<'_>) {
        self.0.update(text.get().as_bytes());
    }

    pub fn of(message: &Message<'_>) -> Self {
        let mut words = Self::default();
        message
            .parts
            .iter()
            .filter_map(Part::as_text)
            .for_each(|text| words.push(text));
        words
    }
}

impl Conversation {
    pub fn of(caller: &str) -> Self {
        Self(Sha256::digest(caller).into())
    }

    /// With one more message. Instructions do not count, as some callers say the time in them, and thoughts do not, which
    /// are what callers drop.
    pub fn and(self, message: &Message<'_>) -> Self {
        if message.is_system() {
            return self;
        }
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update([match message.role {
            Role::Assistant => 1,
            Role::Tool => 2,
            _ => 3,
        }]);
        feed_parts(&mut digest, &message.parts);
        Self(digest.finalize().into())
    }
}

fn feed_parts(digest: &mut Sha256, parts: &[Part<'_>]) {
    for part in parts {
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) => feed_marked(digest, b't', text),
            Content::ToolCall(call) => feed_marked(digest, b'c', &call.id),
            Content::ToolResult(result) => {
                feed_marked(digest, b'r', &result.call_id);
                feed_parts(digest, &result.parts);
            }
            Content::Media(media) => match &media.source {
                Source::Base64(text) | Source::Url(text) | Source::Text(text) => {
                    feed_marked(digest, b'm', text);
                }
                Source::File { id, .. } => feed_marked(digest, b'f', id),
                Source::Parts(parts) => feed_parts(digest, parts),
                Source::Native(json) => feed(digest, json.get()),
            },
            Content::SearchResult(found) => feed_parts(digest, &found.parts),
            Content::Native(native) => feed(digest, native.json.get()),
            Content::Reasoning(_) => {}
        }
    }
}

fn feed_marked(digest: &mut Sha256, mark: u8, text: &Text<'_>) {
    digest.update([mark]);
    feed(digest, &text.get());
}

/// With its length, so that no two texts run into each other.
fn feed(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_le_bytes());
    digest.update(text);
}

impl Turn {
    fn bytes(&self) -> usize {
        self.pieces.iter().map(Piece::bytes).sum::<usize>() + ENTRY_BYTES
    }
}

impl Piece {
    fn bytes(&self) -> usize {
        let texts = match self {
            Self::Mark { signature, .. } => signature.data.len(),
            Self::Thought { part, .. } => {
                let signature = part
                    .signature
                    .as_ref()
                    .map_or(0, |signature| signature.data.len());
                let thought = match &part.content {
                    Content::Reasoning(thought) => {
                        thought.text.len() + thought.data.as_ref().map_or(0, Text::len)
                    }
                    _ => 0,
                };
                signature + thought
            }
        };
        texts + ENTRY_BYTES
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} turns)", self.turns.entry_count())
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({} pieces)", self.pieces.len())
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeping({:?})", self.maker)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn vault(bytes: u64) -> Arc<Vault> {
        Arc::new(Vault::new(&Signatures {
            keep: true,
            bytes,
            ttl: Duration::from_secs(60),
        }))
    }

    fn signed(data: &str) -> Turn {
        let signature = Signature {
            maker: Some(Maker::Google),
            data: Text::plain(data.to_owned()),
        };
        Turn {
            pieces: vec![Piece::Mark {
                on: Anchor::End,
                signature,
            }],
        }
    }

    fn says(role: Role, text: &str) -> Message<'_> {
        Message::new(role, vec![Part::text(text)])
    }

    #[test]
    fn pain_e02_a_turn_is_found_by_its_own_caller_alone() {
        let vault = vault(1 << 20);
        vault.keep([Key::of_call("ann", "call_1")], signed("s"));
        assert!(vault.find(&Key::of_call("ann", "call_1")).is_some());
        for other in [
            Key::of_call("bob", "call_1"),
            Key::of_call("ann", "call_2"),
            Key::of_call("annc", "all_1"),
        ] {
            assert!(vault.find(&other).is_none());
        }
    }

    #[test]
    fn the_same_words_in_another_conversation_are_another_turn() {
        let of = |question: &str| {
            let conversation = Conversation::of("ann").and(&says(Role::User, question));
            Key::of_words(&conversation, Words::of(&says(Role::Assistant, "OK")))
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }

    #[test]
    fn instructions_and_thoughts_are_no_part_of_a_conversation() {
        let begun = Conversation::of("ann");
        assert_eq!(begun.and(&says(Role::System, "It is noon.")), begun);
        let thought = Part::new(Content::Reasoning(penstock_llm::model::Reasoning::text(
            "hm".into(),
            None,
        )));
        let with = Message::new(Role::Assistant, vec![thought, Part::text("yes")]);
        assert_eq!(begun.and(&with), begun.and(&says(Role::Assistant, "yes")));
    }

    #[test]
    fn a_vault_holds_no_more_than_it_may() {
        let vault = vault(10_000);
        for count in 0..1_000 {
            vault.keep(
                [Key::of_call("ann", &count.to_string())],
                signed(&"s".repeat(1_000)),
            );
        }
        vault.turns.run_pending_tasks();
        assert!(vault.turns.weighted_size() <= 10_000);
        vault.keep(
            [Key::of_call("ann", "large")],
            signed(&"s".repeat(MOST_TURN_BYTES)),
        );
        assert!(vault.find(&Key::of_call("ann", "large")).is_none());
    }

    #[test]
    fn what_is_switched_off_is_forgotten() {
        let vault = vault(1 << 20);
        let key = Key::of_call("ann", "call_1");
        vault.keep([key], signed("s"));
        let off = Signatures {
            keep: false,
            bytes: 1 << 20,
            ttl: Duration::from_secs(60),
        };
        assert!(vault.while_kept(&off).is_none());
        assert!(vault.find(&key).is_none());
    }

    #[test]
    fn nothing_of_a_turn_can_be_printed() {
        let turn = signed("canary");
        assert_eq!(format!("{turn:?}"), "Turn(1 pieces)");
    }
}
