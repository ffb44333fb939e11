//! One configuration generation as plain, checked values: everything the request path may ask, nothing it has to parse.
//! How it is read from files is startup's business; when it is replaced, reload's.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use penstock_llm::model::Dialect;
use penstock_llm::{embed, rerank};
use penstock_plugin_host::{HttpRule, Plugin};

use crate::state::facts::{Facts, Streaming};
use crate::state::health::HealthHandle;
use crate::state::identity::Identity;
use crate::state::meters::Meters;
use crate::state::pages::Pages;
use crate::state::parameters::Parameters;
use crate::state::scrub::scrub;
use crate::state::secret::{KeyHash, Secret};

/// Everything that one request sees of the configuration. Replaced whole; a request keeps the one it started with.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts from 1 and grows by one with every accepted change; callers see it in `x-penstock-generation`.
    pub generation: u64,
    pub limits: Limits,
    /// SSE comments are written after this long without a byte; `None` writes none.
    pub keep_alive: Option<Duration>,
    pub trusted_proxies: Vec<Network>,
    pub cors: Option<Cors>,
    pub idempotency: Idempotency,
    pub signatures: Signatures,
    pub fetch: Fetch,
    /// Documents that a model does not read go as their words; otherwise they are refused.
    pub documents_as_words: bool,
    pub files: Files,
    pub callers: Callers,
    pub models: Models,
    /// By name: the first path segment of the raw pass-through, too.
    pub providers: HashMap<Arc<str>, Arc<Provider>>,
    /// The plugins in the order they run.
    pub chain: Vec<Arc<Plugin>>,
    /// One of them may ask for the models on offer: only then calls carry them.
    pub shows_catalogue: bool,
    /// This generation's metric handles.
    pub meters: Meters,
}

/// What one process takes on at once. Each is refused with the limit's name and what to do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One request's body, after decompression. 50 MB: long contexts with images pass, a mistake does not.
    pub body_bytes: usize,
    /// All request bodies held at the same time.
    pub body_memory_bytes: usize,
    pub connections: usize,
    pub requests: usize,
    /// From the first byte of a request to the end of its head.
    pub header_deadline: Duration,
    /// From the end of the head to the end of the body.
    pub body_deadline: Duration,
    /// One provider body after decompression.
    pub decompressed_bytes: usize,
    /// Nesting of a JSON body.
    pub json_depth: usize,
}

/// A block of addresses, e.g. `10.0.0.0/8`.
pub type Network = penstock_plugin_host::AddressBlock;

/// Which web pages may call the gateway from a browser.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Exact origins; `*` alone allows every one.
    pub origins: Vec<String>,
    pub max_age: Duration,
}

/// How repeats of an `Idempotency-Key` are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub window: Duration,
    pub entries: u64,
    pub bytes: u64,
}

/// How what callers do not bring back of their answers is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    pub keep: bool,
    pub bytes: u64,
    pub ttl: Duration,
}

/// Where media may be fetched from that callers name by a URL, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    pub enabled: bool,
    /// None for every public host.
    pub hosts: Option<Vec<Arc<HttpRule>>>,
    pub item_bytes: usize,
    /// All that one call names.
    pub call_bytes: usize,
    pub items: usize,
    /// In the whole process.
    pub at_once: usize,
    pub redirects: usize,
    /// For one item, all its redirects and its turn included.
    pub deadline: Duration,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            enabled: false,
            hosts: None,
            item_bytes: 20 << 20,
            call_bytes: 50 << 20,
            items: 20,
            at_once: 32,
            redirects: 3,
            deadline: Duration::from_secs(10),
        }
    }
}

/// Files and batches, and the ids by which callers come back to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Where they go when the caller does not say.
    pub provider: Option<Arc<str>>,
    /// One upload.
    pub upload_bytes: usize,
    /// How many ids are remembered, and for how long.
    pub ids: u64,
    pub ids_ttl: Duration,
}

/// The keys that may call, by the hash of the key.
#[derive(Debug, Default)]
pub struct Callers {
    by_hash: HashMap<[u8; 32], Arc<Caller>>,
    anyone: Option<Arc<Caller>>,
}

impl Callers {
    pub fn new(callers: impl IntoIterator<Item = Caller>) -> Self {
        Self {
            by_hash: callers.into_iter().map(|c| (c.hash.0, Arc::new(c))).collect(),
            anyone: None,
        }
    }

    /// The gateway without keys: whoever calls is this caller, whatever key is shown.
    pub fn anyone(caller: Caller) -> Self {
        Self {
            by_hash: HashMap::new(),
            anyone: Some(Arc::new(caller)),
        }
    }

    /// Who calls without a key; nobody unless the gateway is open.
    pub fn without_key(&self) -> Option<&Arc<Caller>> {
        self.anyone.as_ref()
    }

    /// The caller of a presented key. The look-up is by a hash that an attacker cannot steer byte by byte; what it
    /// finds is compared again in constant time.
    pub fn find(&self, key: &str) -> Option<&Arc<Caller>> {
        let hash = KeyHash::of(key);
        self.by_hash
            .get(&hash.0)
            .filter(|caller| caller.hash.matches(&hash))
            .or(self.anyone.as_ref())
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }
}

/// One key's owner and what it may do.
#[derive(Debug)]
pub struct Caller {
    pub name: Arc<str>,
    pub hash: KeyHash,
    /// Exact names, `prefix/*` or `*`.
    pub models: Vec<ModelPattern>,
    /// Milliseconds since 1970 UTC.
    pub expires_ms: Option<u64>,
}

impl Caller {
    pub fn may_use(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// Whether there is a name under `offered` that it may use.
    pub fn may_see(&self, offered: &ModelPattern) -> bool {
        self.models.iter().any(|allowed| allowed.overlaps(offered))
    }
}

/// An exact model name, or everything that starts with a prefix (written `prefix*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelPattern {
    Exact(Box<str>),
    Prefix(Box<str>),
}

impl ModelPattern {
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.into()),
            None => Self::Exact(text.into()),
        }
    }

    pub fn matches(&self, model: &str) -> bool {
        self.rest(model).is_some()
    }

    /// Whether some name matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Exact(name), _) => other.matches(name),
            (Self::Prefix(a), Self::Prefix(b)) => a.starts_with(&**b) || b.starts_with(&**a),
        }
    }

    /// Whether every name that matches `other` matches this one, too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(own), Self::Exact(name)) => own == name,
            (Self::Exact(_), Self::Prefix(_)) => false,
            (Self::Prefix(prefix), other) => other.text().starts_with(&**prefix),
        }
    }

    pub fn is_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }

    /// The name, or what comes before the `*`.
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
        }
    }

    /// What the `*` stands for; empty for an exact name.
    pub fn rest<'m>(&self, model: &'m str) -> Option<&'m str> {
        match self {
            Self::Exact(name) => (**name == *model).then_some(""),
            Self::Prefix(prefix) => model.strip_prefix(&**prefix),
        }
    }
}

/// The models on offer: exact names first, then the longest prefix.
#[derive(Debug, Default)]
pub struct Models {
    exact: HashMap<Arc<str>, Arc<Model>>,
    /// Longest prefix first.
    prefixes: Vec<Arc<Model>>,
    /// In the order of the config, for `GET /v1/models`.
    listed: Vec<Arc<Model>>,
}

impl Models {
    pub fn new(models: impl IntoIterator<Item = Model>) -> Self {
        let listed: Vec<Arc<Model>> = models.into_iter().map(Arc::new).collect();
        let is_exact = |model: &&Arc<Model>| matches!(model.pattern, ModelPattern::Exact(_));
        let exact = listed
            .iter()
            .filter(is_exact)
            .map(|m| (m.name.clone(), m.clone()))
            .collect();
        let mut prefixes: Vec<_> = listed.iter().filter(|m| !is_exact(m)).cloned().collect();
        prefixes.sort_by_key(|model| std::cmp::Reverse(model.name.len()));
        Self {
            exact,
            prefixes,
            listed,
        }
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Model>> {
        self.exact
            .get(name)
            .or_else(|| self.prefixes.iter().find(|model| model.pattern.matches(name)))
    }

    /// The model that the config calls so, `*` included.
    pub fn named(&self, name: &str) -> Option<&Arc<Model>> {
        self.listed.iter().find(|model| *model.name == *name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.listed.iter()
    }
}

/// A name that callers use, and where such a call can go.
#[derive(Debug)]
pub struct Model {
    /// As it is written in the config, `*` included.
    pub name: Arc<str>,
    pub pattern: ModelPattern,
    /// In order of preference.
    pub targets: Vec<Arc<Target>>,
    /// Seconds since 1970, for the models list.
    pub created: u64,
}

impl Model {
    /// The same with those of its targets only that can be spoken to in a dialect; none where there is none.
    pub fn speaking(&self, dialect: Dialect) -> Option<Self> {
        let speaks = |target: &&Arc<Target>| target.provider.dialects.contains(&dialect);
        let targets: Vec<_> = self.targets.iter().filter(speaks).cloned().collect();
        (!targets.is_empty()).then(|| Self {
            name: self.name.clone(),
            pattern: self.pattern.clone(),
            targets,
            created: self.created,
        })
    }

    /// What a raw path names: one provider, under the provider's own name for the model.
    pub fn via(provider: &Arc<Provider>, model: &str) -> Self {
        let target = Target {
            id: format!("raw {}", provider.name).into(),
            provider: provider.clone(),
            model: model.into(),
            weight: 1,
            price: None,
            timeouts: provider.timeouts,
            media: MediaTaken::default(),
            betas: provider.betas.clone(),
            parameters: provider.parameters.clone(),
            facts: provider.facts,
            health: HealthHandle::default(),
        };
        let pattern = ModelPattern::Exact(model.into());
        Self {
            name: model.into(),
            pattern,
            targets: vec![Arc::new(target)],
            created: 0,
        }
    }
}

/// One place a call can go to.
#[derive(Debug)]
pub struct Target {
    /// Stable across generations for the same provider and model: the key of health and load counters.
    pub id: Arc<str>,
    pub provider: Arc<Provider>,
    /// The provider's name for the model; `*` stands for what the caller's `*` stood for.
    pub model: Arc<str>,
    pub weight: u32,
    pub price: Option<Price>,
    pub timeouts: Timeouts,
    pub media: MediaTaken,
    pub betas: Arc<Betas>,
    /// What becomes of fields of its requests: its provider's rules, then its model's, then its own.
    pub parameters: Parameters,
    pub facts: Facts,
    pub health: HealthHandle,
}

/// Which values of `anthropic-beta` are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Betas {
    All,
    Only(Vec<Box<str>>),
}

/// Which media are taken; none where nobody said, and then as it is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTaken {
    /// By URL.
    pub fetches_urls: Option<bool>,
    pub reads_documents: Option<bool>,
}

impl Target {
    pub fn fetches_urls(&self) -> Option<bool> {
        self.media.fetches_urls.or(self.provider.media.fetches_urls)
    }

    pub fn reads_documents(&self) -> bool {
        let said = self.media.reads_documents.or(self.provider.media.reads_documents);
        said.unwrap_or(true)
    }

    pub fn streaming(&self) -> Streaming {
        self.facts.streaming.unwrap_or(Streaming::AsAsked)
    }

    /// The model name to send, for a call that asked for `asked` by way of `pattern`.
    pub fn upstream_model(&self, pattern: &ModelPattern, asked: &str) -> Arc<str> {
        match (self.model.strip_suffix('*'), pattern.rest(asked)) {
            (Some(prefix), Some(rest)) => format!("{prefix}{rest}").into(),
            _ => self.model.clone(),
        }
    }
}

/// Nano US dollars per million tokens: 0.15 USD is 150_000_000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
}

/// Each wait of an attempt has its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the request's last byte to the answer's head.
    pub first_byte: Duration,
    /// Between two chunks of an answer.
    pub idle: Duration,
    /// The whole call, attempts included.
    pub total: Duration,
}

/// A provider: one base URL and what is particular about it.
#[derive(Debug)]
pub struct Provider {
    pub name: Arc<str>,
    pub tls: bool,
    pub host: Arc<str>,
    pub port: u16,
    /// Without a slash at the end; `/v1` of `https://api.openai.com/v1`.
    pub base_path: Arc<str>,
    /// What it can be spoken to in, what it does best first. With an adapter: what goes to it as it is.
    pub dialects: Vec<Dialect>,
    /// The plugin that speaks with it for callers of all other dialects.
    pub adapter: Option<Arc<str>>,
    /// What embeddings are asked for in, where the file says it.
    pub embeddings: Option<embed::Dialect>,
    /// What reranking is asked for in; none passes it on as it comes.
    pub rerank: Option<rerank::Dialect>,
    pub betas: Arc<Betas>,
    /// Of its models.
    pub facts: Facts,
    pub credentials: Vec<Credential>,
    pub auth: Auth,
    /// Whether it takes `stream_options.include_usage`.
    pub usage_option: bool,
    /// Where its pages are.
    pub pages: Pages,
    /// What becomes of fields that it takes otherwise than its dialects say.
    pub parameters: Parameters,
    /// Headers added to every request.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub http2: bool,
    pub trust: Trust,
    /// An HTTP proxy to reach it by, with CONNECT.
    pub connect_proxy: Option<ConnectProxy>,
    pub timeouts: Timeouts,
    pub media: MediaTaken,
}

impl Provider {
    /// What callers of other dialects are translated to, where no adapter speaks for it.
    pub fn first_dialect(&self) -> Dialect {
        self.dialects.first().copied().unwrap_or(Dialect::OpenAiChat)
    }

    /// Whether it may have OpenAI's pages for files and batches.
    pub fn keeps_files(&self) -> bool {
        let speaks = |dialect| self.dialects.contains(&dialect);
        speaks(Dialect::OpenAiChat) || speaks(Dialect::OpenAiResponses)
    }

    /// What this provider said, without the secrets that it was shown: providers quote keys in their errors, whole or
    /// masked. `credential` is the position of the one that was used.
    pub fn scrubbed(&self, credential: u32, said: Bytes) -> Bytes {
        let used = self.credentials.iter().filter(|one| one.position == credential);
        let own = self.headers.iter().map(|(_, value)| value);
        let own = own.filter(|value| value.is_sensitive());
        let said = used.fold(said, |said, one| one.proof.scrubbed(said));
        own.filter_map(|value| value.to_str().ok())
            .fold(said, |said, secret| scrub(secret, said))
    }
}

/// One credential of a provider. `position` is how records and metrics name it.
#[derive(Clone, Debug)]
pub struct Credential {
    pub position: u32,
    pub proof: Proof,
    pub health: HealthHandle,
}

impl Credential {
    /// Tells accounts of one provider apart, for what only one of them has: a key by itself, whatever place it has in the
    /// configuration; an identity, whose tokens change all the time, by its place.
    pub fn account(&self) -> KeyHash {
        match &self.proof {
            Proof::Key(secret) => KeyHash::of(secret.expose()),
            Proof::Identity(_) => KeyHash::of(&format!("identity {}", self.position)),
        }
    }
}

/// What the gateway proves itself with.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Presented as [`Auth`] says.
    Key(Secret),
    /// Tokens and signatures of a cloud, which each have their own way.
    Identity(Arc<Identity>),
}

impl Proof {
    fn scrubbed(&self, said: Bytes) -> Bytes {
        match self {
            Self::Key(secret) => scrub(secret.expose(), said),
            Self::Identity(identity) => identity.lease.known().fold(said, |said, leased| {
                let secrets = leased.value.secrets();
                secrets.fold(said, |said, secret| scrub(secret.expose(), said))
            }),
        }
    }
}

/// How a key is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    Bearer,
    /// `Authorization` with another word than `Bearer` before the key.
    Scheme(Box<str>),
    Header(http::HeaderName),
    /// A parameter of the query.
    Query(Box<str>),
    None,
}

/// What is trusted and shown in TLS to a provider, as PEM bytes that were parsed once already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    pub ca_pem: Option<Arc<[u8]>>,
    pub client_certificate_pem: Option<Arc<[u8]>>,
    pub client_key_pem: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConnectProxy {
    pub host: Arc<str>,
    pub port: u16,
    /// The value of `Proxy-Authorization`, if the URL had a user.
    pub authorization: Option<Secret>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordSink {
    None,
    Stdout,
    File(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let network = Network {
            address: "10.1.0.0".parse().unwrap(),
            prefix: 16,
        };
        assert!(network.contains("10.1.255.3".parse().unwrap()));
        assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!(!network.contains("::1".parse().unwrap()));
    }

    #[test]
    fn a_pattern_gives_what_its_star_stands_for() {
        assert_eq!(
            ModelPattern::parse("openai/*").rest("openai/gpt-4o"),
            Some("gpt-4o")
        );
        assert_eq!(ModelPattern::parse("gpt-4o").rest("gpt-4o"), Some(""));
        assert_eq!(ModelPattern::parse("gpt-4o").rest("gpt-4o-mini"), None);
    }
}
