//! `edgeway status` and `edgeway routes` over a real API server, of the namespaces that kubectl would take.

use crate::scene::{FRONT, ROLE, STATUS, answered};
use edgeway_tests::{Cluster, Gateway, free_port, process::run, root, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Exit code and both outputs of `edgeway status`.
fn status(kubeconfig: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    edgeway("status", kubeconfig, arguments)
}

fn edgeway(command: &str, kubeconfig: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let kubeconfig = kubeconfig.display().to_string();
    let output = run("edgeway", &[&[command, "--kubeconfig", &kubeconfig], arguments].concat());
    let [out, err] =
        [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    (output.status.code(), out, err)
}

#[test]
fn statuses_are_read_from_the_namespace_that_kubectl_would_take() {
    let Some(cluster) = Cluster::start() else { return };
    let (kubernetes, admin) = (cluster.admin(), cluster.kubeconfig());
    let (code, _, err) = status(&admin, &[]);
    assert!(code == Some(1) && err.contains("edgeway crds"), "{code:?} {err}");

    let account = cluster.account("istio-system", "gateway");
    kubernetes.install_istio();
    what_cannot_be_read_is_told_at_once(&cluster, &account.kubeconfig);
    let crd = "deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml";
    kubernetes.apply(&fs::read_to_string(root().join(crd)).unwrap());
    for text in [ROLE, STATUS, FRONT] {
        kubernetes.apply(text);
    }
    let gateway = Gateway::of_cluster(&account.kubeconfig, &["--workers", "1"]);
    gateway.wait_ready();
    let all = wait_for("a gateway that is ready", || {
        let (code, out, _) = status(&admin, &["-A"]);
        (code == Some(0) && out.contains("istio-ingressgateway")).then_some(out)
    });
    assert_eq!(status(&admin, &["-n", "istio-system"]).1, all);

    // Nobody has said anything of the context's namespace, which is `default` unless it is named.
    let (code, out, err) = status(&admin, &[]);
    assert!(code == Some(0) && out.is_empty() && err.contains("nothing"), "{code:?} {out} {err}");
    assert_eq!(status(&admin, &["istio-ingressgateway"]).0, Some(1));
    let own = tempfile::NamedTempFile::new().unwrap();
    let mut config: Value = serde_saphyr::from_str(&fs::read_to_string(&admin).unwrap()).unwrap();
    config["contexts"][0]["context"]["namespace"] = json!("istio-system");
    fs::write(own.path(), config.to_string()).unwrap();
    assert_eq!(status(own.path(), &[]).1, all);
    assert_eq!(status(own.path(), &["istio-ingressgateway"]).0, Some(0));
    kubernetes.apply(&answered("a", "hi").to_string());
    routes_are_those_of_the_namespace(&admin);
    assert!(gateway.process.stop().success());
}

/// Nobody waits for a permission, or for an API server that is not there.
fn what_cannot_be_read_is_told_at_once(cluster: &Cluster, nobody: &Path) {
    let start = Instant::now();
    let (code, out, err) = edgeway("routes", nobody, &[]);
    assert!(code == Some(1) && out.is_empty(), "{code:?} {out}");
    for resource in ["gateways", "virtualservices", "services"] {
        assert!(err.contains(&format!("cannot watch resource \"{resource}\"")), "{err}");
    }
    let away = tempfile::NamedTempFile::new().unwrap();
    let text = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] =
        json!(format!("https://127.0.0.1:{}", free_port()));
    fs::write(away.path(), config.to_string()).unwrap();
    for command in ["routes", "status"] {
        let (code, _, err) = edgeway(command, away.path(), &[]);
        assert!(code == Some(1) && err.contains("refused"), "{code:?} {err}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

fn routes_are_those_of_the_namespace(admin: &Path) {
    let (code, out, err) = edgeway("routes", admin, &[]);
    assert!(code == Some(0) && err.is_empty(), "{code:?} {out} {err}");
    assert_eq!(
        out,
        "LISTENER  HOST    MATCH       TO          BY                 STATE\n\
         HTTP 80   a.test  everything  answer 200  default/a http[0]  ready\n"
    );
    for arguments in [&["-A"][..], &["a.test"]] {
        assert_eq!(edgeway("routes", admin, arguments).1, out, "{arguments:?}");
    }
    let (_, json, _) = edgeway("routes", admin, &["-o", "json"]);
    let rows: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&rows[0]["host"], &rows[0]["state"]), (&json!("a.test"), &json!("Ready")));
    let (code, out, err) = edgeway("routes", admin, &["-n", "nowhere"]);
    assert!(code == Some(0) && out.is_empty() && err.contains("no such route"), "{out} {err}");
}
