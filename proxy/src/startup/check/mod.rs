//! The configuration's shapes into the checked values of a snapshot, with every mistake found at once. Compiling plugins
//! is `chain`'s; what the keys of the file are, `files`'.

mod callers;
pub mod facts;
mod fetch;
mod grants;
mod identities;
mod keys;
mod kinds;
mod listening;
mod merged;
mod models;
pub mod parameters;
mod plugins;
mod providers;
mod tunnel;
pub mod url;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::startup::ProcessSettings;
use crate::startup::amounts::Size;
use crate::startup::certificates::CertificateSet;
use crate::startup::check::providers::Providers;
use crate::startup::files;
use crate::startup::problem::{Findings, Mark, suggestion};
use crate::startup::shape::Field;
use crate::startup::sources::{Environment, Seen, reason};
use crate::state::clock;
use crate::state::meters::Meters;
use crate::state::snapshot::{
    Files, Idempotency, Limits, Models, Provider, RecordSink, Signatures, Snapshot, Timeouts,
};

pub use plugins::{AdapterPlan, PluginPlan};

/// A configuration in checked values. Complete only if nothing was noted as a problem.
#[derive(Debug)]
pub struct Checked {
    pub settings: ProcessSettings,
    /// Generation 0 and an empty chain: both come when the plugins are loaded.
    pub snapshot: Snapshot,
    /// For each listener in order; none for one without TLS.
    pub certificates: Vec<Option<CertificateSet>>,
    pub plugins: Vec<PluginPlan>,
    /// What providers name as their adapters.
    pub adapters: Vec<AdapterPlan>,
}

/// What checking needs to know of the world.
pub struct Checker<'a> {
    pub findings: &'a mut Findings,
    /// What relative paths start from.
    pub folder: &'a Path,
    pub environment: &'a Environment,
    pub seen: &'a mut Seen,
    /// Milliseconds since 1970, to tell a key that has expired, and a model that is new.
    pub now_ms: u64,
    /// The models of the generation before, if there was one.
    pub known: Option<&'a Models>,
    /// The providers of the generation before: what has not changed keeps its token.
    pub before: Option<&'a HashMap<Arc<str>, Arc<Provider>>>,
}

/// No wait is longer than a day: a number above it is a mistake in the unit.
const MAX_MS: u64 = 24 * 3600 * 1000;

/// A body size above this is a mistake in the unit.
const MAX_BYTES: u64 = 1 << 40;

impl Checker<'_> {
    pub fn check(mut self, file: &files::Gateway) -> Checked {
        let timeouts = self.timeouts(file.timeouts.value.as_ref(), DEFAULT_TIMEOUTS);
        let kinds = self.kinds(&file.provider_kinds);
        let mut providers = self.providers(&file.providers, timeouts, &kinds);
        let (mut models, mut offered) = self.models(&file.models, &providers);
        if file.providers_from_environment.value == Some(true) {
            let owner = file.providers_from_environment.mark;
            let found = self.providers_of_environment(&mut providers, owner, timeouts, &kinds);
            self.models_of_environment(&found, owner, &providers, &mut models, &mut offered);
        }
        let callers = self.callers(&file.keys, &offered);
        let (listeners, certificates) = self.listeners(&file.listeners);
        let settings = ProcessSettings {
            admin: self.admin(&file.admin, &listeners),
            listeners,
            threads: self.threads(&file.threads),
            record: self.record(&file.record),
            plugin_cache: self.plugin_cache(&file.plugin_cache),
        };
        let plugins = self.plugins(file);
        let snapshot = Snapshot {
            generation: 0,
            limits: self.limits(file.limits.value.as_ref().unwrap_or(&files::Limits::default())),
            keep_alive: self.keep_alive(&file.keep_alive_ms),
            trusted_proxies: self.networks(&file.trusted_proxies),
            cors: self.cors(&file.cors),
            idempotency: self.idempotency(
                file.idempotency
                    .value
                    .as_ref()
                    .unwrap_or(&files::Idempotency::default()),
            ),
            signatures: self.signatures(
                file.signatures
                    .value
                    .as_ref()
                    .unwrap_or(&files::Signatures::default()),
            ),
            fetch: self.fetch(file.fetch.value.as_ref().unwrap_or(&files::Fetch::default())),
            documents_as_words: file.documents.value != Some(files::Documents::Refuse),
            files: self.files(
                file.files.value.as_ref().unwrap_or(&files::Files::default()),
                &providers,
                file.limits.value.as_ref(),
            ),
            callers,
            models: Models::new(models),
            providers: providers.available,
            chain: Vec::new(),
            shows_catalogue: false,
            meters: Meters::default(),
        };
        Checked {
            settings,
            snapshot,
            certificates,
            plugins,
            adapters: plugins::adapters(file),
        }
    }

    fn limits(&mut self, limits: &files::Limits) -> Limits {
        const DAY: u64 = MAX_MS;
        let body_bytes = self.size(&limits.body_bytes, 50 << 20, 1, MAX_BYTES);
        let body_memory_bytes = self.size(&limits.body_memory_bytes, 1 << 30, 1, MAX_BYTES);
        if body_memory_bytes < body_bytes {
            let written = if limits.body_memory_bytes.is_absent() {
                limits.body_bytes.mark
            } else {
                limits.body_memory_bytes.mark
            };
            let message =
                format!("body_memory_bytes ({body_memory_bytes}) is less than body_bytes ({body_bytes})");
            self.findings.problem(
                written,
                message,
                "a body of the allowed size would never be let in: raise body_memory_bytes",
            );
        }
        Limits {
            body_bytes,
            body_memory_bytes,
            connections: self.count(&limits.connections, 10_000, 1, 10_000_000),
            requests: self.count(&limits.requests, 5_000, 1, 10_000_000),
            header_deadline: Duration::from_millis(self.number(&limits.header_deadline_ms, 10_000, 1, DAY)),
            body_deadline: Duration::from_millis(self.number(&limits.body_deadline_ms, 60_000, 1, DAY)),
            decompressed_bytes: self.size(&limits.decompressed_bytes, 100 << 20, 1, MAX_BYTES),
            json_depth: self.count(&limits.json_depth, 128, 4, 1024),
        }
    }

    fn idempotency(&mut self, file: &files::Idempotency) -> Idempotency {
        Idempotency {
            window: Duration::from_millis(self.number(&file.window_ms, 600_000, 0, 7 * MAX_MS)),
            entries: self.number(&file.entries, 10_000, 1, 100_000_000),
            bytes: self.size(&file.bytes, 64 << 20, 1, MAX_BYTES) as u64,
        }
    }

    fn signatures(&mut self, file: &files::Signatures) -> Signatures {
        Signatures {
            keep: file.keep.value.unwrap_or(true),
            bytes: self.size(&file.bytes, 64 << 20, 1, MAX_BYTES) as u64,
            ttl: Duration::from_millis(self.number(&file.ttl_ms, 3_600_000, 1, 7 * MAX_MS)),
        }
    }

    fn files(&mut self, file: &files::Files, providers: &Providers, limits: Option<&files::Limits>) -> Files {
        let named = file.provider.value.as_deref();
        if let Some(name) = named.filter(|name| !providers.known.contains_key(*name)) {
            let remedy = suggestion(name, providers.known.keys().map(String::as_str));
            let message = format!("unknown provider `{name}`");
            self.findings.problem(file.provider.mark, message, remedy);
        }
        let usual = limits
            .and_then(|limits| limits.body_bytes.value)
            .map_or(50 << 20, |size| size.0);
        let usual = usize::try_from(usual).unwrap_or(usize::MAX);
        Files {
            provider: named.map(Into::into),
            upload_bytes: self.size(&file.upload_bytes, usual, 1, MAX_BYTES),
            ids: self.number(&file.ids, 100_000, 1, 100_000_000),
            ids_ttl: Duration::from_secs(self.number(&file.ids_ttl_s, 30 * 86_400, 1, 366 * 86_400)),
        }
    }

    fn keep_alive(&mut self, ms: &Field<u64>) -> Option<Duration> {
        let ms = self.number(ms, 15_000, 0, MAX_MS);
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    fn timeouts(&mut self, file: Option<&files::Timeouts>, otherwise: Timeouts) -> Timeouts {
        let Some(file) = file else { return otherwise };
        let mut wait = |field: &Field<u64>, otherwise: Duration| match field.value {
            Some(_) => Duration::from_millis(self.number(field, 1, 1, MAX_MS)),
            None => otherwise,
        };
        Timeouts {
            connect: wait(&file.connect_ms, otherwise.connect),
            first_byte: wait(&file.first_byte_ms, otherwise.first_byte),
            idle: wait(&file.idle_ms, otherwise.idle),
            total: wait(&file.total_ms, otherwise.total),
        }
    }

    fn threads(&mut self, field: &Field<u64>) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.count(field, cores, 1, 1024)
    }

    fn record(&mut self, field: &Field<String>) -> RecordSink {
        match field.value.as_deref() {
            None | Some("stdout") => RecordSink::Stdout,
            Some("none") => RecordSink::None,
            Some(path) => {
                let path = self.folder.join(path);
                if !path
                    .parent()
                    .is_none_or(|parent| parent.as_os_str().is_empty() || parent.is_dir())
                {
                    let message = format!("{}: the folder does not exist", path.display());
                    self.findings.problem(
                        field.mark,
                        message,
                        "make the folder, or write `stdout` or `none`",
                    );
                }
                RecordSink::File(path)
            }
        }
    }

    fn plugin_cache(&mut self, field: &Field<String>) -> Option<PathBuf> {
        let variable = |name| {
            self.environment
                .variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        match field.value.as_deref() {
            Some("none") => None,
            Some(path) => Some(self.folder.join(path)),
            None => variable("CACHE_DIRECTORY")
                .or_else(|| variable("XDG_CACHE_HOME").map(|home| home.join("penstock")))
                .or_else(|| variable("HOME").map(|home| home.join(".cache/penstock"))),
        }
    }

    /// Milliseconds since 1970.
    fn time(&mut self, text: &str, mark: Mark) -> Option<u64> {
        let time_ms = clock::parse_rfc3339(text);
        if time_ms.is_none() {
            let remedy = "such as \"2027-01-01T00:00:00Z\"";
            self.findings.problem(mark, "not a time of RFC 3339", remedy);
        }
        time_ms
    }

    /// The field's number, or the default where there is none or a bad one.
    fn number(&mut self, field: &Field<u64>, default: u64, least: u64, most: u64) -> u64 {
        match field.value {
            Some(value) if (least..=most).contains(&value) => value,
            Some(value) => {
                self.findings.problem(
                    field.mark,
                    format!("{value} is out of range"),
                    format!("{least} to {most}"),
                );
                default
            }
            None => default,
        }
    }

    fn count(&mut self, field: &Field<u64>, default: usize, least: u64, most: u64) -> usize {
        usize::try_from(self.number(field, default as u64, least, most)).unwrap_or(default)
    }

    fn size(&mut self, field: &Field<Size>, default: usize, least: u64, most: u64) -> usize {
        let bytes = Field {
            value: field.value.map(|size| size.0),
            mark: field.mark,
        };
        self.count(&bytes, default, least, most)
    }

    /// A setting that has to be there. What is there but bad was noted already.
    fn required<'f, T>(
        &mut self,
        field: &'f Field<T>,
        owner: Mark,
        what: &str,
        remedy: &str,
    ) -> Option<&'f T> {
        if field.is_absent() {
            self.findings.problem(owner, format!("{what} is missing"), remedy);
        }
        field.value.as_ref()
    }

    /// A file of the configuration; what is wrong with it is noted at `field`.
    fn file(&mut self, field: &Field<String>) -> Option<Vec<u8>> {
        let path = self.folder.join(field.value.as_ref()?);
        match self.seen.read(&path) {
            Ok(content) => Some(content),
            Err(error) => {
                self.findings
                    .problem(field.mark, format!("{}: {}", path.display(), reason(&error)), "");
                None
            }
        }
    }
}

/// A name that stands in paths, metric labels and records.
fn is_name(name: &str) -> bool {
    const MAX_NAME: usize = 64;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with(['.', '-', '_'])
}

const NAME_RULE: &str = "a name is up to 64 of a-z, 0-9, `.`, `-` and `_`, and starts with a letter or digit";

/// Remembers where each name was first used, to tell the second use where that was.
#[derive(Default)]
struct Names(HashMap<String, Mark>);

impl Names {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Whether the name is new; a repeat is noted.
    fn add(&mut self, what: &str, name: &str, mark: Mark, findings: &mut Findings) -> bool {
        let Some(first) = self.0.get(name) else {
            self.0.insert(name.to_owned(), mark);
            return true;
        };
        let message = format!("{what} `{name}` is there twice, first in line {}", first.line);
        findings.problem(mark, message, "give one of them another name");
        false
    }
}

/// The reasons are with the keys in `files`.
const DEFAULT_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_millis(5_000),
    first_byte: Duration::from_millis(120_000),
    idle: Duration::from_millis(120_000),
    total: Duration::from_millis(1_800_000),
};
