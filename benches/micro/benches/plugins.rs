//! One call of each hook, with the plugins and settings of the load tests, on reused instances.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use micro::{answer, call, plugin};
use penstock_plugin_host::{AnswerView, Candidate, Delta, EngineSettings, Kind, PluginEngine, PluginState};

const REQUEST_PLUGINS: [(&str, &str); 2] = [
    (
        "prompt-decorator",
        r#"{"prepend": [{"role": "system", "text": "House rules: you speak with {{caller}}."}]}"#,
    ),
    ("guard-secrets", r#"{"scan": ["requests"], "action": "redact"}"#),
];

fn requests(c: &mut Criterion) {
    let engine = engine();
    let mut group = c.benchmark_group("plugins");
    for (component, settings) in REQUEST_PLUGINS {
        let Some(plugin) = plugin(&engine, component, settings) else {
            continue;
        };
        group.bench_function(format!("on_request of {component}, 2 KB"), |b| {
            b.iter_batched_ref(
                call,
                |call| plugin.on_request(call).result.is_ok(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn routes(c: &mut Criterion) {
    let engine = engine();
    let candidates = candidates();
    let mut group = c.benchmark_group("plugins");
    for strategy in ["cheapest", "sticky"] {
        let settings = format!("{{\"strategy\": \"{strategy}\"}}");
        let Some(plugin) = plugin(&engine, "route-balance", &settings) else {
            continue;
        };
        let mut call = call();
        group.bench_function(format!("on_route of route-balance, {strategy}"), |b| {
            b.iter(|| plugin.on_route(&mut call, black_box(&candidates)).result.is_ok());
        });
    }
    group.finish();
}

/// A delta as it comes from an event of 280 B, in the middle of a stream.
fn events(c: &mut Criterion) {
    let engine = engine();
    let Some(plugin) = plugin(
        &engine,
        "guard-secrets",
        r#"{"scan": ["answers"], "action": "redact"}"#,
    ) else {
        return;
    };
    let (mut call, mut state) = (call(), PluginState::default());
    let delta = Delta {
        channel: 0,
        choice: 0,
        kind: Kind::Text,
        window: "The quick brown fox jumps over the lazy dog, and then ",
        fresh: 0,
        last: false,
    };
    c.benchmark_group("plugins")
        .bench_function("on_event of guard-secrets, 54 B", |b| {
            b.iter(|| {
                plugin
                    .on_event(&mut call, black_box(delta), &mut state)
                    .result
                    .is_ok()
            });
        });
}

/// What the load tests' six plugins take of one unstreamed request, recycling of instances included.
fn chain(c: &mut Criterion) {
    let engine = engine();
    let chain = [
        (
            "prompt-decorator",
            r#"{"prepend": [{"role": "system", "text": "House rules: be brief. You speak with {{caller}} through {{model}}."}]}"#,
        ),
        (
            "prompt-decorator",
            r#"{"append": [{"role": "system", "text": "Generation {{generation}}, request {{request_id}}."}]}"#,
        ),
        ("guard-secrets", r#"{"scan": ["requests"], "action": "redact"}"#),
        ("guard-secrets", r#"{"scan": ["answers"], "action": "redact"}"#),
        ("route-balance", r#"{"strategy": "cheapest"}"#),
        ("route-balance", r#"{"strategy": "sticky", "sticky_by": "caller"}"#),
    ]
    .map(|(component, settings)| plugin(&engine, component, settings));
    if chain.iter().any(Option::is_none) {
        return;
    }
    let candidates = candidates();
    c.benchmark_group("plugins")
        .bench_function("all hooks of six plugins, 2 KB and 600 B", |b| {
            b.iter_batched_ref(
                || (call(), AnswerView::json(answer())),
                |(call, answer)| {
                    chain.iter().flatten().all(|plugin| {
                        plugin.on_request(call).result.is_ok()
                            && plugin.on_route(call, black_box(&candidates)).result.is_ok()
                            && plugin.on_response(call, answer).result.is_ok()
                    })
                },
                BatchSize::SmallInput,
            );
        });
}

fn candidates() -> [Candidate; 2] {
    ["near", "far"].map(|provider| Candidate {
        provider: provider.into(),
        model: "bench".into(),
        weight: 1,
        input_price: Some(150_000_000),
        output_price: Some(600_000_000),
        in_flight: 3,
        first_byte_us: Some(300_000),
        failures: 0,
    })
}

fn engine() -> PluginEngine {
    PluginEngine::new(EngineSettings::default()).expect("an engine on this machine")
}

criterion_group!(benches, requests, routes, events, chain);
criterion_main!(benches);
