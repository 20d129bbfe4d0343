//! What became of Ingresses is told on them: address, conditions, events.

use crate::scene::{Bench, CLASS, ROLE, STATUS, ingresses};
use edgeway_tests::{Cluster, Kubernetes, process::run, root, wait_for};
use serde_json::{Value, json};
use std::fs;

const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
const EDGE: &str = "/apis/edgeway.dev/v1alpha1/namespaces/default/edgestatuses";

/// A class that somebody else serves.
const OTHER: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/other}
";

/// Makes an Ingress answer by itself, so that nothing need be well behind it.
fn answer_itself(kubernetes: &Kubernetes, name: &str) {
    let action = json!({
        "type": "fixed-response",
        "fixedResponseConfig": {"statusCode": "200", "contentType": "text/plain"},
    });
    let backend = json!({"service": {"name": "fixed", "port": {"name": "use-annotation"}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    let change = json!({
        "metadata": {"annotations": {
            "alb.ingress.kubernetes.io/actions.fixed": action.to_string(),
        }},
        "spec": {"rules": [{"host": format!("{name}.example.com"), "http": {"paths": [path]}}]},
    });
    kubernetes.merge(&format!("{INGRESSES}/{name}"), &change).unwrap();
}

fn hostname(kubernetes: &Kubernetes, name: &str) -> Option<String> {
    let ingress = kubernetes.get(&format!("{INGRESSES}/{name}")).ok()?;
    let told = ingress.pointer("/status/loadBalancer/ingress/0/hostname")?;
    told.as_str().map(str::to_owned)
}

/// Status and reason of a condition.
fn condition(kubernetes: &Kubernetes, name: &str, kind: &str) -> Option<(String, String)> {
    let edge = kubernetes.get(&format!("{EDGE}/ingress.{name}")).ok()?;
    let all = edge.pointer("/status/conditions")?.as_array()?.clone();
    let found = all.into_iter().find(|it| it["type"] == kind)?;
    let word = |field: &str| found[field].as_str().map(str::to_owned);
    Some((word("status")?, word("reason")?))
}

fn wait_condition(kubernetes: &Kubernetes, name: &str, kind: &str, expected: (&str, &str)) {
    wait_for(&format!("{kind} {expected:?} of {name}"), || {
        let (status, reason) = condition(kubernetes, name, kind)?;
        ((status.as_str(), reason.as_str()) == expected).then_some(())
    });
}

fn events(kubernetes: &Kubernetes, name: &str) -> Vec<(String, String)> {
    let all = kubernetes.get("/apis/events.k8s.io/v1/namespaces/default/events").unwrap();
    let all: Vec<Value> = all["items"].as_array().cloned().unwrap_or_default();
    let word = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let about = all.into_iter().filter(|event| event["regarding"]["name"] == name);
    about.map(|event| (word(&event, "reason"), word(&event, "note"))).collect()
}

/// What `edgeway status` prints, and its exit code.
fn status(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let kubeconfig = cluster.kubeconfig().display().to_string();
    let output = run("edgeway", &[&["status", "--kubeconfig", &kubeconfig], arguments].concat());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn ingresses_are_told_what_became_of_them() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let account = cluster.account("edge", "controller");
    kubernetes.apply(ROLE);
    kubernetes.apply(
        &fs::read_to_string(
            root().join("deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml"),
        )
        .unwrap(),
    );
    kubernetes.apply(&(CLASS.to_owned() + &ingresses(0..2)));
    let bench = Bench::start(&account.kubeconfig);
    let mut one = bench.replica("one");
    // Nobody can write yet, and load balancers are made all the same.
    one.process.wait_line("what is missing", |line| {
        (line.contains("permission-missing") && line.contains("edgestatuses")).then_some(())
    });
    one.process.wait_line("its end", |line| line.contains("nothing left to do").then_some(()));
    assert!(one.process.stop().success());
    kubernetes.apply(STATUS);
    let one = bench.replica("one");

    // There is a load balancer, and nobody behind it: the address is kept back.
    wait_condition(kubernetes, "i0", "Programmed", ("True", "Programmed"));
    wait_condition(kubernetes, "i0", "TargetsHealthy", ("False", "NoHealthyTarget"));
    assert_eq!(hostname(kubernetes, "i0"), None);
    let (code, told) = status(&cluster, &["i0"]);
    assert!(code == Some(1) && told.contains("NoHealthyTarget"), "{code:?} {told}");
    for name in ["i0", "i1"] {
        answer_itself(kubernetes, name);
    }
    let told = wait_for("an address", || hostname(kubernetes, "i0"));
    assert!(told.ends_with(".elb.amazonaws.com"), "{told}");
    wait_condition(kubernetes, "i0", "Ready", ("True", "Ready"));
    wait_for("the same address", || (hostname(kubernetes, "i1")? == told).then_some(()));
    let success = ("SuccessfullyReconciled".to_owned(), "Successfully reconciled".to_owned());
    wait_for("an event", || events(kubernetes, "i0").contains(&success).then_some(()));
    wait_condition(kubernetes, "i1", "Ready", ("True", "Ready"));
    one_that_is_made_anew_is_told_anew(kubernetes, &told);
    let (code, all) = status(&cluster, &[]);
    assert!(code == Some(0) && all.contains("i0") && all.contains("i1"), "{code:?} {all}");
    assert!(all.contains(&told), "{all}");

    a_broken_one_is_told_why(kubernetes, &told);
    let (code, all) = status(&cluster, &[]);
    assert!(code == Some(1) && all.contains("AnnotationInvalid"), "{code:?} {all}");
    assert_eq!(status(&cluster, &["i0"]).0, Some(0), "the other is well");
    // Who leaves keeps no address, and what was said of it goes.
    kubernetes.apply(OTHER);
    kubernetes
        .merge(&format!("{INGRESSES}/i0"), &json!({"spec": {"ingressClassName": "other"}}))
        .unwrap();
    wait_for("the end of an address", || hostname(kubernetes, "i0").is_none().then_some(()));
    wait_for("the end of a status", || {
        kubernetes.get(&format!("{EDGE}/ingress.i0")).is_err().then_some(())
    });
    assert!(one.process.stop().success());
}

/// So fast that the controller sees nothing but the new one.
fn one_that_is_made_anew_is_told_anew(kubernetes: &Kubernetes, address: &str) {
    let mut again = kubernetes.get(&format!("{INGRESSES}/i1")).unwrap();
    let annotations = again["metadata"]["annotations"].clone();
    again["metadata"] = json!({"name": "i1", "namespace": "default", "annotations": annotations});
    again.as_object_mut().unwrap().remove("status");
    kubernetes.delete(&again.to_string());
    kubernetes.post(INGRESSES, &again).unwrap();
    assert_eq!(hostname(kubernetes, "i1"), None);
    wait_for("its address", || (hostname(kubernetes, "i1")? == address).then_some(()));
}

fn a_broken_one_is_told_why(kubernetes: &Kubernetes, address: &str) {
    let path = format!("{INGRESSES}/i1");
    let note = "alb.ingress.kubernetes.io/actions.fixed";
    kubernetes.merge(&path, &json!({"metadata": {"annotations": {note: "{"}}})).unwrap();
    wait_for("a condition", || {
        let (status, reason) = condition(kubernetes, "i1", "Ready")?;
        (status == "False" && reason == "AnnotationInvalid").then_some(())
    });
    wait_for("an event", || {
        let all = events(kubernetes, "i1");
        let found = all.iter().filter(|(reason, note)| {
            reason == "FailedBuildModel" && note.starts_with("Failed build model due to ")
        });
        (found.count() == 1).then_some(())
    });
    assert_eq!(hostname(kubernetes, "i1").as_deref(), Some(address), "its rules still serve");
    let owner = kubernetes.get(&format!("{EDGE}/ingress.i1")).unwrap();
    let uid = kubernetes.get(&path).unwrap()["metadata"]["uid"].clone();
    assert_eq!(owner["metadata"]["ownerReferences"][0]["uid"], uid, "{owner}");
}
