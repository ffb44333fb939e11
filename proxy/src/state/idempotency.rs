//! Answers kept for repeats of a call that carries an `Idempotency-Key`: the one in flight, which a repeat joins, and the
//! finished ones, for a bounded time. Which answers are worth keeping is the caller of `finish`'s business.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;
use tokio::sync::Notify;

use crate::state::answer::Head;
use crate::state::snapshot::Idempotency;

/// One answer is kept up to this size; a longer one cannot be repeated.
const MOST_BYTES: usize = 8 << 20;

/// Who repeats what: the caller's name and its key.
type Name = (Arc<str>, Box<str>);

/// The answers of one window.
#[derive(Debug)]
pub struct Repeats {
    entries: Cache<Name, Arc<Recording>>,
}

/// What a key's look-up comes to.
#[derive(Debug)]
pub enum Claim {
    /// The first of its kind: do the work and record it.
    First(Arc<Recording>),
    /// The same call was made before: read its answer.
    Repeat(Arc<Recording>),
    /// The key was used for another call.
    Mismatch,
}

impl Repeats {
    pub fn new(settings: &Idempotency) -> Self {
        let weigh =
            |_: &Name, recording: &Arc<Recording>| u32::try_from(recording.size()).unwrap_or(u32::MAX);
        let entries = Cache::builder()
            .time_to_live(settings.window)
            .weigher(weigh)
            .max_capacity(settings.bytes)
            .build();
        Self { entries }
    }

    /// Looks a key up and takes it if it is free. `fingerprint` stands for the call: method, path and body.
    pub fn claim(&self, caller: &Arc<str>, key: &str, fingerprint: u64) -> Claim {
        let name: Name = (caller.clone(), key.into());
        let fresh = Arc::new(Recording::new(fingerprint));
        let entry = self.entries.entry(name).or_insert_with(|| fresh.clone());
        let recording = entry.into_value();
        if Arc::ptr_eq(&recording, &fresh) {
            Claim::First(recording)
        } else if recording.fingerprint == fingerprint {
            Claim::Repeat(recording)
        } else {
            Claim::Mismatch
        }
    }

    /// Ends a recording: a good answer stays for its window, any other makes room for a real retry.
    pub fn finish(&self, caller: &Arc<str>, key: &str, recording: &Arc<Recording>, keep: bool) {
        let kept = recording.finish(keep);
        let name: Name = (caller.clone(), key.into());
        let ours = |entry: Option<moka::Entry<Name, Arc<Recording>>>| match entry {
            Some(entry) if Arc::ptr_eq(entry.value(), recording) && kept => Op::Put(recording.clone()),
            Some(entry) if Arc::ptr_eq(entry.value(), recording) => Op::Remove,
            _ => Op::Nop,
        };
        // Put again where it is kept, so that it is weighed with what it holds now.
        self.entries.entry(name).and_compute_with(ours);
    }
}

/// One answer as it was written, readable while it grows.
#[derive(Debug)]
pub struct Recording {
    fingerprint: u64,
    readers: AtomicUsize,
    tape: Mutex<Tape>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Tape {
    head: Option<Head>,
    pieces: Vec<Bytes>,
    size: usize,
    end: Option<End>,
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it is there.
    Whole,
    /// The call failed or was cut off; there is nothing to repeat.
    Lost,
}

/// What a reader gets next.
#[derive(Debug)]
pub enum Next {
    Head(Head),
    Piece(Bytes),
    End(End),
}

impl Recording {
    fn new(fingerprint: u64) -> Self {
        Self {
            fingerprint,
            readers: AtomicUsize::new(0),
            tape: Mutex::default(),
            grown: Notify::new(),
        }
    }

    pub fn head(&self, head: Head) {
        self.tape().head = Some(head);
        self.grown.notify_waiters();
    }

    pub fn piece(&self, piece: Bytes) {
        let mut tape = self.tape();
        tape.size += piece.len();
        if tape.size > MOST_BYTES {
            tape.pieces.clear();
            tape.end = Some(End::Lost);
        } else if tape.end.is_none() {
            tape.pieces.push(piece);
        }
        drop(tape);
        self.grown.notify_waiters();
    }

    pub fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    fn finish(&self, keep: bool) -> bool {
        let mut tape = self.tape();
        let end = *tape.end.get_or_insert(if keep { End::Whole } else { End::Lost });
        drop(tape);
        self.grown.notify_waiters();
        end == End::Whole
    }

    fn size(&self) -> usize {
        self.tape().size + 256
    }

    /// No code panics while it holds the lock, and a tape is sound after every step.
    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the beginning.
    pub fn reader(self: &Arc<Self>) -> Reader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reader {
            recording: self.clone(),
            head_read: false,
            at: 0,
        }
    }
}

/// One repeat's place in a recording.
#[derive(Debug)]
pub struct Reader {
    recording: Arc<Recording>,
    head_read: bool,
    at: usize,
}

impl Reader {
    /// Waits for the next part. Safe to drop half-way.
    pub async fn next(&mut self) -> Next {
        let recording = self.recording.clone();
        loop {
            let grown = recording.grown.notified();
            if let Some(next) = self.ready() {
                return next;
            }
            grown.await;
        }
    }

    fn ready(&mut self) -> Option<Next> {
        let tape = self.recording.tape();
        if tape.end == Some(End::Lost) {
            return Some(Next::End(End::Lost));
        }
        if !self.head_read {
            self.head_read = tape.head.is_some();
            return tape.head.clone().map(Next::Head);
        }
        match tape.pieces.get(self.at) {
            Some(piece) => {
                self.at += 1;
                Some(Next::Piece(piece.clone()))
            }
            None => tape.end.map(Next::End),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.recording.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn repeats() -> Repeats {
        Repeats::new(&Idempotency {
            window: Duration::from_secs(60),
            entries: 10,
            bytes: 1 << 20,
        })
    }

    fn first(repeats: &Repeats, key: &str) -> Arc<Recording> {
        match repeats.claim(&"team".into(), key, 1) {
            Claim::First(recording) => recording,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_repeat_joins_the_call_in_flight_and_reads_all_of_it() {
        let repeats = repeats();
        let recording = first(&repeats, "k");
        recording.head(Head::new(200, "application/json", Some(2)));
        let Claim::Repeat(same) = repeats.claim(&"team".into(), "k", 1) else {
            panic!("not joined")
        };
        let mut reader = same.reader();
        assert!(recording.has_readers());
        recording.piece(Bytes::from_static(b"ok"));
        repeats.finish(&"team".into(), "k", &recording, true);
        assert!(matches!(reader.next().await, Next::Head(head) if head.status == 200));
        assert!(matches!(reader.next().await, Next::Piece(piece) if &piece[..] == b"ok"));
        assert!(matches!(reader.next().await, Next::End(End::Whole)));
    }

    #[test]
    fn a_failed_call_can_be_tried_again_with_the_same_key() {
        let repeats = repeats();
        let recording = first(&repeats, "k");
        repeats.finish(&"team".into(), "k", &recording, false);
        first(&repeats, "k");
    }

    #[test]
    fn one_key_cannot_stand_for_two_calls_nor_for_two_callers() {
        let repeats = repeats();
        first(&repeats, "k");
        assert!(matches!(repeats.claim(&"team".into(), "k", 2), Claim::Mismatch));
        assert!(matches!(repeats.claim(&"other".into(), "k", 1), Claim::First(_)));
    }

    #[test]
    fn an_answer_that_is_too_long_is_not_kept() {
        let repeats = repeats();
        let recording = first(&repeats, "k");
        recording.piece(vec![0; MOST_BYTES + 1].into());
        repeats.finish(&"team".into(), "k", &recording, true);
        first(&repeats, "k");
    }
}
