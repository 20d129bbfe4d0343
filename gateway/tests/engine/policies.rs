//! What routes, clusters and the configuration ask for beyond a destination.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    rig::{Made, Rig, config, forward, limited},
};
use edgeway_core::{
    action::{Action, Forward, HeaderOps, Ops, Rewrite, forward::PathRewrite, template::Template},
    cluster::{Balance, ClusterPolicy},
    table::Table,
};
use edgeway_gateway::{
    Config,
    edge::{Edge, Limits, Trust},
};
use http::HeaderName;
use std::{net::SocketAddr, time::Duration};
use tokio::sync::watch;

fn table(
    endpoints: &[SocketAddr],
    policy: impl FnOnce(&mut ClusterPolicy),
    change: impl FnOnce(&mut Forward),
) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", endpoints, policy);
    let mut forward = forward(&[(1, Some(cluster))]);
    change(&mut forward);
    made.route("/", Action::Forward(Box::new(forward)));
    made.table()
}

fn pair(name: &'static str, template: &str) -> (HeaderName, Template) {
    (HeaderName::from_static(name), Template::parse(template).unwrap())
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_refused() {
    let config = limited(Limits { head_timeout: Duration::from_millis(50), ..Limits::default() });
    let rig = Rig::with(Made::default().table(), config).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.exam").await;
    let response = client.response().await;
    assert_eq!((response.status, response.field("connection")), (408, Some("close")));
    assert_eq!(rig.log(1).await[0]["response_code_details"], "request_header_timeout");
}

#[tokio::test]
async fn connections_that_are_not_used_are_ended() {
    let config = limited(Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() });
    let rig = Rig::with(Made::default().table(), config).await;
    let fresh = Client::connect(rig.address()).await;
    assert!(fresh.rest().await.is_empty());
    let mut used = Client::connect(rig.address()).await;
    assert_eq!(used.get("/").await.status, 404);
    assert!(used.rest().await.is_empty());
}

#[tokio::test]
async fn trusted_proxies_are_believed() {
    let backend = Backend::saying("").await;
    let edge = Edge { trust: Trust::hops(1), ..Edge::default() };
    let config = Config { edge, ..config() };
    let rig = Rig::with(Made::forwarding(&[backend.address]).table(), config).await;
    let mut client = Client::connect(rig.address()).await;
    let request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n\
                   X-Forwarded-Proto: https\r\n\r\n";
    client.exchange(request).await;
    let seen = &backend.seen()[0];
    for (name, value) in [
        ("x-forwarded-for", "9.9.9.9, 1.2.3.4,127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-external-address", "1.2.3.4"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn fields_and_path_are_changed_on_the_way() {
    let backend = Backend::new(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nx-gone: 1\r\ncontent-length: 0\r\n\r\n".to_vec())]
    })
    .await;
    let rig = Rig::new(table(
        &[backend.address],
        |_| {},
        |forward| {
            let path = PathRewrite::Prefix { matched: 1, with: "/v2/".into() };
            forward.rewrite = Rewrite { path, authority: Some("b.internal".into()) };
            forward.headers = HeaderOps {
                request: Ops {
                    remove: vec![HeaderName::from_static("x-secret")],
                    set: vec![pair("x-from", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")],
                    add: vec![pair("x-agent", "is %REQ(user-agent)%")],
                    host: None,
                },
                response: Ops {
                    remove: vec![HeaderName::from_static("x-gone")],
                    set: vec![pair("x-code", "%RESPONSE_CODE% via %UPSTREAM_HOST%")],
                    ..Ops::default()
                },
            };
            // What frames the message is not the route's to change.
            forward.headers.request.set.push(pair("content-length", "7"));
            forward.headers.response.set.push(pair("content-length", "7"));
        },
    ))
    .await;
    let mut client = Client::connect(rig.address()).await;
    let request = "POST /x?q HTTP/1.1\r\nHost: a.example.com\r\nUser-Agent: t\r\nX-Secret: 1\r\n\
                   Content-Length: 2\r\n\r\nhi";
    let response = client.exchange(request).await;
    let seen = &backend.seen()[0];
    assert_eq!((seen.line(), &*seen.body), ("POST /v2/x?q HTTP/1.1", &b"hi"[..]));
    for (name, value) in [
        ("host", Some("b.internal")),
        ("x-secret", None),
        ("x-from", Some("127.0.0.1")),
        ("x-agent", Some("is t")),
        ("x-envoy-original-path", Some("/x?q")),
        ("x-envoy-original-host", Some("a.example.com")),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    assert_eq!(response.field("x-gone"), None);
    let expected = format!("200 via {}", backend.address);
    assert_eq!(response.field("x-code"), Some(&*expected));
    assert_eq!(rig.log(1).await[0]["path"], "/x?q");
}

#[tokio::test]
async fn a_connection_to_an_endpoint_serves_only_so_many_requests() {
    let backend = Backend::saying("").await;
    let rig =
        Rig::new(table(&[backend.address], |p| p.max_requests_per_connection = 3, |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..7 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(backend.accepted(), 3);
}

#[tokio::test]
async fn an_unused_connection_to_an_endpoint_is_closed_in_time() {
    let backend = Backend::saying("").await;
    let idle = Duration::from_millis(50);
    let rig = Rig::new(table(&[backend.address], |p| p.idle_timeout = idle, |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    client.get("/").await;
    backend.ended(1).await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(backend.accepted(), 2);
}

#[tokio::test]
async fn least_request_keeps_away_from_the_busy() {
    let (go, until) = watch::channel(false);
    let busy = Backend::new(move |_| vec![Step::Wait(until.clone()), Step::Send(ok("busy"))]).await;
    let free = Backend::saying("free").await;
    let endpoints = [busy.address, free.address];
    let least = |policy: &mut ClusterPolicy| policy.balance = Balance::LeastRequest;
    let rig = Rig::new(table(&endpoints, least, |_| {})).await;
    // Until one request hangs at the busy one.
    let mut hanging = Vec::new();
    while busy.seen().is_empty() {
        let mut client = Client::connect(rig.address()).await;
        client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
        let answered = tokio::select! {
            response = client.response() => Some(response),
            () = async { while busy.seen().is_empty() { tokio::task::yield_now().await; } } => None,
        };
        if answered.is_none() {
            hanging.push(client);
        }
    }
    // Another goes there only if both draws fall on it: once in four times.
    let mut client = Client::connect(rig.address()).await;
    let mut quick = 0;
    for _ in 0..400 {
        client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
        let before = busy.seen().len();
        tokio::select! {
            _ = client.response() => quick += 1,
            () = async { while busy.seen().len() == before { tokio::task::yield_now().await; } } => {
                hanging.push(std::mem::replace(&mut client, Client::connect(rig.address()).await));
            }
        }
    }
    go.send(true).unwrap();
    for mut client in hanging {
        assert_eq!(client.response().await.text(), "busy");
    }
    // Five standard deviations below three quarters, and above the half that chance would give.
    assert!(quick >= 255, "{quick} of 400");
}
