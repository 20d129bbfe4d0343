//! A load balancer of somebody else: rules of ours on it, and nothing else.

use crate::{
    cloud::{Cloud, local, moto},
    manifests::{BACKENDS, plain, read},
    run, settle,
};
use std::collections::BTreeMap;

fn attached(name: &str, host: &str) -> String {
    let own = "annotations:\n    edgeway.dev/load-balancer: company";
    plain()
        .replace("    alb.ingress.kubernetes.io/scheme: internet-facing\n", "")
        .replace("annotations:", own)
        .replace("name: shop", &format!("name: {name}"))
        .replace("shop.example.com", host)
}

async fn script(cloud: &Cloud) {
    cloud.add_balancer("company").await;
    let before = cloud.rules().await;
    assert_eq!(before.len(), 2, "{}: {before:?}", cloud.name);

    let one = attached("one", "one.example.com");
    let two = attached("two", "two.example.com");
    let made = settle(cloud, &read(&[BACKENDS, &one, &two])).await;
    let kinds: Vec<_> = made.changes.keys().copied().collect();
    let few = ["CreateRule", "CreateTargetGroup", "ModifyTargetGroupAttributes", "RegisterTargets"];
    assert_eq!(kinds, few, "{}", cloud.name);
    let hosts = |rules: &[String]| {
        let mut hosts: Vec<String> = rules
            .iter()
            .filter_map(|rule| {
                rule.split_once("80: ")?.1.split_once(" & ").map(|it| it.0.to_owned())
            })
            .collect();
        hosts.sort();
        hosts
    };
    let wanted = ["one.example.com", "two.example.com"];
    assert_eq!(hosts(&cloud.rules().await), wanted, "{}", cloud.name);
    assert!(cloud.priorities(80).await.contains(&150), "{}: somebody else's", cloud.name);

    // One goes, after a restart of the controller, too.
    let gone = settle(cloud, &read(&[BACKENDS, &two])).await;
    assert_eq!(gone.changes.get("DeleteRule"), Some(&1), "{}", cloud.name);
    assert_eq!(hosts(&cloud.rules().await), ["two.example.com"], "{}", cloud.name);
    settle(cloud, &read(&[BACKENDS])).await;
    assert_eq!(cloud.rules().await, before, "{}: as it was", cloud.name);
    assert_eq!(cloud.left_over().await, ["company"], "{}", cloud.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_on_a_load_balancer_of_somebody_else_come_and_go_alone() {
    script(&local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_on_a_load_balancer_of_somebody_else_come_and_go_alone_in_moto() {
    if let Some(cloud) = moto().await {
        script(&cloud).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_without_listener_is_told_of_and_left_alone() {
    let cloud = local().await;
    cloud.add_balancer("company").await;
    let before = cloud.rules().await;
    let ports = "annotations:\n    alb.ingress.kubernetes.io/listen-ports: '[{\"HTTP\": 81}]'";
    let text = attached("one", "one.example.com").replace("annotations:", ports);
    let outcome = run(&cloud.config, &read(&[BACKENDS, &text])).await;
    let told = outcome.problems.iter().any(|it| it.contains("no listener there"));
    assert!(told, "{:?}", outcome.problems);
    assert_eq!(cloud.rules().await, before);
    let lost = text.replace("load-balancer: company", "load-balancer: nowhere");
    let outcome = run(&cloud.config, &read(&[BACKENDS, &lost])).await;
    let told = outcome.problems.iter().any(|it| it.contains("load-balancer-not-found"));
    assert!(told, "{:?}", outcome.problems);
    assert_eq!(outcome.changes, BTreeMap::new());
}

/// Whoever sends to a target group of ours by a rule of his own is none of our business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_others_that_send_to_us_are_theirs() {
    let Some(cloud) = moto().await else { return };
    cloud.add_balancer("company").await;
    let objects = read(&[BACKENDS, &plain()]);
    settle(&cloud, &objects).await;
    cloud.send_to("company", "k8s-app-web").await;
    let again = run(&cloud.config, &objects).await;
    assert_eq!((again.failure, again.problems), (None, Vec::new()));
    assert_eq!(again.changes, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_somebody_elses_load_balancer_is_told_of_and_that_left_alone() {
    let cloud = local().await;
    cloud.add_balancer("company").await;
    let before = cloud.rules().await;
    let named = "annotations:\n    alb.ingress.kubernetes.io/load-balancer-name: company";
    let text = plain().replace("annotations:", named);
    let outcome = run(&cloud.config, &read(&[BACKENDS, &text])).await;
    let told = outcome.problems.iter().any(|it| it.contains("not ours has this name"));
    assert!(told, "{:?}", outcome.problems);
    let made = |name: &str| outcome.changes.contains_key(name);
    assert!(!made("CreateLoadBalancer") && !made("CreateTargetGroup"), "{:?}", outcome.changes);
    assert_eq!(cloud.rules().await, before);
    settle(&cloud, &read(&[BACKENDS, &plain()])).await;
    assert_eq!(cloud.left_over().await.iter().filter(|name| *name == "company").count(), 1);
}
