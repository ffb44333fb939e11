//! Follows the files of a configuration while it is served: a change is read, checked and compiled on a thread of its own
//! and then swapped in whole; what is wrong changes nothing. What the files mean is for the rest of `startup`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use penstock_plugin_host::{Capability, PluginEngine};

use crate::startup::certificates::{CertificateSet, Certificates};
use crate::startup::chain::Chain;
use crate::startup::problem::{Mark, Problem, Problems};
use crate::startup::sources::{Environment, Seen};
use crate::startup::{Before, ConfigSource, ProcessSettings, Reading, read};
use crate::state::snapshot::Snapshot;

/// How often files are looked at without being told: where the kernel reports nothing (network mounts, some containers),
/// this alone keeps a change within its second.
const POLL: Duration = Duration::from_millis(500);

/// A change is read once nothing has happened for this long: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(50);

/// Files that never come to rest are read after this long.
const LONGEST_UNREST: Duration = Duration::from_millis(300);

/// Hears what became of a change.
pub trait ReloadObserver: Send + Sync {
    fn accepted(&self, generation: u64);
    /// The files hold what is served already, perhaps after something that was refused.
    fn unchanged(&self);
    fn rejected(&self, problems: &Problems);
}

/// All that is needed to read the configuration again.
pub struct Reloader {
    pub(super) source: ConfigSource,
    pub(super) environment: Environment,
    pub(super) engine: PluginEngine,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) certificates: Vec<Option<Arc<Certificates>>>,
    /// What the process was started with.
    pub(super) settings: ProcessSettings,
    pub(super) chain: Chain,
    /// The files as they were when the running generation was read.
    pub(super) accepted: Seen,
    /// The files as they were last looked at.
    pub(super) latest: Seen,
}

impl Reloader {
    /// What to call the configuration in messages.
    pub fn source_name(&self) -> String {
        self.source.name()
    }

    /// Reads everything again and swaps it in. The generation that serves then: the same as before if no file's content
    /// differs from what that one was read from.
    pub fn reload(&mut self) -> Result<u64, Problems> {
        let mut seen = Seen::default();
        let before = self.snapshot.load_full();
        let outcome = read(
            &self.source,
            &self.environment,
            Some(self.engine.clone()),
            &Before {
                chain: &self.chain,
                models: Some(&before.models),
                providers: Some(&before.providers),
            },
            &mut seen,
        );
        self.latest = seen;
        let reading = outcome?;
        let running = before.generation;
        drop(before);
        if self.latest.same_content(&self.accepted) {
            return Ok(running);
        }
        reading.log_warnings();
        let generation = running + 1;
        let Reading { checked, chain, .. } = reading;
        self.note_settings(&checked.settings);
        self.replace_certificates(&checked.settings, checked.certificates);
        self.snapshot.store(Arc::new(Snapshot {
            generation,
            chain: chain.plugins(),
            shows_catalogue: chain.uses(Capability::Catalogue),
            ..checked.snapshot
        }));
        self.chain = chain;
        self.accepted = self.latest.clone();
        Ok(generation)
    }

    /// Follows the files until the handle is dropped.
    pub fn start(self, observer: Arc<dyn ReloadObserver>) -> std::io::Result<ReloadHandle> {
        // Full only while a reload is under way, and then what is waiting already says: look again.
        const QUEUE: usize = 16;
        let (orders, waiting) = sync_channel(QUEUE);
        let folders = Folders::new(orders.clone());
        let follow = move || {
            Follower {
                reloader: self,
                observer,
                folders,
                orders: waiting,
            }
            .run();
        };
        let thread = std::thread::Builder::new().name("reload".into()).spawn(follow)?;
        Ok(ReloadHandle {
            orders,
            thread: Some(thread),
        })
    }

    fn note_settings(&mut self, new: &ProcessSettings) {
        let old = &self.settings;
        let differs = [
            ("listeners", old.listeners != new.listeners),
            ("admin", old.admin != new.admin),
            ("threads", old.threads != new.threads),
            ("record", old.record != new.record),
            ("plugin_cache", old.plugin_cache != new.plugin_cache),
        ];
        let names: Vec<&str> = differs
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| *name)
            .collect();
        if !names.is_empty() {
            log::warn!(
                "{}: these settings take effect at the next start: {}",
                self.source.name(),
                names.join(", ")
            );
        }
    }

    /// A listener whose TLS is set up as it was gets its new certificates; any other change waits for a restart.
    fn replace_certificates(&self, new: &ProcessSettings, sets: Vec<Option<CertificateSet>>) {
        for (listener, set) in new.listeners.iter().zip(sets) {
            let place = self
                .settings
                .listeners
                .iter()
                .position(|running| running == listener);
            let running = place.and_then(|place| self.certificates.get(place)?.as_ref());
            if let (Some(running), Some(set)) = (running, set) {
                running.replace(set);
            }
        }
    }
}

enum Order {
    /// Something happened in one of the folders.
    Look,
    /// Read now, and say what came of it.
    Reload(SyncSender<Result<u64, Problems>>),
    Stop,
}

/// Owns the thread that follows the files; dropping it ends the thread.
#[derive(Debug)]
pub struct ReloadHandle {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl ReloadHandle {
    /// Reads the files at once, changed or not; returns when the outcome is being served. Blocks for as long as compiling
    /// takes.
    pub fn reload_now(&self) -> Result<u64, Problems> {
        let (reply, outcome) = sync_channel(1);
        let asked = self.orders.send(Order::Reload(reply)).ok();
        asked.and_then(|()| outcome.recv().ok()).unwrap_or_else(|| {
            // Only a panic ends the thread while this handle is alive: the generation of the moment keeps serving.
            let message = "the thread that follows the files has ended".to_owned();
            let remedy = "see the log, and restart the gateway".to_owned();
            Err(Problem {
                file: "penstock".into(),
                mark: Mark::default(),
                message,
                remedy,
            }
            .into())
        })
    }
}

impl Drop for ReloadHandle {
    fn drop(&mut self) {
        // Fails only if the thread has ended already.
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that follows the configuration's files has panicked");
        }
    }
}

struct Follower {
    reloader: Reloader,
    observer: Arc<dyn ReloadObserver>,
    folders: Folders,
    orders: Receiver<Order>,
}

impl Follower {
    fn run(mut self) {
        self.folders.follow(&self.reloader.latest);
        let mut next = None;
        loop {
            match next.take().map_or_else(|| self.orders.recv_timeout(POLL), Ok) {
                Ok(Order::Look) => {
                    next = self.rest();
                    self.look();
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Ok(Order::Reload(reply)) => {
                    // The one who asked may have stopped waiting.
                    let _ = reply.send(self.reload());
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        if self.reloader.latest.changed() {
            // The observer and the log have the outcome.
            let _ = self.reload();
        }
    }

    fn reload(&mut self) -> Result<u64, Problems> {
        let before = self.reloader.snapshot.load().generation;
        let started = Instant::now();
        let outcome = self.reloader.reload();
        self.folders.follow(&self.reloader.latest);
        match &outcome {
            Ok(generation) if *generation == before => {
                log::info!("configuration unchanged, generation {before}");
                self.observer.unchanged();
            }
            Ok(generation) => {
                log::info!(
                    "configuration generation {generation} serves, read in {} ms",
                    started.elapsed().as_millis()
                );
                self.observer.accepted(*generation);
            }
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                log::error!(
                    "configuration refused, generation {before} keeps serving: {}",
                    all.join("; ")
                );
                self.observer.rejected(problems);
            }
        }
        outcome
    }

    /// Waits until the files have come to rest; an order that is not about them ends the wait.
    fn rest(&self) -> Option<Order> {
        let end = Instant::now() + LONGEST_UNREST;
        loop {
            let wait = QUIET.min(end.saturating_duration_since(Instant::now()));
            match self.orders.recv_timeout(wait) {
                Ok(Order::Look) if !wait.is_zero() => {}
                Ok(Order::Look) | Err(_) => return None,
                Ok(other) => return Some(other),
            }
        }
    }
}

/// The folders that the kernel reports on. Without them, polling remains.
struct Folders {
    watcher: Option<RecommendedWatcher>,
}

impl Folders {
    fn new(orders: SyncSender<Order>) -> Self {
        let tell = move |event: notify::Result<notify::Event>| {
            let is_reading =
                event.is_ok_and(|event| matches!(event.kind, EventKind::Access(access) if !writes(access)));
            if !is_reading {
                let _ = orders.try_send(Order::Look);
            }
        };
        let watcher = notify::recommended_watcher(tell);
        Self {
            watcher: watcher
                .map_err(|error| log::warn!("files are polled, not watched: {error}"))
                .ok(),
        }
    }

    /// Watches where the files are and where their links lead. Folders, not files: a file that is replaced, or a link like
    /// Kubernetes' `..data`, is an event of its folder. A folder that is gone is taken up again when it is back.
    fn follow(&mut self, seen: &Seen) {
        let Some(watcher) = &mut self.watcher else { return };
        let listed = seen.folders().map(Path::to_owned);
        for folder in seen
            .paths()
            .flat_map(folders_of)
            .chain(listed)
            .collect::<BTreeSet<_>>()
        {
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                log::debug!("{} is polled, not watched: {error}", folder.display());
            }
        }
    }
}

fn writes(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(access, AccessKind::Close(AccessMode::Write))
}

fn folders_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let target = path.canonicalize().ok();
    std::iter::once(folder(path)).chain(target.as_deref().map(folder))
}
