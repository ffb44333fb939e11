//! What one call's media had to become for one of its targets: bytes of what was at a URL, words of documents. Had once,
//! for all attempts. How they are had is dispatch's business.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use penstock_llm::model::{DocumentType, MediaKind};

use crate::fault::Fault;
use crate::state::counters::Held;

/// By what they were asked for with.
#[derive(Debug, Default)]
pub struct Got {
    /// By URL.
    fetched: HashMap<Box<str>, Result<Fetched, NotFetched>>,
    /// By the place of the document in the request.
    words: HashMap<Box<str>, Result<Words, NotRead>>,
    /// For the record.
    pub notes: Vec<Note>,
    held: Vec<Held>,
}

/// What a target needs and the request has not.
pub enum Want {
    Bytes(WantedBytes),
    Words(WantedWords),
}

/// Media at a URL, whose bytes are wanted.
pub struct WantedBytes {
    pub url: Box<str>,
    pub kind: MediaKind,
    /// Where the request names it.
    pub field: Box<str>,
}

/// A document whose words are wanted.
pub struct WantedWords {
    pub field: Box<str>,
    pub of: DocumentType,
    pub bytes: Vec<u8>,
}

/// The bytes of what was at a URL.
pub struct Fetched {
    /// What the bytes are, whatever the server called them.
    pub media_type: Box<str>,
    pub kind: MediaKind,
    pub base64: Box<str>,
    pub bytes: usize,
    /// The last part of the URL's path.
    pub name: Option<Box<str>>,
}

/// The words of a document.
#[derive(PartialEq, Eq)]
pub struct Words {
    pub text: Box<str>,
    /// There are more than may be taken.
    pub is_cut: bool,
}

/// What the record says of one thing that was had. No URL: its path and query may be a secret.
#[derive(Debug)]
pub struct Note {
    pub field: Box<str>,
    /// `fetch` or `read`.
    pub what: &'static str,
    pub host: Option<Box<str>>,
    pub outcome: &'static str,
    pub bytes: usize,
    pub took: Duration,
}

/// Why the bytes are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFetched {
    /// The configuration does not allow it.
    Off,
    NotAUrl,
    /// The host is on no list, or leads to no address that may be reached: callers are not told which.
    NotAllowed,
    Redirects,
    Status(u16),
    ItemTooLarge,
    CallTooLarge,
    TooMany,
    OutOfTime,
    Unreachable,
    BrokenOff,
    WrongType,
    NoMemory,
}

/// Why the words are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRead {
    TooLarge,
    /// It needs a password.
    Locked,
    /// It is not what it says it is, or takes more time or memory than it may.
    Unreadable,
    /// It has none: scanned pages.
    NoWords,
    Busy,
    /// The program that reads such documents is not there.
    NoReader,
}

impl Got {
    pub fn fetched(&self, url: &str) -> Option<&Result<Fetched, NotFetched>> {
        self.fetched.get(url)
    }

    pub fn words(&self, field: &str) -> Option<&Result<Words, NotRead>> {
        self.words.get(field)
    }

    pub fn take_fetched(&mut self, url: Box<str>, fetched: Result<Fetched, NotFetched>) {
        self.fetched.insert(url, fetched);
    }

    pub fn take_words(&mut self, field: Box<str>, words: Result<Words, NotRead>) {
        self.words.insert(field, words);
    }

    /// How many things were fetched, or tried to, and their bytes.
    pub fn so_far(&self) -> (usize, usize) {
        let bytes = self.fetched.values().flatten().map(|fetched| fetched.bytes);
        (self.fetched.len(), bytes.sum())
    }

    /// The memory of what is here, given back with it.
    pub fn hold(&mut self, held: Option<Held>) {
        self.held.extend(held);
    }
}

/// Never content.
impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({}, {} bytes)", self.media_type, self.bytes)
    }
}

/// Never content.
impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} bytes)", self.text.len())
    }
}

impl NotFetched {
    /// For records and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NotAUrl => "not_a_url",
            Self::NotAllowed => "not_allowed",
            Self::Redirects => "redirects",
            Self::Status(_) => "status",
            Self::ItemTooLarge => "item_too_large",
            Self::CallTooLarge => "call_too_large",
            Self::TooMany => "too_many",
            Self::OutOfTime => "out_of_time",
            Self::Unreachable => "unreachable",
            Self::BrokenOff => "broken_off",
            Self::WrongType => "wrong_type",
            Self::NoMemory => "no_memory",
        }
    }

    /// What the caller is told. Another target may take the URL itself.
    pub fn fault(self, field: String) -> Box<Fault> {
        let why: Cow<'static, str> = match self {
            Self::Off => {
                let message = format!(
                    "{field} is at a URL, which the provider does not fetch and this gateway may not: send the bytes, or have `fetch.enabled` set"
                );
                return told(field, "unsupported_value", message);
            }
            Self::NoMemory => {
                let mut fault = Fault::overloaded("limits.body_memory_bytes", "retry in a moment");
                fault.next = crate::fault::Next::TryNextTarget;
                return fault;
            }
            Self::NotAUrl => "it is not a URL of http or https without a user".into(),
            Self::NotAllowed => "this gateway does not fetch from there".into(),
            Self::Redirects => {
                "it leads elsewhere too many times, or to where this gateway does not go".into()
            }
            Self::Status(status) => format!("its server answered {status}").into(),
            Self::ItemTooLarge => "it is over this gateway's limit `fetch.item_bytes`".into(),
            Self::CallTooLarge => "with it the call is over this gateway's limit `fetch.call_bytes`".into(),
            Self::TooMany => "the call names more than this gateway's limit `fetch.items`".into(),
            Self::OutOfTime => "it did not come within this gateway's limit `fetch.deadline_ms`".into(),
            Self::Unreachable => "its server cannot be reached".into(),
            Self::BrokenOff => "its server broke off".into(),
            Self::WrongType => "what is there is not media of the kind that it is sent as".into(),
        };
        let message = format!("{field} is at a URL that could not be fetched: {why}; send the bytes instead");
        told(field, "media_not_fetched", message)
    }
}

impl NotRead {
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Locked => "locked",
            Self::Unreadable => "unreadable",
            Self::NoWords => "no_words",
            Self::Busy => "busy",
            Self::NoReader => "no_reader",
        }
    }

    /// What the caller is told. Another target may read the document itself.
    pub fn fault(self, field: String) -> Box<Fault> {
        let why = match self {
            Self::TooLarge => "it is too large for that",
            Self::Locked => "it needs a password",
            Self::Unreadable => "it is damaged, or not of the type that it is sent as",
            Self::NoWords => "it has no words in it, only pictures of them",
            Self::NoReader => "this gateway has no reader for its type",
            Self::Busy => {
                let mut fault = Fault::overloaded("documents that are read at once", "retry in a moment");
                fault.next = crate::fault::Next::TryNextTarget;
                return fault;
            }
        };
        let message = format!(
            "{field} is a document, which the model does not read, and its words could not be had: {why}"
        );
        told(field, "document_not_read", message)
    }
}

fn told(field: String, code: &'static str, message: String) -> Box<Fault> {
    let mut fault = Fault::caller(400, code, message).with_param(field);
    fault.next = crate::fault::Next::TryNextTarget;
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_names_the_field_and_lets_another_target_try() {
        let fault = NotFetched::ItemTooLarge.fault("messages[0].content[1]".into());
        assert_eq!((fault.status, &*fault.code), (400, "media_not_fetched"));
        assert_eq!(fault.param.as_deref(), Some("messages[0].content[1]"));
        assert!(fault.may_try_next() && fault.message.contains("`fetch.item_bytes`"));
    }
}
