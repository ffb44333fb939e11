//! Makes a component of a plugin folder and checks that it is what plugin.yaml says.

use std::path::{Path, PathBuf};

use penstock_plugin_host::{Digest, Inspection, Member, SetOf};
use wit_component::ComponentEncoder;

use crate::cargo::{self, Layout};
use crate::error::KitError;
use crate::folder::Folder;
use crate::toolchain;

/// A component that was written.
#[derive(Debug)]
pub struct Built {
    /// The component's file.
    pub path: PathBuf,
    /// What identifies it.
    pub digest: Digest,
    /// In bytes.
    pub size: usize,
}

/// Compiles, componentizes and checks; writes to `out`, else to `target/plugins/<name>.wasm`.
pub fn build(folder: &Path, out: Option<&Path>) -> Result<Built, KitError> {
    let folder = Folder::open(folder)?;
    let layout = Layout::of(&folder.path)?;
    let toolchain = toolchain::find(&folder.path)?;
    eprintln!("building the plugin {} ...", folder.manifest.name);
    let module = cargo::module(&folder.path, &layout, &toolchain)?;
    let module = std::fs::read(&module).map_err(|error| KitError::file("cannot read", &module, &error))?;
    let component = componentize(&module)?;
    let inspection = checked(&folder, &component)?;
    let path = match out {
        Some(path) => path.to_path_buf(),
        None => layout.components().join(format!("{}.wasm", folder.manifest.name)),
    };
    write_whole(&path, &component)?;
    Ok(Built {
        path,
        digest: inspection.digest,
        size: component.len(),
    })
}

fn componentize(module: &[u8]) -> Result<Vec<u8>, KitError> {
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|it| it.encode());
    encoded.map_err(|error| {
        KitError::new(format!(
            "the module is no component: {error:#}; does src/lib.rs have a line `penstock_plugin::export!(...)`?"
        ))
    })
}

/// The component's own tables against plugin.yaml, which is what operators read.
fn checked(folder: &Folder, component: &[u8]) -> Result<Inspection, KitError> {
    let inspection = penstock_plugin_host::inspect(component)
        .map_err(|problem| KitError::new(format!("the component is broken: {problem}")))?;
    if !inspection.unknown_imports.is_empty() {
        let imports = inspection.unknown_imports.join(", ");
        return Err(KitError::new(format!(
            "the component imports what no plugin can have: {imports}"
        )));
    }
    agree(folder, "hooks", folder.hooks()?, inspection.hooks)?;
    agree(
        folder,
        "capabilities",
        folder.capabilities()?,
        inspection.capabilities,
    )?;
    Ok(inspection)
}

/// Both lists alike, else the line to write.
fn agree<M: Member + PartialEq>(
    folder: &Folder,
    field: &str,
    said: SetOf<M>,
    found: SetOf<M>,
) -> Result<(), KitError> {
    let all = || M::ALL.iter().copied();
    if all().all(|member| said.contains(member) == found.contains(member)) {
        return Ok(());
    }
    let names: Vec<&str> = all()
        .filter(|member| found.contains(*member))
        .map(Member::name)
        .collect();
    let names = names.join(", ");
    Err(folder.wrong(
        field,
        &format!("the component has others; if they are right, write `{field}: [{names}]`"),
    ))
}

/// Beside its place first, so that a gateway that watches the file never sees half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), KitError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| KitError::file("cannot make", parent, &error))?;
    let beside = parent.join(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    std::fs::write(&beside, bytes).map_err(|error| KitError::file("cannot write", &beside, &error))?;
    std::fs::rename(&beside, path).map_err(|error| KitError::file("cannot write", path, &error))
}
