//! What the gateways of this process have logged, kept so that a test can look for what must not be there.

use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

struct Kept(Mutex<String>);

static KEPT: Kept = Kept(Mutex::new(String::new()));

/// Starts keeping everything, from the whole process and at every level that a gateway may be run at.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&KEPT).expect("nothing else logs in a test");
        log::set_max_level(LevelFilter::Debug);
    });
}

/// Whether a text was logged. Other tests log too: look for something only yours says.
pub fn has(text: &str) -> bool {
    KEPT.0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .contains(text)
}

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("penstock") || metadata.target().starts_with("pingora")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {} {}\n", record.level(), record.target(), record.args());
            if std::env::var_os("PENSTOCK_TEST_LOG").is_some() {
                eprint!("{line}");
            }
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&line);
        }
    }

    fn flush(&self) {}
}
