//! Base URLs and proxy URLs, taken apart. An error never repeats the URL: it may hold a password.

use std::net::{IpAddr, Ipv6Addr};

use rustls::pki_types::ServerName;

/// `https://user:password@host:port/path`.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    pub tls: bool,
    /// Lower case, without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// Without a slash at the end; empty for the root.
    pub path: String,
    pub user: Option<String>,
}

/// What is wrong with it, and what to write.
pub type Wrong = (&'static str, &'static str);

impl Url {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or(("not a URL", "write https://host/path"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(("not an http or https URL", "write https://host/path")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user.to_owned()), address),
            None => (None, authority),
        };
        let (host, port) = host_and_port(address)?;
        Ok(Self {
            tls,
            host,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            path: checked_path(path)?,
            user,
        })
    }
}

fn host_and_port(address: &str) -> Result<(String, Option<u16>), Wrong> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or(("an IPv6 address without its `]`", "write https://[::1]/"))?;
            host.parse::<Ipv6Addr>()
                .map_err(|_| ("not an IPv6 address between the brackets", ""))?;
            (host, port)
        }
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    if host.is_empty() {
        // An empty name would switch the check of the server's certificate off.
        return Err(("the URL has no host", "write https://host/path"));
    }
    if host.parse::<IpAddr>().is_err() && ServerName::try_from(host).is_err() {
        return Err((
            "the URL's host is neither a name nor an address",
            "international names are written as xn--...",
        ));
    }
    let port = match port {
        "" => None,
        _ => Some(
            port.strip_prefix(':')
                .and_then(port_number)
                .ok_or(("the URL's port is not 1 to 65535", ""))?,
        ),
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn port_number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| is_plain && *port > 0)
}

fn checked_path(path: &str) -> Result<String, Wrong> {
    if path.contains(['?', '#']) {
        return Err(("a URL with a query or a fragment", "end it after the path"));
    }
    let path = path.trim_end_matches('/');
    match http::uri::PathAndQuery::try_from(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(_) if path.is_empty() => Ok(String::new()),
        Err(_) => Err(("the URL's path has letters that a path cannot have", "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String) {
        let url = Url::parse(text).unwrap();
        (url.tls, url.host, url.port, url.path)
    }

    #[test]
    fn a_url_comes_apart() {
        assert_eq!(
            parts("https://api.openai.com/v1/"),
            (true, "api.openai.com".into(), 443, "/v1".into())
        );
        assert_eq!(
            parts("http://[::1]:8081"),
            (false, "::1".into(), 8081, String::new())
        );
        assert_eq!(
            parts("HTTP://LocalHost:80/a/b"),
            (false, "localhost".into(), 80, "/a/b".into())
        );
        assert_eq!(
            Url::parse("http://u:p@proxy:3128").unwrap().user.as_deref(),
            Some("u:p")
        );
    }

    #[test]
    fn a_wrong_url_is_refused() {
        for wrong in [
            "",
            "api.openai.com",
            "ftp://x/",
            "https://",
            "https:///v1",
            "https://:443/v1",
            "https://user@/v1",
            "https://[::1/v1",
            "https://[::g]/",
            "https://[]/",
            "https://a b/",
            "https://a/v1?x=1",
            "https://a/v1#x",
            "https://a:0/",
            "https://a:+1/",
            "https://a:99999/",
            "https://a:/x:",
            "https://ex\u{e4}mple.org/",
            "https://a/\u{e4} b",
            "https://-a-/",
            "https://[::1]8080/",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
