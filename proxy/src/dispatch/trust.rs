//! A provider's own CA and client certificate, in the form that Pingora's connectors take. Parsed once per content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use moka::sync::Cache;
use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fault::{Fault, Result};
use crate::state::snapshot::Trust;

/// Different trusts kept at once; there is one per provider with a CA or certificate of its own.
const MOST_TRUSTS: u64 = 256;

/// What is shown to and demanded of one provider.
#[derive(Clone, Default)]
pub struct Material {
    pub ca: Option<Arc<CaType>>,
    pub client: Option<Arc<CertKey>>,
    /// Connections with different material must not be shared; the pool's own key leaves the CA out.
    pub fingerprint: u64,
}

/// All of them, by the hash of what they were made from.
pub struct Trusts(Cache<u64, Material>);

impl Default for Trusts {
    fn default() -> Self {
        Self(Cache::new(MOST_TRUSTS))
    }
}

impl Trusts {
    pub fn of(&self, trust: &Trust) -> Result<Material> {
        if trust.ca_pem.is_none() && trust.client_certificate_pem.is_none() {
            return Ok(Material::default());
        }
        let fingerprint = fingerprint(trust);
        if let Some(material) = self.0.get(&fingerprint) {
            return Ok(material);
        }
        let material = parse(trust, fingerprint).ok_or_else(unusable)?;
        self.0.insert(fingerprint, material.clone());
        Ok(material)
    }
}

fn fingerprint(trust: &Trust) -> u64 {
    let mut hasher = DefaultHasher::new();
    trust.ca_pem.hash(&mut hasher);
    trust.client_certificate_pem.hash(&mut hasher);
    trust
        .client_key_pem
        .as_ref()
        .map(|key| key.expose())
        .hash(&mut hasher);
    hasher.finish()
}

fn parse(trust: &Trust, fingerprint: u64) -> Option<Material> {
    let ca = match &trust.ca_pem {
        Some(pem) => Some(
            certificates(pem)?
                .into_iter()
                .map(|der| WrappedX509::new(der, parse_x509))
                .collect(),
        ),
        None => None,
    };
    let client = match (&trust.client_certificate_pem, &trust.client_key_pem) {
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).ok()?;
            Some(Arc::new(CertKey::new(
                certificates(chain)?,
                key.secret_der().to_vec(),
            )))
        }
        _ => None,
    };
    Some(Material {
        ca,
        client,
        fingerprint,
    })
}

/// The certificates of a PEM file. Pingora's own parser panics on what is no certificate, so each is tried first.
fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let all: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(pem)
        .map(|der| der.ok().map(|der| der.to_vec()))
        .collect::<Option<_>>()?;
    let is_certificate = |der: &Vec<u8>| x509_parser::parse_x509_certificate(der).is_ok();
    (!all.is_empty() && all.iter().all(is_certificate)).then_some(all)
}

fn unusable() -> Box<Fault> {
    Fault::provider(
        502,
        "upstream_tls_material",
        "the provider's CA or client certificate cannot be used",
    )
}
