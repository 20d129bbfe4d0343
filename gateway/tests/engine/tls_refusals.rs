//! Clients that have no TLS with us: what they are told, and what is counted.

use crate::{
    pki::{Authority, Pair, of_pair, secret},
    rig::{Rig, limited},
    tls::{connect, get, saying, server, table},
};
use edgeway_core::{
    cluster::Trust,
    tls::{Clients, Suite, Termination, Versions},
};
use edgeway_gateway::edge::Limits;
use rcgen::{SerialNumber, date_time_ymd};
use rustls::{
    ALL_VERSIONS, AlertDescription, ClientConfig, Error,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs},
};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The alert that a client gets for what it shows; none if it is served.
async fn alert(rig: &Rig, config: ClientConfig) -> Option<AlertDescription> {
    let asked = async {
        let mut stream = connect(rig.address(), config, "a.example.com").await?;
        get(&mut stream, "").await
    };
    let error: io::Error = asked.await.err()?;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => Some(*alert),
        other => panic!("no alert, but {other:?} of {error:?}"),
    }
}

/// How often handshakes failed for a reason.
async fn failures(rig: &Rig, reason: &str) -> String {
    let text = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let text = String::from_utf8(text.body.clone()).unwrap();
    let start = format!("edgeway_tls_handshake_failures_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn clients_are_told_what_is_wrong_with_their_certificates() {
    use AlertDescription as Told;
    let (authority, other) = (Authority::new(), Authority::named("other"));
    let mine = authority.issue("a.example.com");
    let list = authority.revoked(&[7]);
    let credential = secret(&[
        ("cert", &mine.certificate),
        ("key", &mine.key),
        ("cacert", authority.pem()),
        ("crl", &list),
    ]);
    let client = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        authority.issue_with("client.example.com", |params| change(params))
    };
    let good = client(&|_| {});
    let expired = client(&|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = client(&|params| params.not_before = date_time_ymd(2090, 1, 1));
    let revoked = client(&|params| params.serial_number = Some(SerialNumber::from(7)));
    let unnamed = authority.issue("other.example.com");
    let stranger = other.issue("client.example.com");
    let cases: [(Option<&Pair>, Option<Told>, &str); 7] = [
        (Some(&good), None, ""),
        (None, Some(Told::CertificateRequired), "client_certificate_none"),
        (Some(&expired), Some(Told::CertificateExpired), "client_certificate_expired"),
        (Some(&early), Some(Told::CertificateExpired), "client_certificate_expired"),
        (Some(&revoked), Some(Told::CertificateRevoked), "client_certificate_revoked"),
        (Some(&unnamed), Some(Told::BadCertificate), "client_certificate_not_named"),
        (Some(&stranger), Some(Told::UnknownCA), "client_certificate_untrusted"),
    ];
    let clients = Clients {
        required: true,
        trust: Trust::Secret("a".into()),
        subject_alt_names: vec!["client.example.com".into()],
        ..Clients::default()
    };
    for versions in [Versions::OnlyV1_3, Versions::OnlyV1_2] {
        let servers = vec![server("*", "a", |it| {
            it.clients = Some(clients.clone());
            it.versions = versions;
        })];
        let rig = Rig::new(table(saying("in"), servers, &[("a", &credential)])).await;
        for (own, told, reason) in &cases {
            let before = failures(&rig, reason).await;
            assert_eq!(alert(&rig, authority.client(*own)).await, *told, "{reason} {versions:?}");
            if !reason.is_empty() {
                assert_ne!(failures(&rig, reason).await, before, "{reason} {versions:?}");
            }
        }
    }
}

/// What does not know elliptic signatures.
fn only_rsa(authority: &Authority) -> ClientConfig {
    let WebPkiSupportedAlgorithms { all, mapping } =
        aws_lc_rs::default_provider().signature_verification_algorithms;
    let rsa = mapping.iter().filter(|(scheme, _)| format!("{scheme:?}").contains("RSA"));
    let rsa: Vec<_> = rsa.copied().collect();
    let algorithms = WebPkiSupportedAlgorithms { all, mapping: rsa.leak() };
    let provider = CryptoProvider {
        signature_verification_algorithms: algorithms,
        ..aws_lc_rs::default_provider()
    };
    authority.client_of(provider, ALL_VERSIONS, None)
}

type Change = fn(&mut Termination);

#[tokio::test]
async fn clients_with_whom_we_have_nothing_in_common_are_told_so() {
    let authority = Authority::new();
    let pair = of_pair(&authority.issue("a.example.com"));
    let old = authority.old_client();
    let cases: [(Change, ClientConfig, AlertDescription); 3] = [
        (|it| it.versions = Versions::OnlyV1_3, old.clone(), AlertDescription::ProtocolVersion),
        // The server has begun to answer when it finds that it cannot sign.
        (
            |it| it.versions = Versions::OnlyV1_3,
            only_rsa(&authority),
            AlertDescription::HandshakeFailure,
        ),
        (
            |it| it.suites = Some(vec![Suite::EcdheRsaAes128Gcm]),
            old,
            AlertDescription::HandshakeFailure,
        ),
    ];
    for (change, config, expected) in cases {
        let servers = vec![server("*", "a", change)];
        let rig = Rig::new(table(saying("in"), servers, &[("a", &pair)])).await;
        assert_eq!(alert(&rig, config).await, Some(expected));
        assert_eq!(failures(&rig, "incompatible").await, "1");
    }
}

#[tokio::test]
async fn who_takes_its_time_is_sent_away() {
    let authority = Authority::new();
    let pair = of_pair(&authority.issue("a.example.com"));
    let soon =
        limited(Limits { handshake_timeout: Duration::from_millis(100), ..Limits::default() });
    let servers = vec![server("*", "a", |_| {})];
    let rig = Rig::with(table(saying("in"), servers, &[("a", &pair)]), soon).await;
    let hello = crate::pki::greeting();
    for (sent, reason) in [(&hello[..50], "greeting"), (&hello[..], "timeout"), (b"", "greeting")] {
        let before = failures(&rig, reason).await;
        let mut stream = TcpStream::connect(rig.address()).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_ne!(failures(&rig, reason).await, before, "{reason}");
    }
    // Plain text is no greeting, and nobody serves it here.
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn who_asks_for_a_name_of_nobody_is_counted() {
    let authority = Authority::new();
    let pair = of_pair(&authority.issue("a.example.com"));
    let broken = secret(&[("tls.crt", "nonsense")]);
    let servers = vec![server("b.example.com", "b", |_| {}), server("c.example.com", "c", |_| {})];
    let rig = Rig::new(table(saying("in"), servers, &[("b", &pair), ("c", &broken)])).await;
    for (name, reason) in [("a.example.com", "no_server"), ("c.example.com", "no_certificate")] {
        assert!(connect(rig.address(), authority.client(None), name).await.is_err());
        assert_eq!(failures(&rig, reason).await, "1");
    }
    // It does not believe us.
    let stranger = Authority::new().client(None);
    assert!(connect(rig.address(), stranger, "b.example.com").await.is_err());
    while failures(&rig, "alert").await != "1" {}
    let text = Rig::ask(rig.running.metrics, "/stats/prometheus").await.body;
    let text = String::from_utf8(text).unwrap();
    let expiry = text.lines().find(|line| line.starts_with("edgeway_certificate_expiry_seconds{"));
    assert!(expiry.is_some_and(|it| it.contains("gateway=\"istio-system/gw\",server=\"https\"")));
}

#[tokio::test]
async fn handshakes_are_counted_by_version() {
    let authority = Authority::new();
    let pair = of_pair(&authority.issue("a.example.com"));
    let servers = vec![server("*", "a", |_| {})];
    let rig = Rig::new(table(saying("in"), servers, &[("a", &pair)])).await;
    let new = authority.client(None);
    let old = authority.old_client();
    for config in [new.clone(), new, old.clone(), old] {
        let mut stream = connect(rig.address(), config, "a.example.com").await.unwrap();
        get(&mut stream, "").await.unwrap();
    }
    let text = Rig::ask(rig.running.metrics, "/stats/prometheus").await.body;
    let text = String::from_utf8(text).unwrap();
    for version in ["TLSv1.2", "TLSv1.3"] {
        for resumed in ["false", "true"] {
            let line = format!(
                "edgeway_tls_handshakes_total{{resumed=\"{resumed}\",version=\"{version}\"}} 1"
            );
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
