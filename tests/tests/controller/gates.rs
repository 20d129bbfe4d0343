//! Pods that wait at readiness gates until their targets are healthy, and those that do not.

use crate::scene::{Bench, CLASS, GATES, ROLE};
use edgeway_tests::{Cluster, Kubernetes, echo::Echo, free_port, skipped, wait_for};
use serde_json::{Value, json};
use std::net::{IpAddr, UdpSocket};

const PODS: &str = "/api/v1/namespaces/default/pods";
const GATE: &str = "edgeway.dev/targets-healthy";

/// A Service whose pod listens at `ADDRESS` and `PORT`, a load balancer before it, and where pods run.
const SHOP: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: default}
---
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: PORT}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{port: PORT}]
endpoints:
- addresses: [ADDRESS]
  conditions: {ready: false, serving: false, terminating: false}
  targetRef: {kind: Pod, name: gated, namespace: default}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: default
  annotations:
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: '5'
    alb.ingress.kubernetes.io/healthcheck-timeout-seconds: '2'
spec:
  ingressClassName: edgeway
  defaultBackend: {service: {name: shop, port: {number: 80}}}
";

/// An address of this machine that pods might have; the API server takes no loopback address.
fn address() -> Option<IpAddr> {
    // Nothing is sent: the kernel only says from where it would be.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Makes a pod whose containers are ready.
fn run_pod(kubernetes: &Kubernetes, name: &str, app: &str, gates: &Value, address: IpAddr) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {
            "nodeName": "node-a",
            "automountServiceAccountToken": false,
            "readinessGates": gates,
            "containers": [{"name": "a", "image": "a"}],
        },
    });
    kubernetes.create(PODS, &pod).unwrap();
    let status = json!({"status": {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "ContainersReady", "status": "True"}],
    }});
    kubernetes.merge(&format!("{PODS}/{name}/status"), &status).unwrap();
}

/// Status and reason of the gate's condition.
fn condition(kubernetes: &Kubernetes, name: &str) -> Option<(String, String)> {
    let pod = kubernetes.get(&format!("{PODS}/{name}")).unwrap();
    let all = pod["status"]["conditions"].as_array().unwrap().clone();
    assert!(all.iter().any(|it| it["type"] == "ContainersReady"), "others are kept: {all:?}");
    let found = all.into_iter().find(|it| it["type"] == GATE)?;
    let word = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    assert!(!word("lastTransitionTime").is_empty(), "{found}");
    Some((word("status"), word("reason")))
}

#[test]
fn pods_with_a_gate_wait_for_their_targets_and_no_other_pod_is_written_to() {
    let Some(address) = address() else { return skipped("this machine has no address") };
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let account = cluster.account("edge", "controller");
    let port = free_port();
    let shop = SHOP.replace("PORT", &port.to_string()).replace("ADDRESS", &address.to_string());
    for text in [ROLE, GATES, CLASS, &shop] {
        kubernetes.apply(text);
    }
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    kubernetes.merge("/api/v1/nodes/node-a/status", &ready).unwrap();
    let gate = json!([{"conditionType": GATE}]);
    run_pod(kubernetes, "gated", "shop", &gate, address);
    run_pod(kubernetes, "plain", "shop", &json!([]), address);
    run_pod(kubernetes, "alone", "other", &gate, address);
    let version =
        || kubernetes.get(&format!("{PODS}/plain")).unwrap()["metadata"]["resourceVersion"].clone();
    let before = version();

    let vpc = format!("--vpc-range={}.0/24", address.to_string().rsplit_once('.').unwrap().0);
    let bench = Bench::start_with(&account.kubeconfig, &[&vpc]);
    let one = bench.replica("one");
    let open = |reason: &str| Some(("True".to_owned(), reason.to_owned()));
    wait_for("a gate that nothing is behind", || {
        (condition(kubernetes, "alone") == open("NoTargetGroup")).then_some(())
    });
    // Nobody listens yet.
    wait_for("a target that is not healthy", || {
        let (status, reason) = condition(kubernetes, "gated")?;
        assert_eq!(status, "False", "{reason}");
        reason.starts_with("Target.").then_some(())
    });
    let mut echo = Echo::default();
    echo.listen((address, port).into());
    wait_for("a healthy target", || {
        (condition(kubernetes, "gated") == open("Healthy")).then_some(())
    });
    assert_eq!(version(), before, "a pod without a gate was written to");
    assert!(!one.said("pods/status"), "{:#?}", one.process.lines());
    assert!(one.process.stop().success());
}
