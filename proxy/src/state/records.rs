//! Where finished records go: a bounded queue and one thread that writes them in batches. A full queue drops and counts;
//! a request never waits for a disk. A file that was moved away is made anew, so that it can be rotated by renaming it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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
        let out = match sink {
            RecordSink::None => {
                return Ok(Self {
                    queue: None,
                    writer: None,
                    dropped,
                });
            }
            RecordSink::Stdout => Out::Stream(Box::new(io::stdout())),
            RecordSink::File(path) => Out::File {
                file: append(path)?,
                path: path.clone(),
            },
        };
        let (queue, waiting) = sync_channel(QUEUE);
        let lines = Lines::new(out, dropped.clone());
        let write = move || write_batches(&waiting, lines);
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
fn write_batches(waiting: &Receiver<Order>, mut lines: Lines) {
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
        lines.write(&batch);
        batch.clear();
        for written in tell.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = written.try_send(());
        }
    }
}

/// Where lines are written.
enum Out {
    Stream(Box<dyn Write + Send>),
    File { file: File, path: PathBuf },
}

/// Writes whole lines. Those that cannot be written are counted, and told of once, not once for each batch.
struct Lines {
    out: Out,
    dropped: IntCounter,
    /// A failure cut a line, which must not become one with the next.
    torn: bool,
    failing: bool,
}

impl Lines {
    fn new(out: Out, dropped: IntCounter) -> Self {
        Self {
            out,
            dropped,
            torn: false,
            failing: false,
        }
    }

    fn write(&mut self, batch: &[u8]) {
        if batch.is_empty() {
            return;
        }
        let (mut written, mut outcome) = (0, self.out.follow_path());
        if outcome.is_ok() && self.torn {
            outcome = self.out.write_from(b"\n", &mut 0);
        }
        if outcome.is_ok() {
            self.torn = false;
            outcome = self.out.write_from(batch, &mut written);
            self.torn = written > 0 && batch.get(written - 1) != Some(&b'\n');
        }
        match outcome {
            Ok(()) if self.failing => log::info!("records are written again"),
            Ok(()) => {}
            Err(error) => {
                let lost = batch.iter().skip(written).filter(|byte| **byte == b'\n').count();
                self.dropped.inc_by(lost as u64);
                if !self.failing {
                    log::error!(
                        "records cannot be written and are lost, penstock_records_dropped_total counts them: {error}"
                    );
                }
                self.failing = true;
                return;
            }
        }
        self.failing = false;
    }
}

impl Out {
    /// Opens the path again where it no longer leads to the open file: it was rotated, or deleted.
    fn follow_path(&mut self) -> io::Result<()> {
        let Self::File { file, path } = self else {
            return Ok(());
        };
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let there = std::fs::metadata(&*path).ok().map(identity);
        if there != Some(identity(file.metadata()?)) {
            *file = append(path)?;
        }
        Ok(())
    }

    /// Writes all bytes, counting in `written` those that were taken before a failure.
    fn write_from(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        let out: &mut dyn Write = match self {
            Self::Stream(stream) => stream,
            Self::File { file, .. } => file,
        };
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        out.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").unwrap()
    }

    #[test]
    fn a_file_that_was_moved_away_or_deleted_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let records = Records::open(&RecordSink::File(path.clone()), counter()).unwrap();
        let push = |line: &str| {
            records.push(format!("{line}\n").into_bytes());
            assert!(records.flush(Duration::from_secs(10)));
        };
        push("one");
        let rotated = folder.path().join("records.1");
        std::fs::rename(&path, &rotated).unwrap();
        push("two");
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        std::fs::remove_file(&path).unwrap();
        push("three");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn records_that_a_full_disk_does_not_take_are_counted() {
        let dropped = counter();
        let records = Records::open(&RecordSink::File("/dev/full".into()), dropped.clone()).unwrap();
        for _ in 0..3 {
            records.push(b"lost\n".to_vec());
        }
        assert!(records.flush(Duration::from_secs(10)));
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn a_line_that_a_failure_cut_does_not_spoil_the_next() {
        /// Takes `room` bytes, then fails until there is room again.
        struct Disk {
            taken: Arc<Mutex<Vec<u8>>>,
            room: Arc<Mutex<usize>>,
        }
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let mut room = self.room.lock().unwrap();
                let count = bytes.len().min(*room);
                if count == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                *room -= count;
                self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
                Ok(count)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (taken, room, dropped) = (Arc::default(), Arc::new(Mutex::new(6)), counter());
        let disk = Disk {
            taken: Arc::clone(&taken),
            room: room.clone(),
        };
        let mut lines = Lines::new(Out::Stream(Box::new(disk)), dropped.clone());
        lines.write(b"one\ntwo\nthree\n");
        lines.write(b"four\n");
        *room.lock().unwrap() = 100;
        lines.write(b"five\n");
        lines.write(b"six\n");
        assert_eq!(taken.lock().unwrap().as_slice(), b"one\ntw\nfive\nsix\n");
        assert_eq!(dropped.get(), 3, "two, three and four");
    }
}
