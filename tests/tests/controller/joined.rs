//! A Gateway that asks for a load balancer: it gets one, and is told what became of it.

use crate::scene::{Bench, ROLE, STATUS};
use edgeway_tests::{Cluster, Kubernetes, root, wait_for};
use serde_json::{Value, json};
use std::fs;

/// What may be read besides.
const READ: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: controller-gateways}
rules: [{apiGroups: [networking.istio.io], resources: [gateways], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controller-gateways}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: controller-gateways}
subjects: [{kind: ServiceAccount, name: controller, namespace: edge}]
";

/// A class, and the gateway that it names.
const FRONT: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: thin, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {selector: {app: gateway}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: gateway-1, namespace: edge, labels: {kubernetes.io/service-name: gateway}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
";

fn apply(kubernetes: &Kubernetes, app: &str) {
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {
            "name": "shop", "namespace": "edge",
            "annotations": {"edgeway.dev/ingress-class": "thin"},
        },
        "spec": {"selector": {"app": app}, "servers": [{
            "port": {"number": 80, "name": "http", "protocol": "HTTP"},
            "hosts": ["joined.example.com"],
        }]},
    });
    kubernetes.try_apply(&gateway).unwrap();
}

/// Notes of the events of a reason that are about the Gateway.
fn notes(kubernetes: &Kubernetes, reason: &str) -> Vec<String> {
    let all = kubernetes.get("/apis/events.k8s.io/v1/namespaces/edge/events").unwrap();
    let all: Vec<Value> = all["items"].as_array().cloned().unwrap_or_default();
    let about = all.into_iter().filter(|event| {
        let regarding = &event["regarding"];
        regarding["kind"] == "Gateway"
            && regarding["apiVersion"] == "networking.istio.io/v1"
            && regarding["name"] == "shop"
            && event["reason"] == reason
    });
    about.map(|event| event["note"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_gateway_that_asks_has_a_load_balancer_and_is_told_of_it() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let account = cluster.account("edge", "controller");
    let edge = root().join("deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml");
    for text in [ROLE, READ, STATUS, FRONT, &fs::read_to_string(edge).unwrap()] {
        kubernetes.apply(text);
    }
    let bench = Bench::start(&account.kubeconfig);
    let mut one = bench.replica("one");
    wait_for("a leader", || one.leads().then_some(()));
    // Nobody has installed Istio's kinds so far.
    kubernetes.install_istio();
    apply(kubernetes, "gateway");
    one.process.wait_line("a rule", |line| line.contains("joined.example.com").then_some(()));
    wait_for("an event", || (notes(kubernetes, "SuccessfullyReconciled").len() == 1).then_some(()));
    apply(kubernetes, "other");
    wait_for("an event", || {
        let all = notes(kubernetes, "FailedBuildModel");
        (all.len() == 1 && all[0].contains("spec.selector")).then_some(())
    });
    assert!(bench.made().keys().any(|what| what.starts_with("load balancer ")));
    assert!(!one.said("delete-"), "what stands of it stays");
    assert!(one.process.stop().success());
}
