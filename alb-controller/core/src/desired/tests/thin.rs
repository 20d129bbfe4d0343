//! Classes that name a gateway.

use super::*;
use crate::{
    rule::Action,
    target::{Matcher, TargetType, Version},
};

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

/// A Service whose pods speak gRPC.
const RPC: &str = "
apiVersion: v1
kind: Service
metadata: {name: rpc, annotations: {alb.ingress.kubernetes.io/backend-protocol-version: GRPC}}
spec: {ports: [{port: 80}]}
";

/// The rules of a listener, with the target group's resource.
fn led(desired: &Desired, port: u16) -> Vec<String> {
    let stack = only(desired);
    let led = stack.load_balancer.listeners[&port].rules.values().map(|rule| {
        let groups: Vec<_> =
            rule.action.groups().map(|group| &*stack.target_groups[group].resource).collect();
        format!("{rule} → {}", groups.concat())
    });
    led.collect()
}

const PORTS: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);

#[test]
fn each_version_of_http_has_a_target_group_of_gateway_pods() {
    let hosts = [
        host("a.test", &["Prefix / rpc:80"]),
        host("b.test", &["Prefix / web:80"]),
        host("c.test", &["Exact /c rpc:80"]),
    ];
    let two = ("backend-protocol-version", "HTTP2");
    let more = thin("two", &[PORTS, two], &[host("d.test", &["Prefix / web:80"])]);
    let desired = wishes(&[THIN, WEB, RPC, &thin("one", &[PORTS], &hosts), &more]);
    let codes: Vec<&str> = desired.problems.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["certificate-not-found"; 4], "nothing else");
    assert_eq!(
        led(&desired, 80),
        ["host a.test or b.test or c.test or d.test → edge/thin-gateway:80"],
        "in plain text there is one version"
    );
    assert_eq!(
        led(&desired, 443),
        [
            "host a.test or c.test → edge/thin-gateway:80-GRPC",
            "host b.test → edge/thin-gateway:80",
            "host d.test → edge/thin-gateway:80-HTTP2",
        ]
    );
    for (resource, version, path, matcher) in [
        ("edge/thin-gateway:80", Version::Http1, HEALTH, Matcher::Http("200".into())),
        ("edge/thin-gateway:80-HTTP2", Version::Http2, HEALTH, Matcher::Http("200".into())),
        ("edge/thin-gateway:80-GRPC", Version::Grpc, RPC_HEALTH, Matcher::Grpc("0".into())),
    ] {
        let group = target_group(&desired, resource);
        assert_eq!(group.kind.version, version);
        let check = &group.health_check;
        assert_eq!((check.path.as_str(), &check.matcher), (path, &matcher), "{resource}");
        assert_eq!(group.targets.len(), 1, "{resource}");
    }
}

const HEALTH: &str = "/.well-known/edgeway/health";
const RPC_HEALTH: &str = "/AWS.ALB/healthcheck";

#[test]
fn what_the_gateways_service_says_of_its_check_is_not_said_of_other_versions() {
    let notes = "alb.ingress.kubernetes.io/healthcheck-port: '15021', alb.ingress.kubernetes.io/healthcheck-path: /up, alb.ingress.kubernetes.io/success-codes: '204', ";
    let class = THIN.replace("annotations: {alb", &format!("annotations: {{{notes}alb"));
    let hosts = [host("a.test", &["Prefix / rpc:80"]), host("b.test", &["Prefix / web:80"])];
    let desired = wishes(&[&class, WEB, RPC, &thin("one", &[PORTS], &hosts)]);
    let plain = &target_group(&desired, "edge/thin-gateway:80").health_check;
    assert_eq!((plain.port.as_str(), plain.path.as_str()), ("15021", "/up"));
    let rpc = &target_group(&desired, "edge/thin-gateway:80-GRPC").health_check;
    assert_eq!((rpc.port.as_str(), rpc.path.as_str()), ("traffic-port", RPC_HEALTH));
    assert_eq!((rpc.matcher.clone(), rpc.healthy), (Matcher::Grpc("0".into()), 3));
}

#[test]
fn a_host_of_several_versions_has_rules_for_its_paths_as_far_as_they_are_needed() {
    let one = [host(
        "a.test",
        &["Prefix /x/plain web:80", "Prefix /x rpc:80", "Exact /y rpc:80", "Prefix / web:80"],
    )];
    let wild = [host("*.test", &["Prefix /z rpc:80"])];
    let more = [host("*.test", &["Prefix / web:80"]), host("b.test", &["Prefix / web:80"])];
    let desired = wishes(&[
        THIN,
        WEB,
        RPC,
        &thin("one", &[PORTS], &one),
        &thin("two", &[PORTS], &wild),
        &thin("three", &[PORTS], &more),
    ]);
    let plain = "edge/thin-gateway:80";
    assert_eq!(
        led(&desired, 443),
        [
            format!("host a.test and path /y → {plain}-GRPC"),
            format!("host a.test and path /x/plain or /x/plain/* → {plain}"),
            format!("host a.test and path /x or /x/* → {plain}-GRPC"),
            format!("host a.test or b.test → {plain}"),
            format!("host *.test and path /z or /z/* → {plain}-GRPC"),
            format!("host *.test → {plain}"),
        ]
    );
    assert_eq!(led(&desired, 80).len(), 2, "{:?}", led(&desired, 80));
}

#[test]
fn a_default_backend_of_another_version_is_led_by_it() {
    let spec = "defaultBackend: {service: {name: rpc, port: {number: 80}}}";
    let default = ingress("one", &[PORTS], spec).replace("Name: edgeway", "Name: thin");
    let desired = wishes(&[THIN, WEB, RPC, &default]);
    let to = |port| {
        let groups: Vec<_> = listener(&desired, port).default_action.groups().collect();
        only(&desired).target_groups[groups[0]].kind.version
    };
    assert_eq!((to(80), to(443)), (Version::Http1, Version::Grpc));
}

#[test]
fn a_version_that_is_none_costs_its_ingress() {
    let bad = thin(
        "a",
        &[("backend-protocol-version", "HTTP3")],
        &[host("a.test", &["Prefix / web:80"])],
    );
    let desired = wishes(&[THIN, WEB, &bad]);
    assert_eq!(problems(&desired), ["Ingress default/a annotation-invalid"]);
    assert!(desired.stacks.is_empty() && desired.held.len() == 1);
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
