//! Ports: shared, taken, closed.

use std::time::Duration;

use edgeway_local_alb::{Event, ListenerState, PortMapping};
use tokio::net::{TcpListener, TcpStream};

use crate::alb::{Alb, element, get};
use crate::target::Target;

const FIXED: &str = "1.Type=fixed-response&1.FixedResponseConfig.StatusCode=";

#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_share_a_port_by_dns_name_and_by_rule() {
    let alb = Alb::start().await;
    let (one, two) = (alb.load_balancer("one").await, alb.load_balancer("two").await);
    alb.listener(&one, 80, &format!("{FIXED}501")).await;
    let listener = alb.listener(&two, 80, &format!("{FIXED}502")).await;
    let host = "1.Field=host-header&1.Values.member.1=two.example.com";
    alb.rule(&listener, 1, host, &format!("{FIXED}202")).await;
    let address = alb.running.address_of("one", 80).unwrap();
    assert_eq!(alb.running.address_of("two", 80), Some(address));
    let xml = alb.done("DescribeLoadBalancers", "Names.member.1=two").await;
    let dns = element(&xml, "DNSName");
    assert_eq!(get(address, "any.example.com", "/").await.status, 501, "the oldest");
    assert_eq!(get(address, "two.example.com", "/").await.status, 202, "by its rule");
    assert_eq!(get(address, &dns, "/").await.status, 502, "by its DNS name");
    alb.done("DeleteLoadBalancer", &format!("LoadBalancerArn={one}")).await;
    assert_eq!(get(address, "any.example.com", "/").await.status, 502, "the port stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_on_a_shared_port_is_impaired_and_says_so() {
    let alb = Alb::start().await;
    let mut events = alb.running.events();
    let (one, two) = (alb.load_balancer("one").await, alb.load_balancer("two").await);
    alb.listener(&one, 443, &format!("{FIXED}204")).await;
    let certificate = crate::tls::request_certificate(&alb, "a.example.com").await;
    let form = format!(
        "LoadBalancerArn={two}&Protocol=HTTPS&Port=443&Certificates.member.1.CertificateArn={certificate}\
         &DefaultActions.member.1.Type=fixed-response&DefaultActions.member.1.FixedResponseConfig.StatusCode=204"
    );
    alb.done("CreateListener", &form).await;
    let xml = alb.done("DescribeLoadBalancers", "Names.member.1=two").await;
    assert_eq!(element(&xml, "Code"), "active_impaired");
    assert!(element(&xml, "Reason").contains("already speaks HTTP on port 443"), "{xml}");
    let failed = async {
        loop {
            if let Event::Listener { load_balancer, state: ListenerState::Failed(_), .. } =
                events.recv().await.unwrap()
            {
                return load_balancer;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), failed).await.unwrap(), "two");
    alb.done("DeleteLoadBalancer", &format!("LoadBalancerArn={one}")).await;
    let xml = alb.done("DescribeLoadBalancers", "Names.member.1=two").await;
    assert_eq!(element(&xml, "Code"), "active", "the port is free for it now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_and_opened_when_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let alb = Alb::with(|config| config.ports = PortMapping::Offset(port - 80)).await;
    let lb = alb.load_balancer("shop").await;
    let listener = alb.listener(&lb, 80, &format!("{FIXED}204")).await;
    let xml = alb.done("DescribeLoadBalancers", "").await;
    assert_eq!(element(&xml, "Code"), "active_impaired");
    assert!(xml.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{xml}");
    drop(taken);
    let host = "1.Field=host-header&1.Values.member.1=a.example.com";
    alb.rule(&listener, 1, host, &format!("{FIXED}202")).await;
    assert_eq!(alb.running.address_of("shop", 80).map(|address| address.port()), Some(port));
    assert_eq!(get(([127, 0, 0, 1], port).into(), "a.example.com", "/").await.status, 202);
    alb.listener(&lb, 65_500, &format!("{FIXED}204")).await;
    let xml = alb.done("DescribeLoadBalancers", "").await;
    assert!(xml.contains("is beyond 65535"), "{xml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_after_a_shutdown_is_cut() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    let begun = tokio::spawn(async move { get(shop.address, "h", "/chunks/5000").await });
    while target.served() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    alb.shutdown.cancel();
    let start = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(15), alb.running.wait()).await.unwrap();
    assert!(start.elapsed() > Duration::from_secs(4), "they got time to end");
    assert_eq!(begun.await.unwrap().status, 200);
    let end = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap();
    assert_eq!(end.unwrap_or(0), 0);
}

/// An offset that puts port 80 on a port which nobody has at the moment.
async fn free_offset() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() - 80
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_can_be_opened_again_at_once_and_change_its_protocol() {
    let offset = free_offset().await;
    let alb = Alb::with(|config| config.ports = PortMapping::Offset(offset)).await;
    let lb = alb.load_balancer("shop").await;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 80 + offset));
    for status in 200..220 {
        let listener = alb.listener(&lb, 80, &format!("{FIXED}{status}")).await;
        assert_eq!(alb.running.address_of("shop", 80), Some(address));
        assert_eq!(get(address, "h", "/").await.status, status);
        alb.done("DeleteListener", &format!("ListenerArn={listener}")).await;
        assert!(TcpStream::connect(address).await.is_err(), "closed when the call returns");
    }
    let listener = alb.listener(&lb, 80, &format!("{FIXED}204")).await;
    let certificate = crate::tls::request_certificate(&alb, "a.example.com").await;
    let form = format!(
        "ListenerArn={listener}&Protocol=HTTPS&SslPolicy=ELBSecurityPolicy-2016-08&Certificates.member.1.CertificateArn={certificate}"
    );
    alb.done("ModifyListener", &form).await;
    assert!(crate::tls::shakes_hands(address, "a.example.com").await);
    alb.done("ModifyListener", &format!("ListenerArn={listener}&Protocol=HTTP")).await;
    assert_eq!(get(address, "h", "/").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_close_with_their_listener_and_with_all_of_it() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let mut events = alb.running.events();
    let api = alb.running.api;
    let second = alb.listener(&shop.lb, 81, &format!("{FIXED}204")).await;
    let gone = alb.running.address_of("shop", 81).unwrap();
    assert_eq!(get(gone, "h", "/").await.status, 204);
    alb.done("DeleteListener", &format!("ListenerArn={second}")).await;
    assert_eq!(alb.running.address_of("shop", 81), None);
    let refused = async { while TcpStream::connect(gone).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
    let mut lines = Vec::new();
    while let Ok(event) = events.try_recv() {
        lines.push(event.to_string());
    }
    assert!(
        lines.contains(&format!("listener HTTP 81 of shop answers on http://{gone}")),
        "{lines:?}"
    );
    assert!(lines.contains(&"listener HTTP 81 of shop closed".to_owned()), "{lines:?}");

    let begun = tokio::spawn(async move { get(shop.address, "h", "/slow/500").await });
    while target.served() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let overview = alb.running.overview();
    let target_view = &overview.targets[0];
    assert_eq!((target_view.group.as_str(), target_view.state), ("web", "healthy"));
    alb.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), alb.running.wait()).await.unwrap();
    assert_eq!(begun.await.unwrap().status, 200, "what had begun was finished");
    for address in [shop.address, api] {
        assert!(TcpStream::connect(address).await.is_err(), "{address} is still open");
    }
}
