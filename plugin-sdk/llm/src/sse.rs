//! Server-sent events cut out of a byte stream, in any legal spelling, without changing a byte: the frames' raw bytes
//! joined are the input. What the data means is left to `openai`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::json::Span;
use crate::splice::{self, Splice};

/// Room for one event: a chunk that carries an inlined image or audio is megabytes long, anything above is a fault.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event, up to and with the blank line that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes as they came, with every line end (and blank lines left over from the frame before).
    pub raw: Bytes,
    /// The event's name, in `raw`.
    pub event: Option<Span>,
    data: SmallVec<[Span; 1]>,
    other_fields: bool,
}

impl Frame {
    /// The data, with the lines of a multi-line event joined by line feeds.
    pub fn data(&self) -> Cow<'_, [u8]> {
        match self.data.as_slice() {
            [] => Cow::Borrowed(&[]),
            [line] => Cow::Borrowed(line.of(&self.raw)),
            lines => {
                let lines: Vec<&[u8]> = lines.iter().map(|line| line.of(&self.raw)).collect();
                Cow::Owned(lines.join(&b'\n'))
            }
        }
    }

    /// Where the data is in `raw`, when it is one line: what an edit in place needs.
    pub fn data_span(&self) -> Option<Span> {
        match self.data.as_slice() {
            [line] => Some(*line),
            _ => None,
        }
    }

    pub fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    pub fn event_name(&self) -> Option<&[u8]> {
        self.event.map(|name| name.of(&self.raw))
    }

    /// Neither data nor any other field: a keep-alive.
    pub fn is_comment_only(&self) -> bool {
        self.data.is_empty() && self.event.is_none() && !self.other_fields
    }

    /// The frame's bytes with splices made in its data. Everything else stays as it came when the data is one line and
    /// stays one; otherwise the event is written anew, with its name.
    pub fn with_data_spliced(&self, sorted: &[Splice]) -> Bytes {
        let one_line = |splice: &Splice| memchr::memchr2(b'\n', b'\r', &splice.with).is_none();
        if let Some(data) = self.data_span().filter(|_| sorted.iter().all(one_line)) {
            let in_raw = sorted
                .iter()
                .map(|splice| Splice::new(splice.span.offset_by(data.start), splice.with.clone()));
            return Bytes::from(splice::apply(&self.raw, &in_raw.collect::<Vec<_>>()));
        }
        let mut out = Vec::with_capacity(self.raw.len() + 64);
        write_frame(self.event_name(), &splice::apply(&self.data(), sorted), &mut out);
        Bytes::from(out)
    }

    fn read(raw: Bytes, first: bool) -> Frame {
        let mut frame = Frame {
            raw: Bytes::new(),
            event: None,
            data: SmallVec::new(),
            other_fields: false,
        };
        let mut at = if first && raw.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        while at < raw.len() {
            let end = memchr::memchr2(b'\n', b'\r', &raw[at..]).map_or(raw.len(), |found| at + found);
            frame.line(&raw, Span::new(at, end));
            at = end + 1;
        }
        frame.raw = raw;
        frame
    }

    fn line(&mut self, raw: &[u8], line: Span) {
        let text = line.of(raw);
        if text.is_empty() || text[0] == b':' {
            return;
        }
        let (name, value) = match memchr::memchr(b':', text) {
            Some(colon) => {
                let space = usize::from(text.get(colon + 1) == Some(&b' '));
                (
                    &text[..colon],
                    Span::new(line.start + colon + 1 + space, line.end),
                )
            }
            None => (text, Span::new(line.end, line.end)),
        };
        match name {
            b"data" => self.data.push(value),
            b"event" => self.event = Some(value),
            _ => self.other_fields = true,
        }
    }
}

/// Whether a stream's rest is line ends only, so that nothing was cut off.
pub fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Writes one event: `event:` when named, one `data:` per line of `data`, and the blank line.
pub fn write_frame(event: Option<&[u8]>, data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len() + 16 + event.map_or(0, |name| name.len() + 8));
    if let Some(name) = event {
        out.extend_from_slice(b"event: ");
        out.extend(name.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        out.push(b'\n');
    }
    let mut at = 0;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', &data[at..]).map_or(data.len(), |found| at + found);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&data[at..end]);
        out.push(b'\n');
        if end == data.len() {
            break;
        }
        at = end + 1 + usize::from(data[end..].starts_with(b"\r\n"));
    }
    out.push(b'\n');
}

/// Why a stream cannot be read on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// One event is longer than `limit` bytes.
    TooLarge { limit: usize },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { limit } => write!(f, "an event is longer than {limit} bytes"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts pushed chunks into frames. However the stream is split into chunks, the frames are the same. Keeps at most one
/// event's bytes (`max_event_bytes`) besides what was pushed and not yet taken.
#[derive(Debug)]
pub struct SseReader {
    max_event_bytes: usize,
    /// The beginning of a frame that the chunks before ended in.
    carry: BytesMut,
    current: Bytes,
    queue: VecDeque<Bytes>,
    queued: usize,
    scan: Scan,
    first: bool,
    failed: Option<FrameError>,
}

impl SseReader {
    /// `max_event_bytes` bounds one event, line ends included; [`DEFAULT_MAX_EVENT_BYTES`] suits providers.
    pub fn new(max_event_bytes: usize) -> SseReader {
        SseReader {
            max_event_bytes,
            carry: BytesMut::new(),
            current: Bytes::new(),
            queue: VecDeque::new(),
            queued: 0,
            scan: Scan::default(),
            first: true,
            failed: None,
        }
    }

    /// Takes the stream's next bytes. Take all frames with [`next`](Self::next) before pushing more, or they pile up.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() || self.failed.is_some() {
            return;
        }
        if self.current.is_empty() {
            self.current = chunk;
        } else {
            self.queued += chunk.len();
            self.queue.push_back(chunk);
        }
    }

    /// The next whole frame, none until more is pushed. Without a copy when the frame lies within one chunk.
    ///
    /// # Errors
    /// An event is too long; the reader gives nothing but this error from then on.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible and resumable: more frames may follow a none"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        while !self.current.is_empty() {
            let end = self.scan.end(&self.current);
            let taken = end.unwrap_or(self.current.len());
            if self.carry.len() + taken > self.max_event_bytes {
                return Err(self.fail());
            }
            let bytes = self.current.split_to(taken);
            if self.current.is_empty() {
                self.advance();
            }
            if end.is_some() {
                let raw = self.with_carry(bytes);
                return Ok(Some(Frame::read(raw, std::mem::take(&mut self.first))));
            }
            self.carry.extend_from_slice(&bytes);
        }
        Ok(None)
    }

    /// Bytes that were pushed and are in no frame yet.
    pub fn pending(&self) -> usize {
        self.carry.len() + self.current.len() + self.queued
    }

    /// At the stream's end: what no blank line ended. Anything that is not [blank](is_blank) was cut off.
    pub fn finish(&mut self) -> Option<Bytes> {
        let mut rest = std::mem::take(&mut self.carry);
        rest.extend_from_slice(&std::mem::take(&mut self.current));
        for chunk in self.queue.drain(..) {
            rest.extend_from_slice(&chunk);
        }
        self.queued = 0;
        self.scan = Scan::default();
        (!rest.is_empty()).then(|| rest.freeze())
    }

    fn with_carry(&mut self, bytes: Bytes) -> Bytes {
        if self.carry.is_empty() {
            return bytes;
        }
        self.carry.extend_from_slice(&bytes);
        self.carry.split().freeze()
    }

    fn advance(&mut self) {
        if let Some(next) = self.queue.pop_front() {
            self.queued -= next.len();
            self.current = next;
        }
    }

    fn fail(&mut self) -> FrameError {
        let failed = FrameError::TooLarge {
            limit: self.max_event_bytes,
        };
        self.finish();
        self.failed = Some(failed);
        failed
    }
}

/// Finds where a frame ends, across chunks: the state after the bytes seen so far.
///
/// A frame ends with its first blank line after a line that is not blank. Whether a CR stands alone shows only with the
/// byte after it. A blank line's CR is waited for only where the line before did not end in a lone CR too: in a stream
/// of CRs nothing is held back, in one of CRLFs the LF is on its way. Either way the decision looks at the bytes, never
/// at where chunks end.
#[derive(Debug, Default)]
struct Scan {
    line_has_bytes: bool,
    frame_has_lines: bool,
    /// The last byte was a CR that ended a line, maybe as the first half of a CRLF.
    after_cr: bool,
    /// The line before ended in a lone CR.
    lone_cr: bool,
}

impl Scan {
    /// How many of `bytes` belong to the frame; none while its end is not among them.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if std::mem::take(&mut self.after_cr) {
                let paired = bytes[at] == b'\n';
                at += usize::from(paired);
                if self.line_ended(!paired) {
                    return Some(at);
                }
                continue;
            }
            let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else {
                self.line_has_bytes = true;
                return None;
            };
            self.line_has_bytes |= found > 0;
            at += found + 1;
            let lone_before = self.lone_cr && self.frame_has_lines && !self.line_has_bytes;
            if bytes[at - 1] == b'\r' && !lone_before {
                self.after_cr = true;
            } else if self.line_ended(bytes[at - 1] == b'\r') {
                return Some(at);
            }
        }
        None
    }

    /// Whether the line that just ended is the blank one that ends the frame.
    fn line_ended(&mut self, lone_cr: bool) -> bool {
        let blank = !std::mem::take(&mut self.line_has_bytes);
        self.lone_cr = lone_cr;
        if !blank {
            self.frame_has_lines = true;
            return false;
        }
        std::mem::take(&mut self.frame_has_lines)
    }
}
