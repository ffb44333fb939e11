//! Messages out of chunks, however the chunks are cut.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::json::Span;

use super::{
    CHECKSUM_BYTES, EventStreamError, FRAME_BYTES, Headers, MAX_HEADERS_BYTES, Message, PRELUDE_BYTES,
    checksum, number,
};

/// Cuts pushed chunks into messages. However the stream is split into chunks, the messages are the same. Keeps at most
/// one message's bytes (`max_message_bytes`) besides what was pushed and not yet taken; a message's length is believed
/// once its checksum is right, and room is made as its bytes come.
#[derive(Debug)]
pub struct EventStreamReader {
    max_message_bytes: usize,
    /// The beginning of a message that the chunks before ended in.
    carry: BytesMut,
    current: Bytes,
    queue: VecDeque<Bytes>,
    /// Of the message that begins in `carry` or `current`, once it is known.
    prelude: Option<Prelude>,
    failed: Option<EventStreamError>,
}

#[derive(Copy, Clone, Debug)]
struct Prelude {
    message_bytes: usize,
    headers_bytes: usize,
    checksum: u32,
}

impl EventStreamReader {
    /// `max_message_bytes` bounds one message, checksums included;
    /// [`DEFAULT_MAX_MESSAGE_BYTES`](super::DEFAULT_MAX_MESSAGE_BYTES) is what AWS allows.
    pub fn new(max_message_bytes: usize) -> EventStreamReader {
        EventStreamReader {
            max_message_bytes,
            carry: BytesMut::new(),
            current: Bytes::new(),
            queue: VecDeque::new(),
            prelude: None,
            failed: None,
        }
    }

    /// Takes the stream's next bytes. Take all messages with [`next`](Self::next) before pushing more, or they pile up.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() || self.failed.is_some() {
            return;
        }
        if self.current.is_empty() {
            self.current = chunk;
        } else {
            self.queue.push_back(chunk);
        }
    }

    /// The next whole message, none until more is pushed. Without a copy when the message lies within one chunk.
    ///
    /// # Errors
    /// What is wrong with a message; the reader gives nothing but this error from then on.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible and resumable: more messages may follow a none"
    )]
    pub fn next(&mut self) -> Result<Option<Message>, EventStreamError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        self.message().inspect_err(|failed| {
            self.failed = Some(*failed);
            self.carry = BytesMut::new();
            self.current = Bytes::new();
            self.queue.clear();
        })
    }

    /// Bytes that were pushed and are in no message yet.
    pub fn pending(&self) -> usize {
        let queued: usize = self.queue.iter().map(Bytes::len).sum();
        self.carry
            .len()
            .saturating_add(self.current.len())
            .saturating_add(queued)
    }

    /// Whether the stream may end here: between two messages, and with nothing wrong before.
    pub fn is_whole(&self) -> bool {
        self.failed.is_none() && self.pending() == 0
    }

    fn message(&mut self) -> Result<Option<Message>, EventStreamError> {
        loop {
            let Some(prelude) = self.prelude else {
                if !self.gather(PRELUDE_BYTES) {
                    return Ok(None);
                }
                let prelude = Prelude::read(self.gathered(), self.max_message_bytes)?;
                self.prelude = Some(prelude);
                continue;
            };
            if !self.gather(prelude.message_bytes) {
                return Ok(None);
            }
            self.prelude = None;
            let raw = self.take(prelude.message_bytes);
            return prelude.check(raw).map(Some);
        }
    }

    /// Whether the next `wanted` bytes are there in one piece.
    fn gather(&mut self, wanted: usize) -> bool {
        loop {
            if self.current.is_empty()
                && let Some(next) = self.queue.pop_front()
            {
                self.current = next;
            }
            if self.gathered().len() >= wanted {
                return true;
            }
            if self.current.is_empty() {
                return false;
            }
            let missing = wanted.saturating_sub(self.carry.len()).min(self.current.len());
            let bytes = self.current.split_to(missing);
            self.carry.extend_from_slice(&bytes);
        }
    }

    fn gathered(&self) -> &[u8] {
        if self.carry.is_empty() {
            &self.current
        } else {
            &self.carry
        }
    }

    /// The first `length` of what is gathered.
    fn take(&mut self, length: usize) -> Bytes {
        if self.carry.is_empty() {
            self.current.split_to(length.min(self.current.len()))
        } else {
            self.carry.split_to(length.min(self.carry.len())).freeze()
        }
    }
}

impl Prelude {
    fn read(bytes: &[u8], max_message_bytes: usize) -> Result<Prelude, EventStreamError> {
        let parts = (number(bytes, 0), number(bytes, 4), number(bytes, 8));
        let (Some(total), Some(headers), Some(said)) = parts else {
            return Err(EventStreamError::PreludeChecksum);
        };
        let lengths = bytes.get(..8).unwrap_or_default();
        if checksum(0, lengths) != said {
            return Err(EventStreamError::PreludeChecksum);
        }
        let limit = max_message_bytes;
        let (length, headers_bytes) = (size(total), size(headers));
        if length < FRAME_BYTES {
            return Err(EventStreamError::TooShort { length });
        }
        if length > limit {
            return Err(EventStreamError::TooLarge { length, limit });
        }
        if headers_bytes > MAX_HEADERS_BYTES {
            return Err(EventStreamError::HeadersTooLarge {
                length: headers_bytes,
                limit: MAX_HEADERS_BYTES,
            });
        }
        if headers_bytes > length.saturating_sub(FRAME_BYTES) {
            return Err(EventStreamError::HeadersBeyondMessage);
        }
        Ok(Prelude {
            message_bytes: length,
            headers_bytes,
            // the message's checksum is of all before it, that of the lengths included
            checksum: checksum(said, &said.to_be_bytes()),
        })
    }

    fn check(&self, raw: Bytes) -> Result<Message, EventStreamError> {
        let end = raw.len().saturating_sub(CHECKSUM_BYTES);
        let body = raw.get(PRELUDE_BYTES..end).unwrap_or_default();
        if number(&raw, end) != Some(checksum(self.checksum, body)) {
            return Err(EventStreamError::MessageChecksum);
        }
        let split = PRELUDE_BYTES.saturating_add(self.headers_bytes);
        let headers = Span::new(PRELUDE_BYTES, split);
        for header in Headers::new(headers.of(&raw)) {
            header?;
        }
        Ok(Message {
            headers,
            payload: Span::new(split, end),
            raw,
        })
    }
}

/// A length that no memory has is the longest one, which no limit allows.
fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
