//! Target groups that somebody else looks after, and whose targets are endpoints of a Service: a
//! user's own `TargetGroupBinding`s.

use super::{
    Scene,
    class::Flavour,
    endpoints::{self, Staff},
    index::{self, takes},
    target_group::{node_port, spell},
};
use crate::{
    goal::{Binding, Desired},
    settings::{AWS, BoundGroup},
    stack::{Backend, Ingress, SecurityGroupRef, Source},
    tags,
    target::{IpFamily, TargetType},
};
use edgeway_api::{
    Problem, Resource, TargetGroupBinding, TargetGroupBindingSpec, aws,
    k8s_openapi::{
        api::core::v1::{Service, ServicePort},
        apimachinery::pkg::util::intstr::IntOrString,
    },
    target_group_binding::{NetworkingIngressRule, NetworkingProtocol, TargetIpAddressType},
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The bindings that are ours to act on: those that the AWS Load Balancer Controller, for whose
/// classes we stand in, has made of Ingresses itself carry the label of their stack.
pub(super) fn own<'o>(scene: &'o Scene<'_>) -> impl Iterator<Item = &'o TargetGroupBinding> {
    let all = scene.index.objects.target_group_bindings.iter().map(AsRef::as_ref);
    all.filter(|binding| {
        let labels = binding.metadata.labels.iter().flat_map(BTreeMap::keys);
        let made = labels.into_iter().any(|label| label.starts_with(tags::STACK));
        scene.settings.controllers.contains(AWS)
            && !made
            && binding.metadata.deletion_timestamp.is_none()
    })
}

/// Adds what all of them wish for.
pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    for binding in own(scene) {
        let bind = Bind { scene, binding, spec: &binding.spec };
        match bind.read() {
            Ok((arn, wish, doors)) => {
                for (group, doors) in doors {
                    desired.doors.entry(group).or_default().extend(doors);
                }
                if let Some(other) = desired.bindings.get(&arn) {
                    let message = format!("{} binds this target group already", other.owner);
                    desired.problems.push(bind.problem("group-conflict", message, "bind another"));
                } else {
                    desired.bindings.insert(arn, wish);
                }
            }
            Err(problem) => desired.problems.push(*problem),
        }
    }
}

/// Doors by security group.
type Doors = BTreeMap<String, BTreeSet<Ingress>>;

struct Bind<'b, 'a> {
    scene: &'b Scene<'a>,
    binding: &'b TargetGroupBinding,
    spec: &'b TargetGroupBindingSpec,
}

impl<'b> Bind<'b, '_> {
    fn problem(&self, code: &'static str, message: String, advice: &str) -> Problem {
        Problem::error(self.binding.reference(), "", code).message(message).advice(advice)
    }

    fn fault<T>(
        &self,
        code: &'static str,
        message: String,
        advice: &str,
    ) -> Result<T, Box<Problem>> {
        Err(Box::new(self.problem(code, message, advice)))
    }

    fn read(&self) -> Result<(String, Binding, Doors), Box<Problem>> {
        if self.spec.iam_role_arn_to_assume.is_some() {
            let message = "it is to act in another role, which is not done".to_owned();
            return self.fault("binding-not-supported", message, "bind a group of this account");
        }
        let group = self.group()?;
        let (service, port) = self.service()?;
        let Staff { targets, places, known } = self.staff(&group, service, port)?;
        let ports: BTreeSet<u16> = targets.keys().map(|target| target.port).collect();
        let groups =
            places.iter().filter_map(|place| super::doors::security_group(self.scene, place));
        let doors = self.doors(&ports)?;
        let doors = groups.map(|group| (group.to_owned(), doors.clone()));
        let doors = doors.filter(|(_, doors)| !doors.is_empty()).collect();
        let shared = self.spec.multi_cluster_target_group == Some(true);
        let known = shared.then_some(known);
        let pods = (group.target_type == TargetType::Ip).then(|| Backend {
            namespace: service.namespace().to_owned(),
            service: service.name().to_owned(),
            port: port.port.to_string(),
        });
        let wish = Binding { owner: self.binding.reference(), targets, pods, known };
        Ok((group.arn, wish, doors))
    }

    /// The group: as AWS knows it, or as far as it is written where nobody asked AWS.
    fn group(&self) -> Result<BoundGroup, Box<Problem>> {
        let (arn, name) = (&self.spec.target_group_arn, &self.spec.target_group_name);
        let known = self.scene.lookups.bound_groups.as_ref();
        let found = known.and_then(|known| {
            known.iter().find(|group| match arn {
                Some(arn) => group.arn == *arn,
                None => Some(&group.name) == name.as_ref(),
            })
        });
        let written = || match self.spec.target_type {
            Some(aws::TargetType::Ip) => TargetType::Ip,
            Some(aws::TargetType::Instance) | None => TargetType::Instance,
        };
        let family = || match self.spec.ip_address_type {
            Some(TargetIpAddressType::Ipv6) => IpFamily::V6,
            Some(TargetIpAddressType::Ipv4) | None => IpFamily::V4,
        };
        match (found, known, arn.as_ref().or(name.as_ref())) {
            (Some(found), ..) => Ok(found.clone()),
            (None, None, Some(text)) => Ok(BoundGroup {
                arn: text.clone(),
                name: text.clone(),
                target_type: written(),
                family: family(),
            }),
            (None, Some(_), Some(text)) => {
                let message = format!("there is no target group {text}");
                self.fault("target-group-not-found", message, "create it, or name another")
            }
            (None, _, None) => {
                let message = "it names no target group".to_owned();
                self.fault(
                    "target-group-not-found",
                    message,
                    "set targetGroupARN or targetGroupName",
                )
            }
        }
    }

    /// The Service and its port. As long as one is missing, targets stay as they are.
    fn service(&self) -> Result<(&'b Service, &'b ServicePort), Box<Problem>> {
        let namespace = self.binding.namespace();
        let name = &self.spec.service_ref.name;
        let Some(service) = self.scene.index.service(namespace, name) else {
            let message =
                format!("there is no Service {namespace}/{name}: its targets stay as they are");
            return self.fault("service-not-found", message, "create it, or name another");
        };
        let wanted = self.spec.service_ref.port.clone().unwrap_or(IntOrString::Int(0));
        let Some(port) = index::port(service, &wanted) else {
            let message = format!("Service {namespace}/{name} has no port {}", spell(&wanted));
            return self.fault("port-not-found", message, "use one of its ports");
        };
        Ok((service, port))
    }

    fn staff(
        &self,
        group: &BoundGroup,
        service: &Service,
        port: &ServicePort,
    ) -> Result<Staff, Box<Problem>> {
        match group.target_type {
            TargetType::Ip => {
                Ok(endpoints::pods(self.scene, service, port, (group.family, Flavour::Aws)))
            }
            TargetType::Instance => {
                let Some(number) = node_port(port) else {
                    let message = format!(
                        "targets are instances, but Service {} has no node port there",
                        service.name()
                    );
                    return self.fault("port-not-reachable", message, "make it of type NodePort");
                };
                let wanted = self.spec.node_selector.as_ref();
                let fits = |labels: &index::Labels| wanted.is_none_or(|w| takes(w, labels));
                Ok(endpoints::nodes(self.scene, number, fits))
            }
        }
    }

    /// What must be open where targets are.
    fn doors(&self, targets: &BTreeSet<u16>) -> Result<BTreeSet<Ingress>, Box<Problem>> {
        let rules = self.spec.networking.iter().flat_map(|networking| &networking.ingress);
        let mut doors = BTreeSet::new();
        for NetworkingIngressRule { from, ports } in rules {
            let mut ranges = BTreeSet::new();
            for port in ports {
                if port.protocol == Some(NetworkingProtocol::Udp) {
                    let message =
                        "it lets datagrams through, and targets take connections".to_owned();
                    return self.fault("binding-not-supported", message, "use TCP");
                }
                match &port.port {
                    Some(IntOrString::Int(number)) => {
                        ranges.extend(u16::try_from(*number).ok().map(|number| (number, number)));
                    }
                    // A name stands for the port of the targets.
                    Some(IntOrString::String(_)) => {
                        ranges.extend(targets.iter().map(|number| (*number, *number)));
                    }
                    None => drop(ranges.insert((0, u16::MAX))),
                }
            }
            if ports.is_empty() {
                ranges.insert((0, u16::MAX));
            }
            let sources = from.iter().flat_map(|peer| {
                let group = peer.security_group.iter();
                let group = group.map(|g| Source::Group(SecurityGroupRef::Id(g.group_id.clone())));
                group.chain(peer.ip_block.iter().map(|block| source(&block.cidr)))
            });
            for source in sources {
                doors.extend(ranges.iter().map(|(from, to)| Ingress {
                    from: *from,
                    to: *to,
                    source: source.clone(),
                    description: super::DOOR_DESCRIPTION.to_owned(),
                }));
            }
        }
        Ok(doors)
    }
}

/// A range as AWS writes it.
fn source(range: &str) -> Source {
    match range.parse::<IpNet>() {
        Ok(IpNet::V6(range)) => Source::Ipv6(range.trunc().to_string()),
        Ok(IpNet::V4(range)) => Source::Ipv4(range.trunc().to_string()),
        Err(_) => Source::Ipv4(range.to_owned()),
    }
}
