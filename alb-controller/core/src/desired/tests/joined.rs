//! Gateways that ask for a load balancer.

use super::*;
use crate::{rule::Action, settings::Certificate, stack::Scheme};

/// A class that names a gateway, the gateway's Service, and a pod of it.
const EDGE: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: thin, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {selector: {app: gateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway-1, namespace: edge, labels: {app: gateway, istio: ingressgateway}}
";

const BOTH: &str = "
- {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.test, shop/b.test], tls: {httpsRedirect: true}}
- {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.test, shop/b.test, '*.c.test'], tls: {mode: SIMPLE, credentialName: a}}
";

fn gateway(name: &str, annotations: &[(&str, &str)], servers: &str) -> String {
    let annotation =
        |(key, value): &(&str, &str)| format!("    alb.ingress.kubernetes.io/{key}: '{value}'\n");
    let annotations: String = annotations.iter().map(annotation).collect();
    let servers = servers.trim().lines().collect::<Vec<_>>().join("\n  ");
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: {name}\n  \
         annotations:\n    edgeway.dev/ingress-class: thin\n{annotations}spec:\n  selector: {{istio: \
         ingressgateway}}\n  servers:\n  {servers}\n"
    )
}

fn with_certificates(texts: &[&str]) -> Desired {
    let certificate = |name: &str| Certificate {
        arn: format!("arn:{name}"),
        names: vec![name.to_owned()],
        ..Certificate::default()
    };
    let all = ["a.test", "b.test", "*.c.test", "unused.test"].map(certificate);
    let lookups = Lookups { certificates: Some(all.into()), ..lookups() };
    desired(&objects(texts), &settings(), &lookups)
}

#[test]
fn its_servers_are_listeners_and_its_hosts_rules() {
    let desired = with_certificates(&[EDGE, &gateway("g", &[("group.name", "shop")], BOTH)]);
    assert_eq!(desired.problems, []);
    assert_eq!(
        texts(&desired, 80),
        ["host a.test or b.test → redirect to HTTPS://#{host}:443/#{path}?#{query} (HTTP_301)"]
    );
    assert_eq!(
        texts(&desired, 443),
        [
            "host a.test or b.test → forward to edge/gateway:80",
            "host *.c.test → forward to edge/gateway:80"
        ]
    );
    let secure = listener(&desired, 443);
    let mut all: Vec<&String> =
        secure.certificate.iter().chain(&secure.more_certificates).collect();
    all.sort();
    assert_eq!(all, ["arn:*.c.test", "arn:a.test", "arn:b.test"]);
    assert_eq!(secure.default_action, Action::answer(404, None));
    assert_eq!(target_group(&desired, "edge/thin-gateway:80").health_check.path, HEALTH);
    let members: Vec<String> =
        desired.members.values().flatten().map(ToString::to_string).collect();
    assert_eq!(members, ["Gateway default/g"]);
}

const HEALTH: &str = "/.well-known/edgeway/health";

#[test]
fn it_is_a_member_of_its_group_as_an_ingress_is() {
    let rules =
        rules(&[host("b.test", &["Prefix / web:80"]), host("i.test", &["Prefix / web:80"])]);
    let ingress = ingress("g", &[("group.name", "shop"), ("scheme", "internal")], &rules)
        .replace("Name: edgeway", "Name: thin");
    let servers = "- {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*/b.test', '*']}";
    let annotations = [("group.name", "shop"), ("scheme", "internal"), ("group.order", "-1")];
    let desired = wishes(&[EDGE, WEB, &ingress, &gateway("g", &annotations, servers)]);
    assert_eq!(desired.problems, []);
    let stack = only(&desired);
    assert_eq!(stack.load_balancer.scheme, Scheme::Internal);
    assert_eq!(stack.target_groups.len(), 1, "it is the same gateway");
    assert_eq!(
        texts(&desired, 80),
        [
            "host b.test or i.test → forward to edge/gateway:80",
            "path /* → forward to edge/gateway:80"
        ]
    );
    let other = gateway("g", &[("group.name", "shop"), ("scheme", "internet-facing")], servers);
    let desired = wishes(&[EDGE, WEB, &ingress, &other]);
    assert_eq!(problems(&desired), ["Gateway default/g group-conflict"]);
    assert_eq!(texts(&desired, 80).len(), 1, "the Ingress goes on");
}

#[test]
fn without_a_group_it_has_a_load_balancer_of_its_own() {
    let servers = "- {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.test]}";
    let rules = rules(&[host("i.test", &["Prefix / web:80"])]);
    let ingress = ingress("g", &[], &rules).replace("Name: edgeway", "Name: thin");
    let desired = wishes(&[EDGE, WEB, &ingress, &gateway("g", &[], servers)]);
    assert_eq!(desired.problems, []);
    let ids: Vec<String> = desired.stacks.keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["default/g", "default/gateway:g"], "though an Ingress has the same name");
    let names: Vec<&String> =
        desired.stacks.values().map(|stack| &stack.load_balancer.name).collect();
    assert_ne!(names[0], names[1]);
}

#[test]
fn it_may_say_where_the_load_balancer_listens() {
    let servers = "- {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.test], tls: {httpsRedirect: true}}";
    let ports = [("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 8443}]"#)];
    let desired = with_certificates(&[EDGE, &gateway("g", &ports, servers)]);
    assert_eq!(desired.problems, []);
    assert_eq!(
        texts(&desired, 80),
        ["host a.test → redirect to HTTPS://#{host}:8443/#{path}?#{query} (HTTP_301)"]
    );
    assert_eq!(texts(&desired, 8443), ["host a.test → forward to edge/gateway:80"], "no loop");
    assert_eq!(listener(&desired, 8443).certificate.as_deref(), Some("arn:a.test"));
}

#[test]
fn one_that_redirects_a_host_is_enough() {
    let rules = rules(&[host("a.test", &["Prefix / web:80"])]);
    let ports = r#"[{"HTTP": 80}, {"HTTPS": 443}]"#;
    let ingress = ingress("a", &[("group.name", "shop"), ("listen-ports", ports)], &rules)
        .replace("Name: edgeway", "Name: thin");
    let gateway = gateway("g", &[("group.name", "shop")], BOTH);
    let desired = with_certificates(&[EDGE, WEB, &ingress, &gateway]);
    assert_eq!(desired.problems, []);
    assert_eq!(texts(&desired, 80).len(), 1, "{:?}", texts(&desired, 80));
    assert!(texts(&desired, 80)[0].starts_with("host a.test or b.test → redirect"));
}

#[test]
fn one_that_does_not_ask_and_a_class_of_others_get_nothing() {
    let plain = gateway("g", &[], BOTH).replace("edgeway.dev/ingress-class: thin", "x: z");
    let other = EDGE.replace("edgeway.dev/alb", "example.com/other");
    for texts in [[EDGE, &plain], [&other, &gateway("g", &[], BOTH)]] {
        let desired = with_certificates(&texts);
        assert!(
            desired.problems.is_empty() && desired.stacks.is_empty() && desired.held.is_empty()
        );
    }
}

#[test]
fn what_is_wrong_is_said_of_the_gateway_and_what_stands_stays() {
    let good = gateway("g", &[], BOTH);
    let tcp = "- {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}";
    let of_class = "metadata.annotations[edgeway.dev/ingress-class]";
    for (class, text, field, code) in [
        (
            EDGE.to_owned(),
            good.replace("class: thin", "class: none"),
            of_class,
            "ingress-class-not-found",
        ),
        (
            EDGE.replace("edgeway.dev/gateway: edge/gateway", "a: b"),
            good.clone(),
            of_class,
            "gateway-not-bound",
        ),
        (
            EDGE.replace("edge/gateway}", "edge/none}"),
            good.clone(),
            of_class,
            "gateway-service-not-found",
        ),
        (
            EDGE.replace("edge/gateway}", "gateway}"),
            good.clone(),
            of_class,
            "ingress-class-not-usable",
        ),
        (
            EDGE.to_owned(),
            good.replace("{istio: ingressgateway}", "{istio: other}"),
            "spec.selector",
            "gateway-not-bound",
        ),
        (EDGE.to_owned(), gateway("g", &[], tcp), "spec.servers", "server-not-at-load-balancer"),
        (
            EDGE.to_owned(),
            gateway("g", &[("auth-type", "oidc")], BOTH),
            "metadata.annotations[alb.ingress.kubernetes.io/auth-type]",
            "annotation-not-supported",
        ),
        (
            EDGE.to_owned(),
            gateway("g", &[("scheme", "outside")], BOTH),
            "metadata.annotations[alb.ingress.kubernetes.io/scheme]",
            "annotation-invalid",
        ),
    ] {
        let desired = with_certificates(&[&class, &text]);
        let found: Vec<_> = desired
            .problems
            .iter()
            .map(|it| (it.object.to_string(), &*it.field, it.code))
            .collect();
        assert!(
            found.contains(&("Gateway default/g".to_owned(), field, code)),
            "{code}: {found:?}"
        );
        assert!(desired.stacks.is_empty() && desired.held.len() == 1, "{code}");
    }
}

#[test]
fn a_server_that_a_load_balancer_cannot_stand_for_costs_itself_alone() {
    for (server, field) in [
        ("{port: {number: 9000, name: t, protocol: TCP}, hosts: ['*']}", "spec.servers[2]"),
        (
            "{port: {number: 8443, name: t, protocol: TLS}, hosts: [x.test], tls: {mode: PASSTHROUGH}}",
            "spec.servers[2]",
        ),
        (
            "{port: {number: 8443, name: t, protocol: HTTPS}, hosts: [x.test], tls: {mode: MUTUAL, credentialName: x}}",
            "spec.servers[2]",
        ),
        ("{port: {number: 443, name: t, protocol: HTTP}, hosts: [x.test]}", "spec.servers[2]"),
        ("{port: {number: 80, name: t, protocol: HTTP}, hosts: ['a b']}", "spec.servers[2]"),
    ] {
        let text = gateway("g", &[], &format!("{BOTH}- {server}"));
        let desired = with_certificates(&[EDGE, &text]);
        let found: Vec<_> = desired.problems.iter().map(|it| (&*it.field, it.code)).collect();
        assert_eq!(found, [(field, "server-not-at-load-balancer")], "{server}");
        let ports: Vec<u16> = only(&desired).load_balancer.listeners.keys().copied().collect();
        assert_eq!((ports.as_slice(), texts(&desired, 443).len()), (&[80, 443][..], 2), "{server}");
    }
}

#[test]
fn annotations_that_are_the_gateways_services_to_have_are_named() {
    let text = gateway("g", &[("success-codes", "200-299")], BOTH);
    let desired = with_certificates(&[EDGE, &text]);
    assert_eq!(problems(&desired), ["Gateway default/g annotation-of-gateway"]);
}

#[test]
fn a_host_without_a_certificate_is_named_and_plain_ones_need_none() {
    let servers = "
- {port: {number: 80, name: http, protocol: HTTP}, hosts: [plain.test]}
- {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.test, other.test], tls: {mode: SIMPLE, credentialName: a}}";
    let desired = with_certificates(&[EDGE, &gateway("g", &[], servers)]);
    let found: Vec<String> = desired.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("Gateway default/g spec.servers") && found[0].contains("other.test"),
        "{found:?}"
    );
}
