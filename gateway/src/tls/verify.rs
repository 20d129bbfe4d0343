//! Whom we believe to be who they say: clients by authority, name and hash.

use super::{
    pem::{self, Flaw},
    x509::Certificate,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use edgeway_core::tls::Clients;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc};

/// Verifies clients' certificates.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate will do, as long as the client has its key.
    chain: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
    required: bool,
    names: Vec<Arc<str>>,
    /// In base64.
    keys: Vec<Arc<str>>,
    /// In lower-case hexadecimal.
    certificates: Vec<String>,
}

/// What verifies clients as `wanted`; `authorities` and `revoked` are PEM.
pub(super) fn clients(
    wanted: &Clients,
    authorities: Option<&[u8]>,
    revoked: Option<&[u8]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Flaw> {
    let chain = authorities.map(|authorities| {
        let store = Arc::new(pem::authorities(authorities)?);
        let builder = WebPkiClientVerifier::builder_with_provider(store, Arc::clone(provider));
        let builder = match revoked {
            Some(revoked) => {
                builder.with_crls(pem::revoked(revoked)?).enforce_revocation_expiration()
            }
            None => builder,
        };
        let builder = if wanted.required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| Flaw::Authorities(error.to_string()))
    });
    let hash = |text: &Arc<str>| text.replace(':', "").to_ascii_lowercase();
    Ok(Arc::new(Verifier {
        chain: chain.transpose()?,
        provider: Arc::clone(provider),
        required: wanted.required,
        names: wanted.subject_alt_names.clone(),
        keys: wanted.key_hashes.clone(),
        certificates: wanted.certificate_hashes.iter().map(hash).collect(),
    }))
}

impl Verifier {
    /// Whether the certificate is one of those that were named, by any of the ways to name one.
    fn is_named(&self, certificate: &CertificateDer<'_>) -> bool {
        let named = || {
            let read = Certificate::read(certificate)?;
            let by_name = self.names.is_empty()
                || read.names().any(|name| self.names.iter().any(|wanted| **wanted == *name));
            // Of both kinds of hashes, one that fits is enough, as in Envoy.
            let by_hash = (self.keys.is_empty() && self.certificates.is_empty())
                || self.certificates.contains(&hex(certificate))
                || {
                    let hash = BASE64.encode(Sha256::digest(read.key));
                    self.keys.iter().any(|key| **key == *hash)
                };
            Some(by_name && by_hash)
        };
        named() == Some(true)
    }
}

/// The SHA-256 hash in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.is_named(end_entity) {
            // So that the client is told that its certificate is bad, as by Envoy.
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
