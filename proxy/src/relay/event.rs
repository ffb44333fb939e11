//! One event of a provider's stream with its texts, ready to be edited in place: only the JSON literals that an edit
//! touches are written anew, every other byte goes out as it came.

use std::borrow::Cow;

use bytes::Bytes;
use penstock_llm::json;
use penstock_llm::openai::{Delta, EventView, Operation};
use penstock_llm::splice::{self, Splice};
use penstock_llm::sse::{self, Frame};

/// An event on its way to the caller.
#[derive(Debug)]
pub struct Event {
    frame: Frame,
    pub view: Option<EventView>,
    /// Texts that plugins changed, by the delta's place in the view.
    edited: Vec<(usize, String)>,
    pub is_done: bool,
}

/// The data of an event is no JSON, or an edit cannot be put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl Event {
    /// Reads a frame. Comments and empty frames have no view.
    pub fn read(operation: Operation, frame: Frame) -> Result<Self, Unreadable> {
        let data = frame.data();
        let is_done = penstock_llm::openai::is_done(&data);
        let view = match data.is_empty() || is_done {
            true => None,
            false => Some(EventView::read(operation, &data).map_err(|_| Unreadable)?),
        };
        drop(data);
        Ok(Self {
            frame,
            view,
            edited: Vec::new(),
            is_done,
        })
    }

    pub fn raw(&self) -> &Bytes {
        &self.frame.raw
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
            return Ok(self.frame.raw);
        }
        let mut splices = Vec::with_capacity(self.edited.len());
        for (index, text) in &self.edited {
            let delta = self.deltas().get(*index).ok_or(Unreadable)?;
            splices.push(Splice {
                span: delta.literal,
                with: literal(delta, text)?,
            });
        }
        splices.sort_by_key(|splice| splice.span.start);
        Ok(spliced(&self.frame, splices))
    }
}

/// In place where the data is one line; an event whose data is spread over lines is written anew.
fn spliced(frame: &Frame, mut splices: Vec<Splice>) -> Bytes {
    if let Some(data) = frame.data_span() {
        for splice in &mut splices {
            splice.span = splice.span.offset_by(data.start);
        }
        return splice::apply(&frame.raw, &splices).into();
    }
    let mut raw = Vec::new();
    sse::write_frame(
        frame.event_name(),
        &splice::apply(&frame.data(), &splices),
        &mut raw,
    );
    raw.into()
}

/// A text as it stands in the event: a JSON string, or the JSON itself where the provider sends arguments as an object.
fn literal(delta: &Delta, text: &str) -> Result<Bytes, Unreadable> {
    let mut literal = Vec::with_capacity(text.len() + 2);
    if delta.raw {
        json::validate(text.as_bytes(), &json::JsonLimits::default()).map_err(|_| Unreadable)?;
        literal.extend_from_slice(text.as_bytes());
    } else {
        json::escape_into(text, &mut literal);
    }
    Ok(literal.into())
}
