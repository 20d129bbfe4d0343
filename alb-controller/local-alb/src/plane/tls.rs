//! Certificates as listeners present them, and TLS towards targets, whose certificates AWS does
//! not check.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

use super::table::{Site, SiteCertificate};
use super::{Plane, mutual};
use crate::state::certificate::Material;
use crate::state::ids::Arn;

/// Certificates that were made ready, by name.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    ready: Mutex<HashMap<Arn, Ready>>,
}

/// A certificate with its key, and what they were made of.
#[derive(Debug)]
struct Ready {
    material: Option<Material>,
    key: Arc<CertifiedKey>,
}

impl Certificates {
    /// The certificate with its key; a self-signed one where only AWS would have the real key.
    fn ready(&self, certificate: &SiteCertificate) -> Option<Arc<CertifiedKey>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ready.get(&certificate.arn);
        if let Some(known) = known.filter(|known| known.material == certificate.material) {
            return Some(Arc::clone(&known.key));
        }
        let made = match &certificate.material {
            Some(material) => imported(material),
            None => self_signed(&certificate.domains),
        };
        let key = Arc::new(made?);
        let entry = Ready { material: certificate.material.clone(), key: Arc::clone(&key) };
        ready.insert(certificate.arn.clone(), entry);
        Some(key)
    }
}

fn imported(material: &Material) -> Option<CertifiedKey> {
    let key = PrivateKeyDer::try_from(material.key.to_vec()).ok()?;
    let chain = material.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    Some(CertifiedKey::new(chain, any_supported_type(&key).ok()?))
}

fn self_signed(domains: &[String]) -> Option<CertifiedKey> {
    let names = domains.to_vec();
    let made = rcgen::generate_simple_self_signed(names)
        .or_else(|_| rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]))
        .ok()?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let key = any_supported_type(&PrivateKeyDer::Pkcs8(key)).ok()?;
    Some(CertifiedKey::new(vec![made.cert.der().clone()], key))
}

/// Chooses a certificate by server name among those of a port's listeners, at each handshake anew.
#[derive(Debug)]
struct Resolver {
    plane: Arc<Plane>,
    port: u16,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.plane.table.load();
        let sites = table.ports.get(&self.port)?;
        let chosen = hello.server_name().and_then(|name| best(sites, name));
        let default = || sites.first().and_then(|site| site.certificates.first());
        self.plane.certificates.ready(chosen.or_else(default)?)
    }
}

/// The certificate for exactly this name, or else one with a fitting wildcard.
fn best<'t>(sites: &'t [Arc<Site>], name: &str) -> Option<&'t SiteCertificate> {
    let name = name.to_ascii_lowercase();
    let all = || sites.iter().flat_map(|site| &site.certificates);
    let has = |certificate: &SiteCertificate, wanted: &str| {
        certificate.domains.iter().any(|domain| domain.eq_ignore_ascii_case(wanted))
    };
    all().find(|certificate| has(certificate, &name)).or_else(|| {
        let (_, parent) = name.split_once('.')?;
        let wildcard = format!("*.{parent}");
        all().find(|certificate| has(certificate, &wildcard))
    })
}

/// How a port speaks TLS to clients.
pub(crate) fn server(
    plane: Arc<Plane>,
    port: u16,
    http2: bool,
) -> Result<ServerConfig, rustls::Error> {
    let wanted =
        plane.table.load().ports.get(&port).and_then(|sites| sites.first()?.mutual.clone());
    let resolver = Resolver { plane, port };
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let mut config = match &wanted {
        None => config.with_no_client_auth(),
        Some(mutual) => config.with_client_cert_verifier(mutual::verifier(mutual)?),
    }
    .with_cert_resolver(Arc::new(resolver));
    if wanted.is_some() {
        // With a session that is taken up again, nobody would look at the certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    if http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

/// How we speak TLS to targets.
pub(crate) fn client(http2: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = default_provider();
    let unchecked = Unchecked(provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(unchecked))
        .with_no_client_auth();
    let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols.push(protocol.to_vec());
    Ok(config)
}

/// Takes any certificate of a target, as AWS does; the handshake itself is still checked.
#[derive(Debug)]
struct Unchecked(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
