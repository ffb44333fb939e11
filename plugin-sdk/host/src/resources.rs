//! The `call` and `answer` handles that a guest holds during one hook: looking at them and editing them.
//!
//! There is one call and one answer per store, so a handle is a fixed number and needs no table. Any other number, or
//! one that this hook was not given, ends the guest.

use penstock_llm::openai::{self, EditError};
use wasmtime::component::Resource;

use crate::bindings::penstock::plugin::types as wit;
use crate::call::{AnswerBody, AnswerView, Call, CallBody, Operation, Piece, raw_text, visible_header};
use crate::fault::Overrun;
use crate::guest::{Guest, Stage};

/// Names the type of the `call` resource to Wasmtime.
pub struct CallHandle;

/// Names the type of the `answer` resource to Wasmtime.
pub struct AnswerHandle;

const CALL: u32 = 1;
const ANSWER: u32 = 2;

pub fn call_handle() -> Resource<CallHandle> {
    Resource::new_borrow(CALL)
}

pub fn answer_handle() -> Resource<AnswerHandle> {
    Resource::new_borrow(ANSWER)
}

type Edited = wasmtime::Result<Result<(), wit::EditError>>;

impl Guest {
    /// The call behind a handle that this hook was given; one call of the host that hands over `bytes`.
    pub fn call(&mut self, handle: &Resource<CallHandle>, bytes: usize) -> wasmtime::Result<&mut Call> {
        self.charge(bytes)?;
        if handle.rep() != CALL || self.stage == Stage::None {
            return Err(Overrun::Handle.into());
        }
        Ok(&mut self.call)
    }

    /// As [`Guest::call`].
    pub fn answer(
        &mut self,
        handle: &Resource<AnswerHandle>,
        bytes: usize,
    ) -> wasmtime::Result<&mut AnswerView> {
        self.charge(bytes)?;
        if handle.rep() != ANSWER || self.stage != Stage::Response {
            return Err(Overrun::Handle.into());
        }
        Ok(&mut self.answer)
    }

    /// One edit of the request. `on_raw` is what it means for a body that is not JSON.
    fn edit_call(
        &mut self,
        handle: &Resource<CallHandle>,
        bytes: usize,
        on_raw: wit::EditError,
        edit: impl FnOnce(&mut openai::Request) -> Result<(), EditError>,
    ) -> Edited {
        self.call(handle, bytes)?;
        if self.stage != Stage::Request {
            return Ok(Err(wit::EditError::ReadOnly));
        }
        let CallBody::Json(request) = &mut self.call.body else {
            return Ok(Err(on_raw));
        };
        if self.call_before.is_none() {
            self.call_before = Some(CallBody::Json(request.clone()));
        }
        let made = edit(request).map_err(edit_error);
        self.edited |= made.is_ok();
        Ok(made)
    }
}

impl Guest {
    /// The one text of a body that Penstock does not read.
    fn replace_raw(&mut self, text: String, is_text: bool) -> Edited {
        if self.stage != Stage::Request {
            return Ok(Err(wit::EditError::ReadOnly));
        }
        if !is_text {
            return Ok(Err(wit::EditError::NotFound));
        }
        if self.call_before.is_none() {
            self.call_before = Some(self.call.body.clone());
        }
        self.call.body = CallBody::Raw(text.into());
        self.edited = true;
        Ok(Ok(()))
    }
}

impl wit::Host for Guest {}

impl wit::HostCall for Guest {
    fn id(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<String> {
        Ok(self.call(&handle, 0)?.id.as_ref().to_owned())
    }

    fn operation(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<wit::Operation> {
        Ok(match self.call(&handle, 0)?.operation {
            Operation::Chat => wit::Operation::Chat,
            Operation::Completions => wit::Operation::Completions,
            Operation::Embeddings => wit::Operation::Embeddings,
            Operation::Moderations => wit::Operation::Moderations,
            Operation::Raw => wit::Operation::Raw,
            Operation::Realtime => wit::Operation::Realtime,
        })
    }

    fn model(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<String> {
        Ok(self.call(&handle, 0)?.model.as_ref().to_owned())
    }

    fn streamed(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<bool> {
        Ok(self.call(&handle, 0)?.streamed)
    }

    fn caller(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<String> {
        Ok(self.call(&handle, 0)?.caller.as_ref().to_owned())
    }

    fn generation(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<u64> {
        Ok(self.call(&handle, 0)?.generation)
    }

    fn header(&mut self, handle: Resource<CallHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(visible_header(self.call(&handle, 0)?.headers.as_ref(), &name))
    }

    fn segments(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<Vec<wit::Segment>> {
        Ok(match &self.call(&handle, 0)?.body {
            CallBody::Json(request) => shown(request.segments()),
            CallBody::Raw(bytes) => raw_text(bytes).map(shown_raw).into_iter().collect(),
        })
    }

    fn text(&mut self, handle: Resource<CallHandle>, segment: u32) -> wasmtime::Result<Option<String>> {
        let text = self.call(&handle, 0)?.body.text(segment);
        Ok(text.map(|text| text.into_owned()))
    }

    fn length(&mut self, handle: Resource<CallHandle>) -> wasmtime::Result<u64> {
        Ok(self.call(&handle, 0)?.body.bytes().len() as u64)
    }

    fn read(&mut self, handle: Resource<CallHandle>, offset: u64, length: u32) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.call(&handle, 0)?.body.bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    fn pointer(&mut self, handle: Resource<CallHandle>, path: String) -> wasmtime::Result<Option<String>> {
        Ok(match &self.call(&handle, 0)?.body {
            CallBody::Json(request) => request.pointer(&path).map(lossy),
            CallBody::Raw(_) => None,
        })
    }

    fn replace_text(&mut self, handle: Resource<CallHandle>, segment: u32, text: String) -> Edited {
        // looked at first: each way charges for the text, once
        if matches!(self.call.body, CallBody::Raw(_)) {
            let body = self.call(&handle, text.len())?.body.bytes();
            let is_text = segment == 0 && raw_text(body).is_some();
            return self.replace_raw(text, is_text);
        }
        self.edit_call(&handle, text.len(), wit::EditError::NotFound, |request| {
            request.replace_text(segment as usize, &text)
        })
    }

    fn set(&mut self, handle: Resource<CallHandle>, path: String, json: String) -> Edited {
        self.edit_call(&handle, json.len(), wit::EditError::Invalid, |request| {
            request.set(&path, &json)
        })
    }

    fn remove(&mut self, handle: Resource<CallHandle>, path: String) -> Edited {
        self.edit_call(&handle, 0, wit::EditError::NotFound, |request| {
            request.remove(&path)
        })
    }

    fn add_message(
        &mut self,
        handle: Resource<CallHandle>,
        position: u32,
        role: wit::Role,
        text: String,
    ) -> Edited {
        self.edit_call(&handle, text.len(), wit::EditError::Invalid, |request| {
            request.add_message(position as usize, role_from_guest(role), &text)
        })
    }

    fn drop(&mut self, _: Resource<CallHandle>) -> wasmtime::Result<()> {
        // guests only borrow, so there is nothing to give back
        Ok(())
    }
}

impl wit::HostAnswer for Guest {
    fn segments(&mut self, handle: Resource<AnswerHandle>) -> wasmtime::Result<Vec<wit::Segment>> {
        Ok(match &self.answer(&handle, 0)?.body {
            AnswerBody::Json(answer) => shown(answer.segments()),
            AnswerBody::Assembled(pieces) => pieces.iter().enumerate().map(shown_piece).collect(),
        })
    }

    fn text(&mut self, handle: Resource<AnswerHandle>, segment: u32) -> wasmtime::Result<Option<String>> {
        let text = self.answer(&handle, 0)?.text(segment);
        Ok(text.map(|text| text.into_owned()))
    }

    fn pointer(&mut self, handle: Resource<AnswerHandle>, path: String) -> wasmtime::Result<Option<String>> {
        Ok(match &self.answer(&handle, 0)?.body {
            AnswerBody::Json(answer) => answer.pointer(&path).map(lossy),
            AnswerBody::Assembled(_) => None,
        })
    }

    fn replace_text(&mut self, handle: Resource<AnswerHandle>, segment: u32, text: String) -> Edited {
        let answer = self.answer(&handle, text.len())?;
        if answer.read_only {
            return Ok(Err(wit::EditError::ReadOnly));
        }
        if self.answer_before.is_none() {
            self.answer_before = Some(self.answer.body.clone());
        }
        let made = match &mut self.answer.body {
            AnswerBody::Json(answer) => answer.replace_text(segment as usize, &text).map_err(edit_error),
            AnswerBody::Assembled(pieces) => match pieces.get_mut(segment as usize) {
                Some(piece) => {
                    piece.text = text;
                    Ok(())
                }
                None => Err(wit::EditError::NotFound),
            },
        };
        self.edited |= made.is_ok();
        Ok(made)
    }

    fn drop(&mut self, _: Resource<AnswerHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn shown(segments: &[openai::Segment]) -> Vec<wit::Segment> {
    let numbered = segments.iter().enumerate();
    numbered.map(|(i, segment)| shown_segment(i, segment)).collect()
}

fn shown_segment(place: usize, segment: &openai::Segment) -> wit::Segment {
    wit::Segment {
        index: saturated(place),
        choice: segment.choice,
        role: role_to_guest(segment.role),
        kind: kind_to_guest(segment.kind),
        provenance: match segment.provenance {
            openai::Provenance::Caller => wit::Provenance::Caller,
            openai::Provenance::Plugin => wit::Provenance::Plugin,
            openai::Provenance::Provider => wit::Provenance::Provider,
        },
        length: segment.length,
    }
}

fn shown_raw(text: &str) -> wit::Segment {
    wit::Segment {
        index: 0,
        choice: 0,
        role: wit::Role::User,
        kind: wit::Kind::Text,
        provenance: wit::Provenance::Caller,
        length: saturated(text.len()),
    }
}

fn shown_piece((place, piece): (usize, &Piece)) -> wit::Segment {
    wit::Segment {
        index: saturated(place),
        choice: piece.choice,
        role: role_to_guest(piece.role),
        kind: kind_to_guest(piece.kind),
        provenance: wit::Provenance::Provider,
        length: saturated(piece.text.len()),
    }
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn lossy(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}

fn edit_error(error: EditError) -> wit::EditError {
    match error {
        EditError::NotFound => wit::EditError::NotFound,
        EditError::Invalid => wit::EditError::Invalid,
        EditError::ReadOnly => wit::EditError::ReadOnly,
        EditError::TooLarge => wit::EditError::TooLarge,
    }
}

pub fn kind_to_guest(kind: openai::Kind) -> wit::Kind {
    match kind {
        openai::Kind::Text => wit::Kind::Text,
        openai::Kind::Reasoning => wit::Kind::Reasoning,
        openai::Kind::Refusal => wit::Kind::Refusal,
        openai::Kind::ToolArguments => wit::Kind::ToolArguments,
        openai::Kind::ToolResult => wit::Kind::ToolResult,
        openai::Kind::Image => wit::Kind::Image,
        openai::Kind::Audio => wit::Kind::Audio,
        openai::Kind::File => wit::Kind::File,
    }
}

fn role_to_guest(role: openai::Role) -> wit::Role {
    match role {
        openai::Role::System => wit::Role::System,
        openai::Role::Developer => wit::Role::Developer,
        openai::Role::User => wit::Role::User,
        openai::Role::Assistant => wit::Role::Assistant,
        openai::Role::Tool => wit::Role::Tool,
        openai::Role::Other => wit::Role::Other,
    }
}

fn role_from_guest(role: wit::Role) -> openai::Role {
    match role {
        wit::Role::System => openai::Role::System,
        wit::Role::Developer => openai::Role::Developer,
        wit::Role::User => openai::Role::User,
        wit::Role::Assistant => openai::Role::Assistant,
        wit::Role::Tool => openai::Role::Tool,
        wit::Role::Other => openai::Role::Other,
    }
}
