//! What every test of this binary stands on: a scripted provider, a gateway in this process, a client that keeps every
//! byte. All of it blocks, on threads of its own: a test then reads from top to bottom in the order things happen.

pub mod calls;
pub mod client;
pub mod cuts;
pub mod dialects;
pub mod gateway;
pub mod http2;
pub mod log;
pub mod message;
pub mod plugins;
pub mod process;
pub mod provider;
pub mod recordings;
pub mod sigv4;
pub mod squeeze;
pub mod tls;
pub mod tunnel;

use std::time::{Duration, Instant};

/// How long any fact may take to come true. Generous: a test fails when a fact does not come, not when it is late.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a fact that can only be looked up, not awaited: a file's content, a metric.
pub fn eventually<T>(fact: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, fact, look)
}

/// The same with another patience.
#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
pub fn within<T>(patience: Duration, fact: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "did not come true within {} s: {fact}",
            patience.as_secs()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
