//! Ingresses and Gateways whose class names a gateway: their load balancer sends all that their hosts get to it, and
//! paths and Services are the gateway's to know. A change of these is none in AWS.

use super::{
    Scene,
    class::Class,
    index,
    member::Member,
    routes::Routes,
    target_group::{self, Missing, Site},
};
use crate::{
    annotations::{Fault, PREFIX, field},
    limits::{VALUES_PER_RULE, WILDCARDS_PER_RULE},
    rule::{Action, Condition, Patterns, Redirect, Rule, TargetGroupRef},
    tags::Tags,
    target::Protocol,
};
use edgeway_api::{
    Problem, Resource,
    ingress::{GATEWAY, GatewayService, kept_at_load_balancer, paths, port},
    k8s_openapi::api::networking::v1::{Ingress, IngressBackend},
};
use std::collections::BTreeSet;

/// What is said of a target group, and here is the gateway's Service to say. One that ends with a dot is a
/// family.
const OF_SERVICE: &[&str] = &[
    "target-type",
    "target-group-attributes",
    "healthcheck-port",
    "healthcheck-protocol",
    "healthcheck-path",
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
    "success-codes",
    "target-node-labels",
    "target-control-port.",
    "multi-cluster-target-group",
];

/// The gateway behind the load balancer of an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Door {
    /// Its Service.
    pub(super) service: GatewayService,
    /// Name of the class that says so.
    pub(super) class: String,
}

/// What a member leads to the gateway.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Of an Ingress, each once, in their order; an empty one is any.
    hosts: Vec<String>,
    action: Action,
}

impl Hosts {
    /// What becomes of requests for each host at a port.
    fn at<'h>(
        &'h self,
        member: &'h Member<'_>,
        (port, protocol): (u16, Protocol),
    ) -> Vec<(&'h str, Action)> {
        let Some(joined) = member.joined else {
            return self.hosts.iter().map(|host| (&**host, self.action.clone())).collect();
        };
        let mut secure = member.wish.ports.iter().filter(|(_, theirs)| **theirs == Protocol::Https);
        let https = secure.next().map_or(443, |(port, _)| *port);
        let action = |is_redirect| {
            if is_redirect && protocol == Protocol::Http {
                Action::Redirect(Redirect {
                    protocol: Protocol::Https.to_string(),
                    port: https.to_string(),
                    ..Redirect::default()
                })
            } else {
                self.action.clone()
            }
        };
        let hosts = joined.at(port).into_iter();
        hosts.map(|(host, is_redirect)| (host, action(is_redirect))).collect()
    }
}

/// The gateway that an Ingress goes through, if any.
pub(super) fn door(
    scene: &Scene<'_>,
    ingress: &Ingress,
    class: &Class<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Door>, Fault> {
    let Some(door) = Door::of(ingress, class)? else { return Ok(None) };
    let theirs = |name: &str| scene.index.service(ingress.namespace(), name);
    if let Some(key) = kept_at_load_balancer(ingress, theirs) {
        let problem = Problem::warning(ingress.reference(), field(&key), "gateway-passed-by");
        let message = format!(
            "this is a load balancer's work: its rules lead to Services, past gateway {}",
            door.service
        );
        problems.push(problem.message(message).advice(
            "say the same in a VirtualService and remove it, or use a class without a gateway",
        ));
        return Ok(None);
    }
    Ok(Some(door))
}

impl Door {
    /// The gateway that a class names, if any.
    pub(super) fn of(ingress: &Ingress, class: &Class<'_>) -> Result<Option<Self>, Fault> {
        let Some(class) = class.object else { return Ok(None) };
        let service = GatewayService::of(class).map_err(|text| {
            let key = "spec.ingressClassName";
            let problem = Problem::error(ingress.reference(), key, "ingress-class-not-usable");
            let message = format!(
                "annotation {GATEWAY} of IngressClass {} is {text:?}, which names no Service",
                class.name()
            );
            Box::new(problem.message(message).advice("write NAMESPACE/NAME or NAMESPACE/NAME:PORT"))
        })?;
        Ok(service.map(|service| Self { service, class: class.name().to_owned() }))
    }
}

/// What a member leads to its gateway.
pub(super) fn read(
    site: Site<'_, '_>,
    door: &Door,
    problems: &mut Vec<Problem>,
) -> Result<Routes, Fault> {
    let member = site.member;
    let GatewayService { namespace, name, port } = &door.service;
    let built = match target_group::of_gateway(site, door, problems)? {
        Ok(built) => built,
        Err(missing) => {
            let what = match missing {
                Missing::Service => format!("there is no Service {namespace}/{name}"),
                Missing::Port => {
                    let port = target_group::spell(port);
                    format!("Service {namespace}/{name} has no port {port}")
                }
            };
            let class = &door.class;
            let key = "spec.ingressClassName";
            let problem =
                Problem::error(member.reference.clone(), key, "gateway-service-not-found");
            let message = format!("{what}, which is the gateway of IngressClass {class}");
            let advice = format!("install the gateway there, or correct {GATEWAY} of the class");
            return Err(Box::new(problem.message(message).advice(advice)));
        }
    };
    problems.extend(without_effect(member, door));
    if member.joined.is_none() {
        problems.extend(lost(&site, door));
    }
    let action = Action::forward(TargetGroupRef::Ours(built.group.name.clone()));
    let mut hosts: Vec<String> = Vec::new();
    for (host, _, _) in paths(member.ingress) {
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    let default = member.ingress.spec.as_ref().and_then(|spec| spec.default_backend.as_ref());
    Ok(Routes {
        rules: Vec::new(),
        default: default.map(|_| (None, action.clone())),
        groups: [(built.group.name.clone(), built)].into(),
        hosts: Some(Hosts { hosts, action }),
    })
}

/// Says what an Ingress asks for that the gateway's Service would have to ask for.
fn without_effect(member: &Member<'_>, door: &Door) -> Option<Problem> {
    let is_set = |name: &&&str| match name.strip_suffix('.') {
        Some(_) => !member.annotations.family(name).is_empty(),
        None => member.annotations.text(name).is_some(),
    };
    let names: Vec<&str> = OF_SERVICE.iter().filter(is_set).copied().collect();
    let first = names.first()?;
    let key = field(&format!("{PREFIX}{first}"));
    let problem = Problem::warning(member.reference.clone(), key, "annotation-of-gateway");
    let message = format!(
        "behind its load balancer stands gateway {}: {} have no effect",
        door.service,
        names.join(", ")
    );
    Some(problem.message(message).advice("put them on the gateway's Service if they are for it"))
}

/// Backends that are not there; the gateway answers for them.
fn lost(site: &Site<'_, '_>, door: &Door) -> Vec<Problem> {
    let ingress = site.member.ingress;
    let namespace = ingress.namespace();
    let own = |name: &str| door.service.namespace == namespace && door.service.name == name;
    let check = |(field, backend): (String, &IngressBackend)| {
        let service = backend.service.as_ref().filter(|service| !own(&service.name))?;
        let port = port(service);
        let name = format!("{namespace}/{}", service.name);
        let (code, what, advice) = match site.scene.index.service(namespace, &service.name) {
            None => {
                let what = format!("there is no Service {name}");
                ("service-not-found", what, "create it, or name another")
            }
            Some(known) if index::port(known, &port).is_none() => {
                let what = format!("Service {name} has no port {}", target_group::spell(&port));
                ("port-not-found", what, "use one of its ports")
            }
            Some(_) => return None,
        };
        let problem = Problem::error(ingress.reference(), field, code);
        let message = format!("{what}: such requests get 503");
        Some(problem.message(message).advice(advice))
    };
    let default = ingress.spec.as_ref().and_then(|spec| spec.default_backend.as_ref());
    let default = default.map(|backend| ("spec.defaultBackend".to_owned(), backend));
    let paths = paths(ingress).map(|(_, field, path)| (format!("{field}.backend"), &path.backend));
    paths.chain(default).filter_map(check).collect()
}

/// The rules of all members of a listener that lead to gateways: hosts first, then wildcards from the
/// longest on, then any. A member that comes later changes no rule before.
pub(super) fn rules<'m, 'a: 'm>(
    members: impl Iterator<Item = (&'m Member<'a>, &'m Routes)>,
    spot: (u16, Protocol),
) -> Vec<Rule> {
    let mut members: Vec<_> =
        members.filter_map(|(member, routes)| Some((member, routes.hosts.as_ref()?))).collect();
    members.sort_by_key(|(member, _)| {
        let born = member.ingress.metadata.creation_timestamp.clone();
        (born, member.reference.namespace.clone(), member.reference.name.clone())
    });
    let mut known = BTreeSet::new();
    let mut all: Vec<(&str, Action)> = Vec::new();
    for (member, hosts) in &members {
        all.extend(hosts.at(member, spot).into_iter().filter(|(host, _)| known.insert(*host)));
    }
    let (wild, plain): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(host, _)| host.is_empty() || host.starts_with('*'));
    let mut wild = wild;
    wild.sort_by_key(|(host, _)| std::cmp::Reverse(host.len()));
    let mut packed = Vec::new();
    pack(plain, false, &mut packed);
    pack(wild, true, &mut packed);
    packed
}

/// As many hosts in a rule as AWS takes. Where their order means nothing, those of one action come
/// together.
fn pack(hosts: Vec<(&str, Action)>, in_order: bool, rules: &mut Vec<Rule>) {
    let start = rules.len();
    for (host, action) in hosts {
        let room = VALUES_PER_RULE.min(WILDCARDS_PER_RULE);
        let mut before = rules.iter_mut().skip(start).rev();
        let last = before.find(|rule| in_order || rule.action == action);
        let fits = |rule: &&mut Rule| rule.action == action && rule.values() < room;
        match last.filter(fits).and_then(|rule| rule.conditions.first_mut()) {
            Some(Condition::Host(Patterns::Text(values))) if !host.is_empty() => {
                values.push(host.to_owned());
            }
            _ => rules.push(rule(host, action)),
        }
    }
}

fn rule(host: &str, action: Action) -> Rule {
    let condition = if host.is_empty() {
        Condition::Path(Patterns::Text(vec!["/*".to_owned()]))
    } else {
        Condition::Host(Patterns::Text(vec![host.to_owned()]))
    };
    Rule {
        conditions: vec![condition],
        authentication: None,
        action,
        transforms: Vec::new(),
        tags: Tags::new(),
    }
}
