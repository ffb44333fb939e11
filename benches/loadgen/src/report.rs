//! The figures of a run, as JSON or as text.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::load::Load;
use crate::process::Used;
use crate::tally::Tally;

pub struct Report {
    fields: Map<String, Value>,
    failures: u64,
}

/// What the process tree and this program had used at the two ends of the window.
pub struct Window {
    pub elapsed: Duration,
    pub before: Option<Used>,
    pub after: Option<Used>,
    /// the generator's own CPU, to see when it is the bottleneck
    pub own_cpu: Duration,
}

impl Report {
    pub fn new(load: &Load, tally: &mut Tally, window: &Window) -> Report {
        let seconds = window.elapsed.as_secs_f64();
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("scenario", load.scenario.name().into());
        put("seconds", rounded(seconds));
        put("sent", tally.sent.into());
        put("requests", tally.requests.into());
        put("requests_per_s", rounded(tally.requests as f64 / seconds));
        put("errors", tally.failures.values().sum::<u64>().into());
        put("failures", json!(tally.failures));
        for (name, samples) in [
            ("", &mut tally.totals_us),
            ("first_byte_", &mut tally.first_bytes_us),
            ("event_", &mut tally.event_delays_us),
        ] {
            samples.sort_unstable();
            for (figure, share) in [("p50", 0.50), ("p99", 0.99), ("max", 1.0)] {
                if let Some(sample) = quantile(samples, share) {
                    put(&format!("{name}{figure}_us"), sample.into());
                }
            }
        }
        if load.scenario.streams() {
            put("events", tally.events.into());
            put("events_per_s", rounded(tally.events as f64 / seconds));
        }
        put(
            "loadgen_cpu_share",
            rounded(window.own_cpu.as_secs_f64() / seconds),
        );
        if let Some((before, after)) = window.before.zip(window.after) {
            let cpu_us = after.cpu.saturating_sub(before.cpu).as_micros() as f64;
            put("cpu_share", rounded(cpu_us / 1e6 / seconds));
            put("cpu_us_per_request", per(cpu_us, tally.requests));
            if load.scenario.streams() {
                put("cpu_us_per_event", per(cpu_us, tally.events));
            }
            put("rss_before_kib", before.resident_kib.into());
            put("rss_after_kib", after.resident_kib.into());
        }
        Report {
            failures: tally.failures.values().sum(),
            fields,
        }
    }

    /// Adds a figure of a special scenario.
    pub fn add(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    /// Whether any request failed.
    pub fn failed(&self) -> bool {
        self.failures > 0
    }

    pub fn json(&self) -> String {
        Value::from(self.fields.clone()).to_string()
    }

    pub fn text(&self) -> String {
        let line = |(name, value): (&String, &Value)| format!("{name:<22} {value}");
        self.fields.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn per(sum: f64, count: u64) -> Value {
    if count == 0 {
        Value::Null
    } else {
        rounded(sum / count as f64)
    }
}

fn rounded(number: f64) -> Value {
    ((number * 1000.0).round() / 1000.0).into()
}

/// The sample that `share` of the others do not exceed.
fn quantile(sorted: &[u32], share: f64) -> Option<u32> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_samples_that_were_seen() {
        let sorted: Vec<u32> = (1..=200).collect();
        assert_eq!(
            [0.5, 0.99, 1.0].map(|share| quantile(&sorted, share)),
            [Some(100), Some(198), Some(200)]
        );
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.01), Some(7));
    }
}
