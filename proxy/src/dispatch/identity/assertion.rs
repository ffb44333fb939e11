//! Signed assertions (RFC 7523): a JWT with an RS256 signature, which a token endpoint takes for a proof. Thirty lines over
//! `ring`, which rustls brings anyway: a crate for JWTs would be for reading them, which nobody does here.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::state::secret::Secret;

/// An RSA key in PEM, as PKCS#8 or PKCS#1; none for anything else.
pub fn rsa_key(pem: &Secret) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// Header and claims, signed.
pub fn signed(key: &Secret, header: &Value, claims: &Value) -> Option<Secret> {
    let key = rsa_key(key)?;
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .ok()?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Some(Secret::new(format!("{text}.{signature}")))
}
