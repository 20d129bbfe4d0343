//! Certificates: imported ones with their key, and issued ones that the data plane makes itself.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::ids::Arn;

/// A certificate of the account.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) arn: Arn,
    /// The names it is for; the first is its main one.
    pub(crate) domains: Vec<String>,
    pub(crate) key_algorithm: String,
    pub(crate) created: SystemTime,
    /// Absent for an issued certificate, whose real key only AWS would have.
    pub(crate) material: Option<Material>,
}

/// An imported certificate and its key, in DER.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Material {
    /// The certificate and what vouches for it, in this order.
    pub chain: Arc<[Vec<u8>]>,
    /// The private key.
    pub key: Arc<[u8]>,
}

impl fmt::Debug for Material {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Material({} certificates, key hidden)", self.chain.len())
    }
}

impl Material {
    /// Reads certificates and a key from PEM; also gives the names they are for, and the kind of
    /// the key in AWS's words. What is wrong is told in words that hold nothing of the key.
    pub(crate) fn from_pem(
        certificates: &[u8],
        key: &[u8],
    ) -> Result<(Self, Vec<String>, &'static str), String> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "The certificate is not PEM".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "The private key is not PEM, or is encrypted".to_owned())?;
        let signing = any_supported_type(&key)
            .map_err(|_| "The private key is of a kind that is not supported".to_owned())?;
        let rsa = signing.algorithm() == SignatureAlgorithm::RSA;
        let algorithm = if rsa { "RSA_2048" } else { "EC_prime256v1" };
        CertifiedKey::new(chain.clone(), signing)
            .keys_match()
            .map_err(|_| "The certificate and the private key do not belong together".to_owned())?;
        let Some(first) = chain.first() else {
            return Err("There is no certificate".to_owned());
        };
        let names: Vec<String> = webpki::EndEntityCert::try_from(first)
            .map_err(|why| format!("The certificate cannot be read: {why}"))?
            .valid_dns_names()
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            return Err("The certificate names no domain (subject alternative name)".to_owned());
        }
        let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
        let key = key.secret_der().into();
        Ok((Self { chain, key }, names, algorithm))
    }
}
