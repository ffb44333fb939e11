//! The one engine of a process: how guests' memory is laid out, and what their names remember.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::capabilities::log::{LogSink, default_sink};
use crate::capabilities::{Granted, Registry, cache};
use crate::clock::Clock;
use crate::compile::{CompileCache, compiled};
use crate::error::{LoadError, LoadProblem};
use crate::inspect::Digest;
use crate::outbound::Outbound;
use crate::plugin::{LoadSpec, Plugin};
use crate::ticker::Ticker;

/// How the engine is made.
#[derive(Clone)]
pub struct EngineSettings {
    /// Where compiled components are kept between starts; none compiles at every start (about 60 ms for 100 KB).
    pub cache_dir: Option<PathBuf>,
    /// Instances of all plugins together. Each takes 4 GiB of address space, which costs nothing, and memory as used.
    pub pool_instances: u32,
    /// The most memory that one instance can be given, in bytes; each plugin's own limit is lower.
    pub max_memory_bytes: usize,
    pub clock: Clock,
    /// Where plugins' log lines go.
    pub log: LogSink,
    /// Who makes the calls of plugins; without one, none can use `http`.
    pub outbound: Option<Arc<dyn Outbound>>,
}

impl Default for EngineSettings {
    fn default() -> EngineSettings {
        EngineSettings {
            cache_dir: None,
            pool_instances: 512,
            max_memory_bytes: 64 << 20,
            clock: Clock::system(),
            log: default_sink(),
            outbound: None,
        }
    }
}

/// No engine could be made on this machine.
#[derive(Debug)]
pub struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no plugin engine: {}", self.0)
    }
}

impl std::error::Error for EngineError {}

/// What exists at the moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct EngineStats {
    /// Loaded plugins.
    pub components: usize,
    /// Their instances, idle ones too.
    pub instances: usize,
    /// Whether instances come from a pool of prepared memory, or from the system one by one.
    pub pooled: bool,
}

/// Loads plugins. One per process; clones are the same engine.
#[derive(Clone)]
pub struct PluginEngine(Arc<Parts>);

/// What an engine and its plugins hold in common.
pub struct Parts {
    engine: Engine,
    pooled: bool,
    settings: EngineSettings,
    cache: CompileCache,
    registry: Registry,
    pub components: Arc<AtomicUsize>,
    pub instances: Arc<AtomicUsize>,
    pub ticker: Arc<Ticker>,
}

impl PluginEngine {
    pub fn new(settings: EngineSettings) -> Result<PluginEngine, EngineError> {
        let (engine, pooled) = make_engine(&settings)?;
        let ticker = Ticker::start(&engine).map_err(|why| EngineError(why.to_string()))?;
        let parts = Parts {
            pooled,
            cache: CompileCache::open(settings.cache_dir.as_deref(), &engine),
            engine,
            settings,
            registry: Registry::default(),
            components: Arc::default(),
            instances: Arc::default(),
            ticker: Arc::new(ticker),
        };
        Ok(PluginEngine(Arc::new(parts)))
    }

    /// Compiles or finds a component, checks it against its grants, starts it and applies its settings. Takes tens of
    /// milliseconds: not for the thread that serves requests.
    pub fn load(&self, spec: LoadSpec) -> Result<Arc<Plugin>, LoadError> {
        Plugin::load(&self.0, spec).map(Arc::new)
    }

    pub fn stats(&self) -> EngineStats {
        EngineStats {
            components: self.0.components.load(Ordering::Relaxed),
            instances: self.0.instances.load(Ordering::Relaxed),
            pooled: self.0.pooled,
        }
    }
}

impl Parts {
    pub fn compiled(&self, bytes: &[u8], digest: &Digest) -> Result<Component, LoadProblem> {
        self.cache.compiled(&self.engine, bytes, digest)
    }

    /// For what must not be written to disk.
    pub fn compiled_in_memory(&self, bytes: &[u8]) -> Result<Component, LoadProblem> {
        compiled(&self.engine, bytes)
    }

    pub fn granted(&self, name: &Arc<str>) -> Arc<Granted> {
        self.registry.of(name, &self.settings.clock, &self.settings.log)
    }

    /// The cache of a plugin's name, of this many bytes.
    pub fn cache(&self, name: &Arc<str>, bytes: u64) -> Arc<cache::Entries> {
        self.registry.cache(name, bytes, &self.settings.clock)
    }

    pub fn outbound(&self) -> Option<&Arc<dyn Outbound>> {
        self.settings.outbound.as_ref()
    }

    /// What a plugin of this name is granted where nothing that it does may be seen.
    pub fn granted_unseen(&self, name: &Arc<str>) -> Arc<Granted> {
        let unheard: LogSink = Arc::new(|_| {});
        Arc::new(Granted::new(name, &self.settings.clock, &unheard))
    }

    pub fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    pub fn max_memory_bytes(&self) -> usize {
        self.settings.max_memory_bytes
    }
}

/// The best engine that this machine allows, and whether it has a pool.
fn make_engine(settings: &EngineSettings) -> Result<(Engine, bool), EngineError> {
    // Enabled::Yes fails where the kernel cannot (before Linux 6.7, or forbidden): then without
    for scan in [Enabled::Yes, Enabled::No] {
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(settings, scan)));
        if let Ok(engine) = Engine::new(&config) {
            return Ok((engine, true));
        }
    }
    log::warn!("plugins run without a pool of prepared memory: too little address space (see `ulimit -v`)");
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    // reserve what an instance may have instead of 4 GiB; accesses are checked in code then
    config
        .memory_reservation(settings.max_memory_bytes as u64)
        .memory_guard_size(64 << 10);
    let engine = Engine::new(&config).map_err(|why| EngineError(why.to_string()))?;
    Ok((engine, false))
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // a hook is one call, whether it waits or not; without this every call pays for tasks
        .concurrency_support(false)
        // traps are reported by kind; a backtrace costs more than the call
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}

fn pooling(settings: &EngineSettings, scan: Enabled) -> PoolingAllocationConfig {
    let instances = settings.pool_instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // the guest and up to three shims around it
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(2))
        // hooks that wait have a stack of their own, reserved as the rest is
        .total_stacks(instances)
        .max_memory_size(settings.max_memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        // what a slot keeps when its instance is gone: enough for an ordinary guest, so no page is ever given back
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(MOST_WARM_SLOTS)
        .pagemap_scan(scan);
    pool
}

/// Function pointers of one guest; large ones (an interpreter in a guest) have tens of thousands.
const TABLE_ELEMENTS: usize = 100_000;
/// Slots that keep their memory when no instance is in them. Each swap leaves the old plugins' slots behind; a hundred of
/// them, Wasmtime's usual number, are 20 % more memory after 200 swaps, while the chain in use needs a few.
const MOST_WARM_SLOTS: u32 = 16;
