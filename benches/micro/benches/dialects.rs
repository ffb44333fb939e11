//! From one dialect to another, and the model as bytes: what an adapter's call costs besides the call itself. A line is
//! the time per event or per request.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use micro::request_body;
use penstock_llm::model::{Asked, Codec, Dialect, Envelope, Events, Losses, StreamFrame, Target};
use penstock_llm::wire::{read_events, read_request, write_events, write_request};

/// One event of a text, as Anthropic sends them.
const EVENT: &[u8] = br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"The quick brown fox jumps over"}}"#;

/// What comes before it.
const BEGINNING: [&[u8]; 2] = [
    br#"{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":460,"output_tokens":1}}}"#,
    br#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
];

const ENVELOPE: Envelope<'static> = Envelope {
    id: "made",
    created: 1_767_225_600,
    model: "bench",
    usage_asked: true,
    input_estimate: None,
    legacy_functions: false,
    repeated: None,
};

fn codec(dialect: Dialect) -> &'static dyn Codec {
    dialect.codec().expect("a dialect that is written")
}

/// A reader in the middle of a stream, as it is saved.
fn state() -> Vec<u8> {
    let mut reader = codec(Dialect::AnthropicMessages).stream_reader();
    for data in BEGINNING {
        reader.read(StreamFrame::data(data), &mut Events::new());
    }
    let mut state = Vec::new();
    reader.save(&mut state);
    state
}

fn event(c: &mut Criterion) {
    let anthropic = codec(Dialect::AnthropicMessages);
    let state = state();
    let mut reader = anthropic.restore(&state).expect("saved above");
    let mut events = Events::new();
    reader.read(StreamFrame::data(EVENT), &mut events);
    let losses = Losses::default();
    let mut message = Vec::new();
    write_events(&events, &losses, &mut message);

    let mut group = c.benchmark_group("dialects");
    let mut out = Vec::with_capacity(1024);
    let mut writer = codec(Dialect::OpenAiChat).stream_writer(&ENVELOPE);
    group.bench_function("event: Messages to chat, native", |b| {
        b.iter(|| {
            out.clear();
            let mut events = Events::new();
            reader.read(StreamFrame::data(black_box(EVENT)), &mut events);
            for event in &events {
                writer.write(event, &mut out);
            }
            out.len()
        });
    });
    group.bench_function("event: write as bytes", |b| {
        b.iter(|| {
            out.clear();
            write_events(black_box(&events), &losses, &mut out);
            out.len()
        });
    });
    group.bench_function("event: read from bytes", |b| {
        b.iter(|| {
            let mut events = Events::new();
            read_events(black_box(&message), &mut events).map(|_| events.len())
        });
    });
    group.bench_function("event: restore the reader, read, save it, write as bytes", |b| {
        b.iter(|| {
            out.clear();
            let mut reader = anthropic.restore(black_box(&state)).expect("saved above");
            let mut events = Events::new();
            reader.read(StreamFrame::data(EVENT), &mut events);
            reader.save(&mut out);
            write_events(&events, &reader.take_losses(), &mut out);
            out.len()
        });
    });
    group.finish();
}

fn request(c: &mut Criterion) {
    let body = request_body();
    let (chat, anthropic) = (codec(Dialect::OpenAiChat), codec(Dialect::AnthropicMessages));
    let read = chat.read_request(&body, &Asked::default()).expect("a request");
    let target = Target::new("bench");
    let mut message = Vec::new();
    write_request(&read.value, &target, &mut message);

    let mut group = c.benchmark_group("dialects");
    group.bench_function("2 KB request: chat to Messages, native", |b| {
        b.iter(|| {
            let read = chat.read_request(black_box(&body), &Asked::default());
            let read = read.expect("a request");
            anthropic
                .write_request(&read.value, &target)
                .map(|written| written.bytes.len())
        });
    });
    let mut out = Vec::with_capacity(4096);
    group.bench_function("2 KB request: write as bytes", |b| {
        b.iter(|| {
            out.clear();
            write_request(black_box(&read.value), &target, &mut out);
            out.len()
        });
    });
    group.bench_function("2 KB request: read from bytes", |b| {
        b.iter(|| read_request(black_box(&message)).map(|(request, _)| request.messages.len()));
    });
    group.finish();
}

criterion_group!(benches, event, request);
criterion_main!(benches);
