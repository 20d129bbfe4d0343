//! What clients get when there is no answer of a target, or none is asked for.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::alb::{Alb, element, get, send};
use crate::target::Target;

/// An address that nobody listens on.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_targets_gives_503_and_a_dead_target_502() {
    let alb = Alb::start().await;
    let lb = alb.load_balancer("shop").await;
    let group = alb.group("web", "").await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    let address = alb.running.address_of("shop", 80).unwrap();
    let empty = get(address, "h", "/").await;
    assert_eq!((empty.status, empty.body.len()), (503, 162));
    assert!(
        empty.head.starts_with("HTTP/1.1 503 Service Temporarily Unavailable\r\n"),
        "{empty:?}"
    );
    assert_eq!(empty.header("server"), Some("awselb/2.0"));
    assert_eq!(empty.header("content-type"), Some("text/html"));
    alb.register(&group, nowhere().await).await;
    let dead = get(address, "h", "/").await;
    assert_eq!((dead.status, dead.body.len()), (502, 122), "fail-open: {dead:?}");
    alb.until(&group, "unhealthy").await;
    assert_eq!(get(address, "h", "/").await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hangs_up_gives_502_and_a_silent_one_504() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    assert_eq!(get(shop.address, "h", "/close").await.status, 502);
    alb.attribute(&shop.lb, "idle_timeout.timeout_seconds", "1").await;
    let silent = get(shop.address, "h", "/never").await;
    assert_eq!((silent.status, silent.body.len()), (504, 132));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_with_nonsense_or_too_much_gives_502() {
    let alb = Alb::start().await;
    for reply in [
        "nonsense\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(33_000)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        });
        let name = format!("shop{}", target.port());
        let lb = alb.load_balancer(&name).await;
        let group = alb.group(&name, "").await;
        alb.register(&group, target).await;
        alb.listener(&lb, target.port(), &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
        let address = alb.running.address_of(&name, target.port()).unwrap();
        assert_eq!(get(address, "h", "/").await.status, 502);
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_rule_may_see_are_refused() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let many = vec!["10.0.0.1"; 31].join(", ");
    let rows = [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("TRACE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".into(), 405),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {many}\r\n\r\n"), 463),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX-Big: {}\r\n\r\n", "x".repeat(17_000)), 400),
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(17_000)), 414),
        ("GET / HTTP/1.1\r\nHost: h\r\nBad Header\r\n\r\n".into(), 400),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into(),
            400,
        ),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".into(), 400),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".into(), 505),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n".into(), 501),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .into(),
            501,
        ),
    ];
    for (request, status) in rows {
        let answer = send(shop.address, &request).await;
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(80)]);
        assert_eq!(answer.header("server"), Some("awselb/2.0"), "{answer:?}");
        assert!(answer.body.contains(&format!("<h1>{status}")), "{answer:?}");
    }
    assert_eq!(target.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_request_after_a_good_one_is_answered_in_its_turn() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let both = "GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/3.0\r\nHost: h\r\n\r\n";
    let answer = send(shop.address, both).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("GET /one"), "{answer:?}");
    let page = "HTTP/1.1 505 HTTP Version Not Supported\r\nServer: awselb/2.0\r\n";
    assert_eq!(answer.body.matches(page).count(), 1, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_is_too_long_gives_507() {
    let alb = Alb::start().await;
    let lb = alb.load_balancer("shop").await;
    let config = "1.RedirectConfig";
    let actions = format!(
        "1.Type=redirect&{config}.StatusCode=HTTP_301&{config}.Protocol=HTTPS&{config}.Port=443"
    );
    alb.listener(&lb, 80, &actions).await;
    let address = alb.running.address_of("shop", 80).unwrap();
    for (length, expected) in [(8_000, 301), (9_000, 507)] {
        let answer = get(address, "h", &format!("/{}", "x".repeat(length))).await;
        assert_eq!(answer.status, expected, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_to_an_optimized_group_gives_501() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let lb = alb.load_balancer("shop").await;
    let group = alb.group("web", "TargetControlPort=3000").await;
    alb.register(&group, target.address).await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    let address = alb.running.address_of("shop", 80).unwrap();
    let upgrade =
        "GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: upgrade, close\r\n\r\n";
    assert_eq!(send(address, upgrade).await.status, 501);
    assert_eq!(get(address, "h", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_unusual_requests_are_answered() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let old = send(shop.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 200);
    let dns = element(&alb.done("DescribeLoadBalancers", "").await, "DNSName").to_lowercase();
    assert!(old.body.contains(&format!("Host: {dns}\r\n")), "{}", old.body);
    let absolute = send(
        shop.address,
        "GET http://a.example.com/x HTTP/1.1\r\nHost: b.example.com\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(absolute.body.contains("GET /x HTTP/1.1\r\n"), "{}", absolute.body);
    assert!(absolute.body.contains("Host: a.example.com\r\n"), "{}", absolute.body);
    let options =
        send(shop.address, "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(options.body.contains("OPTIONS * HTTP/1.1\r\n"), "{}", options.body);
    let expects = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let answer = send(shop.address, expects).await;
    assert_eq!(answer.status, 100);
    assert!(answer.body.contains("200 Whatever") && answer.body.ends_with("ok"), "{answer:?}");
    assert!(!answer.body.contains("Expect"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_until_they_are_idle_or_old() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    alb.attribute(&shop.lb, "idle_timeout.timeout_seconds", "1").await;
    let checks = target.state.connections.load(std::sync::atomic::Ordering::SeqCst)
        - target.state.checked.load(std::sync::atomic::Ordering::SeqCst);
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let mut buffer = vec![0; 8192];
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
    }
    let quiet = tokio::time::Instant::now();
    assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0);
    assert!(quiet.elapsed() > Duration::from_millis(800), "{:?}", quiet.elapsed());
    let used = target.state.connections.load(std::sync::atomic::Ordering::SeqCst)
        - target.state.checked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(used <= checks + 2, "the connection to the target is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_the_middle_of_its_body_gets_408() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    alb.attribute(&shop.lb, "idle_timeout.timeout_seconds", "1").await;
    let answer =
        send(shop.address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf").await;
    assert_eq!(answer.status, 408);
    assert_eq!(target.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_may_read_differently_is_treated_as_the_mode_says() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let plain = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let empty = "GET / HTTP/1.1\r\nHost: h\r\nX-Empty:\r\n\r\n";
    let twice = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let defensive = send(shop.address, empty).await;
    assert_eq!((defensive.status, defensive.header("connection")), (200, Some("close")));
    let defensive = send(shop.address, twice).await;
    assert_eq!(defensive.status, 200);
    assert!(defensive.body.ends_with("ok"), "{}", defensive.body);
    assert!(
        !defensive.body.to_ascii_lowercase().contains("content-length: 99"),
        "one length is left"
    );
    alb.attribute(&shop.lb, "routing.http.desync_mitigation_mode", "strictest").await;
    for (request, status) in [(plain, 200), (empty, 400), (twice, 400)] {
        assert_eq!(send(shop.address, request).await.status, status, "{request}");
    }
    alb.attribute(&shop.lb, "routing.http.desync_mitigation_mode", "monitor").await;
    let empty = empty.replace("X-Empty:", "Connection: close\r\nX-Empty:");
    assert_eq!(send(shop.address, &empty).await.status, 200);
}
