//! Wishes of whole manifests.

mod attached;
mod bindings;
mod classes;
mod corners;
mod frontend;
mod groups;
mod guards;
mod joined;
mod limits;
mod listeners;
mod odd;
mod routing;
mod started;
mod targets;
mod thin;
mod total;

use super::desired;
use crate::{
    goal::Desired,
    settings::{AWS, Lookups, Settings, Subnet},
    stack::{Listener, Stack},
    target::TargetGroup,
};
use edgeway_api::{Objects, manifest};
use std::collections::BTreeMap;

/// A class of each controller.
const CLASSES: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb}
spec: {controller: ingress.k8s.aws/alb}
";

/// The Service `web`, with two pods.
const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - {name: http, port: 80, targetPort: 8080}
    - {name: admin, port: 9000, targetPort: admin}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: admin, port: 9001}]
endpoints:
  - {addresses: [10.0.0.1], conditions: {ready: true}}
  - {addresses: [10.0.0.2], conditions: {ready: false}}
  - {addresses: [10.0.0.3]}
";

/// All of `texts`, and both classes.
fn objects(texts: &[&str]) -> Objects {
    let mut objects = Objects::default();
    for text in texts.iter().chain([&CLASSES]) {
        manifest::read(text, "test.yaml", &mut objects);
    }
    assert_eq!(objects.defects, [], "the test's own manifests can be read");
    objects
}

/// Settings that serve both controllers' classes.
fn settings() -> Settings {
    let mut settings = Settings::new("cluster", "vpc-1");
    settings.controllers.insert(AWS.to_owned());
    settings
}

/// Two tagged subnets for either scheme.
fn lookups() -> Lookups {
    let subnet = |zone: &str| Subnet {
        id: format!("subnet-{zone}"),
        zone: zone.to_owned(),
        tags: BTreeMap::from([
            ("kubernetes.io/role/elb".to_owned(), "1".to_owned()),
            ("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned()),
        ]),
        free: 100,
        ..Subnet::default()
    };
    Lookups {
        subnets: Some(vec![subnet("a"), subnet("b")]),
        certificates: Some(Vec::new()),
        security_groups: Some(Vec::new()),
        ..Lookups::default()
    }
}

fn wishes(texts: &[&str]) -> Desired {
    desired(&objects(texts), &settings(), &lookups())
}

/// An Ingress of Edgeway's class.
fn ingress(name: &str, annotations: &[(&str, &str)], spec: &str) -> String {
    let annotation =
        |(key, value): &(&str, &str)| format!("    alb.ingress.kubernetes.io/{key}: '{value}'\n");
    let annotations: String = annotations.iter().map(annotation).collect();
    let annotations = if annotations.is_empty() {
        String::new()
    } else {
        format!("  annotations:\n{annotations}")
    };
    let spec = spec.lines().collect::<Vec<_>>().join("\n  ");
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n{annotations}\
         spec:\n  ingressClassName: edgeway\n  {spec}\n"
    )
}

/// One rule of a host: paths as `Type path service`, such as `Prefix /a web:80`.
fn host(host: &str, paths: &[&str]) -> String {
    let path = |text: &&str| {
        let mut words = text.split(' ');
        let (kind, path, backend) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let (service, port) = backend.split_once(':').unwrap();
        let port = match port.parse::<u16>() {
            Ok(number) => format!("{{number: {number}}}"),
            Err(_) => format!("{{name: {port}}}"),
        };
        format!(
            "      - path: \"{path}\"\n        pathType: {kind}\n        \
             backend: {{service: {{name: {service}, port: {port}}}}}\n"
        )
    };
    let paths: String = paths.iter().map(path).collect();
    format!("  - host: \"{host}\"\n    http:\n      paths:\n{paths}")
}

fn rules(hosts: &[String]) -> String {
    format!("rules:\n{}", hosts.concat())
}

/// The only stack.
fn only(desired: &Desired) -> &Stack {
    assert_eq!(desired.stacks.len(), 1, "{:?}", desired.problems);
    desired.stacks.values().next().unwrap()
}

fn listener(desired: &Desired, port: u16) -> &Listener {
    &only(desired).load_balancer.listeners[&port]
}

/// The rules of a listener, as text, with Services in place of target groups.
fn texts(desired: &Desired, port: u16) -> Vec<String> {
    let stack = only(desired);
    let rules = stack.load_balancer.listeners[&port].rules.values();
    let mut texts: Vec<String> = rules.map(|rule| format!("{rule} → {}", rule.action)).collect();
    for (name, backend) in &stack.backends {
        for text in &mut texts {
            *text = text.replace(name, &backend.to_string());
        }
    }
    texts
}

fn target_group<'d>(desired: &'d Desired, resource: &str) -> &'d TargetGroup {
    let mut groups = desired.stacks.values().flat_map(|stack| stack.target_groups.values());
    groups.find(|group| group.resource == resource).unwrap()
}

/// Object and code of each problem.
fn problems(desired: &Desired) -> Vec<String> {
    desired.problems.iter().map(|problem| format!("{} {}", problem.object, problem.code)).collect()
}
