//! The clock by which guests are stopped: it ticks while one may be running, and sleeps while none is. Who runs for how
//! long is left to `limits` and `instance`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// How long a tick is. A guest is stopped at most one tick after its deadline. A shorter tick is more exact and dearer:
/// at one millisecond the waking thread took 2 % of a busy gateway's core.
pub const TICK: Duration = Duration::from_millis(5);

/// How long it ticks on after the last deadline, in ticks: so that steady traffic writes to shared memory twice a second,
/// not with every hook.
const SLACK_TICKS: u64 = 100;

/// Moves the engine's epoch. Ends when dropped.
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Ticks so far.
    now: AtomicU64,
    /// The tick after which no guest can be running.
    busy_until: AtomicU64,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    pub fn start(engine: &Engine) -> std::io::Result<Ticker> {
        let shared = Arc::<Shared>::default();
        let (engine, ticking) = (engine.weak(), shared.clone());
        let thread = std::thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || {
                ticking.run(|| match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => ticking.stop.store(true, Ordering::SeqCst),
                });
            })?;
        Ok(Ticker {
            shared,
            thread: Some(thread),
        })
    }

    /// Says that a guest will run for at most `ticks` from now.
    pub fn keep_ticking(&self, ticks: u64) {
        if let Some(thread) = &self.thread {
            self.shared.keep_ticking(ticks, thread.thread());
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // it has nothing to say, and it cannot panic
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Either it sees the new deadline before it falls asleep, or this sees that it sleeps: both sides write first and
    /// read then, in one order for all.
    fn keep_ticking(&self, ticks: u64, thread: &Thread) {
        let deadline = self.now.load(Ordering::Relaxed).saturating_add(ticks);
        if self.busy_until.load(Ordering::Relaxed) >= deadline {
            return;
        }
        self.busy_until
            .fetch_max(deadline.saturating_add(SLACK_TICKS), Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            thread.unpark();
        }
    }

    fn run(&self, tick: impl Fn()) {
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(TICK);
            tick();
            self.now.fetch_add(1, Ordering::Relaxed);
            self.sleep_while_idle();
        }
    }

    fn sleep_while_idle(&self) {
        if self.is_busy() {
            return;
        }
        self.asleep.store(true, Ordering::SeqCst);
        while !self.is_busy() && !self.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn is_busy(&self) -> bool {
        self.busy_until.load(Ordering::SeqCst) >= self.now.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn it_sleeps_when_no_guest_can_be_running_and_wakes_for_the_next() {
        let (shared, ticks) = (Arc::new(Shared::default()), Arc::new(AtomicU32::new(0)));
        let (ticking, counted) = (shared.clone(), ticks.clone());
        let (told, tell) = sync_channel(1024);
        let thread = std::thread::spawn(move || {
            ticking.run(|| {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = told.try_send(());
            });
        });
        while !shared.asleep.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let before = ticks.load(Ordering::SeqCst);
        while tell.try_recv().is_ok() {}
        shared.keep_ticking(2, thread.thread());
        for _ in 0..3 {
            tell.recv().expect("it ticks again");
        }
        assert!(ticks.load(Ordering::SeqCst) > before);
        shared.stop.store(true, Ordering::SeqCst);
        thread.thread().unpark();
        thread.join().expect("it ends");
    }
}
