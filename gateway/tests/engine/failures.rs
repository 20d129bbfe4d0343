//! Endpoints that fail, and clients that do.

use crate::{
    backend::{Backend, Seen, Step, ok},
    client::Client,
    rig::{Made, Rig, dead, forward},
};
use edgeway_core::{
    action::{Action, Forward, Retry, forward::RetryOn},
    table::Table,
};
use std::{net::SocketAddr, time::Duration};
use tokio::sync::watch;

fn table(endpoints: &[SocketAddr], change: impl FnOnce(&mut Forward)) -> Table {
    let mut made = Made::default();
    let cluster = made.cluster("a", endpoints);
    let mut forward = forward(&[(1, Some(cluster))]);
    change(&mut forward);
    made.route("/", Action::Forward(Box::new(forward)));
    made.table()
}

fn retries(attempts: u32, on: RetryOn) -> Retry {
    Retry { attempts, on, backoff: Duration::from_millis(1), ..Retry::default() }
}

const NONE: RetryOn = RetryOn {
    connect_failure: false,
    refused_stream: false,
    reset: false,
    reset_before_request: false,
    server_error: false,
    gateway_error: false,
    retriable_4xx: false,
    statuses: false,
    grpc_cancelled: false,
    grpc_deadline_exceeded: false,
    grpc_internal: false,
    grpc_resource_exhausted: false,
    grpc_unavailable: false,
};

/// A backend that never answers.
async fn silent() -> (Backend, watch::Sender<bool>) {
    let (sender, receiver) = watch::channel(false);
    (Backend::new(move |_| vec![Step::Wait(receiver.clone())]).await, sender)
}

#[tokio::test]
async fn connect_failures_are_tried_elsewhere_whatever_the_method() {
    let echo = |seen: &Seen| vec![Step::Send(ok(std::str::from_utf8(&seen.body).unwrap()))];
    let (one, two, dead) = (Backend::new(echo).await, Backend::new(echo).await, dead().await);
    let rig = Rig::new(table(&[dead, one.address, two.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    let mut attempts = Vec::new();
    for at in 1..=6 {
        let request = "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 2\r\n\r\nhi";
        let response = client.exchange(request).await;
        assert_eq!((response.status, response.text()), (200, "hi"));
        let line = rig.log(at).await.pop().unwrap();
        assert_ne!(line["upstream_host"], dead.to_string());
        attempts.push(line["upstream_request_attempt_count"].as_u64().unwrap());
    }
    // In turn: a third of the tries comes to the dead one.
    let again = attempts.iter().filter(|attempts| **attempts == 2).count();
    assert!((2..=3).contains(&again), "{attempts:?}");
    let all = [one.seen(), two.seen()].concat();
    let counted = all.iter().filter(|seen| seen.field("x-envoy-attempt-count") == Some("2"));
    assert_eq!(counted.count(), again);
}

#[tokio::test]
async fn when_nobody_can_be_reached_the_client_is_told_why() {
    let endpoints = [dead().await];
    let rig = Rig::new(table(&endpoints, |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.get("/").await;
    assert_eq!(response.status, 503);
    assert_eq!(
        response.text(),
        "upstream connect error or disconnect/reset before headers. \
         retried and the latest reset reason: remote connection failure"
    );
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!(line["response_flags"], "URX,UF");
    assert_eq!(line["upstream_request_attempt_count"], 3);

    let mut rig = rig;
    rig.put(table(&endpoints, |forward| forward.retry.attempts = 0)).await;
    let response = loop {
        // The table comes into force a moment after its ports are known to be open.
        let response = client.get("/").await;
        if !response.text().contains("retried") {
            break response;
        }
    };
    assert!(response.text().ends_with("reset reason: remote connection failure"));
    let line = rig.log(2).await.pop().unwrap();
    assert_eq!(line["response_flags"], "UF");
}

#[tokio::test]
async fn endpoints_that_say_nothing_or_nonsense_are_reported_as_such() {
    for (step, status, flags, reason) in [
        (Step::Close, 503, "UC", "connection termination"),
        (Step::Send(b"nonsense\r\n\r\n".to_vec()), 502, "UPE", "protocol error"),
        (Step::Send(b"HTTP/1.1 101 Surprise\r\n\r\n".to_vec()), 502, "UPE", "protocol error"),
    ] {
        let step = std::sync::Mutex::new(Some(step));
        let backend = Backend::new(move |_| vec![step.lock().unwrap().take().unwrap()]).await;
        let rig = Rig::new(table(&[backend.address], |_| {})).await;
        let mut client = Client::connect(rig.address()).await;
        let response = client.get("/").await;
        assert_eq!(response.status, status);
        assert!(response.text().ends_with(&format!("reset reason: {reason}")), "{response:?}");
        let line = rig.log(1).await.pop().unwrap();
        assert_eq!(line["response_flags"], flags);
        let details =
            format!("upstream_reset_before_response_started{{{}}}", reason.replace(' ', "_"));
        assert_eq!(line["response_code_details"], details);
    }
}

#[tokio::test]
async fn statuses_are_retried_with_the_body_sent_again() {
    let backend = Backend::new(|seen| {
        let last = seen.field("x-envoy-attempt-count") == Some("3");
        let status = if last { "200 OK" } else { "503 Service Unavailable" };
        let body = format!("{} bytes", seen.body.len());
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        vec![Step::Send(head.into_bytes())]
    })
    .await;
    let on = RetryOn { server_error: true, ..NONE };
    let rig = Rig::new(table(&[backend.address], |f| f.retry = retries(2, on))).await;
    let mut client = Client::connect(rig.address()).await;
    for (size, status, tries) in [(100_000, 200, 3), (1 << 20, 200, 3), ((1 << 20) + 1, 503, 1)] {
        let head =
            format!("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: {size}\r\n\r\n");
        let request = [head.as_bytes(), &vec![b'x'; size]].concat();
        let response = client.exchange(request).await;
        assert_eq!((response.status, response.text()), (status, &*format!("{size} bytes")));
        let last = backend.seen().pop().unwrap();
        assert_eq!(last.field("x-envoy-attempt-count"), Some(&*tries.to_string()), "{size}");
    }
}

#[tokio::test]
async fn retries_end() {
    let backend = Backend::new(|_| {
        vec![Step::Send(b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno".to_vec())]
    })
    .await;
    let on = RetryOn { gateway_error: true, ..NONE };
    let rig = Rig::new(table(&[backend.address], |f| f.retry = retries(2, on))).await;
    let response = Client::connect(rig.address()).await.get("/").await;
    assert_eq!((response.status, response.text()), (503, "no"));
    assert_eq!(backend.seen().len(), 3);
    assert_eq!(rig.log(1).await[0]["response_flags"], "URX");
}

#[tokio::test]
async fn a_request_has_its_time() {
    let (backend, _hold) = silent().await;
    let timeout = Some(Duration::from_millis(50));
    let rig = Rig::new(table(&[backend.address], |f| f.timeout = timeout)).await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.get("/").await;
    assert_eq!((response.status, response.text()), (504, "upstream request timeout"));
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!(
        (&line["response_flags"], &line["response_code_details"]),
        (&"UT".into(), &"response_timeout".into())
    );
    assert!(line["duration"].as_u64().unwrap() >= 50, "{line}");
    let expected = backend.seen()[0].field("x-envoy-expected-rq-timeout-ms").unwrap().to_owned();
    assert!(expected.parse::<u64>().unwrap() <= 50, "{expected}");
}

#[tokio::test]
async fn so_has_one_try() {
    let (backend, _hold) = silent().await;
    let on = RetryOn { reset: true, ..NONE };
    let rig = Rig::new(table(&[backend.address], |forward| {
        forward.retry = retries(2, on);
        forward.retry.per_try_timeout = Some(Duration::from_millis(20));
    }))
    .await;
    let mut client = Client::connect(rig.address()).await;
    let response = client.get("/").await;
    assert_eq!((response.status, response.text()), (504, "upstream request timeout"));
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!(line["response_flags"], "URX,UT");
    assert_eq!(line["response_code_details"], "upstream_per_try_timeout");
    assert_eq!(backend.seen().len(), 3);
}

#[tokio::test]
async fn time_runs_from_the_end_of_the_request_and_over_the_response() {
    let (_hold, until) = watch::channel(false);
    let backend = Backend::new(move |seen| {
        let start = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
        let wait = Step::Wait(until.clone());
        if seen.body.is_empty() { vec![wait] } else { vec![Step::Send(start), wait] }
    })
    .await;
    let timeout = Some(Duration::from_millis(50));
    let rig = Rig::new(table(&[backend.address], |f| f.timeout = timeout)).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 2\r\n\r\nh").await;
    // Another request, complete at once, uses its time up meanwhile.
    assert_eq!(Client::connect(rig.address()).await.get("/").await.status, 504);
    client.send("i").await;
    assert!(client.response_to("GET").await.is_none(), "the body cannot have been complete");
    let line = rig.log(2).await.pop().unwrap();
    assert_eq!((&line["response_code"], &line["response_flags"]), (&200.into(), &"UT".into()));
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_replaced_if_nothing_can_have_been_done() {
    // It keeps the connection open until the second request is there, and then closes it.
    let backend = Backend::new(|seen| match seen.line() {
        "GET /first HTTP/1.1" => vec![Step::Send(ok("first"))],
        _ if seen.field("x-again").is_some() => vec![Step::Send(ok("again"))],
        _ => vec![Step::Close],
    })
    .await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    assert_eq!(client.get("/first").await.text(), "first");
    // A new connection fares no better, and that stands.
    assert_eq!(client.get("/second").await.status, 503);
    assert_eq!((backend.accepted(), backend.seen().len()), (2, 3));

    assert_eq!(client.get("/first").await.text(), "first");
    let request = "POST /second HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.exchange(request).await.status, 503);
    // A POST may have been done: it is not sent again.
    assert_eq!((backend.accepted(), backend.seen().len()), (3, 5));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let backend = Backend::new(|seen| vec![Step::Send(ok(seen.line())), Step::Close]).await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    for count in 1..=3 {
        let request = "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(client.exchange(request).await.status, 200);
        backend.ended(count).await;
    }
}

#[tokio::test]
async fn a_response_cut_off_by_the_endpoint_is_cut_off_for_the_client() {
    let backend = Backend::new(|seen| {
        let head = match seen.line() {
            "GET /sized HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            _ => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        };
        vec![Step::Send(head.into()), Step::Close]
    })
    .await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    for (at, path) in ["/sized", "/chunked"].into_iter().enumerate() {
        let mut client = Client::connect(rig.address()).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example.com\r\n\r\n")).await;
        assert!(client.response_to("GET").await.is_none(), "{path}");
        let line = rig.log(at + 1).await.pop().unwrap();
        assert_eq!((&line["response_code"], &line["response_flags"]), (&200.into(), &"UC".into()));
        assert_eq!(
            line["response_code_details"],
            "upstream_reset_after_response_started{connection_termination}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (backend, _hold) = silent().await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    while backend.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(client);
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!((&line["response_code"], &line["response_flags"]), (&0.into(), &"DC".into()));
    assert_eq!(line["response_code_details"], "downstream_remote_disconnect");
}

#[tokio::test]
async fn an_early_answer_ends_the_upload() {
    let backend = Backend::new(|_| {
        vec![
            Step::Send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig".to_vec()),
            Step::Close,
        ]
    })
    .await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.example.com\r\nX-Unread: 1\r\nContent-Length: 99\r\n\r\nx",
        )
        .await;
    let response = client.response().await;
    assert_eq!((response.status, response.text()), (413, "big"));
    client.end().await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_framed_as_announced_is_refused() {
    let (backend, _hold) = silent().await;
    let rig = Rig::new(table(&[backend.address], |_| {})).await;
    let mut client = Client::connect(rig.address()).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabcd\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
        )
        .await;
    let response = client.response().await;
    assert_eq!((response.status, response.field("connection")), (400, Some("close")));
    client.end().await;
    assert!(client.rest().await.is_empty());
    let line = rig.log(1).await.pop().unwrap();
    assert_eq!(line["response_flags"], "DPE");
}

#[tokio::test]
async fn shares_of_a_destination_that_does_not_exist_fail() {
    let backend = Backend::saying("fine").await;
    let mut made = Made::default();
    let cluster = made.cluster("a", &[backend.address]);
    let forward = forward(&[(75, Some(cluster)), (25, None)]);
    made.route("/", Action::Forward(Box::new(forward)));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    let mut failed = 0;
    for _ in 0..400 {
        failed += usize::from(client.get("/").await.status == 503);
    }
    // Five standard deviations to either side.
    assert!((57..=143).contains(&failed), "{failed} of 400");
}
