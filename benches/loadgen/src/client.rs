//! One keep-alive connection that sends prepared requests and reads the answers.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Answer, Failure};
use crate::scenario::Scenario;
use crate::tally::Tally;

/// An answer that takes longer has failed, so that a run always ends.
const MAX_WAIT: Duration = Duration::from_secs(20);
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// One read takes a whole flat-out stream.
const READ_BYTES: usize = 64 * 1024;

/// A connection that is open when it was used before and both sides want to keep it.
pub struct Client {
    address: SocketAddr,
    scenario: Scenario,
    request: Rc<[u8]>,
    tally: Rc<RefCell<Tally>>,
    socket: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub fn new(
        address: SocketAddr,
        scenario: Scenario,
        request: Rc<[u8]>,
        tally: Rc<RefCell<Tally>>,
    ) -> Client {
        Client {
            address,
            scenario,
            request,
            tally,
            socket: None,
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Sends one request that should have left at `intended`, and tallies what came of it.
    pub async fn exchange(&mut self, intended: Instant) {
        self.tally.borrow_mut().sent += 1;
        let ended = match tokio::time::timeout(MAX_WAIT, self.try_exchange(intended)).await {
            Ok(ended) => ended,
            Err(_) => Err("no end of the answer in time"),
        };
        match ended {
            Ok((first_byte_us, total_us)) => self.tally.borrow_mut().answered(first_byte_us, total_us),
            Err(failure) => {
                self.socket = None;
                self.tally.borrow_mut().failed(failure);
                // A closed loop must not spin against a gateway that refuses connections.
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    /// Opens a stream and reads until it falls silent; the connection stays open with the client.
    pub async fn open_stream(&mut self) {
        self.tally.borrow_mut().sent += 1;
        let opened = async {
            let mut answer = Answer::default();
            self.send().await?;
            while answer.events.count < self.scenario.least_events() {
                if self.read_some(&mut answer).await? {
                    return Err("a stream ended that should stay open");
                }
            }
            check_status(&answer)
        };
        let opened = tokio::time::timeout(MAX_WAIT, opened)
            .await
            .unwrap_or(Err("no first event in time"));
        if let Err(failure) = opened {
            self.tally.borrow_mut().failed(failure);
        }
    }

    async fn try_exchange(&mut self, intended: Instant) -> Result<(u32, u32), Failure> {
        self.send().await?;
        let mut answer = Answer::default();
        let mut first_byte_us = None;
        loop {
            let complete = self.read_some(&mut answer).await?;
            first_byte_us.get_or_insert_with(|| micros_since(intended));
            if complete {
                break;
            }
        }
        let total_us = micros_since(intended);
        if answer.close {
            self.socket = None;
        }
        self.check(&answer)?;
        Ok((first_byte_us.unwrap_or(total_us), total_us))
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(self.address).await.map_err(|_| "cannot connect")?),
        };
        socket.write_all(&self.request).await.map_err(|_| "cannot write")
    }

    /// Reads once; true when the answer is complete.
    async fn read_some(&mut self, answer: &mut Answer) -> Result<bool, Failure> {
        let socket = self.socket.as_mut().ok_or("not connected")?;
        let length = socket
            .read(&mut self.buffer)
            .await
            .map_err(|_| "connection reset")?;
        if length == 0 {
            return Err("connection closed in the answer");
        }
        let before = answer.events.count;
        let complete = answer.read(&self.buffer[..length], wall_clock_us())?;
        if answer.events.count > before {
            self.tally
                .borrow_mut()
                .events(answer.events.count - before, &mut answer.events.delays_us);
        }
        Ok(complete)
    }

    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        check_status(answer)?;
        if !self.scenario.streams() {
            return Ok(());
        }
        match &answer.events {
            events if events.error => Err("an error event in the stream"),
            events if !events.done => Err("a stream without [DONE]"),
            events if events.count < self.scenario.least_events() => Err("a stream with too few events"),
            _ => Ok(()),
        }
    }
}

fn check_status(answer: &Answer) -> Result<(), Failure> {
    match answer.status {
        200 => Ok(()),
        400..=499 => Err("a 4xx answer"),
        500..=599 => Err("a 5xx answer"),
        _ => Err("an answer that is neither 200 nor an error"),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn micros_since(moment: Instant) -> u32 {
    u32::try_from(moment.elapsed().as_micros()).unwrap_or(u32::MAX)
}

fn wall_clock_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}
