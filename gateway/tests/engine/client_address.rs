//! Who the client is: PROXY headers, proxies that are believed, and what endpoints are told.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    rig::{Made, Rig, config},
    streams::{ask, echo, greeting, passing, passing_tls},
};
use edgeway_core::table::{ProxyHeader, ProxyPorts};
use edgeway_gateway::{
    Config,
    edge::{
        Edge,
        ForwardedFor::{Append, Preserve, Remove},
        Limits, Trust,
    },
};
use std::time::Duration;

const V1: &str = "PROXY TCP4 9.8.7.6 10.0.0.1 4711 443\r\n";

fn proxied() -> Config {
    let edge = Edge { proxy_protocol: ProxyPorts::all(ProxyHeader::Required), ..Edge::default() };
    Config { edge, ..config() }
}

async fn behind(backend: &Backend, config: Config) -> Rig {
    Rig::with(Made::forwarding(&[backend.address]).table(), config).await
}

fn get(more: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.example.com\r\n{more}\r\n")
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, body].concat()
}

#[tokio::test]
async fn a_proxy_header_says_who_the_client_is() {
    let backend = Backend::saying("").await;
    let rig = behind(&backend, proxied()).await;
    let address = [1, 2, 3, 4, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
    for (header, client, port) in [
        (V1.as_bytes().to_vec(), "9.8.7.6", Some("9.8.7.6:4711")),
        (v2(0x21, 0x11, &address), "1.2.3.4", Some("1.2.3.4:4711")),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", None),
        (v2(0x20, 0, &[]), "127.0.0.1", None),
    ] {
        let mut peer = Client::connect(rig.address()).await;
        // It concerns the connection, not one request.
        peer.send([&header[..], get("").as_bytes()].concat()).await;
        assert_eq!(peer.response().await.status, 200);
        peer.exchange(get("")).await;
        let seen = backend.seen();
        for seen in &seen[seen.len() - 2..] {
            assert_eq!(seen.field("x-forwarded-for"), Some(client));
            assert_eq!(seen.field("x-envoy-external-address"), Some(client));
        }
        let line = rig.log(seen.len()).await.pop().unwrap();
        let remote = line["downstream_remote_address"].as_str().unwrap();
        assert!(port.is_none_or(|port| port == remote), "{remote}");
        assert_eq!(line["downstream_local_address"] == "10.0.0.1:443", port.is_some(), "{line}");
    }
}

#[tokio::test]
async fn a_proxy_header_may_come_in_pieces() {
    let backend = Backend::saying("fine").await;
    let rig = behind(&backend, proxied()).await;
    let mut peer = Client::connect(rig.address()).await;
    for byte in V1.as_bytes().chunks(1) {
        peer.send(byte).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.get("/").await.text(), "fine");
}

#[tokio::test]
async fn bytes_and_tls_follow_a_proxy_header_too() {
    let mut made = Made::default();
    let cluster = made.cluster("a", &[echo("a:").await]);
    let rig = Rig::with(passing(made, cluster), proxied()).await;
    assert_eq!(ask(rig.address(), format!("{V1}hello").as_bytes()).await.unwrap(), b"a:hello");
    assert_eq!(rig.log(1).await[0]["downstream_remote_address"], "9.8.7.6:4711");

    let mut made = Made::default();
    let cluster = made.cluster("a", &[echo("a:").await]);
    let rig = Rig::with(passing_tls(made, cluster), proxied()).await;
    // The greeting comes with the header, and nothing follows it.
    let hello = greeting("any.org");
    let all = ask(rig.address(), &[V1.as_bytes(), &hello].concat()).await.unwrap();
    assert!(all == [b"a:", &*hello].concat());
}

#[tokio::test]
async fn where_a_proxy_header_is_required_nothing_else_is_served() {
    let backend = Backend::saying("").await;
    let rig = behind(&backend, proxied()).await;
    for bytes in [
        get("").as_bytes(),
        b"PROXY TCP4 1.2.3.4 10.0.0.1 99999 443\r\n",
        b"PROXY TCP4 1.2.3.4",
        b"\r\n\r\n\0\r\nQUIT\n\x31",
        b"\x16\x03\x01",
    ] {
        assert_eq!(ask(rig.address(), bytes).await, None, "{bytes:?}");
    }
    // One that says nothing at all is left in peace.
    assert_eq!(ask(rig.address(), b"").await, Some(Vec::new()));
    let refused = "edgeway_refused_connections_total{reason=\"proxy_header\"}";
    assert!((rig.metric(refused).await - 5.0).abs() < 0.5);
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn a_proxy_that_does_not_say_whom_it_brings_is_not_waited_for() {
    let backend = Backend::saying("").await;
    let limits = Limits { proxy_header_timeout: Duration::from_millis(200), ..Limits::default() };
    let edge = Edge { limits, ..proxied().edge };
    let rig = behind(&backend, Config { edge, ..config() }).await;
    let mut peer = Client::connect(rig.address()).await;
    peer.send("PROXY ").await;
    assert!(peer.response_to("GET").await.is_none());
    let refused = "edgeway_refused_connections_total{reason=\"proxy_timeout\"}";
    assert!((rig.metric(refused).await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn other_ports_need_no_header() {
    let backend = Backend::saying("").await;
    let proxy_protocol = "443".parse().unwrap();
    let edge = Edge { proxy_protocol, ..Edge::default() };
    let rig = behind(&backend, Config { edge, ..config() }).await;
    assert_eq!(Client::connect(rig.address()).await.get("/").await.status, 200);
}

#[tokio::test]
async fn where_a_proxy_header_is_optional_everything_is_served() {
    let backend = Backend::saying("").await;
    let limits = Limits { proxy_header_timeout: Duration::from_millis(500), ..Limits::default() };
    let proxy_protocol = ProxyPorts::all(ProxyHeader::Optional);
    let edge = Edge { proxy_protocol, limits, ..Edge::default() };
    let rig = behind(&backend, Config { edge, ..config() }).await;
    for (pieces, client) in [
        (vec![V1.to_owned(), get("")], "9.8.7.6"),
        (vec![V1.to_owned() + &get("")], "9.8.7.6"),
        (vec![get("")], "127.0.0.1"),
        // A method that begins as a header does.
        (vec!["P".to_owned(), get("").replacen("GET", "UT", 1)], "127.0.0.1"),
    ] {
        let mut peer = Client::connect(rig.address()).await;
        for piece in &pieces {
            peer.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.response().await.status, 200, "{pieces:?}");
        let seen = backend.seen().pop().unwrap();
        assert_eq!(seen.field("x-forwarded-for"), Some(client), "{pieces:?}");
    }
    // One that waits to be spoken to, or stops in the middle, is not taken for a proxy.
    let refused = "edgeway_refused_connections_total{reason=\"proxy_timeout\"}";
    let mut late = Client::connect(rig.address()).await;
    late.send("P").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    late.send(get("").replacen("GET", "UT", 1)).await;
    assert_eq!(late.response().await.status, 200);
    assert!(rig.metric(refused).await.abs() < 0.5);
}

#[tokio::test]
async fn what_a_gateway_says_of_its_port_counts_before_what_was_said_at_the_start() {
    let backend = Backend::saying("").await;
    let table = |header| {
        let mut table = Made::forwarding(&[backend.address]).table();
        let listeners = &mut table.listeners;
        std::sync::Arc::make_mut(&mut listeners[0]).proxy_header = header;
        table
    };
    let mut rig = Rig::with(table(None), proxied()).await;
    let is_served = async |rig: &Rig, head: &str| {
        ask(rig.address(), (head.to_owned() + &get("")).as_bytes()).await.is_some()
    };
    assert!(is_served(&rig, V1).await && !is_served(&rig, "").await);
    // A port that is open follows.
    rig.put(table(Some(ProxyHeader::Off))).await;
    while !is_served(&rig, "").await {}
    rig.put(table(Some(ProxyHeader::Required))).await;
    while is_served(&rig, "").await {}
    assert!(is_served(&rig, V1).await);
}

#[tokio::test]
async fn only_known_proxies_are_believed_wherever_they_connect_from() {
    let backend = Backend::new(|_| vec![Step::Send(ok(""))]).await;
    let claims = "X-Forwarded-For: 6.6.6.6, 7.7.7.7,10.1.1.1\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Port: 8443\r\n";
    let trusting = |network: &str, forwarded_for| {
        let proxies = vec![network.parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let trust = Trust { hops: 0, proxies, forwarded_for };
        Config { edge: Edge { trust, ..Edge::default() }, ..config() }
    };
    for (network, mode, expected) in [
        (
            "127.0.0.0/8",
            Append,
            [
                Some("6.6.6.6, 7.7.7.7,10.1.1.1,127.0.0.1"),
                Some("7.7.7.7"),
                Some("https"),
                Some("8443"),
            ],
        ),
        (
            "127.0.0.0/8",
            Preserve,
            [Some("6.6.6.6, 7.7.7.7,10.1.1.1"), Some("7.7.7.7"), Some("https"), Some("8443")],
        ),
        ("127.0.0.0/8", Remove, [None, Some("7.7.7.7"), Some("https"), Some("8443")]),
        ("192.0.2.0/24", Append, [Some("127.0.0.1"), Some("127.0.0.1"), Some("http"), None]),
        ("192.0.2.0/24", Preserve, [None, Some("127.0.0.1"), Some("http"), None]),
    ] {
        let rig = behind(&backend, trusting(network, mode)).await;
        Client::connect(rig.address()).await.exchange(get(claims)).await;
        let seen = backend.seen().pop().unwrap();
        let fields = [
            "x-forwarded-for",
            "x-envoy-external-address",
            "x-forwarded-proto",
            "x-forwarded-port",
        ];
        assert_eq!(fields.map(|name| seen.field(name)), expected, "{network} {mode:?}");
        let line = rig.log(1).await.pop().unwrap();
        assert_eq!(line["x_forwarded_for"].as_str(), expected[0]);
        let remote = line["downstream_remote_address"].as_str().unwrap();
        assert!(remote.starts_with(expected[1].unwrap()), "{remote}");
    }
}
