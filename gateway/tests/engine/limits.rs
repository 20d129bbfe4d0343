//! What clients may cost: connections, requests, heads, time, memory.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    frames::{Came, Frames},
    h2::FIELDS,
    h2_clients,
    rig::{Made, Rig, direct, limited},
};
use edgeway_gateway::{
    Config,
    edge::{Edge, HeadLimits, Http2Limits, Limits, MemoryLimit, Trust},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpSocket, sync::watch};

const REFUSED: &str = "edgeway_refused_connections_total";
const ENDED: &str = "edgeway_ended_connections_total";

async fn saying(text: &str, config: Config) -> Rig {
    let mut made = Made::default();
    made.route("/", direct(200, text));
    Rig::with(made.table(), config).await
}

async fn count(rig: &Rig, family: &str, reason: &str) -> u64 {
    let value = rig.metric(&format!("{family}{{reason=\"{reason}\"}}")).await;
    format!("{value}").parse().unwrap()
}

/// A client that is served, once there is room for it.
async fn served(address: SocketAddr) -> Client {
    loop {
        let mut client = Client::connect(address).await;
        client.try_send(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
        if client.response_to("GET").await.is_some() {
            return client;
        }
    }
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be() {
    let rig = saying("yes", limited(Limits { connections: Some(2), ..Limits::default() })).await;
    let (one, mut two) = (served(rig.address()).await, served(rig.address()).await);
    let mut three = Client::connect(rig.address()).await;
    assert!(three.response_to("GET").await.is_none());
    assert_eq!(two.get("/").await.text(), "yes");
    assert_eq!(count(&rig, REFUSED, "connections").await, 1);
    drop(one);
    served(rig.address()).await;
}

#[tokio::test]
async fn a_client_has_no_more_connections_than_it_may_but_a_proxy_has() {
    let limits = Limits { connections_per_client: Some(1), ..Limits::default() };
    let rig = saying("yes", limited(limits.clone())).await;
    let _one = served(rig.address()).await;
    let mut two = Client::connect(rig.address()).await;
    assert!(two.response_to("GET").await.is_none());
    assert_eq!(count(&rig, REFUSED, "connections_per_client").await, 1);
    let other = TcpSocket::new_v4().unwrap();
    other.bind(([127, 0, 0, 7], 0).into()).unwrap();
    let other = other.connect(rig.address()).await.unwrap();
    assert_eq!(Client::over(other).get("/").await.text(), "yes");

    let proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let edge = Edge { trust: Trust { proxies, ..Trust::default() }, limits, ..Edge::default() };
    let rig = saying("yes", Config { edge, ..crate::rig::config() }).await;
    let (mut one, mut two) =
        (Client::connect(rig.address()).await, Client::connect(rig.address()).await);
    assert_eq!(one.get("/").await.text(), "yes");
    assert_eq!(two.get("/").await.text(), "yes");
}

#[tokio::test]
async fn a_connection_ends_with_its_last_request() {
    let limits = Limits { requests_per_connection: Some(2), ..Limits::default() };
    let rig = saying("yes", limited(limits)).await;
    let mut client = Client::connect(rig.address()).await;
    assert_eq!(client.get("/").await.field("connection"), None);
    assert_eq!(client.get("/").await.field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
    assert_eq!(count(&rig, ENDED, "requests").await, 1);

    let mut client = h2_clients::Client::connect(rig.address()).await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 200);
    client.connection.await.unwrap().unwrap();
    assert_eq!(count(&rig, ENDED, "requests").await, 2);
}

#[tokio::test]
async fn heads_have_limits_in_both_protocols_and_are_counted_and_logged() {
    let head = HeadLimits { bytes: 1000, fields: 5, target: 50 };
    let rig = saying("yes", limited(Limits { head, ..Limits::default() })).await;
    let many = "x-a: 1\r\n".repeat(6);
    for (at, (path, fields, status, reason)) in [
        ("/".to_owned(), many, 431, "too_many_fields"),
        ("/".to_owned(), format!("x: {}\r\n", "y".repeat(1000)), 431, "head_too_large"),
        (format!("/{}", "y".repeat(50)), String::new(), 414, "target_too_long"),
        (format!("/{}", "y".repeat(5000)), String::new(), 414, "target_too_long"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::connect(rig.address()).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.example.com\r\n{fields}\r\n");
        client.try_send(request.as_bytes()).await;
        assert_eq!(client.response().await.status, status, "{reason}");
        assert!(count(&rig, "edgeway_refused_requests_total", reason).await > 0, "{reason}");
        let line = rig.log(at + 1).await.pop().unwrap();
        assert_eq!(
            (&line["response_code"], &line["response_flags"]),
            (&status.into(), &"DPE".into())
        );
    }
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let mut lines = metrics.text().lines().filter(|line| line.starts_with("istio_requests_total"));
    let counted = lines.find(|line| line.contains("response_code=\"414\"")).unwrap();
    assert!(counted.ends_with(" 2") && counted.contains("response_flags=\"DPE\""), "{counted}");

    let mut client = h2_clients::Client::connect(rig.address()).await;
    assert_eq!(client.get(&format!("/{}", "y".repeat(50))).await.status, 414);
    let mut request = h2_clients::get("/");
    for n in 0..6 {
        let name: http::HeaderName = format!("x-{n}").parse().unwrap();
        request.headers_mut().insert(name, "1".parse().unwrap());
    }
    let (response, _) = client.send(request, false).await;
    assert_eq!(response.await.unwrap().status(), 431);
}

#[tokio::test]
async fn streams_and_windows_are_announced() {
    let http2 = Http2Limits { streams: 7, stream_window: 70_000, ..Http2Limits::default() };
    let rig = saying("yes", limited(Limits { http2, ..Limits::default() })).await;
    let mut client = h2_clients::Client::connect(rig.address()).await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.requests.current_max_send_streams(), 7);
    let (_, mut stream) = client.send(h2_clients::post("/"), true).await;
    stream.reserve_capacity(1_000_000);
    let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
    assert_eq!(room, 70_000);
}

#[tokio::test]
async fn an_attack_of_resets_is_counted() {
    let http2 = Http2Limits { resets: 20, ..Http2Limits::default() };
    let (_hold, until) = watch::channel(false);
    let backend = Backend::new(move |_| vec![Step::Wait(until.clone())]).await;
    let table = Made::forwarding(&[backend.address]).table();
    let rig = Rig::with(table, limited(Limits { http2, ..Limits::default() })).await;
    // In a burst, of which the session learns before we do; and one after the other.
    for pause in [false, true] {
        let mut frames = Frames::connect(rig.address()).await;
        for at in 0..200 {
            frames.request(2 * at + 1, &FIELDS, true).await;
            if pause {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            frames.reset(2 * at + 1).await;
        }
        let code = h2::Reason::ENHANCE_YOUR_CALM.into();
        let came = frames.outcome(u32::MAX).await;
        // The farewell may be lost with what the client still sends.
        assert!([Came::End(Some(code)), Came::End(None)].contains(&came), "{came:?}");
    }
    assert_eq!(count(&rig, ENDED, "resets").await, 2);
}

/// Much more than sockets hold.
fn much() -> Vec<u8> {
    ok(&"x".repeat(32 * 1024 * 1024))
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let backend = Backend::new(|_| vec![Step::Send(much())]).await;
    let short = Some(Duration::from_millis(200));
    let table = || Made::forwarding(&[backend.address]).table();
    let rig =
        Rig::with(table(), limited(Limits { write_timeout: short, ..Limits::default() })).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!(line["response_flags"], "SI");
    assert_eq!(line["response_code_details"], "downstream_write_timeout");
    assert_eq!(count(&rig, ENDED, "write_timeout").await, 1);
    assert!(client.response_to("GET").await.is_none());

    // Over HTTP/2 only the stream ends.
    let mut client = h2_clients::Client::connect(rig.address()).await;
    let (response, _) = client.send(h2_clients::get("/"), false).await;
    let mut body = response.await.unwrap().into_body();
    let reset = loop {
        match body.data().await {
            // Nothing is released.
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it ended"),
        }
    };
    assert!(reset.is_reset() && reset.is_remote(), "{reset}");
    assert_eq!(client.get("/.well-known/edgeway/health").await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_waited_for() {
    let backend = Backend::new(|_| vec![Step::Send(much())]).await;
    let table = Made::forwarding(&[backend.address]).table();
    let limits = Limits { write_timeout: Some(Duration::from_secs(2)), ..Limits::default() };
    let rig = Rig::with(table, limited(limits)).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    for _ in 0..4 {
        client.bytes(1024 * 1024).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    drop(client);
    assert_eq!(rig.log(1).await[0]["response_flags"], "DC");
}

#[tokio::test]
async fn a_request_of_which_nothing_moves_ends() {
    let (_hold, until) = watch::channel(false);
    let backend = Backend::new(move |_| vec![Step::Wait(until.clone())]).await;
    let table = Made::forwarding(&[backend.address]).table();
    let short = Some(Duration::from_millis(200));
    let limits = Limits { stream_idle_timeout: short, ..Limits::default() };
    let rig = Rig::with(table, limited(limits)).await;
    for (at, (request, status)) in [
        ("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n", 504),
        ("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 9\r\n\r\nabc", 408),
    ]
    .into_iter()
    .enumerate()
    {
        let response = Client::connect(rig.address()).await.exchange(request).await;
        assert_eq!((response.status, response.text()), (status, "stream timeout"));
        let line = rig.log(at + 1).await.pop().unwrap();
        assert_eq!(line["response_flags"], "SI");
        assert_eq!(line["response_code_details"], "stream_idle_timeout");
    }
    assert_eq!(count(&rig, ENDED, "stream_idle_timeout").await, 2);
}

#[tokio::test]
async fn where_memory_is_short_requests_are_turned_away_and_readiness_stays() {
    // No process is that small.
    let limits = Limits { memory: MemoryLimit::Bytes(1), ..Limits::default() };
    let rig = saying("yes", limited(limits)).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.get("/").await;
    assert_eq!((response.status, response.text()), (503, "envoy overloaded"));
    assert_eq!(response.field("retry-after"), Some("1"));
    assert_eq!(response.field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!((&line["response_flags"], &line["response_code"]), (&"OM".into(), &503.into()));
    let mut client = h2_clients::Client::connect(rig.address()).await;
    assert_eq!(client.get("/").await.status, 503);
    client.connection.await.unwrap().unwrap();
    assert_eq!(rig.metric("edgeway_shed_requests_total").await.to_string(), "2");
    assert_eq!(rig.metric("edgeway_memory_short").await.to_string(), "1");
    for path in ["/.well-known/edgeway/health", "/AWS.ALB/healthcheck"] {
        assert_eq!(Client::connect(rig.address()).await.get(path).await.status, 200, "{path}");
    }
    assert_eq!(Rig::ask(rig.running.status, "/healthz/ready").await.status, 200);
}

#[tokio::test]
async fn unused_connections_are_counted_when_they_end() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let rig = saying("yes", limited(limits)).await;
    assert!(Client::connect(rig.address()).await.rest().await.is_empty());
    assert_eq!(count(&rig, ENDED, "idle_timeout").await, 1);
}
