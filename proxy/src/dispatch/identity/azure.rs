//! Access tokens of Microsoft Entra: for an application with a secret, a certificate or a workload's own token by
//! Microsoft's client, and for the identity of the machine by ours.
//!
//! `azure_identity` is not used for the machine: it learns where the machine's endpoint is from the variables of the process
//! and nothing else, asks virtual machines at one fixed address, where neither a test nor a pod identity proxy can stand,
//! and tries again by itself for up to 72 s, while calls wait. A certificate is proved by an assertion of ours: the crate
//! signs its own with OpenSSL.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientMethodOptions, ClientOptions, HttpClient, Request, RetryOptions,
    StatusCode, Transport,
};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::dispatch::identity::endpoint::{Ask, Way};
use crate::dispatch::identity::{assertion, oauth};
use crate::state::identity::{Azure, AzureClient, AzureProof, AzureSource, Token};
use crate::state::lease::{Leased, Unavailable};
use crate::state::secret::Secret;

/// The life of an assertion: Entra takes up to ten minutes.
const ASSERTION_S: u64 = 600;

pub async fn token(way: &Way, azure: &Azure) -> Result<Leased<Token>, Unavailable> {
    let leased = match &azure.source {
        AzureSource::Client(client) => of_client(way, client, &azure.scope).await?,
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

async fn of_client(way: &Way, client: &AzureClient, scope: &str) -> Result<Leased<Secret>, Unavailable> {
    let credential = credential(way, client).await?;
    let got = credential.get_token(&[scope], None).await;
    let bad = || oauth::no_token(&client.token_url);
    let got = got.map_err(|error| Unavailable::behind(&error).unwrap_or_else(bad))?;
    // the client counts from the machine's clock, of which the gateway's may differ
    let life = (got.expires_on - OffsetDateTime::now_utc()).whole_milliseconds();
    let token = oauth::usable(got.token.secret()).ok_or_else(bad)?;
    Ok(oauth::for_a_while(way, token, u64::try_from(life).unwrap_or(0)))
}

/// Made for one question: what is kept, and when to ask again, is the lease's to say.
async fn credential(way: &Way, client: &AzureClient) -> Result<Arc<dyn TokenCredential>, Unavailable> {
    let (tenant, id) = (client.tenant.to_string(), client.client_id.to_string());
    let client_options = options(way, client);
    let bad = |_| Unavailable::new("the application's settings are none that Microsoft's client takes");
    let assertion = match &client.proof {
        AzureProof::Secret(secret) => {
            let secret = secret.expose().to_owned().into();
            let options = Some(ClientSecretCredentialOptions { client_options });
            return Ok(ClientSecretCredential::new(&tenant, id, secret, options).map_err(bad)?);
        }
        AzureProof::FederatedTokenFile(path) => oauth::token_in(path).await?,
        AzureProof::Certificate { key, sha256 } => assert(way, client, key, sha256)?,
    };
    let options = Some(ClientAssertionCredentialOptions { client_options });
    Ok(ClientAssertionCredential::new(tenant, id, Proved(assertion), options).map_err(bad)?)
}

fn options(way: &Way, client: &AzureClient) -> ClientOptions {
    let wire = Wire {
        way: way.clone(),
        token_url: client.token_url.clone(),
    };
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(wire))),
        // else the client would look for AZURE_AUTHORITY_HOST, which the configuration's reader has done
        cloud: Some(Arc::new(CloudConfiguration::AzurePublic)),
        ..ClientOptions::default()
    }
}

/// Microsoft's client over the gateway's wire. Each question goes to the token endpoint of the configuration: the client
/// takes no authority without TLS, or with a path, and a sidecar may be both. An answer that is no success ends here, so
/// that none of its words can stand in an error of the client's.
struct Wire {
    way: Way,
    token_url: Arc<str>,
}

impl Wire {
    async fn answer(&self, request: &Request) -> Result<AsyncRawResponse, Unavailable> {
        let Body::Bytes(form) = request.body() else {
            return Err(Unavailable::new(
                "a request of Microsoft's client that cannot be sent",
            ));
        };
        let ask = Ask::post(&*self.token_url, oauth::FORM, form.clone());
        let told = self.way.ask(ask).await?;
        match told.status {
            200..300 => Ok(AsyncRawResponse::from_bytes(
                StatusCode::Ok,
                Headers::new(),
                told.body,
            )),
            _ => Err(oauth::refused(&self.token_url, &told)),
        }
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.answer(request).await;
        answer.map_err(|why| Error::new(ErrorKind::Other, why))
    }
}

/// Clients print what they are made of into their traces.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// An assertion that is there already.
#[derive(Debug)]
struct Proved(Secret);

#[async_trait]
impl ClientAssertion for Proved {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose().to_owned())
    }
}

/// Microsoft identity platform, "certificate credentials".
fn assert(way: &Way, client: &AzureClient, key: &Secret, sha256: &[u8; 32]) -> Result<Secret, Unavailable> {
    let now_s = way.clock.now_ms() / 1000;
    let mut unique = [0; 16];
    SystemRandom::new()
        .fill(&mut unique)
        .map_err(|_| Unavailable::new("there are no random numbers"))?;
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(sha256);
    let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": thumbprint});
    let claims = json!({
        "aud": &*client.token_url,
        "iss": &*client.client_id,
        "sub": &*client.client_id,
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
