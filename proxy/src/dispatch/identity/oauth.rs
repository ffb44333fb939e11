//! What Google and Microsoft have in common: a form is posted, and an access token comes back (RFC 6749, 5).

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::dispatch::identity::endpoint::{Ask, Told, Way};
use crate::state::identity::Token;
use crate::state::lease::{Leased, Unavailable};
use crate::state::secret::Secret;

/// For a token that comes without its life, which RFC 6749 allows.
const UNKNOWN_LIFE_S: u64 = 300;

/// No token is believed to live longer: a mistaken year must not keep a bad one.
const LONGEST_LIFE_MS: u64 = 24 * 3_600_000;

pub const FORM: &str = "application/x-www-form-urlencoded";

/// The members of an answer that matter. Numbers come as text from some of Microsoft's endpoints.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
    /// Seconds since 1970.
    #[serde(default)]
    expires_on: Option<Seconds>,
}

/// `error` and `error_description` of a refusal; Google's newer endpoints have an object there instead.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    error_description: String,
}

/// A form as one body.
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        encode(value, &mut body);
    }
    body
}

/// Percent-encoded, all but RFC 3986's unreserved characters: right in a form and in a query.
pub fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Posts a form to a token endpoint, for an access token.
pub async fn post(way: &Way, url: &str, fields: &[(&str, &str)]) -> Result<Leased<Secret>, Unavailable> {
    let told = way.ask(Ask::post(url, FORM, form(fields))).await?;
    read(way, url, &told)
}

/// The same with a request that is already made.
pub async fn ask(way: &Way, ask: Ask) -> Result<Leased<Secret>, Unavailable> {
    let url = ask.url.clone();
    let told = way.ask(ask).await?;
    read(way, &url, &told)
}

/// A form for a token endpoint, to which something may be added.
pub fn form_to(url: &str, fields: &[(&str, &str)]) -> Ask {
    Ask::post(url, FORM, form(fields))
}

fn read(way: &Way, url: &str, told: &Told) -> Result<Leased<Secret>, Unavailable> {
    if !(200..300).contains(&told.status) {
        return Err(refused(url, told));
    }
    let answer: Answer = serde_json::from_slice(&told.body).map_err(|_| no_token(url))?;
    let token = usable(&answer.access_token).ok_or_else(|| no_token(url))?;
    let now_ms = way.clock.now_ms();
    let life_s = match (answer.expires_in, answer.expires_on) {
        (Some(Seconds(life)), _) => life,
        (None, Some(Seconds(end))) => end.saturating_sub(now_ms / 1000),
        (None, None) => UNKNOWN_LIFE_S,
    };
    Ok(for_a_while(way, token, life_s.saturating_mul(1000)))
}

/// A token that has just come.
pub fn for_a_while(way: &Way, token: Secret, life_ms: u64) -> Leased<Secret> {
    let got_ms = way.clock.now_ms();
    Leased {
        value: token,
        got_ms,
        expires_ms: got_ms + life_ms.min(LONGEST_LIFE_MS),
    }
}

/// A token that can be sent in a header.
pub fn usable(token: &str) -> Option<Secret> {
    let fits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| Secret::new(token))
}

/// Somebody else's token, read anew each time: it is replaced while the process runs.
pub async fn token_in(path: &Path) -> Result<Secret, Unavailable> {
    let read = tokio::fs::read_to_string(path).await;
    let token = read.ok().and_then(|text| usable(text.trim()));
    token.ok_or_else(|| Unavailable::new(format!("{}: there is no token in it", path.display())))
}

/// Where a URL leads, without what it may hold of a secret.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

pub fn no_token(url: &str) -> Unavailable {
    Unavailable::new(format!(
        "{}: the answer is none that a token can be read from",
        host(url)
    ))
}

/// The status, and of the words only what comes from a closed list: an answer may quote what it was sent.
pub fn refused(url: &str, told: &Told) -> Unavailable {
    let refusal: Option<Refusal> = serde_json::from_slice(&told.body).ok();
    let code = refusal.as_ref().and_then(code);
    let number = refusal.as_ref().and_then(|it| microsoft(&it.error_description));
    let said: Vec<&str> = code.into_iter().chain(number).collect();
    let said = match said.is_empty() {
        true => String::new(),
        false => format!(", {}", said.join(", ")),
    };
    Unavailable::new(format!("{}: status {}{said}", host(url), told.status))
}

/// `invalid_grant`, `PERMISSION_DENIED`.
fn code(refusal: &Refusal) -> Option<&str> {
    let code = refusal
        .error
        .as_str()
        .or_else(|| refusal.error["status"].as_str())?;
    let is_word =
        (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    is_word.then_some(code)
}

/// `AADSTS7000215`, by which Microsoft's manuals tell what is wrong.
fn microsoft(description: &str) -> Option<&str> {
    let at = description.find("AADSTS")?;
    let digits = description[at + 6..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    (1..=10)
        .contains(&digits)
        .then(|| &description[at..at + 6 + digits])
}

/// As a provider is shown it.
pub fn bearer(leased: Leased<Secret>) -> Leased<Token> {
    Leased {
        value: Token::Bearer {
            token: leased.value,
            headers: Vec::new(),
        },
        got_ms: leased.got_ms,
        expires_ms: leased.expires_ms,
    }
}

/// The value of an `Authorization` header.
pub fn authorization(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Seconds as a number, whole or not, or as a text.
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(seconds))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                Ok(Seconds(u64::try_from(seconds).unwrap_or(0)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                // saturates, and is 0 for what is no number
                Ok(Seconds(seconds as u64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                text.trim().parse().map(Seconds).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A member of a JSON document as text.
pub fn member(document: &Bytes, name: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(document).ok()?;
    Some(document.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &'static str) -> Told {
        Told {
            status,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_form_holds_any_value() {
        assert_eq!(
            form(&[("a", "x y&z=1+2"), ("b", "\u{e9}/~")]),
            "a=x%20y%26z%3D1%2B2&b=%C3%A9%2F~"
        );
    }

    #[test]
    fn pain_q02_a_refusal_is_told_without_its_words() {
        let url = "https://login.example/tenant/token?code=canary";
        for (body, said) in [
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret canary"}"#,
                "login.example: status 401, invalid_client, AADSTS7000215",
            ),
            (
                r#"{"error":{"status":"PERMISSION_DENIED","message":"canary"}}"#,
                "login.example: status 401, PERMISSION_DENIED",
            ),
            (r#"{"error":"canary 1"}"#, "login.example: status 401"),
            ("<html>canary", "login.example: status 401"),
        ] {
            assert_eq!(&*refused(url, &told(401, body)).0, said);
        }
    }

    #[test]
    fn seconds_are_read_in_each_of_their_spellings() {
        for (text, seconds) in [
            ("3599", 3599),
            ("\"3599\"", 3599),
            ("3599.9", 3599),
            ("-1", 0),
            ("1e300", u64::MAX),
        ] {
            assert_eq!(serde_json::from_str::<Seconds>(text).unwrap().0, seconds);
        }
        assert!(serde_json::from_str::<Seconds>("\"soon\"").is_err());
    }
}
