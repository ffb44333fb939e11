//! The process's log: one line per event on standard error, for people and for whoever collects it. Records of requests are
//! not logged, they have a sink of their own.
//!
//! Forty lines of our own instead of a crate: there is one format, one sink, and no filter but the level.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::startup::sources::Environment;
use crate::state::clock;

/// The variable that says how much is logged: `error`, `warn`, `info` (default), `debug`, `trace` or `off`.
const LEVEL_VARIABLE: &str = "PENSTOCK_LOG";

struct StandardError;

/// Starts logging. Does nothing if the process has a log already.
pub fn start(environment: &Environment) {
    let wanted = environment.variable(LEVEL_VARIABLE);
    let level = wanted.as_deref().map_or(Ok(LevelFilter::Info), str::parse);
    if log::set_logger(&StandardError).is_ok() {
        log::set_max_level(*level.as_ref().unwrap_or(&LevelFilter::Info));
    }
    if level.is_err() {
        log::warn!("{LEVEL_VARIABLE} is not one of error, warn, info, debug, trace, off: taken as info");
    }
}

impl Log for StandardError {
    /// Below warnings, only what the gateway itself says: its libraries tell of each connection that a client drops.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_from = |library: &str| metadata.target().starts_with(library);
        // The watcher warns of each folder that Kubernetes takes away after a change; files that cannot be read are told
        // by `reload`, with their remedy.
        let is_serious = metadata.level() <= log::Level::Warn && !is_from("notify");
        is_from("penstock") || is_serious || log::max_level() >= LevelFilter::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let time = clock::rfc3339(clock::now_ms());
            let line = format!(
                "{time} {:5} {}\n",
                record.level(),
                record.args().to_string().replace('\n', " | ")
            );
            // One write per line, so that lines of several threads do not mix; a closed standard error is no reason to stop.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn only_what_an_operator_can_use_is_logged() {
        let told =
            |target, level| StandardError.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(told("penstock::startup::reload", Level::Info));
        assert!(told("pingora_core::server", Level::Warn));
        assert!(!told("pingora_core::server", Level::Info));
        assert!(
            !told("notify::inotify", Level::Warn),
            "a folder that was swapped out"
        );
    }
}
