//! Ingresses whose rules go to a load balancer of somebody else: of all that they may wish for, rules,
//! target groups and targets are ours to make there.

use super::{Scene, agree::settle_strictly, group::Group, member::Member, wish::HOST};
use crate::{
    annotations::field,
    frontend::Front,
    id::StackId,
    settings::Host,
    stack::{IpAddressType, LoadBalancer, Scheme, SecurityGroupRef, Stack},
};
use edgeway_api::Problem;
use std::collections::BTreeMap;

/// What is somebody else's to say about such a load balancer. One that ends with a dot is a family.
const THEIRS: &[&str] = &[
    "load-balancer-name",
    "scheme",
    "ip-address-type",
    "subnets",
    "security-groups",
    "manage-backend-security-group-rules",
    "inbound-cidrs",
    "security-group-prefix-lists",
    "load-balancer-attributes",
    "ssl-redirect",
    "certificate-arn",
    "ssl-policy",
    "mutual-authentication",
    "listener-attributes.",
    "wafv2-acl-arn",
    "wafv2-acl-name",
    "shield-advanced-protection",
    "minimum-load-balancer-capacity",
    "ipam-ipv4-pool-id",
    "customer-owned-ipv4-pool",
    "enable-frontend-nlb",
];

/// The load balancer that the group names. Those who name one that is not there are put aside.
pub(super) fn host(
    scene: &Scene<'_>,
    group: &mut Group<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Host> {
    let name = settle_strictly(group, HOST, |member| member.wish.host.clone(), problems)?;
    let Some(known) = &scene.lookups.hosts else {
        return Some(Host {
            name: short(&name).to_owned(),
            scheme: Scheme::Internal,
            ip_address_type: IpAddressType::Ipv4,
            guards: Vec::new(),
        });
    };
    if let Some(host) = known.get(&name) {
        problems
            .extend(group.members.iter().filter_map(|member| without_effect(member, &host.name)));
        return Some(host.clone());
    }
    let asks = |member: &Member<'_>| member.wish.host.is_some();
    for member in group.members.iter().filter(|member| asks(member)) {
        let problem =
            Problem::error(member.reference.clone(), field(HOST), "load-balancer-not-found");
        problems.push(
            problem
                .message(format!("there is no load balancer {name} in the VPC"))
                .advice("create it, or name another"),
        );
    }
    // The others did not ask for one of their own either.
    group.set_aside(|_| false);
    None
}

/// The name in an ARN.
fn short(name: &str) -> &str {
    match name.strip_prefix("arn:") {
        Some(_) => name.rsplit('/').nth(1).unwrap_or(name),
        None => name,
    }
}

/// Says what an Ingress asks for that is not ours to give.
fn without_effect(member: &Member<'_>, host: &str) -> Option<Problem> {
    let is_set = |name: &&&str| match name.strip_suffix('.') {
        Some(_) => !member.annotations.family(name).is_empty(),
        None => member.annotations.text(name).is_some(),
    };
    let default = member.ingress.spec.as_ref().and_then(|spec| spec.default_backend.as_ref());
    let names = THEIRS.iter().filter(is_set).map(|name| (*name).to_owned());
    let names: Vec<String> =
        names.chain(default.map(|_| "spec.defaultBackend".to_owned())).collect();
    if names.is_empty() {
        return None;
    }
    let problem =
        Problem::warning(member.reference.clone(), field(HOST), "attached-without-effect");
    let message = format!("{host} is somebody else's: {} have no effect", names.join(", "));
    Some(problem.message(message).advice("remove them, or ask whoever looks after it"))
}

/// The stack, but for its listeners and target groups.
pub(super) fn stack(id: &StackId, group: &Group<'_>, host: &Host) -> Stack {
    let load_balancer = LoadBalancer {
        security_groups: host.guards.iter().cloned().map(SecurityGroupRef::Id).collect(),
        ..LoadBalancer::attached(&host.name, host.scheme, host.ip_address_type)
    };
    let approved = group.members.iter().filter_map(|member| member.wish.approved.clone());
    Stack {
        id: id.clone(),
        load_balancer,
        subnets_named: false,
        security_group: None,
        target_groups: BTreeMap::new(),
        backends: BTreeMap::new(),
        broken: group.broken.clone(),
        approved: approved.collect(),
        adopts: false,
        doors: BTreeMap::new(),
        frontend: Front::Nothing,
    }
}
