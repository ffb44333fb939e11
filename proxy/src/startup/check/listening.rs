//! Where callers and operators connect: addresses, certificates, trusted networks, origins.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::startup::certificates::{self, CertificateSet};
use crate::startup::check::Checker;
use crate::startup::check::url::Url;
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::shape::Field;
use crate::startup::{ListenerSettings, TlsSettings};
use crate::state::snapshot::{Cors, Network};

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(LOCAL, 9090);
const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

impl Checker<'_> {
    pub(super) fn listeners(
        &mut self,
        list: &files::List<files::Listener>,
    ) -> (Vec<ListenerSettings>, Vec<Option<CertificateSet>>) {
        let Some(fields) = &list.value else {
            return (vec![self.default_listener()], vec![None]);
        };
        if fields.is_empty() {
            self.findings.problem(
                list.mark,
                "no listeners",
                "listeners: [{address: \"127.0.0.1:8080\"}]",
            );
        }
        let (mut listeners, mut certificates) = (Vec::<ListenerSettings>::new(), Vec::new());
        for field in fields {
            let Some(file) = &field.value else { continue };
            let address = self.required(
                &file.address,
                field.mark,
                "a listener's `address`",
                "such as 127.0.0.1:8080",
            );
            let address = address.and_then(|text| self.address(text, file.address.mark));
            let set = file
                .tls
                .value
                .as_ref()
                .and_then(|tls| self.tls(tls, file.tls.mark));
            let Some(address) = address else { continue };
            if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
                self.findings
                    .problem(file.address.mark, format!("two listeners at {address}"), "");
            }
            listeners.push(ListenerSettings {
                address,
                tls: set.as_ref().map(|set| TlsSettings {
                    client_certificates: set.asks_clients(),
                }),
                proxy_protocol: file.proxy_protocol.value.unwrap_or(false),
            });
            certificates.push(set);
        }
        (listeners, certificates)
    }

    fn default_listener(&mut self) -> ListenerSettings {
        let port = match self.environment.variable("PORT") {
            Some(text) => text.parse().unwrap_or_else(|_| {
                self.findings.problem(
                    Mark::default(),
                    "environment variable PORT is not a port",
                    "1 to 65535",
                );
                DEFAULT_PORT
            }),
            None => DEFAULT_PORT,
        };
        ListenerSettings {
            address: SocketAddr::new(LOCAL, port),
            tls: None,
            proxy_protocol: false,
        }
    }

    pub(super) fn admin(
        &mut self,
        field: &Field<files::Admin>,
        listeners: &[ListenerSettings],
    ) -> SocketAddr {
        let Some(file) = &field.value else {
            return DEFAULT_ADMIN;
        };
        let address = file
            .address
            .value
            .as_deref()
            .and_then(|text| self.address(text, file.address.mark));
        let address = address.unwrap_or(DEFAULT_ADMIN);
        if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
            let remedy = "metrics are not for callers: give it a port of its own";
            self.findings.problem(
                field.mark,
                format!("the admin address {address} is a listener's, too"),
                remedy,
            );
        }
        address
    }

    fn address(&mut self, text: &str, mark: Mark) -> Option<SocketAddr> {
        let wrong = match text.parse() {
            Ok(address) => return Some(address),
            Err(_) => format!("`{text}` is not an address with a port"),
        };
        let remedy = match text.rsplit_once(':') {
            Some(("", port)) => format!("write 0.0.0.0:{port} for all interfaces, or 127.0.0.1:{port}"),
            Some(("localhost", port)) => format!("write 127.0.0.1:{port}"),
            Some(("*", port)) => format!("write 0.0.0.0:{port}"),
            _ => "such as 127.0.0.1:8080 or [::]:8080".to_owned(),
        };
        self.findings.problem(mark, wrong, remedy);
        None
    }

    fn tls(&mut self, file: &files::Tls, owner: Mark) -> Option<CertificateSet> {
        let default = self.certificate(&file.certificate, &file.key, owner);
        let mut set = default.map(CertificateSet::new);
        for field in file.sni.value.iter().flatten() {
            let Some(named) = &field.value else { continue };
            let name = self.required(
                &named.name,
                field.mark,
                "an `sni` entry's `name`",
                "such as api.example.org",
            );
            let pair = self.certificate(&named.certificate, &named.key, field.mark);
            let (Some(set), Some(name), Some(pair)) = (&mut set, name, pair) else {
                continue;
            };
            if !certificates::is_for(&pair, name) {
                let message = format!("the certificate is not valid for {name}");
                self.findings
                    .warning(named.certificate.mark, message, "clients will refuse it");
            }
            if let Err(message) = set.add(name, pair) {
                self.findings.problem(
                    named.name.mark,
                    message,
                    "such as api.example.org or *.example.org",
                );
            }
        }
        if let Some(pem) = self.file(&file.client_ca) {
            match certificates::client_verifier(&pem) {
                Ok(verifier) => set = set.map(|set| set.asking_clients(verifier)),
                Err(message) => self.findings.problem(file.client_ca.mark, message, ""),
            }
        }
        set
    }

    fn certificate(
        &mut self,
        chain: &Field<String>,
        key: &Field<String>,
        owner: Mark,
    ) -> Option<std::sync::Arc<rustls::sign::CertifiedKey>> {
        let remedy = "tls needs both a certificate and its key, as PEM files";
        self.required(chain, owner, "`certificate`", remedy);
        self.required(key, owner, "`key`", remedy);
        let (chain_pem, key_pem) = (self.file(chain), self.file(key));
        let pair = certificates::certified_key(&chain_pem?, &key_pem?);
        pair.map_err(|message| self.findings.problem(chain.mark, message, ""))
            .ok()
    }

    pub(super) fn networks(&mut self, list: &files::List<String>) -> Vec<Network> {
        let fields = list.value.iter().flatten();
        fields
            .filter_map(|field| self.network(field.value.as_deref()?, field.mark))
            .collect()
    }

    fn network(&mut self, text: &str, mark: Mark) -> Option<Network> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: Option<IpAddr> = address.parse().ok();
        let longest = address.map_or(0, |address| if address.is_ipv4() { 32 } else { 128 });
        let prefix = prefix
            .map_or(Some(longest), |prefix| prefix.parse().ok())
            .filter(|prefix| *prefix <= longest);
        let Some((address, prefix)) = address.zip(prefix) else {
            self.findings.problem(
                mark,
                format!("`{text}` is not a block of addresses"),
                "such as 10.0.0.0/8",
            );
            return None;
        };
        let start = network_start(address, prefix);
        if start != address {
            let message = format!("`{text}` has bits set after the first {prefix}");
            self.findings
                .problem(mark, message, format!("write {start}/{prefix}"));
        }
        Some(Network { address, prefix })
    }

    pub(super) fn cors(&mut self, field: &Field<files::Cors>) -> Option<Cors> {
        let file = field.value.as_ref()?;
        let remedy = "such as https://app.example.org, or \"*\"";
        let list = self.required(&file.origins, field.mark, "`origins`", remedy)?;
        let mut origins = Vec::new();
        for field in list {
            let Some(text) = field.value.as_deref() else {
                continue;
            };
            if text == "*" && list.len() > 1 {
                self.findings.problem(
                    field.mark,
                    "`*` stands for every origin: the others are not needed",
                    "",
                );
            } else if text != "*" && !is_origin(text) {
                self.findings
                    .problem(field.mark, format!("`{text}` is not an origin"), remedy);
            }
            origins.push(text.to_owned());
        }
        // Browsers remember for a day at most, whatever is asked.
        let max_age = Duration::from_secs(self.number(&file.max_age_s, 600, 0, 86_400));
        Some(Cors { origins, max_age })
    }
}

/// The address with all bits after the prefix cleared.
fn network_start(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix.min(128)))
                .unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// An origin as browsers spell it: scheme, host and a port that is not the scheme's own; nothing after it.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let host = if url.host.contains(':') {
        format!("[{}]", url.host)
    } else {
        url.host
    };
    let (scheme, own_port) = if url.tls { ("https", 443) } else { ("http", 80) };
    let port = if url.port == own_port {
        String::new()
    } else {
        format!(":{}", url.port)
    };
    url.user.is_none() && text == format!("{scheme}://{host}{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        assert!(
            is_origin("https://app.example.org")
                && is_origin("http://localhost:3000")
                && is_origin("http://[::1]:5173")
        );
        for wrong in [
            "https://app.example.org/",
            "https://App.example.org",
            "https://a:443",
            "app.example.org",
            "null",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_network_starts_where_its_prefix_says() {
        assert_eq!(
            network_start("10.1.2.3".parse().unwrap(), 8),
            "10.0.0.0".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            network_start("10.1.2.3".parse().unwrap(), 0),
            "0.0.0.0".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            network_start("fd00::1".parse().unwrap(), 128),
            "fd00::1".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            network_start("fd00::1".parse().unwrap(), 0),
            "::".parse::<IpAddr>().unwrap()
        );
    }
}
