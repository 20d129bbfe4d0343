//! What servers show and what they check clients by, out of Secrets and files.

use crate::{
    pki::{Authority, Pair, of_pair, secret},
    rig::Rig,
    tls::{connect, get, saying, server, table},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use edgeway_core::{
    cluster::{Identity, Trust},
    tls::{Clients, Versions},
};
use edgeway_gateway::{serve, snapshot::Snapshot, tls::x509::Certificate};
use rcgen::{SerialNumber, date_time_ymd};
use rustls::{ALL_VERSIONS, ClientConfig, crypto::CryptoProvider, crypto::aws_lc_rs};
use sha2::{Digest, Sha256};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Whether a client is served.
async fn is_served(rig: &Rig, config: ClientConfig) -> bool {
    let asked = async {
        let mut stream = connect(rig.address(), config, "a.example.com").await?;
        get(&mut stream, "").await
    };
    asked.await.is_ok()
}

#[tokio::test]
async fn a_server_has_certificates_of_several_kinds() {
    let authority = Authority::new();
    let elliptic = authority.issue("a.example.com");
    let rsa = authority.issue_rsa("a.example.com");
    // A client of TLS 1.2 that knows the suites of one kind.
    let knowing = |word: &str| {
        let mut provider: CryptoProvider = aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(word));
        authority.client_of(provider, &[&rustls::version::TLS12], None)
    };
    let servers = vec![server("*", "rsa", |it| {
        it.certificates.push(Identity::Secret("elliptic".into()));
    })];
    let credentials = [("rsa", &of_pair(&rsa)), ("elliptic", &of_pair(&elliptic))];
    let rig = Rig::new(table(saying("in"), servers, &credentials)).await;
    for (config, shown) in [
        (knowing("ECDHE_RSA"), &rsa),
        (knowing("ECDHE_ECDSA"), &elliptic),
        // Who knows both gets the one that costs less, whatever the order.
        (authority.client(None), &elliptic),
    ] {
        let stream = connect(rig.address(), config, "a.example.com").await.unwrap();
        let seen = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(seen[0].as_ref(), &*shown.der);
    }
}

#[tokio::test]
async fn clients_are_known_by_the_hash_of_their_certificate_or_key() {
    let authority = Authority::new();
    let mine = authority.issue("a.example.com");
    let (known, other) = (authority.issue("c.example.com"), authority.issue("c.example.com"));
    let credential =
        secret(&[("cert", &mine.certificate), ("key", &mine.key), ("cacert", authority.pem())]);
    let hex: Vec<String> =
        Sha256::digest(&known.der).iter().map(|byte| format!("{byte:02X}")).collect();
    let (plain, colons) = (hex.concat().to_lowercase(), hex.join(":"));
    let key = BASE64.encode(Sha256::digest(Certificate::read(&known.der).unwrap().key));
    let by = |certificates: &[&str], keys: &[&str]| Clients {
        required: true,
        trust: Trust::Secret("a".into()),
        certificate_hashes: certificates.iter().map(|it| (*it).into()).collect(),
        key_hashes: keys.iter().map(|it| (*it).into()).collect(),
        ..Clients::default()
    };
    let zeros = "0".repeat(64);
    for (clients, expected) in [
        (by(&[&plain], &[]), true),
        (by(&[&colons], &[]), true),
        (by(&[], &[&key]), true),
        // One that fits is enough, of either kind.
        (by(&[&zeros], &[&key]), true),
        (by(&[&zeros, &plain], &[]), true),
        (by(&[&zeros], &[]), false),
    ] {
        let servers = vec![server("*", "a", |it| it.clients = Some(clients.clone()))];
        let rig = Rig::new(table(saying("in"), servers, &[("a", &credential)])).await;
        let got = is_served(&rig, authority.client(Some(&known))).await;
        assert_eq!(got, expected, "{clients:?}");
        assert!(!is_served(&rig, authority.client(Some(&other))).await, "{clients:?}");
    }
}

fn put(folder: &Path, pair: &Pair) {
    fs::write(folder.join("tls.crt"), &pair.certificate).unwrap();
    fs::write(folder.join("tls.key"), &pair.key).unwrap();
}

#[tokio::test]
async fn files_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> Arc<str> { folder.path().join(name).to_str().unwrap().into() };
    let authority = Authority::new();
    let (first, second) = (authority.issue("a.example.com"), authority.issue("a.example.com"));
    put(folder.path(), &first);
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    fs::write(folder.path().join("ca.crl"), authority.revoked(&[1])).unwrap();
    let servers = vec![server("*", "a", |it| {
        it.certificates =
            vec![Identity::Files { certificate: path("tls.crt"), key: path("tls.key") }];
        let trust = Trust::File { authorities: path("ca.crt"), revoked: Some(path("ca.crl")) };
        it.clients = Some(Clients { trust, ..Clients::default() });
    })];
    let rig = Rig::new(table(saying("in"), servers, &[])).await;
    let client = authority.issue_with("c.example.com", |params| {
        params.serial_number = Some(SerialNumber::from(7));
    });
    let shown = async || {
        let config = authority.client(Some(&client));
        let mut stream = connect(rig.address(), config, "a.example.com").await.ok()?;
        get(&mut stream, "").await.ok()?;
        Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    assert_eq!(shown().await.as_deref(), Some(&*first.der));
    let mut open = connect(rig.address(), authority.client(None), "a.example.com").await.unwrap();
    get(&mut open, "").await.unwrap();
    put(folder.path(), &second);
    while shown().await.as_deref() != Some(&*second.der) {}
    fs::write(folder.path().join("ca.crl"), authority.revoked(&[7])).unwrap();
    while shown().await.is_some() {}
    // Who is connected stays.
    assert!(get(&mut open, "").await.unwrap().ends_with("in"));
}

#[tokio::test]
async fn tickets_are_good_at_every_worker_and_end_with_the_certificate() {
    let authority = Authority::new();
    let (first, second) = (authority.issue("a.example.com"), authority.issue("a.example.com"));
    let with =
        |pair: &Pair| table(saying("in"), vec![server("*", "a", |_| {})], &[("a", &of_pair(pair))]);
    let workers = edgeway_gateway::Config { workers: 4, ..crate::rig::config() };
    let mut rig = Rig::with(with(&first), workers).await;
    let config = authority.client_of(aws_lc_rs::default_provider(), ALL_VERSIONS, None);
    let resumed = async |rig: &Rig| {
        let mut stream = connect(rig.address(), config.clone(), "a.example.com").await.unwrap();
        get(&mut stream, "").await.unwrap();
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().unwrap()[0].to_vec();
        (session.handshake_kind() == Some(rustls::HandshakeKind::Resumed), shown)
    };
    assert!(!resumed(&rig).await.0);
    for _ in 0..16 {
        assert!(resumed(&rig).await.0, "another worker does not know the ticket");
    }
    // A change elsewhere is none here.
    rig.put(with(&first)).await;
    assert!(resumed(&rig).await.0);
    // With another certificate sessions begin anew: who resumed would go on with the old one.
    rig.put(with(&second)).await;
    while resumed(&rig).await.1 != second.der {}
    assert!(resumed(&rig).await.0);
}

#[tokio::test]
async fn tickets_end_with_the_keys_that_sealed_them() {
    let authority = Authority::new();
    let pair = authority.issue("a.example.com");
    let with = || table(saying("in"), vec![server("*", "a", |_| {})], &[("a", &of_pair(&pair))]);
    let rotating =
        edgeway_gateway::Config { ticket_rotation: Duration::from_secs(1), ..crate::rig::config() };
    let rig = Rig::with(with(), rotating).await;
    let first = authority.client_of(aws_lc_rs::default_provider(), ALL_VERSIONS, None);
    let resumed = async || {
        let mut stream = connect(rig.address(), first.clone(), "a.example.com").await.unwrap();
        get(&mut stream, "").await.unwrap();
        stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    };
    // A machine that stands still for a moment may be late for one ticket, not for all.
    while !resumed().await {}
    // Unused for more than two periods a ticket opens nothing.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!resumed().await, "a ticket outlives its keys");
    while !resumed().await {}
}

#[tokio::test]
async fn a_certificate_whose_time_is_up_is_shown_and_told_of() {
    let authority = Authority::new();
    let old = authority.issue_with("a.example.com", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let servers = vec![server("*", "a", |_| {})];
    let mut rig = Rig::new(table(saying("in"), servers, &[("a", &of_pair(&old))])).await;
    let problems = &mut rig.running.listener_problems;
    let all = problems.wait_for(|problems| !problems.is_empty()).await.unwrap().clone();
    let [problem] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((problem.code, &*problem.field), ("certificate-expired", "spec.servers.a"));
    let error = connect(rig.address(), authority.client(None), "a.example.com").await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

#[tokio::test]
async fn a_build_without_validated_cryptography_does_not_pretend_to_have_it() {
    let config = edgeway_gateway::Config { fips: true, ..crate::rig::config() };
    let (snapshot, stop) = (Snapshot::default(), CancellationToken::new());
    let started = serve(config, snapshot, Arc::new(Vec::new), stop.clone()).await;
    if cfg!(feature = "fips") {
        stop.cancel();
        started.unwrap().stopped().await;
    } else {
        assert!(started.unwrap_err().to_string().contains("--features fips"));
    }
}

#[tokio::test]
async fn a_list_of_what_was_revoked_can_be_out_of_order() {
    let authority = Authority::new();
    let mine = authority.issue("a.example.com");
    let credential = secret(&[
        ("tls.crt", &mine.certificate),
        ("tls.key", &mine.key),
        ("ca.crt", authority.pem()),
        ("ca.crl", "nonsense"),
    ]);
    let clients =
        Clients { required: true, trust: Trust::Secret("a".into()), ..Clients::default() };
    let servers = vec![server("*", "a", |it| {
        it.clients = Some(clients);
        it.versions = Versions::OnlyV1_3;
    })];
    let mut rig = Rig::new(table(saying("in"), servers, &[("a", &credential)])).await;
    let client = authority.issue("c.example.com");
    assert!(!is_served(&rig, authority.client(Some(&client))).await);
    let problems = &mut rig.running.listener_problems;
    let all = problems.wait_for(|problems| !problems.is_empty()).await.unwrap().clone();
    assert_eq!(
        (all[0].code, &*all[0].field),
        ("credential-broken", "spec.servers.a.credentialName")
    );
}
