//! TLS towards endpoints.

use crate::{
    backend::Backend as Plain,
    client::Client as PlainClient,
    h2_clients::get,
    rig::{Made, Rig, forward},
    tls::{Authority, Pair, secret},
};
use bytes::Bytes;
use edgeway_core::{
    action::Action,
    cluster::{ClusterPolicy, Identity, Origination, Trust, UpstreamProtocol, UpstreamTls},
    id::ObjectName,
    table::Table,
    tls::Credential,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A server name and a protocol.
type Hello = (Option<String>, Option<Vec<u8>>);

/// A backend behind TLS, which answers `hello`.
struct Backend {
    address: SocketAddr,
    /// What each connection asked for, and what it agreed to speak.
    seen: Arc<Mutex<Vec<Hello>>>,
    task: JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    async fn new(pair: &Pair, clients: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config(pair, clients)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                    tokio::spawn(async move {
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let session = stream.get_ref().1;
                        let agreed = session.alpn_protocol().map(<[u8]>::to_vec);
                        let name = session.server_name().map(str::to_owned);
                        seen.lock().unwrap().push((name, agreed.clone()));
                        if agreed.as_deref() == Some(b"h2") {
                            let mut connection = h2::server::handshake(stream).await.unwrap();
                            while let Some(Ok((_, mut respond))) = connection.accept().await {
                                let response = http::Response::new(());
                                let mut send = respond.send_response(response, false).unwrap();
                                send.send_data(Bytes::from_static(b"hello"), true).unwrap();
                            }
                            return;
                        }
                        let mut buffer = Vec::new();
                        while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                            if buffer.ends_with(b"\r\n\r\n") {
                                buffer.clear();
                                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                                stream.write_all(answer).await.unwrap();
                            }
                        }
                    });
                }
            }
        });
        Self { address, seen, task }
    }

    fn names(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

fn config(pair: &Pair, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut store = RootCertStore::empty();
            let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
            store.add(certificate).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn simple() -> Origination {
    Origination {
        sni: Some("b.example.com".into()),
        trust: Trust::Secret("ca".into()),
        ..Origination::default()
    }
}

fn table(
    address: SocketAddr,
    tls: Option<Origination>,
    change: impl FnOnce(&mut ClusterPolicy),
    secrets: &[(&str, &Credential)],
) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[address], |policy| {
        change(policy);
        policy.tls = tls.map_or(UpstreamTls::Disabled, |tls| UpstreamTls::Originate(Arc::new(tls)));
    });
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    let credentials = secrets.iter().map(|(name, it)| ((*name).into(), (*it).clone())).collect();
    Table { credentials, ..made.table() }
}

fn authorities(authority: &Authority) -> Credential {
    secret(&[("ca.crt", authority.pem())])
}

/// Statuses of so many requests over one connection.
async fn statuses(rig: &Rig, host: &str, count: usize) -> Vec<u16> {
    let mut client = PlainClient::connect(rig.address()).await;
    let mut statuses = Vec::new();
    for _ in 0..count {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        statuses.push(client.response().await.status);
    }
    statuses
}

#[tokio::test]
async fn endpoints_are_who_the_policy_says() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let backend = Backend::new(&authority.issue("b.example.com"), None).await;
    let (ours, others) = (authorities(&authority), authorities(&stranger));
    let named = |names: &[&str]| Origination {
        sni: Some("other.example.com".into()),
        subject_alt_names: names.iter().map(|name| (*name).into()).collect(),
        ..simple()
    };
    let anybody = Origination { trust: Trust::Anybody, ..simple() };
    for (tls, secret, expected) in [
        (simple(), &ours, 200),
        (simple(), &others, 503),
        (named(&[]), &ours, 503),
        (named(&["b.example.com"]), &ours, 200),
        (named(&["spiffe://b.example.com"]), &ours, 200),
        (named(&["b.example.com"]), &others, 503),
        (named(&["c.example.com"]), &ours, 503),
        (anybody, &others, 200),
    ] {
        let text = format!("{tls:?}");
        let table = table(backend.address, Some(tls), |_| {}, &[("ca", secret)]);
        let rig = Rig::new(table).await;
        assert_eq!(statuses(&rig, "a.example.com", 1).await, [expected], "{text}");
    }
}

#[tokio::test]
async fn connections_are_used_again_by_who_asks_for_the_same_name() {
    let authority = Authority::new();
    let backend = Backend::new(&authority.issue("a.example.com"), None).await;
    let ca = authorities(&authority);
    let tls =
        Origination { sni: None, subject_alt_names: vec!["a.example.com".into()], ..simple() };
    let table = table(backend.address, Some(tls), |_| {}, &[("ca", &ca)]);
    let rig = Rig::new(table).await;
    assert_eq!(statuses(&rig, "a.example.com", 3).await, [200; 3]);
    assert_eq!(statuses(&rig, "a.example.com:80", 1).await, [200]);
    assert_eq!(statuses(&rig, "a.example.com", 2).await, [200; 2]);
    // The port is no part of the name, yet a connection is for one authority.
    assert_eq!(backend.names(), [Some("a.example.com".into()), Some("a.example.com".into())]);
}

#[tokio::test]
async fn we_show_our_certificate_where_one_is_wanted() {
    let authority = Authority::new();
    let backend = Backend::new(&authority.issue("b.example.com"), Some(&authority)).await;
    let pair = authority.issue("gateway.example.com");
    let own = secret(&[
        ("tls.crt", &pair.certificate),
        ("tls.key", &pair.key),
        ("ca.crt", authority.pem()),
    ]);
    for (identity, expected) in [(Some(Identity::Secret("ca".into())), 200), (None, 503)] {
        let tls = Origination { identity, ..simple() };
        let table = table(backend.address, Some(tls), |_| {}, &[("ca", &own)]);
        let rig = Rig::new(table).await;
        assert_eq!(statuses(&rig, "a.example.com", 1).await, [expected]);
    }
}

#[tokio::test]
async fn a_certificate_for_endpoints_that_ends_is_told_of() {
    let authority = Authority::new();
    let old = authority.issue_with("gateway.example.com", |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let own = secret(&[
        ("tls.crt", &old.certificate),
        ("tls.key", &old.key),
        ("ca.crt", authority.pem()),
    ]);
    let tls = Origination {
        identity: Some(Identity::Secret("ca".into())),
        rule: Some(ObjectName::new("default", "rule")),
        ..simple()
    };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut rig = Rig::new(table(nobody, Some(tls), |_| {}, &[("ca", &own)])).await;
    let problems = &mut rig.running.listener_problems;
    let all = problems.wait_for(|problems| !problems.is_empty()).await.unwrap().clone();
    let [problem] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((problem.code, &*problem.field), ("certificate-expired", "spec.trafficPolicy.tls"));
    assert_eq!(problem.object.to_string(), "DestinationRule default/rule");
    assert!(problem.message.contains("endpoints refuse it"), "{problem}");
}

#[tokio::test]
async fn http2_is_agreed_upon() {
    let authority = Authority::new();
    let backend = Backend::new(&authority.issue("b.example.com"), None).await;
    let ca = authorities(&authority);
    let table = table(
        backend.address,
        Some(simple()),
        |policy| policy.protocol = UpstreamProtocol::Http2,
        &[("ca", &ca)],
    );
    let rig = Rig::new(table).await;
    let mut client = crate::h2_clients::Client::connect(rig.address()).await;
    for _ in 0..3 {
        let (response, _) = client.send(get("/"), false).await;
        let response = crate::h2_clients::whole(response.await.unwrap()).await.unwrap();
        assert_eq!(response.body, b"hello");
    }
    let seen = backend.seen.lock().unwrap().clone();
    assert_eq!(seen, [(Some("b.example.com".into()), Some(b"h2".to_vec()))]);
}

#[tokio::test]
async fn what_cannot_be_made_does_not_go_out_in_clear() {
    let backend = Plain::saying("clear").await;
    let tls = || Some(simple());
    // It waits for more, and so would we.
    let impatient = |policy: &mut ClusterPolicy| {
        policy.connect_timeout = Duration::from_millis(300);
    };
    let plain = |tls| table(backend.address, tls, impatient, &[]);
    let mut rig = Rig::new(plain(tls())).await;
    assert_eq!(statuses(&rig, "a.example.com", 1).await, [503]);
    // Nor over a connection that was made in clear before.
    rig.put(plain(None)).await;
    while statuses(&rig, "a.example.com", 1).await != [200] {}
    let authority = Authority::new();
    let ca = authorities(&authority);
    rig.put(table(backend.address, tls(), impatient, &[("ca", &ca)])).await;
    while statuses(&rig, "a.example.com", 1).await != [503] {}
    let seen = backend.seen().len();
    assert_eq!(statuses(&rig, "a.example.com", 3).await, [503; 3]);
    assert_eq!(backend.seen().len(), seen);
}

#[tokio::test]
async fn authorities_change_under_way() {
    let (before, after) = (Authority::new(), Authority::new());
    let backend = Backend::new(&after.issue("b.example.com"), None).await;
    let with = |ca: &Credential| table(backend.address, Some(simple()), |_| {}, &[("ca", ca)]);
    let mut rig = Rig::new(with(&authorities(&before))).await;
    assert_eq!(statuses(&rig, "a.example.com", 1).await, [503]);
    rig.put(with(&authorities(&after))).await;
    while statuses(&rig, "a.example.com", 1).await != [200] {}
    // One that cannot be read: the last that worked stays.
    rig.put(with(&secret(&[("ca.crt", "nonsense")]))).await;
    assert_eq!(statuses(&rig, "a.example.com", 3).await, [200; 3]);
}
