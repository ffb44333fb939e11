//! Where finished records go: a bounded queue and one thread that writes them in batches. A full queue drops and counts;
//! a request never waits for a disk.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use crate::state::snapshot::RecordSink;

/// Records waiting to be written: about a second of heavy load.
const QUEUE: usize = 16 * 1024;

/// How long records are gathered before one write: often enough to watch, seldom enough to cost nothing.
const GATHER: Duration = Duration::from_millis(25);

/// How long `flush` waits before it tries a full queue again.
const RETRY: Duration = Duration::from_millis(1);

/// What the writer is sent.
#[derive(Debug)]
enum Order {
    /// A record with its newline.
    Write(Vec<u8>),
    /// Say when all before it is written.
    Tell(SyncSender<()>),
}

/// The way into the queue.
#[derive(Debug)]
pub struct Records {
    queue: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
    dropped: IntCounter,
}

impl Records {
    /// Opens the sink; fails if the file cannot be appended to.
    pub fn open(sink: &RecordSink, dropped: IntCounter) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match sink {
            RecordSink::None => {
                return Ok(Self {
                    queue: None,
                    writer: None,
                    dropped,
                });
            }
            RecordSink::Stdout => Box::new(io::stdout()),
            RecordSink::File(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
        };
        let (queue, waiting) = sync_channel(QUEUE);
        let write = move || write_batches(&waiting, out);
        let writer = std::thread::Builder::new().name("records".into()).spawn(write)?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
            dropped,
        })
    }

    pub fn is_wanted(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues one line, its newline included.
    pub fn push(&self, line: Vec<u8>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(Order::Write(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.inc(),
        }
    }
}

impl Records {
    /// Waits until all that was pushed is written; `false` if `patience` was not enough. For the end of the process: it
    /// blocks its thread.
    pub fn flush(&self, patience: Duration) -> bool {
        let Some(queue) = &self.queue else { return true };
        let deadline = Instant::now() + patience;
        let (written, told) = sync_channel(1);
        let mut order = Order::Tell(written);
        loop {
            match queue.try_send(order) {
                Ok(()) => {
                    return told
                        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                        .is_ok();
                }
                Err(TrySendError::Full(back)) if Instant::now() < deadline => order = back,
                Err(_) => return false,
            }
            std::thread::park_timeout(RETRY);
        }
    }
}

impl Drop for Records {
    /// Writes what is queued before the process goes.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "sleeps on the writer's own thread")]
fn write_batches(waiting: &Receiver<Order>, mut out: Box<dyn Write + Send>) {
    let (mut batch, mut tell) = (Vec::new(), Vec::new());
    while let Ok(first) = waiting.recv() {
        if matches!(first, Order::Write(_)) {
            std::thread::sleep(GATHER);
        }
        for order in std::iter::once(first).chain(waiting.try_iter().take(QUEUE)) {
            match order {
                Order::Write(line) => batch.extend_from_slice(&line),
                Order::Tell(written) => tell.push(written),
            }
        }
        if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
            log::error!("records could not be written: {error}");
        }
        batch.clear();
        for written in tell.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = written.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_written_when_flush_returns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let records = Records::open(&RecordSink::File(path.clone()), dropped).unwrap();
        for number in 0..100 {
            records.push(format!("{number}\n").into_bytes());
        }
        assert!(records.flush(Duration::from_secs(10)));
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 100);
    }
}
