//! The gateway over a real API server: what is written there is served, whoever writes it and
//! whatever becomes of the server.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod command;
mod outage;
mod samples;
mod scene;
mod statuses;

use edgeway_tests::{Ask, Cluster, Gateway, Kubernetes, http::client, wait_for};
use scene::{
    Backend, FRONT, ROLE, SECRETS, account, answered, apply, becomes, delete, forwarded, problem,
    service, slice,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

#[test]
fn every_kind_is_served_as_it_comes_changes_and_goes() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let kubeconfig = account(&cluster);
    let gateway = Gateway::of_cluster(&kubeconfig, &["--workers", "1"]);
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    rules_come_late_and_change(kubernetes, &gateway);
    endpoints_move(kubernetes, &gateway, [&one, &two]);
    subsets_follow_labels_of_pods(kubernetes, &gateway, &two);
    services_elsewhere_have_workloads(kubernetes, &gateway, &one);
    revisions_are_told_apart(kubernetes, &gateway);
    ingresses_of_its_class_are_served(kubernetes, &gateway, [&one, &two]);
    hosts_behind_a_load_balancer_are_served_at_its_port(kubernetes, &gateway);
    assert!(gateway.process.stop().success());
}

fn rules_come_late_and_change(kubernetes: &Kubernetes, gateway: &Gateway) {
    // Nobody has installed Istio's kinds yet: there is nothing to serve, and they may come later.
    gateway.wait_ready();
    kubernetes.install_istio();
    kubernetes.apply(FRONT);
    apply(kubernetes, &answered("a", "first"));
    gateway.wait_ready();
    becomes(gateway, "a.test", 200, "first");
    apply(kubernetes, &answered("a", "second"));
    becomes(gateway, "a.test", 200, "second");
}

fn endpoints_move(kubernetes: &Kubernetes, gateway: &Gateway, [one, two]: [&Backend; 2]) {
    apply(kubernetes, &forwarded("b", &json!({"host": "b.default.svc.cluster.local"})));
    becomes(gateway, "b.test", 503, "");
    apply(kubernetes, &service("b"));
    apply(kubernetes, &slice("b", "b-0", one));
    becomes(gateway, "b.test", 200, "one");
    apply(kubernetes, &slice("b", "b-1", two));
    becomes(gateway, "b.test", 200, "two");
}

fn subsets_follow_labels_of_pods(kubernetes: &Kubernetes, gateway: &Gateway, two: &Backend) {
    let subset = |label: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "DestinationRule",
            "metadata": {"name": "b", "namespace": "default"},
            "spec": {"host": "b", "subsets": [{"name": "s", "labels": {"v": label}}]},
        })
    };
    apply(kubernetes, &subset("2"));
    apply(kubernetes, &forwarded("b", &json!({"host": "b", "subset": "s"})));
    becomes(gateway, "b.test", 503, "");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "b-1", "namespace": "default", "labels": {"v": "2"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false,
            "serviceAccountName": "pods"},
    });
    kubernetes.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: pods}\n");
    apply(kubernetes, &pod);
    becomes(gateway, "b.test", 200, "two");
    delete(kubernetes, &pod);
    becomes(gateway, "b.test", 503, "");
    delete(kubernetes, &subset("2"));
    apply(kubernetes, &forwarded("b", &json!({"host": "b"})));
    becomes(gateway, "b.test", 200, "two");
    delete(kubernetes, &slice("b", "b-1", two));
    becomes(gateway, "b.test", 503, "");
    delete(kubernetes, &service("b"));
}

fn services_elsewhere_have_workloads(kubernetes: &Kubernetes, gateway: &Gateway, one: &Backend) {
    let Backend { address } = one;
    let entry = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {
            "hosts": ["c.elsewhere"], "resolution": "STATIC", "location": "MESH_EXTERNAL",
            "ports": [{"number": address.port(), "name": "http", "protocol": "HTTP"}],
            "workloadSelector": {"labels": {"app": "c"}},
        },
    });
    let workload = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {"address": address.ip().to_string(), "labels": {"app": "c"}},
    });
    apply(kubernetes, &entry);
    apply(kubernetes, &workload);
    let port = json!({"host": "c.elsewhere", "port": {"number": address.port()}});
    apply(kubernetes, &forwarded("c", &port));
    becomes(gateway, "c.test", 200, "one");
    delete(kubernetes, &workload);
    becomes(gateway, "c.test", 503, "");
    delete(kubernetes, &entry);
    delete(kubernetes, &answered("a", ""));
    becomes(gateway, "a.test", 404, "");
}

/// The class is ours as soon as it names our Service, and no longer.
fn ingresses_of_its_class_are_served(
    kubernetes: &Kubernetes,
    gateway: &Gateway,
    [one, two]: [&Backend; 2],
) {
    let class = |gateway: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": "thin", "annotations": {"edgeway.dev/gateway": gateway}},
            "spec": {"controller": "edgeway.dev/alb"},
        })
    };
    let ingress = |service: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "i", "namespace": "default"},
            "spec": {"ingressClassName": "thin", "rules": [{"host": "i.test", "http": {"paths": [
                {"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": service, "port": {"number": 80}}}},
            ]}}]},
        })
    };
    kubernetes.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: istio-system}\nspec: \
         {selector: {istio: ingressgateway}, ports: [{port: 80}]}\n",
    );
    for (name, backend) in [("f", one), ("g", two)] {
        apply(kubernetes, &service(name));
        apply(kubernetes, &slice(name, &format!("{name}-0"), backend));
    }
    apply(kubernetes, &ingress("f"));
    apply(kubernetes, &class("elsewhere/front"));
    becomes(gateway, "i.test", 404, "");
    apply(kubernetes, &class("istio-system/front"));
    becomes(gateway, "i.test", 200, "one");
    apply(kubernetes, &ingress("g"));
    becomes(gateway, "i.test", 200, "two");
    delete(kubernetes, &ingress("g"));
    becomes(gateway, "i.test", 404, "");
}

/// A server of HTTPS alone, whose TLS ends at the load balancer of the class that was made before.
fn hosts_behind_a_load_balancer_are_served_at_its_port(kubernetes: &Kubernetes, gateway: &Gateway) {
    let front = |class: Option<&str>| {
        let annotations =
            class.map_or(json!({}), |class| json!({"edgeway.dev/ingress-class": class}));
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": {"name": "secure", "namespace": "default", "annotations": annotations},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [{
                "port": {"number": 8443, "name": "https", "protocol": "HTTPS"}, "hosts": ["j.test"],
                "tls": {"mode": "SIMPLE", "credentialName": "none"},
            }]},
        })
    };
    let mut routes = answered("j", "behind");
    routes["spec"]["gateways"] = json!(["default/secure"]);
    apply(kubernetes, &routes);
    apply(kubernetes, &front(Some("thin")));
    becomes(gateway, "j.test", 200, "behind");
    apply(kubernetes, &front(Some("other")));
    becomes(gateway, "j.test", 404, "");
    apply(kubernetes, &front(Some("thin")));
    becomes(gateway, "j.test", 200, "behind");
    apply(kubernetes, &front(None));
    becomes(gateway, "j.test", 404, "");
}

fn revisions_are_told_apart(kubernetes: &Kubernetes, gateway: &Gateway) {
    let mut canary = answered("d", "canary");
    canary["metadata"]["labels"] = json!({"istio.io/rev": "canary"});
    apply(kubernetes, &canary);
    apply(kubernetes, &answered("e", "after"));
    becomes(gateway, "e.test", 200, "after");
    becomes(gateway, "d.test", 404, "");
    apply(kubernetes, &answered("d", "ours"));
    kubernetes
        .merge(
            "/apis/networking.istio.io/v1/namespaces/default/virtualservices/d",
            &json!({"metadata": {"labels": {"istio.io/rev": null}}}),
        )
        .unwrap();
    becomes(gateway, "d.test", 200, "ours");
}

#[test]
fn an_api_server_that_dies_and_comes_back_costs_no_request() {
    let Some(mut cluster) = Cluster::start() else { return };
    let kubeconfig = account(&cluster);
    cluster.admin().install_istio();
    cluster.admin().apply(FRONT);
    let one = Backend::start("one");
    apply(cluster.admin(), &service("b"));
    apply(cluster.admin(), &slice("b", "b-0", &one));
    apply(cluster.admin(), &forwarded("b", &json!({"host": "b"})));
    let mut gateway = Gateway::of_cluster(&kubeconfig, &["--workers", "1"]);
    gateway.wait_ready();
    becomes(&gateway, "b.test", 200, "one");

    let is_over = Arc::new(AtomicBool::new(false));
    let load = {
        let (url, is_over) = (gateway.url("/"), Arc::clone(&is_over));
        thread::spawn(move || {
            let agent = client();
            let mut answers = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let answer = Ask::get(&url).host("b.test").send_with(&agent);
                answers.push(answer.map(|answer| answer.status).unwrap_or_default());
            }
            answers
        })
    };
    cluster.kill();
    gateway.process.wait_line("an outage", |line| {
        line.contains("the API server cannot be reached").then_some(())
    });
    assert!(gateway.is_ready());
    cluster.restart();
    apply(cluster.admin(), &answered("a", "after"));
    becomes(&gateway, "a.test", 200, "after");
    delete(cluster.admin(), &answered("a", ""));
    becomes(&gateway, "a.test", 404, "");
    gateway.process.wait_line("its end", |line| {
        line.contains("the API server can be reached again").then_some(())
    });
    is_over.store(true, Ordering::Relaxed);
    let answers = load.join().unwrap();
    assert!(answers.len() >= 10, "{}", answers.len());
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[test]
fn a_hostile_object_harms_only_itself() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    let kubeconfig = account(&cluster);
    kubernetes.install_istio();
    kubernetes.apply(FRONT);
    apply(kubernetes, &answered("a", "first"));
    let gateway = Gateway::of_cluster(&kubeconfig, &["--workers", "1"]);
    gateway.wait_ready();
    becomes(&gateway, "a.test", 200, "first");

    let hostile = |name: &str, spec: Value| {
        let mut object = answered(name, "");
        object["spec"] = spec;
        object
    };
    let deep = (0..400).fold(json!(1), |inner, _| json!([inner]));
    let large: Vec<String> = (0..8_000).map(|at| format!("host-{at}.shop.example.com")).collect();
    let created = |object: &Value| {
        let path = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
        kubernetes.create(path, object).unwrap();
    };
    created(&hostile("deep", json!({"hosts": ["deep.test"], "http": deep})));
    created(&hostile("invalid", json!({"hosts": {"a": 1}})));
    let mut heavy = hostile("large", answered("large", "x")["spec"].clone());
    heavy["spec"]["hosts"] = json!(large);
    assert!(heavy.to_string().len() > 200 << 10);
    created(&heavy);
    // What is broken by an edit keeps serving as it was.
    apply(kubernetes, &answered("b", "before"));
    becomes(&gateway, "b.test", 200, "before");
    kubernetes
        .merge(
            "/apis/networking.istio.io/v1/namespaces/default/virtualservices/b",
            &json!({"spec": {"http": {"not": "a list"}}}),
        )
        .unwrap();
    // A status is nobody's business.
    kubernetes
        .merge(
            "/apis/networking.istio.io/v1/namespaces/default/virtualservices/a/status",
            &json!({"status": {"deep": (0..400).fold(json!(1), |inner, _| json!([inner]))}}),
        )
        .unwrap();
    for (name, code) in
        [("deep", "unreadable-object"), ("invalid", "wrong-type"), ("b", "wrong-type")]
    {
        let found = problem(&gateway, |problem| {
            problem["object"] == format!("VirtualService default/{name}") && problem["code"] == code
        });
        assert_eq!(found["severity"], "error", "{found}");
    }
    apply(kubernetes, &answered("c", "last"));
    becomes(&gateway, "c.test", 200, "last");
    becomes(&gateway, "a.test", 200, "first");
    becomes(&gateway, "b.test", 200, "before");
    becomes(&gateway, "host-7999.shop.example.com", 200, "x");
}

#[test]
fn a_missing_permission_is_named_and_secrets_are_read_by_name() {
    let Some(cluster) = Cluster::start() else { return };
    let kubernetes = cluster.admin();
    kubernetes.install_istio();
    let account = cluster.account("istio-system", "gateway");
    let options = ["--workers", "1", "--write-status", "false"];
    let mut gateway = Gateway::of_cluster(&account.kubeconfig, &options);
    let named = gateway.process.wait_line("what is missing", |line| {
        line.contains("gateways.networking.istio.io is forbidden").then(|| line.to_owned())
    });
    assert!(named.contains("system:serviceaccount:istio-system:gateway"), "{named}");
    assert!(!gateway.is_ready());

    kubernetes.apply(ROLE);
    kubernetes.apply(FRONT);
    apply(kubernetes, &answered("a", "first"));
    gateway.wait_ready();
    becomes(&gateway, "a.test", 200, "first");

    let mut front: Value = serde_saphyr::from_str(FRONT).unwrap();
    let server = json!({
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "hosts": ["a.test"],
        "tls": {"mode": "SIMPLE", "credentialName": "web-tls"},
    });
    front["spec"]["servers"].as_array_mut().unwrap().push(server);
    apply(kubernetes, &front);
    // What was missing before may be told of a little longer.
    let missing = |problem: &Value| {
        problem["code"] == "permission-missing"
            && problem["message"].to_string().contains("secrets")
    };
    let found = problem(&gateway, missing);
    assert_eq!(found["object"], "ApiServer kube", "{found}");
    assert!(found["message"].to_string().contains("istio-system"), "{found}");

    // Two names are granted, and the one that is there is read.
    kubernetes.apply(SECRETS);
    let key = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    apply(
        kubernetes,
        &json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "web-tls", "namespace": "istio-system"},
            "stringData": {"tls.crt": key.cert.pem(), "tls.key": key.signing_key.serialize_pem()},
        }),
    );
    wait_for("the Secret", || {
        let problems = gateway.problems().to_string();
        let is_solved =
            !problems.contains("permission-missing") && !problems.contains("credential-not-found");
        is_solved.then_some(())
    });
    assert!(account.client.get("/api/v1/namespaces/istio-system/secrets").is_err());
    let log = gateway.process.lines().join("\n");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}
