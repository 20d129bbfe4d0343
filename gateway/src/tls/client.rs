//! TLS towards endpoints: whom we believe to be one, and what we show them.

use super::{
    files::Files,
    pem::{self, Flaw},
    server::{self, Source},
    x509::Certificate,
};
use crate::io::Side;
use edgeway_core::{
    cluster::{Origination, Trust},
    tls::Credentials,
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, UnbufferedClientConnection, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};
use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

/// Sessions that are remembered per cluster, to be resumed.
const SESSIONS: usize = 256;

/// How connections to the endpoints of a cluster begin.
#[derive(Debug)]
pub(crate) struct ClientTls {
    name: Option<ServerName<'static>>,
    /// Without ALPN, as Istio towards ports that speak HTTP/1.1.
    one: Arc<ClientConfig>,
    /// Asks for HTTP/2.
    two: Arc<ClientConfig>,
    /// When the first certificate that is shown ends, in seconds since 1970.
    ends: Option<i64>,
}

impl ClientTls {
    /// When the first certificate that is shown to endpoints ends, in seconds since 1970.
    pub(super) fn ends(&self) -> Option<i64> {
        self.ends
    }

    /// The name to ask for where the cluster's policy says none: the request's host.
    pub(crate) fn name_for(&self, authority: &str) -> Option<ServerName<'static>> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).ok()
    }

    /// Whether all requests ask for the same name.
    pub(crate) fn has_name(&self) -> bool {
        self.name.is_some()
    }

    /// A connection to an endpoint.
    pub(crate) fn begin(&self, name: ServerName<'static>, http2: bool) -> Result<Side, Error> {
        let config = if http2 { &self.two } else { &self.one };
        UnbufferedClientConnection::new(Arc::clone(config), name).map(Side::Client)
    }
}

/// All that it is made of, beside the settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClientMaterial {
    pair: Option<Source>,
    trust: Option<Source>,
}

impl ClientMaterial {
    /// Reads what `origination` refers to.
    pub(super) fn gather(
        origination: &Origination,
        secrets: &Credentials,
        files: &mut Files,
    ) -> Self {
        let identity = origination.identity.as_ref();
        Self {
            pair: identity.map(|it| Source::of_identity(it, secrets, files)),
            trust: Source::of_trust(&origination.trust, secrets, files),
        }
    }

    /// The configuration, or the field of `tls` that is at fault.
    pub(super) fn build(
        &self,
        origination: &Origination,
        fips: bool,
    ) -> Result<ClientTls, (Cow<'static, str>, Flaw)> {
        let at = |field: &'static str| move |flaw| (Cow::Borrowed(field), flaw);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(origination, &provider).map_err(at("caCertificates"))?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| at("mode")(Flaw::Settings(error)))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut ends = None;
        let mut one = match &self.pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = pair.certified(&provider).map_err(at("clientCertificate"))?;
                ends = server::ends(&key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        if fips && !one.fips() {
            return Err(at("mode")(Flaw::NotFips));
        }
        one.resumption = Resumption::in_memory_sessions(SESSIONS);
        let mut two = one.clone();
        two.alpn_protocols = vec![b"h2".to_vec()];
        let name = origination.sni.as_ref().map(|sni| ServerName::try_from(sni.to_string()));
        let name = name.transpose().map_err(|_| {
            at("sni")(Flaw::Settings(Error::General("it is no host name".to_owned())))
        })?;
        Ok(ClientTls { name, one: Arc::new(one), two: Arc::new(two), ends })
    }

    fn verifier(
        &self,
        origination: &Origination,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Verifier, Flaw> {
        let chain = match (&origination.trust, &self.trust) {
            (Trust::Anybody, _) => None,
            (_, Some(trust)) => {
                let (authorities, revoked) = trust.authorities()?;
                Some(chain(pem::authorities(authorities)?, revoked, provider)?)
            }
            (_, None) => {
                let public = PUBLIC.clone();
                if public.is_empty() {
                    return Err(Flaw::Authorities("this machine knows no public ones".into()));
                }
                Some(chain(public, None, provider)?)
            }
        };
        let names = origination.subject_alt_names.clone();
        Ok(Verifier { chain, names, provider: Arc::clone(provider) })
    }
}

/// Those that the operating system trusts.
static PUBLIC: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    store
});

fn chain(
    authorities: RootCertStore,
    revoked: Option<&[u8]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Flaw> {
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
    let builder = match revoked {
        Some(revoked) => builder.with_crls(pem::revoked(revoked)?).enforce_revocation_expiration(),
        None => builder,
    };
    builder.build().map_err(|error| Flaw::Authorities(error.to_string()))
}

/// Verifies endpoints' certificates.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Names of which it must have one; none: the name that was asked for.
    names: Vec<Arc<str>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn is_named(&self, certificate: &CertificateDer<'_>) -> bool {
        let Some(read) = Certificate::read(certificate) else { return false };
        read.names().any(|name| self.names.iter().any(|wanted| covers(name, wanted)))
    }
}

/// Whether a name of a certificate, which may be `*.` and a domain, is the one that is wanted.
fn covers(name: &str, wanted: &str) -> bool {
    let below = |domain: &str| {
        wanted
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(domain))
    };
    name.eq_ignore_ascii_case(wanted) || name.strip_prefix("*.").is_some_and(below)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if self.names.is_empty() {
            return verified;
        }
        match verified {
            // The name is looked at last: all else is well.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {
                let named = self.is_named(end_entity).then(ServerCertVerified::assertion);
                named.ok_or(CertificateError::NotValidForName.into())
            }
            Err(error) => Err(error),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_cover_one_label() {
        for (name, wanted, expected) in [
            ("a.example.com", "A.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "b.a.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("spiffe://td/ns/a/sa/b", "spiffe://td/ns/a/sa/b", true),
            ("spiffe://td/ns/a/sa/b", "spiffe://td/ns/a/sa/c", false),
        ] {
            assert_eq!(covers(name, wanted), expected, "{name} {wanted}");
        }
    }
}
