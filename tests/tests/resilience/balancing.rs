//! How an endpoint is chosen.

use crate::scene::{Scene, Script};
use edgeway_tests::{Ask, crowd::Does, http::client, wait_for};
use std::{collections::BTreeMap, thread};

fn balanced(backends: usize, settings: &str) -> Scene {
    let policy = format!("trafficPolicy: {{loadBalancer: {settings}}}");
    Scene::new(Script { backends, policy: &policy, ..Script::default() })
}

/// `lb-round-robin`: a strict cycle on one connection.
#[test]
fn round_robin_is_a_strict_cycle() {
    let scene = balanced(3, "{simple: ROUND_ROBIN}");
    assert_eq!(scene.shares(24), [8, 8, 8]);
    let agent = client();
    let order: Vec<_> = (0..6).map(|_| scene.get_with(&agent, "/").body).collect();
    assert_eq!(order[..3], order[3..]);
}

/// `lb-random`: all get about the same, and the same twice in a row is usual.
#[test]
fn random_is_random() {
    let scene = balanced(3, "{simple: RANDOM}");
    let shares = scene.shares(300);
    assert!(shares.iter().all(|share| (60..=140).contains(share)), "{shares:?}");
}

/// `lb-endpoint-weights`: exactly by weight in turn; `RANDOM` ignores weights.
#[test]
fn weights_count() {
    let endpoints = &["weight: 1", "weight: 2", "weight: 5"];
    for (simple, exact) in [("ROUND_ROBIN", true), ("RANDOM", false)] {
        let policy = format!("trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}");
        let options = &["--workers", "1"];
        let scene = Scene::new(Script {
            backends: 3,
            policy: &policy,
            endpoints,
            options,
            ..Script::default()
        });
        let shares = scene.shares(160);
        if exact {
            assert_eq!(shares, [20, 40, 100]);
        } else {
            assert!(shares.iter().all(|share| (30..=80).contains(share)), "{shares:?}");
        }
    }
}

/// `lb-least-request-slow`: a slow endpoint gets few.
#[test]
fn the_busy_get_less() {
    let scene = Scene::new(Script { backends: 3, ..Script::default() });
    scene.crowd.tell(0, Does::Late(200, std::time::Duration::from_millis(250)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let ask = scene.ask("/");
            thread::spawn(move || {
                let agent = client();
                (0..50).for_each(|_| drop(ask.send_with(&agent)));
            })
        })
        .collect();
    for client in clients {
        client.join().expect("it has not panicked");
    }
    let shares = scene.crowd.take_counts();
    assert!(shares[0] < 100, "{shares:?}");
}

/// `lb-passthrough`: a gateway has no address that the client asked for.
#[test]
fn passthrough_leads_nowhere() {
    let scene = balanced(1, "{simple: PASSTHROUGH}");
    let answer = scene.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (503, "no healthy upstream"));
}

/// Which backend each of many keys leads to.
fn by_key(scene: &Scene, keys: usize) -> BTreeMap<usize, String> {
    let agent = client();
    let ask = |key| scene.ask("/").header("x-key", &format!("key-{key}"));
    let to = |key| (key, ask(key).send_with(&agent).expect("the gateway answers").body);
    (0..keys).map(to).collect()
}

/// `lb-hash-ring`, `lb-hash-maglev`: like goes to like; when an endpoint leaves, only its keys move
/// (Istio's ring moves a tenth of the others), and when it returns all is as before.
#[test]
fn keys_stay_where_they_are() {
    for table in ["", ", ringHash: {minimumRingSize: 4096}", ", maglev: {tableSize: 65537}"] {
        let settings = format!("{{consistentHash: {{httpHeaderName: x-key{table}}}}}");
        let scene = balanced(5, &settings);
        let before = by_key(&scene, 300);
        let counts: Vec<_> = (0..5)
            .map(|backend| before.values().filter(|to| **to == backend.to_string()).count())
            .collect();
        assert!(counts.iter().all(|count| (25..=110).contains(count)), "{table}: {counts:?}");
        assert_eq!(by_key(&scene, 300), before, "{table}");

        let gone = scene.crowd.addresses()[2].to_string();
        let listed = format!("{{addresses: [{gone}]}}, ");
        scene.gateway.edit(|text| text.replace(&listed, ""));
        wait_for("the endpoint's end", || {
            let now = by_key(&scene, 300);
            now.values().all(|to| to != "2").then_some(())
        });
        let after = by_key(&scene, 300);
        let stayed = before.iter().filter(|(_, to)| **to != "2");
        let moved = stayed.clone().filter(|(key, to)| after[*key] != **to).count();
        let allowed = if table.contains("maglev") { stayed.count() / 50 } else { 0 };
        assert!(moved <= allowed, "{table}: {moved} keys moved without need");

        let next = format!("{{addresses: [{}]}}", scene.crowd.addresses()[3]);
        scene.gateway.edit(|text| text.replace(&next, &format!("{listed}{next}")));
        wait_for("the endpoint's return", || (by_key(&scene, 300) == before).then_some(()));
    }
}

/// `lb-hash-*`: what has no key goes anywhere; an empty value is a key; the order of lines is none.
#[test]
fn a_missing_key_is_none_and_an_empty_one_is_one() {
    let scene = balanced(5, "{consistentHash: {httpHeaderName: x-key}}");
    let distinct = |ask: &dyn Fn() -> Ask| {
        let bodies = (0..40).map(|_| ask().send().expect("the gateway answers").body);
        bodies.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(distinct(&|| scene.ask("/")) > 1);
    assert_eq!(distinct(&|| scene.ask("/").header("x-key", "")), 1);
    let both = |first, second| {
        let ask = scene.ask("/").header("x-key", first).header("x-key", second);
        ask.send().expect("the gateway answers").body
    };
    assert_eq!(both("key-1", "key-2"), both("key-2", "key-1"));
}

/// `lb-hash-sources`: query parameters as they stand, the client's address, cookies that are made.
#[test]
fn keys_come_from_many_places() {
    let scene = balanced(5, "{consistentHash: {httpQueryParameterName: q}}");
    let of = |query: &str| scene.get(&format!("/?{query}")).body;
    for query in ["q=1", "q=2&q=3", "q="] {
        assert!((0..10).all(|_| of(query) == of(query)), "{query}");
    }
    assert_eq!(of("q=2&q=3"), of("q=2"));

    let scene = balanced(5, "{consistentHash: {useSourceIp: true}}");
    let first = scene.get("/").body;
    assert!((0..10).all(|_| scene.get("/").body == first));

    let scene = balanced(5, "{consistentHash: {httpCookie: {name: c, path: /x, ttl: 60s}}}");
    let made = scene.get("/");
    let cookie = made.header("set-cookie").expect("a cookie is made").to_owned();
    assert!(cookie.starts_with("c=\"") && cookie.contains("Max-Age=60"), "{cookie}");
    assert!(cookie.contains("Path=/x") && cookie.contains("HttpOnly"), "{cookie}");
    let pair = cookie.split(';').next().expect("a cookie has a value").to_owned();
    for _ in 0..10 {
        let again = scene.ask("/").header("cookie", &pair).send().expect("the gateway answers");
        assert_eq!((again.body.as_str(), again.header("set-cookie")), (made.body.as_str(), None));
    }
}

/// `lb-warmup`: a new endpoint gets little at first, and its share in the end.
#[test]
fn a_new_endpoint_warms_up() {
    let settings =
        "{simple: ROUND_ROBIN, warmup: {duration: 6s, minimumPercent: 10, aggression: 1}}";
    let scene = balanced(3, settings);
    assert_eq!(scene.shares(30), [10, 10, 10], "those of the beginning are warm");
    let listed = format!("{{addresses: [{}]}}, ", scene.crowd.addresses()[0]);
    scene.gateway.edit(|text| text.replace(&listed, ""));
    wait_for("its end", || (scene.shares(10)[0] == 0).then_some(()));
    scene.gateway.edit(|text| text.replace("endpoints: [", &format!("endpoints: [{listed}")));
    wait_for("its return", || (scene.shares(20)[0] > 0).then_some(()));
    let cold = scene.shares(120)[0];
    assert!(cold < 30, "{cold} of 120 at first");
    wait_for("its full share", || (scene.shares(120)[0] >= 38).then_some(()));
}
