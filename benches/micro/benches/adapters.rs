//! What an adapter costs: a request of 2 KB, an answer of 600 B and one event of a stream through the component, and the same
//! through what is built in.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use micro::{answer_body, event_data, plugin, request_body};
use penstock_llm::model::{Asked, CODECS, Codec, Dialect, Event, Events, StreamFrame, Target};
use penstock_plugin_host::{Adapter, EngineSettings, PluginEngine, PluginState};

/// A delta of Anthropic's, as long as the usual one.
const DELTA: &[u8] = br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"The quick brown fox jumps over the lazy dog, and then "}}"#;
const BEGUN: [&[u8]; 2] = [
    br#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}"#,
    br#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
];

fn requests(c: &mut Criterion) {
    let Some(adapter) = adapter("adapter-anthropic") else {
        return;
    };
    let body = request_body();
    let read = codec(Dialect::OpenAiChat).read_request(&body, &Asked::default());
    let request = read.expect("a chat request").value;
    let target = Target::new("m");
    let mut group = c.benchmark_group("adapters");
    group.bench_function("encode of adapter-anthropic, 2 KB", |b| {
        b.iter(|| adapter.encode(black_box(&request), &target).result.is_ok());
    });
    let native = codec(Dialect::AnthropicMessages);
    group.bench_function("the same built in", |b| {
        b.iter(|| native.write_request(black_box(&request), &target).is_ok());
    });
    group.finish();
}

fn answers(c: &mut Criterion) {
    let Some(adapter) = adapter("adapter-openai") else {
        return;
    };
    let body = answer_body();
    let mut group = c.benchmark_group("adapters");
    group.bench_function("decode of adapter-openai, answer of 600 B", |b| {
        b.iter(|| adapter.answer(200, black_box(&body), |read| read.is_ok()).result);
    });
    let native = codec(Dialect::OpenAiChat);
    group.bench_function("the same built in", |b| {
        b.iter(|| native.read_answer(black_box(&body)).is_ok());
    });
    group.finish();
}

fn events(c: &mut Criterion) {
    let Some(adapter) = adapter("adapter-anthropic") else {
        return;
    };
    let begun = BEGUN.map(StreamFrame::data);
    let mut state = PluginState::default();
    let ran = adapter.stream(&mut state, &begun, false, |events, _| events.len());
    assert!(ran.result.is_ok_and(|events| events > 0), "the stream begins");
    let delta = [StreamFrame::data(DELTA)];
    let is_delta = |events: Events<'_>| matches!(events.as_slice(), [Event::Delta { .. }]);
    let mut group = c.benchmark_group("adapters");
    group.bench_function("one event through adapter-anthropic", |b| {
        b.iter(|| {
            let ran = adapter.stream(&mut state, black_box(&delta), false, |events, _| is_delta(events));
            assert_eq!(ran.result, Ok(true));
        });
    });
    let batch = [StreamFrame::data(DELTA); 10];
    group.bench_function("ten events that came together", |b| {
        b.iter(|| {
            adapter
                .stream(&mut state, black_box(&batch), false, |events, _| events.len())
                .result
        });
    });
    let mut native = codec(Dialect::AnthropicMessages).stream_reader();
    native.read(begun[0], &mut Events::new());
    native.read(begun[1], &mut Events::new());
    group.bench_function("one event, built in", |b| {
        b.iter(|| {
            let mut events = Events::new();
            native.read(black_box(delta[0]), &mut events);
            events.len()
        });
    });
    group.finish();
}

/// The data of a chunk of chat completions, by way of an adapter that has them renamed.
fn renamed_events(c: &mut Criterion) {
    let settings =
        r#"{"rename": [{"at": "answer", "path": "/choices/*/delta/thought", "to": "reasoning_content"}]}"#;
    let Some(plugin) = plugin(&engine(), "adapter-openai", settings) else {
        return;
    };
    let adapter = Adapter::of(&plugin).expect("an adapter");
    let data = event_data();
    let frame = [StreamFrame::data(&data)];
    let mut state = PluginState::default();
    c.benchmark_group("adapters").bench_function(
        "one chunk of 280 B through adapter-openai with a rename",
        |b| {
            b.iter(|| {
                adapter
                    .stream(&mut state, black_box(&frame), false, |events, _| events.len())
                    .result
            });
        },
    );
}

fn adapter(component: &str) -> Option<Adapter> {
    let plugin = plugin(&engine(), component, "{}")?;
    Some(Adapter::of(&plugin).expect("an adapter"))
}

fn codec(dialect: Dialect) -> &'static dyn Codec {
    let codec = CODECS.iter().find(|codec| codec.dialect() == dialect);
    *codec.expect("every dialect of the bench is known")
}

fn engine() -> PluginEngine {
    PluginEngine::new(EngineSettings::default()).expect("an engine")
}

criterion_group!(adapters, requests, answers, events, renamed_events);
criterion_main!(adapters);
