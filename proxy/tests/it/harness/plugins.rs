//! Components for tests: the repository's plugins, built when a source is newer, and the plugin host's guest that breaks
//! one rule after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with the repository's own plugins.
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let build =
            |name| penstock_plugin_kit::built_path(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let paths = ["guard-secrets", "prompt-decorator", "route-balance"].map(build);
        paths[0].parent().expect("a file is in a folder").to_owned()
    };
    FOLDER.get_or_init(build).clone()
}

/// One of the repository's adapters.
pub fn adapter(name: &str) -> PathBuf {
    penstock_plugin_kit::built_path(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The adapter that does what its settings say: `only` in one of its interfaces, giving these bytes.
pub fn hostile_adapter_entry(mode: &str, only: &str, bytes: &[u8], more: &str) -> String {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| written("adapts.wasm", &module("adapts", &["--features", "adapts"])));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{{name: adapts, component: \"{}\", settings: {{mode: {mode}, only: {only}, hex: \"{hex}\", encoding: {}}}{more}}}",
        path.display(),
        penstock_llm::wire::VERSION
    )
}

/// The component that does what its settings' `mode` says, and the capabilities it needs.
pub fn hostile() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| written("hostile.wasm", &module("all", &[])))
        .clone()
}

/// The component that asks the service at its settings' `url`.
pub fn calls() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| written("calls.wasm", &module("calls", &["--features", "calls"])))
        .clone()
}

/// A plugin entry with that component, called at one hook only. `http` is what the operator allows.
pub fn calls_entry(mode: &str, hook: &str, url: &str, http: &str, more: &str) -> String {
    let path = calls();
    format!(
        "{{name: calls, component: \"{}\", settings: {{mode: {mode}, hooks: {hook}, url: \"{url}\"}}, capabilities: [http], http: {{{http}}}{more}}}",
        path.display()
    )
}

fn written(name: &str, module: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // complete or not there at all: every test is a process of its own
    let beside = path.with_extension(std::process::id().to_string());
    std::fs::write(&beside, componentized(module)).expect("the build's folder can be written");
    std::fs::rename(&beside, &path).expect("the build's folder can be written");
    path
}

/// What the hostile guest imports.
const HOSTILE_USES: &str =
    "log, metrics, clock, random, kv, counters, catalogue, tokenizer, expr, match, cache";

/// A plugin entry of a configuration.
pub fn hostile_entry(mode: &str, more: &str) -> String {
    let path = hostile();
    format!(
        "{{name: hostile, component: \"{}\", settings: {{mode: {mode}}}, capabilities: [{HOSTILE_USES}]{more}}}",
        path.display()
    )
}

fn componentized(module: &[u8]) -> Vec<u8> {
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder
        .validate(true)
        .module(module)
        .expect("a module with its contract");
    encoder.encode().expect("a component")
}

/// Built as the plugin host's own tests do, into the same place.
fn module(folder: &str, options: &[&str]) -> Vec<u8> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/host/tests/guests/hostile/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a folder within target")
        .join("guests")
        .join(folder);
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--quiet",
            "--target",
            "wasm32-unknown-unknown",
            "--manifest-path",
        ])
        .arg(source)
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
        built.success(),
        "the test guest does not build: `rustup target add wasm32-unknown-unknown`?"
    );
    std::fs::read(target.join("wasm32-unknown-unknown/release/hostile.wasm")).expect("built just now")
}

/// The same component with another digest: a custom section says nothing to anybody.
pub fn variant(component: &[u8], number: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    // id 0, length, length of the name, the name
    bytes.extend_from_slice(&[0, 3, 1, b'v', number]);
    bytes
}
