//! The wire to token endpoints: by the connections, the proxy and the authorities of the provider that the token is for;
//! to addresses of this machine and its cloud's metadata service straight. What is asked and what the answer means is
//! decided elsewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::dispatch::outgoing::{Outgoing, OutgoingBody, authority};
use crate::dispatch::upstream::Upstreams;
use crate::state::answer::Source;
use crate::state::clock::Clock;
use crate::state::identity::Settings;
use crate::state::lease::Unavailable;
use crate::state::pages::Pages;
use crate::state::parameters::Parameters;
use crate::state::snapshot::{Auth, MediaTaken, Provider, Timeouts, Trust};

/// A token with all that is said around it; the longest are a few kilobytes.
const MOST_BYTES: usize = 256 * 1024;

/// One fetch, with all that it has to ask on the way.
pub const LONGEST_FETCH: Duration = Duration::from_secs(30);

/// The wait for one answer.
pub const USUAL: Wait = Wait {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(15),
};

/// How long one question may take.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub connect: Duration,
    pub answer: Duration,
}

/// How token endpoints are reached.
#[derive(Clone)]
pub struct Way {
    upstreams: Arc<Upstreams>,
    settings: Settings,
    pub clock: Clock,
}

/// One question. It holds secrets and cannot be printed.
pub struct Ask {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    pub wait: Wait,
}

impl Ask {
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            wait: USUAL,
        }
    }

    pub fn post(url: impl Into<String>, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(content_type))],
            body: body.into(),
            ..Self::get(url)
        }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// An answer, whatever its status. It may hold secrets and cannot be printed.
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Way {
    pub fn new(upstreams: &Arc<Upstreams>, settings: &Settings, clock: &Clock) -> Self {
        Self {
            upstreams: upstreams.clone(),
            settings: settings.clone(),
            clock: clock.clone(),
        }
    }

    /// Asks and reads the whole answer. What goes wrong names the host and never what was said.
    pub async fn ask(&self, ask: Ask) -> Result<Told, Unavailable> {
        let service = self.service(&ask)?;
        let at = |what: &str| Unavailable::new(format!("{}: {what}", service.host));
        let uri = uri(&ask.url)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let host = HeaderValue::try_from(authority(&service)).map_err(|_| at("not a host"))?;
        let mut headers = vec![(header::HOST, host)];
        headers.extend(ask.headers.into_iter().filter(|(name, _)| !is_framing(name)));
        let outgoing = Outgoing {
            method: ask.method,
            path,
            key: None,
            headers,
            body: OutgoingBody::Plain(ask.body),
            is_raw: true,
            translation: None,
            rewording: None,
            more: Vec::new(),
            dropped: Vec::new(),
        };
        let sent = self.upstreams.send(&service, &service.timeouts, &outgoing).await;
        let mut from = sent.map_err(|fault| at(&fault.code.replace("upstream_", "")))?;
        let (status, headers) = (from.status(), from.headers().clone());
        let mut body = BytesMut::new();
        while let Some(piece) = from.read().await.map_err(|_| at("broke off"))? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_BYTES {
                return Err(at("more than 256 KiB"));
            }
        }
        from.finish().await;
        Ok(Told {
            status,
            headers,
            body: body.freeze(),
        })
    }

    /// What the wire knows of the other side, as if it were a provider.
    fn service(&self, ask: &Ask) -> Result<Provider, Unavailable> {
        let uri = uri(&ask.url)?;
        let host = uri.host().unwrap_or_default();
        let tls = uri.scheme_str() == Some("https");
        let is_near = is_near(host);
        let trust = Trust {
            ca_pem: self.settings.trust.ca_pem.clone().filter(|_| !is_near),
            ..Trust::default()
        };
        Ok(Provider {
            name: host.into(),
            tls,
            host: host.into(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            base_path: "".into(),
            dialects: Vec::new(),
            adapter: None,
            embeddings: None,
            rerank: None,
            betas: Arc::new(crate::state::snapshot::Betas::All),
            facts: crate::state::facts::Facts::default(),
            credentials: Vec::new(),
            auth: Auth::None,
            usage_option: false,
            pages: Pages::default(),
            parameters: Parameters::default(),
            headers: Vec::new(),
            http2: false,
            trust,
            connect_proxy: self.settings.connect_proxy.clone().filter(|_| !is_near),
            timeouts: Timeouts {
                connect: ask.wait.connect,
                first_byte: ask.wait.answer,
                idle: ask.wait.answer,
                total: ask.wait.answer,
            },
            media: MediaTaken::default(),
        })
    }
}

fn uri(url: &str) -> Result<Uri, Unavailable> {
    let uri: Option<Uri> = url.parse().ok();
    uri.filter(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")))
        .ok_or_else(|| Unavailable::new("the token endpoint's URL is none of http or https"))
}

/// This machine, and what only this machine can reach: no proxy leads there.
fn is_near(host: &str) -> bool {
    const NAMES: [&str; 3] = ["localhost", "metadata", "metadata.google.internal"];
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        // fd00:ec2::/32 and the like: a cloud's own
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => NAMES.contains(&host),
    }
}

/// What the wire writes itself.
fn is_framing(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_used_for_what_only_this_machine_can_reach() {
        for near in [
            "127.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[fd00:ec2::254]",
            "localhost",
            "metadata.google.internal",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "sts.eu-central-1.amazonaws.com",
            "oauth2.googleapis.com",
            "10.0.0.1",
            "metadata.example.org",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}
