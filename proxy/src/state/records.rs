//! Where finished records go: a bounded queue and one thread that writes them in batches. A full queue drops and counts;
//! a request never waits for a disk.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::IntCounter;

use crate::state::snapshot::RecordSink;

/// Records waiting to be written: about a second of heavy load.
const QUEUE: usize = 16 * 1024;

/// How long records are gathered before one write: often enough to watch, seldom enough to cost nothing.
const GATHER: Duration = Duration::from_millis(25);

/// The way into the queue.
#[derive(Debug)]
pub struct Records {
    queue: Option<SyncSender<Vec<u8>>>,
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
        match queue.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.inc(),
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
fn write_batches(waiting: &Receiver<Vec<u8>>, mut out: Box<dyn Write + Send>) {
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        batch.clear();
        batch.extend_from_slice(&first);
        std::thread::sleep(GATHER);
        for line in waiting.try_iter().take(QUEUE) {
            batch.extend_from_slice(&line);
        }
        if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
            log::error!("records could not be written: {error}");
        }
    }
}
