//! What became of objects is told on them, by one of the gateways.

use crate::scene::{FRONT, ROLE, STATUS, answered, apply, becomes, forwarded};
use edgeway_tests::{Cluster, Gateway, Kubernetes, root, wait_for};
use serde_json::{Value, json};
use std::fs;

const SERVICES: &str = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
const EDGE: &str = "/apis/edgeway.dev/v1alpha1/namespaces/istio-system/edgestatuses";

/// The conditions of the object at `path`, each as `Type=Reason`.
fn conditions(kubernetes: &Kubernetes, path: &str) -> Vec<String> {
    let Ok(object) = kubernetes.get(path) else { return Vec::new() };
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let word = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
    all.iter().map(|it| format!("{}={}", word(it, "type"), word(it, "reason"))).collect()
}

fn wait_conditions(kubernetes: &Kubernetes, path: &str, expected: &[&str]) {
    wait_for(&format!("{expected:?} on {path}"), || {
        (conditions(kubernetes, path) == expected).then_some(())
    });
}

const GOOD: &[&str] =
    &["Accepted=Accepted", "ResolvedRefs=ResolvedRefs", "Programmed=Programmed", "Ready=Ready"];

#[test]
fn one_of_the_gateways_tells_what_became_of_objects() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let account = cluster.account("istio-system", "gateway");
    kubernetes.install_istio();
    kubernetes.apply(
        &fs::read_to_string(
            root().join("deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml"),
        )
        .unwrap(),
    );
    kubernetes.apply(ROLE);
    kubernetes.apply(FRONT);
    let start = |name: &str| {
        let lease = ["--leader-election-lease-duration", "4s"];
        let more = ["--leader-election-renew-deadline", "2s", "--leader-election-retry-period"];
        let rest = ["500ms", "--workers", "1", "--pod-name", name];
        Gateway::of_cluster(&account.kubeconfig, &[&lease[..], &more, &rest].concat())
    };
    let one = start("one");
    one.wait_ready();
    permissions_are_named(kubernetes, &one);
    objects_are_told_apart(kubernetes, &one);

    let two = start("two");
    two.wait_ready();
    becomes(&two, "a.test", 200, "first");
    let writer = || {
        let edge = kubernetes.get(&format!("{EDGE}/gateway.istio-ingressgateway")).ok()?;
        edge["status"]["writer"].as_str().map(str::to_owned)
    };
    assert_eq!(writer().as_deref(), Some("one"));
    let gauge = |gateway: &Gateway, value: &str| {
        let line = format!("edgeway_leader {value}");
        gateway.metrics().lines().any(|it| it == line)
    };
    assert!(gauge(&one, "1") && gauge(&two, "0"));
    // What is written is written once, by one, and reading it makes nobody write again.
    let version = |name: &str| {
        let object = kubernetes.get(&format!("{SERVICES}/{name}")).unwrap();
        object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    };
    let before = version("a");
    apply(kubernetes, &answered("c", "news"));
    becomes(&two, "c.test", 200, "news");
    wait_conditions(kubernetes, &format!("{SERVICES}/c"), GOOD);
    assert_eq!(version("a"), before);

    assert!(one.process.stop().success());
    wait_for("another leader", || (writer().as_deref() == Some("two")).then_some(()));
    assert!(gauge(&two, "1"));
    apply(kubernetes, &forwarded("a", &json!({"host": "nobody"})));
    wait_for("its words", || {
        let all = conditions(kubernetes, &format!("{SERVICES}/a"));
        all.contains(&"ResolvedRefs=DestinationNotFound".to_owned()).then_some(())
    });
}

/// Who may not write says so once, and goes on serving.
fn permissions_are_named(kubernetes: &Kubernetes, gateway: &Gateway) {
    let named = |word: &str| {
        let problems = gateway.problems().to_string();
        (problems.contains("permission-missing") && problems.contains(word)).then_some(())
    };
    wait_for("a problem with the lease", || named("leases"));
    kubernetes.apply(STATUS);
    wait_for("its solution", || {
        let problems = gateway.problems().to_string();
        (!problems.contains("permission-missing")).then_some(())
    });
}

fn objects_are_told_apart(kubernetes: &Kubernetes, gateway: &Gateway) {
    apply(kubernetes, &answered("a", "first"));
    apply(kubernetes, &forwarded("b", &json!({"host": "nobody"})));
    becomes(gateway, "a.test", 200, "first");
    wait_conditions(kubernetes, &format!("{SERVICES}/a"), GOOD);
    let front = "/apis/networking.istio.io/v1/namespaces/istio-system/gateways/web";
    wait_conditions(kubernetes, front, GOOD);
    let path = format!("{SERVICES}/b");
    wait_conditions(
        kubernetes,
        &path,
        &[
            "Accepted=Accepted",
            "ResolvedRefs=DestinationNotFound",
            "Programmed=Programmed",
            "Ready=DestinationNotFound",
        ],
    );
    let object = kubernetes.get(&path).unwrap();
    let refs = &object["status"]["conditions"][1];
    assert_eq!(refs["observedGeneration"], object["metadata"]["generation"], "{refs}");
    assert!(refs["message"].as_str().unwrap().contains("nobody"), "{refs}");
    assert_eq!(object["status"]["validationMessages"][0]["level"], "ERROR");

    // What is broken by an edit keeps serving, and both are said. Words of others stay.
    let theirs = json!({"type": "Reconciled", "status": "True"});
    let before = object["status"]["conditions"].as_array().unwrap().clone();
    let all: Vec<Value> = [vec![theirs], before].concat();
    let status = json!({"status": {"conditions": all}});
    kubernetes.merge(&format!("{path}/status"), &status).unwrap();
    kubernetes.merge(&path, &json!({"spec": {"http": {"not": "a list"}}})).unwrap();
    wait_conditions(
        kubernetes,
        &path,
        &[
            "Reconciled=",
            "Accepted=WrongType",
            "ResolvedRefs=ResolvedRefs",
            "Programmed=Quarantined",
            "Quarantined=Quarantined",
            "Ready=WrongType",
        ],
    );
    let metrics = gateway.metrics();
    let line = "edgeway_resource_condition{condition=\"Quarantined\",kind=\"VirtualService\",\
                name=\"b\",namespace=\"default\",status=\"True\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let edge = format!("{EDGE}/gateway.istio-ingressgateway");
    wait_for("the gateway's own status", || {
        let edge = kubernetes.get(&edge).ok()?;
        let told = edge["status"].to_string();
        (told.contains("older versions serve for VirtualService default/b")
            && told.contains("*:80"))
        .then_some(())
    });
}
