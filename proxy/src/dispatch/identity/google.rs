//! Access tokens of Google: for a service account's key, a person's refresh token, the machine's own account, somebody
//! else's token (workload identity federation) and an account that another acts for (AIP-4110 to 4117).
//!
//! Our own client instead of Google's `google-cloud-auth`, which makes a client of `reqwest` for itself and takes none from
//! outside: it would ask by no proxy and trust no authorities of the provider's, tell the time by the machine's clock, quote
//! whole answers in its errors, find the metadata server by the variables of the process alone, and leave out the
//! `token_uri` that stands in a service account's key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

use crate::dispatch::identity::endpoint::{Ask, Way};
use crate::dispatch::identity::{assertion, oauth};
use crate::state::clock;
use crate::state::identity::{Google, GoogleSource, Subject, SubjectPlace, Token};
use crate::state::lease::{Leased, Unavailable};
use crate::state::secret::Secret;

/// What service accounts are asked with before another one is acted for.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The life of an assertion and of what is got for it, the longest that Google gives.
const LIFE_S: u64 = 3600;

/// A token of the account, with what has to be said with it.
pub async fn token(way: &Way, google: &Google) -> Result<Leased<Token>, Unavailable> {
    let scope = google.scopes.join(" ");
    let leased = match &google.source {
        GoogleSource::Impersonated { base, url } => {
            let first = direct(way, base, CLOUD_PLATFORM).await?;
            impersonated(way, url, &first.value, &scope).await?
        }
        source => direct(way, source, &scope).await?,
    };
    let mut token = oauth::bearer(leased);
    if let (Token::Bearer { headers, .. }, Some(project)) = (&mut token.value, &google.quota_project) {
        let value = HeaderValue::from_str(project);
        let value = value.map_err(|_| Unavailable::new("the quota project is no project's name"))?;
        headers.push((HeaderName::from_static("x-goog-user-project"), value));
    }
    Ok(token)
}

async fn direct(way: &Way, source: &GoogleSource, scope: &str) -> Result<Leased<Secret>, Unavailable> {
    match source {
        GoogleSource::ServiceAccount {
            email,
            key_id,
            key,
            token_uri,
        } => {
            let assertion = assert(way, email, key_id.as_deref(), key, token_uri, scope)?;
            let fields = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion.expose()),
            ];
            oauth::post(way, token_uri, &fields).await
        }
        GoogleSource::User {
            client_id,
            client_secret,
            refresh_token,
            token_uri,
        } => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", &**client_id),
                ("client_secret", client_secret.expose()),
                ("refresh_token", refresh_token.expose()),
            ];
            oauth::post(way, token_uri, &fields).await
        }
        GoogleSource::Metadata { url } => {
            let scopes = scope.replace(' ', ",");
            let url = format!("{url}/token?{}", oauth::form(&[("scopes", &scopes)]));
            let flavor = HeaderName::from_static("metadata-flavor");
            oauth::ask(
                way,
                Ask::get(url).with(flavor, HeaderValue::from_static("Google")),
            )
            .await
        }
        GoogleSource::External { .. } => exchanged(way, source, scope).await,
        GoogleSource::Impersonated { .. } => Err(Unavailable::new(
            "an account that acts for another cannot itself be acted for",
        )),
    }
}

fn assert(
    way: &Way,
    email: &str,
    key_id: Option<&str>,
    key: &Secret,
    token_uri: &str,
    scope: &str,
) -> Result<Secret, Unavailable> {
    let now_s = way.clock.now_ms() / 1000;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let claims = json!({"iss": email, "scope": scope, "aud": token_uri, "iat": now_s, "exp": now_s + LIFE_S});
    assertion::signed(key, &header, &claims)
        .ok_or_else(|| Unavailable::new("the service account's key cannot be signed with"))
}

/// Somebody else's token for one of Google's (RFC 8693).
async fn exchanged(way: &Way, source: &GoogleSource, scope: &str) -> Result<Leased<Secret>, Unavailable> {
    let GoogleSource::External {
        audience,
        subject_token_type,
        token_url,
        subject,
        client,
    } = source
    else {
        return Err(Unavailable::new("nothing to exchange"));
    };
    let theirs = subject_token(way, subject).await?;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", &**audience),
        ("scope", scope),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token_type", &**subject_token_type),
        ("subject_token", theirs.expose()),
    ];
    let mut ask = oauth::form_to(token_url, &fields);
    if let Some((id, secret)) = client {
        let pair = BASE64_STANDARD.encode(format!("{id}:{}", secret.expose()));
        let value = oauth::authorization("Basic", &pair);
        let value = value.ok_or_else(|| Unavailable::new("the client of the exchange is no header"))?;
        ask = ask.with(header::AUTHORIZATION, value);
    }
    oauth::ask(way, ask).await
}

/// Read anew each time: it is short-lived, and somebody else renews it.
async fn subject_token(way: &Way, subject: &Subject) -> Result<Secret, Unavailable> {
    let (document, place) = match &subject.place {
        SubjectPlace::File(path) => {
            let read = tokio::fs::read(path).await;
            let place = path.display().to_string();
            let document = read.map_err(|_| Unavailable::new(format!("{place} cannot be read")))?;
            (Bytes::from(document), place)
        }
        SubjectPlace::Url { url, headers } => {
            let mut ask = Ask::get(&**url);
            ask.headers.extend(headers.iter().cloned());
            let told = way.ask(ask).await?;
            if told.status != 200 {
                return Err(oauth::refused(url, &told));
            }
            (told.body, oauth::host(url).to_owned())
        }
    };
    let text = match &subject.field {
        Some(field) => oauth::member(&document, field),
        None => String::from_utf8(document.to_vec()).ok(),
    };
    text.and_then(|text| oauth::usable(text.trim()))
        .ok_or_else(|| Unavailable::new(format!("{place}: there is no token in it")))
}

/// A token of the account at the end of `url`, which the first token's account may act for.
async fn impersonated(
    way: &Way,
    url: &str,
    first: &Secret,
    scope: &str,
) -> Result<Leased<Secret>, Unavailable> {
    let scopes: Vec<&str> = scope.split(' ').collect();
    let body = json!({"scope": scopes, "lifetime": format!("{LIFE_S}s")}).to_string();
    let value = oauth::authorization("Bearer", first.expose()).ok_or_else(|| oauth::no_token(url))?;
    let ask = Ask::post(url, "application/json", body).with(header::AUTHORIZATION, value);
    let told = way.ask(ask).await?;
    if told.status != 200 {
        return Err(oauth::refused(url, &told));
    }
    let read = || {
        let token = oauth::usable(&oauth::member(&told.body, "accessToken")?)?;
        Some((
            token,
            clock::parse_rfc3339(&oauth::member(&told.body, "expireTime")?)?,
        ))
    };
    let (value, expires_ms) = read().ok_or_else(|| oauth::no_token(url))?;
    Ok(Leased {
        value,
        got_ms: way.clock.now_ms(),
        expires_ms,
    })
}
