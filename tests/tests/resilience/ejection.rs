//! Outlier detection.

use crate::scene::{Scene, Script};
use edgeway_tests::{crowd::Does, http::client, wait_for};

const NO_RETRIES: &str = "retries: {attempts: 0}";

fn detection(settings: &str) -> String {
    format!(
        "trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}, outlierDetection: {{{settings}}}}}"
    )
}

fn scene(backends: usize, settings: &str, route: &str) -> Scene {
    let policy = detection(settings);
    Scene::new(Script { backends, policy: &policy, route, ..Script::default() })
}

/// GETs one after the other; their statuses.
fn statuses(scene: &Scene, count: usize) -> Vec<u16> {
    let agent = client();
    (0..count).map(|_| scene.get_with(&agent, "/").status).collect()
}

/// `od-5xx-kinds`: whatever counts takes the endpoint out at the second failure in a row, so that the
/// third request finds nobody.
#[test]
fn failures_of_many_kinds_count() {
    let second = std::time::Duration::from_secs(2);
    for (does, first, third) in [
        (Does::Answer(500), 500, 503),
        (Does::Answer(503), 503, 503),
        (Does::Answer(599), 599, 503),
        (Does::Answer(429), 429, 429),
        (Does::Reset, 503, 503),
        (Does::Close, 503, 503),
        (Does::Late(200, second), 504, 503),
    ] {
        let settings = "consecutive5xxErrors: 2, baseEjectionTime: 300s, maxEjectionPercent: 100";
        let route = "timeout: 0.3s\n    retries: {attempts: 0}";
        let scene = scene(1, settings, route);
        scene.crowd.tell(0, does);
        assert_eq!(statuses(&scene, 2), [first, first], "{does:?}");
        scene.crowd.tell(0, Does::Answer(429));
        let answer = scene.get("/");
        assert_eq!(answer.status, third, "{does:?}");
        if third == 503 {
            assert_eq!(answer.body, "no healthy upstream", "{does:?}");
            assert_eq!(answer.header("x-envoy-overloaded"), None);
        }
    }
}

/// `od-empty`: an empty `outlierDetection` is one with the defaults: five in a row, one of ten out.
#[test]
fn an_empty_detection_has_defaults() {
    let scene = scene(10, "", NO_RETRIES);
    scene.crowd.tell(3, Does::Answer(503));
    scene.crowd.tell(7, Does::Answer(503));
    let answers = statuses(&scene, 200);
    let counts = scene.crowd.take_counts();
    let mut failing = [counts[3], counts[7]];
    failing.sort_unstable();
    assert_eq!(failing[0], 5, "{counts:?}");
    assert!(failing[1] > 15, "the tenth part is out, the other stays: {counts:?}");
    let failed = answers.into_iter().filter(|status| *status == 503).count();
    assert_eq!(failed, failing[0] + failing[1]);
}

/// `od-success-resets`: anything below 500 begins the count anew; kinds of failure add up.
#[test]
fn a_success_begins_the_count_anew() {
    let settings = "consecutive5xxErrors: 3, baseEjectionTime: 300s, maxEjectionPercent: 100";
    let scene = scene(1, settings, NO_RETRIES);
    for does in [500, 500, 404, 500, 500, 200, 500, 503] {
        scene.crowd.tell(0, Does::Answer(does));
        assert_eq!(scene.get("/").status, does);
    }
    scene.crowd.tell(0, Does::Reset);
    assert_ne!(scene.get("/").body, "no healthy upstream");
    assert_eq!(scene.get("/").body, "no healthy upstream");
}

/// `od-gateway-errors`: 502, 503, 504 and broken connections count, 500 and 501 do not.
#[test]
fn gateway_errors_are_counted_apart() {
    let settings = "consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, \
                    baseEjectionTime: 300s, maxEjectionPercent: 100";
    for (does, out) in [
        (Does::Answer(500), false),
        (Does::Answer(501), false),
        (Does::Answer(502), true),
        (Does::Answer(504), true),
        (Does::Reset, true),
        (Does::Garbage, true),
    ] {
        let scene = scene(1, settings, NO_RETRIES);
        scene.crowd.tell(0, does);
        statuses(&scene, 2);
        let answer = scene.get("/");
        assert_eq!(answer.body == "no healthy upstream", out, "{does:?}: {answer:?}");
    }
}

/// `od-max-ejection`: one more is taken out only if the share stays within the percentage; there is no
/// "at least one". Measured pairs.
#[test]
fn no_more_than_the_percentage_is_out() {
    for (endpoints, percent, out) in [
        (2, "1", 0),
        (2, "50", 1),
        (2, "100", 2),
        (3, "50", 1),
        (3, "67", 2),
        (5, "0", 0),
        (10, "19", 1),
        (10, "20", 2),
    ] {
        let settings = format!(
            "consecutive5xxErrors: 1, baseEjectionTime: 300s, maxEjectionPercent: {percent}"
        );
        let scene = scene(endpoints, &settings, NO_RETRIES);
        scene.crowd.tell_all(Does::Answer(500));
        statuses(&scene, 4 * endpoints);
        scene.crowd.tell_all(Does::Answer(200));
        let used = scene.shares(4 * endpoints).iter().filter(|count| **count > 0).count();
        assert_eq!(endpoints - used, out, "{endpoints} endpoints, {percent} %");
    }
}

/// `od-5xx-growth`, `od-all-ejected`: out for the base time, longer the next time, and back with a
/// full share.
#[test]
fn endpoints_come_back() {
    let settings = "consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 1s, \
                    maxEjectionPercent: 100";
    let scene = scene(2, settings, NO_RETRIES);
    scene.crowd.tell_all(Does::Answer(500));
    assert_eq!(statuses(&scene, 2), [500, 500]);
    scene.crowd.tell_all(Does::Answer(200));
    assert_eq!(scene.get("/").body, "no healthy upstream");
    wait_for("the endpoints", || (scene.get("/").status == 200).then_some(()));
    wait_for("both endpoints", || (scene.shares(20) == [10, 10]).then_some(()));
}

/// `od-update-delay`: Istio goes on sending to an endpoint for up to a second after it was taken out;
/// ours never does.
#[test]
fn an_ejection_holds_at_once() {
    let settings = "consecutive5xxErrors: 2, baseEjectionTime: 300s, maxEjectionPercent: 100";
    let scene = scene(3, settings, NO_RETRIES);
    for bad in [0, 1] {
        scene.crowd.take();
        scene.crowd.tell(bad, Does::Answer(500));
        let failed = statuses(&scene, 30).iter().filter(|status| **status == 500).count();
        assert_eq!((failed, scene.crowd.take_counts()[bad]), (2, 2));
    }
}

/// `od-min-health`: when fewer than the percentage are in, all are used.
#[test]
fn panic_uses_everybody() {
    for (out, panics) in [(1, false), (2, true)] {
        let settings = "consecutive5xxErrors: 1, baseEjectionTime: 300s, \
                        maxEjectionPercent: 100, minHealthPercent: 60";
        let scene = scene(4, settings, NO_RETRIES);
        (0..out).for_each(|bad| scene.crowd.tell(bad, Does::Answer(500)));
        statuses(&scene, 12);
        scene.crowd.tell_all(Does::Answer(200));
        let shares = scene.shares(40);
        let expected = if panics { vec![10; 4] } else { vec![0, 13, 13, 14] };
        let mut sorted = shares.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{out} out: {shares:?}");
    }
}

/// `od-retry-interplay`: with retries the client sees nothing of it, and the bad endpoint gets three
/// requests in all.
#[test]
fn retries_hide_what_is_taken_out() {
    let settings = "consecutive5xxErrors: 3, baseEjectionTime: 300s, maxEjectionPercent: 100";
    let scene = scene(2, settings, "retries: {attempts: 2, retryOn: 5xx}");
    scene.crowd.tell(0, Does::Answer(503));
    assert_eq!(statuses(&scene, 20), [200; 20]);
    assert_eq!(scene.crowd.take_counts()[0], 3);
}

/// `od-split-local`: failures of the connection are counted apart. In Istio resets and timeouts then
/// count nowhere; ours counts them as what they are.
#[test]
fn local_errors_are_counted_apart() {
    let settings = "consecutive5xxErrors: 2, splitExternalLocalOriginErrors: true, \
                    consecutiveLocalOriginFailures: 3, baseEjectionTime: 300s, \
                    maxEjectionPercent: 100";
    for (does, tries) in [(Does::Answer(500), 2), (Does::Reset, 3)] {
        let scene = scene(1, settings, NO_RETRIES);
        scene.crowd.tell(0, does);
        for _ in 0..tries {
            assert_ne!(scene.get("/").body, "no healthy upstream", "{does:?}");
        }
        assert_eq!(scene.get("/").body, "no healthy upstream", "{does:?}");
    }
}
