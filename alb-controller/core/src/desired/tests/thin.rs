//! Classes that name a gateway.

use super::*;
use crate::{rule::Action, target::TargetType};

/// A class, and the gateway that it names.
const THIN: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: thin, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge, annotations: {alb.ingress.kubernetes.io/healthy-threshold-count: '3'}}
spec: {selector: {app: gateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: gateway-1, namespace: edge, labels: {kubernetes.io/service-name: gateway}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.9.1], conditions: {ready: true}}]
";

fn thin(name: &str, annotations: &[(&str, &str)], hosts: &[String]) -> String {
    let annotations = [&[("group.name", "shop")], annotations].concat();
    ingress(name, &annotations, &rules(hosts)).replace("Name: edgeway", "Name: thin")
}

#[test]
fn hosts_are_packed_and_paths_are_the_gateways() {
    let one: Vec<String> =
        ["a", "b", "c", "d"].map(|h| host(&format!("{h}.test"), &["Prefix /x web:80"])).into();
    let two = [
        host("e.test", &["Exact /1 web:http", "Prefix /2 web:admin", "Prefix / web:80"]),
        host("f.test", &["Prefix / web:80"]),
        host("*.test", &["Prefix / web:80"]),
        host("a.test", &["Prefix / web:80"]),
    ];
    let desired = wishes(&[THIN, WEB, &thin("one", &[], &one), &thin("two", &[], &two)]);
    assert_eq!(desired.problems, []);
    assert_eq!(
        texts(&desired, 80),
        [
            "host a.test or b.test or c.test or d.test or e.test → forward to edge/gateway:80",
            "host f.test → forward to edge/gateway:80",
            "host *.test → forward to edge/gateway:80",
        ]
    );
    let group = target_group(&desired, "edge/thin-gateway:80");
    assert_eq!(only(&desired).target_groups.len(), 1);
    assert_eq!(group.kind.target_type, TargetType::Ip);
    assert_eq!(group.health_check.path, "/.well-known/edgeway/health");
    assert_eq!(group.health_check.healthy, 3, "the Service has the word");
    assert_eq!(
        group.targets.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.9.1:8080"]
    );
}

#[test]
fn whatever_the_controller_the_targets_are_pods() {
    let class = THIN.replace("edgeway.dev/alb", "ingress.k8s.aws/alb");
    let desired = wishes(&[&class, WEB, &thin("a", &[], &[host("a.test", &["Prefix / web:80"])])]);
    assert_eq!(desired.problems, []);
    let group = target_group(&desired, "edge/thin-gateway:80");
    assert_eq!(group.kind.target_type, TargetType::Ip);
}

#[test]
fn a_change_of_paths_and_of_services_is_none_in_aws() {
    let before = thin("one", &[], &[host("a.test", &["Prefix / web:80"])]);
    let after =
        thin("one", &[], &[host("a.test", &["Prefix /new web:80", "Exact /other web:admin"])]);
    let more = WEB.replace("10.0.0.3", "10.0.0.4");
    assert_eq!(wishes(&[THIN, WEB, &before]).stacks, wishes(&[THIN, &more, &after]).stacks);
}

#[test]
fn a_member_that_comes_later_changes_no_rule_before() {
    let hosts = |name: &str, count: usize| -> Vec<String> {
        (0..count).map(|n| host(&format!("{name}{n}.test"), &["Prefix / web:80"])).collect()
    };
    let aged = |name: &str, year: u32, hosts: &[String]| {
        let born = format!("  name: {name}\n  creationTimestamp: '{year}-01-01T00:00:00Z'\n");
        thin(name, &[], hosts).replace(&format!("  name: {name}\n"), &born)
    };
    let (old, young) = (aged("z", 2020, &hosts("z", 7)), aged("a", 2021, &hosts("a", 2)));
    let before = texts(&wishes(&[THIN, WEB, &old]), 80);
    let after = texts(&wishes(&[THIN, WEB, &old, &young]), 80);
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_eq!(before[0], after[0]);
}

#[test]
fn no_host_is_every_host_and_a_default_backend_is_the_gateways_too() {
    let any =
        thin("any", &[], &[host("", &["Prefix / web:80"]), host("a.test", &["Exact /a web:80"])]);
    let desired = wishes(&[THIN, WEB, &any]);
    assert_eq!(
        texts(&desired, 80),
        ["host a.test → forward to edge/gateway:80", "path /* → forward to edge/gateway:80",]
    );
    assert_eq!(listener(&desired, 80).default_action, Action::answer(404, None));
    let spec = "defaultBackend: {service: {name: web, port: {number: 80}}}";
    let default = ingress("one", &[], spec).replace("Name: edgeway", "Name: thin");
    let desired = wishes(&[THIN, WEB, &default]);
    let action = &listener(&desired, 80).default_action;
    assert_eq!(action.groups().count(), 1, "{action:?}");
}

#[test]
fn what_a_load_balancer_alone_does_is_its_own_and_comes_first() {
    let plain = thin("a", &[], &[host("a.test", &["Prefix / web:80"])]);
    let response = r#"{"type":"fixed-response","fixedResponseConfig":{"contentType":"text/plain","statusCode":"200","messageBody":"x"}}"#;
    let special =
        thin("b", &[("actions.x", response)], &[host("a.test", &["Exact /x x:use-annotation"])]);
    let desired = wishes(&[THIN, WEB, &plain, &special]);
    assert_eq!(
        texts(&desired, 80),
        ["host a.test and path /x → answer 200", "host a.test → forward to edge/gateway:80",]
    );
    assert_eq!(problems(&desired), ["Ingress default/b gateway-passed-by"]);
}

#[test]
fn what_is_wrong_is_said_of_the_ingress() {
    let hosts = [host("a.test", &["Prefix /n none:80", "Prefix /p web:81", "Prefix / web:80"])];
    let desired = wishes(&[THIN, WEB, &thin("a", &[("healthcheck-path", "/up")], &hosts)]);
    assert_eq!(
        problems(&desired),
        [
            "Ingress default/a annotation-of-gateway",
            "Ingress default/a service-not-found",
            "Ingress default/a port-not-found",
        ]
    );
    assert_eq!(texts(&desired, 80).len(), 1);
}

#[test]
fn without_its_gateway_what_stands_stays() {
    let one = thin("a", &[], &[host("a.test", &["Prefix / web:80"])]);
    for (class, problem) in [
        (THIN.replace("edge/gateway}", "edge/none}"), "gateway-service-not-found"),
        (THIN.replace("edge/gateway}", "'edge/gateway:81'}"), "gateway-service-not-found"),
        (THIN.replace("edge/gateway}", "gateway}"), "ingress-class-not-usable"),
    ] {
        let desired = wishes(&[&class, WEB, &one]);
        assert_eq!(problems(&desired), [format!("Ingress default/a {problem}")]);
        assert!(desired.stacks.is_empty() && desired.held.len() == 1);
    }
}
