//! What a provider is shown to let the gateway in: keys, and how; or who the gateway is at a cloud. As the provider says,
//! else as its kind has it.

use crate::startup::check::Checker;
use crate::startup::check::kinds::Given;
use crate::startup::check::url::Url;
use crate::startup::files;
use crate::startup::kinds::Kind;
use crate::startup::kinds::text::Text;
use crate::startup::manners::{Cloud, Way, way};
use crate::startup::problem::Mark;
use crate::startup::secrets::{Missing, Reference};
use crate::startup::shape::Field;
use crate::state::health::HealthHandle;
use crate::state::identity;
use crate::state::secret::Secret;
use crate::state::snapshot::{Auth, Credential, Proof, Provider};

/// A provider's credentials; none with the reason where an optional one has none.
pub enum Keys {
    There(Vec<(u32, Shown)>),
    LeftOut(String),
}

/// A credential, before it is known how its provider is reached.
pub enum Shown {
    Key(Secret),
    Cloud(Box<identity::Cloud>),
}

/// How keys are shown, and the identity that stands in for them where the file names none.
pub struct Showing {
    pub auth: Auth,
    identity: Option<Cloud>,
}

impl Showing {
    fn key(auth: Auth) -> Self {
        Self { auth, identity: None }
    }

    fn identity(cloud: Cloud) -> Self {
        Self {
            // where a token is shown; a signature has a header of its own
            auth: Auth::Bearer,
            identity: Some(cloud),
        }
    }
}

impl Checker<'_> {
    /// As the file says; else the way of its kind that fits what there is; else a bearer.
    pub(super) fn showing(&mut self, file: &files::Provider, kind: Option<&Kind>) -> Showing {
        let way = match (file.auth.is_absent(), kind) {
            (false, _) => way(&file.auth, self.findings),
            (true, Some(kind)) => {
                let has_key = !file.credentials.is_absent() || self.usual_key(kind).is_some();
                Some(kind.way(has_key).clone())
            }
            (true, None) => None,
        };
        match way {
            Some(Way::Key(auth)) => Showing::key(auth),
            Some(Way::Identity(cloud)) => Showing::identity(cloud),
            None => Showing::key(Auth::Bearer),
        }
    }

    /// The first environment variable of a kind that holds a key.
    pub(super) fn usual_key<'k>(&self, kind: &'k Kind) -> Option<&'k String> {
        let value = |name: &&String| self.environment.variable(name);
        let is_set = |name: &&String| value(name).is_some_and(|value| !value.is_empty());
        kind.key.iter().find(is_set)
    }

    pub(super) fn keys(
        &mut self,
        file: &files::Provider,
        given: &Given,
        showing: &Showing,
        owner: Mark,
    ) -> Keys {
        let usual = self.usual(file, given, showing, owner);
        let written = file.credentials.value.iter().flatten();
        let written = written.filter_map(|field| Some((field.value.as_ref()?, field.mark)));
        let references: Vec<_> = written
            .chain(usual.as_ref().map(|usual| (usual, owner)))
            .collect();
        let is_empty = references.is_empty() && file.credentials.value.as_ref().is_none_or(Vec::is_empty);
        self.misplaced(file, showing, is_empty, owner);
        let host = host(file, given);
        let is_optional = file.optional.value.unwrap_or(false);
        let (mut credentials, mut unset) = (Vec::new(), Vec::new());
        for (position, (credential, mark)) in (0..).zip(references) {
            match self.shown(credential, mark, host.as_deref()) {
                Ok(shown) => credentials.push((position, shown)),
                Err(absent) => {
                    for (mark, missing) in absent {
                        match is_optional && missing.is_unset {
                            true => unset.push(missing.message),
                            false => self.missing_key(mark, missing, given.kind.as_deref()),
                        }
                    }
                }
            }
        }
        match credentials.is_empty() && !unset.is_empty() {
            true => Keys::LeftOut(unset.join(", ")),
            false => Keys::There(credentials),
        }
    }

    /// What stands in for credentials that the file does not name.
    fn usual(
        &self,
        file: &files::Provider,
        given: &Given,
        showing: &Showing,
        owner: Mark,
    ) -> Option<files::Credential> {
        if !file.credentials.is_absent() || showing.auth == Auth::None {
            return None;
        }
        if let Some(cloud) = showing.identity {
            return Some(identity_of(cloud, given.values.get("region"), owner));
        }
        let kind = given.kind.as_deref()?;
        let variable = self.usual_key(kind).or(kind.key.first())?;
        Some(files::Credential::Key(format!("env:{variable}")))
    }

    /// Notes credentials that are never sent, and those that are not there.
    fn misplaced(&mut self, file: &files::Provider, showing: &Showing, is_empty: bool, owner: Mark) {
        let is_readable = file.credentials.is_absent() || file.credentials.value.is_some();
        let written = file.credentials.value.iter().flatten();
        let mut keys = written.filter(|field| matches!(field.value, Some(files::Credential::Key(_))));
        if let (Some(cloud), Some(key)) = (showing.identity, keys.next()) {
            let message = format!("a key, which `{}` has no use for", cloud.as_str());
            let remedy = format!("write credentials: [{}]", cloud.credential());
            self.findings.problem(key.mark, message, remedy);
        }
        if showing.auth == Auth::None && !is_empty {
            let remedy = "remove the credentials, or `auth: none`";
            let mark = file.credentials.mark;
            self.findings
                .problem(mark, "credentials that are never sent", remedy);
        }
        if showing.auth != Auth::None && is_empty && is_readable {
            let remedy = "add credentials: [\"env:NAME\"], or auth: none";
            self.findings
                .problem(owner, "a provider without credentials", remedy);
        }
    }

    fn shown(
        &mut self,
        credential: &files::Credential,
        mark: Mark,
        host: Option<&str>,
    ) -> Result<Shown, Vec<(Mark, Missing)>> {
        match credential {
            files::Credential::Key(text) => {
                let secret = self.secret(text).map_err(|missing| vec![(mark, missing)])?;
                Ok(Shown::Key(secret))
            }
            files::Credential::Cloud(cloud) => {
                let cloud = self.cloud(cloud, mark, host)?;
                Ok(Shown::Cloud(Box::new(cloud)))
            }
        }
    }

    fn missing_key(&mut self, mark: Mark, missing: Missing, kind: Option<&Kind>) {
        let mut hints = Vec::new();
        hints.extend((!missing.remedy.is_empty()).then_some(missing.remedy));
        if missing.is_unset {
            let cloud = kind.and_then(Kind::identity);
            hints.extend(cloud.map(|cloud| format!("write credentials: [{}]", cloud.credential())));
            hints.push("mark the provider `optional: true`".to_owned());
        }
        self.findings.problem(mark, missing.message, hints.join(", or "));
    }

    pub(super) fn credentials(&self, provider: &Provider, shown: Vec<(u32, Shown)>) -> Vec<Credential> {
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
}

/// An identity with its defaults.
fn identity_of(cloud: Cloud, region: Option<&String>, mark: Mark) -> files::Credential {
    fn at<T>(value: T, mark: Mark) -> Field<T> {
        let value = Some(value);
        Field { value, mark }
    }
    let mut file = files::Cloud::default();
    match cloud {
        Cloud::Google => file.google = at(files::Google::default(), mark),
        Cloud::Azure => file.azure = at(files::Azure::default(), mark),
        Cloud::Aws => {
            let region = region.map(|region| at(region.clone(), mark));
            let region = region.unwrap_or_default();
            let aws = files::Aws {
                region,
                ..files::Aws::default()
            };
            file.aws = at(aws, mark);
        }
    }
    files::Credential::Cloud(Box::new(file))
}

/// Of its base URL, if that can be read; what is wrong with it is noted elsewhere.
fn host(file: &files::Provider, given: &Given) -> Option<String> {
    let kind = given.kind.as_deref();
    let names = kind.map(Kind::variable_names).unwrap_or_default();
    let url = match (&file.base_url.value, kind) {
        (Some(written), _) => Text::parse(written, names).ok()?.fill(&given.values),
        (None, kind) => kind?.base_url.fill(&given.values),
    };
    Url::parse(&url).ok().map(|url| url.host)
}
