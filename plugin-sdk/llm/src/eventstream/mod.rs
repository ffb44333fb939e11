//! AWS event-stream messages cut out of a byte stream and written, every checksum checked. What a message means is left
//! to the dialects.
//!
//! A message is, in big-endian numbers: its length, its headers' length, the CRC-32 of these eight bytes, the headers,
//! the payload, and the CRC-32 of everything before (APIS.md 6.6).

mod error;
mod header;
mod reader;
mod write;

use bytes::Bytes;

use crate::json::Span;
use crate::model::StreamFrame;

pub use error::{EventStreamError, HeaderFault};
pub use header::{HeaderValue, Headers};
pub use reader::EventStreamReader;
pub use write::{write_event, write_exception, write_message};

/// What AWS allows a message's headers.
pub const MAX_HEADERS_BYTES: usize = 128 << 10;

/// What AWS allows a message's payload.
pub const MAX_PAYLOAD_BYTES: usize = 24 << 20;

/// The longest message that AWS allows.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = MAX_HEADERS_BYTES + MAX_PAYLOAD_BYTES + FRAME_BYTES;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// What a message has besides headers and payload.
const FRAME_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

/// One message, whose checksums and headers are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The bytes as they came.
    pub raw: Bytes,
    headers: Span,
    payload: Span,
}

impl Message {
    /// The headers in their order.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.headers.of(&self.raw))
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<HeaderValue<'_>> {
        let mut headers = self.headers().flatten();
        headers.find(|(of, _)| *of == name).map(|(_, value)| value)
    }

    pub fn payload(&self) -> &[u8] {
        self.payload.of(&self.raw)
    }

    /// The message as a reader of a dialect's stream takes it. One that only says that something went wrong
    /// (`:message-type` is `error`) has its code as the name, and its words as the data where it has no payload.
    pub fn frame(&self) -> StreamFrame<'_> {
        let text = |name: &str| self.header(name).and_then(|value| value.as_str());
        let (name, data, exception) = match text(":message-type") {
            Some("exception") => (text(":exception-type"), self.payload(), true),
            Some("error") => {
                let words = text(":error-message").unwrap_or_default().as_bytes();
                let data = if self.payload.is_empty() {
                    words
                } else {
                    self.payload()
                };
                (text(":error-code"), data, true)
            }
            _ => (text(":event-type"), self.payload(), false),
        };
        StreamFrame {
            name: name.map(str::as_bytes),
            data,
            exception,
        }
    }

    /// The same message with another payload: what an edit in place needs.
    ///
    /// # Errors
    /// The payload is longer than AWS allows.
    pub fn with_payload(&self, payload: &[u8]) -> Result<Bytes, EventStreamError> {
        let mut out = Vec::with_capacity(payload.len().saturating_add(256));
        write::write_raw(self.headers.of(&self.raw), payload, &mut out)?;
        Ok(Bytes::from(out))
    }
}

/// CRC-32 as AWS has it (IEEE 802.3), continued from an earlier one.
fn checksum(earlier: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(earlier);
    hasher.update(bytes);
    hasher.finalize()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}
