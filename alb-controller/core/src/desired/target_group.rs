//! Target groups: one for each Ingress, Service and port as it is spelled.

use super::{
    Scene,
    class::Flavour,
    endpoints::{self, Place, Staff},
    health, index,
    member::Member,
    tagging,
    thin::Door,
    wish::choice,
};
use crate::{
    annotations::{Annotations, Fault, known, value::Expected},
    id::StackId,
    names::{self, TargetGroupIdentity},
    stack::Backend,
    switches::Switch,
    tags::{self, Tags},
    target::{HealthCheck, IpFamily, Protocol, TargetGroup, TargetGroupKind, TargetType, Version},
};
use edgeway_api::{
    Problem, Resource,
    ingress::GatewayService,
    k8s_openapi::{
        api::core::v1::{Service, ServicePort},
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use std::collections::BTreeSet;

/// A target group, and what is known of the Service behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) group: TargetGroup,
    pub(super) backend: Backend,
    /// Where its targets are.
    pub(super) places: BTreeSet<Place>,
    /// The ports that requests and health checks go to.
    pub(super) ports: BTreeSet<u16>,
}

/// What is missing for a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Service,
    Port,
}

/// For whom a target group is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'s, 'a> {
    pub(super) scene: &'s Scene<'a>,
    pub(super) stack: &'s StackId,
    pub(super) member: &'s Member<'a>,
    /// Whether the load balancer has IPv6 addresses.
    pub(super) dualstack: bool,
}

/// All that a target group is made of.
pub(super) struct Part<'a> {
    pub(super) service: &'a Service,
    port: &'a ServicePort,
    /// The port as the Ingress spells it.
    spelling: &'a IntOrString,
    pub(super) annotations: Annotations<'a>,
    /// Namespace and name of whose it is: the Ingress, or the gateway's namespace and the class.
    owner: (&'a str, &'a str),
    /// Whether the Service is the gateway that all requests go through.
    pub(super) is_gateway: bool,
    /// The version of HTTP that is asked for besides the one that the gateway's Service says.
    pub(super) version: Option<Version>,
}

/// The target group of a Service's port.
pub(super) fn build(
    site: Site<'_, '_>,
    service: &str,
    port: &IntOrString,
    problems: &mut Vec<Problem>,
) -> Result<Result<Built, Missing>, Fault> {
    let namespace = site.member.ingress.namespace();
    let Some(service) = site.scene.index.service(namespace, service) else {
        return Ok(Err(Missing::Service));
    };
    let Some(service_port) = index::port(service, port) else { return Ok(Err(Missing::Port)) };
    known::check(service, problems);
    let annotations = site.member.annotations.under(service);
    let parts = Part {
        service,
        port: service_port,
        spelling: port,
        annotations,
        owner: (namespace, site.member.ingress.name()),
        is_gateway: false,
        version: None,
    };
    site.build(&parts, problems).map(Ok)
}

/// The target group of the gateway: one for all Ingresses of a class that share a load balancer, so that
/// the Service and the class have the word; and one for each version of HTTP that they ask for.
pub(super) fn of_gateway(
    site: Site<'_, '_>,
    (door, version): (&Door, Option<Version>),
    problems: &mut Vec<Problem>,
) -> Result<Result<Built, Missing>, Fault> {
    let GatewayService { namespace, name, port } = &door.service;
    let Some(service) = site.scene.index.service(namespace, name) else {
        return Ok(Err(Missing::Service));
    };
    let Some(service_port) = index::port(service, port) else { return Ok(Err(Missing::Port)) };
    known::check(service, problems);
    let parts = Part {
        service,
        port: service_port,
        spelling: port,
        annotations: Annotations::of(service),
        owner: (namespace, &door.class),
        is_gateway: true,
        version,
    };
    site.build(&parts, problems).map(Ok)
}

/// A port as it is written.
pub(super) fn spell(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

impl Site<'_, '_> {
    fn build(&self, part: &Part<'_>, problems: &mut Vec<Problem>) -> Result<Built, Fault> {
        let kind = self.kind(part)?;
        let health_check = health::check(self, part, &kind)?;
        let spelling = spell(part.spelling);
        let (owner_namespace, owner) = part.owner;
        let (namespace, service) = (part.service.namespace(), part.service.name());
        let identity = TargetGroupIdentity {
            cluster: &self.scene.settings.cluster,
            stack: self.stack,
            ingress: part.owner,
            service,
            service_uid: part.service.metadata.uid.as_deref().unwrap_or_default(),
            port: &spelling,
        };
        let resource = format!("{owner_namespace}/{owner}-{service}:{spelling}");
        let resource = match part.version {
            Some(version) => format!("{resource}-{version}"),
            None => resource,
        };
        let tags = self.tags(part, &resource, problems)?;
        let Staff { targets, places, known } = self.staff(part, &kind)?;
        let ports = ports(&kind, &health_check, targets.keys().map(|target| target.port));
        let group = TargetGroup {
            name: names::target_group(&identity, &kind),
            resource,
            kind,
            health_check,
            attributes: part.annotations.map("target-group-attributes")?,
            tags,
            targets,
            known: self.is_lent(part)?.then_some(known),
            draining: BTreeSet::new(),
            attached: None,
        };
        let (namespace, service) = (namespace.to_owned(), service.to_owned());
        Ok(Built { group, backend: Backend { namespace, service, port: spelling }, places, ports })
    }

    /// Those of the class go before those of the Service, and these before the Ingress'.
    fn tags(
        &self,
        part: &Part<'_>,
        resource: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Tags, Fault> {
        let mut tags = part.annotations.merged_map("tags")?;
        for pair in self.member.params.into_iter().flat_map(|params| &params.tags) {
            tags.insert(pair.key.clone(), pair.value.clone());
        }
        tags.retain(|key, _| !tags::is_reserved(key));
        let settings = self.scene.settings;
        // What the Ingress says of them is checked with the rest of it.
        let theirs = Annotations::of(part.service).map("tags")?;
        tagging::allowed(theirs, (&part.service.reference(), settings), problems);
        tags.retain(|key, _| settings.forbids_tag(key).is_none());
        tags = settings.with_defaults(tags);
        tags.extend(tags::tracking(&self.scene.settings.cluster, self.stack, resource));
        tags.extend([self.member.flavour.tag()]);
        Ok(tags)
    }

    /// Whether other clusters register targets in it as well. It is enough that one of Ingress and
    /// Service says so.
    fn is_lent(&self, part: &Part<'_>) -> Result<bool, Fault> {
        const NAME: &str = "multi-cluster-target-group";
        let ingress = Some(&self.member.annotations).filter(|_| !part.is_gateway);
        let own = ingress.map(|own| own.bool(NAME)).transpose()?.flatten().unwrap_or(false);
        Ok(part.annotations.bool(NAME)?.unwrap_or(false) || own)
    }

    fn kind(&self, part: &Part<'_>) -> Result<TargetGroupKind, Fault> {
        let annotations = &part.annotations;
        let target_type = self.target_type(part)?;
        let protocol =
            annotations.read("backend-protocol", choice(Protocol::parse, Protocol::choices))?;
        let version = annotations
            .read("backend-protocol-version", choice(Version::parse, Version::choices))?;
        let name = format!("target-control-port.{}.{}", part.service.name(), spell(part.spelling));
        let control_port = annotations.number(&name, 1..=u16::MAX)?;
        if let (Some(found), TargetType::Instance) = (annotations.text(&name), target_type) {
            let expected = Expected::new("targets are instances, which have no agent", "remove it");
            return Err(found.fault(&expected));
        }
        Ok(TargetGroupKind {
            target_type,
            protocol: protocol.unwrap_or(Protocol::Http),
            version: part.version.or(version).unwrap_or(Version::Http1),
            port: self.port(part, target_type)?,
            family: self.family(part.service)?,
            control_port,
        })
    }

    fn target_type(&self, part: &Part<'_>) -> Result<TargetType, Fault> {
        let read = match self.member.wish.target_type {
            Some(kind) => Some(kind),
            None => part
                .annotations
                .read("target-type", choice(TargetType::parse, TargetType::choices))?,
        };
        let settings = self.scene.settings;
        // A gateway drains by itself, which it could not behind a node.
        let default = part.is_gateway.then_some(TargetType::Ip).or(settings.default_target_type);
        let kind = read.or(default).unwrap_or(match self.member.flavour {
            Flavour::Edgeway => TargetType::Ip,
            Flavour::Aws => TargetType::Instance,
        });
        if kind == TargetType::Ip && settings.has(Switch::NoIpTargets) {
            let message =
                "targets of type ip are switched off: --feature-gates EnableIPTargetType=false";
            let advice = "set alb.ingress.kubernetes.io/target-type: instance";
            return Err(self.fault("target-type-not-allowed", message.to_owned(), advice));
        }
        Ok(kind)
    }

    /// The port of targets that name none; all of ours name one.
    fn port(&self, part: &Part<'_>, target_type: TargetType) -> Result<u16, Fault> {
        match target_type {
            TargetType::Ip => Ok(target_port(part.port).unwrap_or(1)),
            TargetType::Instance => node_port(part.port).ok_or_else(|| {
                let service = part.service.name();
                self.fault(
                    "port-not-reachable",
                    format!("targets are instances, but Service {service} has no node port there"),
                    "make the Service of type NodePort, or set alb.ingress.kubernetes.io/target-type: ip",
                )
            }),
        }
    }

    fn family(&self, service: &Service) -> Result<IpFamily, Fault> {
        let families = service.spec.as_ref().and_then(|spec| spec.ip_families.as_ref());
        if !families.into_iter().flatten().any(|family| family == "IPv6") {
            return Ok(IpFamily::V4);
        }
        if self.dualstack {
            return Ok(IpFamily::V6);
        }
        let message =
            format!("Service {} has IPv6 addresses, the load balancer has none", service.name());
        Err(self.fault(
            "family-not-served",
            message,
            "set alb.ingress.kubernetes.io/ip-address-type: dualstack",
        ))
    }

    fn staff(&self, part: &Part<'_>, kind: &TargetGroupKind) -> Result<Staff, Fault> {
        match kind.target_type {
            TargetType::Instance => {
                let labels = part.annotations.map("target-node-labels")?.into_iter().collect();
                Ok(endpoints::nodes(self.scene, kind.port, |own| index::selects(&labels, own)))
            }
            TargetType::Ip => {
                let how = (kind.family, self.member.flavour);
                Ok(endpoints::pods(self.scene, part.service, part.port, how))
            }
        }
    }

    pub(super) fn fault(&self, code: &'static str, message: String, advice: &str) -> Fault {
        let problem = Problem::error(self.member.reference.clone(), "", code);
        Box::new(problem.message(message).advice(advice))
    }
}

/// All ports that must be open to the load balancer.
fn ports(
    kind: &TargetGroupKind,
    check: &HealthCheck,
    targets: impl Iterator<Item = u16>,
) -> BTreeSet<u16> {
    let mut ports: BTreeSet<u16> = targets.collect();
    if ports.is_empty() && kind.port > 1 {
        ports.insert(kind.port);
    }
    ports.extend(check.port.parse::<u16>().ok());
    ports.extend(kind.control_port);
    ports
}

/// The number that the Service's port is sent to, if it is one.
pub(super) fn target_port(port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => u16::try_from(port.port).ok(),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => name.parse().ok(),
    }
}

pub(super) fn node_port(port: &ServicePort) -> Option<u16> {
    port.node_port.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}
