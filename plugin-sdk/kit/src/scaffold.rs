//! Makes a plugin's folder: a small plugin that works, its cases, and the SDK that it is built with. The binary carries all
//! of it, so nothing has to be fetched but the SDK's own dependencies, in the versions that this release was built with.

use std::path::{Path, PathBuf};

use crate::error::KitError;
use crate::folder::check_name;

/// The plugin's files, with `{{name}}` and versions to fill in.
const TEMPLATE: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("plugin.yaml", include_str!("../template/plugin.yaml.in")),
    ("src/lib.rs", include_str!("../template/lib.rs.in")),
    ("tests/cases.yaml", include_str!("../template/cases.yaml.in")),
    ("README.md", include_str!("../template/README.md.in")),
    (".gitignore", include_str!("../template/gitignore.in")),
];

/// An adapter's files.
const ADAPTER_TEMPLATE: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../template/adapter/Cargo.toml.in")),
    ("plugin.yaml", include_str!("../template/adapter/plugin.yaml.in")),
    ("src/lib.rs", include_str!("../template/adapter/lib.rs.in")),
    (
        "tests/cases.yaml",
        include_str!("../template/adapter/cases.yaml.in"),
    ),
    ("README.md", include_str!("../template/adapter/README.md.in")),
    (".gitignore", include_str!("../template/gitignore.in")),
];

/// What adapters are built with besides, file by file as it is.
const ADAPTER_SDK: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/adapter_sdk.rs"));

/// The SDK, file by file as it is.
const SDK: [(&str, &str); 15] = [
    (
        "sdk/wit/penstock-plugin.wit",
        include_str!("../../wit/penstock-plugin.wit"),
    ),
    ("sdk/rust/README.md", include_str!("../../rust/README.md")),
    ("sdk/rust/src/arena.rs", include_str!("../../rust/src/arena.rs")),
    (
        "sdk/rust/src/bindings.rs",
        include_str!("../../rust/src/bindings.rs"),
    ),
    ("sdk/rust/src/cache.rs", include_str!("../../rust/src/cache.rs")),
    ("sdk/rust/src/export.rs", include_str!("../../rust/src/export.rs")),
    ("sdk/rust/src/guard.rs", include_str!("../../rust/src/guard.rs")),
    ("sdk/rust/src/http.rs", include_str!("../../rust/src/http.rs")),
    (
        "sdk/rust/src/interests.rs",
        include_str!("../../rust/src/interests.rs"),
    ),
    ("sdk/rust/src/lib.rs", include_str!("../../rust/src/lib.rs")),
    ("sdk/rust/src/plugin.rs", include_str!("../../rust/src/plugin.rs")),
    (
        "sdk/rust/src/settings.rs",
        include_str!("../../rust/src/settings.rs"),
    ),
    (
        "sdk/rust/src/testing.rs",
        include_str!("../../rust/src/testing.rs"),
    ),
    ("sdk/rust/src/window.rs", include_str!("../../rust/src/window.rs")),
    // cargo drops what a plugin does not need from it; what stays are the versions that were tested
    ("Cargo.lock", include_str!("../../../Cargo.lock")),
];

/// The SDK's crates: a second one of such a name cannot be built beside it.
const SDK_NAMES: [&str; 3] = ["penstock-plugin", "penstock-adapter", "penstock-llm"];

const SDK_MANIFEST: &str = include_str!("../../rust/Cargo.toml");
const ADAPTER_MANIFEST: &str = include_str!("../../adapter/Cargo.toml");
const LLM_MANIFEST: &str = include_str!("../../llm/Cargo.toml");
const WORKSPACE_MANIFEST: &str = include_str!("../../../Cargo.toml");

/// Writes the folder; the name is the plugin's, the crate's and the component's. A folder with something in it is left
/// alone.
pub fn new(name: &str, folder: &Path) -> Result<PathBuf, KitError> {
    made(name, folder, TEMPLATE)
}

/// The same of an adapter, with the dialects that it is built on.
pub fn new_adapter(name: &str, folder: &Path) -> Result<PathBuf, KitError> {
    let folder = made(name, folder, ADAPTER_TEMPLATE)?;
    for (path, text) in ADAPTER_SDK {
        write(&folder.join(path), text)?;
    }
    write(
        &folder.join("sdk/adapter/Cargo.toml"),
        &standalone(ADAPTER_MANIFEST),
    )?;
    write(&folder.join("sdk/llm/Cargo.toml"), &standalone(LLM_MANIFEST))?;
    Ok(folder)
}

fn made(name: &str, folder: &Path, template: [(&str, &str); 6]) -> Result<PathBuf, KitError> {
    check_name(name).map_err(KitError::new)?;
    if SDK_NAMES.contains(&name) {
        return Err(KitError::new(format!(
            "`{name}` is of the SDK, which the plugin is built with: choose another name"
        )));
    }
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(KitError::new(format!(
            "{} is not empty: nothing was written",
            folder.display()
        )));
    }
    let filled = |text: &str| {
        text.replace("{{name}}", name)
            .replace(
                "{{edition}}",
                &version("workspace.package", "edition").replace('"', ""),
            )
            .replace("{{serde}}", &version("workspace.dependencies", "serde"))
    };
    for (path, text) in template {
        write(&folder.join(path), &filled(text))?;
    }
    for (path, text) in SDK {
        write(&folder.join(path), text)?;
    }
    write(&folder.join("sdk/rust/Cargo.toml"), &standalone(SDK_MANIFEST))?;
    Ok(folder.to_path_buf())
}

/// A member's manifest without its workspace: what it inherits is written out, its lints are the workspace's business.
fn standalone(manifest: &str) -> String {
    let (mut out, mut table) = (String::new(), "");
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
        }
        match line.split_once(".workspace = true") {
            _ if table == "lints" || table == "dev-dependencies" => {}
            Some((key, _)) if table == "package" => {
                out += &format!("{key} = {}\n", version("workspace.package", key));
            }
            Some((key, _)) => {
                // the crates of the SDK lie side by side
                let version = version("workspace.dependencies", key).replace("\"plugin-sdk/", "\"../");
                out += &format!("{key} = {version}\n");
            }
            None => out += &format!("{line}\n"),
        }
    }
    out
}

/// The value of a key in a table of the root manifest, as it is written there.
fn version(table: &str, key: &str) -> String {
    let header = format!("[{table}]");
    let lines = WORKSPACE_MANIFEST
        .lines()
        .skip_while(|line| *line != header)
        .skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('['));
    let value = lines.find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    value
        .expect("the SDK inherits only what the root manifest has")
        .trim()
        .to_string()
}

fn write(path: &Path, text: &str) -> Result<(), KitError> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(|error| KitError::file("cannot make", parent, &error))?;
    std::fs::write(path, text).map_err(|error| KitError::file("cannot write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copied_sdk_needs_no_workspace_and_has_its_versions() {
        let manifest = standalone(SDK_MANIFEST);
        assert!(!manifest.contains("workspace"), "{manifest}");
        for line in [
            "edition = \"2024\"",
            "serde = { version = \"1\"",
            "wit-bindgen = { version = \"0.61",
        ] {
            assert!(manifest.contains(line), "{line}: {manifest}");
        }
    }

    #[test]
    fn the_copied_sdk_of_adapters_lies_side_by_side() {
        let manifest = standalone(ADAPTER_MANIFEST);
        for line in [
            "penstock-llm = { path = \"../llm\" }",
            "penstock-plugin = { path = \"../rust\" }",
        ] {
            assert!(manifest.contains(line), "{line}: {manifest}");
        }
        let llm = standalone(LLM_MANIFEST);
        assert!(!llm.contains("workspace") && !llm.contains("proptest"), "{llm}");
        let carried = |path: &str| ADAPTER_SDK.iter().any(|(there, _)| *there == path);
        assert!(carried("sdk/llm/src/lib.rs") && carried("sdk/adapter/src/lib.rs"));
    }

    #[test]
    fn every_source_file_of_the_sdk_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rust/src");
        let mut there = 0;
        for entry in std::fs::read_dir(folder).expect("the SDK's sources").flatten() {
            let name = format!("sdk/rust/src/{}", entry.file_name().to_string_lossy());
            assert!(
                SDK.iter().any(|(path, _)| *path == name),
                "{name} is not in the list"
            );
            there += 1;
        }
        assert_eq!(
            SDK.iter()
                .filter(|(path, _)| path.starts_with("sdk/rust/src/"))
                .count(),
            there
        );
    }
}
