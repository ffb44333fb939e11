//! Temporary keys of AWS: of a container, an instance, a program, and of STS for a role or a web identity. Which of them,
//! and what profiles say, was decided when the configuration was read.

use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri, header};
use serde::Deserialize;

use crate::dispatch::identity::endpoint::{Ask, Told, Wait, Way};
use crate::dispatch::identity::oauth;
use crate::dispatch::identity::sigv4::{self, Scope, Signable};
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

/// The version of STS's interface.
const STS_VERSION: &str = "2011-06-15";

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
            let token = written(&Written::File(token_file.clone())).await?;
            let fields = [("WebIdentityToken", token.expose())];
            sts(way, role, "AssumeRoleWithWebIdentity", &fields, None).await
        }
        AwsSource::Container { url, authorization } => {
            let mut ask = Ask::get(&**url);
            if let Some(authorization) = authorization {
                let token = written(authorization).await?;
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

async fn assumed(way: &Way, aws: &Aws, role: &Role, keys: &AwsKeys) -> Result<Given, Unavailable> {
    let external_id = role.external_id.as_deref().map(|id| ("ExternalId", id));
    let fields: Vec<(&str, &str)> = external_id.into_iter().collect();
    let signed_by = Some((&*aws.region, keys));
    sts(way, role, "AssumeRole", &fields, signed_by).await
}

/// One question to STS, signed where it takes a signature.
async fn sts(
    way: &Way,
    role: &Role,
    action: &str,
    more: &[(&str, &str)],
    signed_by: Option<(&str, &AwsKeys)>,
) -> Result<Given, Unavailable> {
    let duration = role.duration_s.map(|seconds| seconds.to_string());
    let mut fields = vec![
        ("Action", action),
        ("Version", STS_VERSION),
        ("RoleArn", &*role.arn),
        ("RoleSessionName", &*role.session_name),
    ];
    fields.extend(duration.as_deref().map(|seconds| ("DurationSeconds", seconds)));
    fields.extend_from_slice(more);
    let mut ask = oauth::form_to(&format!("{}/", role.sts_endpoint), &fields);
    if let Some((region, keys)) = signed_by {
        sign(way, &mut ask, region, keys)?;
    }
    let url = ask.url.clone();
    let told = way.ask(ask).await?;
    let text = String::from_utf8_lossy(&told.body);
    if told.status != 200 {
        return Err(refused(&url, told.status, element(&text, "Code")));
    }
    let document = || {
        Some(Document {
            access_key_id: element(&text, "AccessKeyId")?.to_owned(),
            secret_access_key: element(&text, "SecretAccessKey")?.to_owned(),
            token: Some(element(&text, "SessionToken")?.to_owned()),
            expiration: Some(element(&text, "Expiration")?.to_owned()),
        })
    };
    document().and_then(given).ok_or_else(|| no_keys(&url))
}

fn sign(way: &Way, ask: &mut Ask, region: &str, keys: &AwsKeys) -> Result<(), Unavailable> {
    let uri: Option<Uri> = ask.url.parse().ok();
    let host = uri.as_ref().and_then(Uri::authority).map(|host| host.as_str());
    let host = host.and_then(|host| HeaderValue::from_str(host).ok());
    let mut headers = ask.headers.clone();
    headers.extend(host.map(|host| (header::HOST, host)));
    let signable = Signable {
        method: ask.method.as_str(),
        path: uri
            .as_ref()
            .and_then(Uri::path_and_query)
            .map_or("/", |path| path.as_str()),
        headers: &headers,
        body: &ask.body,
    };
    let scope = Scope {
        region,
        service: "sts",
    };
    let signed = sigv4::signature(scope, keys, way.clock.now_ms(), signable);
    let cannot = || Unavailable::new("the request to STS cannot be signed");
    ask.headers.extend(signed.ok_or_else(cannot)?);
    Ok(())
}

/// IMDSv2: a session first, then the name of the role, then its keys.
async fn instance(way: &Way, url: &str) -> Result<Given, Unavailable> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let ttl = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    let ask = Ask {
        method: http::Method::PUT,
        wait: NEAR,
        ..Ask::get(format!("{url}/latest/api/token"))
    };
    let session = way.ask(ask.with(ttl, HeaderValue::from_static("21600"))).await?;
    let session = text(url, &session)?;
    let get = |path: &str| -> Result<Ask, Unavailable> {
        let ask = Ask {
            wait: NEAR,
            ..Ask::get(format!("{url}{path}"))
        };
        let name = HeaderName::from_static("x-aws-ec2-metadata-token");
        Ok(ask.with(name, sensitive(&session)?))
    };
    let roles = text(url, &way.ask(get(ROLES)?).await?)?;
    let role = roles.lines().next().unwrap_or_default();
    document(url, &way.ask(get(&format!("{ROLES}{role}"))?).await?)
}

/// `credential_process` of a profile: what it prints is a secret, and what it complains of may quote one.
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
        return Err(refused(url, told.status, None));
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
        keys: AwsKeys {
            access_key_id: oauth::usable(&document.access_key_id)?,
            secret_access_key: oauth::usable(&document.secret_access_key)?,
            session_token: match document.token.as_deref() {
                None | Some("") => None,
                Some(token) => Some(oauth::usable(token)?),
            },
        },
        expires_ms,
    })
}

/// The text of the first element of that name: STS's answers have no attributes, and nothing in a key is escaped.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (found, _) = rest.split_once(&format!("</{name}>"))?;
    Some(found.trim())
}

fn text(url: &str, told: &Told) -> Result<String, Unavailable> {
    if told.status != 200 {
        return Err(refused(url, told.status, None));
    }
    let text = std::str::from_utf8(&told.body).map(str::trim);
    text.ok()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| no_keys(url))
}

async fn written(written: &Written) -> Result<Secret, Unavailable> {
    match written {
        Written::Here(secret) => Ok(secret.clone()),
        Written::File(path) => {
            let read = tokio::fs::read(path).await.map(Bytes::from);
            let text = read.ok().and_then(|text| String::from_utf8(text.to_vec()).ok());
            let token = text.and_then(|text| oauth::usable(text.trim()));
            token.ok_or_else(|| Unavailable::new(format!("{}: there is no token in it", path.display())))
        }
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, Unavailable> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Unavailable::new("a token that cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The status, and STS's word for it where it is one.
fn refused(url: &str, status: u16, code: Option<&str>) -> Unavailable {
    let is_word =
        |code: &&str| (1..=60).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    let code = code
        .filter(is_word)
        .map(|code| format!(", {code}"))
        .unwrap_or_default();
    Unavailable::new(format!("{}: status {status}{code}", oauth::host(url)))
}

fn no_keys(url: &str) -> Unavailable {
    Unavailable::new(format!(
        "{}: the answer is none that keys can be read from",
        oauth::host(url)
    ))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn pain_q02_a_refusal_of_sts_is_told_without_its_words() {
        let url = "https://sts.example/";
        assert_eq!(
            &*refused(url, 403, Some("AccessDenied")).0,
            "sts.example: status 403, AccessDenied"
        );
        assert_eq!(&*refused(url, 403, Some("a canary")).0, "sts.example: status 403");
    }
}
