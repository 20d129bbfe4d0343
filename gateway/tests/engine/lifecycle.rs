//! Ports that come and go, reloads, draining, and what the gateway says about itself.

use crate::{
    backend::{Backend, Step, ok},
    client::Client,
    h2_clients,
    rig::{Made, PORT, Rig, config, direct, port},
};
use edgeway_core::{id::ListenerId, table::Table};
use edgeway_gateway::{Config, admin::SetLogLevel, snapshot::Snapshot};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, sync::watch};

const OTHER: ListenerId = port([127, 0, 0, 2]);

fn saying(text: &str, ids: &[ListenerId]) -> Table {
    let mut made = Made::default();
    made.route("/", direct(200, text));
    made.table_on(ids)
}

/// The text at `/`, once it is this one.
async fn until_says(client: &mut Client, text: &str) {
    while client.get("/").await.text() != text {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ports_open_and_close_with_the_table() {
    let mut rig = Rig::new(saying("one", &[PORT])).await;
    rig.put(saying("two", &[PORT, OTHER])).await;
    let other = rig.address_of(OTHER);
    assert_eq!(Client::connect(other).await.get("/").await.text(), "two");

    let mut kept = Client::connect(other).await;
    assert_eq!(kept.get("/").await.text(), "two");
    let (first, untouched) = (rig.address(), Client::connect(rig.address()).await);
    rig.put(saying("three", &[PORT])).await;
    // Its connections are ended, unless a request gets there first, which is served.
    if let Some(response) = kept.response_to("GET").await {
        panic!("{response:?}");
    }
    while TcpStream::connect(other).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.address(), first);
    until_says(&mut { untouched }, "three").await;
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_one_problem_and_opens_when_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = taken.local_addr().unwrap();
    let busy = ListenerId { port: address.port(), bind: Some(address.ip()) };
    let mut rig = Rig::new(saying("one", &[PORT])).await;
    rig.snapshot.swap(Arc::new(saying("two", &[PORT, busy])));
    let problems = rig.running.listener_problems.wait_for(|all| !all.is_empty()).await.unwrap();
    let problem = problems[0].clone();
    drop(problems);
    assert_eq!(problem.code, "listener-bind");
    assert!(problem.message.contains(&address.to_string()), "{problem}");
    // The other port serves, with the new table.
    until_says(&mut Client::connect(rig.address()).await, "two").await;
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let line = format!("edgeway_listener_open{{address=\"{address}\"}} 0");
    assert!(metrics.text().contains(&line), "{}", metrics.text());
    drop(taken);
    rig.running.listeners.wait_for(|open| open.contains_key(&busy)).await.unwrap();
    assert_eq!(Client::connect(address).await.get("/").await.text(), "two");
    rig.running.listener_problems.wait_for(Vec::is_empty).await.unwrap();
}

#[tokio::test]
async fn reloads_lose_no_request_and_mix_no_tables() {
    let backend = Backend::saying("same").await;
    let made = || Made::forwarding(&[backend.address]).table();
    let mut rig = Rig::with(made(), Config { workers: 2, ..config() }).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, done) = (rig.address(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut count = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/").await.text(), "same");
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..50 {
        rig.put(made()).await;
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    // Connections to the backend outlive tables.
    assert!(backend.accepted() <= 8, "{}", backend.accepted());
}

#[tokio::test]
async fn a_drain_finishes_what_has_begun_and_accepts_until_its_end() {
    let (go, until) = watch::channel(false);
    let backend = Backend::new(move |seen| match seen.line() {
        "GET /slow HTTP/1.1" => vec![Step::Wait(until.clone()), Step::Send(ok("slow"))],
        _ => vec![Step::Send(ok("quick"))],
    })
    .await;
    let drain = Config { drain: Duration::from_secs(1), ..config() };
    let mut rig = Rig::with(Made::forwarding(&[backend.address]).table(), drain).await;
    let address = rig.address();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/").await.field("connection"), None);
    let mut slow = Client::connect(address).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    while backend.seen().len() < 2 {
        tokio::task::yield_now().await;
    }

    rig.shutdown.cancel();
    rig.running.ready.wait_for(|ready| !ready).await.unwrap();
    assert_eq!(Rig::ask(rig.running.status, "/healthz/ready").await.status, 503);
    // New connections are served, and asked to go.
    loop {
        let mut late = Client::connect(address).await;
        let response = late.get("/").await;
        assert_eq!(response.text(), "quick");
        if response.field("connection") == Some("close") {
            break;
        }
    }
    let health = Client::connect(address).await.get("/AWS.ALB/healthcheck").await;
    assert_eq!(health.status, 503);
    // One that waits for a request is ended when the drain is over.
    assert!(idle.rest().await.is_empty());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.send(true).unwrap();
    let response = slow.response().await;
    assert_eq!((response.text(), response.field("connection")), ("slow", Some("close")));
    rig.running.stopped().await;
}

#[tokio::test]
async fn a_drain_sends_all_of_what_a_slow_client_takes() {
    const SIZE: usize = 4 << 20;
    let backend = Backend::new(|_| vec![Step::Send(ok(&"x".repeat(SIZE)))]).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = h2_clients::Client::connect(rig.address()).await;
    let (response, _) = client.send(h2_clients::get("/"), false).await;
    let response = response.await.unwrap();
    rig.shutdown.cancel();
    while TcpStream::connect(rig.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Only now does it take what the window did not hold.
    assert_eq!(h2_clients::whole(response).await.unwrap().body.len(), SIZE);
    client.connection.await.unwrap().unwrap();
    rig.running.stopped().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let (_hold, until) = watch::channel(false);
    let backend = Backend::new(move |_| vec![Step::Wait(until.clone())]).await;
    let deadline = Config { drain_deadline: Duration::from_millis(50), ..config() };
    let rig = Rig::with(Made::forwarding(&[backend.address]).table(), deadline).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    while backend.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    rig.stop().await;
    assert!(client.response_to("GET").await.is_none());
}

#[tokio::test]
async fn readiness_comes_with_the_first_table() {
    let snapshot = Snapshot::default();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let problems = Arc::new(Vec::new);
    let mut running =
        edgeway_gateway::serve(config(), snapshot.clone(), problems, shutdown).await.unwrap();
    assert_eq!(Rig::ask(running.status, "/healthz/ready").await.status, 503);
    snapshot.swap(Arc::default());
    running.ready.wait_for(|ready| *ready).await.unwrap();
    for (address, path) in [
        (running.status, "/healthz/ready"),
        (running.metrics, "/healthz/ready"),
        (running.admin, "/ready"),
    ] {
        assert_eq!(Rig::ask(address, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_under_istios_labels() {
    let backend = Backend::saying("hello").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    for _ in 0..3 {
        client.get("/").await;
    }
    client.exchange("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    client.send("nonsense\r\n\r\n").await;
    client.response().await;
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let text = metrics.text();
    let line = |parts: &[&str]| {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.find(|line| parts.iter().all(|part| line.contains(part))).unwrap_or_else(|| {
            panic!("{parts:?} in {text}");
        })
    };
    let requests = line(&["istio_requests_total{", "response_code=\"200\""]);
    assert!(requests.ends_with(" 3"), "{requests}");
    for label in [
        "reporter=\"source\"",
        "source_workload=\"istio-ingressgateway\"",
        "source_workload_namespace=\"istio-system\"",
        "destination_service=\"a.default.svc.cluster.local\"",
        "destination_service_name=\"a\"",
        "destination_service_namespace=\"default\"",
        "destination_workload=\"a-v1\"",
        "request_protocol=\"http\"",
        "response_flags=\"-\"",
    ] {
        assert!(requests.contains(label), "{label} in {requests}");
    }
    assert!(line(&["istio_response_bytes_sum{", "response_code=\"200\""]).ends_with(" 15"));
    assert!(line(&["istio_requests_total{", "response_flags=\"NR\""]).ends_with(" 1"));
    assert!(line(&["edgeway_refused_requests_total{reason=\"malformed\"}"]).ends_with(" 1"));
    assert!(line(&["edgeway_connections_total "]).ends_with(" 1"));
}

#[tokio::test]
async fn people_can_ask_for_the_configuration_and_change_what_is_logged() {
    let set = Arc::new(Mutex::new(String::new()));
    let log_level = SetLogLevel(Arc::new({
        let set = Arc::clone(&set);
        move |level: &str| {
            if level == "loud" {
                return Err("no such level".to_owned());
            }
            *set.lock().unwrap() = level.to_owned();
            Ok(())
        }
    }));
    let config = Config { log_level: Some(log_level), ..config() };
    let rig = Rig::with(Made::forwarding(&[]).table(), config).await;
    let admin = rig.running.admin;
    let config: serde_json::Value =
        serde_json::from_str(Rig::ask(admin, "/config").await.text()).unwrap();
    assert!(config.to_string().contains("a.default.svc.cluster.local"), "{config}");
    assert_eq!(Rig::ask(admin, "/problems").await.text(), "[]");
    let mut client = Client::connect(admin).await;
    for (level, status) in [("debug", 204), ("loud", 400)] {
        let length = level.len();
        let head =
            format!("PUT /log-level HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(client.exchange(head + level).await.status, status);
    }
    assert_eq!(*set.lock().unwrap(), "debug");
}

#[tokio::test]
async fn an_admin_port_that_is_taken_costs_nothing_else_and_opens_when_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap();
    let rig = Rig::with(saying("fine", &[PORT]), Config { admin, ..config() }).await;
    assert_eq!(Client::connect(rig.address()).await.get("/").await.text(), "fine");
    assert_eq!(rig.running.admin, admin);
    drop(taken);
    while TcpStream::connect(admin).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(Rig::ask(admin, "/ready").await.status, 200);
}
