//! Connection pools and circuit breakers.

use crate::scene::{Scene, Script, statuses};
use edgeway_tests::{Answer, crowd::Does, http::client, wait_for};

fn pool(settings: &str) -> String {
    format!("trafficPolicy: {{connectionPool: {settings}}}")
}

/// 503 at once, with a word for the client's own breaker.
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("x-envoy-overloaded"), Some("true"));
    assert_eq!(
        answer.body,
        "upstream connect error or disconnect/reset before headers. reset reason: overflow"
    );
}

/// `cb-pending`: one is served, two wait in their order, three are refused. Istio allows every worker a
/// connection more; ours counts exactly.
#[test]
fn a_full_queue_refuses() {
    let policy = pool("{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 2}}");
    let scene = Scene::new(Script { policy: &policy, ..Script::default() });
    scene.crowd.tell(0, Does::Hold);
    let mut asking = scene.begin(6, "/");
    for refused in asking.drain(3..) {
        assert_refused(&refused.join().expect("it has not panicked"));
    }
    scene.crowd.release(3);
    assert_eq!(statuses(asking), [200, 200, 200]);
    assert_eq!(scene.crowd.connections(0), (1, 1, 1));
}

/// `cb-maxconnections`: without a limit of its own the queue takes everybody.
#[test]
fn a_limit_of_connections_alone_refuses_nobody() {
    let policy = pool("{tcp: {maxConnections: 2}}");
    let scene = Scene::new(Script { policy: &policy, ..Script::default() });
    scene.crowd.tell(0, Does::Hold);
    let asking = scene.begin(6, "/");
    scene.wait_active(2);
    scene.crowd.release(6);
    assert_eq!(statuses(asking), [200; 6]);
    assert_eq!((scene.crowd.active().1, scene.crowd.connections(0).2), (2, 2));
}

/// `cb-defaults`: without a DestinationRule nothing is limited.
#[test]
fn without_a_policy_nothing_is_refused() {
    let scene = Scene::new(Script::default());
    scene.crowd.tell(0, Does::Hold);
    let ask = || {
        let ask = scene.ask("/");
        std::thread::spawn(move || ask.send().expect("the gateway answers"))
    };
    let asking: Vec<_> = (0..300).map(|_| ask()).collect();
    scene.wait_active(300);
    scene.crowd.release(300);
    assert_eq!(statuses(asking), [200; 300]);
    assert_eq!(scene.crowd.connections(0).2, 300);
}

/// `cb-pending-1`: in Istio a burst on a cold pool is refused in half, although connections are
/// unlimited. Ours counts those that wait for somebody else's connection: none here.
#[test]
fn a_cold_start_is_no_queue() {
    let policy = pool("{http: {http1MaxPendingRequests: 1}}");
    let scene = Scene::new(Script { policy: &policy, ..Script::default() });
    scene.crowd.tell(0, Does::Hold);
    let asking = scene.begin(8, "/");
    scene.wait_active(8);
    scene.crowd.release(8);
    assert_eq!(statuses(asking), [200; 8]);
}

/// `cb-scope`: limits are the cluster's, whatever the number of its endpoints. In Istio each endpoint
/// may have a connection all the same, three here; ours counts exactly.
#[test]
fn limits_are_for_all_endpoints_together() {
    let policy = pool("{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}");
    let scene = Scene::new(Script { policy: &policy, backends: 3, ..Script::default() });
    scene.crowd.tell_all(Does::Hold);
    let mut asking = scene.begin(8, "/");
    for refused in asking.drain(2..) {
        assert_refused(&refused.join().expect("it has not panicked"));
    }
    scene.crowd.release(2);
    assert_eq!(statuses(asking), [200; 2]);
    let at_once: usize = (0..3).map(|at| scene.crowd.connections(at).2).sum();
    assert!(at_once <= 2, "one, and another after its end: {at_once}");
    assert_eq!(scene.crowd.active().1, 1);
}

/// `cb-http2maxrequests`: its name notwithstanding it counts HTTP/1.1 as well, over all workers.
#[test]
fn a_limit_of_requests_is_exact() {
    let policy = pool("{http: {http2MaxRequests: 3}}");
    let scene = Scene::new(Script { policy: &policy, backends: 3, ..Script::default() });
    scene.crowd.tell_all(Does::Hold);
    let mut asking = scene.begin(6, "/");
    for refused in asking.drain(3..) {
        assert_refused(&refused.join().expect("it has not panicked"));
    }
    scene.crowd.release(3);
    assert_eq!(statuses(asking), [200; 3]);
    scene.crowd.release(1);
    assert_eq!(scene.get("/").status, 200, "what has ended counts no more");
    let metrics = scene.gateway.metrics();
    assert!(
        metrics.lines().any(|line| line.starts_with("istio_requests_total")
            && line.contains("response_flags=\"UO\"")
            && line.ends_with(" 3")),
        "{metrics}"
    );
}

/// `cb-subset-scope`: each subset has its own counters, and the service without one, too.
#[test]
fn subsets_have_limits_of_their_own() {
    let policy = "trafficPolicy: {connectionPool: {http: {http2MaxRequests: 2}}}, \
                  subsets: [{name: v1}, {name: v2}]";
    let rules = "  - match: [{uri: {prefix: /v1}}]
    route: [{destination: {host: a.default.svc.cluster.local, subset: v1}}]
  - match: [{uri: {prefix: /v2}}]
    route: [{destination: {host: a.default.svc.cluster.local, subset: v2}}]";
    let scene = Scene::new(Script { policy, rules, ..Script::default() });
    scene.crowd.tell(0, Does::Hold);
    let mut asking = Vec::new();
    for path in ["/v1", "/v2", "/"] {
        asking.extend(scene.begin(2, path));
    }
    scene.wait_active(6);
    for path in ["/v1", "/v2", "/"] {
        assert_refused(&scene.get(path));
    }
    scene.crowd.release(6);
    assert_eq!(statuses(asking), [200; 6]);
}

/// `cb-maxrequestsperconnection`: 1–3, 4–6, 7–8; the client notices nothing.
#[test]
fn a_connection_serves_so_many_requests() {
    let policy = pool("{http: {maxRequestsPerConnection: 3}}");
    let options = &["--workers", "1"];
    let scene = Scene::new(Script { policy: &policy, options, ..Script::default() });
    let agent = client();
    for _ in 0..8 {
        assert_eq!(scene.get_with(&agent, "/").status, 200);
    }
    let connections: Vec<_> = scene.crowd.take().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1, 1, 2, 2]);
}

/// `cb-idletimeout`, `cb-tcp-idletimeout-http`: unused connections are closed in time.
#[test]
fn unused_connections_are_closed() {
    for settings in ["{http: {idleTimeout: 1s}}", "{tcp: {idleTimeout: 1s}}"] {
        let policy = pool(settings);
        let scene = Scene::new(Script { policy: &policy, ..Script::default() });
        assert_eq!(scene.get("/").status, 200);
        assert_eq!(scene.crowd.connections(0).0, 1);
        wait_for("the end of the connection", || (scene.crowd.connections(0).1 == 0).then_some(()));
        assert_eq!(scene.get("/").status, 200);
    }
}

/// `cb-maxretries`: one request makes its retries; the others get the backend's own answer, without a
/// word about overload.
#[test]
fn retries_have_a_limit() {
    let policy = pool("{http: {maxRetries: 1}}");
    let route = "retries: {attempts: 2, retryOn: 5xx}";
    let scene = Scene::new(Script { policy: &policy, route, ..Script::default() });
    scene.crowd.tell(0, Does::Late(503, std::time::Duration::from_millis(500)));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let ask = scene.ask("/");
            std::thread::spawn(move || ask.send().expect("the gateway answers"))
        })
        .collect();
    for answer in asking {
        let answer = answer.join().expect("it has not panicked");
        assert_eq!((answer.status, answer.body.as_str()), (503, "0"));
        assert_eq!(answer.header("x-envoy-overloaded"), None);
    }
    // Four first tries; whoever holds the one place for retries makes two, others may get it then.
    let tries = scene.crowd.take().len();
    assert!((5..=8).contains(&tries), "{tries} tries");
}

/// `upstream-max-connection-duration`: a connection is replaced when its time is up, and what it has
/// begun is finished.
#[test]
fn a_connection_has_a_longest_life() {
    let policy = pool("{tcp: {maxConnectionDuration: 1s}}");
    let options = &["--workers", "1"];
    let scene = Scene::new(Script { policy: &policy, options, ..Script::default() });
    let agent = client();
    scene.crowd.tell(0, Does::Late(200, std::time::Duration::from_millis(1500)));
    assert_eq!(scene.get_with(&agent, "/").status, 200);
    scene.crowd.tell(0, Does::Answer(200));
    assert_eq!(scene.get_with(&agent, "/").status, 200);
    let connections: Vec<_> = scene.crowd.take().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 1]);
}
