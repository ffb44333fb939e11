//! Runs cargo: asks it where things are, and makes a plugin's core module.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::KitError;
use crate::flags::{IGNORED_ENVIRONMENT, PROFILE, rustflags};
use crate::toolchain::{TARGET, Toolchain};

/// Where cargo puts and finds things for one folder.
#[derive(Debug, Deserialize)]
pub(crate) struct Layout {
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Layout {
    /// Asks cargo; needs no network.
    pub fn of(folder: &Path) -> Result<Layout, KitError> {
        let manifest = folder.join("Cargo.toml");
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(&manifest)
            .current_dir(folder)
            .output()
            .map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(KitError::new(format!(
                "cargo cannot read {}:\n{}",
                manifest.display(),
                said.trim()
            )));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            KitError::new(format!(
                "cargo metadata said something else than expected: {error}"
            ))
        })
    }

    /// Guests have a folder of their own, so that their flags never make cargo build the workspace again.
    pub fn guests(&self) -> PathBuf {
        self.target_directory.join("guests")
    }

    /// The folder of finished components.
    pub fn components(&self) -> PathBuf {
        self.target_directory.join("plugins")
    }

    /// The package in this folder, and the name of the file that its library becomes.
    fn guest(&self, folder: &Path) -> Result<(&str, String), KitError> {
        let manifest = folder.join("Cargo.toml");
        let here = |package: &&Package| {
            package
                .manifest_path
                .canonicalize()
                .is_ok_and(|path| path == manifest)
        };
        let package = self.packages.iter().find(here).ok_or_else(|| {
            KitError::new(format!(
                "{} is not a package of its workspace",
                manifest.display()
            ))
        })?;
        let library = package
            .targets
            .iter()
            .find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
        let library = library.ok_or_else(|| {
            let line = "[lib]\ncrate-type = [\"cdylib\"]";
            KitError::new(format!("{}: add the lines\n{line}", manifest.display()))
        })?;
        Ok((&package.name, format!("{}.wasm", library.name.replace('-', "_"))))
    }
}

/// Compiles the folder's package; the path of its core module.
pub(crate) fn module(folder: &Path, layout: &Layout, toolchain: &Toolchain) -> Result<PathBuf, KitError> {
    let (package, file) = layout.guest(folder)?;
    let target = layout.guests();
    let flags = rustflags(toolchain, &layout.workspace_root, &cargo_home(), &target);
    let mut command = match toolchain {
        Toolchain::Installed { .. } => Command::new(cargo()),
        Toolchain::Debian { linker } => debian_cargo(linker),
    };
    command
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--package",
            package,
            "--target-dir",
        ])
        .arg(&target);
    if let Toolchain::Debian { .. } = toolchain {
        command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
    }
    command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    command.envs(PROFILE).env("CARGO_ENCODED_RUSTFLAGS", flags);
    for name in IGNORED_ENVIRONMENT {
        command.env_remove(name);
    }
    // the author reads cargo's progress and errors as they come; stdout is the caller's
    let status = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(target.join(TARGET).join("release").join(file)),
        Ok(_) => Err(KitError::new(format!("{package} does not compile, see above"))),
        Err(error) => Err(no_cargo(&error)),
    }
}

fn no_cargo(error: &std::io::Error) -> KitError {
    KitError::new(format!(
        "cannot run cargo: {error}; install Rust with `curl --proto '=https' -sSf https://sh.rustup.rs | sh`"
    ))
}

/// The compiler's name must not be rustup's, whose linker is used.
fn debian_cargo(linker: &Path) -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    command
}

/// Within `cargo test` and `cargo run` cargo says where it is.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    let path = std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from);
    path.canonicalize().unwrap_or(path)
}
