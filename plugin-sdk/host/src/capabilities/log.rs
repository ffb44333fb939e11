//! Capability `log`: a plugin's lines in the gateway's log, bounded in length and number and unable to forge others.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::bindings::penstock::plugin::log as wit;
use crate::clock::Clock;
use crate::guest::Guest;
use crate::pool::unpoisoned;
use crate::verdict::shortened;

/// Where plugins' lines go. By default to the `log` crate, under the target `plugin::<name>`.
pub type LogSink = Arc<dyn Fn(&LogLine<'_>) + Send + Sync>;

/// One line of one plugin: no control characters, at most 1 KiB.
pub struct LogLine<'a> {
    /// `plugin::<name>`
    pub target: &'a str,
    pub plugin: &'a str,
    pub level: log::Level,
    pub message: &'a str,
}

pub fn default_sink() -> LogSink {
    Arc::new(|line| log::log!(target: line.target, line.level, "{}", line.message))
}

/// A line is a sentence with some values, not a payload.
const LONGEST_LINE: usize = 1024;
/// A plugin that logs for every request at a high rate would otherwise be most of the log.
const LINES_PER_SECOND: u32 = 100;

/// The log of one plugin.
pub struct Lines {
    plugin: Arc<str>,
    target: String,
    sink: LogSink,
    clock: Clock,
    second: Mutex<Option<Second>>,
}

struct Second {
    start: Instant,
    written: u32,
    dropped: u32,
}

impl Lines {
    pub fn new(plugin: &Arc<str>, clock: &Clock, sink: &LogSink) -> Lines {
        Lines {
            plugin: plugin.clone(),
            target: format!("plugin::{plugin}"),
            sink: sink.clone(),
            clock: clock.clone(),
            second: Mutex::new(None),
        }
    }

    pub fn write(&self, level: log::Level, message: String) {
        let Some(dropped) = self.admit() else {
            return;
        };
        if dropped > 0 {
            self.emit(
                log::Level::Warn,
                &format!("{dropped} lines were dropped: over {LINES_PER_SECOND} a second"),
            );
        }
        let mut message = shortened(message, LONGEST_LINE);
        if message.contains(char::is_control) {
            message = message.replace(char::is_control, " ");
        }
        self.emit(level, &message);
    }

    /// None where this second's lines are used up, else how many lines the second before had to drop.
    fn admit(&self) -> Option<u32> {
        let now = self.clock.now();
        let mut second = unpoisoned(&self.second);
        match second.as_mut() {
            Some(current) if now.saturating_duration_since(current.start) < Duration::from_secs(1) => {
                if current.written >= LINES_PER_SECOND {
                    current.dropped = current.dropped.saturating_add(1);
                    return None;
                }
                current.written += 1;
                Some(0)
            }
            over => {
                let dropped = over.map_or(0, |before| before.dropped);
                *second = Some(Second {
                    start: now,
                    written: 1,
                    dropped: 0,
                });
                Some(dropped)
            }
        }
    }

    fn emit(&self, level: log::Level, message: &str) {
        (self.sink)(&LogLine {
            target: &self.target,
            plugin: &self.plugin,
            level,
            message,
        });
    }
}

impl wit::Host for Guest {
    fn write(&mut self, level: wit::Level, message: String) -> wasmtime::Result<()> {
        self.charge_telling(0)?;
        let Some(left) = self.meter.log_lines.checked_sub(1) else {
            return Ok(());
        };
        self.meter.log_lines = left;
        let level = match level {
            wit::Level::Debug => log::Level::Debug,
            wit::Level::Info => log::Level::Info,
            wit::Level::Warn => log::Level::Warn,
            wit::Level::Error => log::Level::Error,
        };
        self.granted.log.write(level, message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected() -> (LogSink, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let sink: LogSink =
            Arc::new(move |line| unpoisoned(&kept).push(format!("{} {}", line.target, line.message)));
        (sink, lines)
    }

    #[test]
    fn a_line_cannot_forge_another_and_is_cut() {
        let (sink, lines) = collected();
        let log = Lines::new(&"p".into(), &Clock::system(), &sink);
        log.write(log::Level::Info, "a\nb\r\u{1b}[0m".into());
        log.write(log::Level::Info, "é".repeat(2000));
        let lines = unpoisoned(&lines);
        assert_eq!(lines[0], "plugin::p a b  [0m");
        assert_eq!(lines[1].len(), "plugin::p ".len() + LONGEST_LINE);
    }

    #[test]
    fn a_flood_is_cut_and_its_size_is_told_in_the_next_second() {
        let (sink, lines) = collected();
        let (clock, hand) = Clock::by_hand(0);
        let log = Lines::new(&"p".into(), &clock, &sink);
        for _ in 0..1000 {
            log.write(log::Level::Info, "x".into());
        }
        assert_eq!(unpoisoned(&lines).len(), 100);
        hand.advance(Duration::from_secs(1));
        log.write(log::Level::Info, "y".into());
        assert!(unpoisoned(&lines)[100].contains("900 lines were dropped"));
    }
}
