//! A stream's bytes as frames, whichever way its dialect cuts them: server-sent events, or AWS event-stream messages. What
//! a frame says is left to `event`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use penstock_llm::eventstream::{EventStreamReader, Message};
use penstock_llm::model::{Dialect, Framing, StreamFrame};
use penstock_llm::splice::{self, Splice};
use penstock_llm::sse::{self, SseReader};

/// How streams of server-sent events are announced.
pub const EVENT_STREAM: &str = "text/event-stream";
/// The same of AWS event-streams.
pub const AWS_EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A frame cannot be read, or is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Cuts one stream.
#[derive(Debug)]
pub enum Frames {
    Sse(SseReader),
    Aws(Box<EventStreamReader>),
}

/// One frame, with its bytes as they came.
#[derive(Debug)]
pub enum Frame {
    Sse(sse::Frame),
    Aws(Message),
}

/// How a body is announced to be cut; none for one that is no stream.
pub fn announced(headers: &HeaderMap) -> Option<Framing> {
    let content_type = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let is = |kind: &str| {
        content_type
            .get(..kind.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
    };
    if is(EVENT_STREAM) {
        return Some(Framing::Sse);
    }
    is(AWS_EVENT_STREAM).then_some(Framing::AwsEventStream)
}

/// How a caller's streams are cut.
pub fn of(dialect: Dialect) -> Framing {
    dialect.codec().map_or(Framing::Sse, |codec| codec.framing())
}

/// How a stream is announced to its caller.
pub fn content_type(dialect: Dialect) -> HeaderValue {
    match of(dialect) {
        Framing::Sse => HeaderValue::from_static("text/event-stream; charset=utf-8"),
        Framing::AwsEventStream => HeaderValue::from_static(AWS_EVENT_STREAM),
    }
}

impl Frames {
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(SseReader::new(sse::DEFAULT_MAX_EVENT_BYTES)),
            Framing::AwsEventStream => {
                Self::Aws(Box::new(EventStreamReader::new(sse::DEFAULT_MAX_EVENT_BYTES)))
            }
        }
    }

    pub fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Sse(reader) => reader.push(chunk),
            Self::Aws(reader) => reader.push(chunk),
        }
    }

    /// The next whole frame; none until more is pushed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unreadable> {
        match self {
            Self::Sse(reader) => Ok(reader.next().map_err(|_| Unreadable)?.map(Frame::Sse)),
            Self::Aws(reader) => Ok(reader.next().map_err(|_| Unreadable)?.map(Frame::Aws)),
        }
    }

    /// Whether the stream may end here: nothing of a frame is left.
    pub fn may_end(&mut self) -> bool {
        match self {
            Self::Sse(reader) => reader.finish().is_none_or(|rest| sse::is_blank(&rest)),
            Self::Aws(reader) => reader.is_whole(),
        }
    }
}

impl Frame {
    pub fn raw(&self) -> &Bytes {
        match self {
            Self::Sse(frame) => &frame.raw,
            Self::Aws(message) => &message.raw,
        }
    }

    /// The frame's bytes, to be put in the place of as many others.
    pub fn raw_mut(&mut self) -> &mut Bytes {
        match self {
            Self::Sse(frame) => &mut frame.raw,
            Self::Aws(message) => &mut message.raw,
        }
    }

    pub fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Sse(frame) => frame.data(),
            Self::Aws(message) => Cow::Borrowed(message.frame().data),
        }
    }

    /// The frame as a dialect's reader takes it; `data` is its data.
    pub fn seen<'a>(&'a self, data: &'a [u8]) -> StreamFrame<'a> {
        match self {
            Self::Sse(frame) => StreamFrame {
                name: frame.event_name(),
                data,
                exception: false,
            },
            Self::Aws(message) => message.frame(),
        }
    }

    /// The frame's bytes with parts of its data replaced.
    pub fn with_data_spliced(&self, sorted: &[Splice]) -> Result<Bytes, Unreadable> {
        match self {
            Self::Sse(frame) => Ok(frame.with_data_spliced(sorted)),
            Self::Aws(message) => {
                let payload = splice::apply(message.payload(), sorted);
                message.with_payload(&payload).map_err(|_| Unreadable)
            }
        }
    }
}
