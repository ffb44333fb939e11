//! Events as chunks.

use crate::model::{
    CallKind, Content, Delta, Envelope, Error, Event, Losses, Media, Part, Reasoning, ReasoningForm,
    Signature, Source, Start, Stop, StopReason, StreamWriter, Text, Usage, made_id,
};
use crate::write::{Array, Object, object, on_one_line};

use super::answer_write::{Place, write_citation};
use super::message_write::write_signature;
use super::reasoning::write_detail;
use super::tools::NO_SUCH;
use super::{error, stop, usage};

/// Calls are told by the count of calls, not by the part's index: whoever streams more than this has no way to be told.
const MAX_PARTS: usize = 4096;

/// Writes a stream: role, deltas, finish, usage where it was asked for, and the end mark.
pub(super) struct Writer {
    id: String,
    created: u64,
    model: String,
    usage_asked: bool,
    legacy_functions: bool,
    /// `{"id":..,"object":..,"created":..,"model":..,` as every chunk begins.
    head: Vec<u8>,
    usage: Option<Usage>,
    choices: Vec<ChoiceState>,
    over: bool,
    losses: Losses,
}

struct ChoiceState {
    index: u32,
    calls: Vec<CallState>,
    /// Pieces of reasoning so far.
    thoughts: u64,
    /// The part that is being thought, and its form.
    thought: Option<(u32, ReasoningForm)>,
    /// Characters of content so far, which places of citations count in.
    characters: u64,
    citations: u64,
    stopped: bool,
}

struct CallState {
    part: u32,
    custom: bool,
    any_arguments: bool,
}

impl Writer {
    pub fn new(envelope: &Envelope<'_>) -> Writer {
        Writer {
            id: envelope.id.to_owned(),
            created: envelope.created,
            model: envelope.model.to_owned(),
            usage_asked: envelope.usage_asked,
            legacy_functions: envelope.legacy_functions,
            head: Vec::new(),
            usage: None,
            choices: Vec::new(),
            over: false,
            losses: Losses::default(),
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start(start) => self.start(start, out),
            Event::PartStart {
                choice,
                part,
                content,
            } => self.part_start(*choice, *part, content, out),
            Event::Delta { choice, part, delta } => self.delta(*choice, *part, delta, out),
            Event::PartStop { choice, part } => self.part_stop(*choice, *part, out),
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Stop { choice, stop } => self.stop(*choice, stop, out),
            Event::Extra { extras, .. } => {
                for extra in extras {
                    self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
                }
            }
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
        }
    }

    fn keep_alive(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Writer {
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if !self.head.is_empty() {
            return;
        }
        self.make_head(start);
        for extra in &start.extras {
            self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
        }
        self.role(0, out);
    }

    fn make_head(&mut self, start: &Start<'_>) {
        let mut head = Vec::with_capacity(160);
        object(&mut head, |object| {
            match &start.id {
                Some(id) => object.text("id", id),
                None => object.str("id", &self.id),
            }
            object.str("object", "chat.completion.chunk");
            object.count("created", start.created.unwrap_or(self.created));
            match &start.model {
                Some(model) => object.text("model", model),
                None => object.str("model", &self.model),
            }
            object.text_if("service_tier", start.service_tier.as_ref());
        });
        // further members follow
        head.pop();
        head.push(b',');
        self.head = head;
    }

    /// The choice's state, after the chunk with its role.
    fn role(&mut self, choice: u32, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.make_head(&Start::default());
        }
        if self.choices.len() >= MAX_PARTS || self.choices.iter().any(|state| state.index == choice) {
            return;
        }
        self.choices.push(ChoiceState {
            index: choice,
            calls: Vec::new(),
            thoughts: 0,
            thought: None,
            characters: 0,
            citations: 0,
            stopped: false,
        });
        self.chunk(choice, out, |delta| {
            delta.str("role", "assistant");
            delta.str("content", "");
        });
    }

    /// One chunk with a delta.
    fn chunk(&self, choice: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let start = self.open(out);
        out.extend_from_slice(b"\"choices\":[{\"index\":");
        out.extend_from_slice(choice.to_string().as_bytes());
        out.extend_from_slice(b",\"delta\":");
        object(out, write);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":null}]");
        self.close(start, out);
    }

    /// Begins a chunk; where it begins.
    fn open(&self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(b"data: ");
        let start = out.len();
        out.extend_from_slice(&self.head);
        start
    }

    fn close(&self, start: usize, out: &mut Vec<u8>) {
        if self.usage_asked {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.push(b'}');
        finish(start, out);
    }

    fn state(&mut self, choice: u32, out: &mut Vec<u8>) -> Option<&mut ChoiceState> {
        self.role(choice, out);
        let state = self.choices.iter_mut().find(|state| state.index == choice);
        state.filter(|state| !state.stopped)
    }

    fn part_start(&mut self, choice: u32, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        if self.state(choice, out).is_none() {
            return;
        }
        match &content.content {
            Content::Text { text, citations } => {
                self.words(choice, text, out);
                for citation in citations {
                    self.delta(choice, part, &Delta::Citation(Box::new(citation.clone())), out);
                }
            }
            Content::Refusal(text) => self.refusal(choice, text, out),
            Content::Reasoning(thought) => {
                self.thought(choice, part, thought, content.signature.as_ref(), out)
            }
            Content::ToolCall(_) => self.call_start(choice, part, content, out),
            Content::Media(media) => self.media(choice, media, content, out),
            Content::Native(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses
                    .dropped(format!("content[{part}]"), "only its own dialect can say this");
            }
        }
        if content.signature.is_some() && matches!(content.content, Content::Text { .. }) {
            self.losses.dropped(format!("content[{part}].signature"), NO_SUCH);
        }
    }

    fn words(&mut self, choice: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let count = text.get().chars().count() as u64;
        if let Some(state) = self.state(choice, out) {
            state.characters = state.characters.saturating_add(count);
        }
        self.chunk(choice, out, |delta| delta.text("content", text));
    }

    fn refusal(&mut self, choice: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.chunk(choice, out, |delta| delta.text("refusal", text));
        }
    }

    fn thought(
        &mut self,
        choice: u32,
        part: u32,
        thought: &Reasoning<'_>,
        signature: Option<&Signature<'_>>,
        out: &mut Vec<u8>,
    ) {
        let Some(state) = self.state(choice, out) else {
            return;
        };
        let index = state.thoughts;
        state.thoughts = index.saturating_add(1);
        state.thought = Some((part, thought.form));
        let nothing = thought.text.is_empty() && thought.data.is_none() && signature.is_none();
        if !nothing {
            self.think(choice, thought, signature, index, out);
        }
    }

    fn think(
        &self,
        choice: u32,
        thought: &Reasoning<'_>,
        signature: Option<&Signature<'_>>,
        index: u64,
        out: &mut Vec<u8>,
    ) {
        self.chunk(choice, out, |delta| {
            if thought.form != ReasoningForm::Encrypted && !thought.text.is_empty() {
                delta.text("reasoning_content", &thought.text);
                delta.text("reasoning", &thought.text);
            }
            delta.array("reasoning_details", |array| {
                write_detail(thought, signature, index, array)
            });
        });
    }

    /// More of the piece that is being thought.
    fn think_on(
        &mut self,
        choice: u32,
        text: &Text<'_>,
        signature: Option<&Signature<'_>>,
        out: &mut Vec<u8>,
    ) {
        let Some(state) = self.state(choice, out) else {
            return;
        };
        let index = state.thoughts.saturating_sub(1);
        let form = state.thought.map_or(ReasoningForm::Text, |(_, form)| form);
        let thought = Reasoning {
            form,
            maker: signature.and_then(|signature| signature.maker),
            ..Reasoning::text(text.borrowed(), None)
        };
        self.think(choice, &thought, signature, index, out);
    }

    fn call_start(&mut self, choice: u32, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        let Content::ToolCall(call) = &content.content else {
            return;
        };
        let id = self.id.clone();
        let Some(state) = self
            .state(choice, out)
            .filter(|state| state.calls.len() < MAX_PARTS)
        else {
            return;
        };
        let count = state.calls.len();
        state.calls.push(CallState {
            part,
            custom: call.kind == CallKind::Custom,
            any_arguments: !call.arguments.is_empty(),
        });
        if self.legacy_functions {
            return self.legacy_start(choice, count, call, out);
        }
        let made = call.id.is_empty().then(|| made_id(&id, choice, count));
        if made.is_some() {
            self.losses.added(
                format!("tool_calls[{count}].id"),
                "the provider gave the call no id",
            );
        }
        self.call_delta(choice, count, out, |object| {
            object.text("id", &made.map_or(call.id.borrowed(), Text::plain));
            let (kind, arguments) = match call.kind {
                CallKind::Function => ("function", "arguments"),
                CallKind::Custom => ("custom", "input"),
            };
            object.str("type", kind);
            object.object(kind, |object| {
                object.text("name", &call.name);
                object.text(arguments, &call.arguments);
            });
            if let Some(signature) = &content.signature {
                write_signature(&signature.data, object);
            }
        });
    }

    fn legacy_start(
        &mut self,
        choice: u32,
        count: usize,
        call: &crate::model::ToolCall<'_>,
        out: &mut Vec<u8>,
    ) {
        if count > 0 {
            self.losses
                .dropped("tool_calls[1]", "callers of `functions` take one call at a time");
            return;
        }
        self.chunk(choice, out, |delta| {
            delta.object("function_call", |object| {
                object.text("name", &call.name);
                object.text("arguments", &call.arguments);
            });
        });
    }

    fn call_delta(&self, choice: u32, count: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.chunk(choice, out, |delta| {
            delta.array("tool_calls", |array| {
                array.object(|object| {
                    object.count("index", count as u64);
                    write(object);
                });
            });
        });
    }

    fn arguments(&mut self, choice: u32, part: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        let Some(state) = self.state(choice, out) else {
            return;
        };
        let Some(count) = state.calls.iter().position(|call| call.part == part) else {
            return;
        };
        let Some(call) = state.calls.get_mut(count) else {
            return;
        };
        call.any_arguments = true;
        let custom = call.custom;
        if self.legacy_functions {
            if count == 0 {
                self.chunk(choice, out, |delta| {
                    delta.object("function_call", |object| object.text("arguments", text));
                });
            }
            return;
        }
        self.call_delta(choice, count, out, |object| match custom {
            true => object.object("custom", |object| object.text("input", text)),
            false => object.object("function", |object| object.text("arguments", text)),
        });
    }

    fn media(&mut self, choice: u32, media: &Media<'_>, content: &Part<'_>, out: &mut Vec<u8>) {
        use crate::model::MediaKind::{Audio, Image};
        match (media.kind, &media.source) {
            (Audio, _) => {
                let id = crate::model::extra(&content.extras, "id").cloned();
                self.chunk(choice, out, |delta| {
                    delta.object("audio", |audio| {
                        match &id {
                            Some(id) => audio.json("id", id),
                            None => audio.str("id", &self.id),
                        }
                        if let Source::Base64(data) = &media.source
                            && !data.is_empty()
                        {
                            audio.text("data", data);
                        }
                        audio.text_if("transcript", media.transcript.as_ref());
                    });
                });
            }
            (Image, Source::Base64(_) | Source::Url(_)) => self.chunk(choice, out, |delta| {
                delta.array("images", |array: &mut Array<'_>| {
                    array.object(|object| {
                        object.str("type", "image_url");
                        object.object("image_url", |object| {
                            media.write_url("image/png", object.value("url"));
                        });
                    });
                });
            }),
            _ => self.losses.dropped("media", NO_SUCH),
        }
    }

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        if self.state(choice, out).is_none() {
            return;
        }
        match delta {
            Delta::Text(text) => self.words(choice, text, out),
            Delta::Refusal(text) => self.refusal(choice, text, out),
            Delta::Reasoning(text) if text.is_empty() => {}
            Delta::Reasoning(text) => self.think_on(choice, text, None, out),
            Delta::Signature(signature) => self.signature(choice, part, signature, out),
            Delta::Arguments(text) if text.is_empty() => {}
            Delta::Arguments(text) => self.arguments(choice, part, text, out),
            Delta::Data(data) => self.audio(choice, "data", data, out),
            Delta::Transcript(text) => self.audio(choice, "transcript", text, out),
            Delta::Citation(citation) => {
                let (end, at) = self.state(choice, out).map_or((0, 0), |state| {
                    state.citations = state.citations.saturating_add(1);
                    (state.characters, state.citations.saturating_sub(1))
                });
                self.chunk(choice, out, |delta| {
                    delta.array("annotations", |array| {
                        array.object(|object| {
                            // OpenAI's SDKs put lists of deltas together by it, and fail without
                            object.count("index", at);
                            write_citation(citation, Place { start: 0, end }, object);
                        });
                    });
                });
            }
            Delta::Logprobs(_) => self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect"),
            Delta::Native(_) => {
                self.losses
                    .dropped(format!("content[{part}]"), "only its own dialect can say this");
            }
        }
    }

    fn audio(&self, choice: u32, name: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        self.chunk(choice, out, |delta| {
            delta.object("audio", |audio| audio.text(name, text));
        });
    }

    /// Of the piece that is being thought, or of a call.
    fn signature(&mut self, choice: u32, part: u32, signature: &Signature<'_>, out: &mut Vec<u8>) {
        let Some(state) = self.state(choice, out) else {
            return;
        };
        if state.thought.is_some_and(|(thought, _)| thought == part) {
            return self.think_on(choice, &Text::default(), Some(signature), out);
        }
        match state.calls.iter().position(|call| call.part == part) {
            Some(count) => self.call_delta(choice, count, out, |object| {
                write_signature(&signature.data, object)
            }),
            None => self.losses.dropped(format!("content[{part}].signature"), NO_SUCH),
        }
    }

    /// A call that came without arguments has none: `{}` for clients that parse them.
    fn part_stop(&mut self, choice: u32, part: u32, out: &mut Vec<u8>) {
        let Some(state) = self.state(choice, out) else {
            return;
        };
        let bare = state
            .calls
            .iter()
            .any(|call| call.part == part && !call.any_arguments && !call.custom);
        if bare {
            self.arguments(choice, part, &Text::plain("{}"), out);
        }
    }

    fn stop(&mut self, choice: u32, over: &Stop<'_>, out: &mut Vec<u8>) {
        let legacy = self.legacy_functions && over.reason == StopReason::ToolCalls;
        let Some(state) = self.state(choice, out) else {
            return;
        };
        state.stopped = true;
        if over.details.is_some() {
            self.losses.dropped("stop_details", NO_SUCH);
        }
        let start = self.open(out);
        out.extend_from_slice(b"\"choices\":[");
        object(out, |object| {
            object.count("index", choice.into());
            object.object("delta", |_| {});
            object.null("logprobs");
            object.str(
                "finish_reason",
                if legacy {
                    "function_call"
                } else {
                    stop::finish_reason(over.reason)
                },
            );
            if let Some(native) = stop::native_to_show(over).filter(|_| !legacy) {
                object.text("native_finish_reason", native);
            }
            object.text_if("stop_reason", over.sequence.as_ref());
        });
        out.push(b']');
        self.close(start, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.make_head(&Start::default());
        }
        self.over = true;
        if self.usage_asked {
            let counts = self.usage.unwrap_or_default();
            let start = self.open(out);
            out.extend_from_slice(b"\"choices\":[],\"usage\":");
            object(out, |object| usage::write(&counts, object));
            out.push(b'}');
            finish(start, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// An ordinary chunk that also carries `error`, so that clients that look for it raise it and others see the choice
    /// end. No end mark follows: the answer is not complete (PAIN C03).
    fn error(&mut self, fault: &Error<'_>, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.make_head(&Start::default());
        }
        self.over = true;
        let (kind, code) = error::words(fault.kind);
        let start = self.open(out);
        out.extend_from_slice(b"\"error\":");
        object(out, |object| {
            object.text("message", &fault.message);
            object.str("type", kind);
            object.text_or_null("param", fault.param.as_ref());
            match (&fault.code, code) {
                (Some(code), _) => object.text("code", code),
                (None, Some(code)) => object.str("code", code),
                (None, None) => object.null("code"),
            }
        });
        out.extend_from_slice(
            b",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"error\"}]}",
        );
        finish(start, out);
    }
}

/// Ends the chunk that begins at `start`.
fn finish(start: usize, out: &mut Vec<u8>) {
    on_one_line(out, start);
    out.extend_from_slice(b"\n\n");
}
