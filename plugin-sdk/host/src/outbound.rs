//! Calls that plugins make: which hosts an operator lists, which addresses a name may lead to, and what is handed to
//! whoever embeds this crate to be sent. No socket is opened here. The rules hold for whatever else goes out on the word of
//! somebody who is not trusted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::{Host, Position, Url};

/// Sends what plugins ask for. It resolves names, checks each address with [`HttpRule::may_reach`] before connecting to it,
/// follows no redirect, adds no header, and ends within [`OutboundCall::within`].
pub trait Outbound: Send + Sync {
    /// Dropping the future closes the connection.
    fn send(&self, call: OutboundCall) -> OutboundFuture;
}

/// One call under way.
pub type OutboundFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

/// A call that its plugin may make.
#[derive(Debug)]
pub struct OutboundCall {
    /// What allows it.
    pub rule: Arc<HttpRule>,
    /// A name or an address, without brackets.
    pub host: String,
    /// What `Host` says.
    pub authority: String,
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Without `Host` and those that frame the message; with those of the rule.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// For everything: name, connection, TLS, and the response to its last byte.
    pub within: Duration,
    pub most_response_bytes: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why nothing came back, in the contract's words.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    NotAllowed,
    Invalid,
    TooLarge,
    TooMany,
    Unreachable,
    Timeout,
    Broken,
}

/// What an operator grants with `http`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpTerms {
    /// Nothing else can be called.
    pub rules: Vec<Arc<HttpRule>>,
    pub limits: HttpLimits,
}

/// Bounds on the calls of one plugin, with the reason for each number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// All waits of one hook together: a caller waits for them too.
    pub wait: Duration,
    /// Calls of one hook. A guard needs one, with a second try two.
    pub calls: u32,
    /// URL, headers and body of one request: a long conversation.
    pub request_bytes: usize,
    /// Headers and body of one response: a verdict with its reasons.
    pub response_bytes: usize,
    /// Hooks that wait at the same time; more wait their turn. Each holds an instance, about a MB.
    pub at_once: usize,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            wait: Duration::from_secs(2),
            calls: 4,
            request_bytes: 1 << 20,
            response_bytes: 256 << 10,
            at_once: 64,
        }
    }
}

/// One host that may be called, and what goes with it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRule {
    pub tls: bool,
    pub host: HostPattern,
    pub port: u16,
    /// Added to every request, in place of what the plugin says under these names. The plugin never sees them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Addresses besides public ones that the name may lead to.
    pub reach: Vec<AddressBlock>,
    /// Authorities to trust instead of the system's.
    pub ca_pem: Option<Arc<[u8]>>,
}

/// The host of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    Name(Box<str>),
    /// Every name that ends in a dot and this.
    Below(Box<str>),
    Address(IpAddr),
}

/// Addresses with the same first bits, such as `10.0.0.0/8`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    pub address: IpAddr,
    pub prefix: u8,
}

impl AddressBlock {
    pub fn contains(&self, other: IpAddr) -> bool {
        let (ours, theirs) = match (self.address, other.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            _ => return false,
        };
        self.prefix == 0
            || (ours ^ theirs)
                .checked_shr(128 - u32::from(self.prefix))
                .unwrap_or(0)
                == 0
    }
}

/// What is wrong with a host of the list, and what to write.
pub type WrongHost = (&'static str, &'static str);

impl HttpRule {
    /// Reads `https://host`, `https://host:8443`, `https://*.host` or `http://10.0.0.7:8080`.
    pub fn parse(text: &str) -> Result<HttpRule, WrongHost> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or(("not a URL", "write https://host or http://host:port"))?;
        let (is_below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        // one reader for the list and for what plugins ask for: no text can mean one host here and another there
        let url = Url::parse(&format!("{scheme}://{rest}"))
            .map_err(|_| ("not a URL", "write https://host or http://host:port"))?;
        let tls = tls_of(&url).ok_or(("not an http or https URL", "write https://host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err((
                "a host with a user or password",
                "send a credential with `headers: {authorization: \"env:NAME\"}`",
            ));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err((
                "a host with a path",
                "end it after the host or port: all paths are allowed",
            ));
        }
        let host = match (url.host(), is_below) {
            (Some(Host::Domain(name)), _) if name.contains('*') => {
                return Err(("a `*` within a name", "write https://*.host"));
            }
            (Some(Host::Domain(name)), true) if name.contains('.') => HostPattern::Below(name.into()),
            (Some(Host::Domain(name)), false) => HostPattern::Name(name.into()),
            (Some(Host::Ipv4(address)), false) => HostPattern::Address(address.into()),
            (Some(Host::Ipv6(address)), false) => HostPattern::Address(address.into()),
            (Some(_), true) => {
                return Err((
                    "a `*` before what is not a domain",
                    "name the domain: https://*.example.org",
                ));
            }
            (None, _) => return Err(("the URL has no host", "write https://host")),
        };
        Ok(HttpRule {
            tls,
            host,
            port: url.port_or_known_default().unwrap_or(0),
            headers: Vec::new(),
            reach: Vec::new(),
            ca_pem: None,
        })
    }

    /// Whether a connection for this rule may go to `address`: one that anybody on the internet could reach, one that the
    /// operator has written down, or one of `reach`. A name can lead anywhere, also to the gateway's own machine.
    pub fn may_reach(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_named = matches!(self.host, HostPattern::Address(named) if named.to_canonical() == address);
        is_named || is_public(address) || self.reach.iter().any(|block| block.contains(address))
    }

    /// For a host that is on no list: its own port is the only one, and it leads to public addresses and those of `reach`
    /// alone, also where it is an address itself. None where there is no host, or another scheme than http and https.
    pub fn of_stranger(url: &Url, reach: &[AddressBlock]) -> Option<HttpRule> {
        Some(HttpRule {
            tls: tls_of(url)?,
            host: HostPattern::Name(bare_host(url)?.into()),
            port: url.port_or_known_default()?,
            headers: Vec::new(),
            reach: reach.to_vec(),
            ca_pem: None,
        })
    }

    /// Whether a URL is at this rule's host and port.
    pub fn allows(&self, url: &Url) -> bool {
        let same_host = match (&self.host, url.host()) {
            (HostPattern::Name(ours), Some(Host::Domain(theirs))) => **ours == *theirs,
            (HostPattern::Below(ours), Some(Host::Domain(theirs))) => theirs
                .strip_suffix(&**ours)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
            (HostPattern::Address(ours), Some(Host::Ipv4(theirs))) => *ours == IpAddr::V4(theirs),
            (HostPattern::Address(ours), Some(Host::Ipv6(theirs))) => *ours == IpAddr::V6(theirs),
            _ => false,
        };
        same_host && tls_of(url) == Some(self.tls) && url.port_or_known_default() == Some(self.port)
    }
}

/// As it is written in a list; never a header.
impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.host {
            HostPattern::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
            HostPattern::Below(name) => write!(f, "{scheme}://*.{name}:{}", self.port),
            HostPattern::Address(IpAddr::V4(address)) => write!(f, "{scheme}://{address}:{}", self.port),
            HostPattern::Address(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{}", self.port),
        }
    }
}

impl fmt::Debug for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRule({self}, {} headers)", self.headers.len())
    }
}

/// A request as a guest puts it.
pub(crate) struct Asked {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A URL is one line of a log at most.
const LONGEST_URL: usize = 8 << 10;
const MOST_HEADERS: usize = 64;

/// Headers that frame a message or steer a connection.
const NOT_A_PLUGINS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl OutboundCall {
    /// A GET without a body and without headers but the rule's; none where the URL has no host.
    pub fn get(
        rule: Arc<HttpRule>,
        url: &Url,
        within: Duration,
        most_response_bytes: usize,
    ) -> Option<OutboundCall> {
        Some(OutboundCall {
            host: bare_host(url)?,
            authority: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            method: Method::GET,
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            headers: rule.headers.clone(),
            body: Bytes::new(),
            rule,
            within,
            most_response_bytes,
        })
    }
}

impl HttpTerms {
    /// The call that a guest asks for, if it may be made.
    pub(crate) fn admit(&self, asked: Asked, within: Duration) -> Result<OutboundCall, HttpError> {
        if asked.bytes() > self.limits.request_bytes
            || asked.url.len() > LONGEST_URL
            || asked.headers.len() > MOST_HEADERS
        {
            return Err(HttpError::TooLarge);
        }
        let url = Url::parse(&asked.url).map_err(|_| HttpError::Invalid)?;
        if tls_of(&url).is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::Invalid);
        }
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.allows(&url))
            .ok_or(HttpError::NotAllowed)?;
        let method = Method::from_bytes(asked.method.as_bytes()).map_err(|_| HttpError::Invalid)?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(HttpError::Invalid);
        }
        let plain = OutboundCall::get(rule.clone(), &url, within, self.limits.response_bytes);
        Ok(OutboundCall {
            method,
            headers: headers(rule, asked.headers)?,
            body: asked.body.into(),
            ..plain.ok_or(HttpError::Invalid)?
        })
    }
}

impl Asked {
    /// What has to be sent for it.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.method.len() + self.url.len() + headers.sum::<usize>() + self.body.len()
    }
}

fn headers(
    rule: &HttpRule,
    asked: Vec<(String, String)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, HttpError> {
    let mut headers = rule.headers.clone();
    for (name, value) in asked {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::Invalid)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| HttpError::Invalid)?;
        if NOT_A_PLUGINS.contains(&name.as_str()) {
            return Err(HttpError::Invalid);
        }
        if !rule.headers.iter().any(|(own, _)| *own == name) {
            headers.push((name, value));
        }
    }
    Ok(headers)
}

fn tls_of(url: &Url) -> Option<bool> {
    match url.scheme() {
        "https" => Some(true),
        "http" => Some(false),
        _ => None,
    }
}

fn bare_host(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

/// Whether an address is anybody's: what IANA's registries of special-purpose addresses (RFC 6890 and its updates) do not
/// set apart. The metadata services of clouds are link-local or private.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const SET_APART: [(Ipv4Addr, u8); 15] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 88, 99, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(224, 0, 0, 0), 4),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    let block = |(address, prefix): (Ipv4Addr, u8)| AddressBlock {
        address: address.into(),
        prefix,
    };
    !SET_APART
        .into_iter()
        .any(|apart| block(apart).contains(address.into()))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // 2000::/3 is all that is given out; within it tunnels (which carry an IPv4 address), tests and documentation
    let is_given_out = first & 0xe000 == 0x2000;
    let is_set_apart = match first {
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_given_out && !is_set_apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(hosts: &[&str]) -> HttpTerms {
        let rule = |text: &&str| Arc::new(HttpRule::parse(text).expect(text));
        HttpTerms {
            rules: hosts.iter().map(rule).collect(),
            limits: HttpLimits::default(),
        }
    }

    fn asked(url: &str) -> Asked {
        Asked {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn admit(terms: &HttpTerms, url: &str) -> Result<OutboundCall, HttpError> {
        terms.admit(asked(url), Duration::from_secs(1))
    }

    #[test]
    fn a_url_goes_to_the_host_that_is_listed_or_nowhere() {
        let terms = terms(&[
            "https://policy.example.org",
            "http://10.0.0.7:8080",
            "http://[::1]:81",
        ]);
        for (url, host, authority, path) in [
            (
                "https://policy.example.org",
                "policy.example.org",
                "policy.example.org",
                "/",
            ),
            (
                "HTTPS://Policy.Example.ORG:443/a?b=c#d",
                "policy.example.org",
                "policy.example.org",
                "/a?b=c",
            ),
            ("http://10.0.0.7:8080/x y", "10.0.0.7", "10.0.0.7:8080", "/x%20y"),
            ("http://0x0a000007:8080/", "10.0.0.7", "10.0.0.7:8080", "/"),
            ("http://[0:0::1]:81/", "::1", "[::1]:81", "/"),
        ] {
            let call = admit(&terms, url).expect(url);
            assert_eq!(
                (&*call.host, &*call.authority, &*call.path),
                (host, authority, path)
            );
        }
        for url in [
            "http://policy.example.org",
            "https://policy.example.org:444/",
            "https://policy.example.org.evil.test/",
            "https://policy.example.org./",
            "https://evil.test/policy.example.org",
            "https://evil.test#policy.example.org",
            "https://evil.test\\policy.example.org/",
            "https://evilpolicy.example.org/",
            "https://a.policy.example.org/",
            "https://p\u{43e}licy.example.org/",
            "http://10.0.0.8:8080/",
            "http://10.0.0.7/",
            "http://[::ffff:10.0.0.7]:8080/",
        ] {
            assert_eq!(admit(&terms, url).unwrap_err(), HttpError::NotAllowed, "{url}");
        }
        for url in [
            "https://policy.example.org@evil.test/",
            "https://user:password@policy.example.org/",
            "https://policy.example.org:443@evil.test/",
            "ftp://policy.example.org/",
            "file:///etc/passwd",
            "policy.example.org",
            "//policy.example.org/",
            "https://",
            "",
        ] {
            assert_eq!(admit(&terms, url).unwrap_err(), HttpError::Invalid, "{url}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_names_below_and_not_for_the_name_itself() {
        let terms = terms(&["https://*.example.org:8443"]);
        for url in [
            "https://a.example.org:8443/",
            "https://b.a.example.org:8443/",
            "https://A.EXAMPLE.org:8443",
        ] {
            admit(&terms, url).expect(url);
        }
        for url in [
            "https://example.org:8443/",
            "https://.example.org:8443/",
            "https://aexample.org:8443/",
            "https://a.example.org/",
            "https://a.example.org.evil.test:8443/",
        ] {
            admit(&terms, url).expect_err(url);
        }
    }

    #[test]
    fn a_list_takes_hosts_and_says_what_else_is_wrong() {
        for text in [
            "example.org",
            "ftp://example.org",
            "https://",
            "https://user@example.org",
            "https://example.org/v1",
            "https://example.org?x",
            "https://*.org",
            "https://*",
            "https://*.*.example.org",
            "https://a.*.org",
            "https://*.127.0.0.1",
            "https://example.org:99999",
        ] {
            let (message, remedy) = HttpRule::parse(text).expect_err(text);
            assert!(!message.is_empty() && !remedy.is_empty());
        }
    }

    #[test]
    fn an_operators_header_takes_the_place_of_the_plugins() {
        let mut rule = HttpRule::parse("https://example.org").unwrap();
        rule.headers.push((
            HeaderName::from_static("authorization"),
            HeaderValue::from_static("Bearer theirs"),
        ));
        let terms = HttpTerms {
            rules: vec![Arc::new(rule)],
            ..HttpTerms::default()
        };
        let with = |name: &str, value: &str| Asked {
            headers: vec![(name.into(), value.into())],
            ..asked("https://example.org")
        };
        let sent = |asked| terms.admit(asked, Duration::ZERO).map(|call| call.headers);
        let only = sent(with("Authorization", "Bearer mine")).unwrap();
        assert_eq!(only, terms.rules[0].headers);
        assert_eq!(sent(with("X-Other", "1")).unwrap().len(), 2);
        for (name, value) in [
            ("Host", "evil.test"),
            ("content-length", "1"),
            ("Transfer-Encoding", "chunked"),
            ("x", "a\r\nb: c"),
            ("a b", "c"),
            ("", "c"),
        ] {
            assert_eq!(sent(with(name, value)).unwrap_err(), HttpError::Invalid, "{name}");
        }
        assert!(!format!("{terms:?}").contains("theirs"));
    }

    #[test]
    fn a_request_over_its_limit_is_not_made() {
        let terms = terms(&["https://example.org"]);
        let most = terms.limits.request_bytes;
        let long = Asked {
            body: vec![0; most],
            ..asked("https://example.org")
        };
        assert_eq!(
            terms.admit(long, Duration::ZERO).unwrap_err(),
            HttpError::TooLarge
        );
        for method in ["CONNECT", "TRACE", "GET /", ""] {
            let odd = Asked {
                method: method.into(),
                ..asked("https://example.org")
            };
            assert_eq!(terms.admit(odd, Duration::ZERO).unwrap_err(), HttpError::Invalid);
        }
    }

    #[test]
    fn a_name_leads_to_public_addresses_and_to_those_that_were_written_down() {
        let named = HttpRule::parse("https://example.org").unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for public in ["1.1.1.1", "192.0.1.1", "172.32.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(named.may_reach(address(public)), "{public}");
        }
        let set_apart = [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.0.0.192",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ];
        for apart in set_apart {
            assert!(!named.may_reach(address(apart)), "{apart}");
        }
        let stranger = |url: &str| HttpRule::of_stranger(&Url::parse(url).unwrap(), &[]).unwrap();
        for apart in set_apart {
            assert!(
                !stranger("https://cdn.example.org/a.png").may_reach(address(apart)),
                "{apart}"
            );
        }
        let own = stranger("http://2130706433/");
        assert!(!own.may_reach(address("127.0.0.1")) && own.may_reach(address("93.184.215.14")));
        let sidecar = HttpRule::parse("http://127.0.0.1:8181").unwrap();
        assert!(sidecar.may_reach(address("127.0.0.1")) && !sidecar.may_reach(address("127.0.0.2")));
        let block = AddressBlock {
            address: address("10.0.0.0"),
            prefix: 8,
        };
        let internal = HttpRule {
            reach: vec![block],
            ..named
        };
        assert!(internal.may_reach(address("10.9.9.9")) && !internal.may_reach(address("127.0.0.1")));
    }
}
