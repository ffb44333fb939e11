//! A call and an answer as plugins are shown them; reading and editing their bytes is left to `penstock-llm`.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use penstock_llm::openai::{self, Answer, Kind, Request, Role};

use crate::capabilities::catalogue::CatalogueView;

/// What the caller asked the gateway to do.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Completions,
    Embeddings,
    Moderations,
    Raw,
    Realtime,
}

impl From<openai::Operation> for Operation {
    fn from(operation: openai::Operation) -> Operation {
        match operation {
            openai::Operation::Chat => Operation::Chat,
            openai::Operation::Completions => Operation::Completions,
            openai::Operation::Embeddings => Operation::Embeddings,
            openai::Operation::Moderations => Operation::Moderations,
        }
    }
}

/// One request, as it stands after the plugins so far.
///
/// Owned by the request. While a hook runs its place is taken by an empty one, so no store keeps any of it.
pub struct Call {
    /// The id that the caller sees in `x-request-id`.
    pub id: Arc<str>,
    pub operation: Operation,
    /// The model that the caller asked for.
    pub model: Arc<str>,
    pub streamed: bool,
    /// The name of the caller's key, never the key.
    pub caller: Arc<str>,
    /// The configuration generation that serves this request.
    pub generation: u64,
    pub headers: Arc<dyn HeaderView>,
    /// None where no plugin of the chain may ask for it: plugins then find no model.
    pub catalogue: Option<Arc<dyn CatalogueView>>,
    pub body: CallBody,
}

/// What a call carries.
#[expect(
    clippy::large_enum_variant,
    reason = "most calls are the large one, and a box would cost each of them an allocation"
)]
#[derive(Clone)]
pub enum CallBody {
    /// A body that Penstock reads: segments, pointers and edits.
    Json(Request),
    /// Bytes in a dialect that Penstock does not read. Where they are UTF-8 they are one text segment; no pointers.
    Raw(Bytes),
}

impl CallBody {
    pub fn bytes(&self) -> &Bytes {
        match self {
            CallBody::Json(request) => request.bytes(),
            CallBody::Raw(bytes) => bytes,
        }
    }

    /// The text of one segment, unescaped.
    pub(crate) fn text(&self, segment: u32) -> Option<Cow<'_, str>> {
        match self {
            CallBody::Json(request) => request.text(segment as usize),
            CallBody::Raw(bytes) => raw_text(bytes).filter(|_| segment == 0).map(Cow::Borrowed),
        }
    }
}

/// A body that Penstock does not read is one text, if it is text at all: no guard is passed by on a raw route.
pub(crate) fn raw_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// Request headers, looked up one at a time: a list of them would cost every plugin every header.
pub trait HeaderView: Send + Sync {
    /// The value of the header `name` (lower case); several values are joined by `, `.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// No headers at all.
pub struct NoHeaders;

impl HeaderView for NoHeaders {
    fn header(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Headers out of a list, for callers that have no header map.
#[derive(Clone, Debug, Default)]
pub struct HeaderList(pub Vec<(String, String)>);

impl HeaderView for HeaderList {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self
            .0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value);
        let first = values.next()?;
        Some(values.fold(Cow::Borrowed(first.as_str()), |joined, next| {
            Cow::Owned(format!("{joined}, {next}"))
        }))
    }
}

/// A whole answer, before the caller gets any of it.
pub struct AnswerView {
    pub body: AnswerBody,
    /// The answer has left already: edits are refused as `read-only`.
    pub read_only: bool,
}

/// Where a whole answer comes from.
#[expect(
    clippy::large_enum_variant,
    reason = "most answers are the large one, and a box would cost each of them an allocation"
)]
#[derive(Clone)]
pub enum AnswerBody {
    /// The body of an answer that is not streamed.
    Json(Answer),
    /// Put together from a stream that was held back; edits change the pieces.
    Assembled(Vec<Piece>),
}

/// All the text of one channel of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub choice: u32,
    pub role: Role,
    pub kind: Kind,
    pub text: String,
}

impl AnswerView {
    pub fn json(answer: Answer) -> AnswerView {
        AnswerView {
            body: AnswerBody::Json(answer),
            read_only: false,
        }
    }

    pub fn assembled(pieces: Vec<Piece>) -> AnswerView {
        AnswerView {
            body: AnswerBody::Assembled(pieces),
            read_only: false,
        }
    }

    /// The text of one segment, unescaped.
    pub(crate) fn text(&self, segment: u32) -> Option<Cow<'_, str>> {
        match &self.body {
            AnswerBody::Json(answer) => answer.text(segment as usize),
            AnswerBody::Assembled(pieces) => {
                let piece = pieces.get(segment as usize)?;
                Some(Cow::Borrowed(&piece.text))
            }
        }
    }

    /// How many bytes a plugin may have to read.
    pub(crate) fn length(&self) -> usize {
        match &self.body {
            AnswerBody::Json(answer) => answer.bytes().len(),
            AnswerBody::Assembled(pieces) => pieces.iter().map(|piece| piece.text.len()).sum(),
        }
    }

    /// What stands in a store between hooks.
    pub(crate) fn vacant() -> AnswerView {
        AnswerView {
            body: AnswerBody::Assembled(Vec::new()),
            read_only: true,
        }
    }
}

impl Call {
    /// What stands in a store between hooks, and in the request's place while a hook runs.
    pub(crate) fn vacant() -> Call {
        static NONE: OnceLock<Arc<NoHeaders>> = OnceLock::new();
        Call {
            id: Arc::default(),
            operation: Operation::Raw,
            model: Arc::default(),
            streamed: false,
            caller: Arc::default(),
            generation: 0,
            headers: NONE.get_or_init(|| Arc::new(NoHeaders)).clone(),
            catalogue: None,
            body: CallBody::Raw(Bytes::new()),
        }
    }
}

/// Headers that hold credentials: never shown to a plugin, whatever it was granted.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "proxy-authorization",
    // how browsers send the key of a realtime session
    "sec-websocket-protocol",
];

/// A header as a plugin may see it.
pub(crate) fn visible_header(headers: &dyn HeaderView, name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if CREDENTIALS.contains(&name.as_str()) {
        return None;
    }
    headers.header(&name).map(Cow::into_owned)
}
