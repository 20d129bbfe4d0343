//! Ports that pass bytes on: by port, or by the name in a TLS greeting.

use crate::rig::{Made, PORT, Rig, config, dead};
use edgeway_core::{
    action::HashPolicy,
    id::{ClusterIx, ObjectName},
    table::{App, Listener, Services, Table, TcpRoute, TlsMode, TlsServer},
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Sends back what comes, with its name in front, until there is no more.
pub(crate) async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                write.write_all(name.as_bytes()).await.unwrap();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

fn route(cluster: Option<ClusterIx>) -> TcpRoute {
    let virtual_service = ObjectName::new("default", "vs");
    TcpRoute { virtual_service, clusters: vec![(cluster, 1)], hash: HashPolicy::default() }
}

fn table(made: Made, plain: Option<App>, tls: Vec<TlsServer>) -> Table {
    let Table { clusters, .. } = made.table();
    let listeners = vec![Arc::new(Listener {
        id: PORT,
        plain,
        tls: tls.into_iter().map(Arc::new).collect(),
        proxy_header: None,
    })];
    Table { listeners, clusters, ..Table::default() }
}

/// All bytes go to a cluster.
pub(crate) fn passing(made: Made, cluster: ClusterIx) -> Table {
    table(made, Some(App::Tcp(route(Some(cluster)))), Vec::new())
}

/// Everything that comes back for these bytes, the client sending no more; `None` for a reset.
pub(crate) async fn ask(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    // A reset can come before the connection is known to be there.
    let mut stream = TcpStream::connect(address).await.ok()?;
    let (mut read, mut write) = stream.split();
    let sending = async {
        // A gateway that wants none of it resets the connection.
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    let mut all = Vec::new();
    let (read, ()) = tokio::join!(read.read_to_end(&mut all), sending);
    read.ok().map(|_| all)
}

/// TLS for any name goes to a cluster as it is.
pub(crate) fn passing_tls(made: Made, cluster: ClusterIx) -> Table {
    let server = TlsServer {
        sni: vec!["*".to_owned()],
        gateway: ObjectName::new("istio-system", "gw"),
        server: "tls".into(),
        mode: TlsMode::Passthrough,
        app: App::Tcp(route(Some(cluster))),
    };
    table(made, None, vec![server])
}

/// What a TLS client says first.
pub(crate) fn greeting(host: &str) -> Vec<u8> {
    greeting_offering(host, &[])
}

/// What a TLS client says first that would speak one of these protocols.
fn greeting_offering(host: &str, protocols: &[&[u8]]) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let name = host.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn bytes_pass_in_both_directions_to_their_end() {
    let mut made = Made::default();
    let cluster = made.cluster("a", &[echo("a:").await]);
    let rig = Rig::new(table(made, Some(App::Tcp(route(Some(cluster)))), Vec::new())).await;
    let data: Vec<u8> = (0..3_000_000_usize).map(|i| i.to_le_bytes()[1]).collect();
    let all = ask(rig.address(), &data).await.unwrap();
    assert!(all == [b"a:", &*data].concat());
    let line = &rig.log(1).await[0];
    assert_eq!(
        (&line["bytes_received"], &line["bytes_sent"]),
        (&data.len().into(), &all.len().into())
    );
    assert_eq!((&line["response_code"], &line["response_flags"]), (&0.into(), &"-".into()));
}

#[tokio::test]
async fn connections_on_which_nothing_moves_are_ended() {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[echo("").await], |policy| {
        policy.tcp_idle_timeout = Duration::from_secs(2);
    });
    let rig = Rig::new(table(made, Some(App::Tcp(route(Some(cluster)))), Vec::new())).await;
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    let mut byte = [0];
    // Longer than the time in all, and never silent for as long.
    for _ in 0..10 {
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(stream.read(&mut byte).await.unwrap(), 0, "an orderly end");
    let line = &rig.log(1).await[0];
    assert_eq!((&line["bytes_received"], &line["response_flags"]), (&10.into(), &"-".into()));
    let ended = "edgeway_ended_connections_total{reason=\"tcp_idle_timeout\"}";
    assert!((rig.metric(ended).await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn connections_that_lead_nowhere_are_reset() {
    let mut made = Made::default();
    let empty = made.cluster("empty", &[]);
    let dead = made.cluster("dead", &[dead().await]);
    let mut rig = Rig::with(Table::default(), config()).await;
    for (at, (cluster, flags)) in
        [(None, "NC"), (Some(empty), "UH"), (Some(dead), "UF")].into_iter().enumerate()
    {
        let mut again = Made::default();
        again.cluster("empty", &[]);
        again.cluster("dead", &[crate::rig::dead().await]);
        rig.put(Table::default()).await;
        rig.put(table(again, Some(App::Tcp(route(cluster))), Vec::new())).await;
        assert_eq!(ask(rig.address(), b"hello").await, None, "{flags}");
        assert_eq!(rig.log(at + 1).await[at]["response_flags"], flags);
    }
}

#[tokio::test]
async fn a_tls_greeting_is_passed_on_whole_by_the_name_in_it() {
    let mut made = Made::default();
    let one = made.cluster("one", &[echo("one:").await]);
    let any = made.cluster("any", &[echo("any:").await]);
    let server = |sni: &str, mode, cluster| TlsServer {
        sni: vec![sni.to_owned()],
        gateway: ObjectName::new("istio-system", "gw"),
        server: "tls".into(),
        mode,
        app: App::Tcp(route(Some(cluster))),
    };
    let servers = vec![
        server("*.example.com", TlsMode::Passthrough, any),
        server("one.example.com", TlsMode::Passthrough, one),
        server("here.example.com", TlsMode::Refuse, one),
    ];
    let rig = Rig::new(table(made, None, servers)).await;
    for (name, expected) in [
        ("one.example.com", "one:"),
        ("ONE.example.com", "one:"),
        ("two.example.com", "any:"),
        ("here.example.com", ""),
        ("other.org", ""),
    ] {
        let hello = greeting(name);
        let expected =
            if expected.is_empty() { Vec::new() } else { [expected.as_bytes(), &hello].concat() };
        assert_eq!(ask(rig.address(), &hello).await, Some(expected), "{name}");
    }
    // Without TLS there is nothing here.
    assert_eq!(ask(rig.address(), b"GET / HTTP/1.1\r\n\r\n").await, Some(Vec::new()));
}

#[tokio::test]
async fn services_of_the_mesh_are_reached_by_the_name_that_the_mesh_gives_them() {
    let mut made = Made::default();
    let (one, two) = (echo("one:").await, echo("two:").await);
    let clusters = [made.cluster("a", &[one]), made.cluster("b", &[two])];
    let names =
        ["outbound_.80_._.a.ns.svc.cluster.local", "outbound_.80_.v1_.a.ns.svc.cluster.local"];
    let services: Services = names
        .into_iter()
        .zip(clusters)
        .map(|(name, cluster)| (name.into(), route(Some(cluster))))
        .collect();
    let server = |sni: &str, app| TlsServer {
        sni: vec![sni.to_owned()],
        gateway: ObjectName::new("istio-system", "gw"),
        server: "tls".into(),
        mode: TlsMode::Passthrough,
        app,
    };
    let other = App::Tcp(route(Some(clusters[1])));
    let by_name = server("*.local", App::Services(Arc::new(services)));
    let tls = vec![Arc::new(by_name), Arc::new(server("*", other))];
    let Table { clusters, .. } = made.table();
    let listeners =
        vec![Arc::new(Listener { id: PORT, plain: None, tls: tls.into(), proxy_header: None })];
    let rig = Rig::new(Table { listeners, clusters, ..Table::default() }).await;
    let of_mesh = |name: &str| greeting_offering(name, &[b"istio-http/1.1", b"istio"]);
    for (hello, expected) in [
        (of_mesh(names[0]), &b"one:"[..]),
        (of_mesh(names[1]), b"two:"),
        (of_mesh(&names[0].to_uppercase()), b"one:"),
        // No service of the mesh: the server that takes all names.
        (of_mesh("a.ns.svc.cluster.local"), b"two:"),
    ] {
        assert_eq!(&ask(rig.address(), &hello).await.unwrap()[..4], expected);
    }
    // Who is no proxy of the mesh has no business there.
    let stranger = ask(rig.address(), &greeting(names[0])).await;
    assert!(stranger.is_none_or(|answer| answer.is_empty()));
}

#[tokio::test]
async fn one_port_can_speak_http_and_pass_tls_on() {
    let mut made = Made::default();
    let cluster = made.cluster("a", &[echo("tls:").await]);
    made.route("/", crate::rig::direct(200, "http"));
    let servers = vec![TlsServer {
        sni: vec!["*".to_owned()],
        gateway: ObjectName::new("istio-system", "gw"),
        server: "tls".into(),
        mode: TlsMode::Passthrough,
        app: App::Tcp(route(Some(cluster))),
    }];
    let Table { listeners, clusters, .. } = made.table();
    let plain = listeners[0].plain.clone();
    let listeners = vec![Arc::new(Listener {
        id: PORT,
        plain,
        tls: servers.into_iter().map(Arc::new).collect(),
        proxy_header: None,
    })];
    let rig = Rig::new(Table { listeners, clusters, ..Table::default() }).await;
    let hello = greeting("any.org");
    assert_eq!(ask(rig.address(), &hello).await.unwrap()[..4], *b"tls:");
    let mut client = crate::client::Client::connect(rig.address()).await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.text(), "http");
    }
}
