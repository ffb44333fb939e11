//! Credentials as they are written: a key, or who the gateway is at a cloud. Names and addresses may be written down or
//! referred to; secrets are always `env:NAME` or `file:path`.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::List;
use crate::startup::shape::Field;

/// A key as text, or an identity with its settings.
pub enum Credential {
    Key(String),
    Cloud(Box<Cloud>),
}

/// Exactly one of them; `{}` is an identity with its defaults.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Requests are signed with AWS's signature, version 4.
    pub aws: Field<Aws>,
    /// Access tokens of Google are shown.
    pub google: Field<Google>,
    /// Access tokens of Microsoft Entra are shown.
    pub azure: Field<Azure>,
}

/// Without keys and profile, the chain of AWS's SDKs: variables (`AWS_ACCESS_KEY_ID`), shared files, web identity (EKS),
/// container (ECS, EKS Pod Identity), instance (IMDSv2).
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aws {
    /// Default: the region in the host of `base_url`.
    pub region: Field<String>,
    /// The service's name in signatures. Default `bedrock`.
    pub service: Field<String>,
    pub access_key_id: Field<String>,
    pub secret_access_key: Field<String>,
    /// For keys that are themselves temporary.
    pub session_token: Field<String>,
    /// A profile of `~/.aws/config` and `~/.aws/credentials`.
    pub profile: Field<String>,
    /// A role to take on with the keys, by STS.
    pub role_arn: Field<String>,
    /// What the role's owner asks for.
    pub external_id: Field<String>,
    /// What the role's owner sees in its log. Default `penstock`.
    pub role_session_name: Field<String>,
    /// 900 to 43200. Default: STS's, an hour.
    pub role_duration_s: Field<u64>,
    /// Default: STS of the region.
    pub sts_endpoint: Field<String>,
}

/// Without an account, application default credentials: the file in `GOOGLE_APPLICATION_CREDENTIALS`, the one that
/// `gcloud auth application-default login` leaves, the metadata server.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Google {
    /// The JSON of a service account's key, or of any other credential that Google's tools write.
    pub service_account: Field<String>,
    /// Default: `https://www.googleapis.com/auth/cloud-platform`.
    pub scopes: List<String>,
    /// The project that quota and bills go to. Default: the account's own.
    pub quota_project: Field<String>,
}

/// Without settings, what the variables say (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`,
/// `AZURE_FEDERATED_TOKEN_FILE`), else the machine's managed identity.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Azure {
    /// The directory's id or name.
    pub tenant: Field<String>,
    /// The application's; with `managed_identity`, the user-assigned one to use.
    pub client_id: Field<String>,
    pub client_secret: Field<String>,
    /// A PEM with the application's RSA key and certificate, as `file:path`.
    pub client_certificate: Field<String>,
    /// The path of a token that Kubernetes keeps fresh (workload identity).
    pub federated_token_file: Field<String>,
    /// Whether the machine's identity is used.
    pub managed_identity: Field<bool>,
    /// Default: `AZURE_AUTHORITY_HOST`, else `https://login.microsoftonline.com`.
    pub authority: Field<String>,
    /// Default: `https://cognitiveservices.azure.com/.default`.
    pub scope: Field<String>,
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMap;
        impl<'de> Visitor<'de> for TextOrMap {
            type Value = Credential;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("env:NAME, file:path, or a map with `aws`, `google` or `azure`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Credential, E> {
                Ok(Credential::Key(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Credential, A::Error> {
                let cloud = Cloud::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Credential::Cloud(Box::new(cloud)))
            }
        }
        deserializer.deserialize_any(TextOrMap)
    }
}
