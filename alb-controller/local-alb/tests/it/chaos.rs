//! Faults on request: refused calls change nothing, lost answers belong to changes that were made.

use edgeway_local_alb::Chaos;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::alb::{Alb, SUBNETS, send};

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
