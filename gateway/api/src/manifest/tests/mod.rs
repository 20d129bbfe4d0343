//! Whole manifests: what becomes an object, and what a defect.

mod defects;

use super::read;
use crate::{Objects, Resource};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn objects(text: &str) -> Objects {
    let mut objects = Objects::default();
    read(text, "f.yaml", &mut objects);
    objects
}

/// Problems as people see them.
fn problems(text: &str) -> Vec<String> {
    objects(text).defects.iter().map(ToString::to_string).collect()
}

fn references(objects: &Objects) -> Vec<String> {
    objects.references().iter().map(ToString::to_string).collect()
}

const GATEWAY: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web}\n";

#[test]
fn every_kind_is_read_and_knows_where_it_was() {
    let kinds = [
        ("networking.istio.io/v1", "Gateway", "Gateway default/x"),
        ("networking.istio.io/v1beta1", "VirtualService", "VirtualService default/x"),
        ("networking.istio.io/v1alpha3", "DestinationRule", "DestinationRule default/x"),
        ("networking.istio.io/v1", "ServiceEntry", "ServiceEntry default/x"),
        ("networking.istio.io/v1", "WorkloadEntry", "WorkloadEntry default/x"),
        ("elbv2.k8s.aws/v1beta1", "IngressClassParams", "IngressClassParams x"),
        ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "TargetGroupBinding default/x"),
        ("v1", "Service", "Service default/x"),
        ("v1", "Endpoints", "Endpoints default/x"),
        ("v1", "Pod", "Pod default/x"),
        ("v1", "Secret", "Secret default/x"),
        ("v1", "ConfigMap", "ConfigMap default/x"),
        ("v1", "Namespace", "Namespace x"),
        ("v1", "Node", "Node x"),
        ("apps/v1", "Deployment", "Deployment default/x"),
        ("discovery.k8s.io/v1", "EndpointSlice", "EndpointSlice default/x"),
        ("networking.k8s.io/v1", "Ingress", "Ingress default/x"),
        ("networking.k8s.io/v1", "IngressClass", "IngressClass x"),
    ];
    let document = |(version, kind, _): &(&str, &str, &str)| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nstatus: {{a: 1}}\n")
    };
    let text: Vec<String> = kinds.iter().map(document).collect();
    let objects = objects(&text.join("---\n"));
    assert_eq!(objects.defects, []);
    assert_eq!(objects.count(), kinds.len());
    let mut expected: Vec<&str> = kinds.iter().map(|(_, _, reference)| *reference).collect();
    expected.sort_unstable();
    let mut found = references(&objects);
    found.sort_unstable();
    assert_eq!(found, expected);
    let service = objects.services[0].reference();
    assert_eq!(objects.origins[&service], "f.yaml:36");
    assert_eq!(objects.services[0].metadata.namespace.as_deref(), Some("default"));
}

#[test]
fn lists_are_read_item_by_item() {
    let text = "\
# a dump
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a, namespace: shop}

- apiVersion: v1
  kind: PodList
  items:
  - metadata: {name: p}
- apiVersion: networking.istio.io/v1
  kind: Gateway
  metadata: {name: g}
  spec: {servers: 5}
---
apiVersion: v1
kind: ServiceList
items:
- metadata: {name: b}
- null
---
{apiVersion: v1, kind: List, items: null}
";
    let objects = objects(text);
    assert_eq!(references(&objects), ["Pod default/p", "Service default/b", "Service shop/a"]);
    let origins: Vec<&str> = objects.origins.values().map(String::as_str).collect();
    assert_eq!(origins, ["f.yaml:9", "f.yaml:21", "f.yaml:5"]);
    let [defect] = objects.defects.as_slice() else { panic!("{:?}", objects.defects) };
    assert_eq!(
        defect.to_string(),
        "error [wrong-type] Gateway default/g spec.servers: it is the integer `5`, where a list is \
         expected; correct the value (f.yaml:13)"
    );
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n\t\t{\"apiVersion\": \
                \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}]}";
    assert_eq!(references(&objects(text)), ["Service default/a"]);
}

#[test]
fn unknown_fields_are_pointed_out_and_the_object_is_used() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, newer: 1}
sepc: {}
spec:
  hosts: [a]
  http:
  - route: [{destination: {host: a, prot: {number: 1}}}]
    mirror_percent: 5
    surprise: {a: {b: c}}
status: {anything: 1}
";
    assert_eq!(objects(text).virtual_services[0].spec.http[0].mirror_percent, Some(5));
    assert_eq!(
        problems(text),
        [
            "warning [unknown-field] VirtualService default/a sepc: there is no field `sepc` here: \
             it has no effect; did you mean `spec`? (f.yaml:1)",
            "warning [unknown-field] VirtualService default/a spec.http[0].route[0].destination.prot: \
             there is no field `prot` here: it has no effect; did you mean `port`? (f.yaml:1)",
            "warning [unknown-field] VirtualService default/a spec.http[0].surprise: there is no \
             field `surprise` here: it has no effect; remove it (f.yaml:1)",
        ]
    );
}

#[test]
fn lines_are_those_of_the_file() {
    let text = format!("{GATEWAY}---\n\n# b\nkind: [\n---\n{GATEWAY}spec: {{servers: [}}\n");
    let lines: Vec<String> = objects(&text).defects.iter().map(|d| d.origin.clone()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].ends_with(":12"), "{lines:?}");
}

#[test]
fn secrets_keep_both_kinds_of_data_and_are_never_repeated() {
    let text = "\
apiVersion: v1
kind: Secret
metadata: {name: a}
data: {a: aHVudGVyMg==, b: aGVsbG8=}
stringData: {b: world, c: more}
";
    let objects = objects(text);
    let data = objects.secrets[0].data.clone().unwrap();
    let texts: Vec<_> = data.iter().map(|(k, v)| (k.as_str(), v.0.as_slice())).collect();
    assert_eq!(texts, [("a", &b"hunter2"[..]), ("b", b"world"), ("c", b"more")]);
    let bad = problems("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: hunter2}\n");
    assert_eq!(bad.len(), 1);
    assert!(bad[0].contains("data.a") && !bad[0].contains("hunter2"), "{bad:?}");
}

#[test]
fn hostile_texts_are_refused_in_time() {
    let laughs = |width: usize, depth: usize| {
        let mut text = "a0: &a0 [lol, lol]\n".to_owned();
        for level in 1..=depth {
            let aliases = vec![format!("*a{}", level - 1); width].join(", ");
            let line = format!("a{level}: &a{level} [{aliases}]\n");
            text.push_str(&line);
        }
        text
    };
    let rows = [
        ("laughs", laughs(9, 20)),
        ("a self-reference", "a: &a [*a]\n".into()),
        ("deep lists", "[".repeat(100_000)),
        ("deep lists, closed", "[".repeat(50_000) + &"]".repeat(50_000)),
        ("deep mappings", "{a: ".repeat(100_000)),
        ("deep blocks", (0..2_000).fold(String::new(), |text, n| text + &" ".repeat(n) + "a:\n")),
        ("deep block lists", "- ".repeat(100_000)),
        ("deep JSON", "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000)),
        (
            "deep lists of lists",
            format!("{}{}", "{kind: List, items: [".repeat(5_000), "]}".repeat(5_000)),
        ),
        ("one long line", "a".repeat(5_000_000)),
        ("many questions", "? ".repeat(50_000)),
        ("open quotes", "\"".repeat(100_001)),
        ("many anchors", "&a ".repeat(50_000)),
    ];
    for (name, text) in rows {
        let start = Instant::now();
        let problems = problems(&text);
        assert_eq!(problems.len(), 1, "{name}");
        assert!(problems[0].len() < 500, "{name}: {} bytes", problems[0].len());
        // What grows without bound takes hours; a busy machine only takes its time.
        assert!(start.elapsed() < Duration::from_secs(180), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_large_dump_is_read() {
    let item = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: pN, labels: {a: b, c: d}}\n  spec: \
                {containers: [{name: a, image: b, ports: [{containerPort: 80}]}]}\n";
    let items = (0..5_000).fold(String::new(), |text, n| text + &item.replace('N', &n.to_string()));
    let objects = objects(&format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
    assert_eq!((objects.pods.len(), objects.defects.len()), (5_000, 0));
}

fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "---\n",
        "...\n",
        "\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "|\n",
        "&a ",
        "*a",
        "<<: ",
        "# ",
        "!!str ",
        "%YAML 1.2\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "?",
        "~",
        "5",
        "apiVersion: ",
        "networking.istio.io/v1\n",
        "v1\n",
        "kind: ",
        "VirtualService\n",
        "List\n",
        "Secret\n",
        "items:\n",
        "metadata:\n",
        "name: a\n",
        "spec:\n",
        "http:\n",
        "timeout: 5s\n",
        "hosts: [a]\n",
    ];
    prop_oneof![3 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #[test]
    fn reading_never_panics(parts in proptest::collection::vec(fragment(), 0..60)) {
        objects(&parts.concat());
    }

    #[test]
    fn reading_any_text_never_panics(text in "(?s).{0,200}") {
        objects(&text);
    }
}
