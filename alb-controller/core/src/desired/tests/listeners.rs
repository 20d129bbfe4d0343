//! Ports, certificates, redirects, and where the load balancer stands.

use super::{
    WEB, host, ingress, listener, lookups, objects, only, problems, rules, settings, texts, wishes,
};
use crate::{
    desired,
    rule::Action,
    settings::{Certificate, Lookups},
    stack::SecurityGroupRef,
    target::Protocol,
};

const BOTH: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);

fn spec() -> String {
    rules(&[host("a.example.com", &["Prefix / web:80"])])
}

#[test]
fn plain_http_on_80_unless_there_is_a_certificate() {
    let desired = wishes(&[WEB, &ingress("ing", &[], &spec())]);
    assert_eq!(listener(&desired, 80).protocol, Protocol::Http);
    assert_eq!(listener(&desired, 80).default_action, Action::answer(404, None));
    let desired = wishes(&[WEB, &ingress("ing", &[("certificate-arn", "arn:1,arn:2")], &spec())]);
    let secure = listener(&desired, 443);
    assert_eq!((secure.protocol, secure.certificate.as_deref()), (Protocol::Https, Some("arn:1")));
    assert_eq!(secure.more_certificates.iter().collect::<Vec<_>>(), ["arn:2"]);
    assert_eq!(secure.ssl_policy.as_deref(), Some("ELBSecurityPolicy-2016-08"));
    assert_eq!(only(&desired).load_balancer.listeners.len(), 1);
}

#[test]
fn a_redirect_to_https_leaves_plain_http_no_rules() {
    let annotations = [BOTH, ("certificate-arn", "arn:1"), ("ssl-redirect", "443")];
    let desired = wishes(&[WEB, &ingress("ing", &annotations, &spec())]);
    assert_eq!(texts(&desired, 80), <[&str; 0]>::default());
    assert!(
        listener(&desired, 80)
            .default_action
            .to_string()
            .starts_with("redirect to HTTPS://#{host}:443/")
    );
    assert_eq!(texts(&desired, 443).len(), 1);
}

#[test]
fn a_redirect_to_nowhere_is_said_and_rules_stay() {
    for port in ["8443", "80"] {
        let annotations = [BOTH, ("certificate-arn", "arn:1"), ("ssl-redirect", port)];
        let desired = wishes(&[WEB, &ingress("ing", &annotations, &spec())]);
        assert_eq!(problems(&desired), ["Ingress default/ing redirect-impossible"]);
        assert_eq!(texts(&desired, 80).len(), 1);
    }
}

#[test]
fn certificates_are_found_by_host_and_what_is_missing_is_said() {
    let certificate = |arn: &str, names: &[&str]| Certificate {
        authority: None,
        arn: arn.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let known = vec![
        certificate("arn:exact", &["a.example.com"]),
        certificate("arn:wild", &["*.example.com"]),
        certificate("arn:other", &["*.a.example.com", "b.example.org"]),
    ];
    let lookups = Lookups { certificates: Some(known), ..lookups() };
    let paths = ["Prefix / web:80"];
    let hosts = [host("a.example.com", &paths), host("nothing.org", &paths)];
    let objects = objects(&[WEB, &ingress("ing", &[BOTH], &rules(&hosts))]);
    let desired = desired(&objects, &settings(), &lookups);
    let secure = listener(&desired, 443);
    assert_eq!(secure.certificate.as_deref(), Some("arn:exact"));
    assert_eq!(secure.more_certificates.iter().collect::<Vec<_>>(), ["arn:wild"]);
    assert_eq!(problems(&desired), ["Ingress default/ing certificate-not-found"]);
    assert!(desired.problems[0].message.contains("nothing.org"));
}

#[test]
fn the_first_default_backend_of_a_port_counts() {
    let with_default = |name: &str| {
        let backend = "defaultBackend: {service: {name: web, port: {number: 80}}}\n";
        ingress(name, &[("group.name", "g")], &format!("{backend}{}", spec()))
    };
    let desired = wishes(&[WEB, &with_default("one"), &with_default("two")]);
    let action = &listener(&desired, 80).default_action;
    let name = action.groups().next().unwrap();
    assert_eq!(only(&desired).target_groups[name].resource, "default/one-web:80");
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
}

#[test]
fn subnets_and_security_groups_are_found_or_said_to_be_missing() {
    let desired = wishes(&[WEB, &ingress("ing", &[], &spec())]);
    let balancer = &only(&desired).load_balancer;
    assert_eq!(balancer.subnets.iter().collect::<Vec<_>>(), ["subnet-a", "subnet-b"]);
    let ours = |group: &SecurityGroupRef| matches!(group, SecurityGroupRef::Ours(_));
    assert!(balancer.security_groups.len() == 2 && balancer.security_groups.iter().all(ours));

    let desired = wishes(&[WEB, &ingress("ing", &[("subnets", "subnet-a")], &spec())]);
    assert_eq!(problems(&desired), ["Ingress default/ing subnets-not-found"]);
    assert!(only(&desired).load_balancer.subnets.is_empty());

    let desired = wishes(&[WEB, &ingress("ing", &[("security-groups", "nowhere")], &spec())]);
    assert_eq!(problems(&desired), ["Ingress default/ing security-group-not-found"]);
    let stack = only(&desired);
    assert!(stack.load_balancer.security_groups.is_empty() && stack.security_group.is_none());
}

#[test]
fn attributes_of_a_listener_are_its_own() {
    let annotations =
        [BOTH, ("certificate-arn", "arn:1"), ("listener-attributes.HTTPS-443", "a=1")];
    let desired = wishes(&[WEB, &ingress("ing", &annotations, &spec())]);
    assert_eq!(listener(&desired, 443).attributes["a"], "1");
    assert!(listener(&desired, 80).attributes.is_empty());
}
