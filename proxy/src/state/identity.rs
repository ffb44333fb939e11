//! Who the gateway is at a cloud, as plain values: what it proves itself with, where it is given tokens for that, and the
//! token of the moment. How tokens are got is dispatch's business.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::state::clock::Clock;
use crate::state::lease::{Lease, Leased};
use crate::state::secret::Secret;
use crate::state::snapshot::{ConnectProxy, Trust};

/// One identity of one provider, and its token.
#[derive(Debug)]
pub struct Identity {
    pub settings: Settings,
    pub clock: Clock,
    pub lease: Lease<Token>,
}

/// All that a token depends on: identities with the same settings may share one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub provider: Arc<str>,
    pub position: u32,
    pub cloud: Cloud,
    /// How token endpoints are reached: as the provider is. Its client certificate is not shown to them.
    pub trust: Trust,
    pub connect_proxy: Option<ConnectProxy>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cloud {
    Aws(Aws),
    Google(Google),
    Azure(Azure),
}

/// What a provider is shown.
#[derive(Debug)]
pub enum Token {
    Bearer {
        token: Secret,
        /// What has to be said with it.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    /// Requests are signed with them.
    Aws(AwsKeys),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AwsKeys {
    pub access_key_id: Secret,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// Signatures of version 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Aws {
    pub region: Arc<str>,
    /// The service's name in signatures, such as `bedrock`.
    pub service: Arc<str>,
    pub source: AwsSource,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum AwsSource {
    Keys(AwsKeys),
    /// Somebody else's token (EKS), read anew each time: it is replaced while the process runs.
    WebIdentity {
        token_file: PathBuf,
        role: Role,
    },
    /// ECS, EKS Pod Identity.
    Container {
        url: Arc<str>,
        authorization: Option<Written>,
    },
    /// The metadata service of EC2, second version.
    Instance {
        url: Arc<str>,
    },
    /// A program that prints keys.
    Process {
        command: Arc<str>,
    },
    /// A role that keys are exchanged for.
    Role {
        base: Box<AwsSource>,
        role: Role,
    },
}

/// A secret that is known, or that stands in a file and is replaced while the process runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    Here(Secret),
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    pub arn: Arc<str>,
    pub external_id: Option<Arc<str>>,
    pub session_name: Arc<str>,
    pub duration_s: Option<u32>,
    /// Where STS is.
    pub sts_endpoint: Arc<str>,
}

/// OAuth 2.0 access tokens of Google.
#[derive(Clone, Debug, PartialEq)]
pub struct Google {
    pub source: GoogleSource,
    pub scopes: Vec<Arc<str>>,
    /// The project that quota and bills go to, where it is not the account's own.
    pub quota_project: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GoogleSource {
    ServiceAccount {
        email: Arc<str>,
        key_id: Option<Arc<str>>,
        /// PKCS#8 in PEM.
        key: Secret,
        token_uri: Arc<str>,
    },
    /// A person's, as `gcloud auth application-default login` leaves it.
    User {
        client_id: Arc<str>,
        client_secret: Secret,
        refresh_token: Secret,
        token_uri: Arc<str>,
    },
    /// The metadata server of the machine.
    Metadata { url: Arc<str> },
    /// Workload identity federation: somebody else's token is exchanged.
    External {
        audience: Arc<str>,
        subject_token_type: Arc<str>,
        token_url: Arc<str>,
        subject: Subject,
        client: Option<(Arc<str>, Secret)>,
    },
    /// Another account that the first one may act for.
    Impersonated { base: Box<GoogleSource>, url: Arc<str> },
}

/// Where somebody else's token is.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub place: SubjectPlace,
    /// The member of a JSON document; none for a plain text.
    pub field: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SubjectPlace {
    File(PathBuf),
    Url {
        url: Arc<str>,
        headers: Vec<(HeaderName, HeaderValue)>,
    },
}

/// OAuth 2.0 access tokens of Microsoft Entra.
#[derive(Clone, Debug, PartialEq)]
pub struct Azure {
    pub source: AzureSource,
    /// Such as `https://cognitiveservices.azure.com/.default`.
    pub scope: Arc<str>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AzureSource {
    Client(AzureClient),
    /// The machine's own, by the metadata service of virtual machines.
    Machine {
        url: Arc<str>,
        client_id: Option<Arc<str>>,
    },
    /// The same in App Service, Functions and Container Apps.
    App {
        url: Arc<str>,
        header: Secret,
        client_id: Option<Arc<str>>,
    },
}

/// An application in a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct AzureClient {
    pub tenant: Arc<str>,
    /// The tenant's token endpoint, at whatever authority.
    pub token_url: Arc<str>,
    pub client_id: Arc<str>,
    pub proof: AzureProof,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AzureProof {
    Secret(Secret),
    /// A token of a workload's, read anew each time: it is replaced while the process runs.
    FederatedTokenFile(PathBuf),
    /// An RSA key in PEM, and the SHA-256 of its certificate.
    Certificate {
        key: Secret,
        sha256: [u8; 32],
    },
}

impl Cloud {
    /// What it is called in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Google(_) => "google",
            Self::Azure(_) => "azure",
        }
    }
}

impl Token {
    /// What must not be quoted.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let all = match self {
            Self::Bearer { token, .. } => [Some(token), None, None],
            Self::Aws(keys) => [
                Some(&keys.access_key_id),
                Some(&keys.secret_access_key),
                keys.session_token.as_ref(),
            ],
        };
        all.into_iter().flatten()
    }
}

impl Identity {
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let lease = Lease::default();
        if let Some(keys) = settings.fixed() {
            let forever = Leased {
                value: Token::Aws(keys.clone()),
                got_ms: clock.now_ms(),
                expires_ms: u64::MAX,
            };
            if let Some(errand) = lease.renew(0) {
                lease.settle(errand, Ok(forever), 0);
            }
        }
        Self {
            settings,
            clock,
            lease,
        }
    }

    /// Whether its keys stand in the configuration and are used as they are: there is nothing to renew.
    pub fn is_fixed(&self) -> bool {
        self.settings.fixed().is_some()
    }
}

impl Settings {
    fn fixed(&self) -> Option<&AwsKeys> {
        match &self.cloud {
            Cloud::Aws(Aws {
                source: AwsSource::Keys(keys),
                ..
            }) => Some(keys),
            _ => None,
        }
    }
}
