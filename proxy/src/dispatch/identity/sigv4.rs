//! AWS's signature of a request, version 4, made by AWS's own crate: of the body and the headers as they are sent. What of
//! a request is signed, and that a second signature takes the place of the first, is decided here.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue, header};

use crate::dispatch::identity::smithy;
use crate::dispatch::outgoing::{Outgoing, OutgoingBody};
use crate::state::identity::{Aws, AwsKeys};

/// What a signature writes; of an earlier try it is taken off first.
const WRITTEN: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// What belongs to a connection, beside what the crate leaves out itself.
const UNSIGNED: [&str; 4] = ["connection", "expect", "te", "upgrade"];

/// Signs a request that is otherwise ready to be sent; none for one that cannot be signed.
pub fn sign(aws: &Aws, keys: &AwsKeys, now_ms: u64, outgoing: &mut Outgoing) -> Option<()> {
    outgoing
        .headers
        .retain(|(name, _)| !WRITTEN.contains(&name.as_str()));
    let body = outgoing.body.to_bytes();
    let signed = signature(aws, keys, now_ms, outgoing, &body)?;
    outgoing.headers.extend(signed);
    outgoing.body = OutgoingBody::Plain(body);
    Some(())
}

/// The headers to add. The crate's settings are those for every service but S3: the path without `.` and `..`, and
/// encoded once more than on the wire, so that `%3A` of a model's ARN becomes `%253A` (APIS.md 6.2).
fn signature(
    aws: &Aws,
    keys: &AwsKeys,
    now_ms: u64,
    outgoing: &Outgoing,
    body: &[u8],
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    // what is no text is sent unsigned
    let headers = outgoing
        .headers
        .iter()
        .filter(|(name, _)| !UNSIGNED.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    // without one the crate would look for it in the path, and panic
    headers.clone().find(|(name, _)| *name == header::HOST)?;
    let body = SignableBody::Bytes(body);
    let request = SignableRequest::new(outgoing.method.as_str(), &*outgoing.path, headers, body).ok()?;
    let identity = credentials(keys).into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&aws.region)
        .name(&aws.service)
        .time(smithy::moment(now_ms))
        .settings(SigningSettings::default())
        .build()
        .ok()?
        .into();
    let (instructions, _) = http_request::sign(request, &params).ok()?.into_parts();
    let (added, _) = instructions.into_parts();
    added
        .iter()
        .map(|added| {
            let mut value = HeaderValue::from_str(added.value()).ok()?;
            value.set_sensitive(added.name() != "x-amz-date");
            Some((HeaderName::from_static(added.name()), value))
        })
        .collect()
}

/// As AWS's crates take them.
pub fn credentials(keys: &AwsKeys) -> Credentials {
    let session_token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
    Credentials::new(
        keys.access_key_id.expose(),
        keys.secret_access_key.expose(),
        session_token,
        None,
        "penstock",
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::state::clock;
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
            key: None,
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
