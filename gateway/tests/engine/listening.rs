//! Where the gateway listens: both families of addresses, all workers, and ports that go.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    rig::{Made, PORT, Rig, config, direct, port},
};
use edgeway_core::id::ListenerId;
use edgeway_gateway::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use tokio::sync::watch;

/// Whether this machine has IPv6; says so where it has not.
fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        eprintln!("skipped: this machine has no IPv6");
    }
    has
}

#[tokio::test]
async fn a_listener_of_all_addresses_takes_both_families() {
    if !has_ipv6() {
        return;
    }
    let backend = Backend::saying("").await;
    let any = ListenerId { port: 0, bind: None };
    let rig = Rig::with(Made::forwarding(&[backend.address]).table_on(&[any]), config()).await;
    let port = rig.address_of(any).port();
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let mut client = Client::connect(SocketAddr::new(ip, port)).await;
        assert_eq!(client.get("/").await.status, 200, "{ip}");
        // An address of IPv4 stays one.
        let seen = backend.seen().pop().unwrap();
        assert_eq!(seen.field("x-forwarded-for"), Some(&*ip.to_string()));
    }
}

#[tokio::test]
async fn a_listener_may_be_bound_to_an_address_of_ipv6() {
    if !has_ipv6() {
        return;
    }
    let mut made = Made::default();
    made.route("/", direct(200, "six"));
    let six = ListenerId { port: 0, bind: Some(Ipv6Addr::LOCALHOST.into()) };
    let rig = Rig::with(made.table_on(&[six]), config()).await;
    let address = rig.address_of(six);
    assert!(address.is_ipv6());
    assert_eq!(Client::connect(address).await.get("/").await.text(), "six");
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    assert!(tokio::net::TcpStream::connect(four).await.is_err());
}

#[tokio::test]
async fn every_worker_accepts() {
    let mut made = Made::default();
    made.route("/", direct(200, "yes"));
    let rig = Rig::with(made.table(), Config { workers: 3, ..config() }).await;
    // The kernel spreads them by their ports: a worker that did not accept would leave some of so
    // many waiting.
    for _ in 0..64 {
        assert_eq!(Client::connect(rig.address()).await.get("/").await.text(), "yes");
    }
}

#[tokio::test]
async fn a_port_that_goes_finishes_its_requests_and_the_others_notice_nothing() {
    const OTHER: ListenerId = port([127, 0, 0, 3]);
    let (go, until) = watch::channel(false);
    let backend = Backend::new(move |seen| match seen.line() {
        "GET /slow HTTP/1.1" => vec![Step::Wait(until.clone()), Step::Send(ok("slow"))],
        _ => vec![Step::Send(ok("quick"))],
    })
    .await;
    let made = || Made::forwarding(&[backend.address]);
    let mut rig = Rig::with(made().table_on(&[PORT, OTHER]), config()).await;
    let mut kept = Client::connect(rig.address()).await;
    assert_eq!(kept.get("/").await.text(), "quick");
    let mut slow = Client::connect(rig.address_of(OTHER)).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    while backend.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    rig.put(made().table()).await;
    let response = kept.get("/").await;
    assert_eq!((response.text(), response.field("connection")), ("quick", None));
    go.send(true).unwrap();
    let response = slow.response().await;
    assert_eq!((response.text(), response.field("connection")), ("slow", Some("close")));
}
