//! Profiles of AWS's shared files (`~/.aws/config`, `~/.aws/credentials`), read by AWS's own reader: keys, a program, a web
//! identity, or a role with where its keys come from. The files are watched like any other of the configuration.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};
use futures::FutureExt;

use super::Place;
use crate::startup::check::identities::Reading;
use crate::startup::problem::Mark;
use crate::state::identity::{AwsKeys, AwsSource, Role};
use crate::state::secret::Secret;

/// Roles that lead to roles: a longer chain is a circle.
const MOST_ROLES: usize = 8;

/// All profiles of both files, by name.
#[derive(Default)]
pub struct Profiles {
    all: ProfileSet,
    /// What AWS's reader says of a file that it cannot read: it names the place and repeats nothing.
    broken: Option<String>,
    /// Where they were looked for.
    files: Vec<PathBuf>,
}

impl Profiles {
    /// Reads the files that are there, by AWS's own rules. What the second says counts instead of what the first does.
    fn read(files: Vec<(EnvConfigFileKind, PathBuf, Option<Vec<u8>>)>) -> Self {
        let mut profiles = Self::default();
        let (mut set, mut contents) = (EnvConfigFiles::builder(), HashMap::new());
        for (kind, path, content) in files {
            if let Some(content) = content {
                set = set.with_file(kind, &path);
                contents.insert(path.clone().into_os_string(), content);
            }
            profiles.files.push(path);
        }
        // a set of no files is none to the crate
        if contents.is_empty() {
            return profiles;
        }
        let (files, nothing) = (Fs::from_raw_map(contents), Env::from_slice(&[]));
        // what is read is there: nothing is waited for
        match profile::load(&files, &nothing, &set.build(), None).now_or_never() {
            Some(Ok(all)) => profiles.all = all,
            Some(Err(error)) => profiles.broken = Some(told(&error)),
            None => {}
        }
        profiles
    }

    pub fn setting(&self, profile: &str, name: &str) -> Option<&str> {
        let value = self.all.get_profile(profile)?.get(name)?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// Whether the profile is there and says where keys come from: many say a region alone. Of a broken file nobody knows.
    pub fn may_give_keys(&self, profile: &str) -> bool {
        self.broken.is_some()
            || ["aws_access_key_id", "role_arn", "credential_process"]
                .iter()
                .any(|name| self.setting(profile, name).is_some())
    }
}

/// The innermost error, which says where, on one line.
fn told(error: &dyn Error) -> String {
    let innermost = std::iter::successors(Some(error), |error| (*error).source()).last();
    let told = innermost.unwrap_or(error).to_string();
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Reading<'_, '_> {
    pub(super) fn profiles(&mut self) -> Profiles {
        let files = [
            (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", "config"),
            (
                EnvConfigFileKind::Credentials,
                "AWS_SHARED_CREDENTIALS_FILE",
                "credentials",
            ),
        ];
        let read = files.into_iter().filter_map(|(kind, variable, name)| {
            let path = self.shared_file(variable, name)?;
            let content = self.checker.seen.read(&path).ok();
            Some((kind, path, content))
        });
        Profiles::read(read.collect())
    }

    fn shared_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let usual = || Some(PathBuf::from(self.variable("HOME")?).join(".aws").join(name));
        self.variable(variable).map(PathBuf::from).or_else(usual)
    }

    /// Where a profile has its keys from.
    pub(super) fn profile(&mut self, place: &Place, name: &str, mark: Mark) -> Option<AwsSource> {
        self.resolved(place, name, mark, MOST_ROLES)
    }

    fn resolved(&mut self, place: &Place, name: &str, mark: Mark, roles_left: usize) -> Option<AwsSource> {
        let profiles = &place.profiles;
        let setting = |key: &str| profiles.setting(name, key);
        if let Some(broken) = &profiles.broken {
            self.problem(
                mark,
                broken.clone(),
                "mend it: AWS's own tools cannot read it either",
            );
            return None;
        }
        if profiles.all.get_profile(name).is_none() {
            let looked: Vec<String> = profiles
                .files
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let message = format!("there is no profile `{name}` in {}", looked.join(" or "));
            self.problem(mark, message, "aws configure --profile NAME");
            return None;
        }
        if let Some(arn) = setting("role_arn") {
            let session_name = setting("role_session_name").map(Into::into);
            let role = Role {
                external_id: setting("external_id").map(Into::into),
                duration_s: setting("duration_seconds").and_then(|seconds| seconds.parse().ok()),
                ..self.plain_role(place, arn.into(), session_name)
            };
            if let Some(file) = setting("web_identity_token_file") {
                return self.web_identity(place, file.into(), role);
            }
            let base = self.base_of(place, name, mark, roles_left)?;
            return Some(AwsSource::Role {
                base: Box::new(base),
                role,
            });
        }
        if let Some(keys) = keys(profiles, name) {
            return Some(AwsSource::Keys(keys));
        }
        if let Some(command) = setting("credential_process") {
            return Some(AwsSource::Process {
                command: command.into(),
            });
        }
        let is_login = setting("sso_session").or(setting("sso_start_url")).is_some();
        let (message, remedy) = match is_login {
            true => (
                format!("profile `{name}` is a person's login (SSO)"),
                "use a role or keys: nobody can log in for a gateway",
            ),
            false => (format!("profile `{name}` gives no keys"), ""),
        };
        self.problem(mark, message, remedy);
        None
    }

    /// What a profile's role is taken on with.
    fn base_of(&mut self, place: &Place, name: &str, mark: Mark, roles_left: usize) -> Option<AwsSource> {
        let profiles = &place.profiles;
        match (
            profiles.setting(name, "source_profile"),
            profiles.setting(name, "credential_source"),
        ) {
            (Some(_), _) if roles_left == 0 => {
                let message = format!("the roles of profile `{name}` lead in a circle");
                self.problem(mark, message, "one of them has to have keys");
                None
            }
            (Some(own), _) if own == name && keys(profiles, name).is_some() => {
                keys(profiles, name).map(AwsSource::Keys)
            }
            (Some(other), _) => self.resolved(place, other, mark, roles_left - 1),
            (None, Some("Environment")) => self.keys_of_variables().map(AwsSource::Keys).or_else(|| {
                let remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                self.problem(
                    mark,
                    format!("profile `{name}` wants keys of the environment"),
                    remedy,
                );
                None
            }),
            (None, Some("EcsContainer")) => self.container().or_else(|| self.no_keys(mark)),
            (None, Some("Ec2InstanceMetadata")) => self.instance().or_else(|| self.no_keys(mark)),
            _ => {
                let message = format!("profile `{name}` has a role, and nothing to take it on with");
                self.problem(mark, message, "add source_profile to it");
                None
            }
        }
    }
}

fn keys(profiles: &Profiles, name: &str) -> Option<AwsKeys> {
    let secret = |key| profiles.setting(name, key).map(Secret::new);
    Some(AwsKeys {
        access_key_id: secret("aws_access_key_id")?,
        secret_access_key: secret("aws_secret_access_key")?,
        session_token: secret("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, credentials: &str) -> Profiles {
        let file = |kind, text: &str| (kind, PathBuf::from(format!("/{kind:?}")), Some(text.into()));
        Profiles::read(vec![
            file(EnvConfigFileKind::Config, config),
            file(EnvConfigFileKind::Credentials, credentials),
        ])
    }

    #[test]
    fn profiles_are_read_from_both_files() {
        let profiles = read(
            "[default]\nregion = eu-west-1\n[profile prod] # live\nrole_arn=arn:1 # why\ns3 =\n  region = us-east-1\n# x = y\n",
            "[prod]\naws_access_key_id = AKIA\nAWS_SECRET_ACCESS_KEY = a/b+c=\n",
        );
        assert_eq!(profiles.setting("default", "region"), Some("eu-west-1"));
        assert_eq!(profiles.setting("prod", "role_arn"), Some("arn:1"));
        assert_eq!(profiles.setting("prod", "region"), None);
        assert_eq!(
            keys(&profiles, "prod").unwrap().secret_access_key,
            Secret::new("a/b+c=")
        );
        assert!(!profiles.may_give_keys("default") && profiles.may_give_keys("prod"));
        assert_eq!(profiles.setting("away", "region"), None);
    }

    #[test]
    fn a_broken_file_is_told_by_its_place_and_not_by_its_words() {
        let profiles = read("[default]\ncanary\n", "");
        let broken = profiles.broken.unwrap();
        assert!(
            broken.contains("/Config") && broken.contains("line 2") && !broken.contains("canary"),
            "{broken}"
        );
        let nothing = Profiles::read(vec![(EnvConfigFileKind::Config, "/away".into(), None)]);
        assert!(nothing.broken.is_none() && !nothing.may_give_keys("default"));
    }
}
