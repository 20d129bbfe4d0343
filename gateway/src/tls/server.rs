//! A server's side of TLS: one configuration per Gateway server, shared by all workers.

use super::{
    Settings,
    files::{Content, Files},
    pem::{self, Flaw},
    tickets::Tickets,
    verify,
    x509::Certificate,
};
use crate::io::Side;
use edgeway_core::{
    cluster::{Identity, Trust},
    tls::{Credential, Credentials, Group, Suite, Termination, Versions},
};
use rustls::{
    ServerConfig, SignatureAlgorithm, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{self, cipher_suite, kx_group},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, UnbufferedServerConnection},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use std::{borrow::Cow, sync::Arc};

/// What is spoken inside of TLS, best first.
pub(crate) const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// How a server ends TLS.
#[derive(Debug)]
pub(crate) struct ServerTls {
    config: Arc<ServerConfig>,
    /// For clients that offer nothing we speak: they get no answer to that instead of a refusal, and
    /// HTTP/1.1, as from Envoy.
    silent: Arc<ServerConfig>,
    tickets: Arc<Tickets>,
    /// When the first of its certificates ends, in seconds since 1970.
    ends: Option<i64>,
}

impl ServerTls {
    /// When the first of its certificates ends, in seconds since 1970.
    pub(super) fn ends(&self) -> Option<i64> {
        self.ends
    }

    /// Seals session tickets with another key from now on.
    pub(super) fn rotate(&self) {
        self.tickets.rotate();
    }

    /// A connection with a client that offers these protocols.
    pub(crate) fn begin(&self, offered: Option<&[Vec<u8>]>) -> Result<Side, rustls::Error> {
        let ours = &self.config.alpn_protocols;
        let common = offered.is_none_or(|offered| offered.iter().any(|it| ours.contains(it)));
        let config = if common { &self.config } else { &self.silent };
        UnbufferedServerConnection::new(Arc::clone(config)).map(Side::Server)
    }
}

/// What a certificate with its key comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Secret(Option<Credential>),
    Files(Content, Content),
}

/// All that a server's TLS is made of, beside its settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Material {
    pairs: Vec<Source>,
    trust: Option<Source>,
    /// Whether what is inside is HTTP.
    http: bool,
}

impl Source {
    pub(super) fn of_identity(it: &Identity, secrets: &Credentials, files: &mut Files) -> Self {
        match it {
            Identity::Secret(name) => Self::Secret(secrets.get(name).cloned()),
            Identity::Files { certificate, key } => {
                Self::Files(files.read(certificate), files.read(key))
            }
        }
    }

    /// `None` if nothing has to be read.
    pub(super) fn of_trust(it: &Trust, secrets: &Credentials, files: &mut Files) -> Option<Self> {
        match it {
            Trust::Secret(name) => Some(Self::Secret(secrets.get(name).cloned())),
            Trust::File { authorities, revoked } => {
                let revoked = revoked.as_ref().map_or(Content::default(), |it| files.read(it));
                Some(Self::Files(files.read(authorities), revoked))
            }
            Trust::Public | Trust::Anybody => None,
        }
    }

    /// Certificate and key, in PEM.
    pub(super) fn pair(&self) -> Result<(&[u8], &[u8]), Flaw> {
        match self {
            Self::Secret(None) => Err(Flaw::Missing),
            Self::Secret(Some(secret)) => Ok((
                secret.certificate().ok_or(Flaw::Part("tls.crt"))?,
                secret.key().ok_or(Flaw::Part("tls.key"))?,
            )),
            Self::Files(certificate, key) => Ok((certificate.get()?, key.get()?)),
        }
    }

    /// Authorities and what they revoked, in PEM.
    pub(super) fn authorities(&self) -> Result<(&[u8], Option<&[u8]>), Flaw> {
        match self {
            Self::Secret(None) => Err(Flaw::Missing),
            Self::Secret(Some(secret)) => {
                Ok((secret.authorities().ok_or(Flaw::Part("ca.crt"))?, secret.revoked()))
            }
            Self::Files(authorities, Content::Absent) => Ok((authorities.get()?, None)),
            Self::Files(authorities, revoked) => Ok((authorities.get()?, Some(revoked.get()?))),
        }
    }

    /// A certificate that can be shown.
    pub(super) fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Flaw> {
        let (certificate, key) = self.pair()?;
        CertifiedKey::from_der(pem::chain(certificate)?, pem::key(key)?, provider)
            .map_err(Flaw::Pair)
    }
}

impl Material {
    /// Reads what `termination` refers to.
    pub(super) fn gather(
        termination: &Termination,
        http: bool,
        secrets: &Credentials,
        files: &mut Files,
    ) -> Self {
        let pairs = &termination.certificates;
        let pairs = pairs.iter().map(|it| Source::of_identity(it, secrets, files)).collect();
        let clients = termination.clients.as_ref();
        let trust = clients.and_then(|it| Source::of_trust(&it.trust, secrets, files));
        Self { pairs, trust, http }
    }

    /// The configuration, or the field below the server's `tls` that is at fault.
    pub(super) fn build(
        &self,
        termination: &Termination,
        at_hand: Settings,
    ) -> Result<ServerTls, (Cow<'static, str>, Flaw)> {
        let settings = |flaw| (Cow::Borrowed("mode"), flaw);
        let provider = Arc::new(provider(termination));
        let mut keys = Vec::new();
        for (at, pair) in self.pairs.iter().enumerate() {
            let key = pair.certified(&provider);
            keys.push(Arc::new(key.map_err(|flaw| (field_of(termination, at), flaw))?));
        }
        if keys.is_empty() {
            return Err(settings(Flaw::Missing));
        }
        let ends = keys.iter().filter_map(|key| ends(key)).min();
        // Where a client takes both, the elliptic one costs a fraction of the other.
        keys.sort_by_key(|key| key.key.algorithm() != SignatureAlgorithm::ECDSA);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(termination.versions))
            .map_err(|error| settings(Flaw::Settings(error)))?;
        let builder = match &termination.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let at_fault = |flaw| (trust_field(termination), flaw);
                let (authorities, revoked) = match &self.trust {
                    None => (None, None),
                    Some(trust) => {
                        let (authorities, revoked) = trust.authorities().map_err(at_fault)?;
                        (Some(authorities), revoked)
                    }
                };
                let verifier = verify::clients(clients, authorities, revoked, &provider);
                builder.with_client_cert_verifier(verifier.map_err(at_fault)?)
            }
        };
        let mut silent = builder.with_cert_resolver(Arc::new(Shown(keys)));
        if at_hand.fips && !silent.fips() {
            return Err((chosen_field(termination), Flaw::NotFips));
        }
        silent.session_storage = Arc::new(NoServerSessionStorage {});
        // Of its own: a ticket of a server that asks clients for nothing must not open one that does.
        let tickets = Tickets::new(at_hand.ticket_rotation);
        let tickets = Arc::new(tickets.map_err(|error| settings(Flaw::Settings(error)))?);
        silent.ticketer = Arc::<Tickets>::clone(&tickets);
        let mut config = silent.clone();
        if self.http {
            config.alpn_protocols = PROTOCOLS.iter().map(|it| it.to_vec()).collect();
        }
        Ok(ServerTls { config: Arc::new(config), silent: Arc::new(silent), tickets, ends })
    }
}

/// When the first certificate of a chain ends, in seconds since 1970.
pub(super) fn ends(key: &CertifiedKey) -> Option<i64> {
    key.cert.iter().filter_map(|der| Certificate::read(der)?.ends).min()
}

fn field_of(termination: &Termination, at: usize) -> Cow<'static, str> {
    match termination.certificates.as_slice() {
        [Identity::Secret(_)] => "credentialName".into(),
        [Identity::Files { .. }] => "serverCertificate".into(),
        [Identity::Secret(_), ..] => format!("credentialNames[{at}]").into(),
        _ => format!("tlsCertificates[{at}]").into(),
    }
}

/// The field by which cryptography was chosen, if it was.
fn chosen_field(termination: &Termination) -> Cow<'static, str> {
    match (termination.groups.is_empty(), termination.suites.is_none()) {
        (false, _) => "ecdhCurves".into(),
        (true, false) => "cipherSuites".into(),
        (true, true) => "mode".into(),
    }
}

fn trust_field(termination: &Termination) -> Cow<'static, str> {
    let own = |name: &str| match termination.certificates.first() {
        Some(Identity::Secret(own)) => name.strip_suffix("-cacert").unwrap_or(name) == &**own,
        _ => false,
    };
    match termination.clients.as_ref().map(|clients| &clients.trust) {
        Some(Trust::Secret(name)) if own(name) => field_of(termination, 0),
        Some(Trust::Secret(name)) if !name.is_empty() => "caCertCredentialName".into(),
        _ => "caCertificates".into(),
    }
}

fn provider(termination: &Termination) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(suites) = &termination.suites {
        provider.cipher_suites.retain(|it| it.version() == &TLS13);
        provider.cipher_suites.extend(suites.iter().copied().map(suite));
    }
    // Rustls takes a suite of a version that is not spoken for one that both know, and then chooses a
    // certificate that goes with none.
    let spoken = versions(termination.versions);
    provider.cipher_suites.retain(|it| spoken.contains(&it.version()));
    if !termination.groups.is_empty() {
        provider.kx_groups = termination.groups.iter().copied().map(group).collect();
    }
    provider
}

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_V1_2: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_V1_3: &[&SupportedProtocolVersion] = &[&TLS13];

fn versions(versions: Versions) -> &'static [&'static SupportedProtocolVersion] {
    match versions {
        Versions::Both => BOTH,
        Versions::OnlyV1_2 => ONLY_V1_2,
        Versions::OnlyV1_3 => ONLY_V1_3,
    }
}

fn suite(suite: Suite) -> SupportedCipherSuite {
    use cipher_suite as suites;
    match suite {
        Suite::EcdheEcdsaAes128Gcm => suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Suite::EcdheRsaAes128Gcm => suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Suite::EcdheEcdsaAes256Gcm => suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Suite::EcdheRsaAes256Gcm => suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Suite::EcdheEcdsaChaCha20 => suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Suite::EcdheRsaChaCha20 => suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}

fn group(group: Group) -> &'static dyn SupportedKxGroup {
    match group {
        Group::X25519MlKem768 => kx_group::X25519MLKEM768,
        Group::X25519 => kx_group::X25519,
        Group::P256 => kx_group::SECP256R1,
        Group::P384 => kx_group::SECP384R1,
    }
}

/// The certificates of a server: the first whose kind of signature the client understands.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}
