//! The configuration file as it is written: every key, what it takes, its default and the reason. This is the reference of
//! the file's format. What the values mean together, and whether they are right, is `check`'s.
//!
//! Paths are relative to the folder of the configuration file. Times end in their unit. Sizes are bytes, or text with a
//! unit (`50MB`, `64KiB`). Secrets are never in the file: `env:NAME` and `file:path` say where they are.

mod credentials;

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::startup::amounts::{Size, Usd};
use crate::startup::manners::Said;
use crate::startup::shape::{Entries, Field};

pub use credentials::{Aws, Azure, Cloud, Credential, Google};

pub type List<T> = Field<Vec<Field<T>>>;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Where callers connect. Default: `127.0.0.1:8080`, or the port in the environment variable `PORT`; an address that
    /// others can reach is a decision, so it is not the default. Changes need a restart.
    pub listeners: List<Listener>,
    /// Metrics and health, on a listener of their own so that they are never offered to callers.
    pub admin: Field<Admin>,
    /// Threads that serve requests. Default: one for every core. Changes need a restart.
    pub threads: Field<u64>,
    /// Addresses or blocks (`10.0.0.0/8`) whose `X-Forwarded-For` and PROXY headers are believed. Default: none.
    pub trusted_proxies: List<String>,
    /// Web pages that may call from a browser. Default: none.
    pub cors: Field<Cors>,
    pub limits: Field<Limits>,
    /// How long an attempt may wait for what; providers and targets may say otherwise.
    pub timeouts: Field<Timeouts>,
    /// A comment is written into a silent stream after this long, 0 for never. Default 15000: proxies and load balancers
    /// cut connections that are silent for 30 to 60 s.
    pub keep_alive_ms: Field<u64>,
    pub idempotency: Field<Idempotency>,
    pub signatures: Field<Signatures>,
    pub fetch: Field<Fetch>,
    /// What becomes of documents that a model does not read: `text` (default) sends the words of PDFs, web pages and texts,
    /// `refuse` refuses the call.
    pub documents: Field<Documents>,
    /// Where files and batches go, and how long it is remembered whose they are.
    pub files: Field<Files>,
    /// One JSON line for every request: `stdout`, `none` or a path. Default `stdout`. Changes need a restart.
    pub record: Field<String>,
    /// Where `component: guard-secrets` is found as `guard-secrets.wasm`. Default: the environment variable
    /// `PENSTOCK_PLUGIN_DIR`, else the first of `target/plugins`, the `plugins` next to the program's folder and
    /// `/usr/share/penstock/plugins` that exists.
    pub plugin_dir: Field<String>,
    /// Where compiled plugins are kept for a faster start; `none` keeps none. It holds machine code: nobody else may write
    /// there. Default: `CACHE_DIRECTORY` (systemd), else `XDG_CACHE_HOME/penstock`, else `HOME/.cache/penstock`. Changes
    /// need a restart.
    pub plugin_cache: Field<String>,
    /// The plugins, in the order they run. Default: none.
    pub plugins: List<Plugin>,
    /// A folder with kinds of providers besides those in the program, one YAML file for each; a file with the name of one in
    /// the program counts instead of it. policies/providers/README.md says what stands in such a file. Default: none.
    pub provider_kinds: Field<String>,
    /// Every kind of provider whose key is in the environment, such as `GROQ_API_KEY`, is a provider under its kind's name,
    /// with all its models as `groq/*`. A provider or a model of that name in the file counts instead. Default false.
    pub providers_from_environment: Field<bool>,
    /// Where calls can go, by name. The name is also the first part of the path for a raw pass-through.
    pub providers: Field<Entries<Provider>>,
    /// What callers can ask for. Exact names come first, then the longest `prefix*`.
    pub models: List<Model>,
    /// Who may call. There is no default: a gateway is open to everybody only where the file says `keys: anyone`.
    pub keys: Field<Keys>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// `127.0.0.1:8080`, `0.0.0.0:8080`, `[::]:8080`.
    pub address: Field<String>,
    /// Default: none, plain HTTP.
    pub tls: Field<Tls>,
    /// Whether every connection starts with a PROXY header, v1 or v2. Default false: believed from anybody, it would let
    /// callers choose their address.
    pub proxy_protocol: Field<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the chain, the server's own certificate first. Used where no name of `sni` fits.
    pub certificate: Field<String>,
    /// The PEM file with its private key.
    pub key: Field<String>,
    /// Certificates by the name that the client asks for.
    pub sni: List<NamedCertificate>,
    /// A PEM file with authorities: clients must then show a certificate of one of them.
    pub client_ca: Field<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamedCertificate {
    /// `api.example.org`, or `*.example.org` for every name with one more label.
    pub name: Field<String>,
    pub certificate: Field<String>,
    pub key: Field<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Default `127.0.0.1:9090`. Changes need a restart.
    pub address: Field<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// `https://app.example.org`, or `*` alone for all.
    pub origins: List<String>,
    /// How long a browser may remember the answer. Default 600.
    pub max_age_s: Field<u64>,
}

/// What the process takes on at once. Each limit is named in the answer to a request that passes it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// One request's body, after decompression. Default 50 MiB: long contexts with images pass, a mistake does not.
    pub body_bytes: Field<Size>,
    /// All request bodies held at the same time. Default 1 GiB: twenty of the largest.
    pub body_memory_bytes: Field<Size>,
    /// Default 10000.
    pub connections: Field<u64>,
    /// Requests in flight. Default 5000.
    pub requests: Field<u64>,
    /// From the first byte of a request to the end of its head. Default 10000: against clients that drip.
    pub header_deadline_ms: Field<u64>,
    /// From the end of the head to the end of the body. Default 60000: 50 MiB over a 7 Mbit/s line.
    pub body_deadline_ms: Field<u64>,
    /// One provider's body after decompression. Default 100 MiB: a small compressed body can grow a thousandfold.
    pub decompressed_bytes: Field<Size>,
    /// Nesting of a JSON body. Default 128: real requests stay under 20.
    pub json_depth: Field<u64>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Name look-up, TCP and TLS. Default 5000.
    pub connect_ms: Field<u64>,
    /// From the request's last byte to the answer's head. Default 120000: reasoning models think before they answer.
    pub first_byte_ms: Field<u64>,
    /// Between two chunks of an answer. Default 120000.
    pub idle_ms: Field<u64>,
    /// The whole call, with all attempts. Default 1800000.
    pub total_ms: Field<u64>,
}

/// Repeats with the same `Idempotency-Key` get the first answer.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// How long an answer is kept, 0 for not at all. Default 600000: the longest retry of the SDKs is far below.
    pub window_ms: Field<u64>,
    /// Default 10000.
    pub entries: Field<u64>,
    /// Default 64 MiB.
    pub bytes: Field<Size>,
}

/// Media at URLs, for providers that do not fetch them: the gateway does, and sends the bytes. No address is connected to
/// that only this machine or its network can reach, unless `hosts` names it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fetch {
    /// Default false: a gateway that connects to where callers say is a decision.
    pub enabled: Field<bool>,
    /// `https://images.example.org`, `https://*.example.org`, `http://10.0.0.7:8080`: nothing else is fetched from. Default:
    /// every public host, at ports 80 and 443.
    pub hosts: List<String>,
    /// Default 20 MiB: what providers take of one image or document.
    pub item_bytes: Field<Size>,
    /// All that one call names. Default 50 MiB, as for its body.
    pub call_bytes: Field<Size>,
    /// URLs of one call. Default 20.
    pub items: Field<u64>,
    /// Under way in the whole process; more wait their turn. Default 32. Changes need a restart.
    pub at_once: Field<u64>,
    /// Default 3, each looked at like the URL itself.
    pub redirects: Field<u64>,
    /// For one URL from its turn to its last byte. Default 10000.
    pub deadline_ms: Field<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    Text,
    Refuse,
}

/// Signed thoughts of Claude and signatures of Gemini's calls, which these models want back with the next turn and clients
/// of OpenAI's dialect drop. They are kept in memory, for the key that they were made for, and put back.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signatures {
    /// Default true. They hold what a model thought: false where nothing of a call may outlive it.
    pub keep: Field<bool>,
    /// Default 64 MiB: some ten thousand turns. Changes need a restart.
    pub bytes: Field<Size>,
    /// How long a turn may take. Default 3600000: somebody has to look at what the model wants to do. Changes need a
    /// restart.
    pub ttl_ms: Field<u64>,
}

/// `/v1/files` and `/v1/batches`. Ids are kept in memory: after a restart files have to be uploaded anew.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// The provider that has them, where a caller names none in `x-penstock-provider`. Default: the only one that speaks an
    /// OpenAI dialect, if there is just one.
    pub provider: Field<String>,
    /// One upload. It is held whole, within `limits.body_memory_bytes`. Default: `limits.body_bytes`.
    pub upload_bytes: Field<Size>,
    /// How many ids are remembered: which key they belong to, and which credential has made them. Default 100000, about
    /// 30 MB. Changes need a restart.
    pub ids: Field<u64>,
    /// For how long. Default 2592000, 30 days: as long as OpenAI keeps the output of a batch. Changes need a restart.
    pub ids_ttl_s: Field<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plugin {
    /// What records and metrics call this place in the chain. Default: the component's name.
    pub name: Field<String>,
    /// A name in `plugin_dir`, or the path of a `.wasm` file.
    pub component: Field<String>,
    /// Given to the plugin as JSON. Default: none.
    pub settings: Field<serde_json::Value>,
    /// What it may use: log, metrics, clock, random, kv, counters, catalogue, tokenizer, expr, match, cache, http.
    /// Default: nothing.
    pub capabilities: List<String>,
    /// For the capability `cache`.
    pub cache: Field<PluginCache>,
    /// For the capability `http`.
    pub http: Field<PluginHttp>,
    /// What a plugin that traps or runs out of time means: `closed` fails the request, `open` goes on without it. Default
    /// `closed`: a guard that can be crashed past is none.
    pub fail: Field<FailMode>,
    /// `reused` (default) keeps instances for the next request, `fresh` makes one for every call of a hook, from a snapshot
    /// of the configured plugin.
    pub instances: Field<Instances>,
    pub limits: Field<PluginLimits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    Open,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instances {
    Reused,
    Fresh,
}

/// What the capability `cache` gives.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginCache {
    /// All entries of this plugin together, at least 1 MiB; one entry takes an eighth at most. Default 64 MiB. Another size
    /// starts with an empty cache.
    pub bytes: Field<Size>,
    /// Whether the plugin may keep entries that every caller gets. Default false: each caller has its own.
    pub everyone: Field<bool>,
}

/// What the capability `http` gives. Defaults are the plugin host's.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginHttp {
    /// What may be called; nothing else can be. Default: nothing.
    pub hosts: List<PluginHost>,
    /// How long one hook may wait, all its calls together. Default 2000: a caller waits for it too.
    pub wait_ms: Field<u64>,
    /// Calls of one hook. Default 4.
    pub calls: Field<u64>,
    /// URL, headers and body of a request. Default 1 MiB.
    pub request_bytes: Field<Size>,
    /// Headers and body of a response. Default 256 KiB.
    pub response_bytes: Field<Size>,
    /// Hooks of this plugin that wait at the same time; more wait their turn. Default 64: each holds about a MB.
    pub at_once: Field<u64>,
}

/// A host as text, or with what goes with it.
pub enum PluginHost {
    Plain(String),
    Full(PluginHostParts),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginHostParts {
    /// `https://host`, with `:port` where it is not the scheme's own; `https://*.example.org` for every name below.
    pub host: Field<String>,
    /// Added to every request, unseen by the plugin. A value may be `env:NAME` or `file:path`.
    pub headers: Field<Entries<String>>,
    /// Addresses besides public ones that the name may lead to, such as `10.0.0.0/8`. Default: none, so that a name cannot
    /// be turned against the gateway's own network. A host that is written as an address needs none.
    pub reach: List<String>,
    /// A PEM file with the authorities to trust instead of the system's.
    pub ca: Field<String>,
}

impl<'de> Deserialize<'de> for PluginHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMap;
        impl<'de> Visitor<'de> for TextOrMap {
            type Value = PluginHost;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("https://host, or a map with `host`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PluginHost, E> {
                Ok(PluginHost::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PluginHost, A::Error> {
                PluginHostParts::deserialize(MapAccessDeserializer::new(map)).map(PluginHost::Full)
            }
        }
        deserializer.deserialize_any(TextOrMap)
    }
}

/// Defaults are the plugin host's.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// Wall time of one call, with an allowance for large bodies on top.
    pub hook_ms: Field<u64>,
    /// Default 16, and 64 of adapters: they hold whole bodies.
    pub memory_mb: Field<u64>,
    /// What one call may give back.
    pub output_bytes: Field<Size>,
    /// Calls to the gateway's functions within one call.
    pub host_calls: Field<u64>,
    /// What a plugin may hold back of a stream.
    pub hold_back_bytes: Field<Size>,
    /// What a plugin may remember from one event of a stream to the next.
    pub state_bytes: Field<Size>,
    /// Faults within `trip_window_ms` after which the plugin is not called any more until the window is over.
    pub trips: Field<u64>,
    pub trip_window_ms: Field<u64>,
    /// Calls after which a reused instance is replaced.
    pub recycle_after: Field<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// What is known of it: `groq`, `azure-openai`, ... (policies/providers, and the folder `provider_kinds`). All else that
    /// is said here counts instead of what the kind says; `headers`, `query` and `paths` entry by entry.
    pub kind: Field<String>,
    /// What the kind has to be told, such as `{region: eu-central-1}`; a value may be `env:NAME`.
    pub variables: Field<Entries<String>>,
    /// `https://api.openai.com/v1`: what comes before `/chat/completions`. It may hold the kind's `{variables}`.
    pub base_url: Field<String>,
    /// What it is spoken to in, what it does best first: `openai-chat` (default), `openai-responses`,
    /// `anthropic-messages`, `gemini`, `bedrock-converse`, `cohere`.
    pub dialects: List<String>,
    /// A plugin of `plugins` that speaks with it for callers of all dialects but those of `dialects`, which then has no
    /// default. Default: none, what is built in speaks its dialects.
    pub adapter: Field<String>,
    /// What embeddings are asked for in: `openai-embeddings`, `voyage-embeddings`, `cohere-embed`, `gemini-embed`,
    /// `gemini-batch-embed`, `vertex-predict-embed`, `bedrock-titan-embed`, `bedrock-cohere-embed`. Default: what goes with
    /// `dialects`, on Bedrock by the model's name.
    pub embeddings: Field<String>,
    /// What reranking is asked for in: `cohere-rerank-v1`, `cohere-rerank-v2`, `jina-rerank`, `voyage-rerank`,
    /// `openrouter-rerank`, `vllm-rerank`. Default: `cohere-rerank-v2` with `dialects: [cohere]`, else as it comes.
    pub rerank: Field<String>,
    /// Which values of `anthropic-beta` it gets: `forward`, `drop` or a list. Default: all of them; on Bedrock and Vertex,
    /// which refuse what they do not know, those that are known there.
    pub betas: Field<Betas>,
    /// What is known of its models, for callers of another dialect.
    pub facts: Field<Facts>,
    /// Keys, each as `env:NAME` or `file:path`, or who the gateway is at a cloud: `{aws: ..}`, `{google: ..}`,
    /// `{azure: ..}`. Several are used in turn. Default: what the kind usually has, such as `env:GROQ_API_KEY`.
    pub credentials: List<Credential>,
    /// How a key is shown: `bearer` (default), `none`, `{header: api-key}`, `{scheme: Api-Key}` (the word before the key in
    /// `Authorization`) or `{query: key}`. The identities of clouds have ways of their own: `aws-sigv4`, `google` and
    /// `azure-entra` stand for one with its defaults where `credentials` names none.
    pub auth: Field<Auth>,
    /// A provider whose keys are not there is left out, with its targets, instead of refusing the file. Default false.
    pub optional: Field<bool>,
    /// Whether it takes `stream_options.include_usage`, which streams are metered by. Default true.
    pub usage_option: Field<bool>,
    /// Pages that are elsewhere than the API's documentation has them, below the base URL: `{"/chat/completions":
    /// "/v2/chat"}`. `{model}` stands for the provider's name of the model, `{path}` for the usual path, the page `"*"` for
    /// all that are not named.
    pub paths: Field<Entries<String>>,
    /// Added to the query of every request.
    pub query: Field<Entries<String>>,
    /// Fields that it takes otherwise than its dialects say. What is dropped, renamed or bounded is named to the caller in
    /// `x-penstock-dropped`.
    pub parameters: List<ParameterRule>,
    /// Added to every request. A value may be `env:NAME` or `file:path`.
    pub headers: Field<Entries<String>>,
    /// Whether HTTP/2 is offered to it. Default false: one connection for one request is the faster way.
    pub http2: Field<bool>,
    /// A PEM file with the authorities to trust instead of the system's.
    pub ca: Field<String>,
    /// PEM files to show to the provider.
    pub client_certificate: Field<String>,
    pub client_key: Field<String>,
    /// An HTTP proxy to reach it by, `http://proxy:3128`; one with a user and password as `env:NAME` or `file:path`.
    pub connect_proxy: Field<String>,
    pub timeouts: Field<Timeouts>,
    /// Whether it fetches media by URL itself. Default: as its dialect's own API does.
    pub fetches_urls: Field<bool>,
    /// Whether its models read PDFs and other documents. Default true: false for models that know words and images alone.
    pub reads_documents: Field<bool>,
}

impl Provider {
    /// What it says in the same words as a kind of provider.
    pub fn said(&self) -> Said<'_> {
        Said {
            dialects: &self.dialects,
            embeddings: &self.embeddings,
            rerank: &self.rerank,
            betas: &self.betas,
            facts: &self.facts,
            usage_option: &self.usage_option,
            fetches_urls: &self.fetches_urls,
            reads_documents: &self.reads_documents,
            paths: &self.paths,
            query: &self.query,
            parameters: &self.parameters,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    Bearer,
    None,
    Header(String),
    Scheme(String),
    Query(String),
    /// A request that is signed for AWS.
    AwsSigv4,
    /// A token of Google's.
    Google,
    /// A token of Microsoft's.
    AzureEntra,
}

/// What becomes of one field of a body, as it goes to the provider: exactly one of the keys with a field's path, such as
/// `logit_bias`, `response_format.json_schema.strict` or `messages[].name`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParameterRule {
    /// It goes as it came, whatever rules before this one say.
    pub forward: Field<String>,
    /// It is left out.
    pub drop: Field<String>,
    /// The call is refused with a 400, unless another target takes it.
    pub error: Field<String>,
    /// It goes under the name `to`, in the same object.
    pub rename: Field<String>,
    pub to: Field<String>,
    /// Its value becomes another one by `values`: `{minimal: low}`.
    pub map: Field<String>,
    /// A number that is brought to `least` or `most`.
    pub clamp: Field<String>,
    pub least: Field<f64>,
    pub most: Field<f64>,
    /// Only these `values` are sent: `[auto, flex]`.
    pub allow: Field<String>,
    pub values: Field<serde_json::Value>,
    /// A list that is cut to its first `most` elements.
    pub most_items: Field<String>,
    /// It is added with this `value` where it is not there, or null.
    pub default: Field<String>,
    /// It is sent with this `value` whatever the caller says.
    pub set: Field<String>,
    pub value: Field<serde_json::Value>,
    /// What becomes of a value that `clamp`, `allow` or `most_items` does not let pass: `clamp`, `drop` or `error`. Default:
    /// `clamp`, for `allow` `drop`.
    pub otherwise: Field<Otherwise>,
    /// The bodies that this is for: a dialect's name for its generations, `completions`, `embeddings`, `moderations`,
    /// `rerank`. Default: generations in the provider's first dialect.
    #[serde(rename = "in")]
    pub bodies: List<String>,
    /// The models that this is for, by the provider's names for them: `[o3-mini, "gpt-5*"]`. Default: all.
    pub models: List<String>,
}

/// What becomes of a value that a rule does not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    Clamp,
    Drop,
    Error,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// `gpt-4o-mini`, or `openai/*` for all that start so.
    pub name: Field<String>,
    /// What the list of models says of its age, such as `2024-07-18T00:00:00Z`. Default: when this gateway first had it.
    pub created: Field<String>,
    /// Fields that it takes otherwise than its providers say, done after the rules of the provider.
    pub parameters: List<ParameterRule>,
    /// In order of preference.
    pub targets: List<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    pub provider: Field<String>,
    /// The provider's name for the model; a `*` at the end stands for what the `*` of the model's name stood for.
    /// Default: the model's own name.
    pub model: Field<String>,
    /// For the plugins that share out calls. Default 1; 0 is for targets that only step in.
    pub weight: Field<u64>,
    /// Default: unknown.
    pub price: Field<Price>,
    pub timeouts: Field<Timeouts>,
    /// Default: as the provider's.
    pub fetches_urls: Field<bool>,
    /// Default: as the provider's.
    pub reads_documents: Field<bool>,
    /// Default: the provider's.
    pub betas: Field<Betas>,
    /// Fields that it takes otherwise, done after the rules of the provider and the model.
    pub parameters: List<ParameterRule>,
    /// What is not said here is as the provider's facts say.
    pub facts: Field<Facts>,
}

/// What no body says of a model, and a translation has to know.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// How it is told how much to think: `none`, `effort` (default), `budget` or `adaptive`.
    pub reasoning: Field<Reasoning>,
    /// The field in which it takes earlier reasoning back: `none` (default), `reasoning_content` (DeepSeek, Moonshot, vLLM),
    /// `reasoning` (Groq, Cerebras), `reasoning_details` (OpenRouter).
    pub reasoning_field: Field<ReasoningBack>,
    /// Most tokens that it writes. Default: unknown.
    pub max_output_tokens: Field<u64>,
    /// The limit for callers that set none, where the dialect demands one. Default 4096.
    pub default_output_tokens: Field<u64>,
    /// `max_completion_tokens` (default), or `max_tokens` for those that know no other.
    pub max_tokens_field: Field<MaxTokensField>,
    /// How marks for the prompt cache are spelled: `none` (default), `cache_control` (OpenRouter, Alibaba) or `breakpoint`.
    pub cache_marks: Field<MarksOf>,
    /// Whether Converse's cache points are taken. Default true.
    pub cache_points: Field<bool>,
    /// Whether the dialect's own structured output is understood. Default true.
    pub structured_output: Field<bool>,
    /// Whether system messages may stand among the others. Default false.
    pub system_anywhere: Field<bool>,
    /// `as_asked` (default), or what a model answers with that knows one way alone: `always` or `never` a stream. Callers get
    /// what they asked for all the same.
    pub streaming: Field<Streams>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streams {
    AsAsked,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    None,
    Effort,
    Budget,
    Adaptive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningBack {
    None,
    ReasoningContent,
    Reasoning,
    ReasoningDetails,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarksOf {
    None,
    CacheControl,
    Breakpoint,
}

/// `forward`, `drop`, or the names that are forwarded.
pub enum Betas {
    Forward,
    Drop,
    Only(Vec<Field<String>>),
}

impl<'de> Deserialize<'de> for Betas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;
        impl<'de> Visitor<'de> for WordOrList {
            type Value = Betas;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("forward, drop or a list of names")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Betas, E> {
                match word {
                    "forward" => Ok(Betas::Forward),
                    "drop" => Ok(Betas::Drop),
                    _ => Err(E::invalid_type(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Betas, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Betas::Only(names))
            }
        }
        deserializer.deserialize_any(WordOrList)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    pub input_usd_per_million: Field<Usd>,
    pub output_usd_per_million: Field<Usd>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    /// What records and metrics call the caller.
    pub name: Field<String>,
    /// `env:NAME`, `file:path`, or `sha256:` and the 64 hex digits of the key's SHA-256.
    pub key: Field<String>,
    /// The models it may use: names, `prefix*`, or `*` for all. Default: none.
    pub models: List<String>,
    /// `2027-01-01T00:00:00Z`. Default: never.
    pub expires: Field<String>,
}

/// The word `anyone`, or the keys.
pub enum Keys {
    Anyone,
    Some(Vec<Field<Key>>),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;
        impl<'de> Visitor<'de> for WordOrList {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of keys, or the word `anyone`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Keys, E> {
                if word == "anyone" {
                    Ok(Keys::Anyone)
                } else {
                    Err(E::invalid_type(de::Unexpected::Str(word), &self))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = items.next_element()? {
                    keys.push(key);
                }
                Ok(Keys::Some(keys))
            }
        }
        deserializer.deserialize_any(WordOrList)
    }
}
