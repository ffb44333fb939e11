//! Streams from one dialect to another, as the gateway runs them: bytes, frames, events, bytes.

use bytes::Bytes;
use penstock_llm::eventstream::{DEFAULT_MAX_MESSAGE_BYTES, EventStreamReader};
use penstock_llm::model::{
    Answer, Assembled, Assembler, Codec, Envelope, Event, Events, Framing, Losses, StreamFrame, replay,
};
use penstock_llm::sse::{DEFAULT_MAX_EVENT_BYTES, SseReader, is_blank};

pub const MOST: usize = 64 << 20;

pub const ENVELOPE: Envelope<'static> = Envelope {
    id: "made-1",
    created: 1_700_000_000,
    model: "the-model",
    usage_asked: true,
    input_estimate: None,
    legacy_functions: false,
    repeated: None,
};

/// What became of a stream.
pub struct Run {
    /// In the other dialect.
    pub written: Vec<u8>,
    pub assembled: Assembled,
    /// Events in the order that they promise, checked.
    pub order: Order,
    /// Of reader and writer.
    pub losses: Losses,
}

/// Reads `pieces` as `from` and writes them as `to`.
pub fn translated<'p>(
    from: &dyn Codec,
    to: &dyn Codec,
    envelope: &Envelope<'_>,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Run {
    let (mut reader, mut writer) = (from.stream_reader(), to.stream_writer(envelope));
    let (mut written, mut assembler) = (Vec::new(), Assembler::new(from.dialect(), MOST));
    let mut order = Order::default();
    let mut take = |events: &[Event<'_>]| {
        for event in events {
            order.check(event);
            assembler.push(event);
            writer.write(event, &mut written);
        }
    };
    each_frame(from.framing(), pieces, |frame| {
        let mut events = Events::new();
        reader.read(frame, &mut events);
        take(&events);
    });
    let mut events = Events::new();
    reader.end(&mut events);
    take(&events);
    let mut losses = reader.take_losses();
    losses.append(writer.take_losses());
    Run {
        written,
        assembled: assembler.finish(),
        order,
        losses,
    }
}

/// A whole answer as a stream of `to`.
pub fn replayed(answer: &Answer<'_>, to: &dyn Codec, envelope: &Envelope<'_>) -> Vec<u8> {
    let (mut writer, mut written, mut order) = (to.stream_writer(envelope), Vec::new(), Order::default());
    replay(answer, |event| {
        order.check(&event);
        writer.write(&event, &mut written);
    });
    written
}

/// A stream's bytes as an answer.
pub fn assembled(from: &dyn Codec, stream: &[u8]) -> Assembled {
    translated(from, from, &ENVELOPE, [stream]).assembled
}

pub fn each_frame<'p>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'p [u8]>,
    mut each: impl FnMut(StreamFrame<'_>),
) {
    match framing {
        Framing::Sse => {
            let mut frames = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
            for piece in pieces {
                frames.push(Bytes::copy_from_slice(piece));
                while let Some(frame) = frames.next().expect("within the limit") {
                    if frame.has_data() {
                        each(StreamFrame {
                            name: frame.event_name(),
                            data: &frame.data(),
                            exception: false,
                        });
                    }
                }
            }
        }
        Framing::AwsEventStream => {
            let mut messages = EventStreamReader::new(DEFAULT_MAX_MESSAGE_BYTES);
            for piece in pieces {
                messages.push(Bytes::copy_from_slice(piece));
                while let Some(message) = messages.next().expect("right checksums") {
                    each(message.frame());
                }
            }
        }
    }
}

/// The order that events have to keep, as their documentation says.
#[derive(Debug, Default)]
pub struct Order {
    started: bool,
    over: bool,
    /// (choice, part, is a call) of what is open.
    open: Vec<(u32, u32, bool)>,
    /// (choice, how many parts, stopped).
    choices: Vec<(u32, u32, bool)>,
    pub events: usize,
}

impl Order {
    pub fn check(&mut self, event: &Event<'_>) {
        self.events += 1;
        assert!(!self.over, "{event:?} behind the end");
        match event {
            Event::Ping | Event::Error(_) => {}
            Event::Start(_) => assert!(!std::mem::replace(&mut self.started, true), "two starts"),
            _ => assert!(self.started, "{event:?} before the start"),
        }
        match event {
            Event::PartStart {
                choice,
                part,
                content,
            } => {
                let call = matches!(content.content, penstock_llm::model::Content::ToolCall(_));
                let (_, parts, stopped) = self.choice(*choice);
                assert_eq!(*part, *parts, "indexes count without a gap");
                assert!(!*stopped, "a part behind the stop");
                *parts += 1;
                let beside = self.open.iter().filter(|(of, ..)| of == choice);
                assert!(
                    beside.clone().all(|(_, _, open)| *open && call),
                    "{event:?} beside {:?}",
                    self.open
                );
                self.open.push((*choice, *part, call));
            }
            Event::Delta { choice, part, delta } => {
                let logprobs = matches!(delta, penstock_llm::model::Delta::Logprobs(_));
                let open = self.open.iter().any(|(of, at, _)| (of, at) == (choice, part));
                assert!(open || logprobs, "{event:?} for a part that is not open");
            }
            Event::PartStop { choice, part } => {
                let at = self
                    .open
                    .iter()
                    .position(|(of, at, _)| (of, at) == (choice, part));
                self.open.remove(at.expect("an open part stops"));
            }
            Event::Stop { choice, .. } => {
                assert!(
                    self.open.iter().all(|(of, ..)| of != choice),
                    "stop with open parts"
                );
                assert!(!std::mem::replace(&mut self.choice(*choice).2, true), "two stops");
            }
            Event::Done => {
                assert!(self.open.is_empty(), "done with open parts");
                assert!(
                    self.choices.iter().all(|(_, _, stopped)| *stopped),
                    "done without a stop"
                );
                self.over = true;
            }
            Event::Error(_) => self.over = true,
            _ => {}
        }
    }

    fn choice(&mut self, index: u32) -> &mut (u32, u32, bool) {
        let at = self
            .choices
            .iter()
            .position(|(of, ..)| *of == index)
            .unwrap_or_else(|| {
                self.choices.push((index, 0, false));
                self.choices.len() - 1
            });
        &mut self.choices[at]
    }
}

/// The frames of a stream of server-sent events, but for comments: name and data.
pub fn frames_of(written: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let mut reader = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
    reader.push(Bytes::copy_from_slice(written));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().expect("within the limit") {
        if frame.has_data() {
            let name = frame
                .event_name()
                .map(|name| String::from_utf8_lossy(name).into_owned());
            frames.push((name, frame.data().into_owned()));
        }
    }
    let rest = reader.finish().unwrap_or_default();
    assert!(is_blank(&rest), "whole frames");
    frames
}
/// A reader that is given frames by hand.
pub fn read_frames(codec: &dyn Codec, frames: &[StreamFrame<'_>]) -> (Assembled, Order) {
    let mut reader = codec.stream_reader();
    let (mut assembler, mut order) = (Assembler::new(codec.dialect(), MOST), Order::default());
    let mut take = |events: &[Event<'_>]| {
        for event in events {
            order.check(event);
            assembler.push(event);
        }
    };
    for frame in frames {
        let mut events = Events::new();
        reader.read(*frame, &mut events);
        take(&events);
    }
    let mut events = Events::new();
    reader.end(&mut events);
    take(&events);
    (assembler.finish(), order)
}
