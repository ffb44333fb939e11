//! The plugin chain, loaded: components are compiled and tried before any request meets them, and those that did not change
//! are taken over from the generation before. Running them is the plugin host's.

use std::path::PathBuf;
use std::sync::Arc;

use penstock_plugin_host::{
    Adapter, Capability, FailMode, HttpTerms, Instances, LoadError, LoadProblem, LoadSpec, Plugin,
    PluginEngine,
};
use sha2::{Digest, Sha256};

use crate::startup::check::{AdapterPlan, PluginPlan};
use crate::startup::problem::{Findings, Mark};

/// A loaded chain, and what it was loaded from.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
}

#[derive(Clone, Debug)]
struct Link {
    plugin: Arc<Plugin>,
    /// Of everything that the plugin was made from.
    identity: [u8; 32],
    /// Where its component is named.
    mark: Mark,
}

impl Chain {
    /// Loads the plans in order. A plan that is as it was in `before` keeps its plugin, with its pool of warm instances.
    /// All plans are tried; what is wrong with any of them is in `findings`.
    pub fn load(
        plans: Vec<PluginPlan>,
        before: &Chain,
        engine: &PluginEngine,
        findings: &mut Findings,
    ) -> Self {
        let mut links = Vec::with_capacity(plans.len());
        for plan in plans {
            let identity = identity(&plan.spec);
            let kept = before
                .links
                .iter()
                .find(|link| link.identity == identity)
                .map(|link| link.plugin.clone());
            let marks = Marks::of(&plan);
            match kept.map_or_else(|| engine.load(plan.spec), Ok) {
                Ok(plugin) => {
                    marks.note_costs(&plugin, findings);
                    let mark = marks.component;
                    links.push(Link {
                        plugin,
                        identity,
                        mark,
                    });
                }
                Err(error) => marks.note(&error, findings),
            }
        }
        Self { links }
    }

    /// Whether the plugins that providers name as their adapters are some, and whether every adapter is named. What was not
    /// loaded was noted already.
    pub fn check_adapters(&self, plans: &[AdapterPlan], findings: &mut Findings) {
        for plan in plans {
            let named = self
                .links
                .iter()
                .find(|link| **link.plugin.name() == *plan.plugin);
            if let Some(link) = named
                && Adapter::of(&link.plugin).is_none()
            {
                let AdapterPlan { provider, plugin, .. } = plan;
                let message = format!(
                    "`adapter` of provider `{provider}`: plugin `{plugin}` is none, it has no `encode` and `decode`"
                );
                let remedy =
                    "name a plugin whose component has them, such as adapter-anthropic, or remove `adapter`";
                findings.problem(plan.mark, message, remedy);
            }
        }
        for link in &self.links {
            let name = link.plugin.name();
            if Adapter::of(&link.plugin).is_some() && !plans.iter().any(|plan| *plan.plugin == **name) {
                let message = format!("plugin {name} is an adapter, and no provider names it");
                let remedy = format!("write `adapter: {name}` at a provider, or remove the plugin");
                findings.warning(link.mark, message, remedy);
            }
        }
    }

    /// Whether one of its plugins was granted, and imports, this capability.
    pub fn uses(&self, capability: Capability) -> bool {
        self.links
            .iter()
            .any(|link| link.plugin.capabilities().contains(capability))
    }

    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.links.iter().map(|link| link.plugin.clone()).collect()
    }
}

/// Where the parts of one plan were written.
struct Marks {
    file: PathBuf,
    component: Mark,
    settings: Mark,
    capabilities: Mark,
    http: Mark,
    instances: Mark,
}

impl Marks {
    fn of(plan: &PluginPlan) -> Self {
        Self {
            file: plan.file.clone(),
            component: plan.mark,
            settings: plan.settings_mark,
            capabilities: plan.capabilities_mark,
            http: plan.http_mark,
            instances: plan.instances_mark,
        }
    }

    /// Points at what to change: a line of the configuration, or the component's file.
    fn note(&self, error: &LoadError, findings: &mut Findings) {
        // The problem's own sentence ends with its remedy after a colon, where it has one.
        match error.problem {
            LoadProblem::Settings(_) => findings.problem(self.settings, error.to_string(), ""),
            LoadProblem::NotGranted { .. } => findings.problem(self.capabilities, error.to_string(), ""),
            LoadProblem::NoHosts => findings.problem(self.http, error.to_string(), ""),
            LoadProblem::Limit(_) => findings.problem(self.component, error.to_string(), ""),
            _ => {
                let (plugin, file, problem) = (&error.plugin, self.file.display(), &error.problem);
                let remedy = match problem {
                    LoadProblem::NotWasm | LoadProblem::Corrupt(_) => {
                        "copy the file again, or make it with `penstock plugin build`"
                    }
                    _ => "",
                };
                findings.problem(
                    self.component,
                    format!("plugin {plugin}: {file}: {problem}"),
                    remedy,
                );
            }
        }
    }

    /// Fresh instances that cannot start configured work as well, only slower.
    fn note_costs(&self, plugin: &Plugin, findings: &mut Findings) {
        if let Some(Err(why)) = plugin.snapshot() {
            let message = format!("plugin {}: each call configures it anew: {why}", plugin.name());
            findings.warning(self.instances, message, "that costs time, nothing else");
        }
    }
}

/// Two specs with the same identity make the same plugin.
fn identity(spec: &LoadSpec) -> [u8; 32] {
    let LoadSpec {
        name,
        component,
        settings,
        grants,
        terms,
        fail,
        limits,
        instances,
    } = spec;
    let fail = match fail {
        FailMode::Open => "open",
        FailMode::Closed => "closed",
    };
    let recycle_after = match instances {
        Instances::Reused { recycle_after } => Some(*recycle_after),
        Instances::Fresh => None,
    };
    let mut hash = Sha256::new();
    // The length goes first, so that no part can pass for a piece of its neighbour.
    let words = format!(
        "{grants:?} {fail} {limits:?} {recycle_after:?} {:?} {:?}",
        terms.cache, terms.http.limits
    );
    for part in [name.as_bytes(), component, settings.as_bytes(), words.as_bytes()] {
        add(&mut hash, part);
    }
    add_rules(&mut hash, &terms.http);
    hash.finalize().into()
}

/// A header's value is not shown by `Debug`, but another one makes another plugin.
fn add_rules(hash: &mut Sha256, http: &HttpTerms) {
    for rule in &http.rules {
        add(hash, format!("{rule} {:?}", rule.reach).as_bytes());
        for (name, value) in &rule.headers {
            add(hash, name.as_str().as_bytes());
            add(hash, value.as_bytes());
        }
        add(hash, rule.ca_pem.as_deref().unwrap_or_default());
    }
}

fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update(part.len().to_le_bytes());
    hash.update(part);
}
