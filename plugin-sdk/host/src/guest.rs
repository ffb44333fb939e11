//! What a store holds: the call of the hook that runs, and what the hook may still use. Between hooks it holds neither.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::call::{AnswerBody, AnswerView, Call, CallBody};
use crate::capabilities::http::Waiting;
use crate::capabilities::random::Numbers;
use crate::capabilities::{Compiled, Granted, OnTerms};
use crate::fault::Overrun;
use crate::limits::Limits;

/// The data of one store.
pub struct Guest {
    /// Vacant between hooks.
    pub call: Call,
    pub answer: AnswerView,
    /// The bodies before the hook's first edit, to go back to if it fails.
    pub call_before: Option<CallBody>,
    pub answer_before: Option<AnswerBody>,
    /// An edit was made in this hook.
    pub edited: bool,
    pub stage: Stage,
    pub meter: Meter,
    pub memory: Memory,
    /// The host was asked for something: what the guest knows by now may be true at this moment only.
    pub asked: bool,
    pub numbers: Numbers,
    pub granted: Arc<Granted>,
    pub compiled: Arc<Compiled>,
    pub terms: Arc<OnTerms>,
    pub waiting: Waiting,
}

/// Which handles exist during a hook, and which of them can be edited.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No hook runs: `configure`, or nothing at all.
    None,
    /// The request has not left yet.
    Request,
    /// The answer is here whole.
    Response,
    /// The call is there to be read.
    Reading,
}

/// What the running hook may still use.
pub struct Meter {
    pub host_calls: u32,
    pub output_bytes: usize,
    pub log_lines: u32,
    /// How long the host may still work for it within its calls, which the guest's own deadline cannot stop.
    work_left: Duration,
}

impl Meter {
    /// More lines than this in one hook say nothing that fewer would not.
    pub const LOG_LINES: u32 = 16;

    pub fn new(host_calls: u32, output_bytes: usize, work_left: Duration) -> Meter {
        Meter {
            host_calls,
            output_bytes,
            log_lines: Meter::LOG_LINES,
            work_left,
        }
    }

    /// Work of the host that takes long enough to count, with the time when it has to end by itself.
    pub fn work<T>(&mut self, work: impl FnOnce(Instant) -> T) -> T {
        let start = Instant::now();
        let done = work(start + self.work_left);
        self.work_left = self.work_left.saturating_sub(start.elapsed());
        done
    }
}

/// The memory of one instance against its limit.
pub struct Memory {
    limit: usize,
    used: usize,
    /// The guest was denied memory since the hook began.
    pub refused: bool,
}

impl Memory {
    /// For what the host does to an instance that no hook will ever run in; the engine's own limit stays.
    pub fn lift_limit(&mut self) {
        self.limit = usize::MAX;
    }
}

impl Guest {
    pub fn new(
        granted: Arc<Granted>,
        compiled: Arc<Compiled>,
        terms: Arc<OnTerms>,
        limits: &Limits,
    ) -> Guest {
        Guest {
            call: Call::vacant(),
            answer: AnswerView::vacant(),
            call_before: None,
            answer_before: None,
            edited: false,
            stage: Stage::None,
            meter: Meter::new(limits.host_calls, limits.output_bytes, limits.start_work()),
            memory: Memory {
                limit: limits.memory_bytes,
                used: 0,
                refused: false,
            },
            asked: false,
            numbers: Numbers::seeded(),
            granted,
            compiled,
            terms,
            waiting: Waiting::none(),
        }
    }

    /// One call of the host that hands over `bytes`, and gets an answer.
    pub fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.asked = true;
        self.charge_telling(bytes)
    }

    /// The same for a call that only tells the host something.
    pub fn charge_telling(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let Some(calls) = self.meter.host_calls.checked_sub(1) else {
            return Err(Overrun::HostCalls.into());
        };
        let Some(output) = self.meter.output_bytes.checked_sub(bytes) else {
            return Err(Overrun::Output.into());
        };
        self.meter.host_calls = calls;
        self.meter.output_bytes = output;
        Ok(())
    }
}

/// Table elements of one instance: function pointers, about a thousand in a large guest.
const TABLE_ELEMENTS: usize = 100_000;
/// A component is a handful of core instances: the guest and the shims around it.
const CORE_INSTANCES: usize = 16;
const TABLES: usize = 16;
const MEMORIES: usize = 4;

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = used <= self.limit;
        if allowed {
            self.used = used;
        } else {
            self.refused = true;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
