//! The model's events as Converse's, framed, one block after the other (PAIN D01, D02).

use crate::anthropic::foreign;
use crate::eventstream::{write_event, write_exception};
use crate::model::{
    Content, Delta, Dialect, Envelope, Error, ErrorKind, Event, Extra, Losses, Media, MediaKind, Native,
    Part, Reasoning, ReasoningForm, Signature, Source, Start, Stop, StopReason, StreamWriter, Text, Usage,
    made_id,
};
use crate::write::{Object, object};

use super::answer_write::{blob_of, marked_signature};
use super::block_write::{NO_SUCH, OWN_ALONE};
use super::{cite, error, media_read, stop, usage};

/// More of calls that have to wait for their turn than is kept.
const MOST_WAITING: usize = 8 << 20;

/// Members that Converse has beside the usage; whatever else is extra is another dialect's.
const OWN_MEMBERS: [&str; 4] = ["metrics", "trace", "performanceConfig", "serviceTier"];

/// The member of the last event but one.
const FIELDS: &str = "additionalModelResponseFields";

/// Writes a stream. Calls that come interleaved wait until the one before them is whole, as Converse has one block after
/// the other; the reason to stop waits for the end, as its members may come behind it; nothing else waits.
pub(super) struct Writer {
    id: String,
    started: bool,
    over: bool,
    next_block: u64,
    open: Option<Open>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    calls: usize,
    usage: Option<Usage>,
    stop: Option<Stop<'static>>,
    extras: Vec<Extra<'static>>,
    payload: Vec<u8>,
    losses: Losses,
}

/// The part that is being written.
struct Open {
    part: u32,
    kind: Kind,
    /// None until there is something to write.
    block: Option<u64>,
    /// The input of a call.
    any_input: bool,
}

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    Text,
    Thought,
    Call,
    Native,
    Image,
    /// Of a kind that Converse cannot stream.
    Nothing,
}

/// A call that began while another one was open.
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
            started: false,
            over: false,
            next_block: 0,
            open: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            calls: 0,
            usage: None,
            stop: None,
            extras: Vec::new(),
            payload: Vec::new(),
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
            Event::PartStart { choice, .. } | Event::Delta { choice, .. } | Event::Stop { choice, .. }
                if *choice != 0 =>
            {
                self.losses.dropped("choices", "Converse has one answer");
            }
            Event::PartStart { part, content, .. } => self.part_start(*part, content, out),
            Event::Delta { part, delta, .. } => self.delta(*part, delta, out),
            Event::PartStop { choice: 0, part } => self.part_stop(*part, out),
            Event::PartStop { .. } => {}
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().updated_by(usage)),
            Event::Stop { stop, .. } => self.stop(stop, out),
            Event::Extra { extras, .. } => self.extras(extras),
            Event::Error(error) => self.error(error, out),
            Event::Ping => self.keep_alive(out),
            Event::Done => self.done(out),
        }
    }

    /// Converse has no sign of life: clients raise errors for events that they do not know.
    fn keep_alive(&self, _out: &mut Vec<u8>) {}

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Writer {
    fn event(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.payload.clear();
        object(&mut self.payload, write);
        if write_event(name, &self.payload, out).is_err() {
            self.losses.dropped("content", "is longer than an event may be");
        }
    }

    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = start.usage.or(self.usage);
        if let Some(tier) = &start.service_tier {
            self.service_tier(tier);
        }
        self.extras(&start.extras);
        self.event("messageStart", out, |event| event.str("role", "assistant"));
    }

    fn service_tier(&mut self, tier: &Text<'_>) {
        let mut value = Vec::new();
        object(&mut value, |object| object.text("type", tier));
        let value = crate::model::Json::new(String::from_utf8_lossy(&value).into_owned());
        self.extras.extend(value.map(|value| Extra {
            name: Text::plain("serviceTier"),
            value: value.into_owned(),
        }));
    }

    fn extras(&mut self, extras: &[Extra<'_>]) {
        for extra in extras {
            let own = extra.name.is(FIELDS) || OWN_MEMBERS.iter().any(|name| extra.name.is(name));
            if !own {
                self.losses.dropped(extra.name.get().into_owned(), NO_SUCH);
                continue;
            }
            self.extras.retain(|kept| kept.name != extra.name);
            self.extras.push(Extra {
                name: extra.name.clone().into_owned(),
                value: extra.value.clone().into_owned(),
            });
        }
    }

    fn part_start(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        let call = matches!(content.content, Content::ToolCall(_));
        match &self.open {
            Some(open) if call && open.kind == Kind::Call => return self.wait(part, content, out),
            _ => self.close(out),
        }
        self.begin(part, content, out);
    }

    /// Begins a part; nothing is open.
    fn begin(&mut self, part: u32, content: &Part<'_>, out: &mut Vec<u8>) {
        let kind = match &content.content {
            Content::Text { .. } | Content::Refusal(_) => Kind::Text,
            Content::Reasoning(_) => Kind::Thought,
            Content::ToolCall(_) => Kind::Call,
            Content::Native(native) if native.dialect == Dialect::BedrockConverse => Kind::Native,
            Content::Media(media) => kind_of_media(media),
            Content::Native(_) | Content::ToolResult(_) | Content::SearchResult(_) => Kind::Nothing,
        };
        if kind != Kind::Thought
            && let Some(signature) = &content.signature
        {
            self.signature_apart(signature, out);
        }
        self.open = Some(Open {
            part,
            kind,
            block: None,
            any_input: false,
        });
        match &content.content {
            Content::Text { text, citations } => {
                self.words(text, out);
                for citation in citations {
                    self.delta(part, &Delta::Citation(Box::new(citation.clone())), out);
                }
            }
            Content::Refusal(text) => {
                self.losses
                    .changed(format!("content[{part}]"), "a refusal goes as a text");
                self.words(text, out);
            }
            Content::Reasoning(thought) => self.thought(thought, content.signature.as_ref(), out),
            Content::ToolCall(_) => self.call_start(content, out),
            Content::Native(native) if kind == Kind::Native => self.native(native, part, out),
            Content::Native(_) => self.losses.dropped(format!("content[{part}]"), OWN_ALONE),
            Content::Media(media) => self.media(media, part, out),
            Content::ToolResult(_) | Content::SearchResult(_) => self
                .losses
                .dropped(format!("content[{part}]"), "an answer holds no such block"),
        }
    }

    /// The open part's block, taken into use.
    fn block(&mut self) -> Option<u64> {
        let next = self.next_block;
        let open = self.open.as_mut()?;
        if let Some(block) = open.block {
            return Some(block);
        }
        open.block = Some(next);
        self.next_block = next.saturating_add(1);
        Some(next)
    }

    fn block_start(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let Some(block) = self.block() else { return };
        self.event("contentBlockStart", out, |event| {
            event.count("contentBlockIndex", block);
            event.object("start", |start| start.object(name, write));
        });
    }

    fn block_delta(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let Some(block) = self.block() else { return };
        self.event("contentBlockDelta", out, |event| {
            event.count("contentBlockIndex", block);
            event.object("delta", write);
        });
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.block_delta(out, |delta| delta.text("text", text));
        }
    }

    fn thought(&mut self, thought: &Reasoning<'_>, signature: Option<&Signature<'_>>, out: &mut Vec<u8>) {
        if thought.form == ReasoningForm::Encrypted {
            return self.redacted(&blob_of(thought), out);
        }
        self.think(&thought.text, out);
        if let Some(signature) = signature {
            self.sign(signature, out);
        }
    }

    fn think(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.reasoning(out, |content| content.text("text", text));
        }
    }

    fn sign(&mut self, signature: &Signature<'_>, out: &mut Vec<u8>) {
        let marked = marked_signature(signature);
        self.reasoning(out, |content| content.text("signature", &marked.data));
    }

    fn redacted(&mut self, blob: &str, out: &mut Vec<u8>) {
        self.reasoning(out, |content| content.str("redactedContent", blob));
    }

    fn reasoning(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        self.block_delta(out, |delta| delta.object("reasoningContent", write));
    }

    /// A call's or a text's own signature goes in a marked block before it, and comes back so (PAIN E02).
    fn signature_apart(&mut self, signature: &Signature<'_>, out: &mut Vec<u8>) {
        let marked = Reasoning::encrypted(foreign::of_next(signature), Some(crate::model::Maker::Anthropic));
        self.open = Some(Open {
            part: u32::MAX,
            kind: Kind::Thought,
            block: None,
            any_input: false,
        });
        self.redacted(&blob_of(&marked), out);
        self.close_one(out);
    }

    fn call_start(&mut self, content: &Part<'_>, out: &mut Vec<u8>) {
        let Content::ToolCall(call) = &content.content else {
            return;
        };
        let made = call.id.is_empty().then(|| made_id(&self.id, 0, self.calls));
        if made.is_some() {
            self.losses.added(
                format!("tool_calls[{}].id", self.calls),
                "the provider gave the call no id",
            );
        }
        self.calls = self.calls.saturating_add(1);
        self.block_start("toolUse", out, |start| {
            start.text("toolUseId", &made.map_or(call.id.borrowed(), Text::plain));
            start.text("name", &call.name);
        });
        self.input(&call.arguments, out);
    }

    fn input(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(open) = &mut self.open {
            open.any_input = true;
        }
        self.block_delta(out, |delta| {
            delta.object("toolUse", |call| call.text("input", text))
        });
    }

    /// What the provider's own tools did, in the two forms that Converse streams.
    fn native(&mut self, native: &Native<'_>, part: u32, out: &mut Vec<u8>) {
        let later = match &*native.kind.get() {
            "toolUse" => "input",
            "toolResult" => "content",
            _ => {
                self.losses.dropped(
                    format!("content[{part}]"),
                    "is of a kind that Converse does not stream",
                );
                return;
            }
        };
        let members = native.json.members();
        self.block_start(&native.kind.get(), out, |start| {
            for (name, value) in members.iter().filter(|(name, _)| !name.is(later)) {
                start.member(name, value);
            }
        });
        let Some((_, value)) = members.iter().find(|(name, _)| name.is(later)) else {
            return;
        };
        match later {
            "content" => self.block_delta(out, |delta| delta.json("toolResult", value)),
            _ if matches!(value.get(), "{}") => {}
            _ => self.input(&value.borrowed().into_text(), out),
        }
    }

    fn media(&mut self, media: &Media<'_>, part: u32, out: &mut Vec<u8>) {
        let transcript = media.transcript.as_ref();
        match (&media.source, self.open.as_ref().map(|open| open.kind)) {
            (Source::Base64(data), Some(Kind::Image)) => {
                let said = media.media_type.as_ref().map(Text::get);
                let format = said.and_then(|said| media_read::format(MediaKind::Image, &said));
                self.block_start("image", out, |start| start.str("format", format.unwrap_or("png")));
                self.image(data, out);
            }
            _ => {
                self.losses.dropped(
                    format!("content[{part}]"),
                    "is of a kind that Converse does not stream",
                );
                if let Some(transcript) = transcript {
                    self.words(transcript, out);
                }
            }
        }
    }

    fn image(&mut self, data: &Text<'_>, out: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        self.block_delta(out, |delta| {
            delta.object("image", |image| {
                image.object("source", |source| source.text("bytes", data));
            });
        });
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(open) = self.open.as_ref().filter(|open| open.part == part) else {
            return self.delta_of_waiting(part, delta, out);
        };
        match (open.kind, delta) {
            (Kind::Text, Delta::Text(text) | Delta::Refusal(text) | Delta::Transcript(text)) => {
                self.words(text, out);
            }
            (Kind::Thought, Delta::Reasoning(text)) => self.think(text, out),
            (Kind::Thought, Delta::Signature(signature)) => self.sign(signature, out),
            (Kind::Thought, Delta::Data(data)) => {
                let more = Reasoning::encrypted(data.borrowed(), Some(crate::model::Maker::Anthropic));
                self.redacted(&blob_of(&more), out);
            }
            (Kind::Call, Delta::Arguments(text)) | (Kind::Native, Delta::Native(text)) => {
                self.input(text, out)
            }
            (Kind::Image, Delta::Data(data)) => self.image(data, out),
            (Kind::Text, Delta::Citation(citation)) => self.block_delta(out, |delta| {
                delta.object("citation", |object| cite::write(citation, object));
            }),
            (_, Delta::Logprobs(_)) => self.losses.dropped("logprobs", NO_SUCH),
            (Kind::Nothing, _) => {}
            // of an audio, of which only the words go
            (Kind::Text, Delta::Data(_)) => {}
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
            Delta::Logprobs(_) => self.losses.dropped("logprobs", NO_SUCH),
            Delta::Signature(_) => self.losses.dropped(
                format!("content[{part}].signature"),
                "came behind the beginning of its part",
            ),
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

    /// A call that came without input has none: `{}` for clients that parse it.
    fn close_one(&mut self, out: &mut Vec<u8>) {
        let bare = |open: &Open| open.kind == Kind::Call && !open.any_input;
        if self.open.as_ref().is_some_and(bare) {
            self.input(&Text::plain("{}"), out);
        }
        if let Some(block) = self.open.take().and_then(|open| open.block) {
            self.event("contentBlockStop", out, |event| {
                event.count("contentBlockIndex", block)
            });
        }
    }

    /// The calls that waited, each with all that it was given so far; the first that may get more stays open.
    fn next_waiting(&mut self, out: &mut Vec<u8>) {
        while self.open.is_none() && !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.begin(next.part, &next.content, out);
            self.input(&next.arguments, out);
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

    fn stop(&mut self, over: &Stop<'_>, out: &mut Vec<u8>) {
        self.close(out);
        if self.stop.is_none() {
            self.stop = Some(over.clone().into_owned());
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        self.close(out);
        self.over = true;
        let over = self.stop.take();
        let over = over.unwrap_or_else(|| Stop::new(StopReason::End).with_calls(self.calls > 0));
        self.message_stop(&over, out);
        self.metadata(out);
    }

    fn message_stop(&mut self, over: &Stop<'_>, out: &mut Vec<u8>) {
        let word = stop::word(over, None, &mut self.losses).into_owned();
        let fields = self.extras.iter().position(|extra| extra.name.is(FIELDS));
        let fields = fields.map(|at| self.extras.remove(at));
        self.event("messageStop", out, |event| {
            event.str("stopReason", &word);
            match (fields, &over.sequence) {
                (Some(fields), _) => event.json(FIELDS, &fields.value),
                (None, Some(sequence)) => {
                    event.object(FIELDS, |fields| fields.text("stop_sequence", sequence))
                }
                (None, None) => {}
            }
        });
    }

    /// Only where anything is known: a count that nobody gave is not zero.
    fn metadata(&mut self, out: &mut Vec<u8>) {
        let (counts, extras) = (self.usage, std::mem::take(&mut self.extras));
        if counts.is_none() && extras.is_empty() {
            return;
        }
        self.event("metadata", out, |event| {
            if let Some(counts) = counts {
                event.object("usage", |object| usage::write(&counts, object));
            }
            event.extras(&extras);
        });
    }

    /// The terminal exception of a stream that broke (PAIN C03).
    fn error(&mut self, fault: &Error<'_>, out: &mut Vec<u8>) {
        self.over = true;
        let (name, payload) = error::write_exception(fault);
        if write_exception(name, &payload, out).is_err() {
            // words that do not fit are left out
            let bare = Error::new(fault.kind, "the provider's error is too long to be told");
            let (name, payload) = error::write_exception(&bare);
            let _ = write_exception(name, &payload, out);
        }
    }
}

/// Of an audio only its words go, as a text.
fn kind_of_media(media: &Media<'_>) -> Kind {
    match (media.kind, &media.source) {
        (MediaKind::Image, Source::Base64(_)) => Kind::Image,
        (MediaKind::Audio, _) => Kind::Text,
        _ => Kind::Nothing,
    }
}
