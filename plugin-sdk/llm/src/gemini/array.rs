//! Streams as a JSON list, which is what `streamGenerateContent` gives without `alt=sse` (APIS.md 4.3): its elements cut
//! out of the bytes as they come. What they mean is left to the stream's reader, and writing to its writer.

use std::fmt;

/// Cuts the elements of a list into frames, however the bytes are split. Takes bare objects one after the other as well:
/// errors come so between events.
#[derive(Debug)]
pub struct Elements {
    max_bytes: usize,
    bytes: Vec<u8>,
    /// Where the element begins.
    start: usize,
    /// How far it was looked at.
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    failed: bool,
}

/// An element is longer than may be kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element of the stream is longer than may be kept")
    }
}

impl std::error::Error for TooLarge {}

impl Elements {
    /// `max_bytes` bounds one element.
    pub fn new(max_bytes: usize) -> Elements {
        Elements {
            max_bytes,
            bytes: Vec::new(),
            start: 0,
            at: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            failed: false,
        }
    }

    pub fn push(&mut self, more: &[u8]) {
        if !self.failed {
            self.bytes.drain(..self.start);
            self.at = self.at.saturating_sub(self.start);
            self.start = 0;
            self.bytes.extend_from_slice(more);
        }
    }

    /// The next whole element; none until more is pushed.
    ///
    /// # Errors
    /// It is too long; nothing else comes from then on.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible and resumable: more may follow a none"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, TooLarge> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            let whole = self.byte(byte);
            self.at = self.at.saturating_add(1);
            if whole {
                let element = self.bytes.get(self.start..self.at).unwrap_or_default().to_vec();
                self.start = self.at;
                return Ok(Some(element));
            }
            if self.depth == 0 && !self.in_string {
                // brackets, commas and white space between elements
                self.start = self.at;
            }
            if self.at.saturating_sub(self.start) > self.max_bytes {
                self.failed = true;
                self.bytes = Vec::new();
            }
        }
        if self.failed { Err(TooLarge) } else { Ok(None) }
    }

    /// Whether nothing was cut off at the stream's end.
    pub fn is_whole(&self) -> bool {
        self.depth == 0 && !self.failed
    }

    /// Whether an element ends with this byte.
    fn byte(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' if self.depth > 0 => self.in_string = true,
            b'{' => self.depth = self.depth.saturating_add(1),
            b'}' if self.depth > 0 => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}
