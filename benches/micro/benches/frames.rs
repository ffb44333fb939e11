//! Cutting a stream into frames and reading an event. Throughput is in events, so a line reads as time per event.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use micro::{EVENTS, event_data, stream};
use penstock_llm::openai::{EventView, Operation};
use penstock_llm::sse::{DEFAULT_MAX_EVENT_BYTES, SseReader};

fn frames(c: &mut Criterion) {
    let whole = stream();
    let mut group = c.benchmark_group("frames");
    group.throughput(Throughput::Elements(EVENTS as u64));
    // One chunk is a flat-out stream read at once; 280 B is an event a chunk; 100 B cuts every event.
    for chunk_bytes in [whole.len(), 280, 100] {
        let chunks: Vec<_> = (0..whole.len())
            .step_by(chunk_bytes)
            .map(|start| whole.slice(start..(start + chunk_bytes).min(whole.len())))
            .collect();
        group.bench_function(format!("split, chunks of {chunk_bytes} B"), |b| {
            b.iter_batched(
                || chunks.clone(),
                |chunks| {
                    let mut reader = SseReader::new(DEFAULT_MAX_EVENT_BYTES);
                    let mut count = 0;
                    for chunk in chunks {
                        reader.push(chunk);
                        while let Ok(Some(frame)) = reader.next() {
                            count += usize::from(black_box(frame).has_data());
                        }
                    }
                    assert_eq!(count, EVENTS + 1);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn events(c: &mut Criterion) {
    let data = event_data();
    let mut group = c.benchmark_group("frames");
    group.throughput(Throughput::Elements(1));
    group.bench_function("read one event", |b| {
        b.iter(|| EventView::read(Operation::Chat, black_box(&data)));
    });
    group.finish();
}

criterion_group!(benches, frames, events);
criterion_main!(benches);
