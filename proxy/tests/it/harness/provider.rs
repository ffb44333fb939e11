//! A provider that the test plays by hand: it gets every byte that the gateway sent, and answers piece by piece, slowly,
//! wrongly or not at all. Facts that a test waits for: a call came, a connection was closed by the gateway.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::PATIENCE;
use super::message::{Framing, Incoming, Message};

/// Calls that nobody has looked at yet.
const QUEUE: usize = 1024;

/// A provider on a port of its own.
pub struct Provider {
    pub address: SocketAddr,
    calls: Option<Receiver<Call>>,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    calls: AtomicUsize,
}

/// One request, and the way to answer it.
pub struct Call {
    pub request: Message,
    /// Which of the provider's connections it came by, from 1.
    pub connection: usize,
    stream: TcpStream,
    gone: Arc<Gone>,
}

/// Whether the gateway has closed a connection.
#[derive(Default)]
struct Gone {
    is_gone: Mutex<bool>,
    told: Condvar,
}

impl Provider {
    pub fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (sender, calls) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let server = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &sender, &shared)
        });
        Provider {
            address,
            calls: Some(calls),
            shared,
            server: Some(server),
        }
    }

    /// For `base_url`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Waits for the next call.
    pub fn call(&self) -> Call {
        let calls = self.calls.as_ref().expect("calls are not served elsewhere");
        calls.recv_timeout(PATIENCE).expect("the gateway makes a call")
    }

    /// For a request that was refused: once its answer is there, nothing can be on its way any more.
    pub fn saw_nothing(&self) {
        assert_eq!(
            self.shared.calls.load(Ordering::SeqCst),
            0,
            "something was forwarded"
        );
    }

    /// How many calls came in all.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Answers every call from here on, each on a thread of its own.
    pub fn serve(&mut self, answer: impl Fn(Call) + Send + Sync + 'static) {
        let calls = self.calls.take().expect("calls are served once");
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for call in calls {
                let answer = answer.clone();
                std::thread::spawn(move || answer(call));
            }
        });
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn accept(listener: &TcpListener, calls: &SyncSender<Call>, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let stream = stream.expect("a listening socket accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let (calls, shared) = (calls.clone(), shared.clone());
        std::thread::spawn(move || read(stream, connection, &calls, &shared));
    }
}

/// Reads requests to the connection's end, also while one is being answered: that is how its end is noticed.
fn read(stream: TcpStream, connection: usize, calls: &SyncSender<Call>, shared: &Shared) {
    let gone = Arc::new(Gone::default());
    let mut incoming = Incoming::new(stream.try_clone().expect("a socket can be shared"));
    while let Ok(Some(request)) = whole(&mut incoming) {
        shared.calls.fetch_add(1, Ordering::SeqCst);
        let stream = stream.try_clone().expect("a socket can be shared");
        let call = Call {
            request,
            connection,
            stream,
            gone: gone.clone(),
        };
        if calls.send(call).is_err() {
            break;
        }
    }
    // Before anybody is told: see `Call::reset`.
    drop((incoming, stream));
    *gone.is_gone.lock().expect("no panic under this lock") = true;
    gone.told.notify_all();
}

fn whole(incoming: &mut Incoming<TcpStream>) -> std::io::Result<Option<Message>> {
    let Some(mut request) = incoming.head()? else {
        return Ok(None);
    };
    let mut framing = Framing::of(&request, Framing::Length(0));
    while let Some(piece) = incoming.piece(&mut framing)? {
        request.body.extend_from_slice(&piece);
    }
    request.is_whole = true;
    Ok(Some(request))
}

impl Call {
    /// A whole answer.
    pub fn answer(&self, status: u16, content_type: &str, body: impl AsRef<[u8]>) {
        self.answer_with(status, &[("content-type", content_type)], body);
    }

    pub fn answer_json(&self, status: u16, body: impl AsRef<[u8]>) {
        self.answer(status, "application/json", body);
    }

    /// A whole answer with headers of the test's.
    pub fn answer_with(&self, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        all.push(("content-length", &length));
        let mut wire = head(status, &all);
        wire.extend_from_slice(body);
        self.raw(&wire);
    }

    /// The head of an answer whose body comes in chunks.
    pub fn begin(&self, status: u16, headers: &[(&str, &str)]) {
        let mut all = headers.to_vec();
        all.push(("transfer-encoding", "chunked"));
        self.raw(&head(status, &all));
    }

    /// The head of a stream.
    pub fn begin_stream(&self) {
        self.begin(200, &[("content-type", "text/event-stream")]);
    }

    pub fn chunk(&self, piece: impl AsRef<[u8]>) {
        let piece = piece.as_ref();
        let mut wire = format!("{:x}\r\n", piece.len()).into_bytes();
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
        self.raw(&wire);
    }

    /// The end of a chunked body.
    pub fn end(&self) {
        self.raw(b"0\r\n\r\n");
    }

    /// A stream of these events and its end.
    pub fn stream(&self, events: &[&str]) {
        self.begin_stream();
        for event in events {
            self.chunk(event);
        }
        self.end();
    }

    /// More events of a stream that has begun, and its end.
    pub fn stream_rest(&self, events: &[&str]) {
        events.iter().for_each(|event| self.chunk(event));
        self.end();
    }

    /// Bytes as they are. The gateway may have left meanwhile; what it saw is up to the test.
    pub fn raw(&self, bytes: &[u8]) {
        let _ = (&self.stream).write_all(bytes);
    }

    /// Writes bytes and says whether the gateway still took them.
    pub fn try_raw(&self, bytes: &[u8]) -> bool {
        (&self.stream).write_all(bytes).is_ok()
    }

    /// How long a write may block before it counts as not taken.
    pub fn write_patience(&self, patience: Duration) {
        self.stream
            .set_write_timeout(Some(patience))
            .expect("a TCP socket");
    }

    /// FIN, in both directions.
    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// RST. Only this call may be left of its connection.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        // Sends nothing, but makes the reading thread let go of its copy, so that dropping ours is what closes.
        let _ = self.stream.shutdown(Shutdown::Read);
        self.wait_gone();
    }

    /// Waits until the gateway has closed the connection.
    pub fn wait_gone(&self) {
        let is_gone = self.gone.is_gone.lock().expect("no panic under this lock");
        let waited = self
            .gone
            .told
            .wait_timeout_while(is_gone, PATIENCE, |is_gone| !*is_gone);
        assert!(
            *waited.expect("no panic under this lock").0,
            "the gateway did not close its connection"
        );
    }

    pub fn is_gone(&self) -> bool {
        *self.gone.is_gone.lock().expect("no panic under this lock")
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// An address that refuses connections.
pub fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address")
}
