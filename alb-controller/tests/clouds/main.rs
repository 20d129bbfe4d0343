//! The controller against clouds that it did not write: build, look again, change, take down. Each
//! cloud gets the same script. moto is skipped, and said so, where Python has none.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where what it has just made is not there"
)]

mod cloud;
mod faults;
mod frontends;
mod hosts;
mod joined;
mod ledger;
mod manifests;

use cloud::{Cloud, local, moto};
use edgeway_alb_controller::{Config, Handle, Metrics, Reconciler, aws::Aws, once, survey};
use edgeway_api::Objects;
use manifests::{ALB_CLASS, BACKENDS, BINDING, PODS, plain, read, rich, with_fewer_pods};
use std::collections::BTreeMap;

/// What a run did.
struct Run {
    problems: Vec<String>,
    failure: Option<String>,
    /// Calls that change something.
    changes: BTreeMap<&'static str, u64>,
    reads: u64,
}

async fn run(config: &Config, objects: &Objects) -> Run {
    let handle = Handle::default();
    let outcome = once(config, objects, &handle).await;
    let calls = handle.metrics.calls();
    let changes = calls.iter().filter(|(call, _)| call.changes());
    Run {
        problems: outcome.problems.iter().map(ToString::to_string).collect(),
        failure: outcome.failure,
        changes: changes.map(|(call, count)| (call.name(), *count)).collect(),
        reads: calls.iter().filter(|(call, _)| !call.changes()).map(|(_, count)| count).sum(),
    }
}

/// Runs, and again: the second run changes nothing and leaves nothing to plan.
async fn settle(cloud: &Cloud, objects: &Objects) -> Run {
    let first = run(&cloud.config, objects).await;
    assert_eq!(first.failure, None, "{}: {:?}", cloud.name, first.problems);
    assert_eq!(first.problems, <[&str; 0]>::default(), "{}", cloud.name);
    let second = run(&cloud.config, objects).await;
    assert_eq!(second.changes, BTreeMap::new(), "{}", cloud.name);
    assert!(second.reads < 30, "{}: {} reads", cloud.name, second.reads);
    let preview = survey(&cloud.config, objects).await.unwrap();
    assert!(preview.plan.is_settled(), "{}: {}", cloud.name, preview.plan);
    first
}

/// The whole script.
async fn script(cloud: &Cloud) {
    let built = settle(cloud, &read(&[BACKENDS, &rich("5", "/api")])).await;
    assert_eq!(built.changes["CreateLoadBalancer"], 1, "{}", cloud.name);
    let rules = cloud.rules().await;
    assert_eq!(
        rules,
        [
            "443 default: fixed-response 404",
            "443: POST & shop.example.com & /api,/api/* -> forward app-api",
            "443: shop.example.com & /old -> redirect 301 new.example.com",
            "443: shop.example.com & /split -> forward app-api 1, app-web 9",
            "443: shop.example.com & /* -> forward app-web",
            "80 default: redirect 301 #{host}",
        ],
        "{}",
        cloud.name
    );
    assert_eq!(cloud.targets("k8s-app-web").await, ["10.0.16.11:8080", "10.0.32.12:8080"]);

    let changed = settle(cloud, &read(&[&with_fewer_pods(), &rich("7", "/v2")])).await;
    let wanted = ["CreateRule", "DeleteRule", "DeregisterTargets", "ModifyTargetGroup"];
    let done: Vec<_> = changed.changes.keys().copied().collect();
    assert_eq!(done, wanted, "{}", cloud.name);
    assert_eq!(cloud.targets("k8s-app-web").await, ["10.0.16.11:8080"]);

    let plainer = settle(cloud, &read(&[BACKENDS, &plain()])).await;
    assert_eq!(plainer.changes.get("DeleteListener"), Some(&1), "{}", cloud.name);
    assert_eq!(
        cloud.rules().await,
        ["80 default: fixed-response 404", "80: shop.example.com & /* -> forward app-web"],
        "{}",
        cloud.name
    );

    let gone = settle(cloud, &read(&[BACKENDS])).await;
    assert_eq!(gone.changes.get("DeleteLoadBalancer"), Some(&1), "{}", cloud.name);
    assert_eq!(cloud.left_over().await, <[String; 0]>::default(), "{}", cloud.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_alb_is_brought_into_line() {
    let cloud = local().await;
    script(&cloud).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_is_brought_into_line() {
    if let Some(cloud) = moto().await {
        script(&cloud).await;
    }
}

/// What costs a call each: a path that is added, an endpoint that goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_costs_one_call_and_no_look() {
    let cloud = local().await;
    let metrics = Metrics::default();
    let aws = Aws::connect(&cloud.config.connection, &cloud.config.settings, metrics.clone()).await;
    let mut reconciler = Reconciler::new(aws, cloud.config.settings.clone(), metrics.clone());
    let mut calls = BTreeMap::new();
    let path = "          - {path: /more, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}";
    let more = plain().replace("paths:", &format!("paths:\n{path}"));
    assert_ne!(more, plain());
    let steps = [
        (read(&[BACKENDS, &plain()]), None),
        (read(&[BACKENDS, &plain()]), Some(vec![])),
        (read(&[BACKENDS, &more]), Some(vec!["CreateRule"])),
        (read(&[&with_fewer_pods(), &more]), Some(vec!["DeregisterTargets"])),
        (read(&[BACKENDS, &more]), Some(vec!["RegisterTargets"])),
    ];
    for (objects, wanted) in steps {
        let pass = reconciler.pass(&objects, &|_| {}).await.unwrap();
        assert!(pass.failures.is_empty(), "{:?}", pass.failures);
        let now = metrics.calls();
        let new = now.iter().filter(|(call, count)| calls.get(*call) != Some(*count));
        let new: Vec<&str> = new.map(|(call, _)| call.name()).collect();
        assert!(wanted.is_none_or(|wanted| wanted == new), "{new:?}");
        calls = now;
    }
    reconciler.look_again();
    let pass = reconciler.pass(&read(&[BACKENDS, &more]), &|_| {}).await.unwrap();
    assert!(pass.plan.is_settled(), "what was remembered was true: {}", pass.plan);
}

/// A certificate that is not there costs the one who names it its name's certificate, and nobody else
/// anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_there_stops_nobody_else() {
    let cloud = local().await;
    let listen = "annotations:\n    alb.ingress.kubernetes.io/group.name: g\n    \
                  alb.ingress.kubernetes.io/listen-ports: '[{\"HTTPS\": 443}]'";
    let good = plain().replace("annotations:", listen);
    let arn = "arn:aws:acm:us-west-2:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    let bad = format!("{listen}\n    alb.ingress.kubernetes.io/certificate-arn: {arn}");
    let bad = plain()
        .replace("annotations:", &bad)
        .replace("name: shop", "name: bad")
        .replace("shop.example.com", "bad.example.com");
    let outcome = run(&cloud.config, &read(&[BACKENDS, &good, &bad])).await;
    assert_eq!(outcome.failure, None, "{:?}", outcome.problems);
    let told = |p: &String| p.contains("certificate-not-found") && p.contains("app/bad");
    let problems = &outcome.problems;
    assert!(!problems.is_empty() && problems.iter().all(told), "{problems:?}");
    assert_eq!(
        cloud.rules().await,
        [
            "443 default: fixed-response 404",
            "443: bad.example.com & /* -> forward app-web",
            "443: shop.example.com & /* -> forward app-web",
        ]
    );
}

/// A group that a user has made gets the endpoints of the Service that it is bound to, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_group_has_the_endpoints_of_its_service() {
    let cloud = local().await;
    cloud.add_group("own", "10.0.16.99").await;
    let mut config = cloud.config.clone();
    config.settings.controllers = [edgeway_alb_core::settings::AWS.to_owned()].into();
    let objects = read(&[BACKENDS, PODS, BINDING]);
    let bound = run(&config, &objects).await;
    assert_eq!((bound.failure, bound.problems), (None, Vec::new()));
    assert_eq!(cloud.targets("own").await, ["10.0.16.11:8080", "10.0.32.12:8080"]);
    assert_eq!(run(&config, &objects).await.changes, BTreeMap::new());
    let fewer = read(&[&with_fewer_pods(), PODS, BINDING]);
    assert_eq!(run(&config, &fewer).await.changes, [("DeregisterTargets", 1)].into());
    assert_eq!(cloud.targets("own").await, ["10.0.16.11:8080"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_in_one_account_leave_each_other_alone() {
    let one = local().await;
    let mut two = one.config.clone();
    two.settings.cluster = "other".into();
    let objects = read(&[BACKENDS, &plain()]);
    assert_eq!(run(&one.config, &objects).await.failure, None);
    assert_eq!(run(&two, &objects).await.failure, None);
    let nothing = read(&[BACKENDS]);
    assert_eq!(run(&two, &nothing).await.changes.get("DeleteLoadBalancer"), Some(&1));
    assert_eq!(run(&one.config, &objects).await.changes, BTreeMap::new());
}

/// As it would be beside the AWS Load Balancer Controller, with the same name of the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_controllers_of_one_cluster_leave_each_other_alone() {
    let cloud = local().await;
    let mut aws = cloud.config.clone();
    aws.settings.controllers = [edgeway_alb_core::settings::AWS.to_owned()].into();
    let theirs = plain()
        .replace("ingressClassName: edgeway", "ingressClassName: alb")
        .replace("scheme:", "target-type: ip\n    alb.ingress.kubernetes.io/scheme:")
        .replace("name: shop", "name: theirs");
    let objects = read(&[BACKENDS, ALB_CLASS, &plain(), &theirs]);
    assert_eq!(run(&cloud.config, &objects).await.failure, None);
    assert_eq!(run(&aws, &objects).await.failure, None);
    assert_eq!(run(&cloud.config, &objects).await.changes, BTreeMap::new());
    assert_eq!(run(&aws, &objects).await.changes, BTreeMap::new());
    let nothing = read(&[BACKENDS]);
    assert_eq!(run(&cloud.config, &nothing).await.failure, None);
    let left = cloud.left_over().await;
    assert!(!left.is_empty() && left.iter().all(|name| !name.contains("shop")), "{left:?}");
    assert_eq!(run(&aws, &objects).await.changes, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_and_a_rule_of_somebody_else_stay() {
    let cloud = local().await;
    let objects = read(&[BACKENDS, &plain()]);
    assert_eq!(run(&cloud.config, &objects).await.failure, None);
    cloud.add_foreign_rule(150).await;
    let richer = plain().replace("path: /,", "path: /more,");
    let again = run(&cloud.config, &read(&[BACKENDS, &richer])).await;
    assert_eq!(again.failure, None, "{:?}", again.problems);
    assert!(cloud.priorities(80).await.contains(&150));
    let nothing = run(&cloud.config, &read(&[BACKENDS])).await;
    assert!(
        nothing.problems.iter().any(|problem| problem.contains("not ours")),
        "{:?}",
        nothing.problems
    );
}
