//! A client on a raw socket: sends any bytes, keeps every byte of the answer, reads it piece by piece, leaves when and how
//! the test wants.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;
use super::message::{Framing, Incoming, Message};

/// What a connection is, with TLS or without.
pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// One connection to the gateway.
pub struct Client {
    incoming: Incoming<Box<dyn Wire>>,
    socket: TcpStream,
    framing: Framing,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let socket = socket(address);
        Self::over(socket.try_clone().expect("a socket can be shared"), socket)
    }

    /// Over something that wraps a socket.
    pub fn over(wire: impl Wire + 'static, socket: TcpStream) -> Client {
        Client {
            incoming: Incoming::new(Box::new(wire)),
            socket,
            framing: Framing::Close,
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let wire = self.incoming.source();
        wire.write_all(bytes.as_ref())
            .expect("the gateway takes what it is sent");
        wire.flush().expect("the gateway takes what it is sent");
    }

    /// The gateway may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let wire = self.incoming.source();
        wire.write_all(bytes.as_ref()).and_then(|()| wire.flush()).is_ok()
    }

    /// Waits for the head of the next answer.
    pub fn head(&mut self) -> Message {
        let head = self.incoming.head().expect("an answer");
        let head = head.expect("an answer, not the end of the connection");
        self.framing = match head.status() {
            100..=199 | 204 | 304 => Framing::Length(0),
            _ => Framing::of(&head, Framing::Close),
        };
        head
    }

    /// The next piece of the answer's body; `None` at its proper end. Chunks come one by one.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        self.incoming
            .piece(&mut self.framing)
            .expect("the answer goes on, or ends in order")
    }

    /// The next piece as text.
    pub fn text(&mut self) -> String {
        let piece = self.piece().expect("the answer goes on");
        String::from_utf8(piece).expect("a text was expected")
    }

    /// Reads pieces until the body ends with `mark`; gives what it read.
    pub fn read_until(&mut self, mark: &str) -> String {
        let mut read = String::new();
        while !read.ends_with(mark) {
            read.push_str(&self.text());
        }
        read
    }

    /// What is left of the answer's body, and whether it came to its proper end.
    pub fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            match self.incoming.piece(&mut self.framing) {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return (body, true),
                Err(error) if is_cut(&error) => return (body, false),
                Err(error) => panic!("the answer does not go on: {error}"),
            }
        }
    }

    /// A whole answer.
    pub fn answer(&mut self) -> Message {
        let mut answer = self.head();
        (answer.body, answer.is_whole) = self.rest();
        answer
    }

    /// Whether the gateway closes the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.incoming.some(usize::MAX) {
            Ok(None) => true,
            Ok(Some(more)) => panic!("more bytes: {:?}", String::from_utf8_lossy(&more)),
            Err(error) => is_cut(&error),
        }
    }

    /// FIN in one direction: the client says no more, and listens.
    pub fn finish(&self) {
        self.socket.shutdown(Shutdown::Write).expect("a TCP socket");
    }

    /// FIN.
    pub fn close(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// RST.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.socket);
        socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }
}

/// A connected socket that does not wait for ever.
pub fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway takes connections");
    socket.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
    socket.set_write_timeout(Some(PATIENCE)).expect("a TCP socket");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}

fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

/// A request with a body and a key.
pub fn post(path: &str, key: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with(path, key, &[], body)
}

pub fn post_with(path: &str, key: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut all = headers.to_vec();
    let length = body.len().to_string();
    all.extend([("content-type", "application/json"), ("content-length", &length)]);
    let mut wire = request("POST", path, key, &all);
    wire.extend_from_slice(body);
    wire
}

/// A request's head.
pub fn request(method: &str, path: &str, key: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway.test\r\n");
    if !key.is_empty() {
        head.push_str(&format!("authorization: Bearer {key}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}
