//! Why a component cannot be used, told so that the operator knows what to change.

use std::fmt;
use std::sync::Arc;

use crate::adapter;
use crate::capability::{Capabilities, Capability};
use crate::fault::PluginFault;
use crate::inspect::CONTRACT_VERSION;
use crate::interests::Hook;
use crate::set::{Member, SetOf};

/// A plugin that was not loaded; whatever was loaded before is untouched.
#[derive(Debug)]
pub struct LoadError {
    /// The plugin's name in the chain; empty where only a file was looked at.
    pub plugin: Arc<str>,
    pub problem: LoadProblem,
}

/// What is wrong with a component, its grants or its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadProblem {
    /// The bytes are not WebAssembly at all.
    NotWasm,
    /// A core module, which has no interfaces.
    CoreModule,
    /// WebAssembly that cannot be read to its end.
    Corrupt(String),
    /// Built against a contract that this host does not speak.
    Contract { found: String },
    /// Wants something that no plugin can have.
    UnknownImport(String),
    /// Wants what the operator has not granted.
    NotGranted {
        missing: Capabilities,
        granted: Capabilities,
    },
    /// May make calls, but to nobody.
    NoHosts,
    /// Wants to make calls where nobody makes them.
    NoOutbound,
    /// Does not export `lifecycle`, or exports an interface in another shape than the contract's.
    Export(String),
    /// Imports an interface in another shape than the contract's.
    Link(String),
    /// Cannot be compiled.
    Compile(String),
    /// A limit that the engine cannot give.
    Limit(String),
    /// Its first instance did not start.
    Start(PluginFault),
    /// It refused its settings; the text is the plugin's own.
    Settings(String),
    /// It wants to be called for a hook that it does not have.
    MissingHook(Hook),
    /// An adapter that asks services.
    AdapterWaits,
    /// An adapter built with another version of the encoding in which calls and answers cross.
    Encoding { found: u32 },
}

impl LoadProblem {
    pub(crate) fn of(self, plugin: &Arc<str>) -> LoadError {
        LoadError {
            plugin: plugin.clone(),
            problem: self,
        }
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadProblem::NotWasm => f.write_str("not a WebAssembly file"),
            LoadProblem::CoreModule => f.write_str(
                "a core WebAssembly module, not a component: build it with `penstock plugin build`",
            ),
            LoadProblem::Corrupt(why) => write!(f, "truncated or corrupt: {why}"),
            LoadProblem::Contract { found } => write!(
                f,
                "built against penstock:plugin@{found}, but this gateway speaks penstock:plugin@{CONTRACT_VERSION}: \
                 build it again with this version's SDK"
            ),
            LoadProblem::UnknownImport(name) => write!(
                f,
                "imports `{name}`, which no plugin can have; there are: {}",
                SetOf::<Capability>::all()
            ),
            LoadProblem::NotGranted { missing, granted } => {
                let hosts = match missing.contains(Capability::Http) {
                    true => " and name the hosts it may call with `http: {hosts: [\"https://host\"]}`",
                    false => "",
                };
                write!(
                    f,
                    "uses {missing}, which is not granted: grant it with `capabilities: [{}]`{hosts}",
                    granted.and(*missing)
                )
            }
            LoadProblem::NoHosts => f.write_str(
                "uses http, but no host is listed that it may call: add `http: {hosts: [\"https://host\"]}`",
            ),
            LoadProblem::NoOutbound => f.write_str("uses http, and nothing here makes calls for plugins"),
            LoadProblem::Export(why) => write!(f, "exports do not match the contract: {why}"),
            LoadProblem::Link(why) => write!(f, "imports do not match the contract: {why}"),
            LoadProblem::Compile(why) => write!(f, "cannot be compiled: {why}"),
            LoadProblem::Limit(why) => f.write_str(why),
            LoadProblem::Start(fault) => write!(f, "did not start: it {fault}"),
            LoadProblem::Settings(why) => write!(f, "refused its settings: {why}"),
            LoadProblem::AdapterWaits => f.write_str(
                "is an adapter and uses http, but no call waits for an adapter: let a plugin at another hook ask",
            ),
            LoadProblem::Encoding { found } => write!(
                f,
                "built with version {found} of the encoding for adapters, but this gateway speaks version {}: build it \
                 again with this version's SDK",
                adapter::ENCODING
            ),
            LoadProblem::MissingHook(hook) => {
                write!(f, "wants to be called for {} but does not export it", hook.name())
            }
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plugin.is_empty() {
            return self.problem.fmt(f);
        }
        write!(f, "plugin {}: {}", self.plugin, self.problem)
    }
}

impl std::error::Error for LoadError {}
