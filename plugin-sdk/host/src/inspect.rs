//! What a component says of itself, read without compiling or running it; judging it is left to `plugin`.

use std::fmt;

use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload};

use crate::capability::{Capabilities, Capability};
use crate::error::LoadProblem;
use crate::interests::{Hook, Hooks};

/// The version of `penstock:plugin` that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";

const PACKAGE: &str = "penstock:plugin/";

/// The SHA-256 of a component's bytes: its identity in records and caches.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits: enough to tell versions apart in a log line. Written anew by each call; a loaded
    /// plugin keeps its own (`Plugin::digest_short`).
    pub fn short(&self) -> String {
        let digits = self.0[..SHORT_BYTES]
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
    }
}

const SHORT_BYTES: usize = 6;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A component as its own tables describe it.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub digest: Digest,
    /// In bytes.
    pub size: usize,
    /// The hooks that it exports.
    pub hooks: Hooks,
    /// The capabilities that it imports.
    pub capabilities: Capabilities,
    /// The version of `penstock:plugin` it was built against; none where it has nothing of the contract.
    pub contract: Option<String>,
    /// Whether it exports `lifecycle`, as every plugin has to.
    pub lifecycle: bool,
    /// Whether it exports `adapter`, as those have to that export `encode` and `decode`.
    pub adapter: bool,
    /// Imports that no plugin can have.
    pub unknown_imports: Vec<String>,
    /// Exports that nobody calls.
    pub other_exports: Vec<String>,
}

/// Reads and validates a component without compiling or running it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadProblem> {
    let inspection = read_tables(bytes)?;
    wasmparser::validate(bytes).map_err(|why| LoadProblem::Corrupt(why.to_string()))?;
    Ok(inspection)
}

/// Reads the outer component's imports and exports; validating the rest is left to the compiler.
pub(crate) fn read_tables(bytes: &[u8]) -> Result<Inspection, LoadProblem> {
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadProblem::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadProblem::CoreModule);
    }
    let mut inspection = Inspection {
        digest: Digest::of(bytes),
        size: bytes.len(),
        hooks: Hooks::EMPTY,
        capabilities: Capabilities::EMPTY,
        contract: None,
        lifecycle: false,
        adapter: false,
        unknown_imports: Vec::new(),
        other_exports: Vec::new(),
    };
    inspection
        .read(bytes)
        .map_err(|why| LoadProblem::Corrupt(why.to_string()))?;
    Ok(inspection)
}

impl Inspection {
    /// Whether it has anything of an adapter, whole or not.
    pub(crate) fn is_of_adapter(&self) -> bool {
        self.adapter || self.hooks.contains(Hook::Encode) || self.hooks.contains(Hook::Decode)
    }

    /// The interface that an adapter has to have and this one has not.
    pub(crate) fn missing_of_adapter(&self) -> Option<&'static str> {
        let there = [
            ("adapter", self.adapter),
            ("encode", self.hooks.contains(Hook::Encode)),
            ("decode", self.hooks.contains(Hook::Decode)),
        ];
        there.iter().find(|(_, there)| !there).map(|(name, _)| *name)
    }

    fn read(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        // modules and components within the component have tables of their own
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version {
                    encoding: Encoding::Component | Encoding::Module,
                    ..
                } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        self.note_import(import?.name.name);
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        self.note_export(export?.name.name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn note_import(&mut self, name: &str) {
        let interface = self.of_contract(name);
        match interface.map(|interface| (interface, Capability::named(interface))) {
            Some((_, Some(capability))) => self.capabilities.insert(capability),
            Some(("types" | "adapter", None)) => {}
            // hooks' own records, imported by guests that use their types
            Some((hook, None)) if Hook::named(hook).is_some() => {}
            _ => self.unknown_imports.push(name.to_owned()),
        }
    }

    fn note_export(&mut self, name: &str) {
        let interface = self.of_contract(name);
        match interface.map(|interface| (interface, Hook::named(interface))) {
            Some((_, Some(hook))) => self.hooks.insert(hook),
            Some(("lifecycle", None)) => self.lifecycle = true,
            Some(("adapter", None)) => self.adapter = true,
            _ => self.other_exports.push(name.to_owned()),
        }
    }

    /// The interface's name if `name` is one of `penstock:plugin`, whose version is noted: the first that is not ours
    /// wins, so that a mixture is refused too.
    fn of_contract<'n>(&mut self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(PACKAGE)?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "none"));
        if self
            .contract
            .as_deref()
            .is_none_or(|noted| noted == CONTRACT_VERSION)
        {
            self.contract = Some(version.to_owned());
        }
        Some(interface)
    }
}
