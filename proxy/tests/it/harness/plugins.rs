//! Components for tests: the repository's plugins, built when a source is newer, and the plugin host's guest that breaks
//! one rule after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use penstock_plugin_host::Capabilities;

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

/// The component that does what its settings' `mode` says, and the capabilities it needs.
pub fn hostile() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.wasm");
        let component = componentized(&module());
        std::fs::write(&path, component).expect("the build's folder can be written");
        path
    })
    .clone()
}

/// A plugin entry of a configuration.
pub fn hostile_entry(mode: &str, more: &str) -> String {
    let path = hostile();
    format!(
        "{{name: hostile, component: \"{}\", settings: {{mode: {mode}}}, capabilities: [{}]{more}}}",
        path.display(),
        Capabilities::all()
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
fn module() -> Vec<u8> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/host/tests/guests/hostile/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a folder within target")
        .join("guests/all");
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
