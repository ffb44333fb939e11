//! What one request adds to the metrics. Labels are from closed lists: operations, statuses, endings, and the names of
//! the configuration; never a caller's words (PAIN R01).

use std::time::Duration;

use penstock_llm::usage::Usage;

use crate::exchange::{Exchange, Relayed};
use crate::state::metrics::Metrics;

pub fn count(metrics: &Metrics, exchange: &Exchange) {
    let total = exchange.total();
    let relayed = &exchange.relayed;
    requests(metrics, exchange, total);
    metrics
        .overhead
        .observe(total.saturating_sub(relayed.upstream_wait).as_secs_f64());
    if let Some(first_token) = relayed.first_token {
        metrics.first_token.observe(first_token.as_secs_f64());
        if let Some(gap) = mean_gap(first_token, total, relayed.events) {
            metrics.between_tokens.observe(gap.as_secs_f64());
        }
    }
    if let Some(limit) = relayed.error.as_ref().and_then(|error| error.limit) {
        metrics.rejected.with_label_values(&[limit]).inc();
    }
    attempts(metrics, exchange);
    plugins(metrics, exchange);
    if let (Some(served), Some(usage)) = (&exchange.dispatched.served_by, &relayed.usage) {
        tokens(metrics, exchange, &served.target.provider.name, usage);
    }
}

/// The common end, a 200, has its handles at hand.
fn requests(metrics: &Metrics, exchange: &Exchange, total: Duration) {
    let (kind, Relayed { status, ending, .. }) = (exchange.accepted.kind, &exchange.relayed);
    let count = || {
        let status = Status::new(*status);
        metrics
            .requests
            .with_label_values(&[kind.label(), status.label(), ending.label()])
    };
    let at_hand = (*status == 200)
        .then(|| metrics.ended.counter(kind.place(), *ending as usize, count))
        .flatten();
    match at_hand {
        Some(counter) => counter.inc(),
        None => count().inc(),
    }
    let make = || metrics.request_duration.with_label_values(&[kind.label()]);
    if let Some(histogram) = metrics.ended.duration(kind.place(), make) {
        histogram.observe(total.as_secs_f64());
    }
}

fn attempts(metrics: &Metrics, exchange: &Exchange) {
    let snapshot = &exchange.snapshot;
    for attempt in &exchange.dispatched.attempts {
        let (name, outcome) = (&attempt.provider, attempt.outcome);
        let handles = snapshot.meters.provider(snapshot, name);
        let make = || metrics.attempts.with_label_values(&[&**name, outcome.label()]);
        if let Some(counter) = handles.and_then(|handles| handles.counter(ATTEMPTS, outcome as usize, make)) {
            counter.inc();
        }
    }
}

fn plugins(metrics: &Metrics, exchange: &Exchange) {
    let snapshot = &exchange.snapshot;
    for run in &exchange.plugins {
        let Some(handles) = snapshot.meters.plugin(snapshot, &run.plugin) else {
            continue;
        };
        let (name, hook) = (&**run.plugin.name(), run.hook.as_str());
        let seconds = || metrics.plugin_seconds.with_label_values(&[name, hook]);
        if let Some(histogram) = handles.histogram(run.hook as usize, seconds) {
            histogram.observe(run.took.as_secs_f64());
        }
        let verdicts = || {
            metrics
                .plugin_verdicts
                .with_label_values(&[name, hook, run.verdict.label()])
        };
        if let Some(counter) = handles.counter(run.hook as usize, run.verdict as usize, verdicts) {
            counter.inc();
        }
    }
}

/// Rows of a provider's handles.
const ATTEMPTS: usize = 0;
const TOKENS: usize = 1;

fn tokens(metrics: &Metrics, exchange: &Exchange, provider: &str, usage: &Usage) {
    let snapshot = &exchange.snapshot;
    let Some(handles) = snapshot.meters.provider(snapshot, provider) else {
        return;
    };
    let counts = [
        ("prompt", usage.prompt),
        ("completion", usage.completion),
        ("cached", usage.cached),
    ];
    for (column, (direction, count)) in counts.into_iter().enumerate() {
        let make = || metrics.tokens.with_label_values(&[provider, direction]);
        if let (Some(count), Some(counter)) = (count, handles.counter(TOKENS, column, make)) {
            counter.inc_by(count.0);
        }
    }
}

/// The mean gap between a stream's events after the first.
fn mean_gap(first_token: Duration, total: Duration, events: u64) -> Option<Duration> {
    let gaps = u32::try_from(events.checked_sub(1)?)
        .ok()
        .filter(|gaps| *gaps > 0)?;
    Some(total.checked_sub(first_token)? / gaps)
}

/// A status as digits, without an allocation.
struct Status([u8; 3]);

impl Status {
    fn new(status: u16) -> Self {
        let digit = |number: u16| b'0' + u8::try_from(number % 10).unwrap_or(0);
        Self([digit(status / 100), digit(status / 10), digit(status)])
    }

    fn label(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_its_own_label() {
        assert_eq!(Status::new(503).label(), "503");
        assert_eq!(Status::new(0).label(), "000");
    }

    #[test]
    fn gaps_are_between_events() {
        let gap = mean_gap(Duration::from_millis(10), Duration::from_millis(40), 4);
        assert_eq!(gap, Some(Duration::from_millis(10)));
        assert_eq!(
            mean_gap(Duration::from_millis(10), Duration::from_millis(40), 1),
            None
        );
    }
}
