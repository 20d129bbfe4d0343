//! What is in PEM: certificates, keys, revocation lists.

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

/// What is wrong with a certificate or with what goes with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Flaw {
    /// It is not there, which is reported elsewhere.
    #[error("it does not exist")]
    Missing,
    /// A part of a Secret.
    #[error("the Secret has no `{0}`")]
    Part(&'static str),
    /// A file.
    #[error("{0}")]
    File(String),
    /// Not PEM, or not what should be in it.
    #[error("there is no {0} in PEM")]
    Pem(&'static str, #[source] Option<pem::Error>),
    /// The key.
    #[error("certificate and key cannot be used")]
    Pair(#[source] rustls::Error),
    /// Those who vouch.
    #[error("the authorities cannot be used: {0}")]
    Authorities(String),
    /// What FIPS 140-3 does not allow.
    #[error("these settings are not those of FIPS 140-3, which --fips asks for")]
    NotFips,
    /// The rest.
    #[error("these settings cannot be used")]
    Settings(#[source] rustls::Error),
}

/// A chain, its first certificate our own.
pub(super) fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    all("certificate", text)
}

/// A private key.
pub(super) fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| Flaw::Pem("private key", Some(error)))
}

/// Revocation lists.
pub(super) fn revoked(text: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Flaw> {
    all("revocation list", text)
}

/// Authorities. One that nobody can read does not cost the others.
pub(super) fn authorities(text: &[u8]) -> Result<RootCertStore, Flaw> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(chain(text)?);
    if store.is_empty() {
        return Err(Flaw::Authorities("none of the certificates is one of an authority".into()));
    }
    Ok(store)
}

fn all<T: PemObject>(what: &'static str, text: &[u8]) -> Result<Vec<T>, Flaw> {
    let all: Vec<T> = T::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| Flaw::Pem(what, Some(error)))?;
    if all.is_empty() { Err(Flaw::Pem(what, None)) } else { Ok(all) }
}
