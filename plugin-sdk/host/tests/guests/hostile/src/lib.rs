//! A guest that does what its settings say: behave, or break one rule. `{"mode": "..."}` names which.

use std::cell::{Cell, RefCell};

#[cfg(feature = "adapts")]
mod adapts;
#[cfg(not(any(feature = "events-only", feature = "calls", feature = "adapts")))]
mod all;
#[cfg(feature = "calls")]
mod calls;
#[cfg(feature = "events-only")]
mod events_only;

thread_local! {
    static MODE: RefCell<String> = const { RefCell::new(String::new()) };
    /// How many hooks this instance has seen: what a guest remembers between calls.
    static SEEN: Cell<u64> = const { Cell::new(0) };
    static SETTINGS: RefCell<String> = const { RefCell::new(String::new()) };
    /// What `configure` was given for what it compiled first.
    static HANDLE: Cell<u32> = const { Cell::new(0) };
}

/// The value of `"mode"`, without a JSON parser.
fn set_mode(settings: &str) {
    let mode = settings.split("\"mode\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
    MODE.with_borrow_mut(|kept| *kept = mode.to_owned());
    SETTINGS.with_borrow_mut(|kept| *kept = settings.to_owned());
}

/// What follows `"name":` in the settings, up to the next `delimiter`.
#[cfg(not(feature = "events-only"))]
fn after(name: &str, delimiter: &[char]) -> String {
    SETTINGS.with_borrow(|settings| {
        let rest = settings.split(&format!("\"{name}\":")).nth(1).unwrap_or("");
        rest.trim_start_matches('"').split(delimiter).next().unwrap_or("").to_owned()
    })
}

/// A number of the settings; 0 where it is not there.
#[cfg(not(feature = "events-only"))]
fn setting(name: &str) -> usize {
    after(name, &[',', '}']).parse().unwrap_or(0)
}

/// A text of the settings without quotes in it.
#[cfg(not(feature = "events-only"))]
fn text_setting(name: &str) -> String {
    after(name, &['"'])
}

fn mode() -> String {
    SEEN.set(SEEN.get() + 1);
    MODE.with_borrow(String::clone)
}

/// What ends badly in every hook alike.
fn misbehave(mode: &str) {
    match mode {
        "loop" => spin(),
        "trap" => trap(),
        "panic" => panic!("boom"),
        "grow" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
                std::hint::black_box(&kept);
            }
        }
        "deep" => {
            std::hint::black_box(recurse(1));
        }
        _ => {}
    }
}

fn spin() {
    let mut turns = 0u64;
    loop {
        turns = turns.wrapping_add(1);
        std::hint::black_box(&turns);
    }
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let mut frame = [depth; 64];
    std::hint::black_box(&mut frame);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + frame[(depth % 64) as usize] }
}

/// A string whose length is a lie, or whose bytes are not UTF-8. Never dropped: it is only handed to the host.
fn lie(mode: &str) -> Option<String> {
    let (start, length) = match mode {
        "lie-past-the-end" => (memory_end() - 16, 100_000),
        "lie-everything" => (16, i32::MAX as usize),
        "not-utf8" => (Vec::leak(vec![0xff_u8; 8]).as_ptr() as usize, 8),
        _ => return None,
    };
    Some(unsafe { String::from_raw_parts(start as *mut u8, length, length) })
}

fn memory_end() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size(0) << 16;
    #[cfg(not(target_arch = "wasm32"))]
    0
}
