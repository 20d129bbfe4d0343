//! Where a load balancer stands and who guards it.

use super::{
    Scene,
    agree::{settle, settle_strictly},
    group::Group,
    wish::SubnetWish,
};
use crate::{
    annotations::{Annotations, Fault, PREFIX, field},
    settings::Subnet,
    stack::{IpAddressType, Scheme, SecurityGroupRef},
    switches::Switch,
};
use edgeway_api::{Problem, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Free addresses that a load balancer must find in a subnet.
const FREE: u32 = 8;

/// Subnets, and whether they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) subnets: BTreeSet<String>,
    pub(super) named: bool,
}

/// Finds the subnets of a group. None are found where that is a problem, which is reported.
pub(super) fn subnets(
    scene: &Scene<'_>,
    group: &Group<'_>,
    (scheme, addresses): (Scheme, IpAddressType),
    problems: &mut Vec<Problem>,
) -> Place {
    let wish = settle(group, "subnets", |member| member.wish.subnets.clone(), problems);
    let Some(known) = &scene.lookups.subnets else {
        let given = match &wish {
            Some(SubnetWish::Named(names)) => names.iter().filter(|name| is_subnet_id(name)),
            Some(SubnetWish::Tagged(_)) | None => return Place::default(),
        };
        return Place { subnets: given.cloned().collect(), named: true };
    };
    let found = match &wish {
        Some(SubnetWish::Named(names)) => named(known, names, addresses),
        Some(SubnetWish::Tagged(tags)) => {
            let fits = |subnet: &&Subnet| {
                tags.iter().all(|(key, values)| {
                    subnet.tags.get(key).is_some_and(|value| values.contains(value))
                })
            };
            best_of_zones(scene, known.iter().filter(fits), addresses)
        }
        None => discovered(scene, known, scheme, addresses),
    };
    let least = if scene.settings.has(Switch::OneSubnet) { 1 } else { 2 };
    match found.and_then(|subnets| enough(subnets, least)) {
        Ok(subnets) => Place { subnets, named: wish.is_some() },
        Err(message) => {
            let asker = wish.and_then(|_| group.members.iter().find(|m| m.wish.subnets.is_some()));
            if let Some(member) = asker.or(group.members.first()) {
                let key = field(&format!("{PREFIX}subnets"));
                let problem = Problem::error(member.reference.clone(), key, "subnets-not-found");
                let advice = "name subnets of two zones, or tag them kubernetes.io/role/elb=1 \
                              (internal ones kubernetes.io/role/internal-elb=1)";
                problems.push(problem.message(message).advice(advice));
            }
            Place::default()
        }
    }
}

/// Subnets of a network load balancer, in the order in which they are named. One is enough.
pub(super) fn of_frontend(
    scene: &Scene<'_>,
    names: Option<&[String]>,
    (scheme, addresses): (Scheme, IpAddressType),
) -> Result<Vec<String>, String> {
    let Some(known) = &scene.lookups.subnets else {
        let given = names.unwrap_or_default().iter().filter(|name| is_subnet_id(name));
        return Ok(given.cloned().collect());
    };
    let found = match names {
        Some(names) => named(known, names, addresses),
        None => discovered(scene, known, scheme, addresses),
    };
    Ok(found?.into_iter().map(|subnet| subnet.id).collect())
}

fn is_subnet_id(name: &str) -> bool {
    name.starts_with("subnet-")
}

/// The subnets in the order in which they are named. The second mention of a name is the second
/// subnet of this name, by its id.
fn named(
    known: &[Subnet],
    names: &[String],
    addresses: IpAddressType,
) -> Result<Vec<Subnet>, String> {
    let mut found: Vec<Subnet> = Vec::new();
    for name in names {
        let is = |subnet: &&Subnet| {
            subnet.id == *name || (!is_subnet_id(name) && subnet.tags.get("Name") == Some(name))
        };
        let mut alike: Vec<&Subnet> = known.iter().filter(is).collect();
        alike.sort_by_key(|subnet| &subnet.id);
        let is_new = |subnet: &&&Subnet| !found.iter().any(|other| other.id == subnet.id);
        let Some(subnet) = alike.iter().find(is_new) else {
            if is_subnet_id(name) && !alike.is_empty() {
                continue;
            }
            let more = if alike.is_empty() { "" } else { "other " };
            return Err(format!("there is no {more}subnet {name} in the VPC"));
        };
        if let Some(other) = found.iter().find(|other| other.zone == subnet.zone) {
            let zone = &subnet.zone;
            return Err(format!("{} and {} are both in zone {zone}", other.id, subnet.id));
        }
        if addresses != IpAddressType::Ipv4 && !subnet.ipv6 {
            return Err(format!("{} has no IPv6 addresses, which dualstack needs", subnet.id));
        }
        found.push((*subnet).clone());
    }
    Ok(found)
}

/// Subnets that are tagged for load balancers; if there are none, all that have, or have not, a way
/// to the internet.
fn discovered(
    scene: &Scene<'_>,
    known: &[Subnet],
    scheme: Scheme,
    addresses: IpAddressType,
) -> Result<Vec<Subnet>, String> {
    let (role, public) = match scheme {
        Scheme::InternetFacing => ("kubernetes.io/role/elb", true),
        Scheme::Internal => ("kubernetes.io/role/internal-elb", false),
    };
    let tagged = |subnet: &&Subnet| {
        subnet.tags.get(role).is_some_and(|value| value.is_empty() || value == "1")
    };
    let reaches = |subnet: &&Subnet| subnet.public == Some(public);
    let by_tag = scene.settings.has(Switch::TaggedSubnets);
    if by_tag || known.iter().any(|subnet| tagged(&subnet)) {
        best_of_zones(scene, known.iter().filter(tagged), addresses)
    } else {
        best_of_zones(scene, known.iter().filter(reaches), addresses)
    }
}

/// Of each zone the subnet that is this cluster's; of several the one with the smallest id.
fn best_of_zones<'k>(
    scene: &Scene<'_>,
    candidates: impl Iterator<Item = &'k Subnet>,
    addresses: IpAddressType,
) -> Result<Vec<Subnet>, String> {
    let own = format!("kubernetes.io/cluster/{}", scene.settings.cluster);
    let mut best: BTreeMap<&str, &Subnet> = BTreeMap::new();
    let (mut foreign, mut full, mut ipv4_only) = (0, 0, 0);
    for subnet in candidates {
        let clusters =
            || subnet.tags.keys().filter(|key| key.starts_with("kubernetes.io/cluster/"));
        let checks = !scene.settings.has(Switch::AnySubnet);
        if checks && clusters().next().is_some() && !subnet.tags.contains_key(&own) {
            foreign += 1;
        } else if subnet.free < FREE {
            full += 1;
        } else if addresses != IpAddressType::Ipv4 && !subnet.ipv6 {
            ipv4_only += 1;
        } else {
            let rank = |subnet: &Subnet| (!subnet.tags.contains_key(&own), subnet.id.clone());
            let slot = best.entry(&subnet.zone).or_insert(subnet);
            if rank(subnet) < rank(slot) {
                *slot = subnet;
            }
        }
    }
    if best.is_empty() {
        return Err(format!(
            "no subnet is fit: {foreign} belong to other clusters, {full} have fewer than {FREE} free \
             addresses, {ipv4_only} have no IPv6"
        ));
    }
    Ok(best.into_values().cloned().collect())
}

fn enough(subnets: Vec<Subnet>, least: usize) -> Result<BTreeSet<String>, String> {
    let ids: BTreeSet<String> = subnets.into_iter().map(|subnet| subnet.id).collect();
    if ids.len() < least {
        let found = ids.iter().next().map_or("none", String::as_str);
        return Err(format!("a load balancer needs subnets of two zones, and there is {found}"));
    }
    Ok(ids)
}

const OPEN: &str = "manage-backend-security-group-rules";

/// The security groups that an Ingress names.
pub(super) fn named_guards(annotations: &Annotations<'_>) -> Option<Vec<String>> {
    annotations.list("security-groups").filter(|list| !list.is_empty())
}

/// Whether they are to be let through to targets. Of an Ingress that names none, what cannot be read
/// does not matter.
pub(super) fn open_targets(annotations: &Annotations<'_>) -> Result<Option<bool>, Fault> {
    match annotations.bool(OPEN) {
        Err(_) if named_guards(annotations).is_none() => Ok(None),
        read => read,
    }
}

/// What cannot be read about security groups that are not named.
pub(super) fn unused(annotations: &Annotations<'_>) -> Option<Problem> {
    let fault = annotations.bool(OPEN).err().filter(|_| named_guards(annotations).is_none())?;
    Some(Problem { severity: Severity::Warning, ..*fault })
}

/// Security groups that were named instead of the one that we look after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guards {
    /// As named; nothing if none were, or if one cannot be found.
    pub(super) named: Option<Vec<SecurityGroupRef>>,
    /// Whether the common group is borne, and let through to targets.
    pub(super) shared: bool,
}

/// Finds the security groups of a group.
pub(super) fn guards(
    scene: &Scene<'_>,
    group: &mut Group<'_>,
    problems: &mut Vec<Problem>,
) -> Guards {
    let wish = |member: &super::member::Member<'_>| member.wish.security_groups.clone();
    let Some(names) = settle_strictly(group, "security-groups", wish, problems) else {
        return Guards { named: None, shared: scene.settings.shared_security_group };
    };
    let open = |member: &super::member::Member<'_>| member.wish.open_targets;
    let open = settle(group, OPEN, open, problems);
    if open == Some(true) && !scene.settings.shared_security_group {
        let asks = |member: &&super::member::Member<'_>| member.wish.open_targets == Some(true);
        for member in group.members.iter().filter(asks) {
            let key = field(&format!("{PREFIX}{OPEN}"));
            let problem = Problem::warning(member.reference.clone(), key, "add-on-switched-off");
            let message = "it has no effect: the controller runs with \
                           enable-backend-security-group=false";
            problems.push(
                problem.message(message).advice("let the groups through to targets yourself"),
            );
        }
    }
    let open = open.unwrap_or_else(|| scene.settings.has(Switch::OpenTargets));
    let shared = open && scene.settings.shared_security_group;
    let found = resolve_all(scene, &names).unwrap_or_else(|name| {
        if let Some(member) = group.members.iter().find(|member| wish(member).is_some()) {
            let key = field(&format!("{PREFIX}security-groups"));
            let problem = Problem::error(member.reference.clone(), key, "security-group-not-found");
            let message = format!("there is no security group {name} in the VPC");
            problems.push(problem.message(message).advice("create it, or name another"));
        }
        Vec::new()
    });
    Guards { named: Some(found), shared }
}

/// All of them, in the order in which the AWS Load Balancer Controller gives them to AWS: those that are
/// named by their ids come first. The error is one that is not there.
pub(super) fn resolve_all(
    scene: &Scene<'_>,
    names: &[String],
) -> Result<Vec<SecurityGroupRef>, String> {
    let found: Result<Vec<_>, String> =
        names.iter().map(|name| Ok((!name.starts_with("sg-"), resolve(scene, name)?))).collect();
    let mut found = found?;
    found.sort();
    Ok(found.into_iter().map(|(_, group)| group).collect())
}

fn resolve(scene: &Scene<'_>, name: &str) -> Result<SecurityGroupRef, String> {
    let Some(known) = &scene.lookups.security_groups else {
        return Ok(SecurityGroupRef::Id(name.to_owned()));
    };
    let found = known.iter().find(|group| {
        group.id == name
            || (!name.starts_with("sg-") && group.tags.get("Name").is_some_and(|n| n == name))
    });
    found.map(|group| SecurityGroupRef::Id(group.id.clone())).ok_or_else(|| name.to_owned())
}
