//! Reads one HTTP/1.1 answer as it comes in and counts: bytes, events, how it ended. Keeps nothing it need not.

use memchr::{memchr, memmem};

/// No gateway answers with a longer head.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Chunk size lines are a few digits, with an extension at most this long.
const MAX_LINE_BYTES: usize = 256;
const STAMP: &[u8] = b"data: {\"mock_sent_us\":";

/// What went wrong with an answer; the words of the report.
pub type Failure = &'static str;

/// An answer that is being read.
#[derive(Default)]
pub struct Answer {
    head: Vec<u8>,
    body: Body,
    pub status: u16,
    /// the peer will close the connection
    pub close: bool,
    pub events: Events,
}

#[derive(Default)]
enum Body {
    #[default]
    Head,
    /// bytes still to come
    Length(usize),
    Chunked(Chunks),
    Complete,
}

#[derive(Default)]
enum Chunks {
    /// a size line, as far as it has come
    #[default]
    Size,
    Data(usize),
    /// the line end behind a chunk, or behind the last one
    End(usize),
}

impl Answer {
    /// Takes what was read; true when the answer is complete.
    pub fn read(&mut self, mut bytes: &[u8], now_us: u64) -> Result<bool, Failure> {
        if matches!(self.body, Body::Head) {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else {
                return if self.head.len() > MAX_HEAD_BYTES {
                    Err("head too long")
                } else {
                    Ok(false)
                };
            };
            bytes = &bytes[end + 4 - before..];
            self.head.truncate(end + 2);
            self.parse_head()?;
            self.head.clear();
        }
        self.read_body(bytes, now_us)
    }

    fn parse_head(&mut self) -> Result<(), Failure> {
        let status = self
            .head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        self.status = status.and_then(|digits| digits.parse().ok()).ok_or("no status")?;
        self.body = Body::Length(0);
        for line in self.head.split(|byte| *byte == b'\n').skip(1) {
            let Some(colon) = memchr(b':', line) else { continue };
            let value = line[colon + 1..].trim_ascii();
            match line[..colon].to_ascii_lowercase().as_slice() {
                b"content-length" => {
                    let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.body = Body::Length(length.ok_or("bad content-length")?);
                }
                b"transfer-encoding" => self.body = Body::Chunked(Chunks::Size),
                b"connection" => self.close = value.eq_ignore_ascii_case(b"close"),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_body(&mut self, bytes: &[u8], now_us: u64) -> Result<bool, Failure> {
        match &mut self.body {
            Body::Head => return Ok(false),
            Body::Complete => return Err("bytes behind the answer"),
            Body::Length(left) => {
                *left = left.checked_sub(bytes.len()).ok_or("bytes behind the answer")?;
                if *left == 0 {
                    self.body = Body::Complete;
                }
            }
            Body::Chunked(state) => {
                if read_chunks(state, &mut self.head, bytes, &mut self.events, now_us)? {
                    self.body = Body::Complete;
                }
            }
        }
        Ok(matches!(self.body, Body::Complete))
    }
}

/// `line` holds a size line that came in parts.
fn read_chunks(
    state: &mut Chunks,
    line: &mut Vec<u8>,
    mut bytes: &[u8],
    events: &mut Events,
    now_us: u64,
) -> Result<bool, Failure> {
    while !bytes.is_empty() {
        match state {
            Chunks::Size => {
                let Some(end) = memchr(b'\n', bytes) else {
                    line.extend_from_slice(bytes);
                    return if line.len() > MAX_LINE_BYTES {
                        Err("chunk size too long")
                    } else {
                        Ok(false)
                    };
                };
                line.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                let size = chunk_size(line)?;
                line.clear();
                *state = if size == 0 {
                    Chunks::End(0)
                } else {
                    Chunks::Data(size)
                };
            }
            Chunks::Data(left) => {
                let taken = bytes.len().min(*left);
                events.read(&bytes[..taken], now_us);
                bytes = &bytes[taken..];
                *left -= taken;
                if *left == 0 {
                    *state = Chunks::End(1);
                }
            }
            Chunks::End(more) => {
                let Some(end) = memchr(b'\n', bytes) else {
                    return Ok(false);
                };
                bytes = &bytes[end + 1..];
                if *more == 0 {
                    return if bytes.is_empty() {
                        Ok(true)
                    } else {
                        Err("bytes behind the answer")
                    };
                }
                *state = Chunks::Size;
            }
        }
    }
    Ok(false)
}

fn chunk_size(line: &[u8]) -> Result<usize, Failure> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| "bad chunk size")?;
    usize::from_str_radix(text.trim(), 16).map_err(|_| "bad chunk size")
}

/// Counts the events of a stream.
#[derive(Default)]
pub struct Events {
    /// events with data, [DONE] not counted
    pub count: u64,
    pub done: bool,
    /// an error event was among them
    pub error: bool,
    /// microseconds from the provider's write to our read, of the events that carry a stamp, since last taken
    pub delays_us: Vec<u32>,
    partial: Vec<u8>,
}

impl Events {
    fn read(&mut self, bytes: &[u8], now_us: u64) {
        if self.partial.is_empty() {
            let rest = self.frames(bytes, now_us);
            self.partial.extend_from_slice(rest);
        } else {
            let mut joined = std::mem::take(&mut self.partial);
            joined.extend_from_slice(bytes);
            let rest = self.frames(&joined, now_us).len();
            joined.drain(..joined.len() - rest);
            self.partial = joined;
        }
    }

    /// Counts the whole frames and returns the rest.
    fn frames<'a>(&mut self, mut bytes: &'a [u8], now_us: u64) -> &'a [u8] {
        while let Some(end) = memmem::find(bytes, b"\n\n") {
            self.frame(&bytes[..end], now_us);
            bytes = &bytes[end + 2..];
        }
        bytes
    }

    fn frame(&mut self, frame: &[u8], now_us: u64) {
        if let Some(rest) = frame.strip_prefix(STAMP) {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
            let sent = digits.fold(0u64, |number, digit| {
                number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
            });
            self.delays_us
                .push(u32::try_from(now_us.saturating_sub(sent)).unwrap_or(u32::MAX));
            self.count += 1;
        } else if frame == b"data: [DONE]" {
            self.done = true;
        } else if frame.starts_with(b"data: ") {
            self.count += 1;
            self.error |= frame.starts_with(b"data: {\"error\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        1c\r\ndata: {\"mock_sent_us\":40,}\n\n\r\n13\r\n: ping\n\ndata: {}\n\nd\r\n2a;x=y\r\nata: {\"error\":{}}\n\n\
        data: {\"mock_sent_us\":1\r\n14\r\n}\n\ndata: [DONE]\n\n   \r\n0\r\n\r\n";

    #[test]
    fn any_split_counts_the_same() {
        for cut in 1..STREAM.len() {
            let mut answer = Answer::default();
            let first = answer.read(&STREAM[..cut], 100);
            assert_eq!(first, Ok(false), "cut at {cut}");
            let second = answer.read(&STREAM[cut..], 100);
            assert_eq!(second, Ok(true), "cut at {cut}");
            assert_eq!(
                (answer.events.count, answer.events.done, answer.events.error),
                (4, true, true),
                "cut at {cut}"
            );
            assert_eq!(answer.events.delays_us, [60, 99]);
        }
    }

    #[test]
    fn a_body_of_known_length_ends_exactly() {
        let mut answer = Answer::default();
        assert_eq!(
            answer.read(
                b"HTTP/1.1 429 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nab",
                0
            ),
            Ok(false)
        );
        assert_eq!(answer.read(b"c", 0), Ok(true));
        assert_eq!((answer.status, answer.close), (429, true));
        let mut answer = Answer::default();
        assert!(
            answer
                .read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 0)
                .is_err()
        );
    }
}
