//! Providers: URLs, credentials, headers and what is trusted in TLS.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use penstock_llm::model::Dialect;
use penstock_llm::{embed, rerank};

use crate::startup::certificates;
use crate::startup::check::parameters::parameters;
use crate::startup::check::url::Url;
use crate::startup::check::{Checker, NAME_RULE, is_name};
use crate::startup::files::{self, List};
use crate::startup::problem::Mark;
use crate::startup::secrets::{Missing, Reference};
use crate::startup::shape::{Entries, Field};
use crate::state::health::HealthHandle;
use crate::state::identity::Cloud;
use crate::state::parameters::Parameters;
use crate::state::secret::Secret;
use crate::state::snapshot::{Auth, Betas, Credential, MediaTaken, Proof, Provider, Timeouts, Trust};

/// The providers by what became of them.
#[derive(Default)]
pub struct Providers {
    pub available: HashMap<Arc<str>, Arc<Provider>>,
    /// Every name of the file; false for one that is left out, or bad and noted.
    pub known: BTreeMap<String, bool>,
}

/// First parts of paths that are the gateway's own.
const RESERVED: [&str; 4] = ["v1", "v1beta", "api", "model"];

/// Headers that frame a message, or that have settings of their own.
const NOT_SETTABLE: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers whose values are keys.
const SECRET_HEADERS: [&str; 4] = ["api-key", "x-api-key", "x-goog-api-key", "x-auth-token"];

/// A provider's credentials; none with the reason where an optional one has none.
enum Keys {
    There(Vec<(u32, Shown)>),
    LeftOut(String),
}

/// A credential, before it is known how its provider is reached.
enum Shown {
    Key(Secret),
    Cloud(Box<Cloud>),
}

impl Checker<'_> {
    pub(super) fn providers(
        &mut self,
        field: &Field<Entries<files::Provider>>,
        timeouts: Timeouts,
    ) -> Providers {
        let mut providers = Providers::default();
        let mut left_out = Vec::new();
        if self
            .required(
                field,
                Mark::default(),
                "`providers`",
                "add a provider with a base_url",
            )
            .is_none()
        {
            return providers;
        }
        if field.value.as_ref().is_some_and(|entries| entries.0.is_empty()) {
            self.findings
                .problem(field.mark, "no providers", "add a provider with a base_url");
        }
        for (name, entry) in field.value.iter().flat_map(|entries| &entries.0) {
            let (Some(text), Some(provider)) = (&name.value, &entry.value) else {
                providers
                    .known
                    .extend(name.value.clone().map(|name| (name, false)));
                continue;
            };
            self.provider_name(text, name.mark);
            let (checked, keys) = (
                self.provider(text, provider, name.mark, timeouts),
                self.keys(provider, name.mark),
            );
            let available = match keys {
                Keys::There(shown) => checked.map(|checked| Provider {
                    credentials: self.credentials(&checked, shown),
                    ..checked
                }),
                Keys::LeftOut(reason) => {
                    left_out.push(format!("{text} ({reason})"));
                    None
                }
            };
            providers.known.insert(text.clone(), available.is_some());
            providers
                .available
                .extend(available.map(|p| (p.name.clone(), Arc::new(p))));
        }
        if !left_out.is_empty() {
            self.findings.warning(
                field.mark,
                format!("providers without a key are left out: {}", left_out.join(", ")),
                "",
            );
        }
        providers
    }

    fn provider_name(&mut self, name: &str, mark: Mark) {
        if !is_name(name) {
            self.findings.problem(mark, "not a provider's name", NAME_RULE);
        } else if RESERVED.contains(&name) {
            self.findings.problem(
                mark,
                format!("`{name}` is a path of the gateway itself"),
                "choose another name",
            );
        }
    }

    /// All but the credentials.
    fn provider(
        &mut self,
        name: &str,
        file: &files::Provider,
        owner: Mark,
        timeouts: Timeouts,
    ) -> Option<Provider> {
        let headers = self.headers(&file.headers);
        let trust = self.trust(file);
        let connect_proxy = self.connect_proxy(&file.connect_proxy);
        let timeouts = self.timeouts(file.timeouts.value.as_ref(), timeouts);
        let auth = self.auth(&file.auth);
        let dialects = self.dialects(&file.dialects, file.adapter.is_absent());
        let embeddings = self.embeddings(&file.embeddings);
        let rerank = self.rerank(&file.rerank, &dialects);
        let betas = Self::betas(&file.betas);
        let facts = self.facts(&file.facts);
        let first = dialects.first().copied().unwrap_or(Dialect::OpenAiChat);
        let parameters = parameters(&file.parameters, first, self.findings);
        let what = format!("`base_url` of provider `{name}`");
        let base_url = self.required(&file.base_url, owner, &what, "such as https://api.openai.com/v1")?;
        let url = self.url(base_url, file.base_url.mark)?;
        if url.user.is_some() {
            let remedy = "name the key under credentials, as env:NAME or file:path";
            self.findings
                .problem(file.base_url.mark, "a base URL with a user or password", remedy);
        }
        let http2 = file.http2.value.unwrap_or(false);
        if http2 && !url.tls {
            self.findings.problem(
                file.http2.mark,
                "HTTP/2 needs an https URL",
                "remove http2, or use https",
            );
        }
        let betas = betas.unwrap_or_else(|| betas_at(&url.host));
        Some(Provider {
            name: name.into(),
            tls: url.tls,
            host: url.host.into(),
            port: url.port,
            base_path: url.path.into(),
            dialects,
            adapter: file.adapter.value.as_deref().map(Into::into),
            embeddings,
            rerank,
            betas: Arc::new(betas),
            facts,
            credentials: Vec::new(),
            auth,
            usage_option: file.usage_option.value.unwrap_or(true),
            parameters: Parameters::new(&parameters),
            media: MediaTaken {
                fetches_urls: file.fetches_urls.value,
                reads_documents: file.reads_documents.value,
            },
            headers,
            http2,
            trust,
            connect_proxy,
            timeouts,
        })
    }

    pub(super) fn url(&mut self, text: &str, mark: Mark) -> Option<Url> {
        Url::parse(text)
            .map_err(|(message, remedy)| self.findings.problem(mark, message, remedy))
            .ok()
    }

    /// In the file's order; OpenAI's where nothing is said, unless an adapter speaks for all.
    fn dialects(&mut self, list: &List<String>, has_default: bool) -> Vec<Dialect> {
        let mut dialects = Vec::new();
        for field in list.value.iter().flatten() {
            let Some(name) = &field.value else { continue };
            match Dialect::named(name).filter(|dialect| dialect.codec().is_some()) {
                Some(dialect) => dialects.push(dialect),
                None => self.findings.problem(
                    field.mark,
                    format!("`{name}` is no dialect"),
                    format!("one of {}", known_dialects()),
                ),
            }
        }
        if dialects.is_empty() && has_default {
            dialects.push(Dialect::OpenAiChat);
        }
        dialects
    }

    fn embeddings(&mut self, field: &Field<String>) -> Option<embed::Dialect> {
        let name = field.value.as_deref()?;
        let known = embed::Dialect::named(name);
        if known.is_none() {
            let all = embed::CODECS.iter().map(|codec| codec.dialect().as_str());
            self.no_dialect(name, field.mark, "embeddings", all);
        }
        known
    }

    fn rerank(&mut self, field: &Field<String>, dialects: &[Dialect]) -> Option<rerank::Dialect> {
        let Some(name) = field.value.as_deref() else {
            let is_cohere = dialects.first() == Some(&Dialect::Cohere);
            return is_cohere.then_some(rerank::Dialect::CohereV2);
        };
        let known = rerank::Dialect::named(name);
        if known.is_none() {
            let all = rerank::DIALECTS.iter().map(|dialect| dialect.as_str());
            self.no_dialect(name, field.mark, "reranking", all);
        }
        known
    }

    fn no_dialect<'n>(&mut self, name: &str, mark: Mark, what: &str, all: impl Iterator<Item = &'n str>) {
        let all: Vec<&str> = all.collect();
        self.findings.problem(
            mark,
            format!("`{name}` is no dialect of {what}"),
            format!("one of {}", all.join(", ")),
        );
    }

    /// Which beta headers go to a provider or a target; none where nothing is said.
    pub(super) fn betas(field: &Field<files::Betas>) -> Option<Betas> {
        Some(match field.value.as_ref()? {
            files::Betas::Forward => Betas::All,
            files::Betas::Drop => Betas::Only(Vec::new()),
            files::Betas::Only(names) => {
                let names = names.iter().filter_map(|name| name.value.as_deref());
                Betas::Only(names.map(Into::into).collect())
            }
        })
    }

    fn auth(&mut self, field: &Field<files::Auth>) -> Auth {
        match &field.value {
            None | Some(files::Auth::Bearer) => Auth::Bearer,
            Some(files::Auth::None) => Auth::None,
            Some(files::Auth::Header(name)) => match HeaderName::try_from(name) {
                Ok(name) => Auth::Header(name),
                Err(_) => {
                    self.findings.problem(
                        field.mark,
                        "not the name of a header",
                        "such as {header: api-key}",
                    );
                    Auth::Bearer
                }
            },
        }
    }

    fn keys(&mut self, file: &files::Provider, owner: Mark) -> Keys {
        let references = file.credentials.value.as_deref().unwrap_or_default();
        let no_auth = file.auth.value == Some(files::Auth::None);
        if no_auth && !references.is_empty() {
            let remedy = "remove the credentials, or `auth: none`";
            self.findings
                .problem(file.credentials.mark, "credentials that are never sent", remedy);
        }
        if !no_auth
            && references.is_empty()
            && (file.credentials.is_absent() || file.credentials.value.is_some())
        {
            let remedy = "add credentials: [\"env:NAME\"], or auth: none";
            self.findings
                .problem(owner, "a provider without credentials", remedy);
        }
        let optional = file.optional.value.unwrap_or(false);
        let host = file.base_url.value.as_deref();
        let host = host.and_then(|url| Url::parse(url).ok()).map(|url| url.host);
        let (mut credentials, mut unset) = (Vec::new(), Vec::new());
        for (position, field) in (0..).zip(references) {
            let absent = match &field.value {
                None => continue,
                Some(files::Credential::Key(text)) => match self.secret(text) {
                    Ok(secret) => {
                        credentials.push((position, Shown::Key(secret)));
                        continue;
                    }
                    Err(missing) => vec![(field.mark, missing)],
                },
                Some(files::Credential::Cloud(cloud)) => {
                    match self.cloud(cloud, field.mark, host.as_deref()) {
                        Ok(cloud) => {
                            credentials.push((position, Shown::Cloud(Box::new(cloud))));
                            continue;
                        }
                        Err(absent) => absent,
                    }
                }
            };
            for (mark, missing) in absent {
                if optional && missing.is_unset {
                    unset.push(missing.message);
                    continue;
                }
                let hints = [missing.remedy.as_str(), "mark the provider `optional: true`"];
                let hints = &hints[usize::from(missing.remedy.is_empty())..1 + usize::from(missing.is_unset)];
                self.findings.problem(mark, missing.message, hints.join(", or "));
            }
        }
        match credentials.is_empty() && !unset.is_empty() {
            true => Keys::LeftOut(unset.join(", ")),
            false => Keys::There(credentials),
        }
    }

    fn credentials(&self, provider: &Provider, shown: Vec<(u32, Shown)>) -> Vec<Credential> {
        let credential = |(position, shown)| Credential {
            position,
            proof: match shown {
                Shown::Key(secret) => Proof::Key(secret),
                Shown::Cloud(cloud) => self.proof(provider, position, *cloud),
            },
            health: HealthHandle::default(),
        };
        shown.into_iter().map(credential).collect()
    }

    pub(super) fn secret(&mut self, text: &str) -> Result<Secret, Missing> {
        Reference::parse(text, self.folder)?.read(self.environment, self.seen)
    }

    fn headers(&mut self, field: &Field<Entries<String>>) -> Vec<(HeaderName, HeaderValue)> {
        let entries = field.value.iter().flat_map(|entries| &entries.0);
        entries
            .filter_map(|(name, value)| self.header(name, value))
            .collect()
    }

    fn header(&mut self, name: &Field<String>, value: &Field<String>) -> Option<(HeaderName, HeaderValue)> {
        let (text, mark) = (name.value.as_deref()?, name.mark);
        let Ok(header) = HeaderName::try_from(text) else {
            self.findings.problem(mark, "not the name of a header", "");
            return None;
        };
        if NOT_SETTABLE.contains(&header.as_str()) {
            let remedy = if header == "authorization" {
                "use credentials and auth"
            } else {
                "the gateway writes it"
            };
            self.findings
                .problem(mark, format!("header `{header}` cannot be set here"), remedy);
        }
        let written = value.value.as_deref()?;
        let refers = written.starts_with("env:") || written.starts_with("file:");
        let secret = refers || SECRET_HEADERS.contains(&header.as_str());
        let read = if secret {
            self.secret(written).map(|s| s.expose().to_owned())
        } else {
            Ok(written.to_owned())
        };
        let text = read
            .map_err(|wrong| self.findings.problem(value.mark, wrong.message, wrong.remedy))
            .ok()?;
        let Ok(mut content) = HeaderValue::try_from(text) else {
            self.findings.problem(
                value.mark,
                "a header's value cannot hold line ends or control characters",
                "",
            );
            return None;
        };
        content.set_sensitive(secret);
        Some((header, content))
    }

    fn trust(&mut self, file: &files::Provider) -> Trust {
        let ca_pem = self.authorities(&file.ca);
        let (certificate, key) = (&file.client_certificate, &file.client_key);
        if certificate.is_absent() != key.is_absent() {
            let mark = if key.is_absent() {
                certificate.mark
            } else {
                key.mark
            };
            let remedy = "a client certificate needs both client_certificate and client_key";
            self.findings
                .problem(mark, "one half of a client certificate", remedy);
        }
        let pair = self
            .file(certificate)
            .zip(self.file(key))
            .and_then(|(chain, key_pem)| {
                let read = certificates::certified_key(&chain, &key_pem);
                read.map_err(|message| self.findings.problem(key.mark, message, ""))
                    .ok()?;
                Some((Arc::from(chain), Secret::new(String::from_utf8(key_pem).ok()?)))
            });
        let (client_certificate_pem, client_key_pem) = pair.unzip();
        Trust {
            ca_pem,
            client_certificate_pem,
            client_key_pem,
        }
    }
}

/// What Bedrock and Vertex are known to take of Claude's betas; anything else makes a 400 there (PAIN I02).
const BETAS_OF_CLOUDS: [&str; 10] = [
    "computer-use-2025-01-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
];

/// The betas that go to a host where the file does not say it.
fn betas_at(host: &str) -> Betas {
    let is_cloud = [".amazonaws.com", ".api.aws", ".googleapis.com"]
        .iter()
        .any(|cloud| host.ends_with(cloud));
    match is_cloud {
        true => Betas::Only(BETAS_OF_CLOUDS.iter().map(|name| (*name).into()).collect()),
        false => Betas::All,
    }
}

fn known_dialects() -> String {
    let known: Vec<&str> = Dialect::ALL
        .iter()
        .filter(|dialect| dialect.codec().is_some())
        .map(|dialect| dialect.as_str())
        .collect();
    known.join(", ")
}
