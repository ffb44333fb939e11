//! AWS's signature of a request, version 4: of the body and the headers as they are sent ("Create a signed AWS API
//! request" in the IAM user guide).
//!
//! Written here instead of taken from `aws-sigv4` and `aws-config`: those are 28 crates with a runtime, a wire and a clock
//! of their own, and the whole of the algorithm is one screen, which AWS publishes vectors for.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use ring::hmac;
use sha2::{Digest, Sha256};

use crate::dispatch::identity::oauth::encode;
use crate::dispatch::outgoing::{Outgoing, OutgoingBody};
use crate::state::clock;
use crate::state::identity::{Aws, AwsKeys};

/// What a signature writes; of an earlier try it is taken off first.
const WRITTEN: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// What belongs to a connection, or may be changed on the way.
const UNSIGNED: [&str; 7] = [
    "connection",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Where a signature counts.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'s> {
    pub region: &'s str,
    pub service: &'s str,
}

/// What is signed. The headers hold `host`.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'r> {
    pub method: &'r str,
    /// Path and query.
    pub path: &'r str,
    pub headers: &'r [(HeaderName, HeaderValue)],
    pub body: &'r [u8],
}

/// Signs a request that is otherwise ready to be sent; none for one that cannot be signed.
pub fn sign(aws: &Aws, keys: &AwsKeys, now_ms: u64, outgoing: &mut Outgoing) -> Option<()> {
    let scope = Scope {
        region: &aws.region,
        service: &aws.service,
    };
    outgoing
        .headers
        .retain(|(name, _)| !WRITTEN.contains(&name.as_str()));
    let body = outgoing.body.to_bytes();
    let signable = Signable {
        method: outgoing.method.as_str(),
        path: &outgoing.path,
        headers: &outgoing.headers,
        body: &body,
    };
    let signed = signature(scope, keys, now_ms, signable)?;
    outgoing.headers.extend(signed);
    outgoing.body = OutgoingBody::Plain(body);
    Some(())
}

/// The headers to add.
pub fn signature(
    scope: Scope<'_>,
    keys: &AwsKeys,
    now_ms: u64,
    request: Signable<'_>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    // 2015-08-30T12:36:00.000Z as 20150830T123600Z
    let at = clock::rfc3339(now_ms).as_str()[..19].replace(['-', ':'], "") + "Z";
    let mut added = vec![(
        HeaderName::from_static("x-amz-date"),
        HeaderValue::try_from(&at).ok()?,
    )];
    if let Some(token) = &keys.session_token {
        let mut value = HeaderValue::try_from(token.expose()).ok()?;
        value.set_sensitive(true);
        added.push((HeaderName::from_static("x-amz-security-token"), value));
    }
    let (canonical, names) = canonical(request, &added)?;
    let place = format!("{}/{}/{}/aws4_request", &at[..8], scope.region, scope.service);
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{place}\n{}", hash(canonical.as_bytes()));
    let key = format!("AWS4{}", keys.secret_access_key.expose()).into_bytes();
    let signature = [
        &at[..8],
        scope.region,
        scope.service,
        "aws4_request",
        text.as_str(),
    ]
    .iter()
    .fold(key, |key, part| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
    });
    let mut value = HeaderValue::try_from(format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={}",
        keys.access_key_id.expose(),
        hex(&signature)
    ))
    .ok()?;
    value.set_sensitive(true);
    added.push((http::header::AUTHORIZATION, value));
    Some(added)
}

/// The canonical request, and the names of its headers.
fn canonical(request: Signable<'_>, added: &[(HeaderName, HeaderValue)]) -> Option<(String, String)> {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in request.headers.iter().chain(added) {
        // what is no text is sent unsigned
        let Ok(value) = value.to_str() else { continue };
        if UNSIGNED.contains(&name.as_str()) {
            continue;
        }
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let all = headers.entry(name.as_str()).or_default();
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(&value);
    }
    headers.get("host")?;
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        request.method,
        canonical_path(path),
        canonical_query(query),
        hash(request.body)
    );
    Some((canonical, names))
}

/// Without `.`, `..` and doubled slashes, and encoded once more than on the wire, as every service but S3 wants it: of a
/// model's ARN `%3A` becomes `%253A` (APIS.md 6.2).
fn canonical_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 16);
    for part in &parts {
        canonical.push('/');
        encode(part, &mut canonical);
    }
    let ends_open = path.ends_with(['/', '.']) && !parts.last().is_some_and(|last| path.ends_with(last));
    if parts.is_empty() || ends_open {
        canonical.push('/');
    }
    canonical
}

/// Sorted, each name and value encoded as strictly as RFC 3986 has it.
fn canonical_query(query: &str) -> String {
    let strict = |text: &str| {
        let mut encoded = String::new();
        encode_again(text, &mut encoded);
        encoded
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (strict(name), strict(value))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs.map(pair).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// What is encoded already stays.
fn encode_again(text: &str, out: &mut String) {
    let mut parts = text.split('%');
    encode(parts.next().unwrap_or_default(), out);
    for part in parts {
        match part
            .get(..2)
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            Some(hex) => {
                out.push('%');
                out.push_str(&hex.to_ascii_uppercase());
                encode(&part[2..], out);
            }
            None => {
                out.push_str("%25");
                encode(part, out);
            }
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::state::identity::AwsSource;
    use crate::state::secret::Secret;

    const KEY_ID: &str = "AKIDEXAMPLE";

    /// One of the vectors that AWS publishes.
    struct Vector {
        at: &'static str,
        /// Region and service.
        place: (&'static str, &'static str),
        method: Method,
        host: &'static str,
        path: &'static str,
        headers: &'static [(&'static str, &'static str)],
        session_token: Option<&'static str>,
        signed_headers: &'static str,
        signature: &'static str,
    }

    /// What most of them share.
    const VANILLA: Vector = Vector {
        at: "2015-08-30T12:36:00Z",
        place: ("us-east-1", "service"),
        method: Method::GET,
        host: "example.amazonaws.com",
        path: "/",
        headers: &[],
        session_token: None,
        signed_headers: "host;x-amz-date",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    };

    fn keys(session_token: Option<&str>) -> AwsKeys {
        AwsKeys {
            access_key_id: Secret::new(KEY_ID),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session_token.map(Secret::new),
        }
    }

    fn aws((region, service): (&str, &str)) -> Aws {
        Aws {
            region: region.into(),
            service: service.into(),
            source: AwsSource::Keys(keys(None)),
        }
    }

    fn request(vector: &Vector) -> Outgoing {
        let header = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        let host = [("host", vector.host), ("user-agent", "penstock")];
        Outgoing {
            method: vector.method.clone(),
            path: vector.path.to_owned(),
            headers: host.iter().chain(vector.headers).map(header).collect(),
            body: OutgoingBody::Plain(Bytes::new()),
            is_raw: false,
            translation: None,
            rewording: None,
            more: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn check(vector: &Vector) {
        let mut outgoing = request(vector);
        let at_ms = clock::parse_rfc3339(vector.at).unwrap();
        sign(
            &aws(vector.place),
            &keys(vector.session_token),
            at_ms,
            &mut outgoing,
        )
        .unwrap();
        let found = |name: &str| {
            let header = outgoing.headers.iter().find(|(own, _)| own == name);
            header.map(|(_, value)| value.to_str().unwrap())
        };
        let (date, (region, service)) = (vector.at[..10].replace('-', ""), vector.place);
        assert_eq!(
            found("authorization").unwrap(),
            format!(
                "AWS4-HMAC-SHA256 Credential={KEY_ID}/{date}/{region}/{service}/aws4_request, SignedHeaders={}, Signature={}",
                vector.signed_headers, vector.signature
            )
        );
        assert_eq!(found("x-amz-security-token"), vector.session_token);
    }

    /// From the signing test suite of AWS, by its names.
    #[test]
    fn requests_are_signed_as_in_the_vectors_that_aws_publishes() {
        // get-vanilla
        check(&VANILLA);
        // get-relative-normalized, get-slash-normalized, get-slash-dot-slash-normalized
        for path in ["/example/..", "//", "/./", "/example1/example2/../.."] {
            check(&Vector { path, ..VANILLA });
        }
        // get-vanilla-query-order-key-case
        check(&Vector {
            path: "/?Param2=value2&Param1=value1",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ..VANILLA
        });
        // get-header-value-trim
        check(&Vector {
            headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            signed_headers: "host;my-header1;my-header2;x-amz-date",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ..VANILLA
        });
        // get-header-key-duplicate
        check(&Vector {
            headers: &[
                ("my-header1", "value2"),
                ("my-header1", "value2"),
                ("my-header1", "value1"),
            ],
            signed_headers: "host;my-header1;x-amz-date",
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ..VANILLA
        });
        // post-vanilla
        check(&Vector {
            method: Method::POST,
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ..VANILLA
        });
        // get-vanilla-with-session-token
        check(&Vector {
            session_token: Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
            signed_headers: "host;x-amz-date;x-amz-security-token",
            signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ..VANILLA
        });
    }

    /// An ARN is one part of a path, encoded on the wire and once more for the signature (double-url-encode).
    #[test]
    fn a_path_with_an_arn_is_encoded_twice_for_the_signature() {
        check(&Vector {
            at: "2021-05-11T15:40:45Z",
            place: ("us-east-2", "lambda"),
            method: Method::POST,
            host: "lambda.us-east-2.amazonaws.com",
            path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations",
            signature: "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804",
            ..VANILLA
        });
    }

    #[test]
    fn a_second_signature_takes_the_place_of_the_first() {
        let mut outgoing = request(&VANILLA);
        for at_ms in [0, 1000] {
            sign(&aws(VANILLA.place), &keys(Some("token")), at_ms, &mut outgoing).unwrap();
        }
        let mut names: Vec<&str> = outgoing.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "authorization",
                "host",
                "user-agent",
                "x-amz-date",
                "x-amz-security-token"
            ]
        );
    }
}
