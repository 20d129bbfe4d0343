//! Istio's own samples, with Istio's own CRDs, as they are.

use crate::scene::{Backend, account, apply};
use edgeway_tests::{
    Ask, Cluster, Gateway, Kubernetes,
    kubernetes::{documents, refusal},
    root, skipped, wait_for,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Groups that Istio's CRDs are of; the samples have others too.
const ISTIO: &[&str] = &["networking.istio.io", "security.istio.io", "telemetry.istio.io"];

#[test]
fn istios_samples_apply_and_route() {
    let corpus = root().join("../shared/corpus/istio");
    if !corpus.exists() {
        skipped("Istio's samples are not on this machine");
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    install(kubernetes, &corpus.join("crd-all.gen.yaml"));
    every_object_is_taken(kubernetes, &corpus.join("samples"));

    let kubeconfig = account(&cluster);
    let gateway = Gateway::of_cluster(&kubeconfig, &["--workers", "1"]);
    let samples = corpus.join("samples");
    for (app, front, routes, service, port, path) in [
        (
            "bookinfo/platform/kube/bookinfo.yaml",
            "bookinfo/networking/bookinfo-gateway.yaml",
            "bookinfo/networking/destination-rule-all.yaml",
            "productpage",
            8080,
            "/productpage",
        ),
        (
            "httpbin/httpbin-nodeport.yaml",
            "httpbin/httpbin-gateway.yaml",
            "",
            "httpbin",
            80,
            "/headers",
        ),
        (
            "helloworld/helloworld.yaml",
            "helloworld/helloworld-gateway.yaml",
            "",
            "helloworld",
            80,
            "/hello",
        ),
    ] {
        let backend = Backend::start("a sample");
        for file in [app, front, routes].into_iter().filter(|file| !file.is_empty()) {
            for object in documents(&fs::read_to_string(samples.join(file)).unwrap()) {
                apply(kubernetes, &object);
            }
        }
        apply(kubernetes, &endpoints(kubernetes, service, &backend));
        wait_for(path, || {
            let url = format!("http://{}:{}{path}", gateway.bind, port + gateway.offset);
            let answer = Ask::get(url).host("anything.test").send().ok()?;
            (answer.status == 200 && answer.body == "a sample").then_some(())
        });
        // The next sample takes all hosts too.
        for object in documents(&fs::read_to_string(samples.join(front)).unwrap()) {
            kubernetes.delete(&object.to_string());
        }
    }
}

fn install(kubernetes: &Kubernetes, crds: &Path) {
    for crd in documents(&fs::read_to_string(crds).unwrap()) {
        kubernetes.try_apply(&crd).unwrap();
        let spec = &crd["spec"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
        let path = format!("/apis/{group}/{}/{plural}", text(&spec["versions"][0]["name"]));
        wait_for("Istio's kinds", || kubernetes.get(&path).ok());
    }
}

fn every_object_is_taken(kubernetes: &Kubernetes, folder: &Path) {
    let mut count = 0;
    for file in yaml_files(folder) {
        for mut object in documents(&fs::read_to_string(&file).unwrap()) {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            if !version.split_once('/').is_some_and(|(group, _)| ISTIO.contains(&group)) {
                continue;
            }
            // Which namespaces there are is not what is asked here.
            object["metadata"]["namespace"] = json!("default");
            let taken = kubernetes.would_take(&object);
            let why = taken.as_ref().err().and_then(refusal);
            assert!(taken.is_ok(), "{}: {why:?}\n{object}", file.display());
            count += 1;
        }
    }
    assert!(count > 40, "{count} objects are few");
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|it| it == "yaml") {
            files.push(path);
        }
    }
    files
}

/// What a controller would write for the Service if its pods were the backend.
fn endpoints(kubernetes: &Kubernetes, service: &str, backend: &Backend) -> Value {
    let path = format!("/api/v1/namespaces/default/services/{service}");
    let port = kubernetes.get(&path).unwrap()["spec"]["ports"][0]["name"].clone();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"), "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": port, "port": backend.address.port()}],
        "endpoints": [{"addresses": [backend.address.ip().to_string()]}],
    })
}
