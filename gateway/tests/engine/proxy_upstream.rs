//! Endpoints that are told in a PROXY header who the client is.

use crate::{
    client::Client,
    rig::{Made, Rig, forward},
};
use edgeway_core::{action::Action, cluster::ProxyProtocol};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The lines that each connection began with, one list per connection.
type Lines = Arc<Mutex<Vec<Vec<String>>>>;

/// Answers each head; notes its first line, and the PROXY line before it.
async fn serve(mut stream: TcpStream, lines: Lines) {
    let at = {
        let mut lines = lines.lock().unwrap();
        lines.push(Vec::new());
        lines.len() - 1
    };
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if !text.ends_with("\r\n\r\n") {
            continue;
        }
        bytes.clear();
        let starts = text.lines().take_while(|line| !line.contains(':') && !line.is_empty());
        lines.lock().unwrap()[at].extend(starts.map(str::to_owned));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    }
}

/// As measured of Envoy (`proxy-protocol-upstream`): a line on each new connection, of the client whose
/// request it carries. Envoy uses a connection again for the same client, ours does not.
#[tokio::test]
async fn endpoints_are_told_who_the_client_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lines = Lines::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[address], |policy| {
        policy.proxy_protocol = Some(ProxyProtocol::V1);
    });
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    let rig = Rig::new(made.table()).await;
    let mut first = Client::connect(rig.address()).await;
    let mut second = Client::connect(rig.address()).await;
    for (client, path) in [(&mut first, "/1"), (&mut second, "/2")] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(first.get("/3").await.status, 200);
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let ports: Vec<&str> = (1..)
        .zip(&lines)
        .map(|(at, lines)| {
            assert_eq!(lines[1..], [format!("GET /{at} HTTP/1.1")]);
            let words: Vec<&str> = lines[0].split(' ').collect();
            assert_eq!(words[..4], ["PROXY", "TCP4", "127.0.0.1", "127.0.0.1"]);
            assert_eq!(words[5], rig.address().port().to_string());
            words[4]
        })
        .collect();
    assert_eq!(ports[0], ports[2]);
    assert_ne!(ports[0], ports[1]);
}
