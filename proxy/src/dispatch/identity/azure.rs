//! Access tokens of Microsoft Entra: for an application with a secret, a certificate or a workload's own token, and for
//! the identity of the machine.
//!
//! Our own client instead of `azure_identity`: what is needed of it is one form or one GET each, its certificates need
//! OpenSSL, and its machine identity asks one fixed address, which neither a test nor a pod identity proxy can stand at.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::dispatch::identity::endpoint::{Ask, Way};
use crate::dispatch::identity::{assertion, oauth};
use crate::state::identity::{Azure, AzureProof, AzureSource, Token};
use crate::state::lease::{Leased, Unavailable};
use crate::state::secret::Secret;

/// The life of an assertion: Entra takes up to ten minutes.
const ASSERTION_S: u64 = 600;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub async fn token(way: &Way, azure: &Azure) -> Result<Leased<Token>, Unavailable> {
    let leased = match &azure.source {
        AzureSource::Client {
            token_url,
            client_id,
            proof,
        } => client(way, token_url, client_id, proof, &azure.scope).await?,
        AzureSource::Machine { url, client_id } => {
            let url = machine_url(url, "2018-02-01", azure, client_id.as_deref());
            let metadata = HeaderName::from_static("metadata");
            oauth::ask(
                way,
                Ask::get(url).with(metadata, HeaderValue::from_static("true")),
            )
            .await?
        }
        AzureSource::App {
            url,
            header,
            client_id,
        } => {
            let url = machine_url(url, "2019-08-01", azure, client_id.as_deref());
            let mut value = HeaderValue::from_str(header.expose())
                .map_err(|_| Unavailable::new("IDENTITY_HEADER is no header"))?;
            value.set_sensitive(true);
            let name = HeaderName::from_static("x-identity-header");
            oauth::ask(way, Ask::get(url).with(name, value)).await?
        }
    };
    Ok(oauth::bearer(leased))
}

async fn client(
    way: &Way,
    token_url: &str,
    client_id: &str,
    proof: &AzureProof,
    scope: &str,
) -> Result<Leased<Secret>, Unavailable> {
    let (name, secret) = match proof {
        AzureProof::Secret(secret) => ("client_secret", secret.clone()),
        AzureProof::FederatedTokenFile(path) => ("client_assertion", oauth::token_in(path).await?),
        AzureProof::Certificate { key, sha256 } => (
            "client_assertion",
            assert(way, token_url, client_id, key, sha256)?,
        ),
    };
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("scope", scope),
        (name, secret.expose()),
    ];
    if name == "client_assertion" {
        fields.push(("client_assertion_type", ASSERTION_TYPE));
    }
    oauth::post(way, token_url, &fields).await
}

/// Microsoft identity platform, "certificate credentials".
fn assert(
    way: &Way,
    token_url: &str,
    client_id: &str,
    key: &Secret,
    sha256: &[u8; 32],
) -> Result<Secret, Unavailable> {
    let now_s = way.clock.now_ms() / 1000;
    let mut unique = [0; 16];
    SystemRandom::new()
        .fill(&mut unique)
        .map_err(|_| Unavailable::new("there are no random numbers"))?;
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(sha256);
    let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": thumbprint});
    let claims = json!({
        "aud": token_url,
        "iss": client_id,
        "sub": client_id,
        "jti": BASE64_URL_SAFE_NO_PAD.encode(unique),
        "nbf": now_s,
        "iat": now_s,
        "exp": now_s + ASSERTION_S,
    });
    assertion::signed(key, &header, &claims)
        .ok_or_else(|| Unavailable::new("the certificate's key cannot be signed with"))
}

/// The machine's endpoints take a resource, which is a scope without its end.
fn machine_url(url: &str, version: &str, azure: &Azure, client_id: Option<&str>) -> String {
    let resource = azure.scope.strip_suffix("/.default").unwrap_or(&azure.scope);
    let mut fields = vec![("api-version", version), ("resource", resource)];
    fields.extend(client_id.map(|id| ("client_id", id)));
    format!("{url}?{}", oauth::form(&fields))
}
