//! The repository's own components, for tests and benches: built when a source is newer.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;

use crate::build::build;
use crate::cargo::Layout;
use crate::error::KitError;

/// The repository's root, as this crate was built in it.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The bytes of `plugins/<name>`, up to date.
pub fn built(name: &str) -> Result<Bytes, KitError> {
    let path = built_path(name)?;
    let bytes = std::fs::read(&path).map_err(|error| KitError::file("cannot read", &path, &error))?;
    Ok(bytes.into())
}

/// The file `target/plugins/<name>.wasm`, up to date.
pub fn built_path(name: &str) -> Result<PathBuf, KitError> {
    // one build at a time: tests run in many threads and would all start cargo
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = repository();
    let folder = root.join("plugins").join(name);
    let path = Layout::of(&folder)?.components().join(format!("{name}.wasm"));
    let of_adapters = [root.join("plugin-sdk/adapter"), root.join("plugin-sdk/llm/src")];
    let is_adapter = name.starts_with("adapter-");
    let sources = [
        folder,
        root.join("plugin-sdk/rust"),
        root.join("plugin-sdk/wit"),
        root.join("Cargo.lock"),
    ];
    let newest = sources
        .iter()
        .chain(of_adapters.iter().filter(|_| is_adapter))
        .map(|source| newest(source))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let made = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
    if made.is_ok_and(|made| made >= newest) {
        return Ok(path);
    }
    build(&root.join("plugins").join(name), None).map(|built| built.path)
}

/// When the newest file of a folder was written.
fn newest(path: &Path) -> SystemTime {
    let own = std::fs::metadata(path)
        .and_then(|it| it.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let Ok(entries) = std::fs::read_dir(path) else {
        return own;
    };
    entries
        .flatten()
        .map(|entry| newest(&entry.path()))
        .fold(own, SystemTime::max)
}
