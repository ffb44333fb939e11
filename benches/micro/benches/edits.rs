//! Reading a 2 KB request, editing it, and making the bytes that go out.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use micro::{answer_body, request, request_body};
use penstock_llm::json::{JsonLimits, Span, validate};
use penstock_llm::openai::{Answer, Operation, ReadLimits, Request, Role};
use penstock_llm::splice::{Splice, apply};

fn read(c: &mut Criterion) {
    let body = request_body();
    let limits = ReadLimits::default();
    let mut group = c.benchmark_group("edits");
    group.bench_function("validate 2 KB", |b| {
        b.iter(|| {
            validate(
                black_box(&body),
                &JsonLimits {
                    max_depth: limits.max_depth,
                },
            )
        });
    });
    group.bench_function("read 2 KB request", |b| {
        b.iter(|| Request::read(Operation::Chat, black_box(body.clone()), &limits));
    });
    group.bench_function("read and index 2 KB request", |b| {
        b.iter(|| {
            Request::read(Operation::Chat, black_box(body.clone()), &limits).map(|it| it.segments().len())
        });
    });
    let body = answer_body();
    group.bench_function("read 600 B answer", |b| {
        b.iter(|| Answer::read(Operation::Chat, black_box(body.clone())));
    });
    group.finish();
}

fn edit(c: &mut Criterion) {
    let mut group = c.benchmark_group("edits");
    group.bench_function("add a message", |b| {
        b.iter_batched(
            request,
            |mut request| {
                request
                    .add_message(0, Role::System, "Be brief.")
                    .expect("a conversation takes a message");
                request
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("replace a text", |b| {
        b.iter_batched(
            request,
            |mut request| {
                request
                    .replace_text(1, "What is the [redacted] building?")
                    .expect("segment 1 is a text");
                request
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn outbound(c: &mut Criterion) {
    let request = request();
    let body = request_body();
    let splices = [Splice::new(
        Span::new(10, 17),
        Bytes::from_static(b"\"gpt-4o-mini-2024-07-18\""),
    )];
    let mut group = c.benchmark_group("edits");
    group.bench_function("outbound, same model", |b| {
        b.iter(|| {
            let mut out = Vec::with_capacity(4096);
            black_box(&request).outbound("bench", false).write_into(&mut out);
            out
        });
    });
    group.bench_function("outbound, other model and usage option", |b| {
        b.iter(|| {
            let mut out = Vec::with_capacity(4096);
            black_box(&request)
                .outbound("gpt-4o-mini-2024-07-18", true)
                .write_into(&mut out);
            out
        });
    });
    group.bench_function("one splice in 2 KB", |b| {
        b.iter(|| apply(black_box(&body), &splices));
    });
    group.finish();
}

criterion_group!(benches, read, edit, outbound);
criterion_main!(benches);
