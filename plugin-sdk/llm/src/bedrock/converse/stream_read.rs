//! A stream of Converse's events into the model's. Which event says what is in `frame`; here is what comes of it.

use smallvec::SmallVec;

use crate::model::{
    Content, Delta, Dialect, Error, Event, Events, Extra, Json, Losses, Media, MediaKind, Native, Part,
    Reasoning, Signature, Source, Stop, StopReason, StreamFrame, StreamReader, Text, ToolCall,
};
use crate::wire::{self, record, variants};
use crate::write::object;

use super::block_read::{is_servers, native, redacted, signed};
use super::frame::{self, Frame, Said};
use super::{cite, error, media_read, stop};

/// More blocks than any answer has open at once.
const MOST_OPEN: usize = 256;

/// More than the beginning of a tool's result holds.
const MOST_HEAD: usize = 4096;

/// What is known of the stream so far: which blocks are open, no text.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    stopped: bool,
    counted: bool,
    over: bool,
    any_calls: bool,
    next_part: u32,
    open: SmallVec<[Open; 2]>,
    result: Option<ResultHead>,
    losses: Losses,
}

/// The beginning of what one of the provider's own tools gave, whose content comes in deltas.
struct ResultHead {
    block: u64,
    /// Its members, as JSON.
    members: String,
    told: bool,
}

/// An open part, and the block that it is of.
#[derive(Copy, Clone)]
struct Open {
    block: u64,
    part: u32,
    kind: Kind,
}

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    Text,
    Thought,
    Redacted,
    Call,
    Native,
    Image,
}

record!(
    Reader { started, stopped, counted, over, any_calls, next_part, open, result } rest { losses }
);
record!(ResultHead { block, members, told });
record!(Open { block, part, kind });
variants!(Kind {
    0 = Text,
    1 = Thought,
    2 = Redacted,
    3 = Call,
    4 = Native,
    5 = Image,
});

impl StreamReader for Reader {
    fn read<'a>(&mut self, frame: StreamFrame<'a>, events: &mut Events<'a>) {
        if self.over {
            return;
        }
        if frame.exception {
            return self.fail(error::read_exception(frame.name, frame.data), events);
        }
        let name = frame.name.unwrap_or_default();
        match frame::read(name, frame.data, &mut self.losses) {
            Ok(frame) => self.frame(frame, events),
            Err(why) => self.fail(Error::bad_answer(&why), events),
        }
    }

    fn end(&mut self, events: &mut Events<'static>) {
        if self.over {
            return;
        }
        // the counts behind the reason are not what makes an answer whole
        if self.stopped {
            self.done(events);
        } else {
            self.fail(Error::cut_off(), events);
        }
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    fn save(&self, out: &mut Vec<u8>) {
        wire::save(Dialect::BedrockConverse, self, out);
    }
}

impl Reader {
    fn fail<'a>(&mut self, error: Error<'a>, events: &mut Events<'a>) {
        self.over = true;
        events.push(Event::Error(Box::new(error)));
    }

    fn done(&mut self, events: &mut Events<'_>) {
        self.over = true;
        events.push(Event::Done);
    }

    fn frame<'a>(&mut self, frame: Frame<'a>, events: &mut Events<'a>) {
        if matches!(frame, Frame::Other) {
            self.losses.dropped("event", "is of a type that is not known");
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start(Box::default()));
        }
        let content = matches!(frame, Frame::BlockStart { .. } | Frame::BlockDelta { .. });
        if content && self.stopped {
            self.losses.dropped("content", "came behind the reason to stop");
            return;
        }
        match frame {
            Frame::BlockStart { block, start } => self.block_start(block, start, events),
            Frame::BlockDelta { block, said } => {
                for said in said {
                    self.said(block, said, events);
                }
            }
            Frame::BlockStop { block } => self.block_stop(block, events),
            Frame::MessageStop { reason, fields } => self.message_stop(reason, fields, events),
            Frame::Metadata { usage, extras } => {
                if let Some(usage) = usage {
                    events.push(Event::Usage(usage));
                }
                if !extras.is_empty() {
                    events.push(Event::Extra { choice: None, extras });
                }
                self.counted = true;
                if self.stopped {
                    self.done(events);
                }
            }
            Frame::MessageStart | Frame::Other => {}
        }
    }

    fn message_stop<'a>(
        &mut self,
        reason: Option<Text<'a>>,
        fields: Option<Json<'a>>,
        events: &mut Events<'a>,
    ) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.close_result(events);
        self.close_all(events);
        let over = stop::read(reason, fields.as_ref(), self.any_calls);
        let over = over.unwrap_or(Stop::new(StopReason::End).with_calls(self.any_calls));
        events.push(Event::Stop {
            choice: 0,
            stop: Box::new(over),
        });
        if let Some(value) = fields {
            let name = Text::plain("additionalModelResponseFields");
            events.push(Event::Extra {
                choice: None,
                extras: vec![Extra { name, value }],
            });
        }
        if self.counted {
            self.done(events);
        }
    }

    fn block_start<'a>(&mut self, block: u64, start: Option<(String, Json<'a>)>, events: &mut Events<'a>) {
        self.close_result(events);
        let Some((kind, json)) = start else { return };
        match &*kind {
            "toolUse" => self.call_start(block, json, events),
            "toolResult" => self.result_start(block, &json),
            "image" => {
                let mut media = Media::new(MediaKind::Image, Source::Base64(Text::default()));
                let format = json
                    .pointer("/format")
                    .and_then(|name| name.as_text().map(Text::into_owned));
                let known = format.and_then(|name| media_read::media_type(MediaKind::Image, &name.get()));
                media.media_type = known.map(Text::plain);
                self.start(block, Kind::Image, Part::new(Content::Media(media)), events);
            }
            _ => {
                self.start(block, Kind::Native, native(&kind, json), events);
            }
        }
    }

    fn call_start<'a>(&mut self, block: u64, json: Json<'a>, events: &mut Events<'a>) {
        let text = |pointer: &str| {
            let found = json.pointer(pointer)?;
            found.as_text().map(Text::into_owned)
        };
        let id = text("/toolUseId").unwrap_or_default();
        let name = text("/name").unwrap_or_default();
        let known = |name: &Text<'_>| name.is("toolUseId") || name.is("name");
        let others = json.members().into_iter().filter(|(name, _)| !known(name));
        let extras: Vec<Extra<'static>> = others
            .map(|(name, value)| Extra {
                name: name.into_owned(),
                value: value.into_owned(),
            })
            .collect();
        if is_servers(&extras) {
            let part = server_call(&json);
            self.start(block, Kind::Native, part, events);
            return;
        }
        self.any_calls = true;
        let call = ToolCall::function(id, name, Text::default());
        let mut part = Part::new(Content::ToolCall(call));
        part.extras = extras;
        self.start(block, Kind::Call, part, events);
    }

    /// Its content comes in a delta, and the part with it.
    fn result_start(&mut self, block: u64, json: &Json<'_>) {
        let inner = json
            .get()
            .trim()
            .strip_prefix('{')
            .and_then(|json| json.strip_suffix('}'));
        let head = inner.map(str::trim).unwrap_or_default();
        if head.len() > MOST_HEAD {
            self.losses
                .dropped("content.toolResult", "begins with more than is kept");
            return;
        }
        self.result = Some(ResultHead {
            block,
            members: head.to_owned(),
            told: false,
        });
    }

    /// The result with this content; what is told in several deltas becomes several parts.
    fn result(&mut self, content: &str, events: &mut Events<'_>) {
        let Some(head) = &mut self.result else {
            self.losses.dropped("content.toolResult", "has no beginning");
            return;
        };
        head.told = true;
        let (block, members) = (head.block, &head.members);
        let comma = if members.is_empty() { "" } else { "," };
        let json = format!("{{{members}{comma}\"content\":{content}}}");
        self.start(
            block,
            Kind::Native,
            native("toolResult", Json::checked(json)),
            events,
        );
        self.close(block, events);
    }

    /// A result of which nothing was told is one all the same.
    fn close_result(&mut self, events: &mut Events<'_>) {
        if self.result.as_ref().is_some_and(|head| !head.told) {
            self.result("[]", events);
        }
        self.result = None;
    }

    fn said<'a>(&mut self, block: u64, said: Said<'a>, events: &mut Events<'a>) {
        match said {
            Said::Text(text) => match self.open_as(block, Kind::Text) {
                Some(part) => delta(part, Delta::Text(text), events),
                None => drop(self.start(block, Kind::Text, Part::text(text), events)),
            },
            Said::Thought(text) => match self.open_as(block, Kind::Thought) {
                Some(part) => delta(part, Delta::Reasoning(text), events),
                None => drop(self.start(block, Kind::Thought, thought(text, None), events)),
            },
            Said::Signature(data) => {
                let signature = signed(data, None);
                match self.open_as(block, Kind::Thought) {
                    Some(part) => delta(part, Delta::Signature(signature), events),
                    None => {
                        let part = thought(Text::default(), Some(signature));
                        self.start(block, Kind::Thought, part, events);
                    }
                }
            }
            Said::Redacted(data) => self.redacted(block, data, events),
            Said::Input(text) => {
                let call = self.open_as(block, Kind::Call);
                match (call, self.open_as(block, Kind::Native)) {
                    (Some(part), _) => delta(part, Delta::Arguments(text), events),
                    (None, Some(part)) => delta(part, Delta::Native(text), events),
                    (None, None) => self.losses.dropped("content.toolUse", "has no beginning"),
                }
            }
            Said::Citation(json) => {
                let part = match self.open_as(block, Kind::Text) {
                    Some(part) => part,
                    None => self.start(block, Kind::Text, Part::text(""), events),
                };
                delta(part, Delta::Citation(Box::new(cite::read(json))), events);
            }
            Said::Result(json) => self.result(json.get(), events),
            Said::Image(data) => match self.open_as(block, Kind::Image) {
                Some(part) => delta(part, Delta::Data(data), events),
                None => self.losses.dropped("content.image", "has no beginning"),
            },
            Said::Other => self.losses.dropped("content", "is of a kind that is not known"),
        }
    }

    /// Each delta is a piece of its own.
    fn redacted<'a>(&mut self, block: u64, data: Text<'a>, events: &mut Events<'a>) {
        let part = redacted(data, None);
        let more = match (&part.content, self.open_as(block, Kind::Redacted)) {
            (
                Content::Reasoning(Reasoning {
                    data: Some(data),
                    format: None,
                    ..
                }),
                Some(open),
            ) => Some((open, data.clone())),
            _ => None,
        };
        match more {
            Some((open, data)) => delta(open, Delta::Data(data), events),
            None => drop(self.start(block, Kind::Redacted, part, events)),
        }
    }

    fn block_stop(&mut self, block: u64, events: &mut Events<'_>) {
        if self.result.as_ref().is_some_and(|head| head.block == block) {
            self.close_result(events);
        }
        self.close(block, events);
    }

    fn open_as(&self, block: u64, kind: Kind) -> Option<u32> {
        let same = |open: &&Open| open.block == block && open.kind == kind;
        self.open.iter().find(same).map(|open| open.part)
    }

    /// Starts a part. What is open is over with it, but for calls beside calls.
    fn start<'a>(&mut self, block: u64, kind: Kind, part: Part<'a>, events: &mut Events<'a>) -> u32 {
        let beside = kind == Kind::Call && self.open.iter().all(|open| open.kind == Kind::Call);
        self.close(block, events);
        if !beside || self.open.len() >= MOST_OPEN {
            self.close_all(events);
        }
        let index = self.next_part;
        self.next_part = index.saturating_add(1);
        self.open.push(Open {
            block,
            part: index,
            kind,
        });
        events.push(Event::PartStart {
            choice: 0,
            part: index,
            content: Box::new(part),
        });
        index
    }

    fn close(&mut self, block: u64, events: &mut Events<'_>) {
        if let Some(at) = self.open.iter().position(|open| open.block == block) {
            let open = self.open.remove(at);
            events.push(Event::PartStop {
                choice: 0,
                part: open.part,
            });
        }
    }

    fn close_all(&mut self, events: &mut Events<'_>) {
        for open in self.open.drain(..) {
            events.push(Event::PartStop {
                choice: 0,
                part: open.part,
            });
        }
    }
}

fn delta<'a>(part: u32, delta: Delta<'a>, events: &mut Events<'a>) {
    events.push(Event::Delta {
        choice: 0,
        part,
        delta,
    });
}

fn thought<'a>(text: Text<'a>, signature: Option<Signature<'a>>) -> Part<'a> {
    let mut part = Part::new(Content::Reasoning(Reasoning::text(text, None)));
    part.signature = signature;
    part
}

/// A call that the provider makes itself, with a place for its input.
fn server_call(json: &Json<'_>) -> Part<'static> {
    let mut out = Vec::new();
    object(&mut out, |object| {
        for (name, value) in json.members() {
            object.member(&name, &value);
        }
        object.object("input", |_| {});
    });
    let json = Json::checked(String::from_utf8_lossy(&out).into_owned());
    Part::new(Content::Native(Native {
        dialect: Dialect::BedrockConverse,
        kind: Text::plain("toolUse"),
        json,
    }))
}
