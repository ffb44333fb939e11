//! AWS's signature checked as AWS does it: computed anew from the request that came, by the steps of its documentation
//! ("Create a signed AWS API request") and without the code that signs.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::message::Message;

/// Who is thought to have signed.
pub struct Signer<'s> {
    pub access_key_id: &'s str,
    pub secret_access_key: &'s str,
    pub session_token: Option<&'s str>,
    pub region: &'s str,
    pub service: &'s str,
}

impl Signer<'_> {
    /// Fails the test unless this signer has signed the request.
    pub fn check(&self, request: &Message) {
        let authorization = request.header("authorization").expect("it is signed");
        let rest = authorization
            .strip_prefix("AWS4-HMAC-SHA256 Credential=")
            .unwrap_or_else(|| panic!("another scheme: {authorization}"));
        let (credential, rest) = rest.split_once(", SignedHeaders=").expect("signed headers");
        let (names, signature) = rest.split_once(", Signature=").expect("a signature");
        let at = request.header("x-amz-date").expect("a time");
        let (date, region, service) = (&at[..8], self.region, self.service);
        let scope = format!("{date}/{region}/{service}/aws4_request");
        assert_eq!(credential, format!("{}/{scope}", self.access_key_id));
        assert_eq!(request.header("x-amz-security-token"), self.session_token);
        let names: Vec<&str> = names.split(';').collect();
        assert!(names.contains(&"host"), "{names:?}");
        let mut all: Vec<&str> = request.headers().map(|(name, _)| name).collect();
        all.retain(|name| name.starts_with("x-amz-") || *name == "content-type");
        assert!(
            all.iter().all(|name| names.contains(name)),
            "{all:?} in {names:?}"
        );
        let canonical = canonical(request, &names);
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{hash}");
        let key = format!("AWS4{}", self.secret_access_key);
        let key = [date, region, service, "aws4_request", &text]
            .iter()
            .fold(key.into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        assert_eq!(signature, hex(&key), "signed otherwise:\n{canonical}");
    }
}

/// The canonical request.
fn canonical(request: &Message, names: &[&str]) -> String {
    let method = request.start_line().split(' ').next().expect("a method");
    let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
    // what is encoded on the wire is encoded once more, but for the slashes
    let path: Vec<String> = path.split('/').map(encoded).collect();
    let mut query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in request.headers() {
        if names.contains(&name) {
            values.entry(name).or_default().push(value);
        }
    }
    let headers: String = values
        .iter()
        .map(|(name, values)| format!("{name}:{}\n", values.join(",")))
        .collect();
    format!(
        "{method}\n{}\n{}\n{headers}\n{}\n{}",
        path.join("/"),
        query.join("&"),
        names.join(";"),
        hex(&Sha256::digest(&request.body))
    )
}

fn encoded(part: &str) -> String {
    let mut out = String::new();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    match key.len() <= BLOCK {
        true => block[..key.len()].copy_from_slice(key),
        false => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From AWS's signing test suite: get-vanilla-with-session-token, get-vanilla-query-order-key-case.
#[test]
fn the_check_takes_what_aws_signed_and_nothing_else() {
    let request = |path: &str, headers: &str, rest: &str| {
        Message {
        head: format!(
            "GET {path} HTTP/1.1\r\nhost: example.amazonaws.com\r\nx-amz-date: 20150830T123600Z\r\n{headers}authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, {rest}\r\n\r\n"
        )
        .into_bytes(),
        ..Message::default()
    }
    };
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let signer = |session_token| Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token,
        region: "us-east-1",
        service: "service",
    };
    let with_token = "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8";
    let header = format!("x-amz-security-token: {token}\r\n");
    signer(Some(token)).check(&request("/", &header, with_token));
    let query = "SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    signer(None).check(&request("/?Param2=value2&Param1=value1", "", query));
    let bent = std::panic::catch_unwind(|| signer(None).check(&request("/?Param2=value3", "", query)));
    assert!(bent.is_err());
}
