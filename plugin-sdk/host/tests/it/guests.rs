//! Builds the test guests once, and makes engines, plugins and calls for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use penstock_llm::openai::{self, ReadLimits, Request};
use penstock_plugin_host::{
    Call, CallBody, Capabilities, CapabilityTerms, CatalogueModel, CatalogueTarget, Delta, EngineSettings,
    FailMode, HeaderList, Instances, Kind, Limits, LoadSpec, ModelList, Operation, Plugin, PluginEngine,
    SetOf, Trips,
};

/// The guest with every hook and capability.
pub fn hostile() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| component("all", &[])).clone()
}

/// The guest with `lifecycle` and `on-event` only.
pub fn events_only() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES
        .get_or_init(|| component("events-only", &["--features", "events-only"]))
        .clone()
}

/// The guest that asks a service in every hook.
pub fn calls() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES
        .get_or_init(|| component("calls", &["--features", "calls"]))
        .clone()
}

/// The guest that is an adapter.
pub fn adapts() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES
        .get_or_init(|| component("adapts", &["--features", "adapts"]))
        .clone()
}

/// The component with one name replaced by another of the same length, everywhere.
pub fn renamed(from: &str, to: &str) -> Vec<u8> {
    renamed_in(&hostile(), from, to)
}

/// The same of any component.
pub fn renamed_in(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

/// The core module that the component is made from.
pub fn core_module() -> Bytes {
    build("all", &[]).into()
}

fn component(folder: &str, options: &[&str]) -> Bytes {
    let module = build(folder, options);
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder
        .validate(true)
        .module(&module)
        .expect("a module with its contract");
    encoder.encode().expect("a component").into()
}

fn build(folder: &str, options: &[&str]) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/hostile");
    let target = target().join("guests").join(folder);
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--quiet",
            "--target",
            "wasm32-unknown-unknown",
            "--manifest-path",
        ])
        .arg(source.join("Cargo.toml"))
        .args(options)
        .env("CARGO_TARGET_DIR", &target)
        .env(
            "RUSTFLAGS",
            "-Clink-arg=-zstack-size=65536 -Clink-arg=--initial-memory=524288",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(
        status.success(),
        "the test guest does not build: `rustup target add wasm32-unknown-unknown`?"
    );
    std::fs::read(target.join("wasm32-unknown-unknown/release/hostile.wasm")).expect("built just now")
}

/// The workspace's target folder.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a folder within target")
        .to_owned()
}

pub fn engine() -> PluginEngine {
    PluginEngine::new(EngineSettings {
        pool_instances: 16,
        ..EngineSettings::default()
    })
    .expect("an engine")
}

/// A plugin that does what `mode` says. The limits are those of production, but it never trips, and only loops run into
/// their deadline on a busy machine.
pub fn spec(mode: &str) -> LoadSpec {
    let hook_time = Duration::from_millis(if mode.contains("loop") { 10 } else { 2000 });
    let trips = Trips {
        count: 0,
        per: Duration::from_secs(60),
    };
    LoadSpec {
        name: "guest".into(),
        component: hostile(),
        settings: format!(r#"{{"mode":"{mode}"}}"#),
        grants: all_capabilities(),
        terms: CapabilityTerms::default(),
        fail: FailMode::Closed,
        limits: Limits {
            hook_time,
            trips,
            start_time: Duration::from_secs(2),
            ..Limits::default()
        },
        instances: Instances::default(),
    }
}

pub fn all_capabilities() -> Capabilities {
    SetOf::all()
}

pub fn load(mode: &str) -> Arc<Plugin> {
    engine().load(spec(mode)).expect("loads")
}

pub const CHAT: &str = r#"{"model":"gpt-4o","temperature":0.5,"messages":[
  {"role":"system","content":"be kind"},{"role":"user","content":"my secret is \"secret\""}]}"#;

pub fn chat(body: &str) -> Call {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request =
        Request::read(openai::Operation::Chat, body, &ReadLimits::default()).expect("a chat request");
    call(CallBody::Json(request))
}

pub fn call(body: CallBody) -> Call {
    let headers = [
        ("x-team", "blue"),
        ("X-Team", "red"),
        ("Authorization", "Bearer sk-1"),
        ("x-api-key", "sk-2"),
        ("api-key", "sk-3"),
        ("x-goog-api-key", "sk-4"),
        ("cookie", "sk-5"),
        ("proxy-authorization", "sk-6"),
    ];
    Call {
        id: "req-1".into(),
        operation: Operation::Chat,
        model: "gpt-4o".into(),
        streamed: true,
        caller: "team-a".into(),
        generation: 7,
        headers: Arc::new(HeaderList(
            headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        )),
        catalogue: Some(Arc::new(models(600))),
        body,
    }
}

/// So many models, each with one target; every second one has a price.
pub fn models(number: u64) -> ModelList {
    let target = |number: u64| CatalogueTarget {
        provider: "p".into(),
        model: format!("m{number}"),
        weight: 1,
        input_price: number.is_multiple_of(2).then_some(number),
        output_price: number.is_multiple_of(2).then_some(u64::MAX),
    };
    let model = |number| CatalogueModel {
        name: format!("model-{number}"),
        targets: vec![target(number)],
    };
    ModelList((0..number).map(model).collect())
}

pub fn text(window: &str) -> Delta<'_> {
    Delta {
        channel: 0,
        choice: 0,
        kind: Kind::Text,
        window,
        fresh: 0,
        last: false,
    }
}
