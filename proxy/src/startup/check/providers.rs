//! Providers: URLs, headers and what is trusted in TLS; those that a file names, and those that the environment has a key for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::startup::certificates;
use crate::startup::check::keys::Keys;
use crate::startup::check::kinds::Given;
use crate::startup::check::url::Url;
use crate::startup::check::{Checker, NAME_RULE, is_name};
use crate::startup::files;
use crate::startup::kinds::{Kind, Kinds};
use crate::startup::manners::pages_of;
use crate::startup::problem::Mark;
use crate::startup::shape::{Entries, Field};
use crate::state::parameters::Parameters;
use crate::state::secret::Secret;
use crate::state::snapshot::{Auth, Betas, Provider, Timeouts, Trust};

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

/// What became of one entry.
enum Outcome {
    There(Box<Provider>),
    LeftOut(String),
    /// Noted already.
    Bad,
}

impl Providers {
    fn add(&mut self, name: &str, outcome: Outcome) {
        let available = match outcome {
            Outcome::There(provider) => Some(Arc::from(provider)),
            Outcome::LeftOut(_) | Outcome::Bad => None,
        };
        self.known.insert(name.to_owned(), available.is_some());
        self.available
            .extend(available.map(|p: Arc<Provider>| (p.name.clone(), p)));
    }
}

impl Checker<'_> {
    pub(super) fn providers(
        &mut self,
        field: &Field<Entries<files::Provider>>,
        timeouts: Timeouts,
        kinds: &Kinds,
    ) -> Providers {
        let mut providers = Providers::default();
        let mut left_out = Vec::new();
        if self
            .required(
                field,
                Mark::default(),
                "`providers`",
                "add a provider with a base_url or a kind",
            )
            .is_none()
        {
            return providers;
        }
        if field.value.as_ref().is_some_and(|entries| entries.0.is_empty()) {
            self.findings.problem(
                field.mark,
                "no providers",
                "add a provider with a base_url or a kind",
            );
        }
        for (name, entry) in field.value.iter().flat_map(|entries| &entries.0) {
            let (Some(text), Some(provider)) = (&name.value, &entry.value) else {
                providers
                    .known
                    .extend(name.value.clone().map(|name| (name, false)));
                continue;
            };
            self.provider_name(text, name.mark);
            let outcome = self.entry(text, provider, name.mark, timeouts, kinds);
            if let Outcome::LeftOut(reason) = &outcome {
                left_out.push(format!("{text} ({reason})"));
            }
            providers.add(text, outcome);
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

    /// The kinds whose key is in the environment, as providers; gives their names.
    pub(super) fn providers_of_environment(
        &mut self,
        providers: &mut Providers,
        owner: Mark,
        timeouts: Timeouts,
        kinds: &Kinds,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for kind in kinds.iter() {
            let is_set = self.usual_key(kind).is_some();
            if !is_set || providers.known.contains_key(&*kind.name) {
                continue;
            }
            // nobody asked for this one: what is wrong with its variables keeps no gateway from starting
            let apart = self.findings.apart();
            let own = std::mem::replace(self.findings, apart);
            let file = of_environment(kind, owner);
            let outcome = self.entry(&kind.name, &file, owner, timeouts, kinds);
            let said = std::mem::replace(self.findings, own);
            let is_clean = said.is_clean();
            for problem in said.into_all() {
                let message = format!(
                    "`{}` is not served with the key of the environment: {}",
                    kind.name, problem.message
                );
                self.findings.warning(owner, message, problem.remedy);
            }
            if let (Outcome::There(_), true) = (&outcome, is_clean) {
                providers.add(&kind.name, outcome);
                found.push(kind.name.to_string());
            }
        }
        found
    }

    fn entry(
        &mut self,
        name: &str,
        file: &files::Provider,
        owner: Mark,
        timeouts: Timeouts,
        kinds: &Kinds,
    ) -> Outcome {
        // without its kind, what is missing cannot be told from what the kind would say
        let Some(given) = self.given(name, file, owner, kinds) else {
            return Outcome::Bad;
        };
        let showing = self.showing(file, given.kind.as_deref());
        let shown = match self.keys(file, &given, &showing, owner) {
            Keys::There(shown) => shown,
            Keys::LeftOut(reason) => return Outcome::LeftOut(reason),
        };
        if !given.unset.is_empty() {
            return Outcome::LeftOut(given.unset.join(", "));
        }
        match self.provider(name, file, &given, owner, timeouts) {
            Some(checked) => Outcome::There(Box::new(Provider {
                credentials: self.credentials(&checked, shown),
                auth: showing.auth,
                ..checked
            })),
            None => Outcome::Bad,
        }
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
        given: &Given,
        owner: Mark,
        timeouts: Timeouts,
    ) -> Option<Provider> {
        let mut headers = self.headers(&file.headers);
        self.usual_headers(given, file.kind.mark, &mut headers);
        let trust = self.trust(file);
        let connect_proxy = self.connect_proxy(&file.connect_proxy);
        let timeouts = self.timeouts(file.timeouts.value.as_ref(), timeouts);
        let manners = self.manners(file, given);
        let pages = pages_of(&manners, &given.values);
        let parameters = Parameters::new(&manners.parameters.unwrap_or_default());
        let (base_url, mark) = self.base_url(name, file, given, owner)?;
        let url = self.url(&base_url, mark)?;
        if url.user.is_some() {
            let remedy = "name the key under credentials, as env:NAME or file:path";
            self.findings
                .problem(mark, "a base URL with a user or password", remedy);
        }
        let http2 = file.http2.value.unwrap_or(false);
        if http2 && !url.tls {
            self.findings.problem(
                file.http2.mark,
                "HTTP/2 needs an https URL",
                "remove http2, or use https",
            );
        }
        let betas = manners.betas.unwrap_or_else(|| betas_at(&url.host));
        Some(Provider {
            name: name.into(),
            tls: url.tls,
            host: url.host.into(),
            port: url.port,
            base_path: url.path.into(),
            dialects: manners.dialects,
            adapter: file.adapter.value.as_deref().map(Into::into),
            embeddings: manners.embeddings,
            rerank: manners.rerank,
            betas: Arc::new(betas),
            facts: manners.facts,
            credentials: Vec::new(),
            media: manners.media,
            auth: Auth::None,
            usage_option: manners.usage_option.unwrap_or(true),
            pages,
            parameters,
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

/// What the environment has a key for, as if it were written.
fn of_environment(kind: &Kind, owner: Mark) -> files::Provider {
    files::Provider {
        kind: Field {
            value: Some(kind.name.to_string()),
            mark: owner,
        },
        optional: Field {
            value: Some(true),
            mark: owner,
        },
        ..files::Provider::default()
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
