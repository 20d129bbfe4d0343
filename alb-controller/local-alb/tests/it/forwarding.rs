//! Requests through listener, rule and target group to a target and back.

use crate::alb::{Alb, get, send};
use crate::target::Target;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_sees_the_request_as_behind_a_load_balancer_of_aws() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let answer = send(
        shop.address,
        "POST /a//b/%2e%2e/c;d?x=1&x=2&%20 HTTP/1.1\r\nhost: Shop.Example.com:80\r\nX-Forwarded-For: 203.0.113.9\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-MiXeD: Case\r\nKeep-Alive: 5\r\nTE: gzip\r\n\
         Connection: close, X-Secret\r\nX-Secret: hop\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\
         Content-Length: 5\r\n\r\nhello",
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("server"), Some("target"));
    assert_eq!(answer.header("keep-alive"), None, "it belongs to the target's connection");
    let seen = answer.body.to_ascii_lowercase();
    assert!(answer.body.starts_with("a\nPOST /a//b/%2e%2e/c;d?x=1&x=2&%20 HTTP/1.1\r\n"), "{seen}");
    for line in [
        "host: shop.example.com\r\n",
        "x-forwarded-for: 203.0.113.9, 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-port: 80\r\n",
        "content-length: 5",
    ] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
    assert!(answer.body.contains("X-MiXeD: Case\r\n"), "names keep their case: {seen}");
    assert!(answer.body.contains("X-Forwarded-For: "), "{seen}");
    assert!(seen.contains("x-amzn-trace-id: self=1-"), "{seen}");
    assert!(seen.contains(";root=1-67891233-abcdef012345678912345678"), "{seen}");
    for gone in ["keep-alive", "x-secret", "\r\nte:", "connection: close"] {
        assert!(!seen.contains(gone), "{gone:?} is in {seen}");
    }
    assert!(seen.ends_with("\r\n\r\nhello"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_the_load_balancer_change_the_headers() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let request = "GET / HTTP/1.1\r\nHost: Shop.Example.com:81\r\nX-Forwarded-For: 203.0.113.9\r\n\
                   X_Odd: 1\r\nConnection: close\r\n\r\n";
    let rows = [
        (
            "routing.http.xff_header_processing.mode",
            "preserve",
            "x-forwarded-for: 203.0.113.9\r\n",
            true,
        ),
        ("routing.http.xff_header_processing.mode", "remove", "x-forwarded-for", false),
        (
            "routing.http.xff_header_processing.mode",
            "append",
            "x-forwarded-for: 203.0.113.9, 127.0.0.1\r\n",
            true,
        ),
        (
            "routing.http.xff_client_port.enabled",
            "true",
            "x-forwarded-for: 203.0.113.9, 127.0.0.1:",
            true,
        ),
        (
            "routing.http.preserve_host_header.enabled",
            "false",
            "\r\nhost: shop.example.com:81\r\n",
            true,
        ),
        ("routing.http.drop_invalid_header_fields.enabled", "true", "x_odd", false),
    ];
    for (key, value, text, expected) in rows {
        alb.attribute(&shop.lb, key, value).await;
        let body = send(shop.address, request).await.body.to_ascii_lowercase();
        assert_eq!(body.contains(text), expected, "{key}={value}: {body}");
    }
    alb.attribute(&shop.lb, "routing.http.preserve_host_header.enabled", "true").await;
    let body = send(shop.address, request).await.body;
    assert!(body.contains("Host: Shop.Example.com:81\r\n"), "{body}");
    alb.attribute(&shop.listener, "routing.http.response.x_frame_options.header_value", "DENY")
        .await;
    alb.attribute(&shop.listener, "routing.http.response.server.enabled", "false").await;
    let answer = send(shop.address, request).await;
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("server"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_that_is_really_open_counts_as_the_listeners() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let seen = get(shop.address, &format!("Shop.example.com:{}", shop.address.port()), "/").await;
    assert!(seen.body.contains("Host: shop.example.com\r\n"), "{}", seen.body);
    let forward = format!("1.Type=forward&1.TargetGroupArn={}", shop.group);
    alb.listener(&shop.lb, 8443, &forward).await;
    let address = alb.running.address_of("shop", 8443).unwrap();
    let seen = get(address, "shop.example.com", "/").await;
    assert!(seen.body.contains("Host: shop.example.com:8443\r\n"), "{}", seen.body);
    assert!(seen.body.to_ascii_lowercase().contains("x-forwarded-port: 8443\r\n"), "{}", seen.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_decide_by_priority_and_the_default_gets_the_rest() {
    let alb = Alb::start().await;
    let (a, b) = (Target::start("a").await, Target::start("b").await);
    let shop = alb.shop(a.address).await;
    let group = alb.group("api", "").await;
    alb.register(&group, b.address).await;
    let to_b = format!("1.Type=forward&1.TargetGroupArn={group}");
    alb.rule(&shop.listener, 20, "1.Field=path-pattern&1.Values.member.1=/api/*", &to_b).await;
    let teapot = "1.Type=fixed-response&1.FixedResponseConfig.StatusCode=418\
                  &1.FixedResponseConfig.ContentType=text/plain&1.FixedResponseConfig.MessageBody=short%20and%20stout";
    let host = "1.Field=host-header&1.Values.member.1=tea.example.com";
    alb.rule(&shop.listener, 10, host, teapot).await;
    let https = "1.Type=redirect&1.RedirectConfig.Protocol=HTTPS&1.RedirectConfig.Port=443&1.RedirectConfig.StatusCode=HTTP_301";
    alb.rule(&shop.listener, 30, "1.Field=path-pattern&1.Values.member.1=/secure*", https).await;
    alb.until(&group, "healthy").await;

    let answer = get(shop.address, "h.example.com", "/api/x").await;
    assert_eq!(answer.header("x-target"), Some("b"));
    let answer = get(shop.address, "h.example.com", "/").await;
    assert_eq!(answer.header("x-target"), Some("a"));
    let answer = get(shop.address, "TEA.example.com:80", "/api/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (418, "short and stout"));
    assert_eq!(answer.header("server"), Some("awselb/2.0"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let answer = get(shop.address, "h.example.com", "/secure/x?y=1").await;
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("https://h.example.com:443/secure/x?y=1"));
    assert!(answer.head.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{}", answer.head);
    assert_eq!(answer.body.len(), 134);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_share_requests_out_and_transforms_change_them() {
    let alb = Alb::start().await;
    let (a, b) = (Target::start("a").await, Target::start("b").await);
    let shop = alb.shop(a.address).await;
    let other = alb.group("other", "").await;
    alb.register(&other, b.address).await;
    let weighted = |first: u32, second: u32| {
        format!(
            "1.Type=forward&1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={}&1.ForwardConfig.TargetGroups.member.1.Weight={first}\
             &1.ForwardConfig.TargetGroups.member.2.TargetGroupArn={other}&1.ForwardConfig.TargetGroups.member.2.Weight={second}",
            shop.group
        )
    };
    let rule = alb
        .rule(&shop.listener, 1, "1.Field=path-pattern&1.Values.member.1=/*", &weighted(1, 1))
        .await;
    alb.until(&other, "healthy").await;
    for _ in 0..60 {
        assert_eq!(get(shop.address, "h", "/").await.status, 200);
    }
    assert!(a.served() > 5 && b.served() > 5, "{} and {}", a.served(), b.served());
    let before = b.served();
    let form = format!(
        "RuleArn={rule}&{}&Transforms.member.1.Type=url-rewrite\
         &Transforms.member.1.UrlRewriteConfig.Rewrites.member.1.Regex=%5E/old/(.*)$\
         &Transforms.member.1.UrlRewriteConfig.Rewrites.member.1.Replace=/new/$1\
         &Transforms.member.2.Type=host-header-rewrite\
         &Transforms.member.2.HostHeaderRewriteConfig.Rewrites.member.1.Regex=%5E(.*)%5C.example%5C.com$\
         &Transforms.member.2.HostHeaderRewriteConfig.Rewrites.member.1.Replace=$1.internal",
        weighted(1, 0)
            .replace("1.Type", "Actions.member.1.Type")
            .replace("&1.Forward", "&Actions.member.1.Forward")
    );
    alb.done("ModifyRule", &form).await;
    for _ in 0..10 {
        let answer = get(shop.address, "a.example.com", "/old/x?y").await;
        assert!(answer.body.starts_with("a\nGET /new/x?y HTTP/1.1\r\n"), "{}", answer.body);
        assert!(answer.body.contains("Host: a.internal\r\n"), "{}", answer.body);
    }
    assert_eq!(b.served(), before, "a weight of zero gets nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let answer = get(shop.address, "h", "/chunks/20").await;
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.body.contains("19"), "{}", answer.body);
    let big = "0123456789".repeat(300_000);
    let sized = format!(
        "PUT /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{big}",
        big.len()
    );
    let answer = send(shop.address, &sized).await;
    assert!(answer.body.ends_with(&big), "{} bytes", answer.body.len());
    let chunked = format!(
        "PUT /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n",
        big.len()
    );
    let answer = send(shop.address, &chunked).await;
    assert!(answer.body.ends_with(&big), "{} bytes", answer.body.len());
    let head = send(shop.address, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.header("content-length").is_some());
    assert_eq!(get(shop.address, "h", "/status/204").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_protocol_is_passed_through() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    alb.attribute(&shop.lb, "idle_timeout.timeout_seconds", "1").await;
    let mut stream = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 1024];
    let read = stream.read(&mut buffer).await.unwrap();
    let head = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: echo"), "{head}");
    for text in ["ping", "pong"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.read_exact(&mut buffer[..4]).await.unwrap();
        assert_eq!(&buffer[..4], text.as_bytes());
    }
    let quiet = tokio::time::Instant::now();
    assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0, "the idle timeout still applies");
    assert!(quiet.elapsed().as_millis() > 800, "{:?}", quiet.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stays_with_its_target_by_cookie() {
    let alb = Alb::start().await;
    let (a, b) = (Target::start("a").await, Target::start("b").await);
    let shop = alb.shop(a.address).await;
    alb.register(&shop.group, b.address).await;
    alb.attribute(&shop.group, "stickiness.enabled", "true").await;
    for _ in 0..200 {
        if b.state.checked.load(std::sync::atomic::Ordering::SeqCst) > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let first = get(shop.address, "h", "/").await;
    let cookies = first.headers("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("AWSALB=") && cookies[1].starts_with("AWSALBCORS="));
    assert!(cookies[1].ends_with("SameSite=None; Secure"), "{cookies:?}");
    let cookie = cookies[0].split(';').next().unwrap();
    for _ in 0..10 {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nCookie: x=1; {cookie}\r\nConnection: close\r\n\r\n"
        );
        let answer = send(shop.address, &request).await;
        assert_eq!(answer.header("x-target"), first.header("x-target"));
    }
    let mut seen: Vec<_> = Vec::new();
    for _ in 0..4 {
        seen.push(get(shop.address, "h", "/").await.header("x-target").unwrap().to_owned());
    }
    assert!(seen.contains(&"a".into()) && seen.contains(&"b".into()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_where_the_configuration_says() {
    let target = Target::start("a").await;
    let alb = Alb::with(|config| {
        config.instances.insert("i-0aaaaaaaaaaaaaaaa".to_owned(), [127, 0, 0, 1].into());
        config.instances.insert("i-0bbbbbbbbbbbbbbbb".to_owned(), [127, 0, 0, 99].into());
    })
    .await;
    let lb = alb.load_balancer("shop").await;
    let form = format!(
        "Name=nodes&Protocol=HTTP&Port={}&VpcId=vpc-10ca1a1b&TargetType=instance",
        target.address.port()
    );
    let group = crate::alb::element(&alb.done("CreateTargetGroup", &form).await, "TargetGroupArn");
    let both = "Targets.member.1.Id=i-0aaaaaaaaaaaaaaaa&Targets.member.2.Id=i-0bbbbbbbbbbbbbbbb";
    alb.done("RegisterTargets", &format!("TargetGroupArn={group}&{both}")).await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    alb.until(&group, "healthy").await;
    let address = alb.running.address_of("shop", 80).unwrap();
    let (status, xml) = alb
        .call("RegisterTargets", &format!("TargetGroupArn={group}&Targets.member.1.Id=127.0.0.1"))
        .await;
    assert_eq!((status, crate::alb::element(&xml, "Code").as_str()), (400, "InvalidTarget"));
    let wait = async {
        while !alb
            .done("DescribeTargetHealth", &format!("TargetGroupArn={group}"))
            .await
            .contains("unhealthy")
        {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), wait).await.unwrap();
    for _ in 0..4 {
        assert_eq!(get(address, "h", "/").await.header("x-target"), Some("a"));
    }
}
