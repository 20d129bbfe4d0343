//! Certificates of clients: who is let in, and what targets are told of them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::table::{Mutual, Trust};
use crate::wire::time::seconds;

/// The headers that tell of a client's certificate.
pub(crate) const NAMES: [&str; 6] = [CHAIN, SERIAL, ISSUER, SUBJECT, VALIDITY, LEAF];
const CHAIN: &str = "x-amzn-mtls-clientcert";
const SERIAL: &str = "x-amzn-mtls-clientcert-serial-number";
const ISSUER: &str = "x-amzn-mtls-clientcert-issuer";
const SUBJECT: &str = "x-amzn-mtls-clientcert-subject";
const VALIDITY: &str = "x-amzn-mtls-clientcert-validity";
const LEAF: &str = "x-amzn-mtls-clientcert-leaf";

/// Headers for targets.
pub(crate) type ClientHeaders = Arc<[(&'static str, HeaderValue)]>;

/// Who decides about certificates of clients.
pub(crate) fn verifier(mutual: &Mutual) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    match &mutual.trust {
        Some(trust) => vouched(trust),
        None => Ok(Arc::new(Anyone)),
    }
}

fn vouched(trust: &Trust) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let authorities = trust.authorities.iter().map(|der| CertificateDer::from(der.as_slice()));
    roots.add_parsable_certificates(authorities.map(CertificateDer::into_owned));
    let lists = trust.revoked.iter().map(|list| list.to_vec().into());
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let builder = builder.with_crls(lists).allow_unknown_revocation_status();
    let builder = if trust.advertise { builder } else { builder.clear_root_hint_subjects() };
    let verifier = builder.build().map_err(|why| rustls::Error::General(why.to_string()))?;
    Ok(if trust.ignore_expiry { Arc::new(Ageless(verifier)) } else { verifier })
}

/// Takes any certificate, and none: targets decide.
#[derive(Debug)]
struct Anyone;

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Takes certificates that are no longer valid as well.
#[derive(Debug)]
struct Ageless(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Ageless {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let end = X509Certificate::from_der(end_entity).ok();
        let end =
            end.and_then(|(_, read)| u64::try_from(read.validity().not_after.timestamp()).ok());
        let now = end.map_or(now, |end| {
            UnixTime::since_unix_epoch(Duration::from_secs(end.min(now.as_secs())))
        });
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// What targets are told: of a verified client the facts, otherwise all certificates it sent.
pub(crate) fn client_headers(chain: &[CertificateDer<'_>], verified: bool) -> ClientHeaders {
    let told = if verified {
        chain.first().and_then(|leaf| facts(leaf)).unwrap_or_default()
    } else {
        let whole: Vec<String> = chain.iter().map(|der| pem(der)).collect();
        vec![(CHAIN, escaped(&whole.concat()))]
    };
    let value =
        |(name, text): (&'static str, String)| Some((name, HeaderValue::try_from(text).ok()?));
    told.into_iter().filter_map(value).collect()
}

fn facts(leaf: &CertificateDer<'_>) -> Option<Vec<(&'static str, String)>> {
    let (_, read) = X509Certificate::from_der(leaf).ok()?;
    let mut serial = String::new();
    for byte in read.raw_serial() {
        // Writing to a string cannot fail.
        let _ = write!(serial, "{byte:02X}");
    }
    let at = |timestamp: i64| {
        seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(timestamp).unwrap_or(0)))
    };
    let validity = read.validity();
    let validity = format!(
        "NotBefore={};NotAfter={}",
        at(validity.not_before.timestamp()),
        at(validity.not_after.timestamp())
    );
    Some(vec![
        (SERIAL, serial),
        (ISSUER, name(read.issuer())),
        (SUBJECT, name(read.subject())),
        (VALIDITY, validity),
        (LEAF, escaped(&pem(leaf))),
    ])
}

/// A name as RFC 2253 writes it: the last part first, special characters escaped.
fn name(name: &X509Name<'_>) -> String {
    let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let kind = attribute.attr_type();
        let short = x509_parser::objects::oid2abbrev(kind, x509_parser::objects::oid_registry());
        let kind = short.map_or_else(|_| kind.to_id_string(), str::to_owned);
        format!("{kind}={}", special(attribute.as_str().unwrap_or_default()))
    };
    let mut parts: Vec<String> =
        name.iter().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn special(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::new();
    for (place, letter) in text.chars().enumerate() {
        let edge =
            (letter == ' ' && (place == 0 || place == last)) || (letter == '#' && place == 0);
        if edge || ",+\"\\<>;".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

/// As a URL writes it, but for `+`, `=` and `/`, which stay.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+=/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_rfc_2253_says() {
        for (text, expected) in [
            ("a", "a"),
            ("Shop, Inc", "Shop\\, Inc"),
            (" a ", "\\ a\\ "),
            ("#1", "\\#1"),
            ("a#", "a#"),
        ] {
            assert_eq!(special(text), expected);
        }
    }

    #[test]
    fn plus_equals_and_slash_stay_in_urls() {
        assert_eq!(escaped("a+b/c= \n-"), "a+b/c=%20%0A-");
    }
}
