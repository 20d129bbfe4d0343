//! The protocol of sockets for browsers: over HTTP/1.1 and as streams of HTTP/2 (RFC 8441), on either side.

use crate::{
    backend::{Backend as Plain, Step, ok},
    client::Client as PlainClient,
    h2_backend::{Backend, Does},
    h2_clients::{Client, whole},
    rig::{Made, Rig, config, forward, limited},
};
use bytes::Bytes;
use edgeway_core::{action::Action, cluster::UpstreamProtocol, table::Table};
use edgeway_gateway::{Config, edge::Limits};
use h2::{Reason, RecvStream, SendStream, ext::Protocol};
use http::{Method, Request};
use std::{net::SocketAddr, time::Duration};

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\
                      Sec-WebSocket-Protocol: chat\r\n\r\nfirst:";

/// A handshake with the key of RFC 6455, and its answer.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn table(address: SocketAddr, protocol: UpstreamProtocol) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[address], |policy| policy.protocol = protocol);
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    made.table()
}

async fn echo() -> Plain {
    Plain::new(|seen| match seen.field("upgrade") {
        Some(_) => vec![Step::Send(AGREED.into()), Step::Echo],
        None => vec![Step::Send(ok("plain"))],
    })
    .await
}

async fn echo_over_http2() -> Backend {
    Backend::offering(true, |head| match head.method {
        Method::CONNECT => Does::Tunnels,
        _ => Does::Says("plain"),
    })
    .await
}

fn connect(protocol: &'static str) -> Request<()> {
    let mut request = Request::connect("http://a.example.com/chat").body(()).unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request
}

/// A stream that has become a tunnel.
struct Tunnel {
    send: SendStream<Bytes>,
    recv: RecvStream,
    buffer: Vec<u8>,
}

impl Tunnel {
    /// Opens one; `early` is sent before there is an answer.
    async fn open(client: &mut Client, early: &'static str) -> Self {
        let (response, mut send) = client.send(connect("websocket"), true).await;
        send.send_data(Bytes::from_static(early.as_bytes()), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        for name in ["upgrade", "connection", "sec-websocket-accept", "transfer-encoding"] {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        Self { send, recv: response.into_body(), buffer: Vec::new() }
    }

    fn say(&mut self, text: &'static str) {
        self.send.send_data(Bytes::from_static(text.as_bytes()), false).unwrap();
    }

    async fn hears(&mut self, text: &str) {
        while self.buffer.len() < text.len() {
            let part = self.recv.data().await.expect("it goes on").unwrap();
            self.recv.flow_control().release_capacity(part.len()).unwrap();
            self.buffer.extend_from_slice(&part);
        }
        let rest = self.buffer.split_off(text.len());
        assert_eq!(std::mem::replace(&mut self.buffer, rest), text.as_bytes());
    }

    /// Ends our direction, and waits for the end of the other.
    async fn end(mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
        while let Some(part) = self.recv.data().await {
            assert!(part.unwrap().is_empty());
        }
        assert!(self.buffer.is_empty());
    }
}

#[tokio::test]
async fn a_stream_reaches_a_backend_of_http1() {
    let backend = echo().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http1)).await;
    let mut client = Client::connect(rig.address()).await;
    let mut tunnel = Tunnel::open(&mut client, "early ").await;
    tunnel.say("late");
    tunnel.hears("first:early late").await;
    // Streams beside it are served meanwhile.
    assert_eq!(client.get("/").await.body, b"plain");
    tunnel.say(" again");
    tunnel.hears(" again").await;
    tunnel.end().await;
    let seen = &backend.seen()[0];
    assert_eq!(seen.line(), "GET /chat HTTP/1.1");
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("connection", Some("Upgrade")),
        ("sec-websocket-version", Some("13")),
        ("transfer-encoding", None),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    assert_eq!(seen.field("sec-websocket-key").unwrap().len(), 24);
    let lines = rig.log(2).await;
    assert_eq!((&lines[1]["response_code"], &lines[1]["method"]), (&101.into(), &"GET".into()));
}

#[tokio::test]
async fn a_stream_reaches_a_backend_of_http2_as_one() {
    let backend = echo_over_http2().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http2)).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..2 {
        let mut tunnel = Tunnel::open(&mut client, "early ").await;
        tunnel.say("late");
        tunnel.hears("early late").await;
        tunnel.end().await;
    }
    assert_eq!(client.get("/").await.body, b"plain");
    assert_eq!(backend.accepted(), 1);
    let head = &backend.seen()[0].head;
    assert_eq!((&head.method, head.uri.path()), (&Method::CONNECT, "/chat"));
    assert_eq!(head.extensions.get::<Protocol>().unwrap().as_str(), "websocket");
    for name in ["upgrade", "sec-websocket-key"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_handshake_of_http1_becomes_a_stream_where_the_backend_offers_that() {
    let backend = echo_over_http2().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http2)).await;
    let mut client = PlainClient::connect(rig.address()).await;
    client.send(HANDSHAKE.to_owned() + "early ").await;
    let response = client.head().await;
    assert_eq!(response.status, 101);
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert_eq!(response.field("sec-websocket-accept"), Some(ACCEPT));
    client.send("late").await;
    assert_eq!(client.bytes(10).await, b"early late");
    client.end().await;
    assert!(client.rest().await.is_empty());
    assert_eq!(backend.seen()[0].head.method, Method::CONNECT);
}

#[tokio::test]
async fn a_backend_that_offers_no_streams_gets_a_connection() {
    // It speaks HTTP/1.1 alone, whatever its port is called.
    let backend = echo().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http2)).await;
    let mut client = PlainClient::connect(rig.address()).await;
    client.send(HANDSHAKE).await;
    assert_eq!(client.head().await.status, 101);
    client.send("late").await;
    assert_eq!(client.bytes(10).await, b"first:late");
}

#[tokio::test]
async fn what_a_backend_declines_is_declined() {
    let backend = Plain::new(|seen| match seen.line() {
        "GET /chat HTTP/1.1" => {
            vec![Step::Send(b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno".to_vec())]
        }
        _ => vec![Step::Send(ok("plain"))],
    })
    .await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http1)).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, _send) = client.send(connect("websocket"), true).await;
    let response = whole(response.await.unwrap()).await.unwrap();
    assert_eq!((response.status, &*response.body), (403, &b"no"[..]));
    // An ordinary answer must not be taken for a yes.
    let mut request = connect("websocket");
    *request.uri_mut() = "http://a.example.com/other".parse().unwrap();
    let (response, _send) = client.send(request, true).await;
    assert_eq!(response.await.unwrap().status(), 502);
}

#[tokio::test]
async fn other_protocols_are_refused() {
    let backend = echo().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http1)).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, _send) = client.send(connect("connect-udp"), true).await;
    assert_eq!(response.await.unwrap().status(), 403);
    let plain = Request::connect("a.example.com:443").body(()).unwrap();
    let (response, _send) = client.send(plain, true).await;
    assert_eq!(response.await.unwrap().status(), 404);
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn silence_ends_no_tunnel() {
    let (one, two) = (echo().await, echo_over_http2().await);
    let short = Duration::from_millis(20);
    for table in
        [table(one.address, UpstreamProtocol::Http1), table(two.address, UpstreamProtocol::Http2)]
    {
        let config =
            limited(Limits { idle_timeout: short, head_timeout: short, ..Limits::default() });
        let rig = Rig::with(table, config).await;
        let mut plain = PlainClient::connect(rig.address()).await;
        plain.send(HANDSHAKE).await;
        assert_eq!(plain.head().await.status, 101);
        let mut client = Client::connect(rig.address()).await;
        let mut tunnel = Tunnel::open(&mut client, "").await;
        // Many times as long as anything else may be silent.
        tokio::time::sleep(short * 20).await;
        plain.send("still").await;
        tunnel.say("still");
        while !plain.bytes(1).await.ends_with(b"l") {}
        while !tunnel.buffer.ends_with(b"still") {
            tunnel.buffer.extend(tunnel.recv.data().await.unwrap().unwrap());
        }
    }
}

#[tokio::test]
async fn a_drain_waits_for_tunnels_and_not_for_ever() {
    let backend = echo().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http1)).await;
    let mut plain = PlainClient::connect(rig.address()).await;
    plain.send(HANDSHAKE).await;
    assert_eq!(plain.head().await.status, 101);
    let mut client = Client::connect(rig.address()).await;
    let mut tunnel = Tunnel::open(&mut client, "").await;
    rig.shutdown.cancel();
    while tokio::net::TcpStream::connect(rig.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    plain.send("still").await;
    assert_eq!(plain.bytes(11).await, b"first:still");
    tunnel.say("still");
    tunnel.hears("first:still").await;
    plain.end().await;
    tunnel.end().await;
    rig.running.stopped().await;

    let deadline = Config { drain_deadline: Duration::from_millis(50), ..config() };
    let rig = Rig::with(table(backend.address, UpstreamProtocol::Http1), deadline).await;
    let mut plain = PlainClient::connect(rig.address()).await;
    plain.send(HANDSHAKE).await;
    assert_eq!(plain.head().await.status, 101);
    rig.stop().await;
    assert_eq!(plain.rest().await, b"first:");
}

#[tokio::test]
async fn a_tunnel_called_off_ends_at_the_backend() {
    let backend = echo().await;
    let rig = Rig::new(table(backend.address, UpstreamProtocol::Http1)).await;
    let mut client = Client::connect(rig.address()).await;
    let mut tunnel = Tunnel::open(&mut client, "").await;
    tunnel.hears("first:").await;
    tunnel.send.send_reset(Reason::CANCEL);
    backend.ended(1).await;
    assert_eq!(client.get("/").await.body, b"plain");
}
