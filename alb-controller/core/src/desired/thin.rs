//! Ingresses and Gateways whose class names a gateway: their load balancer sends all that their hosts get to it, and
//! paths and Services are the gateway's to know. A change of these is none in AWS.

use super::{
    Scene,
    class::Class,
    hosts::{Entry, Hosts},
    index,
    member::Member,
    routes::{Routes, rank},
    target_group::{self, Missing, Site},
    wish::choice,
};
use crate::{
    annotations::{Annotations, Fault, PREFIX, field},
    limits::VALUE_LENGTH,
    rule::{Action, TargetGroupRef},
    target::Version,
};
use edgeway_api::{
    Problem, Resource,
    ingress::{GATEWAY, GatewayService, kept_at_load_balancer, paths, port},
    k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

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
    let mut groups = BTreeMap::new();
    let mut forward = |version, problems: &mut Vec<Problem>| -> Result<Action, Fault> {
        let built = target_group::of_gateway(site, (door, version), problems)?
            .map_err(|missing| absent(member, door, missing))?;
        let name = built.group.name.clone();
        groups.insert(name.clone(), built);
        Ok(Action::forward(TargetGroupRef::Ours(name)))
    };
    let plain = forward(None, problems)?;
    problems.extend(without_effect(member, door));
    let (entries, default) = if member.joined.is_some() {
        (Vec::new(), version(&member.annotations)?)
    } else {
        problems.extend(lost(&site, door));
        let default = default_backend(member.ingress).map(|it| of_backend(&site, it));
        (entries(&site, problems)?, default.transpose()?.flatten())
    };
    let versions: BTreeSet<Version> =
        entries.iter().filter_map(|entry| entry.version).chain(default).collect();
    let mut by_version = BTreeMap::new();
    for version in versions {
        by_version.insert(version, forward(Some(version), problems)?);
    }
    Ok(Routes {
        rules: Vec::new(),
        default: default_backend(member.ingress).map(|_| (None, plain.clone())),
        groups,
        hosts: Some(Hosts { entries, plain, by_version, default }),
    })
}

/// Says that the gateway is not there.
fn absent(member: &Member<'_>, door: &Door, missing: Missing) -> Fault {
    let GatewayService { namespace, name, port } = &door.service;
    let what = match missing {
        Missing::Service => format!("there is no Service {namespace}/{name}"),
        Missing::Port => {
            format!("Service {namespace}/{name} has no port {}", target_group::spell(port))
        }
    };
    let class = &door.class;
    let key = "spec.ingressClassName";
    let problem = Problem::error(member.reference.clone(), key, "gateway-service-not-found");
    let message = format!("{what}, which is the gateway of IngressClass {class}");
    let advice = format!("install the gateway there, or correct {GATEWAY} of the class");
    Box::new(problem.message(message).advice(advice))
}

/// The version of HTTP that is asked for, if it is another than every client speaks.
fn version(annotations: &Annotations<'_>) -> Result<Option<Version>, Fault> {
    let read = choice(Version::parse, Version::choices);
    let version = annotations.read("backend-protocol-version", read)?;
    Ok(version.filter(|version| *version != Version::Http1))
}

/// The version that is spoken with a backend.
fn of_backend(site: &Site<'_, '_>, backend: &IngressBackend) -> Result<Option<Version>, Fault> {
    let namespace = site.member.ingress.namespace();
    let service = backend.service.as_ref();
    let service = service.and_then(|it| site.scene.index.service(namespace, &it.name));
    match service {
        Some(service) => version(&site.member.annotations.under(service)),
        None => version(&site.member.annotations),
    }
}

fn default_backend(ingress: &Ingress) -> Option<&IngressBackend> {
    ingress.spec.as_ref()?.default_backend.as_ref()
}

/// All paths of an Ingress; of each host, its default backend is the last.
fn entries(site: &Site<'_, '_>, problems: &mut Vec<Problem>) -> Result<Vec<Entry>, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut hosts: Vec<&str> = Vec::new();
    for (host, field, path) in paths(site.member.ingress) {
        let mut version = of_backend(site, &path.backend)?;
        let text = values(path);
        if version.is_some() && text.iter().any(|it| it.chars().count() > VALUE_LENGTH) {
            let problem = Problem::error(site.member.reference.clone(), field, "condition-too-big");
            let message = format!(
                "the path is longer than {VALUE_LENGTH} characters, so its version of HTTP cannot be \
                 told by it"
            );
            problems.push(problem.message(message).advice("make it shorter, or give it a host"));
            version = None;
        }
        let rank = (false, rank(path));
        entries.push(Entry { host: host.to_owned(), paths: text, rank, version });
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if let Some(backend) = default_backend(site.member.ingress) {
        let version = of_backend(site, backend)?;
        let rank = (true, (0, Reverse(0)));
        let last = |host: &&str| Entry { host: (*host).to_owned(), paths: vec![], rank, version };
        entries.extend(hosts.iter().map(last));
    }
    Ok(entries)
}

/// A path as a load balancer writes it; none is every path.
fn values(path: &HTTPIngressPath) -> Vec<String> {
    let text = path.path.as_deref().unwrap_or_default();
    match path.path_type.as_str() {
        _ if matches!(text, "" | "/*") => Vec::new(),
        "Prefix" => match text.trim_end_matches('/') {
            "" => Vec::new(),
            stem => vec![stem.to_owned(), format!("{stem}/*")],
        },
        _ => vec![text.to_owned()],
    }
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
    let default = default_backend(ingress);
    let default = default.map(|backend| ("spec.defaultBackend".to_owned(), backend));
    let paths = paths(ingress).map(|(_, field, path)| (format!("{field}.backend"), &path.backend));
    paths.chain(default).filter_map(check).collect()
}
