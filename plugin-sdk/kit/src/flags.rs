//! The flags that make a guest, always the same ones: a component depends on its sources and the compiler, not on the
//! folder, the workspace around it or the environment. Nothing here is read from a profile.

use std::ffi::OsString;
use std::path::Path;

use crate::toolchain::Toolchain;

/// Deep recursion is no habit of guests, and a fresh instance pays for every page that it touches.
const STACK_BYTES: u32 = 65_536;

/// Room for the stack, the static data and an ordinary guard's heap without `memory.grow`, which costs the host a system
/// call for every fresh instance.
const INITIAL_MEMORY_BYTES: u32 = 524_288;

/// The release profile, whatever the workspace says.
pub(crate) const PROFILE: [(&str, &str); 8] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    // a sum that wraps could let a text through; a trap is the host's to handle
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
];

/// What would change the bytes from outside.
pub(crate) const IGNORED_ENVIRONMENT: [&str; 4] = [
    "RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
];

/// `CARGO_ENCODED_RUSTFLAGS`: arguments for the linker, and names for folders in the place of paths.
pub(crate) fn rustflags(
    toolchain: &Toolchain,
    workspace: &Path,
    cargo_home: &Path,
    target: &Path,
) -> OsString {
    let mut flags = vec![
        OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}")),
        OsString::from(format!("-Clink-arg=--initial-memory={INITIAL_MEMORY_BYTES}")),
        // later ones win: the target folder is usually within the workspace
        renamed(workspace, "/plugin"),
        renamed(cargo_home, "/cargo"),
        renamed(target, "/target"),
    ];
    if let Toolchain::Installed { sysroot, commit } = toolchain {
        // with the component rust-src the library's paths are real ones
        flags.push(renamed(
            &sysroot.join("lib/rustlib/src/rust"),
            &format!("/rustc/{commit}"),
        ));
    }
    flags.join(&OsString::from("\x1f"))
}

fn renamed(path: &Path, name: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(path);
    flag.push("=");
    flag.push(name);
    flag
}
