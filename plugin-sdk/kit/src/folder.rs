//! A plugin's folder: where its parts are, and what its plugin.yaml says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use penstock_plugin_host::{Capabilities, Capability, Hook, Hooks, Member, SetOf};
use serde::Deserialize;

use crate::error::KitError;
use crate::yaml;

/// `plugin.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The component's file name, and what a config calls it.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// The hooks that the component exports.
    pub hooks: Vec<String>,
    /// The capabilities that it imports, and an operator has to grant.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Of an adapter: what it speaks with providers, a dialect's name or one of its own.
    #[serde(default)]
    pub dialects: Vec<String>,
    /// The settings that it takes, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
}

/// One setting, for readers: the plugin itself checks what it is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it takes, in words.
    pub r#type: String,
    /// What holds where the operator says nothing.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// What it does.
    pub doc: String,
}

/// The folder as it was given, absolute.
pub(crate) struct Folder {
    pub path: PathBuf,
    pub manifest: Manifest,
}

impl Folder {
    /// Reads and checks `plugin.yaml`.
    pub fn open(path: &Path) -> Result<Folder, KitError> {
        let path = path
            .canonicalize()
            .map_err(|error| KitError::file("cannot open", path, &error))?;
        let file = path.join("plugin.yaml");
        if !file.is_file() {
            return Err(KitError::new(format!(
                "{} is no plugin: it has no plugin.yaml (`penstock plugin new <name>` makes a folder)",
                path.display()
            )));
        }
        let folder = Folder {
            manifest: yaml::read(&file)?,
            path,
        };
        check_name(&folder.manifest.name).map_err(|why| folder.wrong("name", &why))?;
        folder.hooks()?;
        folder.capabilities()?;
        Ok(folder)
    }

    /// The hooks that plugin.yaml names.
    pub fn hooks(&self) -> Result<Hooks, KitError> {
        self.members("hooks", &self.manifest.hooks, Hook::named)
    }

    /// Whether it stands between the gateway and a provider, instead of in the chain.
    pub fn is_adapter(&self) -> Result<bool, KitError> {
        Ok(self.hooks()?.contains(Hook::Encode))
    }

    /// The capabilities that plugin.yaml names.
    pub fn capabilities(&self) -> Result<Capabilities, KitError> {
        self.members("capabilities", &self.manifest.capabilities, Capability::named)
    }

    /// `tests/cases.yaml`.
    pub fn cases(&self) -> PathBuf {
        self.path.join("tests").join("cases.yaml")
    }

    /// A sentence about one line of plugin.yaml.
    pub fn wrong(&self, field: &str, why: &str) -> KitError {
        let file = self.path.join("plugin.yaml");
        let line = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| line_of(&text, field));
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        KitError::new(format!("{}{place}: {field}: {why}", file.display()))
    }

    fn members<M: Member>(
        &self,
        field: &str,
        names: &[String],
        named: impl Fn(&str) -> Option<M>,
    ) -> Result<SetOf<M>, KitError> {
        let mut set = SetOf::EMPTY;
        for name in names {
            let member = named(name).ok_or_else(|| {
                let known: Vec<&str> = M::ALL.iter().map(|member| member.name()).collect();
                self.wrong(
                    field,
                    &format!("`{name}` is none; there are {}", known.join(", ")),
                )
            })?;
            set.insert(member);
        }
        Ok(set)
    }
}

/// A name that is a crate's, a file's and a config's at once.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    /// Longer ones do not fit the tables they end up in.
    const LONGEST: usize = 64;
    let fits = name.len() <= LONGEST && name.starts_with(|first: char| first.is_ascii_lowercase());
    let legal = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits && legal && !name.ends_with('-') {
        return Ok(());
    }
    Err(format!(
        "`{name}`: expected lower-case letters, digits and `-`, a letter first, no `-` last, at most {LONGEST}"
    ))
}

/// The line (from 1) of a top-level field.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let starts = |line: &str| {
        line.strip_prefix(field)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().position(starts).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_to_do_for_a_crate_a_file_and_a_config() {
        for good in ["a", "my-router", "guard2"] {
            check_name(good).expect(good);
        }
        for bad in ["", "-a", "a-", "My", "a_b", "a/b", "../x", "é", &"a".repeat(65)] {
            check_name(bad).expect_err(bad);
        }
    }
}
