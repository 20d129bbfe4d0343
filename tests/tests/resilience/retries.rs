//! Retries and deadlines.

use crate::scene::{Scene, Script};
use edgeway_tests::{Ask, crowd::Does, http::client};
use std::{collections::BTreeSet, time::Duration};

/// `retry-connect-failure`: two of three endpoints are dead, and by default nobody notices.
#[test]
fn dead_endpoints_are_walked_around() {
    let scene = Scene::new(Script {
        backends: 1,
        policy: "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}",
        ..Script::default()
    });
    let dead = "{addresses: [127.88.255.1]}, {addresses: [127.88.255.2]}, ";
    scene.gateway.edit(|text| text.replace("endpoints: [", &format!("endpoints: [{dead}")));
    edgeway_tests::wait_for("the edit", || {
        let metrics = scene.gateway.metrics();
        scene.get("/");
        metrics.contains("reason=\"refused\"").then_some(())
    });
    let agent = client();
    for _ in 0..60 {
        assert_eq!(scene.get_with(&agent, "/").status, 200);
    }
}

/// `retry-host-selection`: tries avoid the endpoints that had one; with a hash they never do.
#[test]
fn tries_go_to_others() {
    let route = "retries: {attempts: 3, retryOn: 5xx}";
    let scene = Scene::new(Script { backends: 4, route, ..Script::default() });
    scene.crowd.tell_all(Does::Answer(503));
    let mut permutations = 0;
    for _ in 0..40 {
        scene.get("/");
        let tried: BTreeSet<_> = scene.crowd.take().iter().map(|got| got.backend).collect();
        permutations += usize::from(tried.len() == 4);
    }
    assert!(permutations >= 20, "{permutations} of 40");

    let policy = "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-key}}}";
    let scene = Scene::new(Script { backends: 4, route, policy, ..Script::default() });
    scene.crowd.tell_all(Does::Answer(503));
    for key in 0..10 {
        let ask = scene.ask("/").header("x-key", &key.to_string());
        ask.send().expect("the gateway answers");
        let got = scene.crowd.take();
        let tried: BTreeSet<_> = got.iter().map(|got| got.backend).collect();
        assert_eq!((got.len(), tried.len()), (4, 1));
    }
}

/// `retry-backoff`: tries are counted for the backend, which sees one request id, and
/// `x-envoy-ratelimited` ends them. A reset after connecting is not retried by default.
#[test]
fn tries_are_counted_for_the_backend() {
    let route = "retries: {attempts: 2, retryOn: 5xx}";
    let scene = Scene::new(Script { route, ..Script::default() });
    scene.crowd.tell(0, Does::Answer(503));
    let answer = scene.get("/");
    assert_eq!((answer.status, answer.header("x-envoy-attempt-count")), (503, None));
    let got = scene.crowd.take();
    let counts: Vec<_> = got.iter().map(|got| got.header("x-envoy-attempt-count")).collect();
    assert_eq!(counts, [Some("1"), Some("2"), Some("3")]);
    let ids: BTreeSet<_> = got.iter().map(|got| got.header("x-request-id")).collect();
    assert_eq!(ids.len(), 1);

    let scene = Scene::new(Script::default());
    scene.crowd.tell(0, Does::Reset);
    assert_eq!(scene.get("/").status, 503);
    assert_eq!(scene.crowd.take().len(), 1);
}

/// `retry-backoff`: a random time before each further try, below the base times two to the number of
/// tries, and below ten times the base.
#[test]
fn tries_keep_their_distance() {
    let rules = "  - match: [{uri: {prefix: /slow}}]
    route: [{destination: {host: a.default.svc.cluster.local}}]
    retries: {attempts: 4, retryOn: 5xx, backoff: 100ms}";
    let route = "retries: {attempts: 4, retryOn: 5xx}";
    let scene = Scene::new(Script { route, rules, ..Script::default() });
    scene.crowd.tell(0, Does::Answer(503));
    for (path, base) in [("/", 25), ("/slow", 100)] {
        let mut longest = [Duration::ZERO; 4];
        for _ in 0..12 {
            scene.get(path);
            let got = scene.crowd.take();
            assert_eq!(got.len(), 5, "{path}");
            for (longest, pair) in longest.iter_mut().zip(got.windows(2)) {
                *longest = (*longest).max(pair[1].at - pair[0].at);
            }
        }
        // A machine that is busy makes gaps longer, never shorter: of twelve draws one is above a
        // third of the bound but once in half a million runs.
        for (at, longest) in longest.iter().enumerate() {
            let bound = Duration::from_millis(base * (1 << at).min(10));
            assert!(*longest > bound / 3, "{path}, try {at}: {longest:?} of {bound:?}");
        }
        assert!(longest[0] < Duration::from_millis(base * 10), "{path}: {longest:?}");
    }
}

/// `retry-backoff`: what the backend says of a time to wait is not asked; that it limits rates ends it.
#[test]
fn who_limits_rates_is_not_asked_again() {
    let route = "retries: {attempts: 1, retryOn: 5xx}";
    let scene = Scene::new(Script { route, ..Script::default() });
    for (field, tries) in [("retry-after", 2), ("x-envoy-ratelimited", 1)] {
        scene.crowd.tell(0, Does::Says(503, field));
        assert_eq!(scene.get("/").status, 503, "{field}");
        assert_eq!(scene.crowd.take().len(), tries, "{field}");
    }
}

/// `retry-per-try-timeout`: each try has its time, the route's time bounds them all.
#[test]
fn a_try_has_its_time() {
    let late = Does::Late(200, Duration::from_secs(3));
    let route = "retries: {attempts: 2, perTryTimeout: 0.2s, retryOn: 5xx}";
    let scene = Scene::new(Script { route, ..Script::default() });
    scene.crowd.tell(0, late);
    let answer = scene.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (504, "upstream request timeout"));
    assert_eq!(scene.crowd.take().len(), 3);

    let route = "retries: {attempts: 2, perTryTimeout: 0.2s, retryOn: connect-failure}";
    let scene = Scene::new(Script { route, ..Script::default() });
    scene.crowd.tell(0, late);
    assert_eq!(scene.get("/").status, 504);
    assert_eq!(scene.crowd.take().len(), 1);
}

/// `retry-body-size`: a body is sent again up to 1 MiB.
#[test]
fn bodies_are_sent_again_within_a_bound() {
    let route = "retries: {attempts: 2, retryOn: 5xx}";
    let scene = Scene::new(Script { route, ..Script::default() });
    scene.crowd.tell(0, Does::Answer(503));
    for (size, tries) in [(0, 3), (70_000, 3), (1 << 20, 3), ((1 << 20) + 1, 1)] {
        let ask: Ask = scene.ask("/").method("POST").body(vec![b'x'; size]);
        assert_eq!(ask.send().expect("the gateway answers").status, 503, "{size}");
        let sizes: Vec<_> = scene.crowd.take().iter().map(|got| got.body).collect();
        assert_eq!(sizes, vec![size; tries], "{size}");
    }
}

/// `retry-budget`: a share of what is under way, and always the minimum.
#[test]
fn a_budget_bounds_retries() {
    let policy = "trafficPolicy: {retryBudget: {percent: 20, minRetryConcurrency: 1}}";
    let route = "retries: {attempts: 1, retryOn: 5xx}";
    let scene = Scene::new(Script { policy, route, ..Script::default() });
    scene.crowd.tell(0, Does::Late(503, Duration::from_millis(700)));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let ask = scene.ask("/");
            std::thread::spawn(move || ask.send().expect("the gateway answers").status)
        })
        .collect();
    assert!(asking.into_iter().all(|asking| asking.join().is_ok_and(|status| status == 503)));
    let retries = scene.crowd.take().len() - 20;
    assert!((1..=8).contains(&retries), "{retries} retries");
}
