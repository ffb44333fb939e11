//! What one request adds to the metrics. Labels are from closed lists: operations, statuses, endings, and the names of
//! the configuration; never a caller's words (PAIN R01).

use std::time::Duration;

use penstock_llm::usage::Usage;

use crate::exchange::Exchange;
use crate::state::metrics::Metrics;

pub fn count(metrics: &Metrics, exchange: &Exchange) {
    let total = exchange.accepted.at.elapsed();
    let operation = exchange.accepted.kind.label();
    let relayed = &exchange.relayed;
    let status = Status::new(relayed.status);
    metrics
        .requests
        .with_label_values(&[operation, status.label(), relayed.ending.label()])
        .inc();
    metrics
        .request_duration
        .with_label_values(&[operation])
        .observe(total.as_secs_f64());
    metrics
        .overhead
        .observe(total.saturating_sub(relayed.upstream_wait).as_secs_f64());
    if let Some(first_token) = relayed.first_token {
        metrics.first_token.observe(first_token.as_secs_f64());
        if let Some(gap) = mean_gap(first_token, total, relayed.events) {
            metrics.between_tokens.observe(gap.as_secs_f64());
        }
    }
    for attempt in &exchange.dispatched.attempts {
        metrics
            .attempts
            .with_label_values(&[&*attempt.provider, attempt.outcome.label()])
            .inc();
    }
    plugins(metrics, exchange);
    if let Some(limit) = relayed.error.as_ref().and_then(|error| error.limit) {
        metrics.rejected.with_label_values(&[limit]).inc();
    }
    if let (Some(served), Some(usage)) = (&exchange.dispatched.served_by, &relayed.usage) {
        tokens(metrics, &served.target.provider.name, usage);
    }
}

fn plugins(metrics: &Metrics, exchange: &Exchange) {
    for run in &exchange.plugins {
        let (name, hook) = (&**run.plugin.name(), run.hook.as_str());
        metrics
            .plugin_seconds
            .with_label_values(&[name, hook])
            .observe(run.took.as_secs_f64());
        metrics
            .plugin_verdicts
            .with_label_values(&[name, hook, run.verdict.label()])
            .inc();
    }
}

fn tokens(metrics: &Metrics, provider: &str, usage: &Usage) {
    for (direction, count) in [
        ("prompt", usage.prompt),
        ("completion", usage.completion),
        ("cached", usage.cached),
    ] {
        if let Some(count) = count {
            metrics
                .tokens
                .with_label_values(&[provider, direction])
                .inc_by(count.0);
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
