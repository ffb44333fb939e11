//! Loads a plugin: reads what it is, checks what it may do, compiles and starts it. Calling it is left to `hooks`.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::adapter::{self, Description};
use crate::bindings::exports::penstock::plugin as wit;
use crate::breaker::Breaker;
use crate::capabilities::{self, CapabilityTerms, Compiled, OnTerms, cache, http};
use crate::capability::{Capabilities, Capability};
use crate::engine::Parts;
use crate::error::{LoadError, LoadProblem};
use crate::guest::Guest;
use crate::inspect::{CONTRACT_VERSION, Digest, Inspection, read_tables};
use crate::instance::{Blueprint, Counted, Exports, Instance, Settings, StartError, WaitingExports};
use crate::interests::{Hook, Interests};
use crate::limits::Limits;
use crate::pool::Pool;
use crate::set::Member;
use crate::snapshot::{self, NoSnapshot};

/// What to load, and what it may do.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    /// The plugin's name in the chain; what capabilities remember belongs to it.
    pub name: Arc<str>,
    /// The component's bytes.
    pub component: Bytes,
    /// JSON, `{}` where the operator gave none.
    pub settings: String,
    /// What the operator allows.
    pub grants: Capabilities,
    /// What goes with those that need more than a yes.
    pub terms: CapabilityTerms,
    pub fail: FailMode,
    pub limits: Limits,
    pub instances: Instances,
}

/// What a fault means for the call; the gateway acts on it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// Go on without this plugin, and record that it was skipped.
    Open,
    /// Refuse the call. A guard that does not answer has not agreed.
    Closed,
}

/// How long an instance lives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Instances {
    /// Kept between hooks, for this many of them at most.
    Reused { recycle_after: u32 },
    /// A new one for every hook: nothing can be remembered in its memory. It is configured once, when it is loaded, and
    /// instances start as it then is; where that cannot be done ([`Plugin::snapshot`]) each of them is configured.
    Fresh,
}

impl Default for Instances {
    /// A start takes about 25 us: after every 64th hook it adds a fifth to what hooks cost, after every 512th 2 %. A guest
    /// that leaks all that it reads of ordinary calls (2 KB) holds 1 MB by then, far below its memory limit; one that
    /// leaks more is stopped by that limit and loses its instance early.
    fn default() -> Instances {
        Instances::Reused { recycle_after: 512 }
    }
}

/// A plugin that is ready to be called, from any thread.
pub struct Plugin {
    pub(crate) blueprint: Blueprint,
    pub(crate) interests: Interests,
    /// Beside the interests: both are asked for by every request.
    waits: bool,
    pub(crate) pool: Pool,
    pub(crate) breaker: Breaker,
    digest: Digest,
    digest_short: Box<str>,
    capabilities: Capabilities,
    fail: FailMode,
    snapshot: Option<Result<Digest, NoSnapshot>>,
    /// Of an adapter.
    pub(crate) description: Option<Description>,
    /// The engine has to outlive the plugin: its ticker is what stops a looping guest.
    _engine: Arc<Parts>,
    _counted: Counted,
}

impl Plugin {
    pub(crate) fn load(engine: &Arc<Parts>, spec: LoadSpec) -> Result<Plugin, LoadError> {
        let name = spec.name.clone();
        load(engine, spec).map_err(|problem| problem.of(&name))
    }

    /// Its name in the chain.
    pub fn name(&self) -> &Arc<str> {
        &self.blueprint.granted.name
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// [`Digest::short`], made once: records carry it for every hook.
    pub fn digest_short(&self) -> &str {
        &self.digest_short
    }

    pub fn interests(&self) -> Interests {
        self.interests
    }

    /// The capabilities that its component imports; each was granted.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    pub fn fail_mode(&self) -> FailMode {
        self.fail
    }

    /// Whether its hooks may have to wait for something outside of the process: then only the `*_waiting` functions call
    /// them.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// The component that fresh instances start as, configured; or why there is none. Nothing where instances are
    /// reused. Whoever knows the digest can tell whether a guess at the settings is right.
    pub fn snapshot(&self) -> Option<Result<&Digest, &NoSnapshot>> {
        self.snapshot.as_ref().map(Result::as_ref)
    }

    pub fn limits(&self) -> &Limits {
        &self.blueprint.limits
    }

    /// The counters that the plugin made through `metrics`, by name. They belong to the plugin's name, and survive
    /// its replacement.
    pub fn custom_metrics(&self) -> Vec<(String, u64)> {
        self.blueprint.granted.metrics.snapshot()
    }
}

/// Says who it is, never what it was told.
impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({} {})", self.name(), self.digest_short)
    }
}

fn load(engine: &Arc<Parts>, spec: LoadSpec) -> Result<Plugin, LoadProblem> {
    let tables = read_tables(&spec.component)?;
    check_tables(&tables, spec.grants)?;
    check_limits(engine, &spec.limits)?;
    let component = engine.compiled(&spec.component, &tables.digest)?;
    let pre = linked(&component, tables.capabilities)?;
    if tables.capabilities.contains(Capability::Tokenizer) {
        capabilities::tokenizer::load();
    }
    let granted = engine.granted(&spec.name);
    let terms = on_terms(engine, &spec, tables.capabilities)?;
    let waits = tables.capabilities.contains(Capability::Http);
    let mut blueprint = Blueprint {
        exports: Exports::of(&pre, &tables, waits)?,
        pre,
        terms: Arc::new(terms),
        settings: Settings::Given(spec.settings),
        limits: spec.limits,
        granted,
        ticker: engine.ticker.clone(),
        compiled: Arc::new(Compiled::new()),
        instances: engine.instances.clone(),
    };
    let (first, interests) = Instance::start(&blueprint).map_err(start_problem)?;
    blueprint.compiled.seal().map_err(LoadProblem::Settings)?;
    check_interests(&interests, &tables)?;
    let mut snapshot = None;
    let at_once = waits.then_some(spec.terms.http.limits.at_once);
    let pool = match spec.instances {
        Instances::Reused { recycle_after } => {
            let pool = Pool::new(Some(recycle_after.max(1)), at_once);
            pool.give_back(first, std::time::Instant::now());
            pool
        }
        Instances::Fresh => {
            let taken = snapshot::of(engine, &spec.component, &tables, &blueprint, (first, interests));
            snapshot = Some(taken.map(|(configured, digest)| {
                blueprint = configured;
                digest
            }));
            Pool::new(None, at_once)
        }
    };
    let trips = blueprint.limits.trips;
    let mut plugin = Plugin {
        blueprint,
        interests,
        waits,
        pool,
        breaker: Breaker::new(trips, engine.clock().clone()),
        digest: tables.digest,
        digest_short: tables.digest.short().into(),
        capabilities: tables.capabilities,
        fail: spec.fail,
        snapshot,
        description: None,
        _engine: engine.clone(),
        _counted: Counted::in_(&engine.components),
    };
    if tables.adapter {
        plugin.description = Some(adapter::described(&plugin)?);
    }
    Ok(plugin)
}

fn check_tables(tables: &Inspection, grants: Capabilities) -> Result<(), LoadProblem> {
    // a foreign contract explains whatever else looks wrong
    if let Some(found) = tables
        .contract
        .as_ref()
        .filter(|version| *version != CONTRACT_VERSION)
    {
        return Err(LoadProblem::Contract { found: found.clone() });
    }
    if let Some(unknown) = tables.unknown_imports.first() {
        return Err(LoadProblem::UnknownImport(unknown.clone()));
    }
    if !tables.lifecycle {
        return Err(LoadProblem::Export("there is no `lifecycle`".to_owned()));
    }
    let missing = tables.capabilities.without(grants);
    if !missing.is_empty() {
        return Err(LoadProblem::NotGranted {
            missing,
            granted: grants,
        });
    }
    check_adapter(tables)
}

fn check_adapter(tables: &Inspection) -> Result<(), LoadProblem> {
    if !tables.is_of_adapter() {
        return Ok(());
    }
    if let Some(missing) = tables.missing_of_adapter() {
        return Err(LoadProblem::Export(format!(
            "an adapter has `adapter`, `encode` and `decode`, and there is no `{missing}`"
        )));
    }
    match tables.capabilities.contains(Capability::Http) {
        true => Err(LoadProblem::AdapterWaits),
        false => Ok(()),
    }
}

/// What the instances share of the capabilities that they import.
fn on_terms(engine: &Parts, spec: &LoadSpec, imports: Capabilities) -> Result<OnTerms, LoadProblem> {
    let mut on_terms = OnTerms::default();
    if imports.contains(Capability::Cache) {
        let terms = spec.terms.cache;
        on_terms.cache = Some(cache::Granted {
            entries: engine.cache(&spec.name, terms.bytes),
            everyone: terms.everyone,
        });
    }
    if imports.contains(Capability::Http) {
        let terms = &spec.terms.http;
        if terms.rules.is_empty() {
            return Err(LoadProblem::NoHosts);
        }
        on_terms.http = Some(http::Granted {
            terms: Arc::new(terms.clone()),
            outbound: engine.outbound().ok_or(LoadProblem::NoOutbound)?.clone(),
            places: Arc::new(Semaphore::new(terms.limits.at_once)),
        });
    }
    Ok(on_terms)
}

fn check_limits(engine: &Parts, limits: &Limits) -> Result<(), LoadProblem> {
    let most = engine.max_memory_bytes();
    if limits.memory_bytes > most {
        return Err(LoadProblem::Limit(format!(
            "its memory limit of {} bytes is over the engine's, {most} bytes",
            limits.memory_bytes
        )));
    }
    Ok(())
}

fn linked(component: &Component, imports: Capabilities) -> Result<InstancePre<Guest>, LoadProblem> {
    let mut linker = Linker::new(component.engine());
    let linked = capabilities::link(&mut linker, imports).and_then(|()| linker.instantiate_pre(component));
    linked.map_err(|why| LoadProblem::Link(one_line(&why)))
}

/// As `like`, but of another component with the same contract.
pub fn linked_blueprint(
    component: &Component,
    tables: &Inspection,
    like: &Blueprint,
) -> Result<Blueprint, LoadProblem> {
    let pre = linked(component, tables.capabilities)?;
    Ok(Blueprint {
        exports: Exports::of(&pre, tables, tables.capabilities.contains(Capability::Http))?,
        pre,
        settings: like.settings.clone(),
        limits: like.limits.clone(),
        granted: like.granted.clone(),
        ticker: like.ticker.clone(),
        compiled: like.compiled.clone(),
        terms: like.terms.clone(),
        instances: like.instances.clone(),
    })
}

fn check_interests(interests: &Interests, tables: &Inspection) -> Result<(), LoadProblem> {
    match interests.hooks.without(tables.hooks).iter().next() {
        Some(hook) => Err(LoadProblem::MissingHook(hook)),
        // a guard for whole answers has to be able to look at them
        None if interests.buffer && !interests.wants(Hook::OnResponse) => {
            Err(LoadProblem::MissingHook(Hook::OnResponse))
        }
        None => Ok(()),
    }
}

fn start_problem(error: StartError) -> LoadProblem {
    match error {
        StartError::NoRoom => {
            LoadProblem::Limit("all instances that the engine can hold are in use".to_owned())
        }
        StartError::Fault(fault) => LoadProblem::Start(fault),
        StartError::Settings(said) => {
            LoadProblem::Settings(crate::verdict::shortened(said, LONGEST_SETTINGS_ERROR))
        }
    }
}

/// An error message is read by a person.
const LONGEST_SETTINGS_ERROR: usize = 4096;

fn one_line(why: &wasmtime::Error) -> String {
    format!("{why:#}").replace('\n', " ")
}

impl Exports {
    fn of(pre: &InstancePre<Guest>, tables: &Inspection, waits: bool) -> Result<Exports, LoadProblem> {
        let wrong = |why: wasmtime::Error| LoadProblem::Export(one_line(&why));
        let has = |hook: Hook| tables.hooks.contains(hook).then_some(pre);
        let waiting = waits
            .then(|| WaitingExports::of(pre.component(), tables))
            .transpose()?;
        Ok(Exports {
            waiting,
            lifecycle: wit::lifecycle::GuestIndices::new(pre).map_err(wrong)?,
            on_request: has(Hook::OnRequest)
                .map(wit::on_request::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            on_route: has(Hook::OnRoute)
                .map(wit::on_route::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            on_response: has(Hook::OnResponse)
                .map(wit::on_response::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            on_event: has(Hook::OnEvent)
                .map(wit::on_event::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            on_complete: has(Hook::OnComplete)
                .map(wit::on_complete::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            adapter: tables
                .adapter
                .then(|| wit::adapter::GuestIndices::new(pre))
                .transpose()
                .map_err(wrong)?,
            encode: has(Hook::Encode)
                .map(wit::encode::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
            decode: has(Hook::Decode)
                .map(wit::decode::GuestIndices::new)
                .transpose()
                .map_err(wrong)?,
        })
    }
}

impl WaitingExports {
    fn of(component: &Component, tables: &Inspection) -> Result<WaitingExports, LoadProblem> {
        let function = |interface: &str, name: &str| {
            let interface = format!("penstock:plugin/{interface}@{CONTRACT_VERSION}");
            let found = component
                .get_export_index(None, &*interface)
                .and_then(|within| component.get_export_index(Some(&within), name));
            found.ok_or_else(|| LoadProblem::Export(format!("there is no `{name}` in `{interface}`")))
        };
        let mut hooks = [None; Hook::ALL.len()];
        // adapters do not wait
        let waiting = |hook: &Hook| !matches!(hook, Hook::Encode | Hook::Decode);
        for hook in tables.hooks.iter().filter(waiting) {
            hooks[hook.place() as usize] = Some(function(hook.as_str(), "handle")?);
        }
        Ok(WaitingExports {
            configure: function("lifecycle", "configure")?,
            hooks,
        })
    }
}
