//! What crosses the gateway, and how.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    rig::{Made, Rig},
};

async fn rig(backend: &Backend) -> Rig {
    Rig::new(Made::forwarding(&[backend.address]).table()).await
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let backend = Backend::saying("hello").await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..3 {
        assert_eq!(client.get("/x?q=1").await.text(), "hello");
    }
    assert_eq!(backend.accepted(), 1);
    assert_eq!(backend.seen().len(), 3);
}

#[tokio::test]
async fn the_endpoint_sees_what_envoy_would_send() {
    let backend = Backend::saying("").await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "GET /a/../p?q HTTP/1.1\r\nHost: A.example.com:80\r\nUser-Agent: t\r\n\
             Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nX-Forwarded-For: 1.1.1.1\r\n\
             X-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nX-Envoy-Retry-On: 5xx\r\n\r\n",
        )
        .await;
    assert_eq!(client.response().await.status, 200);
    let seen = &backend.seen()[0];
    assert_eq!(seen.line(), "GET /p?q HTTP/1.1");
    assert_eq!(
        seen.names(),
        [
            "host",
            "user-agent",
            "x-envoy-attempt-count",
            "x-envoy-external-address",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-request-id",
        ]
    );
    for (name, value) in [
        ("host", "A.example.com:80"),
        ("x-forwarded-for", "1.1.1.1,127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-envoy-external-address", "127.0.0.1"),
        ("x-envoy-attempt-count", "1"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    let id = seen.field("x-request-id").unwrap();
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
}

#[tokio::test]
async fn the_client_sees_the_endpoints_response_under_our_name() {
    let backend = Backend::new(|_| {
        vec![Step::Send(
            b"HTTP/1.1 201 Made\r\nServer: theirs\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
              Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\n\
              X-Kept: Yes\r\nContent-Length: 2\r\n\r\nhi"
                .to_vec(),
        )]
    })
    .await;
    let rig = rig(&backend).await;
    let response = Client::connect(rig.address()).await.get("/").await;
    assert_eq!((response.status, response.text()), (201, "hi"));
    assert!(response.head.starts_with("HTTP/1.1 201 Created\r\n"), "{}", response.head);
    for (name, value) in [
        ("server", Some("istio-envoy")),
        ("date", Some("Thu, 01 Jan 1970 00:00:00 GMT")),
        ("x-kept", Some("Yes")),
        ("x-gone", None),
        ("keep-alive", None),
        ("connection", None),
    ] {
        assert_eq!(response.field(name), value, "{name}");
    }
    assert!(response.field("x-envoy-upstream-service-time").is_some());
}

#[tokio::test]
async fn bodies_pass_in_both_directions_however_they_are_framed() {
    let backend = Backend::new(|seen| {
        let body = &seen.body;
        let head = if seen.field("x-chunked").is_some() {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {}", body.len())
        };
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes();
        if seen.field("x-chunked").is_some() {
            for chunk in body.chunks(7) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(body);
        }
        vec![Step::Send(bytes)]
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    for (request, framing) in [
        ("Content-Length: 11\r\n\r\nhello world", "content-length"),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
            "transfer-encoding",
        ),
    ] {
        for chunked in ["", "X-Chunked: 1\r\n"] {
            client
                .send(format!("POST / HTTP/1.1\r\nHost: a.example.com\r\n{chunked}{request}"))
                .await;
            let response = client.response().await;
            assert_eq!(response.text(), "hello world", "{request}");
            assert_eq!(response.field("transfer-encoding").is_some(), !chunked.is_empty());
            let seen = backend.seen().pop().unwrap();
            assert!(seen.field(framing).is_some(), "{}", seen.head);
        }
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn large_bodies_flow_up_and_down_at_the_same_time() {
    const SIZE: usize = 8 << 20;
    // It answers before it has read anything, and sends back what it reads.
    let backend = Backend::new(|_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        vec![Step::Send(head.into_bytes()), Step::Echo]
    })
    .await;
    let rig = rig(&backend).await;
    let body: Vec<u8> = (0..SIZE).map(|i| i.to_le_bytes()[1] ^ i.to_le_bytes()[0]).collect();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a.example.com\r\nX-Unread: 1\r\nContent-Length: {SIZE}\r\n\r\n"
    );
    let mut client = Client::connect(rig.address()).await;
    let response = client.exchange([head.as_bytes(), &body].concat()).await;
    assert!(response.body == body);
    let line = &rig.log(1).await[0];
    assert_eq!((&line["bytes_received"], &line["bytes_sent"]), (&SIZE.into(), &SIZE.into()));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::new(|seen| vec![Step::Send(ok(seen.line()))]).await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "POST /1 HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 3\r\n\r\nabc\
             POST /2 HTTP/1.1\r\nHost: a.example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n\
             GET /3 HTTP/1.1\r\nHost: a.example.com\r\n\r\nGET /4 HTTP",
        )
        .await;
    for line in ["POST /1 HTTP/1.1", "POST /2 HTTP/1.1", "GET /3 HTTP/1.1"] {
        assert_eq!(client.response().await.text(), line);
    }
    client.send("/1.1\r\nHost: a.example.com\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "GET /4 HTTP/1.1");
}

#[tokio::test]
async fn responses_without_a_body_leave_the_connection_in_step() {
    let backend = Backend::new(|seen| {
        let bytes: &[u8] = match seen.line() {
            "HEAD /head HTTP/1.1" => b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
            "GET /204 HTTP/1.1" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "GET /304 HTTP/1.1" => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        };
        vec![Step::Send(bytes.to_vec())]
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    for (method, path, status, length) in [
        ("HEAD", "/head", 200, Some("99")),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("99")),
        ("GET", "/0", 200, Some("0")),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a.example.com\r\n\r\n")).await;
        let response = client.response_to(method).await.unwrap();
        assert_eq!(response.status, status, "{path}");
        assert_eq!(response.field("content-length"), length, "{path}");
        assert_eq!(response.field("transfer-encoding"), None, "{path}");
    }
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_is_sent_in_chunks() {
    let backend = Backend::new(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec()), Step::Close]
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert_eq!(response.text(), "until the end");
        assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    }
    assert_eq!(backend.accepted(), 2);
}

#[tokio::test]
async fn interim_responses_are_passed_on() {
    let backend = Backend::new(|_| {
        let early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec();
        vec![Step::Send(early), Step::Send(ok("done"))]
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.example.com\r\nExpect: 100-continue\r\n\
             Content-Length: 2\r\n\r\n",
        )
        .await;
    assert_eq!(client.response().await.status, 100);
    client.send("hi").await;
    let hints = client.response().await;
    assert_eq!((hints.status, hints.field("link")), (103, Some("x")));
    assert_eq!(client.response().await.text(), "done");
    assert_eq!(backend.seen()[0].body, b"hi");
}

#[tokio::test]
async fn websockets_become_a_pipe() {
    let backend = Backend::new(|_| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst:";
        vec![Step::Send(head.into()), Step::Echo]
    })
    .await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: a.example.com\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly ",
        )
        .await;
    let response = client.response().await;
    assert_eq!(response.status, 101);
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert_eq!(response.field("connection"), Some("Upgrade"));
    assert_eq!(response.field("sec-websocket-accept"), Some("x"));
    client.send("late").await;
    assert_eq!(client.bytes(16).await, b"first:early late");
    // The end of one direction reaches the other side, which then ends its own.
    client.end().await;
    assert!(client.rest().await.is_empty());
    let line = &rig.log(1).await[0];
    assert_eq!(line["response_code"], 101);
}

#[tokio::test]
async fn an_upgrade_that_the_endpoint_declines_is_an_ordinary_response() {
    let backend = Backend::saying("no").await;
    let rig = rig(&backend).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\r\n",
        )
        .await;
    let response = client.response().await;
    assert_eq!((response.status, response.text()), (200, "no"));
    assert_eq!(response.field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_client_that_wants_the_connection_closed_gets_it_closed() {
    let backend = Backend::saying("bye").await;
    let rig = rig(&backend).await;
    for field in ["Connection: close", "Connection: CLOSE, x", "Proxy-Connection: close"] {
        let mut client = Client::connect(rig.address()).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example.com\r\n{field}\r\n\r\n")).await;
        let response = client.response().await;
        assert_eq!((response.text(), response.field("connection")), ("bye", Some("close")));
        assert!(client.rest().await.is_empty());
    }
    // What the client wants of its connection does not concern the one to the backend.
    assert_eq!(backend.accepted(), 1);
}
