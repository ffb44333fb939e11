//! What a component is, for its author and its operator.

use std::fmt;
use std::path::Path;

use penstock_plugin_host::{Inspection, Member, SetOf};

use crate::build::build;
use crate::error::KitError;

/// What can be told about a component without running it. Prints as `penstock plugin inspect` does.
#[derive(Debug)]
pub struct Facts(pub Inspection);

/// Looks into a component, or into the one that a folder makes.
pub fn inspect(path: &Path) -> Result<Facts, KitError> {
    let file = if path.is_dir() {
        build(path, None)?.path
    } else {
        path.to_path_buf()
    };
    let bytes = std::fs::read(&file).map_err(|error| KitError::file("cannot read", &file, &error))?;
    let inspection = penstock_plugin_host::inspect(&bytes)
        .map_err(|problem| KitError::new(format!("{}: {problem}", file.display())))?;
    Ok(Facts(inspection))
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts(it) = self;
        writeln!(f, "hooks:        {}", listed(it.hooks))?;
        writeln!(f, "capabilities: {}", listed(it.capabilities))?;
        writeln!(
            f,
            "contract:     penstock:plugin@{}",
            it.contract.as_deref().unwrap_or("none")
        )?;
        writeln!(f, "digest:       sha256:{}", it.digest)?;
        write!(f, "size:         {} bytes", it.size)?;
        for import in &it.unknown_imports {
            write!(f, "\nimports what no plugin can have: {import}")?;
        }
        for export in &it.other_exports {
            write!(f, "\nexports what nobody calls: {export}")?;
        }
        Ok(())
    }
}

fn listed<M: Member>(set: SetOf<M>) -> String {
    let names: Vec<&str> = set.iter().map(Member::name).collect();
    if names.is_empty() {
        "none".to_string()
    } else {
        names.join(", ")
    }
}
