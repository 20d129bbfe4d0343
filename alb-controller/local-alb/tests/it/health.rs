//! Health, draining, and that neither loses a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::alb::{Alb, element, get};
use crate::target::Target;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_healthy_at_the_first_check_and_follows_its_checks_from_then_on() {
    let alb = Alb::start().await;
    let (a, b) = (Target::start("a").await, Target::start("b").await);
    let lb = alb.load_balancer("shop").await;
    let group = alb.group("web", "HealthyThresholdCount=2&HealthCheckPath=/health").await;
    alb.register(&group, a.address).await;
    assert_eq!(alb.state(&group).await, "unused");
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    alb.until(&group, "healthy").await;
    let address = alb.running.address_of("shop", 80).unwrap();
    alb.register(&group, b.address).await;
    a.state.ill.store(true, Ordering::SeqCst);
    let xml = loop {
        let form = format!(
            "TargetGroupArn={group}&Targets.member.1.Id=127.0.0.1&Targets.member.1.Port={}",
            a.address.port()
        );
        let xml = alb.done("DescribeTargetHealth", &form).await;
        if xml.contains("<State>unhealthy</State>") {
            break xml;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(element(&xml, "Reason"), "Target.ResponseCodeMismatch");
    assert!(xml.contains("Health checks failed with these codes: [503]"), "{xml}");
    let before = a.served();
    for _ in 0..6 {
        assert_eq!(get(address, "h", "/").await.header("x-target"), Some("b"));
    }
    assert_eq!(a.served(), before, "an unhealthy target gets nothing");
    b.state.ill.store(true, Ordering::SeqCst);
    let ill = async {
        while alb
            .done("DescribeTargetHealth", &format!("TargetGroupArn={group}"))
            .await
            .matches("unhealthy")
            .count()
            < 2
        {}
    };
    tokio::time::timeout(Duration::from_secs(5), ill).await.unwrap();
    for _ in 0..6 {
        assert_eq!(get(address, "h", "/").await.status, 200, "fail-open");
    }
    assert!(a.served() > before, "with none healthy all get traffic");
    a.state.ill.store(false, Ordering::SeqCst);
    let well = async {
        while !alb
            .done("DescribeTargetHealth", &format!("TargetGroupArn={group}"))
            .await
            .contains("<State>healthy")
        {}
    };
    tokio::time::timeout(Duration::from_secs(5), well).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_ask_what_the_group_says() {
    let alb = Alb::start().await;
    let (a, check) = (Target::start("a").await, Target::start("check").await);
    let lb = alb.load_balancer("shop").await;
    let port = check.address.port();
    let more =
        format!("HealthCheckPort={port}&HealthCheckPath=/status/302&Matcher.HttpCode=200,300-302");
    let group = alb.group("web", &more).await;
    alb.register(&group, a.address).await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    alb.until(&group, "healthy").await;
    assert_eq!(a.state.checked.load(Ordering::SeqCst), 0);
    alb.done("ModifyTargetGroup", &format!("TargetGroupArn={group}&Matcher.HttpCode=200")).await;
    alb.until(&group, "unhealthy").await;
    let form = format!(
        "TargetGroupArn={group}&HealthCheckPath=/slow/2500&HealthCheckTimeoutSeconds=2&UnhealthyThresholdCount=2"
    );
    alb.done("ModifyTargetGroup", &form).await;
    let timed_out = async {
        while !alb
            .done("DescribeTargetHealth", &format!("TargetGroupArn={group}"))
            .await
            .contains("Target.Timeout")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), timed_out).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_draining_target_has_begun_it_may_finish() {
    let (alb, a, b) = (Alb::start().await, Target::start("a").await, Target::start("b").await);
    let shop = alb.shop(a.address).await;
    alb.attribute(&shop.group, "deregistration_delay.timeout_seconds", "2").await;
    let begun = tokio::spawn(async move { get(shop.address, "h", "/slow/700").await });
    while a.served() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    alb.register(&shop.group, b.address).await;
    alb.deregister(&shop.group, a.address).await;
    let xml = alb.done("DescribeTargetHealth", &format!("TargetGroupArn={}", shop.group)).await;
    assert!(xml.contains("Target.DeregistrationInProgress"), "{xml}");
    for _ in 0..5 {
        assert_eq!(get(shop.address, "h", "/").await.header("x-target"), Some("b"));
    }
    assert_eq!(begun.await.unwrap().header("x-target"), Some("a"));
    let gone = async {
        while alb
            .done("DescribeTargetHealth", &format!("TargetGroupArn={}", shop.group))
            .await
            .contains("draining")
        {}
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_when_the_delay_ends_is_cut() {
    let (alb, a) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(a.address).await;
    alb.attribute(&shop.group, "deregistration_delay.timeout_seconds", "1").await;
    let waiting = tokio::spawn(async move { get(shop.address, "h", "/slow/9000").await });
    let reading = tokio::spawn(async move { get(shop.address, "h", "/chunks/400").await });
    while a.served() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = tokio::time::Instant::now();
    alb.deregister(&shop.group, a.address).await;
    assert_eq!(waiting.await.unwrap().status, 502);
    let cut = reading.await.unwrap();
    assert_eq!(cut.status, 200);
    assert!(!cut.body.ends_with("0\r\n\r\n"), "the end of the body never came");
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
}

/// A stream of requests while the target changes back and forth: every one is answered.
#[tokio::test(flavor = "multi_thread")]
async fn registering_and_deregistering_loses_no_request() {
    let alb = Alb::start().await;
    let targets = [Target::start("a").await, Target::start("b").await];
    let shop = alb.shop(targets[0].address).await;
    alb.attribute(&shop.group, "deregistration_delay.timeout_seconds", "5").await;
    let (over, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, good) = (Arc::clone(&over), Arc::clone(&good));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let answer = get(shop.address, "h", "/slow/3").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    good.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..10 {
        let (old, new) = (&targets[round % 2], &targets[(round + 1) % 2]);
        alb.register(&shop.group, new.address).await;
        // What a controller does: the new one is healthy before the old one goes.
        let form = format!(
            "TargetGroupArn={}&Targets.member.1.Id=127.0.0.1&Targets.member.1.Port={}",
            shop.group,
            new.address.port()
        );
        while !alb.done("DescribeTargetHealth", &form).await.contains("<State>healthy") {}
        alb.deregister(&shop.group, old.address).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert!(good.load(Ordering::SeqCst) > 100, "{good:?}");
    assert!(targets.iter().all(|target| target.served() > 20));
}
