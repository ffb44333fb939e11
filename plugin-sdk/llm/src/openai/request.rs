//! A request body: checked and indexed in one pass, then read and edited in place. What goes to a provider is
//! `outbound`; whether the caller may ask for it is left to the gateway.

mod index;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use self::index::Index;
use super::edit::{self, Move};
use super::outbound::{self, Outbound};
use super::{BodyError, BodyErrorKind, EditError, Kind, Operation, Provenance, Role, Segment};
use crate::foreign::{self, Form};
use crate::json::{self, DEFAULT_MAX_DEPTH, JsonLimits, Span};
use crate::model::{self, Dialect};
use crate::rules::Rules;
use crate::splice::{self, Splice};

/// What a request may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Arrays and objects inside each other.
    pub max_depth: usize,
    /// The body, also after edits (see [`Request::set_byte_limit`]).
    pub max_bytes: usize,
    /// Texts and media: keeps the index of a body made of empty texts near the body's own size.
    pub max_segments: usize,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        // 50 MiB is what a chat with several images needs; no conversation comes near 65,536 texts
        ReadLimits {
            max_depth: DEFAULT_MAX_DEPTH,
            max_bytes: 50 << 20,
            max_segments: 65_536,
        }
    }
}

impl ReadLimits {
    fn json(&self) -> JsonLimits {
        JsonLimits {
            max_depth: self.max_depth,
        }
    }
}

/// A checked request.
#[derive(Clone, Debug)]
pub struct Request {
    operation: Operation,
    /// None for OpenAI's own bodies, which are read in place; others go by way of the model.
    form: Option<Arc<Form>>,
    bytes: Bytes,
    limits: ReadLimits,
    index: Index,
    /// Messages that plugins added, in order.
    added: Vec<Span>,
}

impl Request {
    /// Checks and indexes a body. A key that stands twice in an object that is read here is refused, as another reader
    /// might take the other one. Fields and types that are not known pass untouched.
    ///
    /// # Errors
    /// Which field is missing, double or of the wrong type, or what is not JSON or over a limit.
    pub fn read(op: Operation, body: Bytes, limits: &ReadLimits) -> Result<Request, BodyError> {
        Request::indexed(op, None, body, limits)
    }

    /// The same for a generation in another dialect.
    ///
    /// # Errors
    /// As [`Request::read`].
    pub fn read_in(form: Form, body: Bytes, limits: &ReadLimits) -> Result<Request, BodyError> {
        Request::indexed(Operation::Chat, Some(Arc::new(form)), body, limits)
    }

    fn indexed(
        operation: Operation,
        form: Option<Arc<Form>>,
        body: Bytes,
        limits: &ReadLimits,
    ) -> Result<Request, BodyError> {
        if body.len() > limits.max_bytes {
            let message = format!("the body is longer than {} bytes: send less", limits.max_bytes);
            return Err(BodyError {
                kind: BodyErrorKind::TooLarge,
                param: None,
                message,
            });
        }
        let index = Index::of(operation, form.as_deref(), &body, limits)?;
        Ok(Request {
            operation,
            form,
            bytes: body,
            limits: *limits,
            index,
            added: Vec::new(),
        })
    }

    /// The dialect of its answers.
    pub fn dialect(&self) -> Dialect {
        self.form
            .as_ref()
            .map_or(Dialect::OpenAiChat, |form| form.dialect)
    }

    /// The request as it stands, in the model that every dialect is translated through. `betas` are what a header
    /// switches on.
    ///
    /// # Errors
    /// The field that is of the wrong type, or an operation that no other dialect has.
    pub fn in_model<'a>(
        &'a self,
        betas: &'a [&'a str],
    ) -> Result<model::Read<model::Request<'a>>, BodyError> {
        match &self.form {
            Some(form) => form.read(&self.bytes, betas),
            None if self.operation == Operation::Chat => {
                let asked = model::Asked {
                    betas,
                    ..model::Asked::default()
                };
                foreign::codec(Dialect::OpenAiChat)?.read_request(&self.bytes, &asked)
            }
            None => Err(BodyError {
                kind: BodyErrorKind::WrongType,
                param: None,
                message: format!("{} is in no other dialect", self.operation.as_str()),
            }),
        }
    }

    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The body as it stands after the edits so far.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The model that the caller asked for.
    pub fn model(&self) -> &str {
        &self.index.model
    }

    pub fn stream(&self) -> bool {
        self.index.streams
    }

    /// The caller set `stream_options.include_usage`.
    pub fn usage_asked(&self) -> bool {
        self.index.usage_option == index::UsageOption::Asked
    }

    /// The texts and media, in the body's order.
    pub fn segments(&self) -> &[Segment] {
        &self.index.segments
    }

    /// A segment's text; none for media, or where there is no such segment.
    pub fn text(&self, segment: usize) -> Option<Cow<'_, str>> {
        self.index.segments.get(segment)?.text(&self.bytes)
    }

    /// The JSON text at an RFC 6901 pointer.
    pub fn pointer(&self, rfc6901: &str) -> Option<&[u8]> {
        json::pointer(&self.bytes, rfc6901).map(|span| span.of(&self.bytes))
    }

    /// Edits may not make the body longer than this.
    pub fn set_byte_limit(&mut self, bytes: usize) {
        self.limits.max_bytes = bytes;
    }

    /// Gives a segment another text. Raw tool arguments take JSON only. Its provenance stays: an edited text may still
    /// hold the caller's words.
    ///
    /// # Errors
    /// There is no such segment, it is media, the text is not JSON where it has to be, or the body gets too long.
    pub fn replace_text(&mut self, segment: usize, text: &str) -> Result<(), EditError> {
        let splice = edit::text_splice(&self.index.segments, segment, text, &self.limits.json())?;
        if self.index.segments[segment].raw {
            // a value of another type may come in, maybe too deep for its place
            return self.edit(&[splice]);
        }
        self.bytes = edit::spliced(&self.bytes, std::slice::from_ref(&splice), self.limits.max_bytes)?;
        let moved = Move::of(&splice);
        edit::moved(&mut self.index.segments, segment, text, moved);
        self.index.shift(moved);
        self.added.retain_mut(|added| kept(added, &splice));
        Ok(())
    }

    /// Puts a JSON value at a pointer: over what is there, as a new member of an object that exists, or with `-` at an
    /// array's end. Its texts count as the caller's.
    ///
    /// # Errors
    /// The field is the gateway's, its parent does not exist, the value is not JSON, the request would not be valid
    /// with it, or the body gets too long.
    pub fn set(&mut self, rfc6901: &str, json: &str) -> Result<(), EditError> {
        let tokens = editable(rfc6901)?;
        let value = edit::json_value(json, &self.limits.json())?;
        let splices = edit::set(&self.bytes, &tokens, value)?;
        self.edit(&splices)
    }

    /// Takes the value at a pointer away, with its key.
    ///
    /// # Errors
    /// The field is the gateway's, is not there, or the request would not be valid without it.
    pub fn remove(&mut self, rfc6901: &str) -> Result<(), EditError> {
        let tokens = editable(rfc6901)?;
        let splices = edit::remove(&self.bytes, &tokens)?;
        self.edit(&splices)
    }

    /// Adds a message before the one at `position`; past the end appends. A completion's prompt, if it is one string,
    /// gets the text before (at 0) or behind it, with a blank line between.
    ///
    /// # Errors
    /// The operation has no messages and no such prompt, the role needs more than a text, or the body gets too long.
    pub fn add_message(&mut self, position: usize, role: Role, text: &str) -> Result<(), EditError> {
        if let Some(form) = self.form.clone() {
            return self.add_foreign_message(&form, position, role, text);
        }
        match self.operation {
            Operation::Chat => self.add_chat_message(position, role, text),
            Operation::Completions => self.add_to_prompt(position, text),
            Operation::Embeddings | Operation::Moderations => Err(EditError::Invalid),
        }
    }

    /// The same call with the other kind of answer, streamed or whole: for providers that have one of them alone. Options of
    /// streams go with the stream.
    ///
    /// # Errors
    /// The body gets too long.
    pub fn asking(&self, stream: bool) -> Result<Request, EditError> {
        let mut anew = self.clone();
        if let Some(form) = self.form.as_ref().filter(|form| form.stream.is_some()) {
            let said = Form {
                stream: Some(stream),
                ..(**form).clone()
            };
            anew.form = Some(Arc::new(said));
            anew.edit(&[])?;
            return Ok(anew);
        }
        if !stream && anew.pointer("/stream_options").is_some() {
            anew.edit(&edit::remove(&anew.bytes, &["stream_options".into()])?)?;
        }
        let said = if stream { "true" } else { "false" };
        anew.edit(&edit::set(&anew.bytes, &["stream".into()], said)?)?;
        Ok(anew)
    }

    /// The body for a provider: another model name if it differs, and, if `ask_usage`, the option that makes a streamed
    /// generation end with its usage, unless the caller asked. Every other byte is as it is here.
    pub fn outbound(&self, model: &str, ask_usage: bool) -> Outbound {
        let (splices, usage_added) = self.own_splices(model, ask_usage);
        Outbound::new(self.bytes.clone(), splices, usage_added)
    }

    /// The same under a provider's rules, with the fields that do not go out as they came.
    ///
    /// # Errors
    /// A field that a rule refuses.
    pub fn outbound_under(
        &self,
        rules: &Rules,
        model: &str,
        ask_usage: bool,
    ) -> Result<(Outbound, Vec<Box<str>>), BodyError> {
        let edits = rules.edits(&self.bytes)?;
        let (mut splices, usage_added) = self.own_splices(model, ask_usage);
        splices.extend(edits.splices);
        // what is put in at a place comes before what is taken away from there on
        splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
        splice::retain_fitting(&mut splices);
        let outbound = Outbound::new(self.bytes.clone(), splices, usage_added);
        Ok((outbound, edits.told))
    }

    /// The splices that are the gateway's own, and whether one of them asks for usage.
    fn own_splices(&self, model: &str, ask_usage: bool) -> (outbound::Splices, bool) {
        let mut splices = outbound::Splices::new();
        if model != self.index.model {
            splices.extend(foreign::model_splice(self.index.model_span, model));
        }
        let option = match self.index.stream {
            Some(stream) if ask_usage && self.operation.generates() => self.index.usage_option.asking(stream),
            _ => None,
        };
        let usage_added = option.is_some();
        splices.extend(option);
        splices.sort_unstable_by_key(|splice| splice.span.start);
        (splices, usage_added)
    }

    fn add_foreign_message(
        &mut self,
        form: &Form,
        position: usize,
        role: Role,
        text: &str,
    ) -> Result<(), EditError> {
        if matches!(role, Role::Tool | Role::Other) {
            return Err(EditError::Invalid);
        }
        let added = foreign::Added { position, role, text };
        let splices = foreign::message_splices(form, &self.bytes, &added).ok_or(EditError::NotFound)?;
        self.edit_adding(&splices, true)
    }

    fn add_chat_message(&mut self, position: usize, role: Role, text: &str) -> Result<(), EditError> {
        // a tool message needs the call it answers, and other roles are not known
        if matches!(role, Role::Tool | Role::Other) {
            return Err(EditError::Invalid);
        }
        let list = self.index.list.ok_or(EditError::NotFound)?;
        let (at, comma) = self.message_place(list, position)?;
        let mut message = Vec::with_capacity(text.len() + 48);
        message.extend_from_slice(if comma == Comma::Before {
            b",{\"role\":"
        } else {
            b"{\"role\":"
        });
        json::escape_into(role.as_str(), &mut message);
        message.extend_from_slice(b",\"content\":");
        let content = at + message.len();
        json::escape_into(text, &mut message);
        let content = Span::new(content, at + message.len());
        message.push(b'}');
        let added = Span::new(at + usize::from(comma == Comma::Before), at + message.len());
        if comma == Comma::Behind {
            message.push(b',');
        }
        let splice = Splice::insert(at, message);
        let bytes = edit::spliced(&self.bytes, std::slice::from_ref(&splice), self.limits.max_bytes)?;
        // what a fresh read would refuse: one text too many, or a message where nothing may be that deep
        if self.index.segments.len() >= self.limits.max_segments || self.limits.max_depth < MESSAGE_DEPTH {
            return Err(EditError::Invalid);
        }
        self.bytes = bytes;
        self.message_added(
            &splice,
            added,
            Segment {
                role,
                kind: Kind::Text,
                provenance: Provenance::Plugin,
                choice: 0,
                tool: 0,
                length: u32::try_from(text.len()).unwrap_or(u32::MAX),
                span: content,
                raw: false,
            },
        );
        Ok(())
    }

    /// The offset at which a message goes in, and where it needs a comma.
    fn message_place(&self, list: Span, position: usize) -> Result<(usize, Comma), EditError> {
        let inner = &self.bytes[list.start + 1..list.end - 1];
        if self.index.messages == 0 {
            return Ok((list.start + 1, Comma::None));
        }
        if position >= self.index.messages {
            return Ok((list.start + 1 + inner.trim_ascii_end().len(), Comma::Before));
        }
        if position == 0 {
            return Ok((list.end - 1 - inner.trim_ascii_start().len(), Comma::Behind));
        }
        let messages = json::children(&self.bytes, list).ok_or(EditError::NotFound)?;
        let next = messages.get(position).ok_or(EditError::NotFound)?;
        Ok((next.value.start, Comma::Behind))
    }

    /// Moves the index along with a message that was put between two others. An insertion there changes nothing else, so
    /// the body need not be read again.
    fn message_added(&mut self, splice: &Splice, added: Span, segment: Segment) {
        let moved = Move::of(splice);
        let place = self
            .index
            .segments
            .partition_point(|other| other.span.start < splice.span.start);
        for behind in &mut self.index.segments[place..] {
            behind.span = Span::new(moved.offset(behind.span.start), moved.offset(behind.span.end));
        }
        self.index.segments.insert(place, segment);
        self.index.messages += 1;
        self.index.shift(moved);
        self.added.retain_mut(|span| kept(span, splice));
        let place = self.added.partition_point(|other| *other < added);
        self.added.insert(place, added);
    }

    fn add_to_prompt(&mut self, position: usize, text: &str) -> Result<(), EditError> {
        let prompt = self.index.list.ok_or(EditError::NotFound)?;
        if self.bytes[prompt.start] != b'"' {
            return Err(EditError::Invalid);
        }
        let between = if prompt.len() > 2 { "\n\n" } else { "" };
        let mut added = Vec::with_capacity(text.len() + 4);
        let at = if position == 0 {
            json::escape_inner_into(text, &mut added);
            json::escape_inner_into(between, &mut added);
            prompt.start + 1
        } else {
            json::escape_inner_into(between, &mut added);
            json::escape_inner_into(text, &mut added);
            prompt.end - 1
        };
        self.edit(&[Splice::insert(at, added)])
    }

    /// Makes splices that may change the request's shape: indexes anew, and changes nothing if that fails.
    fn edit(&mut self, sorted: &[Splice]) -> Result<(), EditError> {
        self.edit_adding(sorted, false)
    }

    /// The same; with `adds`, what is put in is a plugin's.
    fn edit_adding(&mut self, sorted: &[Splice], adds: bool) -> Result<(), EditError> {
        let bytes = edit::spliced(&self.bytes, sorted, self.limits.max_bytes)?;
        let mut index = Index::of(self.operation, self.form.as_deref(), &bytes, &self.limits)
            .map_err(|_| EditError::Invalid)?;
        // from the last splice to the first, so that the ones to come are still where they say
        for splice in sorted.iter().rev() {
            self.added.retain_mut(|span| kept(span, splice));
            if adds {
                let start = splice.span.start;
                self.added.push(Span::new(start, start + splice.with.len()));
                self.added.sort_unstable();
            }
        }
        for segment in &mut index.segments {
            let before = self
                .added
                .partition_point(|span| span.start <= segment.span.start);
            if before > 0 && self.added[before - 1].contains(segment.span) {
                segment.provenance = Provenance::Plugin;
            }
        }
        self.bytes = bytes;
        self.index = index;
        Ok(())
    }
}

/// The body, the list and the message are one inside the other.
const MESSAGE_DEPTH: usize = 3;

/// What keeps a new message apart from the others.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Comma {
    None,
    Before,
    Behind,
}

/// A pointer's tokens, if plugins may edit there.
fn editable(rfc6901: &str) -> Result<Vec<Cow<'_, str>>, EditError> {
    let tokens = json::tokens(rfc6901).ok_or(EditError::NotFound)?;
    match tokens.first().map(|first| &**first) {
        None | Some("model" | "stream" | "stream_options") => Err(EditError::ReadOnly),
        Some(_) => Ok(tokens),
    }
}

/// Moves a span along with a splice beside it or inside it; false where the splice takes its place.
fn kept(span: &mut Span, splice: &Splice) -> bool {
    let moved = Move::of(splice);
    if splice.span.end <= span.start {
        *span = Span::new(moved.offset(span.start), moved.offset(span.end));
    } else if splice.span.start < span.end {
        if *span == splice.span || !span.contains(splice.span) {
            return false;
        }
        span.end = moved.offset(span.end);
    }
    true
}
