//! Gateways that ask for a load balancer of a class: each becomes the Ingress that says the same, and the
//! rest knows no Gateway. Only what an Ingress cannot say, which host is at which port, is asked here.

use super::{Scene, class::Class, health::is_bound, member::Member, thin::Door};
use crate::{
    annotations::{Fault, PREFIX, field},
    limits::VALUE_LENGTH,
    target::Protocol,
};
use edgeway_api::{
    Gateway, ObjectRef, Objects, Problem, Resource,
    gateway::Server,
    ingress::{ANNOTATED_CLASS, GATEWAY, kept_at_load_balancer},
    joined::{CLASS, Speech, class, name_of, redirects, speech},
    k8s_openapi::api::networking::v1::{Ingress, IngressRule, IngressSpec},
};
use std::collections::BTreeMap;

/// What the name of such an Ingress begins with: no object of a cluster can have it.
const OF_GATEWAY: &str = "gateway:";
/// The annotation that says on which ports a load balancer listens.
const LISTEN_PORTS: &str = "listen-ports";

/// A Gateway that asks for a load balancer.
#[derive(Clone, Debug)]
pub(super) struct Joined<'o> {
    pub(super) gateway: &'o Gateway,
    /// What it says, as an Ingress.
    pub(super) ingress: Ingress,
    /// The servers that a load balancer can stand for.
    servers: Vec<Served>,
    /// Whether the annotation says on which ports that is, for all hosts.
    has_ports: bool,
    problems: Vec<Problem>,
}

/// A server, as its clients see it.
#[derive(Clone, Debug)]
struct Served {
    port: u16,
    speech: Speech,
    /// An empty one is any.
    hosts: Vec<String>,
    is_redirect: bool,
}

/// All Gateways that ask for one.
pub(super) fn all(objects: &Objects) -> Vec<Joined<'_>> {
    objects.gateways.iter().filter_map(|gateway| Joined::of(gateway)).collect()
}

/// The object that a member is: a Gateway where its name says so, and an Ingress otherwise.
pub fn object_of(namespace: &str, name: &str) -> ObjectRef {
    match name.strip_prefix(OF_GATEWAY) {
        Some(name) => ObjectRef::new("Gateway", namespace, name),
        None => ObjectRef::new("Ingress", namespace, name),
    }
}

/// Says of the Gateway what was found to be wrong with the Ingress that it became.
pub(super) fn told(problem: &mut Problem) {
    if problem.object.kind == "Ingress" && problem.object.name.starts_with(OF_GATEWAY) {
        problem.object = object_of(&problem.object.namespace, &problem.object.name);
    }
    if problem.object.kind == "Gateway" {
        match problem.field.as_str() {
            "spec.ingressClassName" => problem.field = field(CLASS),
            "spec.rules" => "spec.servers".clone_into(&mut problem.field),
            _ => {}
        }
    }
}

impl<'o> Joined<'o> {
    fn of(gateway: &'o Gateway) -> Option<Self> {
        let class = class(gateway)?;
        let mut problems = Vec::new();
        let mut servers: Vec<Served> = Vec::new();
        for (at, server) in gateway.spec.servers.iter().enumerate() {
            match served(gateway, at, server, &mut problems) {
                Ok(new) if servers.iter().any(|it| clash(it, &new)) => {
                    let why = format!("port {} speaks another protocol already", new.port);
                    problems.push(unfit(gateway, at, &why, "give it another port"));
                }
                Ok(new) => servers.push(new),
                Err(problem) => problems.push(*problem),
            }
        }
        let annotations = gateway.metadata.annotations.as_ref();
        let key = format!("{PREFIX}{LISTEN_PORTS}");
        let has_ports = annotations.is_some_and(|annotations| annotations.contains_key(&key));
        let ingress = ingress(gateway, class, &servers, has_ports);
        Some(Self { gateway, ingress, servers, has_ports, problems })
    }

    /// The hosts that a load balancer leads to the gateway at a port, each once, in their order, and
    /// whether plain requests are redirected.
    pub(super) fn at(&self, port: u16) -> Vec<(&str, bool)> {
        let mut hosts: Vec<(&str, bool)> = Vec::new();
        for server in self.servers.iter().filter(|it| self.has_ports || it.port == port) {
            for host in &server.hosts {
                match hosts.iter_mut().find(|(known, _)| known == host) {
                    Some((_, is_redirect)) => *is_redirect |= server.is_redirect,
                    None => hosts.push((host, server.is_redirect)),
                }
            }
        }
        hosts
    }

    /// The gateway that it goes through: that of its class, if it is bound to it.
    pub(super) fn door(
        &self,
        scene: &Scene<'_>,
        found: &Class<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Door>, Fault> {
        problems.extend(self.problems.iter().cloned());
        let reference = self.gateway.reference();
        if self.servers.is_empty() {
            let problem = Problem::error(reference, "spec.servers", "server-not-at-load-balancer");
            return Err(Box::new(
                problem
                    .message("it has no server that a load balancer can stand for: it is left out")
                    .advice(format!("give it a server of HTTP or HTTPS, or remove {CLASS}")),
            ));
        }
        if let Some(key) = kept_at_load_balancer(&self.ingress, |_| None) {
            // Without a login that was asked for, all would be open.
            let problem = Problem::error(reference, field(&key), "annotation-not-supported");
            let message = "a load balancer does this for Ingresses alone: the Gateway is left out";
            let advice = "remove it, and say the same in a VirtualService or an Ingress";
            return Err(Box::new(problem.message(message).advice(advice)));
        }
        let name = found.object.map(Resource::name).unwrap_or_default();
        let Some(door) = Door::of(&self.ingress, found)? else {
            let message = format!("IngressClass {name} names no gateway");
            let advice = format!("annotate the class with {GATEWAY}, or name another class");
            return Err(self.unbound(field(CLASS), message, advice));
        };
        let service = &door.service;
        let selector = &self.gateway.spec.selector;
        let known = scene.index.service(&service.namespace, &service.name);
        if known.is_some_and(|known| !is_bound(&scene.index, known, selector)) {
            let message = format!(
                "IngressClass {name} leads to gateway {service}, whose pods lack labels of the selector"
            );
            let advice = "name the class of the gateway that serves it, or correct the selector";
            return Err(self.unbound("spec.selector".to_owned(), message, advice.to_owned()));
        }
        Ok(Some(door))
    }

    fn unbound(&self, field: String, message: String, advice: String) -> Fault {
        let problem = Problem::error(self.gateway.reference(), field, "gateway-not-bound");
        Box::new(problem.message(message).advice(advice))
    }
}

impl Member<'_> {
    /// The hosts that are served at a port; an empty one is any.
    pub(super) fn hosts_at(&self, port: u16) -> Vec<&str> {
        if let Some(joined) = self.joined {
            return joined.at(port).into_iter().map(|(host, _)| host).collect();
        }
        let spec = self.ingress.spec.as_ref();
        let rules = spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        let tls = spec.and_then(|spec| spec.tls.as_ref()).into_iter().flatten();
        let hosts = rules.filter_map(|rule| rule.host.as_deref());
        hosts.chain(tls.flat_map(|tls| tls.hosts.iter().flatten()).map(String::as_str)).collect()
    }
}

/// Whether two servers want different things of a port.
fn clash(one: &Served, other: &Served) -> bool {
    one.port == other.port && one.speech != other.speech
}

fn served(
    gateway: &Gateway,
    at: usize,
    server: &Server,
    problems: &mut Vec<Problem>,
) -> Result<Served, Fault> {
    let speech = speech(server).map_err(|it| Box::new(unfit(gateway, at, it.why, it.advice)))?;
    let number = server.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
    let Some(port) = number.filter(|number| *number > 0) else {
        return Err(Box::new(unfit(gateway, at, "it has no port", "use one from 1 to 65535")));
    };
    let mut hosts = Vec::new();
    for text in &server.hosts {
        let name = name_of(text);
        if name == "*" {
            hosts.push(String::new());
        } else if is_host(name) {
            hosts.push(name.to_ascii_lowercase());
        } else {
            let why = format!("{text:?} is no host that a load balancer can have");
            problems.push(unfit(gateway, at, &why, "use a name, or *. and a name"));
        }
    }
    Ok(Served { port, speech, hosts, is_redirect: redirects(server) })
}

fn is_host(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !rest.is_empty() && name.len() <= VALUE_LENGTH && rest.bytes().all(good)
}

fn unfit(gateway: &Gateway, at: usize, why: &str, advice: &str) -> Problem {
    let field = format!("spec.servers[{at}]");
    Problem::error(gateway.reference(), field, "server-not-at-load-balancer")
        .message(format!("{why}: the load balancer does not serve it"))
        .advice(advice)
}

/// The Ingress that says the same.
fn ingress(gateway: &Gateway, class: &str, servers: &[Served], has_ports: bool) -> Ingress {
    let mut metadata = gateway.metadata.clone();
    metadata.name = Some(format!("{OF_GATEWAY}{}", gateway.name()));
    metadata.namespace = Some(gateway.namespace().to_owned());
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.remove(ANNOTATED_CLASS);
    if !has_ports && !servers.is_empty() {
        let ports: BTreeMap<u16, Speech> = servers.iter().map(|it| (it.port, it.speech)).collect();
        let ports = ports.into_iter().map(|(port, speech)| {
            let protocol = match speech {
                Speech::Http => Protocol::Http,
                Speech::Https => Protocol::Https,
            };
            format!("{{\"{protocol}\": {port}}}")
        });
        let ports: Vec<String> = ports.collect();
        annotations.insert(format!("{PREFIX}{LISTEN_PORTS}"), format!("[{}]", ports.join(", ")));
    }
    let hosts = servers.iter().flat_map(|server| &server.hosts).filter(|host| !host.is_empty());
    let rule = |host: &String| IngressRule { host: Some(host.clone()), http: None };
    let spec = IngressSpec {
        ingress_class_name: Some(class.to_owned()),
        rules: Some(hosts.map(rule).collect()),
        ..IngressSpec::default()
    };
    Ingress { metadata, spec: Some(spec), status: None }
}
