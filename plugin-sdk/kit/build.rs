//! Lists the sources that folders of adapters are built with, so that the binary carries them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// By their folder under `plugin-sdk`.
const CRATES: [&str; 2] = ["adapter", "llm"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let sdk = here.parent().unwrap_or(&here);
    let mut list = String::from("[\n");
    for name in CRATES {
        let source = sdk.join(name).join("src");
        println!("cargo:rerun-if-changed={}", source.display());
        for file in files(&source)? {
            let place = file.strip_prefix(sdk).unwrap_or(&file);
            let place = place.to_string_lossy().replace('\\', "/");
            // writing to a String does not fail
            let _ = writeln!(list, "({:?}, include_str!({file:?})),", format!("sdk/{place}"));
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("adapter_sdk.rs"), list)
}

/// Every file below, always in the same order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => all.extend(files(&path)?),
            false => all.push(path),
        }
    }
    all.sort();
    Ok(all)
}
