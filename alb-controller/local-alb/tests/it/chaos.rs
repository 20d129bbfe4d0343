//! Faults on request: refused calls change nothing, lost answers belong to changes that were made,
//! and changes come late but do come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use edgeway_local_alb::Chaos;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::alb::{Alb, SUBNETS, get, send};
use crate::target::Target;

#[tokio::test(flavor = "multi_thread")]
async fn each_family_throttles_in_its_own_words() {
    let chaos = Chaos { throttle: 1.0, ..Chaos::default() };
    let alb = Alb::with(|config| config.chaos = chaos).await;
    for (version, status, code) in [
        ("Action=DescribeLoadBalancers&Version=2015-12-01", 400, "<Code>Throttling</Code>"),
        ("Action=DescribeVpcs&Version=2016-11-15", 503, "<Code>RequestLimitExceeded</Code>"),
    ] {
        let request = format!("GET /?{version} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = send(alb.running.api, &request).await;
        assert_eq!(answer.status, status, "{version}");
        assert!(answer.body.contains(code), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_of_a_change_that_was_made() {
    let chaos = Chaos { lose: 0.5, seed: 1, ..Chaos::default() };
    let alb = Alb::with(|config| config.chaos = chaos).await;
    let mut lost = 0;
    for number in 0..20 {
        let call = format!("Action=CreateLoadBalancer&Version=2015-12-01&Name=n{number}&{SUBNETS}");
        lost += usize::from(ask(&alb, &call).await.is_empty());
    }
    assert!((1..20).contains(&lost), "{lost} of 20");
    let look = "Action=DescribeLoadBalancers&Version=2015-12-01";
    let mut seen = String::new();
    while seen.is_empty() {
        seen = ask(&alb, look).await;
    }
    assert_eq!(seen.matches("<LoadBalancerName>").count(), 20);
}

/// The whole answer; nothing if it was lost.
async fn ask(alb: &Alb, call: &str) -> String {
    let mut stream = TcpStream::connect(alb.running.api).await.unwrap();
    let request = format!("GET /?{call} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_data_plane_after_the_delay() {
    let delay = Duration::from_millis(300);
    let alb = Alb::with(|config| config.chaos.delay = delay).await;
    let lb = alb.load_balancer("shop").await;
    let begin = Instant::now();
    let listener = alb.listener(&lb, 80, FIXED).await;
    let address = opened(&alb).await;
    assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
    let begin = Instant::now();
    let fixed = FIXED.replace("404", "410");
    alb.rule(&listener, 1, "1.Field=path-pattern&1.Values.member.1=/x", &fixed).await;
    while get(address, "h", "/x").await.status == 404 {
        assert!(begin.elapsed() < Duration::from_secs(20), "the rule never comes");
    }
    assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
    assert_eq!(get(address, "h", "/x").await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_known_at_once_and_a_target_goes_after_the_delay() {
    let delay = Duration::from_millis(300);
    let alb = Alb::with(|config| config.chaos.delay = delay).await;
    let target = Target::start("a").await;
    let lb = alb.load_balancer("shop").await;
    let group = alb.group("web", "").await;
    alb.attribute(&group, "deregistration_delay.timeout_seconds", "0").await;
    alb.register(&group, target.address).await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    let address = opened(&alb).await;
    alb.until(&group, "healthy").await;
    assert_eq!(get(address, "h", "/").await.status, 200);
    let begin = Instant::now();
    alb.deregister(&group, target.address).await;
    while get(address, "h", "/").await.status == 200 {
        assert!(begin.elapsed() < Duration::from_secs(20), "the target never goes");
    }
    assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
}

const FIXED: &str = "1.Type=fixed-response&1.FixedResponseConfig.StatusCode=404";

/// Where listener 80 of `shop` is open, once it is.
async fn opened(alb: &Alb) -> SocketAddr {
    let mut events = alb.running.events();
    loop {
        if let Some(address) = alb.running.address_of("shop", 80) {
            return address;
        }
        let _ = events.recv().await;
    }
}
