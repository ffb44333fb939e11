//! What a hook costs on this machine, printed: `cargo test --release -p penstock-plugin-host cost -- --ignored --nocapture`.

use std::time::Instant;

use penstock_plugin_host::{AnswerView, Instances, LoadSpec, PluginState};

use crate::guests::{CHAT, chat, engine, events_only, spec, text};

/// The median of batches, in nanoseconds a call.
fn measured(what: &str, mut once: impl FnMut()) {
    const CALLS: u32 = 500;
    let mut batches: Vec<u128> = (0..200)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| once());
            start.elapsed().as_nanos() / u128::from(CALLS)
        })
        .collect();
    batches.sort_unstable();
    println!(
        "{what:<50} p10 {:>7} ns  median {:>7} ns",
        batches[batches.len() / 10],
        batches[batches.len() / 2]
    );
}

#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_hooks() {
    let engine = engine();
    let plain = engine.load(spec("")).expect("loads");
    let small = engine
        .load(LoadSpec {
            component: events_only(),
            ..spec("")
        })
        .expect("loads");
    let guard = engine.load(spec("echo")).expect("loads");
    let idle = engine.load(spec("idle")).expect("loads");
    let fresh = engine
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec("")
        })
        .expect("loads");
    // what asks in `configure` gets no snapshot
    let configured = engine
        .load(LoadSpec {
            instances: Instances::Fresh,
            ..spec("asks")
        })
        .expect("loads");
    let (mut call, mut state) = (chat(CHAT), PluginState::default());
    println!(
        "a call has {} bytes, an answer {}",
        size_of_val(&call),
        size_of::<AnswerView>()
    );
    measured("on_request without interest", || {
        assert!(idle.on_request(&mut call).result.is_ok());
    });
    measured("on_request, nothing done", || {
        assert!(plain.on_request(&mut call).result.is_ok());
    });
    measured("on_request, two segments read", || {
        assert!(guard.on_request(&mut call).result.is_ok());
    });
    let on_event = |plugin: &penstock_plugin_host::Plugin, call: &mut _, state: &mut _| {
        assert!(plugin.on_event(call, text("0123456789"), state).result.is_ok());
    };
    measured("on_event, 10 bytes, nothing done", || {
        on_event(&plain, &mut call, &mut state);
    });
    measured("on_event, 10 bytes, the smallest guest", || {
        on_event(&small, &mut call, &mut state);
    });
    measured("on_event, 10 bytes, a guard with state", || {
        on_event(&guard, &mut call, &mut state);
    });
    measured("on_request, fresh instance from a snapshot", || {
        assert!(fresh.on_request(&mut call).result.is_ok());
    });
    measured("on_request, fresh instance, configured each time", || {
        assert!(configured.on_request(&mut call).result.is_ok());
    });
    println!("{:?}", engine.stats());
}
