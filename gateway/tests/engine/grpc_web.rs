//! Clients of gRPC-Web, and backends that speak gRPC.

use crate::{
    backend::{Backend as Plain, Step},
    client::{Client, Response},
    h2_backend::{Backend, Does},
    h2_clients::{self, post, whole},
    rig::{Made, Rig, dead, forward},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use edgeway_core::{action::Action, cluster::UpstreamProtocol, table::Table};
use std::net::SocketAddr;

const STATUS: &[(&str, &str)] = &[("grpc-status", "0"), ("grpc-message", "fine")];

fn table(addresses: &[SocketAddr], protocol: UpstreamProtocol) -> Table {
    let mut made = Made::default().grpc_web();
    let cluster = made.cluster_with("a", addresses, |policy| policy.protocol = protocol);
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    made.table()
}

/// The last frame, as long as it says.
fn last_frame() -> Vec<u8> {
    let lines = b"grpc-status:0\r\ngrpc-message:fine\r\n";
    let length = u32::try_from(lines.len()).unwrap().to_be_bytes();
    [&[0x80], &length[..], lines].concat()
}

fn message(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[0], &length[..], content].concat()
}

fn head(kind: &str, accept: &str, framing: &str) -> String {
    format!(
        "POST /pkg.S/M HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: {kind}\r\n\
         Accept: {accept}\r\nX-Grpc-Web: 1\r\n{framing}\r\n\r\n"
    )
}

async fn call(client: &mut Client, kind: &str, accept: &str, body: &[u8]) -> Response {
    let head = head(kind, accept, &format!("Content-Length: {}", body.len()));
    client.exchange([head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn binary_messages_pass_and_trailers_come_as_the_last_frame() {
    let backend = Backend::doing(Does::EchoesInGrpc(STATUS)).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http2)).await;
    let mut client = Client::connect(rig.address()).await;
    for kind in ["application/grpc-web", "application/grpc-web+proto"] {
        let response = call(&mut client, kind, "*/*", &message(b"hello")).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.field("content-type"), Some("application/grpc-web+proto"));
        assert_eq!(response.body, [message(b"hello"), last_frame()].concat());
    }
    let seen = &backend.seen()[0].head.headers;
    for (name, value) in [
        ("content-type", Some("application/grpc")),
        ("te", Some("trailers")),
        ("grpc-accept-encoding", Some("identity,deflate,gzip")),
        ("content-length", None),
        ("x-grpc-web", Some("1")),
    ] {
        assert_eq!(seen.get(name).map(|value| value.to_str().unwrap()), value, "{name}");
    }
    assert_eq!(backend.accepted(), 1);
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let counted = |line: &str| {
        line.starts_with("istio_requests_total")
            && line.contains("request_protocol=\"grpc\"")
            && line.contains("grpc_response_status=\"0\"")
    };
    assert!(metrics.text().lines().any(counted), "{}", metrics.text());
}

#[tokio::test]
async fn text_is_read_and_written_as_it_comes() {
    let backend = Backend::doing(Does::EchoesInGrpc(STATUS)).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http2)).await;
    let mut client = Client::connect(rig.address()).await;
    let text = "application/grpc-web-text";
    client.send(head(text, text, "Transfer-Encoding: chunked")).await;
    let first = STANDARD.encode(message(b"a"));
    let begin = format!("{:x}\r\n{first}\r\n", first.len());
    client.send(&begin).await;
    // The answer to the first message comes before the second is sent.
    let answer = client.head().await;
    assert_eq!(answer.field("content-type"), Some("application/grpc-web-text+proto"));
    assert_eq!(client.bytes(begin.len()).await, begin.as_bytes());
    let second = STANDARD.encode(message(b"bc"));
    let (one, two) = second.split_at(3);
    for part in [one, two] {
        client.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
    }
    client.send("0\r\n\r\n").await;
    let rest = client.chunks().await;
    let expected = second + &STANDARD.encode(last_frame());
    assert_eq!(String::from_utf8(rest).unwrap(), expected);
}

#[tokio::test]
async fn text_that_is_none_is_an_error_in_grpcs_terms() {
    let backend = Backend::doing(Does::EchoesInGrpc(STATUS)).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http2)).await;
    for body in [&b"!!!!"[..], b"AAA"] {
        let mut client = Client::connect(rig.address()).await;
        // It may have begun to answer before the text turned out to be none.
        let head = head("application/grpc-web-text", "*/*", "Content-Length: 4");
        client.send([head.as_bytes(), body, &b"!"[..4 - body.len()]].concat()).await;
        match client.response_to("POST").await {
            Some(response) => assert_eq!(response.field("grpc-status"), Some("13")),
            None => assert_eq!(rig.log(1).await[0]["response_flags"], "DPE"),
        }
    }
}

#[tokio::test]
async fn errors_of_the_gateway_are_statuses_of_grpc() {
    let rig = Rig::new(table(&[dead().await], UpstreamProtocol::Http2)).await;
    let mut client = Client::connect(rig.address()).await;
    let response = call(&mut client, "application/grpc-web", "*/*", &message(b"x")).await;
    assert_eq!((response.status, response.field("grpc-status")), (200, Some("14")));
    assert_eq!(response.field("content-type"), Some("application/grpc-web+proto"));
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn answers_with_nothing_but_a_head_stay_that() {
    let fields = &[("content-type", "application/grpc"), ("grpc-status", "5")];
    let backend = Backend::doing(Does::Heads(fields)).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http2)).await;
    let mut client = Client::connect(rig.address()).await;
    let response = call(&mut client, "application/grpc-web", "*/*", &message(b"x")).await;
    assert_eq!((response.status, response.field("grpc-status")), (200, Some("5")));
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn what_is_none_of_grpc_passes_as_it_is() {
    let answer = b"HTTP/1.1 404 X\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nnone";
    let backend = Plain::new(|_| vec![Step::Send(answer.to_vec())]).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http1)).await;
    let mut client = Client::connect(rig.address()).await;
    let response = call(&mut client, "application/grpc-web", "*/*", &message(b"x")).await;
    assert_eq!((response.status, response.text()), (404, "none"));
    assert_eq!(response.field("content-type"), Some("text/plain"));
    assert_eq!(backend.seen()[0].field("content-type"), Some("application/grpc"));
}

#[tokio::test]
async fn clients_of_http2_get_no_trailers() {
    let backend = Backend::doing(Does::EchoesInGrpc(STATUS)).await;
    let rig = Rig::new(table(&[backend.address], UpstreamProtocol::Http2)).await;
    let mut client = h2_clients::Client::connect(rig.address()).await;
    let mut request = post("/pkg.S/M");
    request.headers_mut().insert("content-type", "application/grpc-web".parse().unwrap());
    let (response, mut stream) = client.send(request, true).await;
    stream.send_data(Bytes::from(message(b"hi")), true).unwrap();
    let response = whole(response.await.unwrap()).await.unwrap();
    assert_eq!(response.body, [message(b"hi"), last_frame()].concat());
    assert_eq!(response.trailers, None);
}

#[tokio::test]
async fn servers_of_other_protocols_leave_it_alone() {
    let backend = Backend::doing(Does::Echoes).await;
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[backend.address], |policy| {
        policy.protocol = UpstreamProtocol::Http2;
    });
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    let response = call(&mut client, "application/grpc-web-text", "*/*", b"any").await;
    assert_eq!(response.text(), "any");
    let seen = &backend.seen()[0].head.headers;
    assert_eq!(seen["content-type"], "application/grpc-web-text");
}
