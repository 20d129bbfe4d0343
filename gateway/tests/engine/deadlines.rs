//! Time and memory that a request may take, with HTTP/2 on both sides.

use crate::{
    h2_backend::{Backend, Does},
    h2_clients::{Client, get, post, send_all, whole},
    rig::{Made, Rig, forward, limited},
};
use bytes::Bytes;
use edgeway_core::{
    action::{Action, Forward, Retry, forward::RetryOn},
    cluster::{ClusterPolicy, UpstreamProtocol},
    table::Table,
};
use edgeway_gateway::edge::Limits;
use h2::Reason;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

const SHORT: Option<Duration> = Some(Duration::from_millis(50));

fn table(
    address: SocketAddr,
    policy: impl FnOnce(&mut ClusterPolicy),
    change: impl FnOnce(&mut Forward),
) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[address], |own| {
        own.protocol = UpstreamProtocol::Http2;
        policy(own);
    });
    let mut forward = forward(&[(1, Some(cluster))]);
    change(&mut forward);
    made.route("/", Action::Forward(Box::new(forward)));
    made.table()
}

async fn silent() -> (Backend, watch::Sender<bool>) {
    let (hold, until) = watch::channel(false);
    (Backend::doing(Does::Waits(until, "late")).await, hold)
}

#[tokio::test]
async fn a_request_has_its_time() {
    let (backend, _hold) = silent().await;
    let rig = Rig::new(table(backend.address, |_| {}, |forward| forward.timeout = SHORT)).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert_eq!((response.status, &*response.body), (504, &b"upstream request timeout"[..]));
    }
    let line = &rig.log(1).await[0];
    assert_eq!(line["response_flags"], "UT");
    // One request that took too long is no reason to leave the connection.
    assert_eq!(backend.accepted(), 1);
}

#[tokio::test]
async fn so_has_one_try() {
    let (backend, _hold) = silent().await;
    let retry = Retry {
        attempts: 2,
        per_try_timeout: SHORT,
        on: RetryOn { reset: true, ..Retry::default().on },
        ..Retry::default()
    };
    let rig = Rig::new(table(backend.address, |_| {}, |forward| forward.retry = retry)).await;
    let mut client = Client::connect(rig.address()).await;
    assert_eq!(client.get("/").await.status, 504);
    let line = &rig.log(1).await[0];
    assert_eq!(line["response_flags"], "URX,UT");
    assert_eq!(line["response_code_details"], "upstream_per_try_timeout");
    assert_eq!((backend.seen().len(), backend.accepted()), (3, 1));
}

#[tokio::test]
async fn time_runs_over_the_response_which_is_then_reset() {
    let (_hold, until) = watch::channel(false);
    let backend = Backend::doing(Does::Breaks(until)).await;
    let rig = Rig::new(table(backend.address, |_| {}, |forward| forward.timeout = SHORT)).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, _) = client.send(get("/"), false).await;
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let error = whole(response).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    let line = &rig.log(1).await[0];
    assert_eq!((&line["response_code"], &line["response_flags"]), (&200.into(), &"UT".into()));
}

#[tokio::test]
async fn time_runs_from_the_end_of_the_request() {
    let (backend, _hold) = silent().await;
    let rig = Rig::new(table(backend.address, |_| {}, |forward| forward.timeout = SHORT)).await;
    let mut client = Client::connect(rig.address()).await;
    let (slow, mut stream) = client.send(post("/"), true).await;
    stream.send_data(Bytes::from_static(b"h"), false).unwrap();
    // Another request, complete at once, uses its time up meanwhile.
    assert_eq!(client.get("/").await.status, 504);
    assert_eq!(rig.log(1).await.len(), 1);
    stream.send_data(Bytes::from_static(b"i"), true).unwrap();
    assert_eq!(slow.await.unwrap().status(), 504);
}

#[tokio::test]
async fn only_so_much_of_a_body_is_kept_for_another_try() {
    let backend = Backend::new(|_| Does::TakesAndResets(Reason::REFUSED_STREAM)).await;
    let config = limited(Limits { retry_body: 1000, ..Limits::default() });
    let rig = Rig::with(table(backend.address, |_| {}, |_| {}), config).await;
    let mut client = Client::connect(rig.address()).await;
    let mut tries = 0;
    for (size, more) in [(1000, 3), (1001, 1)] {
        let (response, mut stream) = client.send(post("/"), true).await;
        send_all(&mut stream, Bytes::from(vec![b'x'; size])).await;
        assert_eq!(response.await.unwrap().status(), 503);
        tries += more;
        assert_eq!(backend.seen().len(), tries, "{size}");
    }
}

/// How often a session that comes asks whether we live, until it ends; so many times it is told.
async fn session(listener: &TcpListener, answers: usize) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    // Settings, and the answer to theirs.
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0").await.unwrap();
    let mut pings = 0;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return pings;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == PING && head[4] == 0 {
            pings += 1;
            if pings <= answers {
                answer(&mut stream, &payload).await;
            }
        }
    }
}

const PING: u8 = 6;

async fn answer(stream: &mut TcpStream, payload: &[u8]) {
    let pong = [&[0, 0, 8, PING, 1, 0, 0, 0, 0], payload].concat();
    stream.write_all(&pong).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_is_silent_is_asked_whether_it_lives() {
    let (silence, patience) = (Duration::from_millis(40), Duration::from_millis(400));
    for answers in [0, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policy = |policy: &mut ClusterPolicy| policy.http2.ping = Some((silence, patience));
        let table = table(listener.local_addr().unwrap(), policy, |_| {});
        let rig = Rig::new(table).await;
        let mut client = Client::connect(rig.address()).await;
        let (response, _) = client.send(get("/"), false).await;
        // It ends once an answer is missing, and the request with it.
        assert_eq!(session(&listener, answers).await, answers + 1);
        assert_eq!(response.await.unwrap().status(), 503);
    }
}
