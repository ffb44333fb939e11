//! What the mock received and how each answer ended: a bounded list that tests read. Decides nothing.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::encode::base64;
use crate::wire::{Head, Request};

/// What the list keeps in bytes; the oldest entries go first. Room for a test with several bodies of the 50 MB limit.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// How an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// still waiting or writing
    Answering,
    /// written to its end
    Complete,
    /// the peer left before the end
    Disconnected,
    /// broken on purpose, by a control of the request
    Faulted,
}

impl Ending {
    fn word(self) -> &'static str {
        match self {
            Ending::Answering => "answering",
            Ending::Complete => "complete",
            Ending::Disconnected => "disconnected",
            Ending::Faulted => "faulted",
        }
    }
}

/// One request as it came in, and what became of its answer.
#[derive(Clone, Debug)]
pub struct Received {
    /// counts from 1 in the order of arrival
    pub id: u64,
    pub method: String,
    pub path: String,
    /// names as spelled on the wire
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// 0 until a status was decided
    pub status: u16,
    /// content events written so far, role, finish and usage events not counted
    pub events: u64,
    pub ending: Ending,
}

impl Received {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| &**value)
    }

    /// The form of `GET /__mock/requests`: `body` where it is UTF-8, else `body_base64`.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "method": self.method, "path": self.path, "headers": self.headers,
            "status": self.status, "events": self.events, "ending": self.ending.word(),
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) => shown["body"] = text.into(),
            Err(_) => shown["body_base64"] = base64(&self.body).into(),
        }
        shown
    }
}

/// The list. Keeps heads and bodies as they are and makes `Received` of them only when somebody looks.
pub struct Log {
    state: Mutex<State>,
    changed: Condvar,
    max_requests: usize,
}

struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    last_id: u64,
    waiters: usize,
}

struct Entry {
    id: u64,
    head: Head,
    body: Bytes,
    status: u16,
    events: u64,
    ending: Ending,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    fn to_received(&self) -> Received {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Received {
            id: self.id,
            method: self.head.method().to_owned(),
            path: self.head.path().to_owned(),
            headers: self.head.headers().map(own).collect(),
            body: self.body.clone(),
            status: self.status,
            events: self.events,
            ending: self.ending,
        }
    }
}

impl Log {
    /// `max_requests` 0 keeps nothing and costs nothing.
    pub fn new(max_requests: usize) -> Log {
        let state = State {
            entries: VecDeque::new(),
            bytes: 0,
            last_id: 0,
            waiters: 0,
        };
        Log {
            state: Mutex::new(state),
            changed: Condvar::new(),
            max_requests,
        }
    }

    /// Puts a request on the list and names it.
    pub fn arrived(&self, request: &Request) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        if self.max_requests == 0 {
            return id;
        }
        let entry = Entry {
            id,
            head: request.head.clone(),
            body: request.body.clone(),
            status: 0,
            events: 0,
            ending: Ending::Answering,
        };
        state.bytes += entry.bytes();
        state.entries.push_back(entry);
        while state.entries.len() > self.max_requests || state.bytes > MAX_KEPT_BYTES {
            let Some(oldest) = state.entries.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes();
        }
        self.tell(&state);
        id
    }

    pub fn progressed(&self, id: u64, status: u16, events: u64, ending: Ending) {
        if self.max_requests == 0 {
            return;
        }
        let mut state = self.lock();
        // Ids are contiguous; an entry that left the list has an id below the first one's.
        let place = state.entries.front().and_then(|first| id.checked_sub(first.id));
        if let Some(entry) = place.and_then(|place| state.entries.get_mut(place as usize)) {
            (entry.status, entry.events, entry.ending) = (status, events, ending);
            self.tell(&state);
        }
    }

    pub fn all(&self) -> Vec<Received> {
        self.lock().entries.iter().map(Entry::to_received).collect()
    }

    pub fn clear(&self) {
        let mut state = self.lock();
        state.entries.clear();
        state.bytes = 0;
    }

    /// Blocks until the list looks as wanted, at most `limit`. The answer is whether it does.
    pub fn wait_until(&self, limit: Duration, mut wanted: impl FnMut(&[Received]) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        state.waiters += 1;
        let found = loop {
            let list: Vec<Received> = state.entries.iter().map(Entry::to_received).collect();
            if wanted(&list) {
                break true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        state.waiters -= 1;
        found
    }

    /// Waking nobody still costs a system call, which a load test would see.
    fn tell(&self, state: &State) {
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A waiter's closure may panic with the lock held (a failed assertion); the list itself is never half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
