//! A provider's stream as frames, cut as the gateway cuts them.

use bytes::Bytes;
use penstock_llm::eventstream::EventStreamReader;
use penstock_llm::model::{Framing, StreamFrame};
use penstock_llm::sse::{DEFAULT_MAX_EVENT_BYTES, SseReader};

use crate::adapters::cases::FrameShape;
use crate::cases::body;

/// One frame that owns its bytes.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    name: Option<Vec<u8>>,
    data: Vec<u8>,
    exception: bool,
}

impl Frame {
    pub fn of(shape: &FrameShape) -> Frame {
        Frame {
            name: shape.name.as_ref().map(|name| name.as_bytes().to_vec()),
            data: body(&shape.data).to_vec(),
            exception: shape.exception,
        }
    }

    pub fn seen(&self) -> StreamFrame<'_> {
        StreamFrame {
            name: self.name.as_deref(),
            data: &self.data,
            exception: self.exception,
        }
    }
}

/// The frames of a stream's bytes.
pub(super) fn cut(framing: Framing, bytes: Vec<u8>) -> Vec<Frame> {
    let owned = |frame: StreamFrame<'_>| Frame {
        name: frame.name.map(<[u8]>::to_vec),
        data: frame.data.to_vec(),
        exception: frame.exception,
    };
    let mut frames = Vec::new();
    match framing {
        Framing::Sse => {
            let mut reader = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
            reader.push(Bytes::from(bytes));
            while let Ok(Some(frame)) = reader.next() {
                let data = frame.data();
                if !data.is_empty() {
                    frames.push(owned(StreamFrame {
                        name: frame.event_name(),
                        data: &data,
                        exception: false,
                    }));
                }
            }
        }
        Framing::AwsEventStream => {
            let mut reader = EventStreamReader::new(DEFAULT_MAX_EVENT_BYTES);
            reader.push(Bytes::from(bytes));
            while let Ok(Some(message)) = reader.next() {
                frames.push(owned(message.frame()));
            }
        }
    }
    frames
}
