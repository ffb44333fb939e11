//! Every metric, declared once, with labels from short closed lists. Handles that the request path touches are looked up
//! when a generation is made or on first use, never by building strings per request.

use crate::state::meters::Ended;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// From 100 us to 100 s: a gateway's share is at the low end, a long answer at the high one.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 100.0,
];

/// From 5 us: what the gateway and one plugin call add.
const SMALL_SECONDS: &[f64] = &[
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05,
    0.25, 1.0,
];

/// The process's metrics. One registry per gateway, so that tests can run several side by side.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub requests: IntCounterVec,
    pub request_duration: HistogramVec,
    pub overhead: Histogram,
    pub first_token: Histogram,
    pub between_tokens: Histogram,
    pub attempts: IntCounterVec,
    pub credential_renewals: IntCounterVec,
    pub tokens: IntCounterVec,
    pub plugin_seconds: HistogramVec,
    pub plugin_verdicts: IntCounterVec,
    plugin_custom: IntCounterVec,
    pub rejected: IntCounterVec,
    pub turned_away: IntCounterVec,
    pub betas_refused: IntCounter,
    pub live_streams: IntGauge,
    pub requests_in_flight: IntGauge,
    pub connections: IntGauge,
    pub body_memory_bytes: IntGauge,
    pub realtime_sessions: IntGauge,
    pub config_generation: IntGauge,
    pub live_generations: IntGauge,
    pub config_accepted: IntCounter,
    pub config_rejected: IntCounter,
    pub config_refused: IntGauge,
    pub records_dropped: IntCounter,
    /// Handles for the common end of a request.
    pub ended: Ended,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Registry::new())
    }
}

impl Metrics {
    fn new(r: Registry) -> Self {
        Self {
            requests: counters(
                &r,
                "penstock_requests_total",
                "requests ended",
                &["operation", "status", "ending"],
            ),
            request_duration: histograms(
                &r,
                "penstock_request_duration_seconds",
                "from the end of a request's head to the end of its answer",
                &["operation"],
                SECONDS,
            ),
            overhead: histogram(
                &r,
                "penstock_overhead_seconds",
                "a request's time less the waits for its provider",
                SMALL_SECONDS,
            ),
            first_token: histogram(
                &r,
                "penstock_first_token_seconds",
                "until the first event with content has left",
                SECONDS,
            ),
            between_tokens: histogram(
                &r,
                "penstock_between_tokens_seconds",
                "mean gap between a stream's events",
                SECONDS,
            ),
            attempts: counters(
                &r,
                "penstock_attempts_total",
                "tries at a provider",
                &["provider", "outcome"],
            ),
            credential_renewals: counters(
                &r,
                "penstock_credential_renewals_total",
                "tokens fetched to show to providers, first ones too",
                &["provider", "cloud", "outcome"],
            ),
            tokens: counters(
                &r,
                "penstock_tokens_total",
                "tokens that providers reported",
                &["provider", "direction"],
            ),
            plugin_seconds: histograms(
                &r,
                "penstock_plugin_seconds",
                "time in one plugin for one request",
                &["plugin", "hook"],
                SMALL_SECONDS,
            ),
            plugin_verdicts: counters(
                &r,
                "penstock_plugin_verdicts_total",
                "what plugins decided",
                &["plugin", "hook", "verdict"],
            ),
            plugin_custom: counters(
                &r,
                "penstock_plugin_custom_total",
                "what plugins count themselves",
                &["plugin", "name"],
            ),
            rejected: counters(
                &r,
                "penstock_rejected_total",
                "requests and connections refused at a limit",
                &["limit"],
            ),
            turned_away: counters(
                &r,
                "penstock_turned_away_total",
                "connections and heads that never became a request",
                &["code"],
            ),
            live_streams: gauge(&r, "penstock_live_streams", "streams under way"),
            requests_in_flight: gauge(&r, "penstock_requests_in_flight", "requests under way"),
            connections: gauge(&r, "penstock_connections", "client connections open"),
            body_memory_bytes: gauge(&r, "penstock_body_memory_bytes", "bytes held in request bodies"),
            realtime_sessions: gauge(&r, "penstock_realtime_sessions", "WebSocket sessions under way"),
            config_generation: gauge(
                &r,
                "penstock_config_generation",
                "the generation that new requests get",
            ),
            live_generations: gauge(
                &r,
                "penstock_live_generations",
                "generations that some request still uses",
            ),
            config_accepted: counter(
                &r,
                "penstock_config_accepted_total",
                "configuration changes taken",
            ),
            config_rejected: counter(
                &r,
                "penstock_config_rejected_total",
                "configuration changes refused",
            ),
            config_refused: gauge(
                &r,
                "penstock_config_refused",
                "1 while the files hold a configuration that was refused",
            ),
            records_dropped: counter(
                &r,
                "penstock_records_dropped_total",
                "records lost because their sink was full or failed",
            ),
            betas_refused: counter(
                &r,
                "penstock_betas_refused_total",
                "requests sent again without the beta headers that a provider refused",
            ),
            ended: Ended::default(),
            registry: r,
        }
    }

    /// Takes over where a plugin's own counter stands. Called from one thread: two would add the same twice.
    pub fn count_custom(&self, plugin: &str, name: &str, stands_at: u64) {
        let counter = self.plugin_custom.with_label_values(&[plugin, name]);
        if stands_at < counter.get() {
            // the plugin was away meanwhile, and began anew
            counter.reset();
        }
        counter.inc_by(stands_at - counter.get());
    }

    /// All of it in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            log::error!("metrics could not be written: {error}");
        }
        text
    }
}

/// One more of what a gauge counts, until it is dropped.
#[derive(Debug)]
pub struct OneMore(IntGauge);

impl OneMore {
    pub fn of(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("names and labels are literals of this file");
    registry
        .register(Box::new(collector.clone()))
        .expect("each name of this file is used once");
    collector
}

fn counter(r: &Registry, name: &str, help: &str) -> IntCounter {
    registered(r, IntCounter::new(name, help))
}

fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    registered(r, IntGauge::new(name, help))
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(r, IntCounterVec::new(Opts::new(name, help), labels))
}

fn histogram(r: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    registered(
        r,
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())),
    )
}

fn histograms(r: &Registry, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    registered(
        r,
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_scraped() {
        let metrics = Metrics::default();
        metrics.config_accepted.inc();
        metrics
            .requests
            .with_label_values(&["chat", "200", "complete"])
            .inc();
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("penstock_config_accepted_total 1"));
        for stands_at in [2, 5, 1] {
            metrics.count_custom("guard", "hits", stands_at);
            let line = format!(r#"penstock_plugin_custom_total{{name="hits",plugin="guard"}} {stands_at}"#);
            assert!(String::from_utf8(metrics.render()).unwrap().contains(&line));
        }
        assert!(
            text.contains(r#"penstock_requests_total{ending="complete",operation="chat",status="200"} 1"#)
        );
    }
}
