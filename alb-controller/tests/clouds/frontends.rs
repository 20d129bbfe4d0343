//! A network load balancer in front: made, changed, taken away. Only moto has such ones.

use crate::{
    cloud::{Cloud, moto},
    manifests::{BACKENDS, plain, read},
    run, settle,
};
use std::collections::BTreeMap;

fn asked(more: &str) -> String {
    let prefix = "\n    alb.ingress.kubernetes.io/";
    let public = format!("{prefix}frontend-nlb-scheme: internet-facing");
    let own = format!("annotations:{prefix}enable-frontend-nlb: 'true'{public}{more}");
    plain().replace("annotations:", &own)
}

async fn changes(cloud: &Cloud, text: &str) -> BTreeMap<&'static str, u64> {
    settle(cloud, &read(&[BACKENDS, text])).await.changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_load_balancer_comes_before_and_goes_first() {
    let Some(cloud) = moto().await else { return };
    let made = changes(&cloud, &asked("")).await;
    assert_eq!((made["CreateLoadBalancer"], made["CreateListener"]), (2, 2), "{made:?}");
    assert_eq!((made["CreateTargetGroup"], made["RegisterTargets"]), (2, 2), "{made:?}");
    let nlb = "\n    alb.ingress.kubernetes.io/frontend-nlb";
    let another = format!("{nlb}-healthcheck-path: /hz{nlb}-listener-port-mapping: 8000=80");
    let moved = changes(&cloud, &asked(&another)).await;
    assert_eq!(moved.get("CreateListener"), Some(&1), "{moved:?}");
    assert_eq!(moved.get("DeleteListener"), Some(&1), "{moved:?}");
    assert_eq!(moved.get("CreateLoadBalancer"), None, "{moved:?}");
    let tagged = changes(&cloud, &asked(&format!("{another}{nlb}-tags: a=b"))).await;
    assert_eq!(tagged.keys().collect::<Vec<_>>(), [&"AddTags"], "{tagged:?}");
    let gone = changes(&cloud, &plain()).await;
    assert_eq!(gone.get("DeleteLoadBalancer"), Some(&1), "{gone:?}");
    assert_eq!(gone.get("DeleteTargetGroup"), Some(&1), "{gone:?}");
    changes(&cloud, &asked("")).await;
    let all = settle(&cloud, &read(&[BACKENDS])).await.changes;
    assert_eq!(all.get("DeleteLoadBalancer"), Some(&2), "{all:?}");
    assert_eq!(cloud.left_over().await, <[String; 0]>::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_a_member_that_cannot_be_understood_stays_in_front() {
    let Some(cloud) = moto().await else { return };
    let member = |name: &str, more: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  namespace: app\n  \
             annotations:\n    alb.ingress.kubernetes.io/group.name: shop\n    \
             alb.ingress.kubernetes.io/scheme: internet-facing\n    alb.ingress.kubernetes.io/{more}\n\
             spec:\n  ingressClassName: edgeway\n  rules:\n  - host: {name}.example.com\n    http:\n      paths:\n      \
             - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
        )
    };
    let one = member(
        "one",
        "enable-frontend-nlb: 'true'\n    alb.ingress.kubernetes.io/frontend-nlb-scheme: internet-facing",
    );
    let two = member("two", "listen-ports: '[{\"HTTP\": 8080}]'");
    let made = settle(&cloud, &read(&[BACKENDS, &one, &two])).await.changes;
    assert_eq!(made["CreateListener"], 4, "{made:?}");
    let wrong = two.replace("8080}]", "8080}");
    let kept = run(&cloud.config, &read(&[BACKENDS, &one, &wrong])).await.changes;
    assert_eq!(kept.len(), 0, "{kept:?}");
    let gone = settle(&cloud, &read(&[BACKENDS, &one])).await.changes;
    assert_eq!(gone.get("DeleteListener"), Some(&2), "{gone:?}");
    settle(&cloud, &read(&[BACKENDS])).await;
    assert_eq!(cloud.left_over().await, <[String; 0]>::default());
}
