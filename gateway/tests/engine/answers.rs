//! What the gateway itself answers.

use crate::{
    backend::{Backend, Step},
    client::Client,
    rig::{Made, Rig, direct, forward, redirect},
};
use edgeway_core::{
    action::{
        Action,
        cors::Cors,
        fault::{Abort, AbortStatus, Delay, Fault, WHOLE},
    },
    matcher::Text,
};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn answers_are_envoys_and_so_are_their_log_lines() {
    let mut made = Made::default();
    let empty = made.cluster("empty", &[]);
    made.route("/none", Action::Forward(Box::new(forward(&[(1, None)]))));
    made.route("/empty", Action::Forward(Box::new(forward(&[(1, Some(empty))]))));
    made.route("/direct", direct(418, "teapot"));
    made.route("/bare", direct(200, ""));
    made.route("/moved", redirect(302, "b.example.com"));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    for (at, (path, status, body, flags, details)) in [
        ("/x", 404, "", "NR", "route_not_found"),
        ("/none", 503, "", "NC", "cluster_not_found"),
        ("/empty", 503, "no healthy upstream", "UH", "no_healthy_upstream"),
        ("/direct", 418, "teapot", "-", "direct_response"),
        ("/bare", 200, "", "-", "direct_response"),
        ("/moved?q", 302, "", "-", "direct_response"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = client.get(path).await;
        assert_eq!((response.status, response.text()), (status, body), "{path}");
        let kind = if body.is_empty() { None } else { Some("text/plain") };
        assert_eq!(response.field("content-type"), kind, "{path}");
        assert_eq!(response.field("server"), Some("istio-envoy"), "{path}");
        assert!(response.field("date").is_some(), "{path}");
        if path == "/moved?q" {
            assert_eq!(response.field("location"), Some("http://b.example.com/moved?q"));
        }
        let line = rig.log(at + 1).await.pop().unwrap();
        assert_eq!(line["response_code"], status, "{path}");
        assert_eq!(line["response_flags"], flags, "{path}");
        assert_eq!(line["response_code_details"], details, "{path}");
        assert_eq!(line["path"], path);
    }
}

#[tokio::test]
async fn faults_are_injected_before_anything_else_is_done() {
    let backend = Backend::saying("fine").await;
    let mut made = Made::default();
    let cluster = made.cluster("a", &[backend.address]);
    let mut with = |path, delay: Option<Delay>, abort| {
        let mut forward = forward(&[(1, Some(cluster))]);
        // What is held up on purpose does not count.
        forward.timeout = delay.map(|_| Duration::from_millis(1));
        forward.fault = Some(Fault { delay, abort });
        made.route(path, Action::Forward(Box::new(forward)));
    };
    let abort = |status| Some(Abort { status, share: WHOLE });
    with("/http", None, abort(AbortStatus::Http(418)));
    with("/grpc", None, abort(AbortStatus::Grpc(14)));
    with(
        "/both",
        Some(Delay { time: Duration::from_millis(20), share: WHOLE }),
        abort(AbortStatus::Http(500)),
    );
    with("/never", None, Some(Abort { status: AbortStatus::Http(418), share: 0 }));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    for (at, (path, status, text, flags)) in [
        ("/http", 418, "fault filter abort", "FI"),
        ("/grpc", 200, "fault filter abort", "FI"),
        ("/both", 500, "fault filter abort", "DI,FI"),
        ("/never", 200, "fine", "-"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = client.get(path).await;
        assert_eq!((response.status, response.text()), (status, text), "{path}");
        let line = rig.log(at + 1).await.pop().unwrap();
        assert_eq!(line["response_flags"], flags, "{path}");
        let held_up = line["duration"].as_u64().unwrap() >= 20;
        assert!(held_up || path != "/both", "{line}");
    }
    let request = "POST /grpc HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: application/grpc\r\n\
                   Content-Length: 0\r\n\r\n";
    let response = client.exchange(request).await;
    assert_eq!((response.status, response.field("grpc-status")), (200, Some("14")));
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn preflights_are_answered_and_other_requests_marked() {
    let backend = Backend::new(|_| {
        let head =
            "HTTP/1.1 200 OK\r\naccess-control-allow-origin: theirs\r\ncontent-length: 0\r\n\r\n";
        vec![Step::Send(head.into())]
    })
    .await;
    let mut made = Made::default();
    let cluster = made.cluster("a", &[backend.address]);
    let mut forward = forward(&[(1, Some(cluster))]);
    forward.cors = Some(Box::new(Cors {
        origins: vec![Text::Exact("https://ok.org".into())],
        methods: Some("GET,PUT".parse().unwrap()),
        ..Cors::default()
    }));
    made.route("/", Action::Forward(Box::new(forward)));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    for (method, origin, allowed, methods, asked) in [
        ("OPTIONS", "https://ok.org", "https://ok.org", Some("GET,PUT"), 0),
        ("GET", "https://ok.org", "https://ok.org", None, 1),
        ("GET", "https://bad.org", "theirs", None, 2),
        ("OPTIONS", "https://bad.org", "theirs", None, 3),
    ] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a.example.com\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: PUT\r\n\r\n"
        );
        let response = client.exchange(request).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.field("access-control-allow-origin"), Some(allowed), "{origin}");
        assert_eq!(response.field("access-control-allow-methods"), methods, "{method} {origin}");
        assert_eq!(backend.seen().len(), asked, "{method} {origin}");
    }
}

#[tokio::test]
async fn unknown_hosts_get_404() {
    let rig = Rig::new(Made::default().table()).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.exchange("GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n").await;
    assert_eq!((response.status, response.field("content-length")), (404, Some("0")));
    assert_eq!(rig.log(1).await[0]["route_name"], Value::Null);
}

#[tokio::test]
async fn a_host_that_wants_https_says_so_for_every_path() {
    let rig = Rig::new(Made::default().https_redirect().table()).await;
    let mut client = Client::connect(rig.address()).await;
    let request = "POST /x?q HTTP/1.1\r\nHost: a.example.com:80\r\nContent-Length: 2\r\n\r\nhi";
    let response = client.exchange(request).await;
    assert_eq!(response.status, 301);
    assert_eq!(response.field("location"), Some("https://a.example.com:80/x?q"));
    // The body that nobody wanted was read: the connection serves on.
    assert_eq!(client.get("/").await.status, 301);
}

#[tokio::test]
async fn a_body_that_is_still_coming_ends_the_connection() {
    let rig = Rig::new(Made::default().table()).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 9\r\n\r\nhi").await;
    let response = client.response().await;
    assert_eq!((response.status, response.field("connection")), (404, Some("close")));
    client.end().await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn grpc_clients_get_grpc_errors() {
    let rig = Rig::new(Made::default().table()).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client
        .exchange(
            "POST /s/m HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: application/grpc\r\n\
             Content-Length: 0\r\n\r\n",
        )
        .await;
    assert_eq!((response.status, response.field("grpc-status")), (200, Some("12")));
}

#[tokio::test]
async fn health_is_told_on_every_port_before_any_route() {
    let backend = Backend::saying("not health").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    for path in ["/.well-known/edgeway/health", "/AWS.ALB/healthcheck"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
        let response = client.exchange(request).await;
        assert_eq!((response.status, response.text()), (200, ""), "{path}");
    }
    assert_eq!(client.get("/").await.text(), "not health");
    // Nobody wants to read of health checks.
    assert_eq!(rig.log(1).await.len(), 1);
}
