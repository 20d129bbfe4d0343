//! Near endpoints first.

use crate::scene::{Scene, Script};
use edgeway_tests::{crowd::Does, http::client};

const PLACES: [&str; 8] = [
    "locality: r1/z1/s1",
    "locality: r1/z1/s1",
    "locality: r1/z1/s1",
    "locality: r1/z1/s1",
    "locality: r1/z2/s1",
    "locality: r2/z1/s1",
    "locality: r3/z1/s1",
    "locality: r1/z1/s2",
];

const DETECTION: &str = "outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 300s, \
                         maxEjectionPercent: 100}";

/// Eight backends in five places, a gateway in r1/z1/s1.
fn scene(locality: &str, detection: &str) -> Scene {
    let policy = format!(
        "trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN, {locality}}}, {detection}}}"
    );
    Scene::new(Script {
        backends: 8,
        policy: &policy,
        route: "retries: {attempts: 0}",
        endpoints: &PLACES,
        options: &["--workers", "1", "--locality", "r1/z1/s1"],
        ..Script::default()
    })
}

/// Takes backends out: each fails once.
fn eject(scene: &Scene, backends: &[usize]) {
    for bad in backends {
        scene.crowd.tell(*bad, Does::Answer(500));
    }
    let agent = client();
    for _ in 0..80 {
        scene.get_with(&agent, "/");
    }
    scene.crowd.tell_all(Does::Answer(200));
}

/// Shares of r1/z1/s1, and of the places behind it, in parts of 300: of so many requests that what
/// falls by chance stays near what it should be.
fn by_place(scene: &Scene) -> [usize; 5] {
    const ROUNDS: usize = 9;
    let got = scene.shares(300 * ROUNDS);
    [got[..4].iter().sum(), got[7], got[4], got[5], got[6]].map(|share: usize| share / ROUNDS)
}

fn near(got: usize, expected: usize) -> bool {
    got.abs_diff(expected) <= 12
}

/// `locality-no-outlier`, `locality-disabled`: without detection, or switched off, places mean nothing.
#[test]
fn places_mean_nothing_without_detection() {
    for (locality, detection) in [("", ""), ("localityLbSetting: {enabled: false}", DETECTION)] {
        let shares = scene(locality, detection).shares(320);
        assert!(shares.iter().all(|share| (30..=50).contains(share)), "{locality}: {shares:?}");
    }
}

/// `locality-failover-default`: all stay near while one of four is out; then the next place gets what
/// the near ones cannot carry, at 1.4 times their health.
#[test]
fn the_next_place_takes_what_the_near_one_cannot() {
    let scene = scene("", DETECTION);
    assert_eq!(by_place(&scene), [300, 0, 0, 0, 0]);
    for (out, expected) in [(0, [300, 0]), (1, [210, 90]), (2, [105, 195]), (3, [0, 300])] {
        eject(&scene, &[out]);
        let shares = by_place(&scene);
        assert!(
            near(shares[0], expected[0]) && near(shares[1], expected[1]),
            "{} out: {shares:?}",
            out + 1
        );
    }
    eject(&scene, &[7]);
    assert_eq!(by_place(&scene), [0, 0, 300, 0, 0], "then the zone");
    eject(&scene, &[4]);
    let shares = by_place(&scene);
    assert!(near(shares[3], 150) && near(shares[4], 150), "then other regions: {shares:?}");
    eject(&scene, &[5, 6]);
    assert_eq!(scene.get("/").body, "no healthy upstream");
}

/// `locality-failover-region`: the region that is named comes before others.
#[test]
fn a_region_can_be_preferred() {
    let scene = scene("localityLbSetting: {failover: [{from: r1, to: r3}]}", DETECTION);
    eject(&scene, &[0, 1, 2, 3]);
    eject(&scene, &[7]);
    eject(&scene, &[4]);
    assert_eq!(by_place(&scene), [0, 0, 0, 0, 300]);
    eject(&scene, &[6]);
    assert_eq!(by_place(&scene), [0, 0, 0, 300, 0]);
}

/// `locality-distribute`: exactly by the shares, with and without detection; a place keeps its share
/// while enough of it is healthy.
#[test]
fn shares_can_be_given() {
    let distribute = "localityLbSetting: {distribute: [{from: 'r1/z1/*', to: {'r1/z1/*': 70, \
                      'r1/z2/*': 20, 'r2/*': 10}}]}";
    for detection in ["", DETECTION] {
        let scene = scene(distribute, detection);
        let shares = by_place(&scene);
        assert_eq!(shares, [168, 42, 60, 30, 0], "{detection}");
    }
    let scene = scene(distribute, DETECTION);
    eject(&scene, &[0]);
    assert!(near(by_place(&scene)[0], 168));
    eject(&scene, &[1]);
    assert!(near(by_place(&scene)[0], 141));
}

/// `locality-failover-priority`: the leading labels that do not match make the priority.
#[test]
fn labels_can_make_the_order() {
    let settings = "localityLbSetting: {failoverPriority: ['topology.kubernetes.io/region', \
                    'topology.kubernetes.io/zone']}";
    let scene = scene(settings, DETECTION);
    let shares = by_place(&scene);
    assert_eq!((shares[0] + shares[1], shares[2]), (300, 0));
    eject(&scene, &[0, 1, 2, 3, 7]);
    assert_eq!(by_place(&scene), [0, 0, 300, 0, 0]);
}

/// `retry-remote-localities`: after two tries near by the next go elsewhere, if that is wanted.
#[test]
fn retries_can_go_far_away() {
    for (remote, expected) in [("true", true), ("false", false)] {
        let route =
            format!("retries: {{attempts: 3, retryOn: 5xx, retryRemoteLocalities: {remote}}}");
        let scene = Scene::new(Script {
            backends: 3,
            policy: "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 100}}",
            route: &route,
            endpoints: &["locality: r1/z1", "locality: r1/z1", "locality: r2/z1"],
            options: &["--workers", "1", "--locality", "r1/z1"],
            ..Script::default()
        });
        scene.crowd.tell_all(Does::Answer(503));
        for _ in 0..10 {
            scene.get("/");
            let order: Vec<_> = scene.crowd.take().iter().map(|got| got.backend).collect();
            assert_eq!(order.len(), 4);
            assert!(order[..2].iter().all(|backend| *backend < 2), "{remote}: {order:?}");
            assert_eq!(order[2..].contains(&2), expected, "{remote}: {order:?}");
        }
    }
}
