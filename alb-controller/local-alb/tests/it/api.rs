//! The API over HTTP: what is no proper call is refused, and never breaks it.

use edgeway_local_alb::{Config, LocalAlb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::alb::{Alb, element, send};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_in_the_protocol_of_its_service() {
    let alb = Alb::start().await;
    let post = |headers: &str, body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let large = "x".repeat((4 << 20) + 1);
    let rows = [
        (post("", ""), 400, "<Code>MissingAction</Code>"),
        (post("", "Action=Nonsense&Version=2015-12-01"), 400, "<Type>Sender</Type><Code>InvalidAction</Code>"),
        (post("", "Action=Nonsense&Version=2016-11-15"), 400, "<Response><Errors><Error><Code>InvalidAction</Code>"),
        (post("", "\u{0}\u{1}%%%=&&&"), 400, "MissingAction"),
        (post("X-Amz-Target: CertificateManager.Nonsense\r\n", "{}"), 400, "\"__type\":\"UnknownOperationException\""),
        (post("X-Amz-Target: CertificateManager.ListCertificates\r\n", "[1"), 400, "SerializationException"),
        (post("", &large), 413, "RequestEntityTooLarge"),
        ("GET /?Action=GetCallerIdentity&Version=2011-06-15 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".into(), 200, "<Account>000000000000</Account>"),
    ];
    for (request, status, text) in rows {
        let answer = send(alb.running.api, &request).await;
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(100)]);
        assert!(answer.body.contains(text), "{}", answer.body);
        assert!(answer.header("x-amzn-requestid").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_apart() {
    let alb = Alb::start().await;
    alb.load_balancer("shop").await;
    let signed = "POST / HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-north-1/elasticloadbalancing/aws4_request, \
                  SignedHeaders=host, Signature=0\r\nContent-Length: 28\r\nConnection: close\r\n\r\nAction=DescribeLoadBalancers";
    let answer = send(alb.running.api, signed).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("shop"), "{}", answer.body);
    assert!(alb.done("DescribeLoadBalancers", "").await.contains("shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_calls() {
    let alb = Alb::start().await;
    let mut stream = TcpStream::connect(alb.running.api).await.unwrap();
    let body = "Action=DescribeLoadBalancers&Version=2015-12-01";
    let request =
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut buffer = vec![0; 8192];
    for _ in 0..5 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        let text = String::from_utf8_lossy(&buffer[..read]);
        assert_eq!(element(&text, "LoadBalancers"), "");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_or_a_bad_range_is_told() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config { api: taken.local_addr().unwrap(), ..Config::default() };
    let start = LocalAlb::start(config.clone(), CancellationToken::new());
    let why = start.await.unwrap_err().to_string();
    assert!(why.contains("cannot listen on 127.0.0.1:"), "{why}");
    let config = Config { vpc_range: "10.0.0.0/28".parse().unwrap(), ..config };
    let start = LocalAlb::start(config, CancellationToken::new());
    assert!(start.await.unwrap_err().to_string().contains("/24 or larger"));
}
