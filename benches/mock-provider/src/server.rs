//! The mock as a running server: accepts, reads, chooses the answer. One thread serves everything.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::call::{Call, Parsed, Route};
use crate::controls::Controls;
use crate::errors::Refusal;
use crate::models;
use crate::received::{Log, Received};
use crate::reply::Answer;
use crate::send::{Next, Sending};
use crate::wire::{Broken, Connection, Request};

const JSON: &str = "application/json";
/// Past it connections are closed at once: a load test that leaks them should fail, not the machine.
const MAX_CONNECTIONS: usize = 20_000;
/// Models whose misbehaviour is counted (control `times`).
const MAX_COUNTED_MODELS: usize = 4096;
/// What a test can look back at.
const DEFAULT_KEPT_REQUESTS: usize = 10_000;

/// Starts mock providers.
pub struct MockProvider;

impl MockProvider {
    /// Serves `address` (port 0 takes a free one) on a thread of its own until the result is stopped or dropped.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(address: SocketAddr) -> io::Result<Running> {
        MockProvider::start_with(address, Options::default())
    }

    /// Like `start`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start_with(address: SocketAddr, options: Options) -> io::Result<Running> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let provider = Arc::new(Provider {
            log: Log::new(options.kept_requests),
            misbehaved: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&provider);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("mock-provider".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    if options.awake {
                        tokio::spawn(stay_awake());
                    }
                    tokio::select! {
                        result = accept(listener, serving) => if let Err(error) = result {
                            eprintln!("mock-provider: cannot accept: {error}");
                        },
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Running {
            address,
            provider,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// How a mock provider runs.
#[derive(Copy, Clone, Debug)]
pub struct Options {
    /// How many requests can be looked back at; 0 for load tests.
    pub kept_requests: usize,
    /// Asks for new work all the time instead of sleeping until there is some.
    pub awake: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kept_requests: DEFAULT_KEPT_REQUESTS,
            awake: false,
        }
    }
}

/// Keeps the thread from ever sleeping: then nobody who sends to it has to wake it, which in a virtual machine costs the
/// sender several microseconds. Others on the same core get their turn after every look.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

/// A mock provider that serves. Dropping it stops it and closes its connections.
pub struct Running {
    pub address: SocketAddr,
    provider: Arc<Provider>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// `http://HOST:PORT/v1`, as an SDK or a provider's `base_url` takes it.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What was received, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.provider.log.all()
    }

    /// Forgets what was received and starts counting `times` anew.
    pub fn clear(&self) {
        self.provider.clear();
    }

    /// Blocks the calling thread until what was received looks as wanted; false if it does not within `limit`. Tests
    /// wait for facts with it, for instance for an answer that became `Ending::Disconnected`.
    pub fn wait_until(&self, limit: Duration, wanted: impl FnMut(&[Received]) -> bool) -> bool {
        self.provider.log.wait_until(limit, wanted)
    }

    /// Blocks until the server ends, which it does when the process is told to.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Closes the listener and every connection, and waits for the thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Provider {
    log: Log,
    misbehaved: Mutex<HashMap<String, u32>>,
}

async fn accept(listener: TcpListener, provider: Arc<Provider>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors, or a peer that left already: neither ends the server.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move {
                serve(Connection::new(socket), &provider).await;
                drop(place);
            });
        }
    }
}

async fn serve(mut connection: Connection, provider: &Provider) {
    loop {
        let request = match connection.read_request().await {
            Ok(request) => request,
            Err(Broken::Gone) => return,
            Err(broken) => {
                let (status, what) = match broken {
                    Broken::TooLarge(what) => (413, what),
                    Broken::Malformed(what) => (400, what),
                    Broken::Gone => return,
                };
                let line =
                    format!("HTTP/1.1 {status} {what}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                let _ = connection.write(line.as_bytes()).await;
                return;
            }
        };
        if provider.exchange(&mut connection, &request).await == Next::Close || request.close {
            return;
        }
    }
}

impl Provider {
    async fn exchange(&self, connection: &mut Connection, request: &Request) -> Next {
        let route = Route::of(request.head.path());
        match (route, request.head.method()) {
            (Route::Requests, "GET") => {
                let list: Vec<Value> = self.log.all().iter().map(Received::to_json).collect();
                return self
                    .plain(connection, 200, JSON, Value::from(list).to_string().into_bytes())
                    .await;
            }
            (Route::Requests, "DELETE") => {
                self.clear();
                return self.plain(connection, 200, JSON, b"{}".to_vec()).await;
            }
            (Route::Health, _) => return self.plain(connection, 200, "text/plain", b"ok\n".to_vec()).await,
            _ => {}
        }
        let id = self.log.arrived(request);
        let (controls, answer) = self.answer(route, request, id);
        let (status, body) = match answer {
            Ok(Answer::Stream(script)) => {
                let mut sending = Sending {
                    connection,
                    controls: &controls,
                    log: &self.log,
                    id,
                    status: 200,
                };
                return sending.stream(&script).await;
            }
            Ok(Answer::Whole(body)) => (200, body),
            Err(refusal) => (refusal.status, refusal.body),
        };
        let content_type = match (route, request.head.header("content-type")) {
            (Route::Raw, Some(as_sent)) if status == 200 => as_sent,
            _ => JSON,
        };
        Sending {
            connection,
            controls: &controls,
            log: &self.log,
            id,
            status,
        }
        .whole(content_type, body)
        .await
    }

    fn answer(&self, route: Route<'_>, request: &Request, id: u64) -> (Controls, Result<Answer, Refusal>) {
        let call = match Call::read(route, &request.body) {
            None => None,
            Some(_) if request.head.method() != "POST" => {
                return (Controls::default(), Err(wrong_method(request)));
            }
            Some(Ok(call)) => Some(call),
            Some(Err(refusal)) => return (Controls::default(), Err(refusal)),
        };
        let model = call.as_ref().map_or("", Call::model);
        let mut controls = match Controls::read(&request.head, model) {
            Ok(controls) => controls,
            Err(message) => return (Controls::default(), Err(Refusal::invalid(message, None))),
        };
        if controls.misbehaves() && !self.may_misbehave(model, controls.times) {
            controls.behave();
        }
        if controls.status != 200 {
            let refusal = Refusal::of_status(controls.status);
            return (controls, Err(refusal));
        }
        let answer = match (&call, route) {
            (Some(call), _) => call.answer(&Parsed {
                controls: &controls,
                model: Controls::plain_name(model),
                number: id,
                created: now(),
            }),
            (None, Route::Raw) => Ok(Answer::Whole(request.body.to_vec())),
            (None, Route::Models | Route::Model(_)) if request.head.method() != "GET" => {
                Err(wrong_method(request))
            }
            (None, Route::Models) => Ok(Answer::Whole(models::list())),
            (None, Route::Model(name)) => models::one(name).map(Answer::Whole),
            _ => Err(Refusal::not_found(
                format!("Unknown request URL: {}", request.head.path()),
                "unknown_url",
            )),
        };
        (controls, answer)
    }

    /// Counts a misbehaviour against its limit.
    fn may_misbehave(&self, model: &str, times: Option<u32>) -> bool {
        let Some(times) = times else { return true };
        let mut counts = self.misbehaved.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_COUNTED_MODELS {
            counts.clear();
        }
        let count = counts.entry(model.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count <= times
    }

    fn clear(&self) {
        self.log.clear();
        self.misbehaved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// An answer about the mock itself, which no control changes and no list shows.
    async fn plain(
        &self,
        connection: &mut Connection,
        status: u16,
        content_type: &str,
        body: Vec<u8>,
    ) -> Next {
        let unlisted = Log::new(0);
        let controls = Controls::default();
        Sending {
            connection,
            controls: &controls,
            log: &unlisted,
            id: 0,
            status,
        }
        .whole(content_type, body)
        .await
    }
}

fn wrong_method(request: &Request) -> Refusal {
    let message = format!("Not allowed to {} {}", request.head.method(), request.head.path());
    Refusal {
        status: 405,
        body: crate::errors::body(&message, "invalid_request_error", None, Some("method")),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
