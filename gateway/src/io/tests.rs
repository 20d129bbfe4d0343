//! Connections over real sockets.

use super::*;
use std::future::poll_fn;
use tokio::{io::AsyncWriteExt, net::TcpListener};

async fn pair() -> (Box<Io>, Arc<Conn>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (io, conn) = open(ours.unwrap(), address);
    (io, conn, theirs.unwrap().0)
}

#[tokio::test]
async fn writes_wait_for_the_flush_and_arrive_in_order() {
    let (_io, conn, mut other) = pair().await;
    conn.write(|out| out.extend_from_slice(b"head "));
    assert_eq!(conn.pending(), 5);
    let large = vec![b'x'; 8 << 20];
    conn.send(&large);
    conn.finish();
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        other.read_to_end(&mut all).await.unwrap();
        all
    });
    poll_fn(|cx| conn.poll_flush(cx)).await.unwrap();
    assert_eq!(conn.pending(), 0);
    let all = reader.await.unwrap();
    assert_eq!(&all[..5], b"head ");
    assert!(all[5..] == large);
}

#[tokio::test]
async fn a_peer_that_closes_or_talks_is_noticed() {
    let (_io, conn, other) = pair().await;
    assert!(conn.is_quiet());
    drop(other);
    assert_eq!(poll_fn(|cx| conn.poll_peer(cx)).await, Peer::Gone);
    assert!(!conn.is_quiet());

    let (_io, conn, mut other) = pair().await;
    other.write_all(b"x").await.unwrap();
    assert_eq!(poll_fn(|cx| conn.poll_peer(cx)).await, Peer::Talking);
}

#[tokio::test]
async fn what_was_read_ahead_is_read_first() {
    let (mut io, conn, mut other) = pair().await;
    other.write_all(b"ab").await.unwrap();
    assert_eq!(poll_fn(|cx| io.poll_fill(64, cx)).await.unwrap(), 2);
    other.write_all(b"cd").await.unwrap();
    let mut all = [0; 4];
    io.read_exact(&mut all).await.unwrap();
    assert_eq!((&all, conn.received()), (b"abcd", 4));
}

#[tokio::test]
async fn reading_can_be_stopped_without_losing_what_arrived() {
    let (mut io, conn, mut other) = pair().await;
    other.write_all(b"last").await.unwrap();
    poll_fn(|cx| conn.poll_readable(cx)).await;
    conn.stop_reading();
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last");
}
