//! A compiler that can build for wasm32-unknown-unknown: the one at hand, the same after `rustup target add`, or
//! Debian's. Running it is left to `cargo`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::KitError;

/// What plugins are built for: no system interface of any kind.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How to compile for the target.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// `cargo` on the path has the target's library.
    Installed { sysroot: PathBuf, commit: String },
    /// Debian's `cargo` and library source, with the path's linker; the library is built along.
    Debian { linker: PathBuf },
}

/// Finds one, installing the target where rustup can.
pub(crate) fn find(folder: &Path) -> Result<Toolchain, KitError> {
    let sysroot = PathBuf::from(rustc(folder, &["--print", "sysroot"])?.trim());
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !library.is_dir() && !added_by_rustup(folder) {
        return debian(&sysroot).ok_or_else(missing);
    }
    let version = rustc(folder, &["-vV"])?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .unwrap_or("unknown");
    Ok(Toolchain::Installed {
        sysroot,
        commit: commit.to_string(),
    })
}

fn rustc(folder: &Path, arguments: &[&str]) -> Result<String, KitError> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&compiler)
        .args(arguments)
        .current_dir(folder)
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(KitError::new(format!(
            "rustc failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
        Err(error) => Err(KitError::new(format!(
            "no Rust compiler: {error}; install one with `curl --proto '=https' -sSf https://sh.rustup.rs | sh`"
        ))),
    }
}

/// `rustup target add`, where there is a rustup; false where that does not help.
fn added_by_rustup(folder: &Path) -> bool {
    eprintln!("installing the Rust target {TARGET} ...");
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .status();
    status.is_ok_and(|status| status.success())
}

/// Debian's packages: rustc-web and cargo-web, with the library's source in rust-web-src.
fn debian(sysroot: &Path) -> Option<Toolchain> {
    let present = [
        "/usr/bin/cargo",
        "/usr/bin/rustc",
        "/usr/lib/rustlib/src/rust/library/Cargo.toml",
    ];
    let source = present.iter().all(|path| Path::new(path).exists());
    let linker = sysroot.join(format!(
        "lib/rustlib/{}-unknown-linux-gnu/bin/rust-lld",
        std::env::consts::ARCH
    ));
    (source && linker.is_file()).then_some(Toolchain::Debian { linker })
}

fn missing() -> KitError {
    KitError::new(format!(
        "the Rust target {TARGET} is missing and `rustup target add {TARGET}` did not work; on Debian run\n    \
         apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src\n\
         and try again: the library is then built from source (about a minute, once)"
    ))
}
