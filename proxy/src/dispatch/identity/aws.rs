//! Temporary keys of AWS: of STS for a role or a web identity and of an instance by AWS's own clients, of a container and a
//! program by ours. Which of them, and what profiles say, was decided when the configuration was read.
//!
//! The chain of `aws-config` is not used as a whole: it reads the variables of the process and nothing else, finds out with
//! the first call what the configuration's reader tells at the start, and leaves a `credential_process` that hangs running,
//! one more with every try. Its client for containers cannot be told an address otherwise than by those variables.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::imds::Client as MetadataClient;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{
    BehaviorVersion, Builder, IdentityCache, ProvideCredentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_sts::{Client as StsClient, Config, types};
use aws_smithy_async::rt::sleep::TokioSleep;
use http::{HeaderValue, header};
use serde::Deserialize;

use crate::dispatch::identity::endpoint::{Ask, LONGEST_FETCH, Told, USUAL, Wait, Way};
use crate::dispatch::identity::smithy::{self, Wire};
use crate::dispatch::identity::{oauth, sigv4};
use crate::state::clock;
use crate::state::identity::{Aws, AwsKeys, AwsSource, Role, Token, Written};
use crate::state::lease::{Leased, Unavailable};
use crate::state::secret::Secret;

/// A program may say no end: it is asked again after this long.
const ASK_AGAIN_MS: u64 = 3_600_000;

/// The metadata service is next door, or not there at all.
const NEAR: Wait = Wait {
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(2),
};

/// Keys with the time of their end, in milliseconds since 1970.
struct Given {
    keys: AwsKeys,
    expires_ms: Option<u64>,
}

/// As containers, instances and programs write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken", default)]
    token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

/// The keys to sign with.
pub async fn keys(way: &Way, aws: &Aws) -> Result<Leased<Token>, Unavailable> {
    let given = direct(way, &aws.source, aws).await?;
    let got_ms = way.clock.now_ms();
    Ok(Leased {
        value: Token::Aws(given.keys),
        got_ms,
        expires_ms: given.expires_ms.unwrap_or(got_ms + ASK_AGAIN_MS),
    })
}

async fn direct(way: &Way, source: &AwsSource, aws: &Aws) -> Result<Given, Unavailable> {
    match source {
        AwsSource::Keys(keys) => Ok(Given {
            keys: keys.clone(),
            expires_ms: None,
        }),
        AwsSource::WebIdentity { token_file, role } => {
            let token = oauth::token_in(token_file).await?;
            identified(way, aws, role, &token).await
        }
        AwsSource::Container { url, authorization } => {
            let mut ask = Ask::get(&**url);
            if let Some(authorization) = authorization {
                let token = match authorization {
                    Written::Here(token) => token.clone(),
                    Written::File(path) => oauth::token_in(path).await?,
                };
                ask = ask.with(header::AUTHORIZATION, sensitive(token.expose())?);
            }
            document(url, &way.ask(ask).await?)
        }
        AwsSource::Instance { url } => instance(way, url).await,
        AwsSource::Process { command } => program(command).await,
        // Boxed: roles may lead to roles.
        AwsSource::Role { base, role } => {
            let base = Box::pin(direct(way, base, aws)).await?;
            assumed(way, aws, role, &base.keys).await
        }
    }
}

/// A role that other keys may take on.
async fn assumed(way: &Way, aws: &Aws, role: &Role, keys: &AwsKeys) -> Result<Given, Unavailable> {
    let config = sts(way, aws, role).credentials_provider(sigv4::credentials(keys));
    let request = StsClient::from_conf(config.build())
        .assume_role()
        .role_arn(&*role.arn)
        .role_session_name(&*role.session_name)
        .set_external_id(role.external_id.as_deref().map(str::to_owned))
        .set_duration_seconds(role.duration_s.and_then(|seconds| seconds.try_into().ok()));
    let answer = Box::pin(request.send()).await;
    let answer = answer.map_err(|error| failed(&role.sts_endpoint, &error))?;
    of_sts(role, answer.credentials())
}

/// A role that somebody else's token may take on, which is the proof: nothing is signed.
async fn identified(way: &Way, aws: &Aws, role: &Role, token: &Secret) -> Result<Given, Unavailable> {
    let request = StsClient::from_conf(sts(way, aws, role).build())
        .assume_role_with_web_identity()
        .role_arn(&*role.arn)
        .role_session_name(&*role.session_name)
        .web_identity_token(token.expose())
        .set_duration_seconds(role.duration_s.and_then(|seconds| seconds.try_into().ok()));
    let answer = Box::pin(request.send()).await;
    let answer = answer.map_err(|error| failed(&role.sts_endpoint, &error))?;
    of_sts(role, answer.credentials())
}

/// AWS's client for STS. It asks once and remembers nothing: when it is time to ask again is the lease's to say.
fn sts(way: &Way, aws: &Aws, role: &Role) -> Builder {
    let wire = Wire::new(way, USUAL);
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.to_string()))
        .endpoint_url(&*role.sts_endpoint)
        .time_source(wire.clone())
        .http_client(wire)
        .retry_config(RetryConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn of_sts(role: &Role, answer: Option<&types::Credentials>) -> Result<Given, Unavailable> {
    let read = |answer: &types::Credentials| {
        let expires_ms = answer.expiration().to_millis().ok()?.try_into().ok()?;
        Some(Given {
            keys: usable(
                answer.access_key_id(),
                answer.secret_access_key(),
                Some(answer.session_token()),
            )?,
            expires_ms: Some(expires_ms),
        })
    };
    answer.and_then(read).ok_or_else(|| no_keys(&role.sts_endpoint))
}

/// IMDSv2 by AWS's client: a session first, then the name of the role, then its keys.
async fn instance(way: &Way, url: &str) -> Result<Given, Unavailable> {
    let wire = Wire::new(way, NEAR);
    let config = ProviderConfig::empty()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_time_source(wire.clone())
        .with_http_client(wire)
        .with_sleep_impl(TokioSleep::new());
    // its limits, which the wire's come before
    let client = MetadataClient::builder()
        .configure(&config)
        .max_attempts(1)
        .connect_timeout(LONGEST_FETCH)
        .read_timeout(LONGEST_FETCH)
        .operation_attempt_timeout(LONGEST_FETCH)
        .operation_timeout(LONGEST_FETCH)
        .endpoint(url)
        .map_err(|_| no_keys(url))?
        .build();
    let provider = ImdsCredentialsProvider::builder()
        .configure(&config)
        .imds_client(client)
        .build();
    let given = Box::pin(provider.provide_credentials()).await;
    let given = given.map_err(|error| failed(url, &error))?;
    let expires = given.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    let keys = usable(
        given.access_key_id(),
        given.secret_access_key(),
        given.session_token(),
    );
    Ok(Given {
        keys: keys.ok_or_else(|| no_keys(url))?,
        expires_ms: expires.and_then(|end| end.as_millis().try_into().ok()),
    })
}

/// Of a client's failure, what the wire said of it; else what came was no answer.
fn failed(url: &str, error: &(dyn Error + 'static)) -> Unavailable {
    Unavailable::behind(error).unwrap_or_else(|| no_keys(url))
}

/// `credential_process` of a profile: what it prints is a secret, and what it complains of may quote one. It ends with the
/// wait for it.
async fn program(command: &str) -> Result<Given, Unavailable> {
    let mut program = tokio::process::Command::new("sh");
    program.arg("-c").arg(command);
    program
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let printed = program.output().await;
    let printed = printed.map_err(|_| Unavailable::new("credential_process cannot be started"))?;
    if !printed.status.success() {
        return Err(Unavailable::new("credential_process failed"));
    }
    let document = serde_json::from_slice(&printed.stdout).ok().and_then(given);
    document.ok_or_else(|| Unavailable::new("credential_process printed no keys"))
}

fn document(url: &str, told: &Told) -> Result<Given, Unavailable> {
    if told.status != 200 {
        return Err(smithy::refused(url, told));
    }
    let document = serde_json::from_slice(&told.body).ok().and_then(given);
    document.ok_or_else(|| no_keys(url))
}

fn given(document: Document) -> Option<Given> {
    let expires_ms = match &document.expiration {
        Some(end) => Some(clock::parse_rfc3339(end)?),
        None => None,
    };
    Some(Given {
        keys: usable(
            &document.access_key_id,
            &document.secret_access_key,
            document.token.as_deref(),
        )?,
        expires_ms,
    })
}

/// Keys that can be signed with and sent.
fn usable(id: &str, secret: &str, session_token: Option<&str>) -> Option<AwsKeys> {
    Some(AwsKeys {
        access_key_id: oauth::usable(id)?,
        secret_access_key: oauth::usable(secret)?,
        session_token: match session_token {
            None | Some("") => None,
            Some(token) => Some(oauth::usable(token)?),
        },
    })
}

fn sensitive(text: &str) -> Result<HeaderValue, Unavailable> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Unavailable::new("a token that cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_keys(url: &str) -> Unavailable {
    Unavailable::new(format!(
        "{}: the answer is none that keys can be read from",
        oauth::host(url)
    ))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn keys_are_read_from_each_form_that_aws_has_for_them() {
        let read = |text: &str| serde_json::from_str(text).ok().and_then(given);
        let container = r#"{"RoleArn":"r","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-03-01T12:00:00Z"}"#;
        let found = read(container).unwrap();
        assert_eq!(found.expires_ms, Some(1_772_366_400_000));
        assert_eq!(found.keys.session_token, Some(Secret::new("T")));
        let program = r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T"}"#;
        assert_eq!(read(program).unwrap().keys, found.keys);
        let bare = r#"{"AccessKeyId":"A","SecretAccessKey":"S","Token":""}"#;
        assert_eq!(read(bare).unwrap().keys.session_token, None);
        for none in [
            "{}",
            r#"{"AccessKeyId":"A b","SecretAccessKey":"S"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"}"#,
        ] {
            assert!(read(none).is_none(), "{none}");
        }
    }

    #[tokio::test]
    async fn a_program_that_hangs_ends_with_the_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (new, at) = (folder.path().join("new"), folder.path().join("pid"));
        let (new, shown) = (new.display(), at.display());
        let command = format!("echo $$ > {new}; mv {new} {shown}; exec sleep 300");
        let mut waits = Box::pin(program(&command));
        let runs = loop {
            assert!((&mut waits).now_or_never().is_none());
            if let Ok(pid) = std::fs::read_to_string(&at) {
                break format!("/proc/{}/cmdline", pid.trim());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert!(!std::fs::read(&runs).unwrap().is_empty());
        drop(waits);
        // of one that has ended and is not yet buried it is empty
        let ended = async {
            while std::fs::read(&runs).is_ok_and(|line| !line.is_empty()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .expect("it was left running");
    }
}
