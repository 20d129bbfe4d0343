//! What clients agree to speak inside of TLS.

use crate::{
    rig::Rig,
    tls::{Authority, connect, get, of_pair, saying, server, table},
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection on which these protocols were offered.
async fn offering(
    rig: &Rig,
    authority: &Authority,
    protocols: &[&[u8]],
) -> (TlsStream<TcpStream>, Option<Vec<u8>>) {
    let mut config = authority.client(None);
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let stream = connect(rig.address(), config, "a.example.com").await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    (stream, agreed)
}

#[tokio::test]
async fn clients_choose_what_they_speak() {
    let authority = Authority::new();
    let pair = of_pair(&authority.issue("a.example.com"));
    let servers = vec![server("a.example.com", "a", |_| {})];
    let rig = Rig::new(table(saying("hello"), servers, &[("a", &pair)])).await;
    for (offered, agreed) in [
        (&[&b"http/1.1"[..], b"h2"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[b"foo"], None),
        (&[], None),
    ] {
        let (mut stream, got) = offering(&rig, &authority, offered).await;
        assert_eq!(got.as_deref(), agreed, "{offered:?}");
        if agreed == Some(b"h2") {
            let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            let request = crate::h2_clients::get("/");
            let (response, _) = requests.send_request(request, true).unwrap();
            let response = crate::h2_clients::whole(response.await.unwrap()).await.unwrap();
            assert_eq!(response.body, b"hello");
        } else {
            let response = get(&mut stream, "").await.unwrap();
            assert!(response.ends_with("hello"), "{response}");
        }
    }
    // What was agreed upon holds.
    let (mut stream, _) = offering(&rig, &authority, &[b"h2"]).await;
    assert!(get(&mut stream, "").await.is_err());
    let (stream, _) = offering(&rig, &authority, &[b"http/1.1"]).await;
    let spoken = async {
        let (mut requests, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let (response, _) = requests.send_request(crate::h2_clients::get("/"), true)?;
        response.await
    };
    assert!(spoken.await.is_err());
}
