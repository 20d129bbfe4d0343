//! Laws of wishes: anything that can be read is wished for or said to be wrong, whatever the order.

use super::{CLASSES, WEB, settings};
use crate::{desired, needs, settings::Lookups};
use edgeway_api::{Objects, manifest};
use proptest::{collection::vec, prelude::*, sample::select};

const NAMES: &[&str] = &[
    "group.name",
    "group.order",
    "scheme",
    "tags",
    "subnets",
    "security-groups",
    "inbound-cidrs",
    "listen-ports",
    "ssl-redirect",
    "certificate-arn",
    "target-type",
    "backend-protocol",
    "healthcheck-port",
    "healthcheck-interval-seconds",
    "success-codes",
    "actions.x",
    "conditions.web",
    "transforms.web",
    "use-regex-path-match",
    "load-balancer-attributes",
    "target-group-attributes",
    "listener-attributes.HTTP-80",
    "ip-address-type",
    "auth-type",
    "load-balancer-name",
    "no-such-annotation",
];

const VALUES: &[&str] = &[
    "",
    "g",
    "-1",
    "ip",
    "instance",
    "internal",
    "HTTPS",
    "443",
    "a=1,b",
    "a=1,b=2",
    "10.0.0.0/8",
    r#"[{"HTTP":80},{"HTTPS":443}]"#,
    "[]",
    "[{",
    "{}",
    "null",
    "true",
    "arn:aws:acm:x",
    "subnet-1",
    r#"{"type":"forward","targetGroupARN":"arn:x"}"#,
    r#"{"type":"fixed-response"}"#,
    r#"[{"field":"host-header","hostHeaderConfig":{"values":["x"]}}]"#,
    "\u{e4},=\\",
    "*",
];

const PATHS: &[&str] = &["/", "/a", "/a/", "/a*", "", "/\u{e4}", "a"];

fn ingress(name: usize) -> impl Strategy<Value = String> {
    let annotation = (select(NAMES), select(VALUES));
    let path = (select(PATHS), select(vec!["Exact", "Prefix", "ImplementationSpecific"]));
    (vec(annotation, 0..4), vec(path, 0..3), select(vec!["web", "x", "nope"])).prop_map(
        move |(annotations, paths, service)| {
            let annotations: serde_json::Map<_, _> = annotations
                .into_iter()
                .map(|(key, value)| (format!("alb.ingress.kubernetes.io/{key}"), value.into()))
                .collect();
            let port = if service == "x" {
                serde_json::json!({"name": "use-annotation"})
            } else {
                serde_json::json!({"number": 80})
            };
            let paths: Vec<_> = paths
                .into_iter()
                .map(|(path, kind)| {
                    let backend = serde_json::json!({"service": {"name": service, "port": port}});
                    serde_json::json!({"path": path, "pathType": kind, "backend": backend})
                })
                .collect();
            serde_json::json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": {"name": format!("ing-{name}"), "annotations": annotations},
                "spec": {"ingressClassName": "edgeway", "rules": [{"http": {"paths": paths}}]},
            })
            .to_string()
        },
    )
}

fn read<'t>(texts: impl Iterator<Item = &'t String>) -> Objects {
    let mut objects = Objects::default();
    for text in [CLASSES, WEB].into_iter().chain(texts.map(String::as_str)) {
        manifest::read(text, "", &mut objects);
    }
    objects
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_ingress_is_a_member_or_has_a_problem(texts in (ingress(0), ingress(1), ingress(2))) {
        let texts = [texts.0, texts.1, texts.2];
        let objects = read(texts.iter());
        let needs = needs(&objects, &settings());
        prop_assert!(needs.anything);
        let wishes = desired(&objects, &settings(), &Lookups::default());
        for ingress in &objects.ingresses {
            let reference = edgeway_api::Resource::reference(&**ingress);
            let member = wishes.members.values().flatten().any(|member| *member == reference);
            let told = wishes.problems.iter().any(|problem| problem.object == reference);
            prop_assert!(member || told, "{reference}: {texts:#?}");
        }
        let backwards = desired(&read(texts.iter().rev()), &settings(), &Lookups::default());
        prop_assert_eq!(wishes.stacks, backwards.stacks);
        prop_assert_eq!(wishes.problems, backwards.problems);
    }
}
