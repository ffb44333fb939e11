//! Certificates for incoming TLS: chosen by the name that the client asks for, and replaced as a whole while connections
//! are being made. Reading the files is `check`'s, when to read them again `reload`'s.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

/// The certificates of one listener.
#[derive(Clone)]
pub struct CertificateSet {
    default: Arc<CertifiedKey>,
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows the `*.`.
    wildcards: HashMap<Box<str>, Arc<CertifiedKey>>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl CertificateSet {
    /// With the certificate for clients that name no server, or one that has none of its own.
    pub fn new(default: Arc<CertifiedKey>) -> Self {
        Self {
            default,
            exact: HashMap::new(),
            wildcards: HashMap::new(),
            clients: None,
        }
    }

    /// Adds a certificate for `name`, or for `*.name`. Fails for what is no name, and for a name that is there already.
    pub fn add(&mut self, name: &str, certificate: Arc<CertifiedKey>) -> Result<(), String> {
        let lower = name.to_ascii_lowercase();
        let (names, key) = match lower.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcards, parent),
            None => (&mut self.exact, lower.as_str()),
        };
        if !matches!(ServerName::try_from(key), Ok(ServerName::DnsName(_))) {
            return Err(if name.is_empty() {
                "an empty name"
            } else {
                "not a server's name"
            }
            .to_owned());
        }
        match names.insert(key.into(), certificate) {
            Some(_) => Err(format!("`{name}` is there twice")),
            None => Ok(()),
        }
    }

    /// Asks clients for a certificate that `verifier` accepts.
    pub fn asking_clients(self, verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self {
            clients: Some(verifier),
            ..self
        }
    }

    pub fn asks_clients(&self) -> bool {
        self.clients.is_some()
    }

    fn find(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.default };
        // Rustls hands the name over in lower case already; a wildcard stands for one label.
        let wildcard = || self.wildcards.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.default)
    }
}

impl fmt::Debug for CertificateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSet")
            .field("exact", &self.exact.keys())
            .field("wildcards", &self.wildcards.keys())
            .field("asks_clients", &self.asks_clients())
            .finish_non_exhaustive()
    }
}

/// One listener's certificates as they are now: what its TLS settings resolve certificates and check clients with.
#[derive(Debug)]
pub struct Certificates(ArcSwap<CertificateSet>);

impl Certificates {
    pub fn new(set: CertificateSet) -> Self {
        Self(ArcSwap::from_pointee(set))
    }

    /// From the next handshake on, these.
    pub fn replace(&self, set: CertificateSet) {
        self.0.store(Arc::new(set));
    }

    /// What a client that asks for `name` gets.
    pub fn certificate_for(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        self.0.load().find(name).clone()
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let missing = || rustls::Error::General("no authority for client certificates".to_owned());
        self.0.load().clients.clone().ok_or_else(missing)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate_for(hello.server_name()))
    }
}

/// For listeners with `client_ca`: a certificate is demanded, and checked against the authorities of the moment.
impl ClientCertVerifier for Certificates {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Hints are optional, and cannot be lent out of a set that may be replaced meanwhile.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verifier()?
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A chain and its key out of their PEM files; fails unless they belong together. Errors quote nothing of the files.
pub fn certified_key(chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain = certificates(chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|_| "the key file has no private key in PEM that can be read".to_owned())?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map(Arc::new)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the key is not the certificate's key".to_owned(),
            rustls::Error::InvalidCertificate(_) => "the certificate is not valid X.509".to_owned(),
            _ => "the private key is of a kind that cannot be used".to_owned(),
        })
}

/// Authorities out of a PEM file.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem)? {
        store
            .add(certificate)
            .map_err(|_| "one of the certificates cannot be an authority".to_owned())?;
    }
    Ok(store)
}

/// Checks client certificates against the authorities of a PEM file.
pub fn client_verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(pem)?), provider).build();
    verifier
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| error.to_string())
}

/// Whether clients that ask for `name` (or a name under `*.name`) will accept the certificate as this server's.
pub fn is_for(certificate: &CertifiedKey, name: &str) -> bool {
    let asked = name
        .strip_prefix("*.")
        .map_or_else(|| name.to_owned(), |parent| format!("any.{parent}"));
    let parsed = certificate
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from);
    let (Ok(parsed), Ok(asked)) = (parsed, ServerName::try_from(asked)) else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &asked).is_ok()
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |_| "the file is not PEM that can be read".to_owned();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        Err("there is no certificate in the file".to_owned())
    } else {
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn certificate(name: &str) -> Arc<CertifiedKey> {
        let (chain, key) = pair(name);
        certified_key(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn the_most_exact_name_gets_its_certificate() {
        let (default, exact, wild) = (
            certificate("a.org"),
            certificate("api.a.org"),
            certificate("*.a.org"),
        );
        let mut set = CertificateSet::new(default.clone());
        set.add("API.a.org", exact.clone()).unwrap();
        set.add("*.a.org", wild.clone()).unwrap();
        let is = |name, wanted: &Arc<CertifiedKey>| assert!(Arc::ptr_eq(set.find(name), wanted), "{name:?}");
        is(Some("api.a.org"), &exact);
        is(Some("other.a.org"), &wild);
        is(Some("x.other.a.org"), &default);
        is(Some("a.org"), &default);
        is(None, &default);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let mut set = CertificateSet::new(certificate("a.org"));
        for wrong in ["", "*", "*.", "a b", "*.*.org", "10.0.0.1", "a*.org"] {
            assert!(set.add(wrong, certificate("a.org")).is_err(), "{wrong}");
        }
        set.add("b.org", certificate("b.org")).unwrap();
        assert!(set.add("B.org", certificate("b.org")).is_err());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((chain, _), (_, key)) = (pair("a.org"), pair("a.org"));
        let message = certified_key(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(message, "the key is not the certificate's key");
    }

    #[test]
    fn pain_q02_a_broken_key_file_is_not_quoted() {
        let (chain, key) = pair("a.org");
        let broken = [
            key.replace("-----END", "canary-----END"),
            "-----BEGIN canary".to_owned(),
            "canary".to_owned(),
            "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n".to_owned(),
        ];
        for key in broken {
            let message = certified_key(chain.as_bytes(), key.as_bytes()).unwrap_err();
            assert!(!message.contains("canary"), "{message}");
        }
        assert!(certified_key(b"canary", key.as_bytes()).is_err());
        assert!(
            certified_key(
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                key.as_bytes()
            )
            .is_err()
        );
    }

    /// A handshake in memory; what the server made of it.
    fn handshake(listener: &Arc<Certificates>, client: rustls::ClientConfig) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(listener.clone())
            .with_cert_resolver(listener.clone());
        let mut server = rustls::ServerConnection::new(Arc::new(server))?;
        let mut client =
            rustls::ClientConnection::new(Arc::new(client), ServerName::try_from("a.org").unwrap())?;
        for _ in 0..10 {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            client.write_tls(&mut there).unwrap();
            server.read_tls(&mut there.as_slice()).unwrap();
            server.process_new_packets()?;
            server.write_tls(&mut back).unwrap();
            client.read_tls(&mut back.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        assert!(!server.is_handshaking() && !client.is_handshaking());
        Ok(())
    }

    fn client(trusts: &str, shows: Option<&(String, String)>) -> rustls::ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authorities(trusts.as_bytes()).unwrap());
        match shows {
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(certificates(chain.as_bytes()).unwrap(), key)
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        }
    }

    #[test]
    fn clients_are_checked_against_the_authorities_of_the_moment() {
        let (server, one, other) = (pair("a.org"), pair("client"), pair("client"));
        let set = |authority: &(String, String)| {
            let own = certified_key(server.0.as_bytes(), server.1.as_bytes()).unwrap();
            CertificateSet::new(own).asking_clients(client_verifier(authority.0.as_bytes()).unwrap())
        };
        let listener = Arc::new(Certificates::new(set(&one)));
        assert!(handshake(&listener, client(&server.0, Some(&one))).is_ok());
        assert!(handshake(&listener, client(&server.0, Some(&other))).is_err());
        assert!(handshake(&listener, client(&server.0, None)).is_err());
        listener.replace(set(&other));
        assert!(handshake(&listener, client(&server.0, Some(&one))).is_err());
        assert!(handshake(&listener, client(&server.0, Some(&other))).is_ok());
    }

    #[test]
    fn a_certificate_is_for_the_names_in_it() {
        assert!(is_for(&certificate("*.a.org"), "*.a.org"));
        assert!(is_for(&certificate("a.org"), "a.org"));
        assert!(!is_for(&certificate("a.org"), "b.org"));
    }
}
