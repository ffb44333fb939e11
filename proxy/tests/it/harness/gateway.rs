//! A gateway in this process, from a configuration's text, with its records and metrics at hand.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use penstock::dispatch::outbound::Outbound;
use penstock::startup::server::{self, Running};
use penstock::startup::{self, ConfigSource, Environment};
use penstock_plugin_host::{EngineSettings, PluginEngine};
use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Client};
use super::message::Message;
use super::provider::Provider;
use super::{eventually, log};

/// The caller's key, and the gateway's credentials: canaries, which must not turn up anywhere.
pub const KEY: &str = "sk-client-canary-7f3a9c";
pub const OTHER_KEY: &str = "sk-client-canary-2b81de";
pub const CREDENTIAL: &str = "sk-upstream-canary-e44d01";
pub const OTHER_CREDENTIAL: &str = "sk-upstream-canary-9907aa";

/// A running gateway and the folder it lives in.
pub struct Gateway {
    running: Option<Running>,
    folder: TempDir,
    /// Of its first listener.
    pub address: SocketAddr,
}

impl Gateway {
    /// In front of one provider, every model, one key.
    pub fn before(provider: &Provider) -> Gateway {
        Self::with(provider, "")
    }

    /// The same with more lines of configuration.
    pub fn with(provider: &Provider, lines: &str) -> Gateway {
        Self::of(&format!("{}\n{lines}", providers(&[("main", &provider.url())])))
    }

    /// From a configuration; what it does not say is as small as it can be.
    pub fn of(config: &str) -> Gateway {
        Self::within(tempfile::tempdir().expect("a temporary folder"), config)
    }

    /// The same, in a folder that has files already.
    pub fn within(folder: TempDir, config: &str) -> Gateway {
        Self::in_environment(folder, config, environment())
    }

    /// The same, with other variables or another clock.
    pub fn in_environment(folder: TempDir, config: &str, environment: Environment) -> Gateway {
        let path = folder.path().join("penstock.yaml");
        std::fs::write(&path, completed(config)).expect("a temporary folder can be written");
        log::start();
        super::tls::install_provider();
        let loaded = startup::load(ConfigSource::File(path), Some(engine()), environment);
        let mut startup = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        if let Some(reader) = document_reader() {
            startup.document_reader = reader;
        }
        let running = server::start(startup).expect("the gateway starts");
        let address = running.addresses[0];
        Gateway {
            running: Some(running),
            folder,
            address,
        }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is stopped")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request with a body on a connection of its own.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Message {
        self.send(client::post(path, KEY, body))
    }

    pub fn get(&self, path: &str) -> Message {
        self.send(client::request("GET", path, KEY, &[]))
    }

    /// Any bytes on a connection of their own, and the answer.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Message {
        let mut client = self.connect();
        client.send(bytes);
        client.answer()
    }

    /// Starts a call without waiting for its answer.
    pub fn begin(&self, path: &str, body: impl AsRef<[u8]>) -> Client {
        let mut client = self.connect();
        client.send(client::post(path, KEY, body));
        client
    }

    /// Changes the configuration and has it read at once.
    pub fn change(&self, config: &str) -> Result<u64, String> {
        std::fs::write(self.folder.path().join("penstock.yaml"), completed(config))
            .expect("it was written before");
        self.running()
            .reload
            .reload_now()
            .map_err(|problems| problems.to_string())
    }

    pub fn metrics(&self) -> String {
        self.admin("/metrics").text().to_owned()
    }

    /// The value of one time series, written as in the metrics page.
    pub fn metric(&self, series: &str) -> f64 {
        value(&self.metrics(), series)
    }

    pub fn admin(&self, path: &str) -> Message {
        let mut client = Client::connect(self.running().admin);
        client.send(client::request("GET", path, "", &[("connection", "close")]));
        client.answer()
    }

    /// Waits until there are so many records; none may be there beyond.
    pub fn records(&self, count: usize) -> Vec<Value> {
        let records = eventually("every request has a record", || {
            Some(self.records_now()).filter(|records| records.len() >= count)
        });
        assert_eq!(records.len(), count, "{records:#?}");
        records
    }

    /// The record of the only request there was.
    pub fn record(&self) -> Value {
        self.records(1).remove(0)
    }

    pub fn records_now(&self) -> Vec<Value> {
        read_records(&self.records_path())
    }

    pub fn records_text(&self) -> String {
        std::fs::read_to_string(self.records_path()).unwrap_or_default()
    }

    pub fn records_path(&self) -> PathBuf {
        self.folder.path().join("records.jsonl")
    }

    /// Ends the gateway and gives every record it wrote: exactly these there were.
    pub fn stop(mut self) -> Vec<Value> {
        drop_running(self.running.take());
        self.records_now()
    }

    /// Takes the gateway out, to drain it.
    pub fn take(&mut self) -> Running {
        self.running.take().expect("taken once")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop_running(self.running.take());
    }
}

fn drop_running(running: Option<Running>) {
    if let Some(running) = running {
        running.drain(Duration::ZERO);
    }
}

/// The program that reads documents, where it was built; without it the tests that need it are skipped, and say so.
pub fn document_reader() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/documents");
    let built = ["release", "debug"].map(|profile| root.join(profile).join("penstock-documents"));
    let built = built.into_iter().find(|path| path.is_file());
    if built.is_none() {
        println!("skipped: target/documents/release/penstock-documents is not built");
    }
    built
}

/// Only lines that are complete.
pub fn read_records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    complete
        .map(|line| serde_json::from_str(line).expect("a record is JSON"))
        .collect()
}

/// The value of one series of a metrics page; 0 for one that is not there.
pub fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a metric is a number"))
}

/// Providers with a credential, and a model of every name for the first of them.
pub fn providers(all: &[(&str, &str)]) -> String {
    let mut lines = "providers:\n".to_owned();
    for (name, url) in all {
        lines.push_str(&format!(
            "  {name}: {{base_url: \"{url}\", credentials: [\"env:CREDENTIAL\"]}}\n"
        ));
    }
    lines
}

/// A configuration with what every one needs, where it does not say it itself.
pub fn completed(config: &str) -> String {
    let first_provider = config
        .lines()
        .skip_while(|line| *line != "providers:")
        .nth(1)
        .unwrap_or_default();
    let first_provider = first_provider.split(':').next().unwrap_or_default().trim();
    let usual = [
        ("listeners", "[{address: \"127.0.0.1:0\"}]".to_owned()),
        ("admin", "{address: \"127.0.0.1:0\"}".to_owned()),
        ("threads", "1".to_owned()),
        ("record", "records.jsonl".to_owned()),
        ("plugin_cache", "none".to_owned()),
        (
            "models",
            format!("[{{name: \"*\", targets: [{{provider: {first_provider}, model: \"*\"}}]}}]"),
        ),
        (
            "keys",
            "[{name: team, key: \"env:KEY\", models: [\"*\"]}]".to_owned(),
        ),
    ];
    let mut whole = config.to_owned();
    for (key, value) in usual {
        if !config.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            whole.push_str(&format!("\n{key}: {value}"));
        }
    }
    if config.contains("plugins:") && !config.contains("plugin_dir:") {
        whole.push_str(&format!(
            "\nplugin_dir: \"{}\"",
            super::plugins::folder().display()
        ));
    }
    whole.push('\n');
    whole
}

pub fn environment() -> Environment {
    environment_with(&[])
}

/// The same with more variables.
pub fn environment_with(more: &[(&str, &str)]) -> Environment {
    let usual = [
        ("KEY", KEY),
        ("OTHER_KEY", OTHER_KEY),
        ("CREDENTIAL", CREDENTIAL),
        ("OTHER_CREDENTIAL", OTHER_CREDENTIAL),
    ];
    Environment::of(usual.into_iter().chain(more.iter().copied()))
}

/// One for all gateways of this process: it reserves much address space, and each plugin is compiled once.
fn engine() -> PluginEngine {
    static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
    let make = || {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-plugins");
        std::fs::create_dir_all(&cache).expect("the build's folder can be written");
        let settings = EngineSettings {
            cache_dir: Some(cache),
            outbound: Some(Arc::new(Outbound::default())),
            ..EngineSettings::default()
        };
        PluginEngine::new(settings).expect("an engine")
    };
    ENGINE.get_or_init(make).clone()
}
