//! The whole on a real node: images, charts, probes, Pod Security, rolling restarts, and an end that
//! leaves nothing.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod load;
mod stage;

use edgeway_tests::{Helm, Node};
use load::{CLIENTS, Load, span};
use serde_json::json;
use stage::{APP, Balancer, ECHO, GATEWAY, Stage, soon};

#[test]
fn it_is_installed_serves_rolls_and_leaves_nothing() {
    let Some(helm) = Helm::find() else { return };
    let Some(node) = Node::start() else { return };
    node.load(&["gateway", "alb-controller", "edgeway"]);
    node.admin().install_istio();
    let balancer = Balancer::start();
    let stage = Stage::new(&node, helm.to(&node.kubeconfig()), &balancer);
    let before = stage.everything();

    node.admin().apply(APP);
    stage.install();
    soon("the first answer", || {
        let answer = balancer.ask().send().ok()?;
        (answer.status == 200 && answer.json()["service"] == "edge/echo").then_some(())
    });

    soon("the gateway's status", || stage.is_well().then_some(()));

    rolling_restarts_lose_nothing(&stage, &balancer);
    a_killed_pod_costs_what_was_in_flight_on_it(&stage, &balancer);
    an_upgrade_loses_nothing(&stage, &balancer);

    node.admin().delete(APP);
    soon("nothing in AWS", || balancer.is_empty().then_some(()));
    stage.uninstall();
    soon("nothing in the cluster", || (stage.everything() == before).then_some(()));
    assert_eq!(node.end(), [""; 0], "the node has left something");
}

fn rolling_restarts_lose_nothing(stage: &Stage<'_>, balancer: &Balancer) {
    for deployment in [ECHO, GATEWAY] {
        let load = Load::start(&balancer.ask());
        stage.restart(deployment);
        load.go_on();
        let (asked, failures) = load.finish();
        eprintln!("restart of {deployment}: {asked} requests");
        assert!(failures.is_empty(), "{deployment}: {} of {asked}: {failures:?}", failures.len());
    }
}

fn a_killed_pod_costs_what_was_in_flight_on_it(stage: &Stage<'_>, balancer: &Balancer) {
    // Slow enough that there is something in flight.
    let load = Load::start(&balancer.ask().header("x-echo", "delay=100ms"));
    stage.kill_a_pod(ECHO);
    load.go_on();
    let (asked, failures) = load.finish();
    eprintln!("a pod of {ECHO} killed: {} of {asked} requests lost", failures.len());
    assert!(failures.len() <= CLIENTS, "{} of {asked}: {failures:?}", failures.len());

    // Its sockets stay open, so connections wait until there is another process.
    let lost = lost_by(balancer, "what serves in a pod killed", || stage.kill_what_serves());
    assert!(lost.in_flight <= CLIENTS, "{lost:?}");
    assert_eq!((lost.later, lost.all), (0, lost.in_flight), "{lost:?}");

    // With the whole container its sockets are gone. The load balancer sends to a gateway until it is
    // there again, deregistered or found unhealthy, and tries no other: that is why only the end is
    // sure, and that no more than its share is lost.
    let lost = lost_by(balancer, "a container killed", || stage.kill_a_pod(GATEWAY));
    assert!(lost.in_flight <= CLIENTS, "{lost:?}");
    assert!(lost.all <= lost.asked / 2 + CLIENTS, "more than its share: {lost:?}");

    // The same until it is deregistered.
    let lost = lost_by(balancer, "a pod deleted by force", || stage.delete_by_force(GATEWAY));
    assert!(lost.in_flight <= CLIENTS, "{lost:?}");
    assert!(lost.all <= lost.asked / 2 + CLIENTS, "more than its share: {lost:?}");

    let load = Load::start(&balancer.ask());
    load.go_on();
    let (_, failures) = load.finish();
    assert!(failures.is_empty(), "afterwards: {failures:?}");
}

/// What became of requests while something happened.
#[derive(Debug)]
struct Lost {
    asked: usize,
    all: usize,
    in_flight: usize,
    /// Found nobody who listens.
    later: usize,
}

fn lost_by(balancer: &Balancer, what: &str, happen: impl FnOnce()) -> Lost {
    let before = balancer.lost();
    let load = Load::start(&balancer.ask());
    happen();
    load.go_on();
    let (asked, failures) = load.finish();
    let (broken, refused) = balancer.lost();
    let (in_flight, later) = (broken - before.0, refused - before.1);
    let lost = Lost { asked, all: failures.len(), in_flight, later };
    eprintln!("{what} of {GATEWAY}: {lost:?} in {:?}", span(&failures));
    lost
}

fn an_upgrade_loses_nothing(stage: &Stage<'_>, balancer: &Balancer) {
    let load = Load::start(&balancer.ask());
    stage.upgrade(&["replicaCount=3", "accessLog=off", "podLabels.tier=edge"]);
    load.go_on();
    let (asked, failures) = load.finish();
    eprintln!("upgrade: {asked} requests");
    assert!(failures.is_empty(), "{} of {asked}: {failures:?}", failures.len());
    let gateway = stage.deployment(GATEWAY);
    let container = &gateway["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(gateway["spec"]["replicas"], 3);
    assert!(container["args"].as_array().unwrap().contains(&json!("--access-log=off")));
}
