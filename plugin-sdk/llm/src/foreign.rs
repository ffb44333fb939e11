//! Bodies and events of dialects that are not OpenAI's first one, indexed by way of the model: the same segments, deltas
//! and facts that `openai` finds in place. What is done with them is left to `openai::Request`, `openai::Answer` and the
//! gateway.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::json::{self, Span};
use crate::model::{
    Answer, Asked, BodyError, BodyErrorKind, Codec, Dialect, Error, ErrorKind, Event, Events, Place, Read,
    Request, Seal, StreamFrame, StreamReader, ToolCounter, deltas_of_events, segments_of_answer,
    segments_of_request,
};
use crate::openai::{Delta, ErrorView, EventView, Finish, Kind, Provenance, Role, Segment};
use crate::splice::Splice;
use crate::usage::Usage;

/// The dialect of a body, and what its path said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub dialect: Dialect,
    /// The model, where the path names it.
    pub model: Option<Box<str>>,
    /// Whether an answer is streamed, where the path says it.
    pub stream: Option<bool>,
}

impl Form {
    /// Of a dialect that says everything in the body.
    pub fn of(dialect: Dialect) -> Form {
        Form {
            dialect,
            model: None,
            stream: None,
        }
    }

    /// The body in the model.
    ///
    /// # Errors
    /// The field that is missing or of the wrong type.
    pub fn read<'a>(&'a self, body: &'a [u8], betas: &'a [&'a str]) -> Result<Read<Request<'a>>, BodyError> {
        let asked = Asked {
            model: self.model.as_deref(),
            stream: self.stream,
            betas,
        };
        codec(self.dialect)?.read_request(body, &asked)
    }
}

/// The codec of a dialect.
///
/// # Errors
/// There is none in this build.
pub fn codec(dialect: Dialect) -> Result<&'static dyn Codec, BodyError> {
    dialect.codec().ok_or_else(|| BodyError {
        kind: BodyErrorKind::WrongType,
        param: None,
        message: format!("the dialect {} is not known here", dialect.as_str()),
    })
}

/// What the gateway needs of a request, with its places in the body.
#[derive(Clone, Debug)]
pub(crate) struct Indexed {
    pub model: String,
    /// Where the body names the model.
    pub model_span: Option<Span>,
    pub stream: bool,
    pub usage_asked: bool,
    pub segments: Vec<Segment>,
    /// The array of messages.
    pub list: Option<Span>,
    pub messages: usize,
}

/// Reads a request.
pub(crate) fn index(form: &Form, body: &[u8], max_segments: usize) -> Result<Indexed, BodyError> {
    let request = form.read(body, &[])?.value;
    let model = request.model.get().into_owned();
    if model.is_empty() {
        return Err(BodyError {
            kind: BodyErrorKind::Missing,
            param: Some("model".to_owned()),
            message: "`model` is missing: name a model".to_owned(),
        });
    }
    let segments = segments_of_request(&request, body);
    if segments.len() > max_segments {
        return Err(BodyError {
            kind: BodyErrorKind::TooMany,
            param: None,
            message: format!("the body has more than {max_segments} texts: send fewer"),
        });
    }
    let in_body = form.model.is_none();
    Ok(Indexed {
        model,
        model_span: json::pointer(body, "/model").filter(|_| in_body),
        stream: request.stream,
        usage_asked: request.stream_usage,
        segments,
        list: json::pointer(body, list_of(form.dialect)),
        messages: request
            .messages
            .iter()
            .filter(|message| message.place == Place::Turn)
            .count(),
    })
}

/// Where the dialect's messages are.
fn list_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiResponses => "/input",
        Dialect::Gemini => "/contents",
        _ => "/messages",
    }
}

/// A message that is to be put into a body.
pub(crate) struct Added<'t> {
    pub position: usize,
    pub role: Role,
    pub text: &'t str,
}

/// The splices that put a message into a body; nothing where the dialect has no place for it. Instructions stand above
/// the conversation in all dialects but Cohere's.
pub(crate) fn message_splices(form: &Form, body: &[u8], added: &Added<'_>) -> Option<Vec<Splice>> {
    let is_instruction = matches!(added.role, Role::System | Role::Developer);
    match (form.dialect, is_instruction) {
        (Dialect::AnthropicMessages | Dialect::BedrockConverse, true) => instruction(
            body,
            "system",
            "/system",
            text_block(form.dialect, added.text),
            added,
        ),
        (Dialect::Gemini, true) => {
            let key = match json::pointer(body, "/system_instruction") {
                Some(_) => "system_instruction",
                None => "systemInstruction",
            };
            gemini_instruction(body, key, added)
        }
        (Dialect::OpenAiResponses, true) => instruction(body, "instructions", "/instructions", None, added),
        _ => element(body, form.dialect, added),
    }
}

/// Puts instructions before or behind those that are there: a text grows, a list gets another block, and where there is
/// nothing a member is made.
fn instruction(
    body: &[u8],
    key: &str,
    pointer: &str,
    block: Option<Vec<u8>>,
    added: &Added<'_>,
) -> Option<Vec<Splice>> {
    let found = json::pointer(body, pointer).filter(|span| span.of(body) != b"null");
    let Some(span) = found else {
        let mut value = Vec::new();
        match block {
            Some(block) => {
                value.push(b'[');
                value.extend_from_slice(&block);
                value.push(b']');
            }
            None => json::escape_into(added.text, &mut value),
        }
        return Some(vec![member(body, key, &value)?]);
    };
    match span.of(body).first()? {
        b'"' => Some(vec![grown(span, added)]),
        b'[' => Some(vec![into_list(body, span, added.position, &block?)?]),
        _ => None,
    }
}

fn gemini_instruction(body: &[u8], key: &str, added: &Added<'_>) -> Option<Vec<Splice>> {
    let part = object_of_text(added.text);
    if let Some(parts) = json::pointer(body, &format!("/{key}/parts")) {
        return Some(vec![into_list(body, parts, added.position, &part)?]);
    }
    let mut value = b"{\"parts\":[".to_vec();
    value.extend_from_slice(&part);
    value.extend_from_slice(b"]}");
    match json::pointer(body, &format!("/{key}")) {
        Some(span) => Some(vec![Splice::new(span, value)]),
        None => Some(vec![member(body, key, &value)?]),
    }
}

/// A text literal with more text before it (at position 0) or behind it, a blank line between.
fn grown(span: Span, added: &Added<'_>) -> Splice {
    let mut more = Vec::with_capacity(added.text.len() + 8);
    let between = if span.len() > 2 { "\n\n" } else { "" };
    if added.position == 0 {
        json::escape_inner_into(added.text, &mut more);
        json::escape_inner_into(between, &mut more);
        return Splice::insert(span.start + 1, more);
    }
    json::escape_inner_into(between, &mut more);
    json::escape_inner_into(added.text, &mut more);
    Splice::insert(span.end - 1, more)
}

/// A new first member of the body.
fn member(body: &[u8], key: &str, value: &[u8]) -> Option<Splice> {
    let object = json::pointer(body, "")?;
    let is_empty = json::children(body, object)?.is_empty();
    let mut text = Vec::with_capacity(key.len() + value.len() + 4);
    json::escape_into(key, &mut text);
    text.push(b':');
    text.extend_from_slice(value);
    if !is_empty {
        text.push(b',');
    }
    Some(Splice::insert(object.start + 1, text))
}

/// A new element of a list, before the one at `position` or at the end.
fn into_list(body: &[u8], list: Span, position: usize, element: &[u8]) -> Option<Splice> {
    let children = json::children(body, list)?;
    let mut text = Vec::with_capacity(element.len() + 1);
    match (children.get(position), children.last()) {
        (Some(next), _) => {
            text.extend_from_slice(element);
            text.push(b',');
            Some(Splice::insert(next.value.start, text))
        }
        (None, Some(last)) => {
            text.push(b',');
            text.extend_from_slice(element);
            Some(Splice::insert(last.value.end, text))
        }
        (None, None) => Some(Splice::insert(list.start + 1, element.to_vec())),
    }
}

/// A message among the others.
fn element(body: &[u8], dialect: Dialect, added: &Added<'_>) -> Option<Vec<Splice>> {
    let list = json::pointer(body, list_of(dialect))?;
    let message = message(dialect, added);
    match list.of(body).first()? {
        b'[' => Some(vec![into_list(body, list, added.position, &message)?]),
        // a conversation that is one text (Responses): it becomes a list
        b'"' => {
            let mut only = b"[{\"role\":\"user\",\"content\":".to_vec();
            let mut end = b"}]".to_vec();
            if added.position == 0 {
                only = b"[".to_vec();
                only.extend_from_slice(&message);
                only.extend_from_slice(b",{\"role\":\"user\",\"content\":");
            } else {
                end = b"},".to_vec();
                end.extend_from_slice(&message);
                end.push(b']');
            }
            Some(vec![
                Splice::insert(list.start, only),
                Splice::insert(list.end, end),
            ])
        }
        _ => None,
    }
}

fn message(dialect: Dialect, added: &Added<'_>) -> Vec<u8> {
    let role = match (dialect, added.role) {
        (Dialect::Gemini, Role::Assistant) => "model",
        (_, role) => role.as_str(),
    };
    let mut message = b"{\"role\":".to_vec();
    json::escape_into(role, &mut message);
    match dialect {
        Dialect::Gemini => {
            message.extend_from_slice(b",\"parts\":[");
            message.extend_from_slice(&object_of_text(added.text));
            message.extend_from_slice(b"]}");
        }
        Dialect::BedrockConverse => {
            message.extend_from_slice(b",\"content\":[");
            message.extend_from_slice(&object_of_text(added.text));
            message.extend_from_slice(b"]}");
        }
        _ => {
            message.extend_from_slice(b",\"content\":");
            json::escape_into(added.text, &mut message);
            message.push(b'}');
        }
    }
    message
}

fn text_block(dialect: Dialect, text: &str) -> Option<Vec<u8>> {
    if dialect == Dialect::BedrockConverse {
        return Some(object_of_text(text));
    }
    let mut block = b"{\"type\":\"text\",\"text\":".to_vec();
    json::escape_into(text, &mut block);
    block.push(b'}');
    Some(block)
}

fn object_of_text(text: &str) -> Vec<u8> {
    let mut object = b"{\"text\":".to_vec();
    json::escape_into(text, &mut object);
    object.push(b'}');
    object
}

/// What the gateway needs of a whole answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub segments: Vec<Segment>,
    pub choices: u32,
    pub usage: Option<Usage>,
    pub model: Option<Span>,
    pub error: Option<ErrorView>,
    pub seals: Vec<Seal>,
    pub id: Option<Box<str>>,
}

/// Reads an answer, or the error that stands in its place under a good status.
pub(crate) fn answer(dialect: Dialect, body: &[u8]) -> Result<Told, BodyError> {
    match codec(dialect)?.read_answer(body) {
        Ok(read) => Ok(told(&read.value, body)),
        Err(error) if error.kind == ErrorKind::BadAnswer && error.native.is_none() => Err(BodyError {
            kind: BodyErrorKind::NotJson,
            param: None,
            message: error.message.get().into_owned(),
        }),
        Err(error) => Ok(Told {
            error: Some(error_view(&error)),
            ..Told::default()
        }),
    }
}

fn told(answer: &Answer<'_>, body: &[u8]) -> Told {
    Told {
        segments: segments_of_answer(answer, body),
        choices: u32::try_from(answer.choices.len()).unwrap_or(u32::MAX),
        usage: answer.usage.as_ref().map(Usage::from),
        model: json::pointer(body, "/model").or_else(|| json::pointer(body, "/modelVersion")),
        error: None,
        seals: seals_of(answer),
        id: answer.id.as_ref().map(|id| id.get().into()),
    }
}

/// The encrypted thoughts of an answer.
pub fn seals_of(answer: &Answer<'_>) -> Vec<Seal> {
    let parts = answer.choices.iter().flat_map(|choice| &choice.parts);
    parts.filter_map(Seal::of_part).collect()
}

/// The same of an answer of chat completions, which is read in place otherwise.
pub fn seals_of_body(body: &[u8]) -> Vec<Seal> {
    let read = has_trace(body).then(|| codec(Dialect::OpenAiChat).ok()?.read_answer(body).ok());
    read.flatten().map_or_else(Vec::new, |read| seals_of(&read.value))
}

/// And of a chunk of their streams.
pub fn seals_of_chunk(data: &[u8]) -> SmallVec<[Seal; 1]> {
    let mut events = Events::new();
    if has_trace(data)
        && let Ok(codec) = codec(Dialect::OpenAiChat)
    {
        codec.stream_reader().read(StreamFrame::data(data), &mut events);
    }
    events.iter().filter_map(Seal::of_event).collect()
}

/// Whether there may be encrypted thoughts: they are rare, and a chunk is read a thousand times.
fn has_trace(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(|text| text.contains("reasoning.encrypted"))
}

/// An error of any dialect in the form that OpenAI's have.
pub fn error_view(error: &Error<'_>) -> ErrorView {
    let owned = |text: &crate::model::Text<'_>| text.get().into_owned();
    ErrorView {
        message: Some(owned(&error.message)).filter(|said| !said.is_empty()),
        kind: error.native.as_ref().map(owned),
        code: Some(error.status.to_string()),
        param: error.param.as_ref().map(owned),
    }
}

/// The events of one stream, one after the other.
pub struct EventReader {
    dialect: Dialect,
    reader: Box<dyn StreamReader>,
    tools: ToolCounter,
    usage: crate::model::Usage,
    /// Texts that the stream has said again so far.
    repeated: u32,
    /// An event was an error.
    failed: bool,
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventReader({})", self.dialect.as_str())
    }
}

/// What one event came to.
#[derive(Debug)]
pub struct Seen {
    pub view: EventView,
    /// The answer is complete.
    pub done: bool,
    pub error: Option<ErrorView>,
    /// The answer's id, in the event that says it first.
    pub id: Option<Box<str>>,
    /// Of encrypted thoughts.
    pub seals: SmallVec<[Seal; 1]>,
}

impl EventReader {
    /// # Errors
    /// The dialect is not known in this build.
    pub fn new(dialect: Dialect) -> Result<EventReader, BodyError> {
        Ok(EventReader {
            dialect,
            reader: codec(dialect)?.stream_reader(),
            tools: ToolCounter::default(),
            usage: crate::model::Usage::default(),
            repeated: 0,
            failed: false,
        })
    }

    pub fn read(&mut self, frame: StreamFrame<'_>) -> Seen {
        let mut events = Events::new();
        self.reader.read(frame, &mut events);
        // a reader names each loss once, but nobody asks here
        let _ = self.reader.take_losses();
        let mut seen = Seen {
            view: EventView {
                deltas: deltas_of_events(&events, frame.data, &mut self.tools),
                finishes: Default::default(),
                logprobs: Default::default(),
                usage: None,
                empty_choices: false,
                is_error: false,
                content_bearing: events.iter().any(Event::is_content),
            },
            done: false,
            error: None,
            id: None,
            seals: events.iter().filter_map(Seal::of_event).collect(),
        };
        for event in &events {
            self.note(event, &mut seen);
        }
        if self.dialect == Dialect::OpenAiResponses {
            self.repeat(frame.data, &mut seen.view.deltas);
            // behind the `error` that says why
            seen.view.is_error |= self.failed && is_failed_response(frame.data);
        }
        self.failed |= seen.error.is_some();
        seen
    }

    /// Responses say every text again, whole, when it is complete. Each such text is a channel of its own: what is taken
    /// out of the first must not be left in the others.
    fn repeat(&mut self, data: &[u8], deltas: &mut SmallVec<[Delta; 2]>) {
        for segment in repeats(data) {
            // a text that came in no pieces is told here for the first time
            if deltas.iter().any(|delta| delta.literal == segment.span) {
                continue;
            }
            self.repeated = self.repeated.saturating_add(1);
            deltas.push(Delta {
                choice: 0,
                kind: segment.kind,
                tool: FIRST_REPEAT.saturating_add(self.repeated),
                literal: segment.span,
                length: segment.length,
                raw: segment.raw,
            });
        }
    }

    fn note(&mut self, event: &Event<'_>, seen: &mut Seen) {
        match event {
            Event::Usage(usage) => {
                self.usage = self.usage.updated_by(usage);
                seen.view.usage = Some(Usage::from(&self.usage));
            }
            Event::Stop { choice, .. } => seen.view.finishes.push(Finish {
                choice: *choice,
                reason: Span::new(0, 0),
            }),
            Event::Start(start) => seen.id = start.id.as_ref().map(|id| id.get().into()),
            Event::Error(error) => {
                seen.view.is_error = true;
                seen.error = Some(error_view(error));
            }
            Event::Done => seen.done = true,
            _ => {}
        }
    }
}

/// Whether an event of Responses is the response that failed, and no `error` that says why.
pub fn is_failed_response(data: &[u8]) -> bool {
    json::pointer(data, "/type").is_some_and(|kind| kind.of(data) == br#""response.failed""#)
}

/// Channels of repeated texts are numbered from here, far above any answer's tool calls.
const FIRST_REPEAT: u32 = 1 << 20;

/// The texts that an event of Responses says once more.
fn repeats(data: &[u8]) -> Vec<Segment> {
    let kind = json::pointer(data, "/type").map(|span| span.of(data));
    let Some(name) = kind.and_then(|name| std::str::from_utf8(name).ok()) else {
        return Vec::new();
    };
    let name = name.trim_matches('"');
    if matches!(
        name,
        "response.completed" | "response.incomplete" | "response.failed"
    ) {
        return in_response(data);
    }
    let Some(event) = name
        .strip_prefix("response.")
        .and_then(|name| name.strip_suffix(".done"))
    else {
        return Vec::new();
    };
    match event {
        "output_text" => texts_at(data, &["/text"], Kind::Text),
        "refusal" => texts_at(data, &["/refusal"], Kind::Refusal),
        "function_call_arguments" => texts_at(data, &["/arguments"], Kind::ToolArguments),
        "custom_tool_call_input" => texts_at(data, &["/input"], Kind::ToolArguments),
        "reasoning_text" | "reasoning_summary_text" => texts_at(data, &["/text"], Kind::Reasoning),
        "reasoning_summary_part" => texts_at(data, &["/part/text"], Kind::Reasoning),
        "content_part" => texts_at(data, &["/part/text", "/part/refusal"], Kind::Text),
        "output_item" => in_item(data),
        _ => Vec::new(),
    }
}

/// The whole answer, in the event that ends a stream.
fn in_response(data: &[u8]) -> Vec<Segment> {
    let response = json::pointer(data, "/response").map(|span| span.of(data));
    let read = response.and_then(|body| codec(Dialect::OpenAiResponses).ok()?.read_answer(body).ok());
    read.map_or_else(Vec::new, |read| segments_of_answer(&read.value, data))
}

fn in_item(data: &[u8]) -> Vec<Segment> {
    let mut found = texts_at(data, &["/item/arguments", "/item/input"], Kind::ToolArguments);
    for (list, kind) in [("/item/content", Kind::Text), ("/item/summary", Kind::Reasoning)] {
        let length = json::pointer(data, list).and_then(|span| json::children(data, span));
        for place in 0..length.map_or(0, |children| children.len()) {
            let text = format!("{list}/{place}/text");
            let refusal = format!("{list}/{place}/refusal");
            found.extend(texts_at(data, &[&text, &refusal], kind));
        }
    }
    found
}

fn texts_at(data: &[u8], pointers: &[&str], kind: Kind) -> Vec<Segment> {
    let at = |pointer: &&str| {
        let span = json::pointer(data, pointer)?;
        let literal = span.of(data);
        (literal.first() == Some(&b'"')).then(|| Segment {
            role: Role::Assistant,
            kind,
            provenance: Provenance::Provider,
            choice: 0,
            tool: 0,
            length: u32::try_from(json::unescape(literal).len()).unwrap_or(u32::MAX),
            span,
            raw: false,
        })
    };
    pointers.iter().filter_map(at).collect()
}

/// A body without its splices made, for callers that have bytes.
pub(crate) fn model_splice(model_span: Option<Span>, model: &str) -> Option<Splice> {
    let span = model_span?;
    let mut literal = Vec::with_capacity(model.len() + 2);
    json::escape_into(model, &mut literal);
    Some(Splice::new(span, Bytes::from(literal)))
}
