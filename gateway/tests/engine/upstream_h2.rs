//! Backends that speak HTTP/2, and gRPC through all of it.

use crate::{
    backend::{Backend as Plain, Step, ok},
    client::Client as PlainClient,
    h2_backend::{Backend, Does, send, send_with_trailers},
    h2_clients::{Client, get, post, whole},
    rig::{Made, Rig, forward},
};
use bytes::Bytes;
use edgeway_core::{
    action::Action,
    cluster::{ClusterPolicy, UpstreamProtocol},
    table::Table,
};
use h2::Reason;
use http::{HeaderMap, HeaderValue, Request};
use std::{future::poll_fn, net::SocketAddr};
use tokio::sync::watch;

fn table(addresses: &[SocketAddr], change: impl FnOnce(&mut ClusterPolicy)) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", addresses, |policy| {
        policy.protocol = UpstreamProtocol::Http2;
        change(policy);
    });
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    made.table()
}

async fn rig(backend: &Backend) -> Rig {
    Rig::new(table(&[backend.address], |_| {})).await
}

fn grpc(path: &str) -> Request<()> {
    let mut request = post(path);
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    request
}

fn status(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), value.parse().unwrap())])
}

#[tokio::test]
async fn requests_share_a_connection() {
    let backend = Backend::doing(Does::Says("hello")).await;
    let rig = rig(&backend).await;
    let mut client = PlainClient::connect(rig.address()).await;
    for _ in 0..3 {
        client.send("GET /x?q HTTP/1.1\r\nHost: a.example.com\r\nX-A: b\r\n\r\n").await;
        let response = client.response().await;
        assert_eq!((response.status, &*response.body), (200, &b"hello"[..]));
    }
    assert_eq!(backend.accepted(), 1);
    let head = &backend.seen()[0].head;
    assert_eq!(head.uri, "http://a.example.com/x?q");
    assert_eq!(head.headers["x-a"], "b");
    for name in ["host", "connection", "transfer-encoding"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn many_at_once_wait_for_one_connection() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::doing(Does::Waits(gate, "late")).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let mut responses = Vec::new();
    for _ in 0..20 {
        responses.push(client.send(get("/"), false).await.0);
    }
    open.send_replace(true);
    for response in responses {
        assert_eq!(whole(response.await.unwrap()).await.unwrap().body, b"late");
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn grpc_streams_both_ways_with_trailers() {
    let backend = Backend::doing(Does::Echoes).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(grpc("/svc/Chat"), true).await;
    let mut response = response.await.unwrap();
    // Each message comes back before the next is sent.
    for _ in 0..3 {
        stream.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), false).unwrap();
        let part = response.body_mut().data().await.unwrap().unwrap();
        assert_eq!(&*part, b"\0\0\0\0\x02hi");
    }
    stream.send_trailers(status("0")).unwrap();
    assert!(response.body_mut().data().await.is_none());
    let trailers = response.body_mut().trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(backend.seen()[0].head.headers["te"], "trailers");
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("request_protocol=\"grpc\""), "{metrics}");
}

#[tokio::test]
async fn clients_of_grpc_say_how_long_they_wait() {
    let (_open, gate) = watch::channel(false);
    let backend = Backend::doing(Does::Waits(gate, "late")).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let mut request = grpc("/svc/Get");
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("100m"));
    let (response, mut stream) = client.send(request, true).await;
    stream.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    let response = whole(response.await.unwrap()).await.unwrap();
    assert_eq!((response.status, &response.headers["grpc-status"]), (200, &"14".parse().unwrap()));
    assert_eq!(response.headers["grpc-message"], "upstream request timeout");
}

#[tokio::test]
async fn trailers_of_requests_arrive() {
    let backend = Backend::doing(Does::Says("x")).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(post("/"), true).await;
    send_with_trailers(&mut stream, Bytes::from_static(b"abc"), status("7")).await;
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(backend.trailers()[0]["grpc-status"], "7");
}

#[tokio::test]
async fn trailers_only_answers_pass() {
    let fields = &[("content-type", "application/grpc"), ("grpc-status", "5")];
    let backend = Backend::doing(Does::Heads(fields)).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(grpc("/svc/Get"), true).await;
    stream.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    let response = whole(response.await.unwrap()).await.unwrap();
    assert_eq!((response.status, &response.headers["grpc-status"]), (200, &"5".parse().unwrap()));
    assert_eq!((response.trailers, response.body.len()), (None, 0));
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let backend = Backend::doing(Does::Echoes).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let size = 20 << 20;
    let (response, mut stream) = client.send(post("/"), true).await;
    let sending = send(&mut stream, Bytes::from(vec![b'y'; size]));
    let ((), response) = tokio::join!(sending, async { whole(response.await?).await });
    assert!(response.unwrap().body == vec![b'y'; size]);
}

#[tokio::test]
async fn what_was_refused_is_tried_again() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let backend = Backend::new(move |_| {
        let before = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if before == 0 { Does::Resets(Reason::REFUSED_STREAM) } else { Does::Says("second") }
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(post("/"), true).await;
    stream.send_data(Bytes::from_static(b"x"), true).unwrap();
    assert_eq!(whole(response.await.unwrap()).await.unwrap().body, b"second");
    assert_eq!(backend.seen()[1].head.headers["x-envoy-attempt-count"], "2");
}

#[tokio::test]
async fn a_reset_is_an_error_and_costs_nobody_else() {
    let (break_off, gate) = watch::channel(false);
    let backend = Backend::new(move |head| match head.uri.path() {
        "/reset" => Does::Resets(Reason::INTERNAL_ERROR),
        "/break" => Does::Breaks(gate.clone()),
        _ => Does::Says("fine"),
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.get("/reset").await;
    assert_eq!(response.status, 503);
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset"
    );
    let (response, _) = client.send(get("/break"), false).await;
    let response = response.await.unwrap();
    break_off.send_replace(true);
    assert!(whole(response).await.unwrap_err().is_reset());
    assert_eq!(client.get("/").await.body, b"fine");
    assert_eq!(backend.accepted(), 1);
    assert_eq!(rig.log(1).await[0]["response_flags"], "UR");
}

#[tokio::test]
async fn a_backend_that_leaves_costs_no_request() {
    let backend = Backend::doing(Does::SaysAndLeaves).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    for count in 1..4 {
        assert_eq!(client.get("/").await.body, b"bye");
        backend.ended(count).await;
    }
    assert_eq!(backend.accepted(), 3);
}

#[tokio::test]
async fn a_connection_carries_as_many_as_it_may() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::doing(Does::Waits(gate, "x")).await;
    let table = table(&[backend.address], |policy| policy.http2.max_concurrent_streams = Some(2));
    let rig = Rig::new(table).await;
    let mut client = Client::connect(rig.address()).await;
    let mut responses = Vec::new();
    for count in 1..=8 {
        responses.push(client.send(get("/"), false).await.0);
        while backend.seen().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    open.send_replace(true);
    for response in responses {
        assert_eq!(response.await.unwrap().status(), 200);
    }
    assert_eq!(backend.accepted(), 4);
}

#[tokio::test]
async fn a_connection_serves_as_many_as_it_may() {
    let backend = Backend::doing(Does::Says("x")).await;
    let table = table(&[backend.address], |policy| policy.max_requests_per_connection = 3);
    let rig = Rig::new(table).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let connections: Vec<_> = backend.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1, 1, 2, 2]);
    backend.ended(2).await;
}

#[tokio::test]
async fn endpoints_can_be_spoken_to_as_clients_speak() {
    let two = Backend::doing(Does::Says("two")).await;
    let rig =
        Rig::new(table(&[two.address], |policy| policy.protocol = UpstreamProtocol::AsClient))
            .await;
    assert_eq!(Client::connect(rig.address()).await.get("/").await.body, b"two");

    let one = Plain::new(|_| vec![Step::Send(ok("one"))]).await;
    let rig =
        Rig::new(table(&[one.address], |policy| policy.protocol = UpstreamProtocol::AsClient))
            .await;
    let mut client = PlainClient::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    assert_eq!(client.response().await.body, b"one");
}

#[tokio::test]
async fn who_does_not_speak_http2_is_an_error() {
    let backend = Plain::saying("what?").await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let response = Client::connect(rig.address()).await.get("/").await;
    assert!(matches!(response.status, 502 | 503), "{response:?}");
}

#[tokio::test]
async fn a_client_that_calls_off_frees_the_stream() {
    let (_open, gate) = watch::channel(false);
    let backend = Backend::new(move |head| match head.uri.path() {
        "/held" => Does::Waits(gate.clone(), "x"),
        _ => Does::Says("fine"),
    })
    .await;
    let table = table(&[backend.address], |policy| policy.http2.max_concurrent_streams = Some(1));
    let rig = Rig::new(table).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(get("/held"), false).await;
    while backend.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    stream.send_reset(Reason::CANCEL);
    drop(response);
    assert_eq!(rig.log(1).await[0]["response_flags"], "DR");
    assert_eq!(client.get("/").await.body, b"fine");
    assert_eq!(backend.accepted(), 1);
    let _ = poll_fn(|cx| client.requests.poll_ready(cx)).await;
}
