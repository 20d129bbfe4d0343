//! What targets are told of a user: a token that the load balancer signs, and the key to check it by.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

/// The signing key, made at the start.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    id: String,
    public: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.id)
    }
}

impl Signer {
    /// A new key under a new name.
    pub(crate) fn new() -> Result<Self, Unspecified> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let public = pem(AsDer::as_der(key.public_key())?.as_ref());
        Ok(Self { key, id: uuid::Uuid::new_v4().to_string(), public })
    }

    /// The name of the key, `kid` in tokens.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The public key in PEM, if it has this name.
    pub(crate) fn public_key(&self, id: &str) -> Option<&str> {
        (id == self.id).then_some(self.public.as_str())
    }

    /// A token of ES256. Its Base64 is padded, as AWS's is and no other's.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Option<String> {
        let part = |value: &Value| URL_SAFE.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE.encode(signature)))
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str("-----END PUBLIC KEY-----\n");
    out
}
