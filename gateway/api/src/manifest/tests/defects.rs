//! One document after the other that is wrong, and what is said about it.

use super::{GATEWAY, objects};

/// A name for the row, a text, and how each problem begins.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// Each text is followed by a good object, which must be read.
fn check(rows: &[Row]) {
    for (name, text, expected) in rows {
        let objects = objects(&format!("{text}\n---\n{GATEWAY}"));
        assert_eq!(objects.gateways.len(), 1, "{name}");
        let found: Vec<String> = objects.defects.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{name}: {found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{name}: {found}\nnot: {expected}");
        }
    }
}

#[test]
fn documents_that_are_no_objects() {
    check(&[
        (
            "unreadable",
            "a: [1\n---\nb: 2: 3\n",
            &[
                "error [unreadable-yaml] File f.yaml: ",
                "error [unreadable-yaml] File f.yaml: mapping values are not allowed",
            ],
        ),
        (
            "for another program",
            "requests: []\n---\n5\n---\n- a\n",
            &[
                "warning [not-an-object] File f.yaml: the document has no `apiVersion` and `kind`: \
                 it is left out; give it both, or move it out of the folder if it is no manifest \
                 (f.yaml:1)",
                "warning [not-an-object]",
                "warning [not-an-object]",
            ],
        ),
        (
            "no kind",
            "apiVersion: v1\nmetadata: {name: a}\n",
            &["error [not-an-object] File f.yaml kind: the document has an `apiVersion`, but no"],
        ),
        (
            "no version",
            "kind: Service\nmetadata: {name: a}\n---\napiVersion: ''\nkind: Service\n",
            &[
                "error [not-an-object] Service default/a apiVersion: the object has no `apiVersion`",
                "error [not-an-object] Service default/ apiVersion: the object has no `apiVersion`",
            ],
        ),
        ("nothing", "# nothing\n---\n~\n---\nnull\n---\n\n", &[]),
    ]);
}

#[test]
fn names_that_are_none() {
    check(&[
        (
            "no name",
            "apiVersion: v1\nkind: Service\nmetadata: {generateName: a}\n",
            &["error [name-missing] Service default/ metadata.name: the object has no name"],
        ),
        (
            "a bad name",
            "apiVersion: v1\nkind: Service\nmetadata: {name: A_b}\n",
            &["error [name-invalid] Service default/A_b metadata.name: `A_b` is no name"],
        ),
        (
            "a number as name",
            "apiVersion: v1\nkind: Service\nmetadata: {name: 5}\n",
            &["error [wrong-type] Service default/5 metadata.name: it is the integer `5`, where"],
        ),
        (
            "no metadata",
            "apiVersion: networking.istio.io/v1\nkind: Gateway\n",
            &["error [name-missing] Gateway default/ metadata.name"],
        ),
    ]);
}

#[test]
fn kinds_and_versions_that_are_slips() {
    check(&[
        (
            "a version of tomorrow",
            "apiVersion: networking.istio.io/v2\nkind: Gateway\nmetadata: {name: a}\n",
            &[
                "error [unknown-version] Gateway default/a apiVersion: `Gateway` is not read in version \
               `v2`: it is left out; write it as `networking.istio.io/v1` (f.yaml:1)",
            ],
        ),
        (
            "a group of yesterday",
            "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n",
            &[
                "error [unknown-kind] Ingress default/a kind: `Ingress` of `extensions/v1beta1` is not \
               known: it is left out; write `apiVersion: networking.k8s.io/v1` (f.yaml:1)",
            ],
        ),
        (
            "a misspelt group",
            "apiVersion: network.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\n",
            &[
                "error [unknown-kind] Gateway default/a kind: `Gateway` of `network.istio.io/v1` is not \
               known: it is left out; write `apiVersion: networking.istio.io/v1`",
            ],
        ),
        (
            "a misspelt kind",
            "apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: a}\n",
            &["error [unknown-kind] VirtualServise default/a kind: `VirtualServise` of \
               `networking.istio.io/v1` is not known: it is left out; did you mean \
               `VirtualService`? (f.yaml:1)"],
        ),
        (
            "kinds of others",
            "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\n---\n\
             apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n",
            &[
                "warning [unknown-kind] Certificate default/a kind: `Certificate` of \
                 `cert-manager.io/v1` is not known: it is left out; nothing, if another program \
                 acts on it (f.yaml:1)",
                "warning [unknown-kind] Service default/a",
            ],
        ),
    ]);
}

#[test]
fn kinds_that_are_missed_or_left_out() {
    check(&[
        (
            "what protects",
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n---\n\
             apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\n",
            &[
                "error [kind-not-supported] AuthorizationPolicy default/a: AuthorizationPolicy of \
                 security.istio.io is not supported yet: what it is to protect is NOT protected \
                 here; remove it, or do not rely on it (f.yaml:1)",
                "error [kind-not-supported] EnvoyFilter default/a",
            ],
        ),
        (
            "what routes or observes",
            "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: a}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\n---\n\
             apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n",
            &[
                "warning [kind-not-supported] Telemetry",
                "warning [kind-not-supported] Sidecar",
                "warning [kind-not-supported] HTTPRoute",
            ],
        ),
        (
            "what does not matter",
            "apiVersion: v1\nkind: ServiceAccount\n---\napiVersion: apps/v1\nkind: StatefulSet\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n---\n\
             apiVersion: edgeway.dev/v1alpha1\nkind: Expectations\n",
            &[],
        ),
        (
            "newer fields of Kubernetes",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {tomorrow: 1}\n",
            &[],
        ),
    ]);
}
