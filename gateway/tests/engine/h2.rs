//! Clients that speak HTTP/2.

use crate::{
    backend::{Backend, Step, ok},
    frames::{Came, Frames},
    h2_clients::{Client, get, post, send_all, whole},
    rig::{Made, Rig, config, direct, limited},
};
use bytes::Bytes;
use edgeway_gateway::{Config, edge::Limits};
use h2::Reason;
use http::Request;
use std::{future::poll_fn, time::Duration};
use tokio::sync::watch;

#[tokio::test]
async fn a_request_reaches_a_backend_of_http1() {
    let backend = Backend::saying("hello").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let request = Request::get("http://a.example.com/x/../p?q")
        .header("host", "other")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers");
    let (response, _) = client.send(request.body(()).unwrap(), false).await;
    let response = whole(response.await.unwrap()).await.unwrap();
    assert_eq!((response.status, &*response.body), (200, &b"hello"[..]));
    assert_eq!(response.headers["server"], "istio-envoy");
    let seen = &backend.seen()[0];
    assert_eq!(seen.line(), "GET /p?q HTTP/1.1");
    for (name, expected) in [
        ("host", Some("a.example.com")),
        ("cookie", Some("a=1; b=2")),
        ("te", Some("trailers")),
        ("transfer-encoding", None),
        ("x-forwarded-proto", Some("http")),
    ] {
        assert_eq!(seen.field(name), expected, "{name}");
    }
    let line = &rig.log(1).await[0];
    assert_eq!(
        (&line["protocol"], &line["authority"]),
        (&"HTTP/2".into(), &"a.example.com".into())
    );
}

#[tokio::test]
async fn bodies_pass_in_both_directions() {
    let backend = Backend::new(|seen| vec![Step::Send(ok(&"x".repeat(seen.body.len())))]).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let size = 10 << 20;
    for length in [None, Some(size)] {
        let mut request = post("/");
        if let Some(length) = length {
            request.headers_mut().insert("content-length", length.into());
        }
        let (response, mut stream) = client.send(request, true).await;
        let sending = send_all(&mut stream, Bytes::from(vec![b'y'; size]));
        let ((), response) = tokio::join!(sending, async { whole(response.await?).await });
        let response = response.unwrap();
        assert!(response.body == vec![b'x'; size]);
        assert_eq!(response.trailers, None);
    }
    let seen = backend.seen();
    assert_eq!(seen[0].field("transfer-encoding"), Some("chunked"));
    assert_eq!(seen[1].field("content-length"), Some(&*size.to_string()));
    assert!(seen.iter().all(|seen| seen.body == vec![b'y'; size]));
}

#[tokio::test]
async fn streams_do_not_wait_for_one_another() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::new(move |seen| match seen.line() {
        "GET /slow HTTP/1.1" => vec![Step::Wait(gate.clone()), Step::Send(ok("slow"))],
        _ => vec![Step::Send(ok("fast"))],
    })
    .await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let (slow, _) = client.send(get("/slow"), false).await;
    for _ in 0..100 {
        assert_eq!(client.get("/fast").await.body, b"fast");
    }
    open.send_replace(true);
    assert_eq!(whole(slow.await.unwrap()).await.unwrap().body, b"slow");
    assert_eq!(backend.accepted(), 2);
}

#[tokio::test]
async fn a_client_sends_no_more_than_the_backend_takes() {
    let (open, gate) = watch::channel(false);
    let backend =
        Backend::new(move |_| vec![Step::Wait(gate.clone()), Step::Send(ok("")), Step::Close])
            .await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let mut request = post("/");
    request.headers_mut().insert("x-unread", "1".parse().unwrap());
    let (response, mut stream) = client.send(request, true).await;
    // More than all buffers on the way can hold.
    let size = 256 << 20;
    let mut sent = 0;
    let most = loop {
        stream.reserve_capacity(1 << 20);
        let room =
            tokio::time::timeout(Duration::from_secs(1), poll_fn(|cx| stream.poll_capacity(cx)));
        let Ok(room) = room.await else { break sent };
        let part = Bytes::from(vec![0; room.unwrap().unwrap()]);
        sent += part.len();
        assert!(sent < size, "nothing stops the client");
        stream.send_data(part, false).unwrap();
    };
    assert!(most > 0);
    open.send_replace(true);
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_else() {
    let size = 10 << 20;
    let backend = Backend::new(move |seen| match seen.line() {
        "GET /large HTTP/1.1" => vec![Step::Send(ok(&"x".repeat(size)))],
        _ => vec![Step::Send(ok("small"))],
    })
    .await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let (large, _) = client.send(get("/large"), false).await;
    let large = large.await.unwrap();
    // Nothing of it is read, so that its window is soon used up.
    let mut other = Client::connect(rig.address()).await;
    for _ in 0..10 {
        assert_eq!(other.get("/small").await.body, b"small");
    }
    assert!(whole(large).await.unwrap().body == vec![b'x'; size]);
}

#[tokio::test]
async fn a_request_called_off_is_called_off_at_the_backend() {
    let (_open, gate) = watch::channel(false);
    let backend = Backend::new(move |_| vec![Step::Wait(gate.clone())]).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, mut stream) = client.send(get("/"), false).await;
    while backend.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    stream.send_reset(Reason::CANCEL);
    let line = &rig.log(1).await[0];
    assert_eq!(line["response_code"], 0);
    assert_eq!(line["response_flags"], "DR");
    assert_eq!(line["response_code_details"], "http2.remote_reset");
    drop(response);
    // The connection lives on.
    assert!(!client.connection.is_finished());
}

#[tokio::test]
async fn a_response_that_breaks_off_is_reset() {
    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!";
    let backend = Backend::new(|_| vec![Step::Send(response.to_vec()), Step::Close]).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = Client::connect(rig.address()).await;
    let (response, _) = client.send(get("/"), false).await;
    let error = whole(response.await.unwrap()).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(rig.log(1).await[0]["response_flags"], "UC");
}

/// Where a load balancer asks targets of gRPC.
const HEALTH: &str = "/AWS.ALB/healthcheck";

#[tokio::test]
async fn grpc_clients_get_errors_in_their_terms() {
    let mut made = Made::default();
    let empty = made.cluster("a", &[]);
    let forward = crate::rig::forward(&[(1, Some(empty))]);
    made.route("/pkg", edgeway_core::action::Action::Forward(Box::new(forward)));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    for (path, status, message) in [
        ("/pkg.S/M", "14", Some("no healthy upstream")),
        ("/none", "12", None),
        (HEALTH, "0", None),
    ] {
        let mut request = post(path);
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let (response, _) = client.send(request, false).await;
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.body().is_end_stream(), "{path}");
        assert_eq!(response.headers()["grpc-status"], status);
        let text = response.headers().get("grpc-message").map(|text| text.to_str().unwrap());
        assert_eq!(text, message);
    }
}

pub(crate) const FIELDS: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example.com")];

#[tokio::test]
async fn malformed_requests_are_not_forwarded() {
    let rig = Rig::new({
        let mut made = Made::default();
        made.route("/", direct(200, "fine"));
        made.table()
    })
    .await;
    let with = |more: (&'static str, &'static str)| [&FIELDS[..], &[more]].concat();
    let replaced = |name: &str, value: &'static str| {
        FIELDS.map(|(other, old)| (other, if other == name { value } else { old })).to_vec()
    };
    let without =
        |name: &str| FIELDS.into_iter().filter(|(other, _)| *other != name).collect::<Vec<_>>();
    let late = [&FIELDS[1..], &[("x", "1"), FIELDS[0]]].concat();
    for (fields, served) in [
        (FIELDS.to_vec(), true),
        (with(("x_y", "1")), true),
        (with(("te", "trailers")), true),
        (replaced(":method", "get"), true),
        (replaced(":method", "UNKNOWN"), true),
        (replaced(":scheme", "ftp"), true),
        (replaced(":authority", "A.EXAMPLE.COM"), true),
        (with(("host", "other")), true),
        (with(("X-Upper", "1")), false),
        (with(("connection", "close")), false),
        (with(("keep-alive", "1")), false),
        (with(("proxy-connection", "close")), false),
        (with(("transfer-encoding", "chunked")), false),
        (with(("upgrade", "websocket")), false),
        (with(("te", "gzip")), false),
        (with(("content-length", "5")), false),
        (with(("content-length", "x")), false),
        (with(("x-nul", "a\0b")), false),
        (with(("x-line", "a\r\nb: c")), false),
        (with(("x bad", "1")), false),
        (with((":status", "200")), false),
        (with((":unknown", "1")), false),
        (with((":protocol", "websocket")), false),
        (with((":path", "/again")), false),
        (late, false),
        (without(":method"), false),
        (without(":scheme"), false),
        (without(":path"), false),
        (without(":authority"), false),
        (replaced(":path", ""), false),
        (replaced(":path", "relative"), false),
        (replaced(":path", "http://a.example.com/"), false),
        (replaced(":path", "/a b"), false),
        (replaced(":authority", "user@a.example.com"), false),
    ] {
        let mut frames = Frames::connect(rig.address()).await;
        frames.request(1, &fields, true).await;
        let came = frames.outcome(1).await;
        assert_eq!(came == Came::Response(Some(200)), served, "{fields:?}: {came:?}");
    }
}

#[tokio::test]
async fn a_body_must_be_as_long_as_announced() {
    let backend = Backend::saying("hello").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    for (length, came) in
        [("3", Came::Response(Some(200))), ("2", Came::Reset(1)), ("4", Came::Reset(1))]
    {
        let mut frames = Frames::connect(rig.address()).await;
        let fields = [&FIELDS[..], &[("content-length", length)]].concat();
        frames.request(1, &fields, false).await;
        frames.data(1, b"abc").await;
        assert_eq!(frames.outcome(1).await, came, "{length}");
    }
}

#[tokio::test]
async fn too_many_fields_are_refused_and_the_connection_lives_on() {
    let rig = Rig::new({
        let mut made = Made::default();
        made.route("/", direct(200, "fine"));
        made.table()
    })
    .await;
    let mut client = Client::connect(rig.address()).await;
    for (count, status) in [(100, 200), (101, 431), (1, 200)] {
        let mut request = get("/");
        for at in 1..count {
            let name: http::HeaderName = format!("x-{at}").parse().unwrap();
            request.headers_mut().insert(name, "1".parse().unwrap());
        }
        request.headers_mut().insert("x-last", "1".parse().unwrap());
        let (response, _) = client.send(request, false).await;
        assert_eq!(response.await.unwrap().status(), status, "{count}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_lives_on() {
    let rig = Rig::new({
        let mut made = Made::default();
        made.route("/", direct(200, "fine"));
        made.table()
    })
    .await;
    let mut client = Client::connect(rig.address()).await;
    for (size, status) in [(59_000, 200), (62_000, 431), (1, 200)] {
        let mut request = get("/");
        request.headers_mut().insert("x", "y".repeat(size).parse().unwrap());
        let (response, _) = client.send(request, false).await;
        assert_eq!(response.await.unwrap().status(), status, "{size}");
    }
}

#[tokio::test]
async fn a_client_that_resets_everything_is_sent_away() {
    let (_open, gate) = watch::channel(false);
    let backend = Backend::new(move |_| vec![Step::Wait(gate.clone())]).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut frames = Frames::connect(rig.address()).await;
    for at in 0..3000 {
        frames.request(2 * at + 1, &FIELDS, true).await;
        frames.reset(2 * at + 1).await;
        if at % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let code = Reason::ENHANCE_YOUR_CALM.into();
    let came = frames.outcome(u32::MAX).await;
    assert!([Came::End(Some(code)), Came::End(None)].contains(&came), "{came:?}");
}

#[tokio::test]
async fn a_drain_sends_clients_elsewhere_with_an_answer() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::new(move |seen| match seen.line() {
        "GET /slow HTTP/1.1" => vec![Step::Wait(gate.clone()), Step::Send(ok("slow"))],
        _ => vec![Step::Send(ok("fast"))],
    })
    .await;
    let drain = Duration::from_secs(600);
    let table = Made::forwarding(&[backend.address]).table();
    let rig = Rig::with(table, Config { drain, ..config() }).await;
    let mut client = Client::connect(rig.address()).await;
    let (slow, _) = client.send(get("/slow"), false).await;
    while backend.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    rig.shutdown.cancel();
    // Workers learn of it in a moment; what they answer from then on says so.
    while let Ok(mut requests) = client.requests.clone().ready().await {
        let Ok((response, _)) = requests.send_request(get("/fast"), true) else { break };
        match response.await {
            Ok(response) => assert_eq!(response.status(), 200),
            // It came behind the farewell, which says that it was not served.
            Err(error) => assert_eq!(error.reason(), Some(Reason::NO_ERROR)),
        }
    }
    open.send_replace(true);
    assert_eq!(whole(slow.await.unwrap()).await.unwrap().body, b"slow");
    client.connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_that_ends_takes_leave_of_idle_clients() {
    let backend = Backend::saying("hello").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut used = Client::connect(rig.address()).await;
    assert_eq!(used.get("/").await.status, 200);
    let unused = Client::connect(rig.address()).await;
    rig.stop().await;
    for client in [used, unused] {
        // An end without a farewell would be an error.
        client.connection.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn unused_connections_end() {
    let table = Made::default().table();
    let config = limited(Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() });
    let rig = Rig::with(table, config).await;
    let client = Client::connect(rig.address()).await;
    client.connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upgrade_to_http2_is_ignored() {
    let backend = Backend::saying("hello").await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut client = crate::client::Client::connect(rig.address()).await;
    let request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(client.exchange(request).await.text(), "hello");
    assert_eq!(backend.seen()[0].field("upgrade"), None);
    // The preface is one only at the start.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(client.response().await.status >= 400);
}
