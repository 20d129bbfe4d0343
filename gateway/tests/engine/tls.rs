//! TLS that ends at the gateway: certificates, names, clients that show one, and changes of all that.

pub(crate) use crate::pki::{Authority, Pair, of_pair, secret};

use crate::{
    backend::Backend,
    rig::{Made, PORT, Rig, direct},
};
use edgeway_core::{
    cluster::{Identity, Trust},
    id::ObjectName,
    table::{App, Listener, Table, TlsMode, TlsServer},
    tls::{Clients, Credential, Termination, Versions},
};
use rustls::{ClientConfig, ProtocolVersion, pki_types::ServerName};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A server for names, with the Secret `name` and what `change` makes of it.
pub(crate) fn server(
    sni: &str,
    name: &str,
    change: impl FnOnce(&mut Termination),
) -> (String, Termination) {
    let mut termination = Termination {
        field: format!("spec.servers.{name}").into(),
        certificates: vec![Identity::Secret(name.into())],
        ..Termination::default()
    };
    change(&mut termination);
    (sni.to_owned(), termination)
}

/// TLS servers that all serve what was made.
pub(crate) fn table(
    made: Made,
    servers: Vec<(String, Termination)>,
    credentials: &[(&str, &Credential)],
) -> Table {
    let Table { listeners, clusters, .. } = made.table();
    let app: &App = listeners[0].plain.as_ref().unwrap();
    let tls = servers.into_iter().map(|(sni, termination)| TlsServer {
        sni: vec![sni],
        gateway: ObjectName::new("istio-system", "gw"),
        server: "https".into(),
        mode: TlsMode::Terminate(Arc::new(termination)),
        app: app.clone(),
    });
    let listener =
        Listener { id: PORT, plain: None, tls: tls.map(Arc::new).collect(), proxy_header: None };
    let credentials = credentials.iter().map(|(name, it)| ((*name).into(), (*it).clone()));
    Table { listeners: vec![Arc::new(listener)], clusters, credentials: credentials.collect() }
}

pub(crate) fn saying(text: &str) -> Made {
    let mut made = Made::default();
    made.route("/", direct(200, text));
    made
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Status line, head and body of what is answered.
pub(crate) async fn get(
    stream: &mut TlsStream<TcpStream>,
    fields: &str,
) -> std::io::Result<String> {
    let request = format!("GET / HTTP/1.1\r\nHost: a.example.com\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or("0", |rest| rest.lines().next().unwrap());
            if body.len() >= length.parse::<usize>().unwrap() {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut all).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn ask(address: SocketAddr, config: ClientConfig, name: &str) -> Result<String, String> {
    let all = async {
        let mut stream = connect(address, config, name).await?;
        get(&mut stream, "").await
    };
    all.await.map_err(|error: std::io::Error| format!("{:?} {error}", error.kind()))
}

#[tokio::test]
async fn a_server_shows_the_certificate_of_the_name() {
    let authority = Authority::new();
    let one = of_pair(&authority.issue("one.example.com"));
    let any = of_pair(&authority.issue("*.example.com"));
    let servers =
        vec![server("*.example.com", "any", |_| {}), server("one.example.com", "one", |_| {})];
    let rig = Rig::new(table(saying("hello"), servers, &[("one", &one), ("any", &any)])).await;
    for name in ["one.example.com", "ONE.example.com", "two.example.com"] {
        let answer = ask(rig.address(), authority.client(None), name).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }
    // Nobody there: closed, without a word in TLS.
    let answer = ask(rig.address(), authority.client(None), "other.org").await;
    assert!(answer.as_ref().is_err_and(|error| error.starts_with("UnexpectedEof")), "{answer:?}");
    let mut nameless = authority.client(None);
    nameless.enable_sni = false;
    // As from an ALB. Nobody has `*`: the host of the request tells which server it is for.
    let text = ask(rig.address(), nameless, "two.example.com").await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn clients_that_name_no_host_get_nothing_that_takes_a_certificate() {
    let authority = Authority::new();
    let mine = authority.issue("a.example.com");
    let credential =
        secret(&[("cert", &mine.certificate), ("key", &mine.key), ("cacert", authority.pem())]);
    let clients =
        Clients { required: true, trust: Trust::Secret("a".into()), ..Clients::default() };
    let closed = || server("a.example.com", "a", |it| it.clients = Some(clients.clone()));
    let with = |servers| table(saying("secret"), servers, &[("a", &credential)]);
    let nameless = || {
        let mut nameless = authority.client(None);
        nameless.enable_sni = false;
        nameless
    };
    let rig = Rig::new(with(vec![closed(), server("b.example.com", "a", |_| {})])).await;
    let text = ask(rig.address(), nameless(), "a.example.com").await.unwrap();
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    let rig = Rig::new(with(vec![closed()])).await;
    assert!(ask(rig.address(), nameless(), "a.example.com").await.is_err());
}

#[tokio::test]
async fn clients_that_name_no_host_get_the_server_for_all() {
    let authority = Authority::new();
    let any = of_pair(&authority.issue("a.example.com"));
    let table = table(saying("any"), vec![server("*", "any", |_| {})], &[("any", &any)]);
    let rig = Rig::new(table).await;
    let mut nameless = authority.client(None);
    nameless.enable_sni = false;
    assert!(ask(rig.address(), nameless, "a.example.com").await.unwrap().ends_with("any"));
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mine = authority.issue("a.example.com");
    let credential =
        secret(&[("cert", &mine.certificate), ("key", &mine.key), ("cacert", authority.pem())]);
    let client = authority.issue("client.example.com");
    let stranger = other.issue("client.example.com");
    let wanted = |required, names: &[&str]| Clients {
        required,
        trust: Trust::Secret("a".into()),
        subject_alt_names: names.iter().map(|name| (*name).into()).collect(),
        ..Clients::default()
    };
    for (clients, own, expected) in [
        (wanted(true, &[]), None, false),
        (wanted(true, &[]), Some(&stranger), false),
        (wanted(true, &[]), Some(&client), true),
        (wanted(true, &["x", "client.example.com"]), Some(&client), true),
        (wanted(true, &["spiffe://client.example.com"]), Some(&client), true),
        (wanted(true, &["other.example.com"]), Some(&client), false),
        (wanted(false, &[]), None, true),
        (wanted(false, &[]), Some(&client), true),
        (wanted(false, &[]), Some(&stranger), false),
    ] {
        for versions in [Versions::OnlyV1_3, Versions::OnlyV1_2] {
            let servers = vec![server("*", "a", |it| {
                it.clients = Some(clients.clone());
                it.versions = versions;
            })];
            let rig = Rig::new(table(saying("in"), servers, &[("a", &credential)])).await;
            let answer = ask(rig.address(), authority.client(own), "a.example.com").await;
            let case = format!("{clients:?} {versions:?}: {answer:?}");
            if expected {
                assert!(answer.unwrap().starts_with("HTTP/1.1 200"), "{case}");
            } else {
                assert!(answer.unwrap_err().contains("fatal alert"), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_showed_is_told_to_the_backend() {
    let authority = Authority::new();
    let mine = authority.issue("a.example.com");
    let credential =
        secret(&[("cert", &mine.certificate), ("key", &mine.key), ("cacert", authority.pem())]);
    let clients = Clients { trust: Trust::Secret("a".into()), ..Clients::default() };
    let backend = Backend::saying("hi").await;
    let made = Made::forwarding(&[backend.address]);
    let servers = vec![server("*", "a", |it| it.clients = Some(clients))];
    let rig = Rig::new(table(made, servers, &[("a", &credential)])).await;
    let lie = "x-forwarded-client-cert: Hash=lie\r\nx-forwarded-proto: http\r\n";
    let client = authority.issue("c.example.com");
    for own in [None, Some(&client)] {
        let config = authority.client(own);
        let mut stream = connect(rig.address(), config, "a.example.com").await.unwrap();
        get(&mut stream, lie).await.unwrap();
        let seen = backend.seen().pop().unwrap();
        assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
        let told = seen.field("x-forwarded-client-cert");
        assert_eq!(told.is_some(), own.is_some());
        let Some(told) = told else { continue };
        for part in [
            "Hash=",
            ";Cert=\"-----BEGIN%20CERTIFICATE-----%0A",
            ";Subject=\"CN=c.example.com,O=Shop\"",
            ";URI=spiffe://c.example.com",
            ";DNS=c.example.com",
        ] {
            assert!(told.contains(part) && !told.contains("lie"), "{part} is not in {told}");
        }
    }
}

#[tokio::test]
async fn certificates_change_under_open_connections() {
    let authority = Authority::new();
    let certificate = |name: &str| of_pair(&authority.issue(name));
    let table = |credential: &Credential| {
        table(saying("here"), vec![server("*", "a", |_| {})], &[("a", credential)])
    };
    let broken = secret(&[("tls.crt", "nonsense"), ("tls.key", "nonsense")]);
    let mut rig = Rig::new(table(&broken)).await;
    assert!(ask(rig.address(), authority.client(None), "a.example.com").await.is_err());
    let problems = &mut rig.running.listener_problems;
    let broke = problems.wait_for(|problems| !problems.is_empty()).await.unwrap().clone();
    assert_eq!(
        (broke[0].code, &*broke[0].field),
        ("credential-broken", "spec.servers.a.credentialName")
    );
    assert!(!broke[0].message.contains("nonsense"), "{}", broke[0].message);

    // A good one heals it.
    rig.put(table(&certificate("a.example.com"))).await;
    let config = authority.client(None);
    let mut open = connected(rig.address(), &config, "a.example.com").await;
    assert!(get(&mut open, "").await.unwrap().ends_with("here"));
    rig.running.listener_problems.wait_for(Vec::is_empty).await.unwrap();

    // Another takes its place, and who is connected stays.
    rig.put(table(&certificate("b.example.com"))).await;
    connected(rig.address(), &config, "b.example.com").await;
    assert!(ask(rig.address(), config.clone(), "a.example.com").await.is_err());
    assert!(get(&mut open, "").await.unwrap().ends_with("here"));

    // A broken one costs nobody anything.
    rig.put(table(&broken)).await;
    let problems = &mut rig.running.listener_problems;
    problems
        .wait_for(|problems| problems.iter().any(|it| it.message.contains("stays")))
        .await
        .unwrap();
    assert!(ask(rig.address(), config, "b.example.com").await.unwrap().ends_with("here"));
    assert!(get(&mut open, "").await.unwrap().ends_with("here"));
}

/// A connection, once workers have the table in which it is possible.
async fn connected(address: SocketAddr, config: &ClientConfig, name: &str) -> TlsStream<TcpStream> {
    loop {
        match connect(address, config.clone(), name).await {
            Ok(stream) => return stream,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn much_passes_in_both_directions() {
    let authority = Authority::new();
    let a = of_pair(&authority.issue("a.example.com"));
    let text = "x".repeat(900_000);
    for versions in [Versions::OnlyV1_3, Versions::OnlyV1_2] {
        let servers = vec![server("*", "a", |it| it.versions = versions)];
        let rig = Rig::new(table(saying(&text), servers, &[("a", &a)])).await;
        let mut stream = connected(rig.address(), &authority.client(None), "a.example.com").await;
        for _ in 0..3 {
            assert!(get(&mut stream, "").await.unwrap().ends_with(&text));
        }
        let spoken = stream.get_ref().1.protocol_version();
        let expected = if versions == Versions::OnlyV1_3 {
            ProtocolVersion::TLSv1_3
        } else {
            ProtocolVersion::TLSv1_2
        };
        assert_eq!(spoken, Some(expected));
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(stream.read_to_end(&mut rest).await.unwrap(), 0, "an orderly end");
    }
}

#[tokio::test]
async fn sessions_are_resumed_but_not_at_another_server() {
    let authority = Authority::new();
    let mine = authority.issue("a.example.com");
    let credential =
        secret(&[("cert", &mine.certificate), ("key", &mine.key), ("cacert", authority.pem())]);
    let open = || vec![server("a.example.com", "a", |_| {})];
    let mut rig = Rig::new(table(saying("open"), open(), &[("a", &credential)])).await;
    let config = authority.client(None);
    for resumed in [false, true] {
        let mut stream = connected(rig.address(), &config, "a.example.com").await;
        get(&mut stream, "").await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), resumed);
    }
    // The same name, now for known clients only: an old ticket opens nothing.
    let mut old = connected(rig.address(), &config, "a.example.com").await;
    get(&mut old, "").await.unwrap();
    let clients =
        Clients { required: true, trust: Trust::Secret("a".into()), ..Clients::default() };
    let closed = vec![server("a.example.com", "a", |it| it.clients = Some(clients))];
    rig.put(table(saying("closed"), closed, &[("a", &credential)])).await;
    let known = authority.issue("c.example.com");
    while !ask(rig.address(), authority.client(Some(&known)), "a.example.com")
        .await
        .is_ok_and(|answer| answer.ends_with("closed"))
    {}
    let refused = ask(rig.address(), config, "a.example.com").await;
    assert!(refused.is_err(), "{refused:?}");
    // Who is in from before is asked to come again.
    let answer = get(&mut old, "").await.unwrap();
    assert!(answer.contains("connection: close"), "{answer}");
}
