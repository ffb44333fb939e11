//! Google: a credential's JSON, in each of the forms that Google's tools write, or where there is one without being named.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::Reading;
use crate::dispatch::identity::assertion;
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::sources::reason;
use crate::state::identity::{Google, GoogleSource, Subject, SubjectPlace};
use crate::state::secret::Secret;

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const METADATA: &str = "metadata.google.internal";

/// What a credential that cannot be used is told to be replaced by.
const REMEDY: &str =
    "the JSON of a service_account, authorized_user, external_account or impersonated_service_account";

impl Reading<'_, '_> {
    pub(super) fn google(&mut self, file: &files::Google, mark: Mark) -> Option<Google> {
        let mut scopes: Vec<Arc<str>> = Vec::new();
        for field in file.scopes.value.iter().flatten() {
            scopes.extend(self.text(field));
        }
        if scopes.is_empty() {
            scopes.push(CLOUD_PLATFORM.into());
        }
        let quota_project = self.text(&file.quota_project);
        let (source, quota) = match file.service_account.is_absent() {
            false => {
                let document = self.document(&file.service_account)?;
                self.credential(document.expose(), file.service_account.mark)?
            }
            true => self.usual(mark)?,
        };
        Some(Google {
            source,
            scopes,
            quota_project: quota_project.or(quota),
        })
    }

    /// Application default credentials (AIP-4110).
    fn usual(&mut self, mark: Mark) -> Option<(GoogleSource, Option<Arc<str>>)> {
        let named = self.variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        let is_named = named.is_some();
        if let Some(path) = named.or_else(|| self.gcloud_file()) {
            match self.checker.seen.read(&path) {
                Ok(content) => return self.credential(&String::from_utf8_lossy(&content), mark),
                Err(error) if is_named => {
                    let message = format!("{}: {}", path.display(), reason(&error));
                    self.problem(mark, message, "it is named by GOOGLE_APPLICATION_CREDENTIALS");
                    return None;
                }
                Err(_) => {}
            }
        }
        let host = self
            .variable("GCE_METADATA_HOST")
            .unwrap_or_else(|| METADATA.to_owned());
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default");
        Some((GoogleSource::Metadata { url: url.into() }, None))
    }

    fn gcloud_file(&self) -> Option<PathBuf> {
        let folder = self.variable("CLOUDSDK_CONFIG").map(PathBuf::from);
        let usual = || Some(PathBuf::from(self.variable("HOME")?).join(".config/gcloud"));
        Some(
            folder
                .or_else(usual)?
                .join("application_default_credentials.json"),
        )
    }

    /// What a document says, and the project that its quota is of. No part of it is repeated.
    fn credential(&mut self, document: &str, mark: Mark) -> Option<(GoogleSource, Option<Arc<str>>)> {
        let Ok(document) = serde_json::from_str::<Value>(document) else {
            self.problem(mark, "not JSON", REMEDY);
            return None;
        };
        let quota = text(&document, "quota_project_id").map(Into::into);
        self.form(&document, mark).map(|source| (source, quota))
    }

    fn form(&mut self, document: &Value, mark: Mark) -> Option<GoogleSource> {
        match document["type"].as_str() {
            Some("service_account") => self.service_account(document, mark),
            Some("authorized_user") => Some(GoogleSource::User {
                client_id: self.need(document, "client_id", mark)?.into(),
                client_secret: Secret::new(self.need(document, "client_secret", mark)?),
                refresh_token: Secret::new(self.need(document, "refresh_token", mark)?),
                token_uri: text(document, "token_uri").unwrap_or(TOKEN_URI).into(),
            }),
            Some("external_account") => self.external(document, mark),
            Some("impersonated_service_account") => {
                let base = self.form(&document["source_credentials"], mark)?;
                self.impersonated(base, url_of(document, "service_account_impersonation_url"), mark)
            }
            _ => {
                self.problem(mark, "not a credential of Google's that can be used here", REMEDY);
                None
            }
        }
    }

    fn service_account(&mut self, document: &Value, mark: Mark) -> Option<GoogleSource> {
        let key = Secret::new(self.need(document, "private_key", mark)?);
        if assertion::rsa_key(&key).is_none() {
            let message = "the `private_key` of the service account is no RSA key in PEM";
            self.problem(mark, message, "make a new key for the account");
            return None;
        }
        let token_uri = url_of(document, "token_uri").unwrap_or(TOKEN_URI);
        Some(GoogleSource::ServiceAccount {
            email: self.need(document, "client_email", mark)?.into(),
            key_id: text(document, "private_key_id").map(Into::into),
            key,
            token_uri: token_uri.into(),
        })
    }

    fn impersonated(&mut self, base: GoogleSource, url: Option<&str>, mark: Mark) -> Option<GoogleSource> {
        if matches!(base, GoogleSource::Impersonated { .. }) {
            self.problem(
                mark,
                "an account that is acted for by one that is acted for",
                "name the first one",
            );
            return None;
        }
        let Some(url) = url else {
            self.problem(
                mark,
                "`service_account_impersonation_url` is missing or no URL",
                REMEDY,
            );
            return None;
        };
        Some(GoogleSource::Impersonated {
            base: Box::new(base),
            url: url.into(),
        })
    }

    /// Workload identity federation (AIP-4117).
    fn external(&mut self, document: &Value, mark: Mark) -> Option<GoogleSource> {
        let subject = self.subject(&document["credential_source"], mark)?;
        let client = text(document, "client_id").zip(text(document, "client_secret"));
        let Some(token_url) = url_of(document, "token_url") else {
            self.problem(mark, "`token_url` is missing or no URL", REMEDY);
            return None;
        };
        let base = GoogleSource::External {
            audience: self.need(document, "audience", mark)?.into(),
            subject_token_type: self.need(document, "subject_token_type", mark)?.into(),
            token_url: token_url.into(),
            subject,
            client: client.map(|(id, secret)| (id.into(), Secret::new(secret))),
        };
        match document.get("service_account_impersonation_url") {
            None | Some(Value::Null) => Some(base),
            Some(_) => {
                let url = url_of(document, "service_account_impersonation_url");
                self.impersonated(base, url, mark)
            }
        }
    }

    fn subject(&mut self, source: &Value, mark: Mark) -> Option<Subject> {
        let place = match (text(source, "file"), url_of(source, "url")) {
            (Some(file), _) => {
                let path = self.path(file);
                self.is_there(&path, mark).then_some(SubjectPlace::File(path))?
            }
            (None, Some(url)) if source.get("environment_id").is_none() => SubjectPlace::Url {
                url: url.into(),
                headers: headers(&source["headers"]),
            },
            _ => {
                let message = "a `credential_source` that is neither a file nor a URL";
                let remedy = "programs, certificates and AWS are not asked here";
                self.problem(mark, message, remedy);
                return None;
            }
        };
        let format = &source["format"];
        let field = match format["type"].as_str() {
            Some("json") => Some(self.need(format, "subject_token_field_name", mark)?.into()),
            _ => None,
        };
        Some(Subject { place, field })
    }

    fn need<'v>(&mut self, document: &'v Value, name: &str, mark: Mark) -> Option<&'v str> {
        let found = text(document, name);
        if found.is_none() {
            self.problem(mark, format!("`{name}` is missing in the credential"), REMEDY);
        }
        found
    }
}

fn text<'v>(document: &'v Value, name: &str) -> Option<&'v str> {
    document[name].as_str().filter(|text| !text.is_empty())
}

fn url_of<'v>(document: &'v Value, name: &str) -> Option<&'v str> {
    text(document, name).filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

fn headers(document: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let entries = document.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.as_str()?).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        })
        .collect()
}
