//! One HTTP/1.1 connection of the mock: reads requests, writes bytes, notices a peer that left. Knows no route.
//!
//! Hand-written, because a load test must not measure its own provider: one read, one write, no copy of the body.

use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// More than any gateway sends; past it the request is refused, so that a broken client cannot fill the memory.
const MAX_HEAD_BYTES: usize = 128 * 1024;
/// Above the gateway's own default body limit (50 MB), so that the gateway's limit is the one that a test meets.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const MAX_HEADERS: usize = 128;
/// What a peer may send ahead while its answer is still being written.
const MAX_READ_AHEAD: usize = 1024 * 1024;

/// A request head, kept as the bytes that came in.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Bytes,
    method: Range<usize>,
    path: Range<usize>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    http_1_0: bool,
}

impl Head {
    pub fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The request target as sent, with its query.
    pub fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// Names as spelled on the wire; values that are not UTF-8 read as empty.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (self.text(name), self.text(value)))
    }

    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.headers()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or("")
    }

    fn wants_close(&self) -> bool {
        match self.header("connection") {
            Some(value) => value.to_ascii_lowercase().contains("close"),
            None => self.http_1_0,
        }
    }
}

/// A whole request.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: Head,
    pub body: Bytes,
    /// The peer will not send another one on this connection.
    pub close: bool,
}

/// Why a request could not be read.
#[derive(Debug)]
pub enum Broken {
    /// The peer left, in the middle of a request or between two.
    Gone,
    /// The bytes are not HTTP/1.1 as this server takes it.
    Malformed(&'static str),
    TooLarge(&'static str),
}

/// The peer closed or reset the connection.
#[derive(Debug)]
pub struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Gone {
        Gone
    }
}

/// A connection and what has been read ahead from it.
pub struct Connection {
    socket: TcpStream,
    inbox: BytesMut,
    /// 0: a write is one write; otherwise it is cut into writes of this many bytes
    pub write_bytes: usize,
}

impl Connection {
    pub fn new(socket: TcpStream) -> Connection {
        // An event that waits for the acknowledgement of the one before it would be measured as the gateway's delay.
        let _ = socket.set_nodelay(true);
        Connection {
            socket,
            inbox: BytesMut::with_capacity(16 * 1024),
            write_bytes: 0,
        }
    }

    /// The next request. `Broken::Gone` also stands for a peer that closed between two requests.
    pub async fn read_request(&mut self) -> Result<Request, Broken> {
        let head = self.read_head().await?;
        if head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .map_err(|_| Broken::Gone)?;
        }
        let body = self.read_body(&head).await?;
        Ok(Request {
            close: head.wants_close(),
            head,
            body,
        })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if self.write_bytes == 0 {
            self.socket.write_all(bytes).await?;
            return Ok(());
        }
        for piece in bytes.chunks(self.write_bytes) {
            self.socket.write_all(piece).await?;
            // Lets the reader run, else the kernel would join the pieces again.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Waits, and ends early if the peer leaves.
    pub async fn wait_until(&mut self, moment: Instant) -> Result<(), Gone> {
        loop {
            if self.inbox.len() >= MAX_READ_AHEAD {
                tokio::time::sleep_until(moment).await;
                return Ok(());
            }
            tokio::select! {
                biased;
                read = self.socket.read_buf(&mut self.inbox) => {
                    if read? == 0 {
                        return Err(Gone);
                    }
                }
                () = tokio::time::sleep_until(moment) => return Ok(()),
            }
        }
    }

    /// Says nothing more until the peer leaves.
    pub async fn wait_for_leave(&mut self) -> Gone {
        let mut ignored = [0u8; 4096];
        loop {
            match self.socket.read(&mut ignored).await {
                Ok(0) | Err(_) => return Gone,
                Ok(_) => {}
            }
        }
    }

    /// Makes the coming close an RST instead of a FIN: the peer loses what it had not read.
    pub fn reset_on_close(&self) {
        let _ = self.socket.set_zero_linger();
    }

    async fn read_head(&mut self) -> Result<Head, Broken> {
        loop {
            if let Some(end) = memmem::find(&self.inbox, b"\r\n\r\n") {
                let bytes = self.inbox.split_to(end + 4).freeze();
                return parse_head(bytes);
            }
            if self.inbox.len() > MAX_HEAD_BYTES {
                return Err(Broken::TooLarge("request head"));
            }
            self.fill().await?;
        }
    }

    async fn read_body(&mut self, head: &Head) -> Result<Bytes, Broken> {
        if head
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return self.read_chunks().await;
        }
        let length = match head.header("content-length") {
            None => return Ok(Bytes::new()),
            Some(text) => text
                .trim()
                .parse::<usize>()
                .map_err(|_| Broken::Malformed("content-length"))?,
        };
        if length > MAX_BODY_BYTES {
            return Err(Broken::TooLarge("request body"));
        }
        self.need(length).await?;
        Ok(self.inbox.split_to(length).freeze())
    }

    async fn read_chunks(&mut self) -> Result<Bytes, Broken> {
        let mut body = BytesMut::new();
        loop {
            let line = self.read_line().await?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let text = std::str::from_utf8(digits).map_err(|_| Broken::Malformed("chunk size"))?;
            let size = usize::from_str_radix(text.trim(), 16).map_err(|_| Broken::Malformed("chunk size"))?;
            if size == 0 {
                while !self.read_line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            if size > MAX_BODY_BYTES - body.len() {
                return Err(Broken::TooLarge("request body"));
            }
            self.need(size + 2).await?;
            body.extend_from_slice(&self.inbox[..size]);
            if &self.inbox[size..size + 2] != b"\r\n" {
                return Err(Broken::Malformed("chunk end"));
            }
            let _ = self.inbox.split_to(size + 2);
        }
    }

    async fn read_line(&mut self) -> Result<Bytes, Broken> {
        loop {
            if let Some(end) = memmem::find(&self.inbox, b"\r\n") {
                let line = self.inbox.split_to(end + 2).freeze();
                return Ok(line.slice(..end));
            }
            if self.inbox.len() > MAX_HEAD_BYTES {
                return Err(Broken::TooLarge("chunk line"));
            }
            self.fill().await?;
        }
    }

    async fn need(&mut self, length: usize) -> Result<(), Broken> {
        while self.inbox.len() < length {
            // Grows as the bytes come, so a length that is never sent costs nothing.
            self.inbox.reserve((length - self.inbox.len()).min(256 * 1024));
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        if self.inbox.capacity() - self.inbox.len() < 4096 {
            self.inbox.reserve(16 * 1024);
        }
        match self.socket.read_buf(&mut self.inbox).await {
            Ok(0) | Err(_) => Err(Broken::Gone),
            Ok(_) => Ok(()),
        }
    }
}

fn parse_head(bytes: Bytes) -> Result<Head, Broken> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(&bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(Broken::Malformed("request head")),
    }
    let at = |text: &[u8]| {
        let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
        start..start + text.len()
    };
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else {
        return Err(Broken::Malformed("request line"));
    };
    let headers = parsed
        .headers
        .iter()
        .map(|field| (at(field.name.as_bytes()), at(field.value)))
        .collect::<Vec<_>>();
    let (method, path, http_1_0) = (
        at(method.as_bytes()),
        at(path.as_bytes()),
        parsed.version == Some(0),
    );
    Ok(Head {
        method,
        path,
        headers,
        http_1_0,
        bytes,
    })
}
