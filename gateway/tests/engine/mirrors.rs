//! Mirrors: copies arrive, and whatever becomes of them costs the request nothing.

use crate::{
    backend::{Backend, Seen, Step, ok},
    client::Client,
    rig::{Made, Rig, config, dead, forward},
};
use edgeway_core::{
    action::{Action, Forward, Mirror, fault::WHOLE, forward::PathRewrite},
    cluster::{ClusterPolicy, UpstreamProtocol},
    id::ClusterIx,
};
use std::{net::SocketAddr, time::Duration};
use tokio::sync::watch;

fn mirror(cluster: Option<ClusterIx>, share: u32) -> Mirror {
    Mirror { cluster_name: "c".into(), cluster, share }
}

/// A backend, and mirrors at these addresses for these shares.
async fn rig(backend: SocketAddr, mirrors: &[(SocketAddr, u32)]) -> Rig {
    rig_with(backend, mirrors, |_| {}, |_| {}).await
}

async fn rig_with(
    backend: SocketAddr,
    mirrors: &[(SocketAddr, u32)],
    policy: impl Fn(&mut ClusterPolicy),
    change: impl FnOnce(&mut Forward),
) -> Rig {
    let mut made = Made::default();
    let main = made.cluster("a", &[backend]);
    let mut route = forward(&[(1, Some(main))]);
    for (index, (address, share)) in mirrors.iter().enumerate() {
        let cluster = made.cluster_with(&format!("m{index}"), &[*address], &policy);
        route.mirrors.push(mirror(Some(cluster), *share));
    }
    change(&mut route);
    made.route("/", Action::Forward(Box::new(route)));
    Rig::with(made.table(), config()).await
}

async fn get(rig: &Rig, path: &str) -> String {
    Client::connect(rig.address()).await.get(path).await.text().to_owned()
}

async fn post(rig: &Rig, body: &[u8]) -> String {
    let mut client = Client::connect(rig.address()).await;
    let head = format!(
        "POST /p HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.exchange([head.as_bytes(), body].concat()).await.text().to_owned()
}

/// What the mirror has seen, once there is so much.
async fn seen(backend: &Backend, count: usize) -> Vec<Seen> {
    loop {
        let seen = backend.seen();
        if seen.len() >= count {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until so many copies had this outcome.
async fn outcome(rig: &Rig, outcome: &str, count: usize) {
    let line = format!("outcome=\"{outcome}\"}} {count}");
    loop {
        let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
        let mut mirrored = metrics
            .text()
            .lines()
            .filter(|line| line.starts_with("edgeway_mirrored_requests_total"));
        if mirrored.any(|text| text.ends_with(&line)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_copy_is_what_the_endpoint_gets() {
    let (main, copy) = (Backend::saying("main").await, Backend::saying("copy").await);
    let change = |route: &mut Forward| {
        route.rewrite.path = PathRewrite::Prefix { matched: 1, with: "/new/".into() };
        route.rewrite.authority = Some("rw.local".into());
    };
    let rig = rig_with(main.address, &[(copy.address, WHOLE)], |_| {}, change).await;
    assert_eq!(get(&rig, "/x?q").await, "main");
    let (original, copied) = (&main.seen()[0], &seen(&copy, 1).await[0]);
    assert_eq!(copied.line(), "GET /new/x?q HTTP/1.1");
    assert_eq!(copied.field("host"), Some("rw.local"));
    assert_eq!(copied.names(), original.names());
    assert_eq!(copied.field("x-request-id"), original.field("x-request-id"));
    outcome(&rig, "answered", 1).await;
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let requests: Vec<&str> =
        metrics.text().lines().filter(|line| line.starts_with("istio_requests_total")).collect();
    assert_eq!(requests.len(), 1, "a copy is no request: {requests:?}");
}

#[tokio::test]
async fn a_share_of_nothing_is_nothing_and_each_mirror_draws_on_its_own() {
    let main = Backend::saying("main").await;
    let copies =
        [Backend::saying("a").await, Backend::saying("b").await, Backend::saying("c").await];
    let shares = [WHOLE, 0, WHOLE];
    let mirrors: Vec<_> = copies.iter().map(|copy| copy.address).zip(shares).collect();
    let rig = rig(main.address, &mirrors).await;
    for _ in 0..3 {
        assert_eq!(get(&rig, "/").await, "main");
    }
    seen(&copies[0], 3).await;
    seen(&copies[2], 3).await;
    assert!(copies[1].seen().is_empty());
    outcome(&rig, "answered", 3).await;
    assert!(copies[0].accepted() <= 3 && copies[0].seen().len() == 3);
}

#[tokio::test]
async fn bodies_are_copied_whole() {
    let (main, copy) = (Backend::saying("main").await, Backend::saying("copy").await);
    let rig = rig(main.address, &[(copy.address, WHOLE)]).await;
    let body: Vec<u8> = (0..400_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    assert_eq!(post(&rig, &body).await, "main");
    assert!(seen(&copy, 1).await[0].body == body);
    let chunked = "POST / HTTP/1.1\r\nHost: a.example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let mut client = Client::connect(rig.address()).await;
    assert_eq!(client.exchange(chunked).await.text(), "main");
    assert_eq!(seen(&copy, 2).await[1].body, b"abcde");
}

#[tokio::test]
async fn a_mirror_that_is_slow_dead_or_missing_harms_nothing() {
    let main = Backend::saying("main").await;
    let (_never, until) = watch::channel(false);
    let slow = Backend::new(move |_| vec![Step::Wait(until.clone())]).await;
    let mirrors = [(slow.address, WHOLE), (dead().await, WHOLE)];
    let missing = |route: &mut Forward| route.mirrors.push(mirror(None, WHOLE));
    let rig = rig_with(main.address, &mirrors, |_| {}, missing).await;
    assert_eq!(get(&rig, "/").await, "main");
    assert_eq!(post(&rig, b"body").await, "main");
    outcome(&rig, "failed", 2).await;
    seen(&slow, 2).await;
}

#[tokio::test]
async fn a_mirror_has_the_time_of_its_route() {
    let main = Backend::saying("main").await;
    let (_never, until) = watch::channel(false);
    let slow = Backend::new(move |_| vec![Step::Wait(until.clone())]).await;
    let timeout = |route: &mut Forward| route.timeout = Some(Duration::from_millis(300));
    let rig = rig_with(main.address, &[(slow.address, WHOLE)], |_| {}, timeout).await;
    assert_eq!(get(&rig, "/").await, "main");
    outcome(&rig, "failed", 1).await;
}

#[tokio::test]
async fn a_mirror_that_takes_nothing_loses_its_copy() {
    let main = Backend::saying("main").await;
    // It accepts, and never reads.
    let stuck = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = rig(main.address, &[(stuck.local_addr().unwrap(), WHOLE)]).await;
    assert_eq!(post(&rig, &vec![b'x'; 24 * 1024 * 1024]).await, "main");
    outcome(&rig, "dropped", 1).await;
}

#[tokio::test]
async fn the_limits_of_a_mirror_are_its_own() {
    let main = Backend::saying("main").await;
    let (free, until) = watch::channel(false);
    let slow = Backend::new(move |_| vec![Step::Wait(until.clone()), Step::Send(ok("late"))]).await;
    let limit = |policy: &mut ClusterPolicy| policy.limits.requests = Some(1);
    let rig = rig_with(main.address, &[(slow.address, WHOLE)], limit, |_| {}).await;
    assert_eq!(get(&rig, "/").await, "main");
    seen(&slow, 1).await;
    assert_eq!(get(&rig, "/").await, "main");
    outcome(&rig, "dropped", 1).await;
    free.send_replace(true);
    outcome(&rig, "answered", 1).await;
    assert_eq!(slow.seen().len(), 1);
}

#[tokio::test]
async fn a_request_that_its_client_breaks_off_is_broken_off_for_the_mirror() {
    let (main, copy) = (Backend::saying("main").await, Backend::saying("copy").await);
    let rig = rig(main.address, &[(copy.address, WHOLE)]).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 100\r\n\r\nhalf").await;
    drop(client);
    outcome(&rig, "abandoned", 1).await;
    copy.ended(1).await;
    assert!(copy.seen().is_empty());
}

#[tokio::test]
async fn mirrors_are_spoken_to_as_they_speak() {
    use crate::h2_backend::{Backend as Two, Does};
    let main = Backend::saying("main").await;
    let copy = Two::doing(Does::Says("copy")).await;
    let policy = |policy: &mut ClusterPolicy| policy.protocol = UpstreamProtocol::Http2;
    let rig = rig_with(main.address, &[(copy.address, WHOLE)], policy, |_| {}).await;
    for count in 1..4 {
        assert_eq!(post(&rig, b"abc").await, "main");
        outcome(&rig, "answered", count).await;
    }
    assert_eq!((copy.seen().len(), copy.accepted()), (3, 1));
    let head = &copy.seen()[0].head;
    assert_eq!((head.uri.path(), &head.headers["content-length"]), ("/p", &"3".parse().unwrap()));
}
