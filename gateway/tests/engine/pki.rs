//! Authorities, certificates and Secrets for tests.

use edgeway_api::k8s_openapi::{ByteString, api::core::v1::Secret};
use edgeway_core::tls::Credential;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    RevokedCertParams, RsaKeySize, SanType, SerialNumber, date_time_ymd, string::Ia5String,
};
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS12,
};
use std::sync::Arc;

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// The certificate in DER.
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, name: &str) -> Pair {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        self.sign(name, &key, |_| {})
    }

    /// A certificate with an RSA key.
    pub(crate) fn issue_rsa(&self, name: &str) -> Pair {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        self.sign(name, &key, |_| {})
    }

    /// A certificate that is changed before it is signed.
    pub(crate) fn issue_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        self.sign(name, &key, change)
    }

    /// A list of what was revoked, in PEM.
    pub(crate) fn revoked(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn sign(&self, name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Shop");
        params.distinguished_name.push(DnType::CommonName, name);
        let uri = Ia5String::try_from(format!("spiffe://{name}")).unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        change(&mut params);
        let signed = params.signed_by(key, &self.issuer).unwrap();
        Pair { certificate: signed.pem(), key: key.serialize_pem(), der: signed.der().to_vec() }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What trusts this authority alone, and shows `own`.
    pub(crate) fn client(&self, own: Option<&Pair>) -> ClientConfig {
        self.client_of(aws_lc_rs::default_provider(), ALL_VERSIONS, own)
    }

    /// What speaks TLS 1.2 alone.
    pub(crate) fn old_client(&self) -> ClientConfig {
        self.client_of(aws_lc_rs::default_provider(), &[&TLS12], None)
    }

    pub(crate) fn client_of(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Pair>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let Some(Pair { certificate, key, .. }) = own else { return builder.with_no_client_auth() };
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        builder.with_client_auth_cert(chain.collect(), key).unwrap()
    }
}

pub(crate) fn secret(parts: &[(&str, &str)]) -> Credential {
    let data = parts.iter().map(|(key, value)| ((*key).into(), ByteString((*value).into())));
    Credential::new(Arc::new(Secret { data: Some(data.collect()), ..Secret::default() }))
}

pub(crate) fn of_pair(pair: &Pair) -> Credential {
    secret(&[("tls.crt", &pair.certificate), ("tls.key", &pair.key)])
}

/// What a client begins with.
pub(crate) fn greeting() -> Vec<u8> {
    let config = Arc::new(Authority::new().client(None));
    let mut client = ClientConnection::new(config, "a.example.com".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}
