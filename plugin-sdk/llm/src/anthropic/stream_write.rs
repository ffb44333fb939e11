//! The model's events as a message's, one block after the other (PAIN D01, D02).

use crate::model::{
    Content, Delta, Dialect, Envelope, Error, ErrorKind, Event, Losses, Part, ReasoningForm, Signature,
    Start, Stop, StopReason, StreamWriter, Text, Usage, made_id,
};
// named as its type says: Anthropic's clients look at the name alone
use crate::write::{Object, typed_event as event};

use super::answer_write::write_thought;
use super::block_write::write_citation;
use super::{error, foreign, stop, usage};

/// More of calls that have to wait for their turn than is kept.
const MOST_WAITING: usize = 8 << 20;

/// Writes a stream. Calls that come interleaved wait until the one before them is whole, as only one block may be open
/// at a time; nothing else waits.
pub(super) struct Writer {
    id: String,
    model: String,
    input_estimate: Option<u64>,
    started: bool,
    over: bool,
    next_block: u64,
    open: Option<Open>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    calls: usize,
    usage: Option<Usage>,
    stop: Option<Stop<'static>>,
    losses: Losses,
}

/// The part that is being written. Its block begins with its first word: an empty one would be no block.
struct Open {
    part: u32,
    kind: Kind,
    /// The block's index, once it has begun.
    block: Option<u64>,
    call: bool,
}

/// What a part is to this dialect.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    /// Begun, and fed with JSON.
    Json,
    /// Not said here.
    Nothing,
}

/// A call behind one that is not whole yet.
struct Waiting {
    part: u32,
    content: Part<'static>,
    arguments: Text<'static>,
    stopped: bool,
}

impl Writer {
    pub fn new(envelope: &Envelope<'_>) -> Writer {
        Writer {
            id: envelope.id.to_owned(),
            model: envelope.model.to_owned(),
            input_estimate: envelope.input_estimate,
            started: false,
            over: false,
            next_block: 0,
            open: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            calls: 0,
            usage: None,
            stop: None,
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
                choice: 0,
                part,
                content,
            } => self.part_start(*part, content, out),
            Event::Delta {
                choice: 0,
                part,
                delta,
            } => self.delta(*part, delta, out),
            Event::PartStop { choice: 0, part } => self.part_stop(*part, out),
            Event::Stop { choice: 0, stop } => self.stop = Some(Stop::clone(stop).into_owned()),
            Event::PartStart { .. } | Event::Delta { .. } | Event::PartStop { .. } | Event::Stop { .. } => {
                self.losses.dropped("choices[1]", "a message is one answer");
            }
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Extra { extras, .. } => {
                for extra in extras {
                    self.losses
                        .dropped(extra.name.get().into_owned(), "Messages have nothing like it");
                }
            }
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
        }
    }

    fn keep_alive(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Writer {
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for extra in &start.extras {
            self.losses
                .dropped(extra.name.get().into_owned(), "Messages have nothing like it");
        }
        self.usage = start.usage.or(self.usage);
        // clients show these before the end tells better (PAIN D03)
        let so_far = self.usage.unwrap_or(Usage {
            input: self.input_estimate,
            ..Usage::default()
        });
        event("message_start", out, |body| {
            body.object("message", |message| {
                match &start.id {
                    Some(id) => message.text("id", id),
                    None => message.str("id", &self.id),
                }
                message.str("type", "message");
                message.str("role", "assistant");
                match &start.model {
                    Some(model) => message.text("model", model),
                    None => message.str("model", &self.model),
                }
                message.array("content", |_| {});
                message.null("stop_reason");
                message.null("stop_sequence");
                message.object("usage", |object| usage::write(&so_far, object));
            });
        });
    }

    fn part_start(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        let is_call = matches!(content.content, Content::ToolCall(_));
        if is_call && self.open.as_ref().is_some_and(|open| open.call) {
            return self.wait(part, content, out);
        }
        // a part of another kind: whoever comes next has let go of it
        self.close(out);
        self.begin(part, content, out);
    }

    /// Opens a part: at once where its block says something by itself, with the first word otherwise.
    fn begin(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        let signature = content.signature.as_ref();
        if let Some(signature) = signature.filter(|_| !matches!(content.content, Content::Reasoning(_))) {
            self.redacted(&foreign::of_next(signature), out);
        }
        let mut open = Open {
            part,
            kind: Kind::Nothing,
            block: None,
            call: false,
        };
        match &content.content {
            Content::Text { text, citations } => {
                open.kind = Kind::Text;
                self.open = Some(open);
                self.words(text, out);
                for citation in citations {
                    self.delta(part, &Delta::Citation(Box::new(citation.clone())), out);
                }
            }
            Content::Refusal(text) => {
                open.kind = Kind::Text;
                self.open = Some(open);
                self.words(text, out);
            }
            Content::Reasoning(thought) if thought.form == ReasoningForm::Encrypted => {
                self.redacted(&foreign::encrypted(thought), out);
                self.open = Some(open);
            }
            Content::Reasoning(thought) => {
                open.kind = Kind::Thinking;
                self.open = Some(open);
                self.think(&thought.text, out);
                if let Some(signature) = signature {
                    self.sign(signature, out);
                }
            }
            Content::ToolCall(call) => {
                open.kind = Kind::Json;
                open.call = true;
                open.block = Some(self.call_start(content, out));
                self.open = Some(open);
                self.json(&call.arguments, out);
            }
            Content::Native(native) if native.dialect == Dialect::AnthropicMessages => {
                open.kind = Kind::Json;
                open.block = Some(self.block_start(out, |object| {
                    for (name, value) in native.json.members() {
                        object.member(&name, &value);
                    }
                }));
                self.open = Some(open);
            }
            Content::Native(_) => {
                self.losses
                    .dropped(format!("content[{part}]"), "only its own dialect can say this");
                self.open = Some(open);
            }
            Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses.dropped(
                    format!("content[{part}]"),
                    "a message's answer holds no such block",
                );
                self.open = Some(open);
            }
        }
    }

    fn block_start(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) -> u64 {
        let block = self.next_block;
        self.next_block = block.saturating_add(1);
        event("content_block_start", out, |body| {
            body.count("index", block);
            body.object("content_block", write);
        });
        block
    }

    fn block_delta(&self, block: u64, kind: &str, name: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        event("content_block_delta", out, |body| {
            body.count("index", block);
            body.object("delta", |delta| {
                delta.str("type", kind);
                delta.text(name, text);
            });
        });
    }

    fn block_stop(&self, block: u64, out: &mut Vec<u8>) {
        event("content_block_stop", out, |body| body.count("index", block));
    }

    /// A block that comes whole.
    fn redacted(&mut self, data: &Text<'_>, out: &mut Vec<u8>) {
        let block = self.block_start(out, |object| {
            object.str("type", "redacted_thinking");
            object.text("data", data);
        });
        self.block_stop(block, out);
    }

    fn call_start(&mut self, content: &Part<'_>, out: &mut Vec<u8>) -> u64 {
        let Content::ToolCall(call) = &content.content else {
            return self.next_block;
        };
        let made = call.id.is_empty().then(|| made_id(&self.id, 0, self.calls));
        if made.is_some() {
            self.losses.added(
                format!("tool_calls[{}].id", self.calls),
                "the provider gave the call no id",
            );
        }
        self.calls = self.calls.saturating_add(1);
        self.block_start(out, |object| {
            object.str("type", "tool_use");
            object.text("id", &made.map_or(call.id.borrowed(), Text::plain));
            object.text("name", &call.name);
            object.object("input", |_| {});
        })
    }

    /// The block of the open part, begun if it has to be.
    fn block(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        let open = self.open.as_ref()?;
        if let Some(block) = open.block {
            return Some(block);
        }
        let block = match open.kind {
            Kind::Text => self.block_start(out, |object| {
                object.str("type", "text");
                object.str("text", "");
            }),
            Kind::Thinking => self.block_start(out, |object| {
                let part = Part::text("");
                write_thought(
                    &part,
                    &crate::model::Reasoning::text(Text::default(), None),
                    object,
                );
            }),
            Kind::Json | Kind::Nothing => return None,
        };
        if let Some(open) = &mut self.open {
            open.block = Some(block);
        }
        Some(block)
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(block) = self.block(out) {
            self.block_delta(block, "text_delta", "text", text, out);
        }
    }

    fn think(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(block) = self.block(out) {
            self.block_delta(block, "thinking_delta", "thinking", text, out);
        }
    }

    fn sign(&mut self, signature: &Signature<'_>, out: &mut Vec<u8>) {
        if let Some(block) = self.block(out) {
            let signature = foreign::signature(signature);
            self.block_delta(block, "signature_delta", "signature", &signature, out);
        }
    }

    fn json(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(block) = self.open.as_ref().and_then(|open| open.block) {
            self.block_delta(block, "input_json_delta", "partial_json", text, out);
        }
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(open) = self.open.as_ref().filter(|open| open.part == part) else {
            return self.delta_of_waiting(part, delta, out);
        };
        match (open.kind, delta) {
            (Kind::Text, Delta::Text(text) | Delta::Refusal(text)) => self.words(text, out),
            (Kind::Thinking, Delta::Reasoning(text)) => self.think(text, out),
            (Kind::Thinking, Delta::Signature(signature)) => self.sign(signature, out),
            (Kind::Json, Delta::Arguments(text) | Delta::Native(text)) => self.json(text, out),
            (Kind::Text, Delta::Citation(citation)) => {
                if let Some(block) = self.block(out) {
                    event("content_block_delta", out, |body| {
                        body.count("index", block);
                        body.object("delta", |delta| {
                            delta.str("type", "citations_delta");
                            delta.object("citation", |object| write_citation(citation, object));
                        });
                    });
                }
            }
            (_, Delta::Logprobs(_)) => self.losses.dropped("logprobs", "Messages have nothing like it"),
            (Kind::Nothing, _) => {}
            _ => self.losses.dropped(
                format!("content[{part}]"),
                "does not fit into a block of its kind",
            ),
        }
    }

    fn wait(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        let mut content = content.clone().into_owned();
        let arguments = match &mut content.content {
            Content::ToolCall(call) => std::mem::take(&mut call.arguments),
            _ => Text::default(),
        };
        self.keep(arguments.len().saturating_add(size_of::<Waiting>()), out);
        self.waiting.push(Waiting {
            part,
            content,
            arguments,
            stopped: false,
        });
    }

    fn delta_of_waiting(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Arguments(text) => {
                self.keep(text.len(), out);
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.part == part) {
                    waiting.arguments.push(text);
                }
            }
            Delta::Logprobs(_) => self.losses.dropped("logprobs", "Messages have nothing like it"),
            _ => self
                .losses
                .dropped(format!("content[{part}]"), "is of a part that is not open"),
        }
    }

    fn keep(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        if self.waiting_bytes > MOST_WAITING {
            let much = Error::new(
                ErrorKind::BadAnswer,
                "the provider interleaves more calls than may be kept",
            );
            self.error(&much, out);
        }
    }

    fn part_stop(&mut self, part: u32, out: &mut Vec<u8>) {
        if self.open.as_ref().is_none_or(|open| open.part != part) {
            if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.part == part) {
                waiting.stopped = true;
            }
            return;
        }
        self.close_one(out);
        self.next_waiting(out);
    }

    fn close_one(&mut self, out: &mut Vec<u8>) {
        if let Some(block) = self.open.take().and_then(|open| open.block) {
            self.block_stop(block, out);
        }
    }

    /// The calls that waited, each with all that it was given so far; the first that may get more stays open.
    fn next_waiting(&mut self, out: &mut Vec<u8>) {
        while self.open.is_none() && !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.begin(next.part, &next.content, out);
            self.json(&next.arguments, out);
            let size = next.arguments.len().saturating_add(size_of::<Waiting>());
            self.waiting_bytes = self.waiting_bytes.saturating_sub(size);
            if next.stopped {
                self.close_one(out);
            }
        }
    }

    /// Everything that is open or waits.
    fn close(&mut self, out: &mut Vec<u8>) {
        loop {
            self.close_one(out);
            self.next_waiting(out);
            if self.open.is_none() && self.waiting.is_empty() {
                return;
            }
        }
    }

    /// The reason and the counts go out at the end, as some dialects count behind the reason.
    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        self.close(out);
        self.over = true;
        let unsaid = Stop::new(StopReason::End).with_calls(self.calls > 0);
        let over = self.stop.take().unwrap_or(unsaid);
        let counts = self.usage.unwrap_or_default();
        let word = stop::word(&over, false, &mut self.losses).into_owned();
        if over.details.is_some() {
            self.losses
                .dropped("stop_details", "Messages have nothing like it");
        }
        event("message_delta", out, |body| {
            body.object("delta", |delta| {
                delta.text("stop_reason", &word);
                delta.text_or_null("stop_sequence", over.sequence.as_ref());
            });
            body.object("usage", |object| usage::write(&counts, object));
        });
        event("message_stop", out, |_| {});
    }

    /// The terminal event of a stream that broke (PAIN C03).
    fn error(&mut self, fault: &Error<'_>, out: &mut Vec<u8>) {
        self.over = true;
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&error::write(fault));
        out.extend_from_slice(b"\n\n");
    }
}
