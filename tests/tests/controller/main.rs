//! The controller over a real API server: one of two replicas acts, the other takes over when it
//! dies, and both say what became of Ingresses.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod gates;
mod joined;
mod scene;
mod statuses;

use edgeway_tests::{Cluster, wait_for};
use rustix::process::Signal;
use scene::{Bench, CLASS, ROLE, ingresses};

#[test]
fn a_leader_that_dies_is_followed_and_nothing_is_done_twice() {
    let Some(mut cluster) = Cluster::start() else { return };
    let account = cluster.account("edge", "controller");
    cluster.admin().apply(ROLE);
    cluster.admin().apply(&(CLASS.to_owned() + &ingresses(0..3)));
    let bench = Bench::start(&account.kubeconfig);
    let mut one = bench.replica("one");
    wait_for("a leader", || one.leads().then_some(()));
    let mut two = bench.replica("two");
    wait_for("two replicas that are ready", || (one.is_ready() && two.is_ready()).then_some(()));
    one.process.wait_line("its end", |line| line.contains("nothing left to do").then_some(()));
    assert!(!two.leads() && !two.said("create-"));

    // It dies in the middle of a plan.
    cluster.admin().apply(&ingresses(3..40));
    one.process.wait_line("the middle", |line| line.contains("h20.example.com").then_some(()));
    one.process.signal(Signal::KILL);
    one.process.wait();
    wait_for("another leader", || two.leads().then_some(()));
    two.process.wait_line("its end", |line| line.contains("nothing left to do").then_some(()));
    let made = bench.made();
    let rules = made.keys().filter(|what| what.starts_with("rule ")).count();
    assert!(rules >= 40, "{made:#?}");
    assert!(made.values().all(|times| *times == 1), "{made:#?}");
    assert!(two.said("h39.example.com"));

    // Who cannot reach the API server changes nothing more.
    cluster.kill();
    two.process
        .wait_line("the end of its term", |line| line.contains("leads no more").then_some(()));
    assert!(!two.leads());
    cluster.restart();
    wait_for("a leader again", || two.leads().then_some(()));
    assert!(two.process.stop().success());
    let lease = "/apis/coordination.k8s.io/v1/namespaces/edge/leases/edgeway-alb-controller";
    let lease = cluster.admin().get(lease).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"].as_str().unwrap_or_default(), "", "{lease}");
}
