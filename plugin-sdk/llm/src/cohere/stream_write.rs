//! Events as a stream of Cohere's.

use crate::model::{
    Citation, Content, Delta, Envelope, Error, Event, Losses, Part, Reasoning, ReasoningForm, Start, Stop,
    StopReason, StreamWriter, Text, ToolCall, Usage, made_id,
};
use crate::write::{Object, typed_event as event};

use super::{NO_SUCH, citation, content, stop, usage};

/// Most bytes of calls that wait for the one before them.
const MAX_HELD: usize = 32 << 20;
/// What a call that waits counts as at least: no more than a thousand do.
const HELD_COST: usize = 32 << 10;

/// Writes a stream: start, pieces of content, plan, calls and citations, end. Clients put the calls together one after
/// the other, so of calls that come side by side all but the first wait.
pub(super) struct Writer {
    id: String,
    started: bool,
    over: bool,
    open: Open,
    /// Counts pieces of content.
    pieces: u64,
    calls: u64,
    citations: u64,
    held: Vec<Held>,
    held_bytes: usize,
    over_because: Option<Stop<'static>>,
    usage: Option<Usage>,
    losses: Losses,
}

#[derive(Copy, Clone, PartialEq)]
enum Open {
    Nothing,
    Piece { part: u32, index: u64, thinking: bool },
    Plan(u32),
    Call { part: u32, index: u64 },
}

/// A call that waits.
struct Held {
    part: u32,
    call: ToolCall<'static>,
    whole: bool,
}

impl Writer {
    pub fn new(envelope: &Envelope<'_>) -> Writer {
        Writer {
            id: envelope.id.to_owned(),
            started: false,
            over: false,
            open: Open::Nothing,
            pieces: 0,
            calls: 0,
            citations: 0,
            held: Vec::new(),
            held_bytes: 0,
            over_because: None,
            usage: None,
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
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
            Event::PartStart { choice, .. } | Event::Delta { choice, .. } | Event::Stop { choice, .. }
                if *choice != 0 =>
            {
                self.losses
                    .dropped(format!("choices[{choice}]"), "Cohere gives one answer");
            }
            Event::Extra { extras, .. } => extras.iter().for_each(|extra| self.extra(extra, out)),
            _ if self.over_because.is_some() => {}
            Event::PartStart { part, content, .. } => self.part_start(*part, content, out),
            Event::Delta { part, delta, .. } => self.delta(*part, delta, out),
            Event::PartStop { choice: 0, part } => self.part_stop(*part, out),
            Event::PartStop { .. } => {}
            Event::Stop { stop, .. } => self.over_because = Some(Stop::clone(stop).into_owned()),
        }
    }

    fn keep_alive(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

/// Writes `delta.message` with what `write` puts into it.
fn message(object: &mut Object<'_>, write: impl FnOnce(&mut Object<'_>)) {
    object.object("delta", |delta| delta.object("message", write));
}

fn indexed(kind: &str, index: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    event(kind, out, |object| {
        object.count("index", index);
        message(object, write);
    });
}

fn ended(kind: &str, index: u64, out: &mut Vec<u8>) {
    event(kind, out, |object| object.count("index", index));
}

impl Writer {
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = start.usage.or(self.usage);
        for extra in &start.extras {
            self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
        }
        if start.service_tier.is_some() {
            self.losses.dropped("service_tier", NO_SUCH);
        }
        event("message-start", out, |object| {
            match &start.id {
                Some(id) => object.text("id", id),
                None => object.str("id", &self.id),
            }
            message(object, |message| {
                message.str("role", "assistant");
                message.array("content", |_| {});
                message.str("tool_plan", "");
                message.array("tool_calls", |_| {});
                message.array("citations", |_| {});
            });
        });
    }

    /// Ends what is open; calls that wait are said whole.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        self.end_open(out);
        for held in std::mem::take(&mut self.held) {
            self.say_call(&held.call, held.part, out);
            self.end_open(out);
        }
        self.held_bytes = 0;
    }

    fn end_open(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Piece { index, .. } => ended("content-end", index, out),
            Open::Call { index, .. } => ended("tool-call-end", index, out),
            Open::Nothing | Open::Plan(_) => {}
        }
    }

    fn part_start(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        self.unsaid(part, content);
        match &content.content {
            Content::Text { text, citations } => {
                self.piece_start(part, false, text, out);
                citations.iter().for_each(|citation| self.cite(citation, out));
            }
            Content::Refusal(text) => self.piece_start(part, false, text, out),
            Content::Reasoning(thought) => self.thought(part, thought, out),
            Content::ToolCall(call) => self.call_start(part, call, out),
            Content::Native(_) => self
                .losses
                .dropped(format!("content[{part}]"), "only its own dialect can say this"),
            Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses.dropped(format!("content[{part}]"), NO_SUCH);
            }
        }
    }

    fn unsaid(&mut self, part: u32, content: &Part<'_>) {
        if content.signature.is_some() {
            self.losses.dropped(format!("content[{part}].signature"), NO_SUCH);
        }
        for extra in &content.extras {
            self.losses
                .dropped(format!("content[{part}].{}", extra.name.get()), NO_SUCH);
        }
    }

    fn piece_start(&mut self, part: u32, thinking: bool, text: &Text<'_>, out: &mut Vec<u8>) {
        self.close(out);
        let index = self.pieces;
        self.pieces = index.saturating_add(1);
        self.open = Open::Piece {
            part,
            index,
            thinking,
        };
        let name = if thinking { "thinking" } else { "text" };
        indexed("content-start", index, out, |message| {
            message.object("content", |content| {
                content.str("type", name);
                content.str(name, "");
            });
        });
        self.words(part, text, out);
    }

    fn words(&mut self, part: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        match self.open {
            _ if text.is_empty() => {}
            Open::Piece {
                part: of,
                index,
                thinking,
            } if of == part => {
                let name = if thinking { "thinking" } else { "text" };
                indexed("content-delta", index, out, |message| {
                    message.object("content", |content| content.text(name, text));
                });
            }
            Open::Plan(of) if of == part => event("tool-plan-delta", out, |object| {
                message(object, |message| message.text("tool_plan", text));
            }),
            _ => {}
        }
    }

    fn thought(&mut self, part: u32, thought: &Reasoning<'_>, out: &mut Vec<u8>) {
        if thought.form == ReasoningForm::Encrypted {
            return self
                .losses
                .dropped(format!("content[{part}]"), "thoughts can be read here");
        }
        if !content::is_plan(thought) {
            return self.piece_start(part, true, &thought.text, out);
        }
        self.close(out);
        self.open = Open::Plan(part);
        self.words(part, &thought.text, out);
    }

    fn call_start(&mut self, part: u32, call: &ToolCall<'_>, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Call { .. }) {
            self.close(out);
            return self.say_call(call, part, out);
        }
        self.held.push(Held {
            part,
            call: call.clone().into_owned(),
            whole: false,
        });
        let cost = HELD_COST.saturating_add(call.arguments.len());
        self.hold(cost, out);
    }

    fn hold(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > MAX_HELD {
            self.held.clear();
            self.error(
                &Error::new(
                    crate::model::ErrorKind::BadAnswer,
                    "the provider's calls of tools are longer than may be kept",
                ),
                out,
            );
        }
    }

    /// Starts a call, with the arguments that are known.
    fn say_call(&mut self, said: &ToolCall<'_>, part: u32, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        let index = self.calls;
        self.calls = index.saturating_add(1);
        self.open = Open::Call { part, index };
        let made = said.id.is_empty().then(|| {
            self.losses.added(
                format!("tool_calls[{index}].id"),
                "the provider gave the call no id",
            );
            made_id(&self.id, 0, usize::try_from(index).unwrap_or(usize::MAX))
        });
        indexed("tool-call-start", index, out, |message| {
            message.object("tool_calls", |call| {
                match &made {
                    Some(id) => call.str("id", id),
                    None => call.text("id", &said.id),
                }
                call.str("type", "function");
                call.object("function", |function| {
                    function.text("name", &said.name);
                    function.str("arguments", "");
                });
            });
        });
        self.arguments(part, &said.arguments, out);
    }

    fn arguments(&mut self, part: u32, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Open::Call { part: of, index } = self.open
            && of == part
        {
            return indexed("tool-call-delta", index, out, |message| {
                message.object("tool_calls", |call| {
                    call.object("function", |function| function.text("arguments", text));
                });
            });
        }
        if let Some(held) = self.held.iter_mut().find(|held| held.part == part) {
            held.call.arguments.push(text);
            self.hold(text.len(), out);
        }
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Reasoning(text) => self.words(part, text, out),
            Delta::Arguments(text) => self.arguments(part, text, out),
            Delta::Citation(citation) => {
                if matches!(self.open, Open::Piece { part: of, .. } if of == part) {
                    self.cite(citation, out);
                }
            }
            Delta::Signature(_) => {
                self.losses.dropped(format!("content[{part}].signature"), NO_SUCH);
            }
            Delta::Logprobs(_) => self
                .losses
                .dropped("logprobs", "its form differs from dialect to dialect"),
            Delta::Data(_) | Delta::Transcript(_) | Delta::Native(_) => {
                self.losses.dropped(format!("content[{part}]"), NO_SUCH);
            }
        }
    }

    fn cite(&mut self, of: &Citation<'_>, out: &mut Vec<u8>) {
        let index = self.citations;
        self.citations = index.saturating_add(1);
        let piece = self.pieces.saturating_sub(1);
        indexed("citation-start", index, out, |message| {
            message.object("citations", |object| citation::write(of, piece, None, object));
        });
        ended("citation-end", index, out);
    }

    /// Citations of thoughts and plans come as an extra; nothing else that does is Cohere's.
    fn extra(&mut self, extra: &crate::model::Extra<'_>, out: &mut Vec<u8>) {
        let citations = extra.value.elements();
        let cohere = |json: &crate::model::Json<'_>| json.pointer("/sources").is_some();
        if !extra.name.is("citations") || citations.is_empty() || !citations.iter().all(cohere) {
            return self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
        }
        self.start(&Start::default(), out);
        for native in citations {
            self.cite(&Citation::native(crate::model::Dialect::Cohere, native), out);
        }
    }

    fn part_stop(&mut self, part: u32, out: &mut Vec<u8>) {
        match self.open {
            Open::Piece { part: of, .. } | Open::Plan(of) if of == part => self.end_open(out),
            Open::Call { part: of, .. } if of == part => {
                self.end_open(out);
                self.next_call(out);
            }
            _ => {
                if let Some(held) = self.held.iter_mut().find(|held| held.part == part) {
                    held.whole = true;
                }
            }
        }
    }

    /// Calls that waited: those that are whole, and the first that is not, which goes on as it comes.
    fn next_call(&mut self, out: &mut Vec<u8>) {
        let mut waiting = std::mem::take(&mut self.held).into_iter();
        self.held_bytes = 0;
        for held in waiting.by_ref() {
            self.say_call(&held.call, held.part, out);
            if !held.whole {
                break;
            }
            self.end_open(out);
        }
        self.held = waiting.collect();
        for held in &self.held {
            let cost = HELD_COST.saturating_add(held.call.arguments.len());
            self.held_bytes = self.held_bytes.saturating_add(cost);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        self.over = true;
        let unsaid = || Stop::new(StopReason::End).with_calls(self.calls > 0);
        let over = self.over_because.take().unwrap_or_else(unsaid);
        let losses = &mut self.losses;
        event("message-end", out, |object| {
            object.object("delta", |delta| {
                delta.text("finish_reason", &stop::word(&over, false, losses));
                if let Some(counts) = &self.usage {
                    delta.object("usage", |object| usage::write(counts, object, losses));
                }
            });
        });
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// The end of a message says that it failed, and no end mark follows (PAIN C03).
    fn error(&mut self, fault: &Error<'_>, out: &mut Vec<u8>) {
        // a call that waits is not whole
        self.held.clear();
        self.close(out);
        self.over = true;
        let losses = &mut self.losses;
        event("message-end", out, |object| {
            object.object("delta", |delta| {
                delta.str("finish_reason", "ERROR");
                match fault.message.is_empty() {
                    true => delta.str("error", "the provider gave no reason"),
                    false => delta.text("error", &fault.message),
                }
                if let Some(counts) = &self.usage {
                    delta.object("usage", |object| usage::write(counts, object, losses));
                }
            });
        });
    }
}
