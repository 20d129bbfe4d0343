//! Trust stores: the authorities whose certificates of clients a listener takes, and what they revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::ids::Arn;

/// Authorities in one store, at most.
const MOST_AUTHORITIES: usize = 25;

/// A trust store of the account.
#[derive(Clone, Debug)]
pub(crate) struct TrustStore {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) authorities: Authorities,
    /// Lists of revoked certificates by their ids.
    pub(crate) revocations: BTreeMap<u64, Revocations>,
}

/// Certificates of authorities, in DER.
pub(crate) type Authorities = Arc<[Vec<u8>]>;

/// A list of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revocations {
    /// In DER.
    pub(crate) list: Arc<[u8]>,
    /// How many certificates are on it.
    pub(crate) entries: usize,
}

/// Reads a bundle of authorities from PEM. What is wrong is told in words.
pub(crate) fn authorities(pem: &[u8]) -> Result<Authorities, String> {
    let bundle = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "The CA certificates bundle is not PEM".to_owned())?;
    if bundle.is_empty() || bundle.len() > MOST_AUTHORITIES {
        return Err(format!(
            "The CA certificates bundle has {} certificates, and may have 1 to {MOST_AUTHORITIES}",
            bundle.len()
        ));
    }
    for (place, certificate) in (1..).zip(&bundle) {
        let (_, read) = X509Certificate::from_der(certificate)
            .map_err(|why| format!("Certificate {place} of the bundle cannot be read: {why}"))?;
        if !read.is_ca() {
            return Err(format!("Certificate {place} of the bundle is not one of an authority"));
        }
    }
    Ok(bundle.iter().map(|certificate| certificate.to_vec()).collect())
}

/// Reads a list of revoked certificates, PEM or DER.
pub(crate) fn revocations(bytes: &[u8]) -> Result<Revocations, String> {
    let list = CertificateRevocationListDer::from_pem_slice(bytes)
        .map_or_else(|_| bytes.to_vec(), |list| list.as_ref().to_vec());
    let (_, read) = CertificateRevocationList::from_der(&list)
        .map_err(|why| format!("The revocation list cannot be read: {why}"))?;
    let entries = read.iter_revoked_certificates().count();
    Ok(Revocations { list: list.into(), entries })
}
