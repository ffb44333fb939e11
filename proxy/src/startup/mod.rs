//! What happens before the first request, and again with every change of a file: configuration read, checked and compiled
//! into a snapshot. Serving it is the gateway's.

mod amounts;
pub mod certificates;
mod chain;
mod check;
mod files;
mod kinds;
pub mod logging;
mod manners;
pub mod plugin_command;
pub mod problem;
pub mod reload;
mod secrets;
pub mod server;
mod shape;
mod sources;
mod yaml;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use penstock_plugin_host::{Capability, EngineSettings, PluginEngine};

use crate::dispatch::document;
use crate::dispatch::outbound::Outbound;
use crate::startup::certificates::Certificates;
use crate::startup::chain::Chain;
use crate::startup::check::{Checked, Checker};
use crate::startup::problem::{Findings, Mark, Problem, Problems};
use crate::startup::reload::Reloader;
use crate::startup::sources::{Seen, reason};
use crate::state::clock;
use crate::state::snapshot::{Models, Provider, RecordSink, Snapshot};

pub use sources::Environment;

/// What is served where there is no configuration.
const DEFAULT_CONFIG: &str = include_str!("default.yaml");

/// The file that is looked for where none is named.
const USUAL_FILE: &str = "penstock.yaml";

/// The kinds of providers in the program, one in a line.
pub fn kinds() -> String {
    kinds::Kinds::embedded().to_string()
}

/// Where the configuration is.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    File(PathBuf),
    /// A text in memory; its relative paths start from `folder`.
    Text {
        text: Arc<str>,
        folder: PathBuf,
    },
    /// The one in the program.
    Embedded,
}

impl ConfigSource {
    /// The file that was named, else `penstock.yaml` in the working directory, else the one in the program.
    pub fn find(named: Option<PathBuf>) -> Self {
        match named {
            Some(path) => Self::File(path),
            None if Path::new(USUAL_FILE).exists() => Self::File(USUAL_FILE.into()),
            None => Self::Embedded,
        }
    }

    /// What to call it in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { .. } => "config".to_owned(),
            Self::Embedded => "default.yaml (embedded)".to_owned(),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
            Self::Text { folder, .. } => folder,
            Self::Embedded => Path::new(""),
        }
    }

    fn read(&self, seen: &mut Seen) -> Result<String, String> {
        let content = match self {
            Self::File(path) => seen.read(path).map_err(|error| reason(&error))?,
            Self::Text { text, .. } => return Ok(text.to_string()),
            Self::Embedded => return Ok(DEFAULT_CONFIG.to_owned()),
        };
        String::from_utf8(content).map_err(|_| "not UTF-8".to_owned())
    }
}

/// What a process takes from the configuration once, at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSettings {
    pub listeners: Vec<ListenerSettings>,
    pub admin: SocketAddr,
    pub threads: usize,
    pub record: RecordSink,
    /// Where compiled plugins are kept.
    pub plugin_cache: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    pub address: SocketAddr,
    pub tls: Option<TlsSettings>,
    pub proxy_protocol: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whether clients must show a certificate.
    pub client_certificates: bool,
}

/// A configuration that is ready to be served.
pub struct Startup {
    pub settings: ProcessSettings,
    /// The generation of the moment; `reload` replaces it.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// For each listener in order, what to resolve its certificates and check its clients with; none without TLS.
    pub certificates: Vec<Option<Arc<Certificates>>>,
    pub engine: PluginEngine,
    /// Start it to follow changes of the files.
    pub reload: Reloader,
    /// The program that reads documents.
    pub document_reader: PathBuf,
}

impl Startup {
    /// What will be served, in a line for the log.
    pub fn outline(&self) -> String {
        let snapshot = self.snapshot.load();
        let plugins: Vec<&str> = snapshot.chain.iter().map(|plugin| &**plugin.name()).collect();
        format!(
            "models {}, providers {}, keys {}, plugins {}",
            snapshot.models.iter().count(),
            snapshot.providers.len(),
            snapshot.callers.len(),
            if plugins.is_empty() {
                "none".to_owned()
            } else {
                plugins.join(" ")
            }
        )
    }
}

/// Reads, checks and compiles everything. Without an `engine` one is made as the configuration says. Warnings are logged.
pub fn load(
    source: ConfigSource,
    engine: Option<PluginEngine>,
    environment: Environment,
) -> Result<Startup, Problems> {
    let mut seen = Seen::default();
    let reading = read(
        &source,
        &environment,
        engine,
        &Before::nothing(&Chain::default()),
        &mut seen,
    )?;
    reading.log_warnings();
    let named = environment.variable("PENSTOCK_DOCUMENTS").map(PathBuf::from);
    let document_reader = named.unwrap_or_else(document::usual_reader);
    let Reading {
        checked,
        chain,
        engine,
        ..
    } = reading;
    let first = Snapshot {
        generation: 1,
        chain: chain.plugins(),
        shows_catalogue: chain.uses(Capability::Catalogue),
        ..checked.snapshot
    };
    let snapshot = Arc::new(ArcSwap::from_pointee(first));
    let certificates: Vec<_> = checked
        .certificates
        .into_iter()
        .map(|set| set.map(|set| Arc::new(Certificates::new(set))))
        .collect();
    let reload = Reloader {
        source,
        environment,
        engine: engine.clone(),
        snapshot: snapshot.clone(),
        certificates: certificates.clone(),
        settings: checked.settings.clone(),
        chain,
        accepted: seen.clone(),
        latest: seen,
    };
    Ok(Startup {
        settings: checked.settings,
        snapshot,
        certificates,
        engine,
        reload,
        document_reader,
    })
}

/// What a configuration amounts to.
#[derive(Debug)]
pub struct Summary {
    pub models: usize,
    pub providers: usize,
    pub plugins: usize,
    pub keys: usize,
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            models,
            providers,
            plugins,
            keys,
            ..
        } = self;
        write!(
            f,
            "ok: {models} models, {providers} providers, {plugins} plugins, {keys} keys"
        )
    }
}

/// The answers of `load`, without anything to serve.
pub fn check(source: &ConfigSource, environment: &Environment) -> Result<Summary, Problems> {
    let Reading {
        checked,
        chain,
        warnings,
        ..
    } = read(
        source,
        environment,
        None,
        &Before::nothing(&Chain::default()),
        &mut Seen::default(),
    )?;
    Ok(Summary {
        models: checked.snapshot.models.iter().count(),
        providers: checked.snapshot.providers.len(),
        plugins: chain.plugins().len(),
        keys: checked.snapshot.callers.len(),
        warnings,
    })
}

/// One reading of the configuration that found no problem.
struct Reading {
    checked: Checked,
    chain: Chain,
    engine: PluginEngine,
    warnings: Vec<Problem>,
}

impl Reading {
    fn log_warnings(&self) {
        for warning in &self.warnings {
            log::warn!("{warning}");
        }
    }
}

/// What a reading takes over from the generation before.
struct Before<'a> {
    /// Plugins that have not changed.
    chain: &'a Chain,
    /// Since when there are its models.
    models: Option<&'a Models>,
    /// Their tokens.
    providers: Option<&'a HashMap<Arc<str>, Arc<Provider>>>,
}

impl<'a> Before<'a> {
    fn nothing(chain: &'a Chain) -> Self {
        Self {
            chain,
            models: None,
            providers: None,
        }
    }
}

/// Reads everything anew, but for what is as it was before. Every file that was asked for is noted in `seen`.
fn read(
    source: &ConfigSource,
    environment: &Environment,
    engine: Option<PluginEngine>,
    before: &Before<'_>,
    seen: &mut Seen,
) -> Result<Reading, Problems> {
    let mut findings = Findings::new(source.name().into());
    let parsed = source
        .read(seen)
        .map_err(|message| (Mark::default(), message))
        .and_then(|text| yaml::parse(&text));
    let root = match parsed {
        Ok(root) => root,
        Err((mark, message)) => {
            findings.problem(mark, message, "");
            return Err(findings
                .conclude(None::<()>)
                .expect_err("a problem was noted above"));
        }
    };
    let file: files::Gateway = shape::read(&root, &mut findings);
    let folder = source.folder();
    let checker = Checker {
        findings: &mut findings,
        folder,
        environment,
        seen,
        now_ms: clock::now_ms(),
        known: before.models,
        before: before.providers,
    };
    let mut checked = checker.check(&file);
    let plans = std::mem::take(&mut checked.plugins);
    let engine = engine.map_or_else(
        || new_engine(checked.settings.plugin_cache.as_deref(), &mut findings),
        Some,
    );
    let loaded = engine.map(|engine| (Chain::load(plans, before.chain, &engine, &mut findings), engine));
    if let Some((chain, _)) = &loaded {
        chain.check_adapters(&checked.adapters, &mut findings);
    }
    let ((checked, chain, engine), warnings) =
        findings.conclude(loaded.map(|(chain, engine)| (checked, chain, engine)))?;
    Ok(Reading {
        checked,
        chain,
        engine,
        warnings,
    })
}

fn new_engine(cache: Option<&Path>, findings: &mut Findings) -> Option<PluginEngine> {
    let cache_dir = cache.and_then(|path| match own_folder(path) {
        Ok(()) => Some(path.to_owned()),
        Err(error) => {
            // Only speed is lost: a read-only file system must not keep the gateway from starting.
            let message = format!(
                "plugins are compiled at every start: {}: {}",
                path.display(),
                reason(&error)
            );
            findings.warning(
                Mark::default(),
                message,
                "set plugin_cache to a folder that can be written, or to none",
            );
            None
        }
    });
    let made = PluginEngine::new(EngineSettings {
        cache_dir,
        outbound: Some(Arc::new(Outbound::default())),
        ..EngineSettings::default()
    });
    made.map_err(|error| findings.problem(Mark::default(), error.to_string(), ""))
        .ok()
}

/// Makes the folder so that nobody else can put machine code there.
fn own_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
