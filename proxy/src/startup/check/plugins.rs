//! The plugin chain as it is configured: names, components, grants, limits. Whether a component fits is found when it is
//! loaded, by `chain`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use penstock_plugin_host::{
    Capabilities, Capability, EngineSettings, FailMode, Instances, Limits, LoadSpec, Member, Trips,
};

use crate::startup::check::{Checker, MAX_MS, NAME_RULE, Names, is_name};
use crate::startup::files;
use crate::startup::problem::{Mark, suggestion};
use crate::startup::shape::Field;
use crate::startup::sources::reason;

/// One place of the chain, ready to be loaded.
#[derive(Debug)]
pub struct PluginPlan {
    pub spec: LoadSpec,
    /// The component's file.
    pub file: PathBuf,
    /// Where its component is named.
    pub mark: Mark,
    /// Where its settings are, or the entry if it has none.
    pub settings_mark: Mark,
    /// Where its capabilities are, or the entry if it has none.
    pub capabilities_mark: Mark,
    /// Where the terms of `http` are, or its capabilities.
    pub http_mark: Mark,
    /// Where it says how long instances live, or the entry if it does not.
    pub instances_mark: Mark,
}

/// A provider that is spoken with by way of a plugin.
#[derive(Clone, Debug)]
pub struct AdapterPlan {
    pub provider: String,
    /// The plugin's name.
    pub plugin: String,
    /// Where the provider names it.
    pub mark: Mark,
}

/// The adapters that providers name.
pub fn adapters(file: &files::Gateway) -> Vec<AdapterPlan> {
    let providers = file.providers.value.iter().flat_map(|entries| &entries.0);
    let plan = |(name, provider): &(Field<String>, Field<files::Provider>)| {
        let field = &provider.value.as_ref()?.adapter;
        Some(AdapterPlan {
            provider: name.value.clone()?,
            plugin: field.value.clone()?,
            mark: field.mark,
        })
    };
    providers.filter_map(plan).collect()
}

/// Each call crosses all of them; a longer chain is a mistake.
const MAX_PLUGINS: usize = 64;

impl Checker<'_> {
    pub(super) fn plugins(&mut self, file: &files::Gateway) -> Vec<PluginPlan> {
        let list = file.plugins.value.as_deref().unwrap_or_default();
        if list.len() > MAX_PLUGINS {
            let message = format!("{} plugins, more than {MAX_PLUGINS}", list.len());
            self.findings
                .problem(file.plugins.mark, message, "every call crosses all of them");
        }
        let folder = self.plugin_dir(&file.plugin_dir);
        let mut shelf = Shelf {
            folder,
            read: HashMap::new(),
        };
        let mut names = Names::default();
        let adapters = adapters(file);
        let entries = list.iter().take(MAX_PLUGINS);
        let plans = entries
            .filter_map(|field| {
                self.plugin(
                    field.value.as_ref()?,
                    field.mark,
                    &mut shelf,
                    &mut names,
                    &adapters,
                )
            })
            .collect();
        for adapter in adapters {
            self.adapter(&adapter, &names);
        }
        plans
    }

    /// Whether there is such a plugin; whether it is an adapter is found when it is loaded.
    fn adapter(&mut self, adapter: &AdapterPlan, names: &Names) {
        let AdapterPlan {
            provider,
            plugin,
            mark,
        } = adapter;
        if !names.has(plugin) {
            let message = format!("`adapter` of provider `{provider}`: there is no plugin `{plugin}`");
            let known = names.sorted();
            let remedy = match known.is_empty() {
                false => suggestion(plugin, known),
                true => "add it to plugins, such as {name: claude, component: adapter-anthropic}".to_owned(),
            };
            self.findings.problem(*mark, message, remedy);
        }
    }

    fn plugin(
        &mut self,
        file: &files::Plugin,
        owner: Mark,
        shelf: &mut Shelf,
        names: &mut Names,
        adapters: &[AdapterPlan],
    ) -> Option<PluginPlan> {
        let remedy = "a name in plugin_dir or the path of a .wasm file";
        let component = self.required(&file.component, owner, "a plugin's `component`", remedy);
        let name = self.plugin_name(file, owner, names);
        let grants = self.capabilities(&file.capabilities);
        let terms = self.capability_terms(file, grants);
        let is_adapter = name
            .as_ref()
            .is_some_and(|name| adapters.iter().any(|one| *one.plugin == **name));
        let (limits, instances) = self.plugin_limits(file, is_adapter);
        let (path, bytes) = self.component(component?, file.component.mark, shelf)?;
        let or_owner = |mark: Mark| if mark.line == 0 { owner } else { mark };
        Some(PluginPlan {
            spec: LoadSpec {
                name: name?,
                component: bytes,
                settings: file
                    .settings
                    .value
                    .as_ref()
                    .map_or_else(|| "{}".to_owned(), ToString::to_string),
                grants,
                terms,
                fail: match file.fail.value {
                    Some(files::FailMode::Open) => FailMode::Open,
                    Some(files::FailMode::Closed) | None => FailMode::Closed,
                },
                limits,
                instances,
            },
            file: path,
            mark: file.component.mark,
            settings_mark: or_owner(file.settings.mark),
            capabilities_mark: or_owner(file.capabilities.mark),
            http_mark: or_owner(if file.http.is_absent() {
                file.capabilities.mark
            } else {
                file.http.mark
            }),
            instances_mark: or_owner(file.instances.mark),
        })
    }

    fn plugin_name(&mut self, file: &files::Plugin, owner: Mark, names: &mut Names) -> Option<Arc<str>> {
        let (name, mark) = match &file.name.value {
            Some(name) => (name.clone(), file.name.mark),
            None if !file.name.is_absent() => return None,
            None => (
                Path::new(file.component.value.as_ref()?)
                    .file_stem()?
                    .to_str()?
                    .to_owned(),
                owner,
            ),
        };
        if !is_name(&name) {
            self.findings.problem(mark, "not a plugin's name", NAME_RULE);
            return None;
        }
        names
            .add("plugin", &name, mark, self.findings)
            .then(|| name.into())
    }

    fn capabilities(&mut self, list: &files::List<String>) -> Capabilities {
        let mut grants = Capabilities::EMPTY;
        for field in list.value.iter().flatten() {
            let Some(name) = &field.value else { continue };
            match Capability::named(name) {
                Some(capability) => grants.insert(capability),
                None => {
                    let remedy = suggestion(name, Capability::ALL.iter().map(|known| known.as_str()));
                    self.findings
                        .problem(field.mark, format!("unknown capability `{name}`"), remedy);
                }
            }
        }
        grants
    }

    fn plugin_limits(&mut self, file: &files::Plugin, is_adapter: bool) -> (Limits, Instances) {
        let fallback = files::PluginLimits::default();
        let from = file.limits.value.as_ref().unwrap_or(&fallback);
        let default = Limits::default();
        let ms = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(MAX_MS);
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        const MIB: usize = 1 << 20;
        let most_mb = EngineSettings::default().max_memory_bytes / MIB;
        let usual_mb = match is_adapter {
            true => most_mb,
            false => default.memory_bytes / MIB,
        };
        let limits = Limits {
            hook_time: Duration::from_millis(self.number(&from.hook_ms, ms(default.hook_time), 1, 60_000)),
            memory_bytes: self.count(&from.memory_mb, usual_mb, 1, most_mb as u64) * MIB,
            output_bytes: self.size(&from.output_bytes, default.output_bytes, 1, 1 << 30),
            host_calls: narrow(self.number(&from.host_calls, default.host_calls.into(), 1, 100_000_000)),
            hold_back_bytes: narrow(self.size(
                &from.hold_back_bytes,
                default.hold_back_bytes as usize,
                0,
                1 << 20,
            ) as u64),
            // The contract's own limit: each event of each stream carries it in and out.
            state_bytes: narrow(
                self.size(&from.state_bytes, default.state_bytes as usize, 0, 64 << 10) as u64,
            ),
            trips: Trips {
                count: narrow(self.number(&from.trips, default.trips.count.into(), 0, 1_000_000)),
                per: Duration::from_millis(self.number(
                    &from.trip_window_ms,
                    ms(default.trips.per),
                    1,
                    MAX_MS,
                )),
            },
            ..default
        };
        let instances = match (file.instances.value, from.recycle_after.value) {
            (Some(files::Instances::Fresh), _) => Instances::Fresh,
            (_, None) => Instances::default(),
            (_, Some(_)) => Instances::Reused {
                recycle_after: narrow(self.number(&from.recycle_after, 1, 1, u32::MAX.into())),
            },
        };
        (limits, instances)
    }

    fn component(&mut self, written: &str, mark: Mark, shelf: &mut Shelf) -> Option<(PathBuf, Bytes)> {
        let is_path = written.contains('/') || written.ends_with(".wasm");
        let path = match (&shelf.folder, is_path) {
            (_, true) => self.folder.join(written),
            (Some(folder), false) => folder.join(format!("{written}.wasm")),
            (None, false) => {
                let remedy = "set plugin_dir, or the environment variable PENSTOCK_PLUGIN_DIR";
                self.findings.problem(
                    mark,
                    format!("no folder to look for component `{written}` in"),
                    remedy,
                );
                return None;
            }
        };
        if let Some(bytes) = shelf.read.get(&path) {
            return Some((path, bytes.clone()));
        }
        match self.seen.read(&path) {
            Ok(content) => {
                let bytes = Bytes::from(content);
                shelf.read.insert(path.clone(), bytes.clone());
                Some((path, bytes))
            }
            Err(error) => {
                let known = if is_path { Vec::new() } else { shelf.names() };
                let remedy = if known.is_empty() {
                    "make it with `penstock plugin build`".to_owned()
                } else {
                    suggestion(written, known.iter().map(String::as_str))
                };
                let message = format!("component `{written}`: {}: {}", path.display(), reason(&error));
                self.findings.problem(mark, message, remedy);
                None
            }
        }
    }

    fn plugin_dir(&mut self, field: &Field<String>) -> Option<PathBuf> {
        if let Some(path) = &field.value {
            let path = self.folder.join(path);
            if !path.is_dir() {
                let message = format!("{} is not a folder", path.display());
                let remedy = "name the folder that `penstock plugin build` writes to, target/plugins";
                self.findings.problem(field.mark, message, remedy);
            }
            return Some(path);
        }
        let named = self
            .environment
            .variable("PENSTOCK_PLUGIN_DIR")
            .filter(|path| !path.is_empty());
        named
            .map(PathBuf::from)
            .or_else(|| usual_folders().into_iter().find(|folder| folder.is_dir()))
    }
}

/// Where plugins are when nothing says so: the build's output, next to the program, the package's.
fn usual_folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program
        .as_deref()
        .and_then(Path::parent)
        .and_then(Path::parent)
        .map(|folder| folder.join("plugins"));
    let mut folders = vec![PathBuf::from("target/plugins")];
    folders.extend(beside);
    folders.push(PathBuf::from("/usr/share/penstock/plugins"));
    folders
}

/// The plugin folder, and the components that were read already: a chain may use one several times.
struct Shelf {
    folder: Option<PathBuf>,
    read: HashMap<PathBuf, Bytes>,
}

impl Shelf {
    /// The components of the folder, to suggest one.
    fn names(&self) -> Vec<String> {
        let files = self
            .folder
            .as_deref()
            .and_then(|folder| std::fs::read_dir(folder).ok());
        let paths = files.into_iter().flatten().flatten().map(|file| file.path());
        let components = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        let mut names: Vec<String> = components
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }
}
