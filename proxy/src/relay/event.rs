//! One event of a stream with its texts, ready to be edited in place: only the JSON literals that an edit
//! touches are written anew, every other byte goes out as it came.

use std::borrow::Cow;

use bytes::Bytes;
use penstock_llm::foreign::EventReader;
use penstock_llm::json::Span;
use penstock_llm::model::{Dialect, Seal};
use penstock_llm::openai::{Delta, ErrorView, EventView, Kind, Logprobs, Operation};
use penstock_llm::splice::Splice;
use penstock_llm::usage::Usage;

use crate::relay::frames::Frame;
pub use crate::relay::frames::Unreadable;

/// An event on its way to the caller.
#[derive(Debug)]
pub struct Event {
    frame: Frame,
    pub view: Option<EventView>,
    /// Texts that plugins changed, by the delta's place in the view.
    edited: Vec<(usize, String)>,
    pub is_done: bool,
    /// The error that it is.
    pub error: Option<Box<ErrorView>>,
    /// The answer's id, in the event that says it first; of dialects that are read by way of the model.
    pub id: Option<Box<str>>,
    /// Of encrypted thoughts; of dialects that are read by way of the model.
    pub seals: Vec<Seal>,
}

/// How the events of one stream are read.
#[derive(Debug)]
pub enum Reader {
    /// In place, each by itself.
    OpenAi(Operation),
    /// By way of the model, one after the other.
    Foreign(Box<EventReader>),
    /// The dialect is not read: the data is one text.
    Unread,
}

impl Reader {
    /// `operation` is none for a dialect that is not read.
    pub fn new(operation: Option<Operation>, dialect: Dialect) -> Self {
        match (operation, dialect) {
            (None, _) => Self::Unread,
            (Some(operation), Dialect::OpenAiChat) => Self::OpenAi(operation),
            (Some(_), other) => {
                EventReader::new(other).map_or(Self::Unread, |it| Self::Foreign(Box::new(it)))
            }
        }
    }
}

impl Event {
    /// Reads a frame. Comments and empty frames have no view.
    pub fn read(reader: &mut Reader, frame: Frame) -> Result<Self, Unreadable> {
        let data = frame.data();
        let mut is_done = penstock_llm::openai::is_done(&data);
        let (mut error, mut id, mut seals) = (None, None, Vec::new());
        let view = match (reader, data.is_empty() || is_done) {
            (_, true) => None,
            (Reader::OpenAi(operation), _) => {
                let view = EventView::read(*operation, &data).map_err(|_| Unreadable)?;
                error = view.is_error.then(|| ErrorView::read(&data).unwrap_or_default());
                Some(view)
            }
            (Reader::Foreign(reader), _) => {
                let seen = reader.read(frame.seen(&data));
                (is_done, error, id, seals) = (seen.done, seen.error, seen.id, seen.seals.into_vec());
                Some(seen.view)
            }
            (Reader::Unread, _) => Some(unread(&data)),
        };
        drop(data);
        Ok(Self {
            frame,
            view,
            edited: Vec::new(),
            is_done,
            error: error.map(Box::new),
            id,
            seals,
        })
    }

    /// The same event with other bytes, of which there must be as many: what was found in it is where it was.
    pub fn with_bytes(mut self, change: impl FnOnce(Bytes) -> Bytes) -> Self {
        let raw = self.frame.raw_mut();
        let length = raw.len();
        *raw = change(std::mem::take(raw));
        debug_assert_eq!(raw.len(), length);
        self
    }

    pub fn raw(&self) -> &Bytes {
        self.frame.raw()
    }

    pub fn data(&self) -> Cow<'_, [u8]> {
        self.frame.data()
    }

    pub fn deltas(&self) -> &[Delta] {
        self.view.as_ref().map_or(&[], |view| &view.deltas)
    }

    /// The text of one delta, as the plugins before have left it.
    pub fn text(&self, index: usize) -> String {
        match self.edited.iter().find(|(at, _)| *at == index) {
            Some((_, text)) => text.clone(),
            None => self
                .deltas()
                .get(index)
                .map(|delta| delta.text(&self.data()).into_owned())
                .unwrap_or_default(),
        }
    }

    pub fn set_text(&mut self, index: usize, text: String) {
        match self.edited.iter_mut().find(|(at, _)| *at == index) {
            Some((_, old)) => *old = text,
            None => self.edited.push((index, text)),
        }
    }

    pub fn finishes(&self, choice: u32) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| view.finishes.iter().any(|finish| finish.choice == choice))
    }

    pub fn is_edited(&self) -> bool {
        !self.edited.is_empty()
    }

    pub fn is_content_bearing(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.content_bearing)
    }

    /// The event as it goes out.
    pub fn into_bytes(self) -> Result<Bytes, Unreadable> {
        if self.edited.is_empty() {
            return Ok(self.frame.raw().clone());
        }
        let mut splices = Vec::with_capacity(self.edited.len());
        for (index, text) in &self.edited {
            let delta = self.deltas().get(*index).ok_or(Unreadable)?;
            splices.push(delta.splice(text).map_err(|_| Unreadable)?);
        }
        splices.extend(
            self.view
                .iter()
                .flat_map(|view| &view.logprobs)
                .map(without_logprobs),
        );
        splices.sort_by_key(|splice| splice.span.start);
        self.frame.with_data_spliced(&splices)
    }
}

/// Log probabilities spell out the text that an edit has just removed.
fn without_logprobs(logprobs: &Logprobs) -> Splice {
    Splice::new(logprobs.span, Bytes::from_static(b"null"))
}

/// The whole data as one text of the first choice.
fn unread(data: &[u8]) -> EventView {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let literal = Span::new(0, data.len());
    let text = Delta {
        choice: 0,
        kind: Kind::Text,
        tool: 0,
        literal,
        length,
        raw: true,
    };
    EventView {
        deltas: std::iter::once(text).collect(),
        finishes: Default::default(),
        logprobs: Default::default(),
        usage: usage_in(data),
        empty_choices: false,
        is_error: false,
        content_bearing: true,
    }
}

/// The usage in a body that is not read otherwise, where it stands as OpenAI's does.
pub fn usage_in(json: &[u8]) -> Option<Usage> {
    Usage::read(penstock_llm::json::pointer(json, "/usage")?.of(json))
}
