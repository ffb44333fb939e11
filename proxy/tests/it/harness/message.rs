//! An HTTP/1.1 message as it was on the wire: its own reader, so that no library stands between a test and the bytes.

use std::io::{self, Read};

/// A message with every byte it came with.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Start line and headers, with the blank line.
    pub head: Vec<u8>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// The body came to the end that its framing promised.
    pub is_whole: bool,
}

impl Message {
    pub fn start_line(&self) -> &str {
        self.lines().next().expect("a head has a first line")
    }

    pub fn path(&self) -> &str {
        self.start_line()
            .split(' ')
            .nth(1)
            .expect("a request line has a path")
    }

    pub fn status(&self) -> u16 {
        let word = self
            .start_line()
            .split(' ')
            .nth(1)
            .expect("a status line has a status");
        word.parse().expect("a status is a number")
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.head).expect("heads of tests are ASCII");
        text.split("\r\n").filter(|line| !line.is_empty())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text was expected")
    }

    pub fn json(&self) -> serde_json::Value {
        let shown = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", shown()))
    }

    /// `error.code`, with the rest of the error checked for OpenAI's shape.
    pub fn error_code(&self) -> String {
        let error = self.json()["error"].clone();
        let members: Vec<&str> = error
            .as_object()
            .expect("an error object")
            .keys()
            .map(String::as_str)
            .collect();
        for member in ["message", "type", "param", "code"] {
            assert!(members.contains(&member), "{member} is missing: {error}");
        }
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{error}"
        );
        error["code"].as_str().expect("a code").to_owned()
    }

    pub fn error_param(&self) -> String {
        self.json()["error"]["param"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn error_message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .expect("a message")
            .to_owned()
    }
}

/// A connection's incoming side, with what was read ahead.
pub struct Incoming<R> {
    source: R,
    ahead: Vec<u8>,
}

/// How the body of a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(usize),
    Chunked,
    /// To the connection's end.
    Close,
}

impl Framing {
    pub fn of(head: &Message, otherwise: Framing) -> Framing {
        if head
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        match head.header("content-length") {
            Some(length) => Framing::Length(length.parse().expect("a length is a number")),
            None => otherwise,
        }
    }
}

impl<R: Read> Incoming<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            ahead: Vec::new(),
        }
    }

    pub fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// The next head; `None` at an orderly end.
    pub fn head(&mut self) -> io::Result<Option<Message>> {
        match self.through(b"\r\n\r\n")? {
            Some(head) => Ok(Some(Message {
                head,
                ..Message::default()
            })),
            None if self.ahead.is_empty() => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads on through `mark`; `None` if the connection ends before it.
    pub fn through(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = find(&self.ahead, mark) {
                return Ok(Some(self.ahead.drain(..at + mark.len()).collect()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes the next piece of a body; `None` at its end. Chunked bodies come chunk by chunk.
    pub fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Vec<u8>>> {
        match framing {
            Framing::Chunked => self.chunk(),
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let piece = self.some(*left)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                *left -= piece.len();
                Ok(Some(piece))
            }
            Framing::Close => self.some(usize::MAX),
        }
    }

    /// What is there, at most `most` bytes; `None` at the end.
    pub fn some(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        if self.ahead.is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        let count = self.ahead.len().min(most);
        Ok(Some(self.ahead.drain(..count).collect()))
    }

    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.through(b"\r\n")?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = std::str::from_utf8(&line)
            .expect("a chunk's size is ASCII")
            .trim();
        let size =
            usize::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("not a chunk's size: {digits:?}"));
        while self.ahead.len() < size + 2 {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let chunk: Vec<u8> = self.ahead.drain(..size).collect();
        let end: Vec<u8> = self.ahead.drain(..2).collect();
        assert_eq!(end, b"\r\n", "a chunk ends its line");
        Ok((size > 0).then_some(chunk))
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = self.source.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
