//! What the `penstock plugin` commands do: make a plugin folder, build it into a component, look into it, run its cases
//! in the real host, and measure it. Serving traffic with the component is left to the gateway.
//!
//! Starts `cargo`, `rustc` and `rustup`; opens no socket itself.

mod adapters;
mod bench;
mod build;
mod cargo;
mod cases;
mod drive;
mod error;
mod find;
mod flags;
mod folder;
mod inspect;
mod run;
mod scaffold;
mod services;
mod toolchain;
mod ways;
mod yaml;

pub use bench::{Measured, bench, table};
pub use build::{Built, build};
pub use error::KitError;
pub use find::{built, built_path, repository};
pub use folder::{Manifest, Setting};
pub use inspect::{Facts, inspect};
pub use run::{CaseResult, Report, test};
pub use scaffold::{new, new_adapter};
