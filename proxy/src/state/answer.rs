//! An answer between the stages, as plain values: its head, and where its bytes come from.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_llm::model::{Dialect, Envelope, Names};
use penstock_llm::usage::Usage;
use penstock_llm::{embed, rerank};
use penstock_plugin_host::PluginFault;

use crate::adapter::Adapted;
use crate::state::signatures::Keeping;

/// A head before it is written.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    /// In the order they are written.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `None` for a body whose end is not known yet.
    pub length: Option<u64>,
}

/// How an answer gets from a provider's dialect into its caller's.
#[derive(Clone, Debug)]
pub struct Translation {
    /// What the provider speaks.
    pub from: Dialect,
    /// What reads it, where that is not built in.
    pub adapted: Option<Arc<Adapted>>,
    /// What the caller speaks.
    pub to: Dialect,
    /// For dialects whose answers have an id, where the provider gave none.
    pub id: Arc<str>,
    /// Seconds since 1970.
    pub created: u64,
    /// The model that the caller asked for.
    pub model: Arc<str>,
    /// Whether the caller wants a stream, whatever the provider gives.
    pub streamed: bool,
    pub usage_asked: bool,
    pub legacy_functions: bool,
    /// Of tools that go to the provider by another name.
    pub names: Names,
    /// What the caller's dialect repeats of the request.
    pub repeated: Option<Box<str>>,
    /// Tokens of the request, roughly: for dialects that tell them before the provider has.
    pub input_estimate: Option<u64>,
    pub most_bytes: usize,
    /// Where what the caller may not bring back is kept.
    pub keeping: Option<Box<Keeping>>,
}

impl Translation {
    /// Whether the caller's API is one of answers that stay, and the provider's is not.
    pub fn is_unkept(&self) -> bool {
        self.to == Dialect::OpenAiResponses && self.from != self.to
    }

    pub fn envelope(&self) -> Envelope<'_> {
        Envelope {
            id: &self.id,
            created: self.created,
            model: &self.model,
            usage_asked: self.usage_asked,
            legacy_functions: self.legacy_functions,
            repeated: self.repeated.as_deref(),
            input_estimate: self.input_estimate,
        }
    }
}

/// How a whole answer of embeddings or reranking gets into its caller's dialect.
#[derive(Clone, Debug)]
pub struct Rewording {
    pub pair: Pair,
    /// The caller's request, of which answers repeat some.
    pub request: Bytes,
    /// The model that the caller asked for, where the path names it.
    pub model: Option<Arc<str>>,
    /// For dialects whose answers have an id, where the provider gave none.
    pub id: Arc<str>,
    pub most_bytes: usize,
}

/// What the provider speaks and what the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Embed {
        from: embed::Dialect,
        to: embed::Dialect,
    },
    Rerank {
        from: rerank::Dialect,
        to: rerank::Dialect,
    },
}

impl Pair {
    pub fn is_same(self) -> bool {
        match self {
            Self::Embed { from, to } => from == to,
            Self::Rerank { from, to } => from == to,
        }
    }

    /// The dialect of the provider's errors.
    pub fn errors(self) -> Dialect {
        match self {
            Self::Embed { from, .. } => from.chat_dialect(),
            Self::Rerank { from, .. } => from.chat_dialect(),
        }
    }
}

/// A provider's answer whose head has come: the real one is a connection, a test's is a list of pieces.
pub trait Source: Send {
    fn status(&self) -> u16;

    fn headers(&self) -> &HeaderMap;

    /// What the provider has reported so far, where the bytes need not say it.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Whether `usage` is all that is known of it: a translated answer has the counts that its dialect demands, reported
    /// or not (PAIN C07).
    fn is_metered_apart(&self) -> bool {
        false
    }

    /// The fields of the answer that the caller's dialect could not say, once it is over.
    fn dropped(&mut self) -> Vec<Box<str>> {
        Vec::new()
    }

    /// The next piece of the body; `None` at its proper end. Safe to drop half-way: nothing is lost.
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, Interrupted>> + Send;

    /// A piece that is there already, without waiting for one.
    fn read_now(&mut self) -> Option<Result<Option<Bytes>, Interrupted>>;

    /// The answer was read to its end: what it came by may serve another call. Dropping it instead cancels it.
    fn finish(self) -> impl Future<Output = ()> + Send;
}

/// Why a body did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Nothing came for as long as was allowed.
    Silent,
    /// The connection broke, or its framing did; the words are for the log.
    Broken(String),
    /// The adapter that reads it failed.
    Adapter { name: Arc<str>, why: PluginFault },
}
