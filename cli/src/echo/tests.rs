//! The server over real sockets on free ports.

use super::*;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Server {
    address: SocketAddr,
    identity: watch::Sender<Arc<Identity>>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let labels = BTreeMap::from([("version".to_owned(), "v1".to_owned())]);
    let (identity, seen) =
        watch::channel(Arc::new(Identity { service: "default/reviews".into(), labels }));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, seen, shutdown.clone()));
    Server { address, identity, shutdown, task }
}

/// Everything that the server sends in answer to `text`, up to its close.
async fn raw(server: &Server, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server.address).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn get(script: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-echo: {script}\r\n\r\n")
}

fn body_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn it_tells_what_it_was_asked() {
    let server = server().await;
    let request = "POST /a/b?c=d HTTP/1.1\r\nhost: a.example.com\r\nx-two: 1\r\nx-two: 2\r\n\
        connection: close\r\ncontent-length: 5\r\n\r\nhello";
    let mut seen = body_of(&raw(&server, request).await.unwrap());
    let remote: SocketAddr =
        seen.as_object_mut().unwrap().remove("remote").unwrap().as_str().unwrap().parse().unwrap();
    assert!(remote.ip().is_loopback());
    let expected = json!({
        "service": "default/reviews",
        "labels": {"version": "v1"},
        "protocol": "HTTP/1.1",
        "method": "POST",
        "path": "/a/b",
        "query": "c=d",
        "headers": [
            ["host", "a.example.com"], ["x-two", "1"], ["x-two", "2"],
            ["connection", "close"], ["content-length", "5"],
        ],
        "body_bytes": 5,
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn it_answers_with_the_status_and_size_that_were_asked_for() {
    let server = server().await;
    let answer = raw(&server, &get("status=503,size=40000")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), 40_000);
}

#[tokio::test]
async fn it_refuses_a_script_that_it_does_not_understand() {
    let server = server().await;
    let answer = raw(&server, &get("status=9")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"status=9\""), "{answer}");
}

#[tokio::test]
async fn it_resets_or_closes_without_a_word() {
    let server = server().await;
    assert_eq!(raw(&server, &get("close")).await.unwrap(), "");
    assert_eq!(raw(&server, &get("reset")).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_delay_comes_before_the_answer() {
    let server = server().await;
    let start = std::time::Instant::now();
    raw(&server, &get("delay=120ms")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_new_identity_holds_from_the_next_request() {
    let server = server().await;
    let renamed = Identity { service: "shop/cart".into(), labels: BTreeMap::new() };
    server.identity.send_replace(Arc::new(renamed));
    let seen = body_of(&raw(&server, &get("")).await.unwrap());
    assert_eq!((&seen["service"], &seen["labels"]), (&json!("shop/cart"), &json!({})));
}

#[tokio::test]
async fn http2_streams_are_reset_one_by_one() {
    let server = server().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = |script: &str| {
        Request::get("http://a.example.com/x")
            .header("x-echo", script)
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    assert!(client.send_request(request("reset")).await.is_err());
    let answer = client.send_request(request("status=201")).await.unwrap();
    assert_eq!(answer.status(), 201);
    let seen: Value =
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(seen["protocol"], "HTTP/2");
    assert_eq!(seen["headers"][0], json!(["host", "a.example.com"]));
}

#[tokio::test]
async fn it_finishes_what_it_began_and_stops() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(get("delay=200ms").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.shutdown.cancel();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
