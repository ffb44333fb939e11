//! Who the gateway is at a cloud: settings, variables and files into what tokens are got with. Nothing is asked over the
//! network; each cloud's own rules are in its module.

mod aws;
mod azure;
mod google;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::startup::check::Checker;
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::secrets::{Missing, Reference};
use crate::startup::shape::Field;
use crate::state::identity::{Cloud, Identity, Settings};
use crate::state::secret::Secret;
use crate::state::snapshot::{Proof, Provider};

/// Secrets that are not where they should be, each with its place. What else is wrong was noted already.
pub type Absent = Vec<(Mark, Missing)>;

impl Checker<'_> {
    /// The settings of one identity. `host` is the provider's, if its URL could be read.
    pub(super) fn cloud(
        &mut self,
        file: &files::Cloud,
        mark: Mark,
        host: Option<&str>,
    ) -> Result<Cloud, Absent> {
        let mut reading = Reading {
            checker: self,
            absent: Vec::new(),
        };
        let cloud = match (&file.aws.value, &file.google.value, &file.azure.value) {
            (Some(aws), None, None) => reading.aws(aws, file.aws.mark, host).map(Cloud::Aws),
            (None, Some(google), None) => reading.google(google, file.google.mark).map(Cloud::Google),
            (None, None, Some(azure)) => reading.azure(azure, file.azure.mark).map(Cloud::Azure),
            (None, None, None) => {
                // one that is there and bad was noted already
                if file.aws.is_absent() && file.google.is_absent() && file.azure.is_absent() {
                    let remedy = "such as {aws: {region: eu-central-1}}, {google: {}} or {azure: {}}";
                    reading.problem(mark, "a credential without anything", remedy);
                }
                None
            }
            _ => {
                let remedy = "write each as a credential of its own";
                reading.problem(mark, "two clouds in one credential", remedy);
                None
            }
        };
        let absent = reading.absent;
        cloud.filter(|_| absent.is_empty()).ok_or(absent)
    }

    /// The proof for a checked provider: with the token that the generation before has, if nothing about it has changed.
    pub(super) fn proof(&self, provider: &Provider, position: u32, cloud: Cloud) -> Proof {
        let mut trust = provider.trust.clone();
        (trust.client_certificate_pem, trust.client_key_pem) = (None, None);
        let settings = Settings {
            provider: provider.name.clone(),
            position,
            cloud,
            trust,
            connect_proxy: provider.connect_proxy.clone(),
        };
        let before = self.before.and_then(|providers| providers.get(&provider.name));
        let known = before
            .into_iter()
            .flat_map(|provider| &provider.credentials)
            .find_map(|one| match &one.proof {
                Proof::Identity(identity) if identity.settings == settings => Some(identity.clone()),
                _ => None,
            });
        let clock = self.environment.clock();
        Proof::Identity(known.unwrap_or_else(|| Arc::new(Identity::new(settings, clock.clone()))))
    }
}

/// One identity that is being read.
struct Reading<'r, 'c> {
    checker: &'r mut Checker<'c>,
    absent: Absent,
}

impl Reading<'_, '_> {
    fn problem(&mut self, mark: Mark, message: impl Into<String>, remedy: impl Into<String>) {
        self.checker.findings.problem(mark, message, remedy);
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.checker
            .environment
            .variable(name)
            .filter(|value| !value.is_empty())
    }

    /// A secret, from where the setting says.
    fn secret(&mut self, field: &Field<String>) -> Option<Secret> {
        let read = self.checker.secret(field.value.as_deref()?);
        self.found(field.mark, read)
    }

    /// A secret of several lines.
    fn document(&mut self, field: &Field<String>) -> Option<Secret> {
        let checker = &mut *self.checker;
        let reference = Reference::parse(field.value.as_deref()?, checker.folder);
        let read =
            reference.and_then(|reference| reference.read_document(checker.environment, &mut *checker.seen));
        self.found(field.mark, read)
    }

    fn found(&mut self, mark: Mark, read: Result<Secret, Missing>) -> Option<Secret> {
        read.map_err(|missing| self.absent.push((mark, missing))).ok()
    }

    /// A name, written down or referred to.
    fn text(&mut self, field: &Field<String>) -> Option<Arc<str>> {
        let written = field.value.as_deref()?;
        if written.starts_with("env:") || written.starts_with("file:") {
            return Some(self.secret(field)?.expose().into());
        }
        if written.is_empty() || !written.bytes().all(|b| b.is_ascii_graphic()) {
            self.problem(
                field.mark,
                "empty, or with blanks, line ends or letters outside ASCII",
                "",
            );
            return None;
        }
        Some(written.into())
    }

    /// A setting's text, else a variable's.
    fn text_or_variable(&mut self, field: &Field<String>, variable: &str) -> Option<Arc<str>> {
        match field.is_absent() {
            true => self.variable(variable).map(Into::into),
            false => self.text(field),
        }
    }

    /// An address without a slash at its end; `otherwise` where nothing is said.
    fn url(&mut self, field: &Field<String>, otherwise: impl Into<String>) -> Option<Arc<str>> {
        let Some(written) = &field.value else {
            let otherwise: String = otherwise.into();
            return field.is_absent().then(|| otherwise.into());
        };
        self.checker.url(written, field.mark)?;
        Some(written.trim_end_matches('/').into())
    }

    fn path(&self, written: &str) -> PathBuf {
        self.checker.folder.join(written)
    }

    /// Whether a file that is read later, and again and again, is there now.
    fn is_there(&mut self, path: &Path, mark: Mark) -> bool {
        let is_there = path.is_file();
        if !is_there {
            self.problem(mark, format!("{}: no such file", path.display()), "");
        }
        is_there
    }
}
