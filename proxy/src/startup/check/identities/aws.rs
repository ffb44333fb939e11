//! AWS: region, keys or where the SDKs look for them, in the SDKs' order, and a role.

mod profile;

use std::path::PathBuf;
use std::sync::Arc;

use super::Reading;
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::shape::Field;
use crate::state::identity::{Aws, AwsKeys, AwsSource, Role, Written};
use crate::state::secret::Secret;
use profile::Profiles;

/// The metadata service of EC2, and the one of ECS.
const INSTANCE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// Reads one identity's AWS part: what all of it needs to know.
struct Place {
    mark: Mark,
    region: Arc<str>,
    profiles: Profiles,
}

impl Reading<'_, '_> {
    pub(super) fn aws(&mut self, file: &files::Aws, mark: Mark, host: Option<&str>) -> Option<Aws> {
        let service = self.text(&file.service);
        let usual = match host {
            Some(host) if host.starts_with("bedrock-mantle.") => "bedrock-mantle",
            _ => "bedrock",
        };
        let profiles = self.profiles();
        let named = self.profile_name(&file.profile);
        let region = self.region(file, mark, host, profiles.setting(&named, "region"))?;
        let place = Place {
            mark,
            region: region.clone(),
            profiles,
        };
        let base = self.source(file, &place, &named);
        let role = self.role(file, &place);
        let (base, role) = (base?, role?);
        let source = match role {
            None => base,
            Some(role) => AwsSource::Role {
                base: Box::new(base),
                role,
            },
        };
        Some(Aws {
            region,
            service: service.unwrap_or_else(|| usual.into()),
            source,
        })
    }

    fn region(
        &mut self,
        file: &files::Aws,
        mark: Mark,
        host: Option<&str>,
        of_profile: Option<&str>,
    ) -> Option<Arc<str>> {
        if !file.region.is_absent() {
            return self.text(&file.region);
        }
        let of_host = host.and_then(|host| host.split('.').find(|label| is_region(label)));
        let found = of_host
            .map(str::to_owned)
            .or_else(|| self.variable("AWS_REGION"))
            .or_else(|| self.variable("AWS_DEFAULT_REGION"))
            .or_else(|| of_profile.map(str::to_owned));
        if found.is_none() {
            let remedy = "add region, such as {region: eu-central-1}";
            self.problem(mark, "AWS without a region", remedy);
        }
        found.map(Into::into)
    }

    fn source(&mut self, file: &files::Aws, place: &Place, named: &str) -> Option<AwsSource> {
        let has_keys = [&file.access_key_id, &file.secret_access_key, &file.session_token]
            .iter()
            .any(|field| !field.is_absent());
        match (has_keys, file.profile.is_absent()) {
            (false, true) => self.chain(place, named),
            (false, false) => self.profile(place, named, file.profile.mark),
            (true, false) => {
                self.problem(file.profile.mark, "keys and a profile", "remove one of them");
                None
            }
            (true, true) => self.keys(file, place.mark).map(AwsSource::Keys),
        }
    }

    fn keys(&mut self, file: &files::Aws, mark: Mark) -> Option<AwsKeys> {
        if file.access_key_id.is_absent() || file.secret_access_key.is_absent() {
            let remedy = "keys of AWS are access_key_id and secret_access_key, each as env:NAME or file:path";
            self.problem(mark, "one half of a pair of keys", remedy);
            return None;
        }
        let id = self.secret(&file.access_key_id);
        let secret = self.secret(&file.secret_access_key);
        let session_token = self.secret(&file.session_token);
        Some(AwsKeys {
            access_key_id: id?,
            secret_access_key: secret?,
            session_token,
        })
    }

    /// Variables, shared files, web identity, container, instance: the first that is there.
    fn chain(&mut self, place: &Place, named: &str) -> Option<AwsSource> {
        if let Some(keys) = self.keys_of_variables() {
            return Some(AwsSource::Keys(keys));
        }
        if place.profiles.may_give_keys(named) || self.variable("AWS_PROFILE").is_some() {
            return self.profile(place, named, place.mark);
        }
        if let Some(file) = self.variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
            let role = self.variable("AWS_ROLE_ARN");
            if role.is_none() {
                let remedy = "set it beside AWS_WEB_IDENTITY_TOKEN_FILE";
                self.problem(place.mark, "environment variable AWS_ROLE_ARN is not set", remedy);
            }
            let session_name = self.variable("AWS_ROLE_SESSION_NAME");
            let role = self.plain_role(place, role?.into(), session_name.map(Into::into));
            return self.web_identity(place, file.into(), role);
        }
        self.container()
            .or_else(|| self.instance())
            .or_else(|| self.no_keys(place.mark))
    }

    fn no_keys(&mut self, mark: Mark) -> Option<AwsSource> {
        let remedy = "name access_key_id and secret_access_key, or a profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        self.problem(mark, "no keys of AWS are anywhere", remedy);
        None
    }

    fn keys_of_variables(&self) -> Option<AwsKeys> {
        let secret = |name| self.variable(name).map(Secret::new);
        Some(AwsKeys {
            access_key_id: secret("AWS_ACCESS_KEY_ID")?,
            secret_access_key: secret("AWS_SECRET_ACCESS_KEY")?,
            session_token: secret("AWS_SESSION_TOKEN"),
        })
    }

    fn web_identity(&mut self, place: &Place, token_file: PathBuf, role: Role) -> Option<AwsSource> {
        self.is_there(&token_file, place.mark)
            .then_some(AwsSource::WebIdentity { token_file, role })
    }

    fn container(&self) -> Option<AwsSource> {
        let relative = self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let url = relative
            .map(|path| format!("{CONTAINER}{path}"))
            .or_else(|| self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))?;
        let file = self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let here = || self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        Some(AwsSource::Container {
            url: url.into(),
            authorization: match file {
                Some(path) => Some(Written::File(path.into())),
                None => here().map(|token| Written::Here(Secret::new(token))),
            },
        })
    }

    fn instance(&self) -> Option<AwsSource> {
        let disabled = self.variable("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let url = self
            .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .unwrap_or_else(|| INSTANCE.to_owned());
        Some(AwsSource::Instance {
            url: url.trim_end_matches('/').into(),
        })
    }

    /// The role of the setting; `Some(None)` where none is asked for.
    fn role(&mut self, file: &files::Aws, place: &Place) -> Option<Option<Role>> {
        if file.role_arn.is_absent() {
            let of_role = [&file.external_id, &file.role_session_name, &file.sts_endpoint];
            let written = of_role.iter().find(|field| !field.is_absent());
            let duration = Some(file.role_duration_s.mark).filter(|_| !file.role_duration_s.is_absent());
            if let Some(mark) = written.map(|field| field.mark).or(duration) {
                self.problem(mark, "a setting for a role, and no role", "add role_arn");
            }
            return Some(None);
        }
        let arn = self.text(&file.role_arn)?;
        if !arn.starts_with("arn:") || !arn.contains(":role/") {
            let remedy = "such as arn:aws:iam::123456789012:role/bedrock";
            self.problem(file.role_arn.mark, "not the ARN of a role", remedy);
        }
        let external_id = self.text(&file.external_id);
        let session_name = self.text(&file.role_session_name);
        let seconds = self.checker.number(&file.role_duration_s, 0, 900, 43_200);
        let role = self.plain_role(place, arn, session_name);
        let sts_endpoint = match file.sts_endpoint.is_absent() {
            true => role.sts_endpoint.clone(),
            false => self.url(&file.sts_endpoint, "")?,
        };
        Some(Some(Role {
            external_id,
            duration_s: u32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
            sts_endpoint,
            ..role
        }))
    }

    fn plain_role(&self, place: &Place, arn: Arc<str>, session_name: Option<Arc<str>>) -> Role {
        let end = match place.region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        let sts_endpoint = self
            .variable("AWS_ENDPOINT_URL_STS")
            .unwrap_or_else(|| format!("https://sts.{}.{end}", place.region));
        Role {
            arn,
            external_id: None,
            session_name: session_name.unwrap_or_else(|| "penstock".into()),
            duration_s: None,
            sts_endpoint: sts_endpoint.trim_end_matches('/').into(),
        }
    }

    fn profile_name(&mut self, field: &Field<String>) -> String {
        self.text(field)
            .map(|name| name.to_string())
            .or_else(|| self.variable("AWS_PROFILE"))
            .unwrap_or_else(|| "default".to_owned())
    }
}

/// `eu-central-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let [area, middle @ .., number] = parts.as_slice() else {
        return false;
    };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    area.len() == 2
        && is_word(area)
        && !middle.is_empty()
        && middle.iter().all(is_word)
        && number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_known_by_its_form() {
        for region in ["eu-central-1", "us-gov-west-1", "ap-southeast-2"] {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "bedrock-runtime",
            "bedrock-runtime-fips",
            "amazonaws",
            "eu-1",
            "x-1",
            "",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }
}
