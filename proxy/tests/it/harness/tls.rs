//! Certificates of a test's own authority, a TLS client, and a TLS front that makes a plain provider one with TLS.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::client::{Client, socket};

/// Ring for the whole process, as the gateway's own `main` does it.
pub fn install_provider() {
    // Fails only where it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An authority that signs certificates for tests.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
#[derive(Clone)]
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        install_provider();
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, or an address.
    pub fn certify(&self, name: &str) -> Certified {
        self.certify_all([name.to_owned()])
    }

    /// One for several names.
    pub fn certify_all(&self, names: impl Into<Vec<String>>) -> Certified {
        let params = CertificateParams::new(names).expect("valid names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let pem = self.pem();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM"))
            .expect("a certificate");
        Arc::new(roots)
    }

    /// What a client that trusts this authority is set up with.
    pub fn client(&self, own: Option<&Certified>, protocols: &[&str]) -> ClientConfig {
        self.client_with(rustls::ALL_VERSIONS, own, protocols)
    }

    pub fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Certified>,
        protocols: &[&str],
    ) -> ClientConfig {
        let verifier = WebPkiServerVerifier::builder(self.roots())
            .build()
            .expect("one root");
        let config = ClientConfig::builder_with_protocol_versions(versions).with_webpki_verifier(verifier);
        let mut config = match own {
            Some(own) => config
                .with_client_auth_cert(own.chain(), own.private_key())
                .expect("key and certificate fit"),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        config
    }

    /// What a server is set up with; it asks clients for a certificate of `clients`.
    pub fn server(own: &Certified, clients: Option<&Authority>, protocols: &[&str]) -> ServerConfig {
        let config = ServerConfig::builder();
        let config = match clients {
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder(authority.roots())
                    .build()
                    .expect("one root");
                config.with_client_cert_verifier(verifier)
            }
            None => config.with_no_client_auth(),
        };
        let mut config = config
            .with_single_cert(own.chain(), own.private_key())
            .expect("key and certificate fit");
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        config
    }
}

impl Certified {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM")
    }
}

/// A TLS client that asks for `name`, after `first` was sent in the clear. The handshake happens with the first bytes.
pub fn client(address: SocketAddr, config: ClientConfig, name: &str, first: &[u8]) -> Client {
    let (stream, socket) = stream(address, config, name, first);
    Client::over(stream, socket)
}

/// Whether a handshake resumes an earlier session of the same `config`, and the status of the answer to `request`, if
/// there is an answer.
pub fn resumed(
    address: SocketAddr,
    config: &ClientConfig,
    name: &str,
    request: &[u8],
) -> (bool, Option<u16>) {
    use std::io::{Read, Write};
    let (mut stream, _socket) = stream(address, config.clone(), name, b"");
    let mut answer = vec![0; 16 * 1024];
    // tickets come after the handshake: reading takes them in
    let read = match stream.write_all(request) {
        Ok(()) => stream.read(&mut answer).unwrap_or(0),
        Err(_) => 0,
    };
    let is_resumed = stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let status = std::str::from_utf8(&answer[..read])
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse().ok());
    (is_resumed, status)
}

/// The certificate that a server shows to who asks for `name`.
pub fn shown_certificate(address: SocketAddr, config: ClientConfig, name: &str) -> CertificateDer<'static> {
    let (mut stream, _socket) = stream(address, config, name, b"");
    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    stream
        .conn
        .peer_certificates()
        .expect("a server shows a certificate")[0]
        .clone()
}

pub fn der(certified: &Certified) -> CertificateDer<'static> {
    certified.chain().remove(0)
}

fn stream(
    address: SocketAddr,
    config: ClientConfig,
    name: &str,
    first: &[u8],
) -> (StreamOwned<ClientConnection, TcpStream>, TcpStream) {
    use std::io::Write;
    let mut socket = socket(address);
    socket.write_all(first).expect("a connected socket");
    let name = ServerName::try_from(name.to_owned()).expect("a valid name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
    let stream = StreamOwned::new(connection, socket.try_clone().expect("a socket can be shared"));
    (stream, socket)
}

/// A TLS listener that passes everything on, in the clear, to `plain`.
pub fn in_front_of(plain: SocketAddr, config: ServerConfig) -> SocketAddr {
    let runtime = super::http2::runtime();
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else {
                    return;
                };
                let Ok(mut inner) = tokio::net::TcpStream::connect(plain).await else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    address
}
