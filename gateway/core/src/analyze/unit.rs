//! Manifests in, lines of advice out, for the tests beside.

use super::analyze;
use crate::Workload;
use edgeway_api::{Objects, Problem, manifest};

/// A Gateway for everything on port 80.
pub(super) const FRONT: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
";

/// A VirtualService bound to it, with rules in YAML's flow form.
pub(super) fn virtual_service(name: &str, host: &str, http: &str) -> String {
    object(
        "VirtualService",
        name,
        &format!("{{hosts: [{host}], gateways: [istio-system/gw], http: {http}}}"),
    )
}

/// An object of one of Istio's kinds in namespace `default`.
pub(super) fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: \
         default}}\nspec: {spec}\n---\n"
    )
}

/// A Service in namespace `default`.
pub(super) fn service(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec: \
         {spec}\n---\n"
    )
}

fn read(text: &str) -> Vec<Problem> {
    let mut objects = Objects::default();
    manifest::read(text, "", &mut objects);
    assert_eq!(objects.defects, [], "{text}");
    analyze(&objects, &Workload::default())
}

/// How many there are.
pub(super) fn count(text: &str) -> usize {
    read(text).len()
}

/// What is said of the manifests, a line each.
pub(super) fn advice(text: &str) -> Vec<String> {
    read(text).iter().map(ToString::to_string).collect()
}

/// Each row: manifests behind [`FRONT`], and what must stand in the one line (empty: there is none).
pub(super) fn table(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let found = advice(&format!("{FRONT}{text}"));
        match (expected.is_empty(), found.as_slice()) {
            (true, []) => {}
            (false, [one]) => assert!(one.contains(expected), "{text}\n{one}\nnot {expected}"),
            _ => panic!("{text}\n{found:#?}\nnot {expected}"),
        }
    }
}
