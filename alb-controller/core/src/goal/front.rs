//! What stands of a network load balancer after a step.

#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of steps are for one kind of thing")]

use super::{Standing, take::retag};
use crate::{
    frontend::{FrontGroup, Frontend},
    id::Key,
    plan::{Op, Step},
};
use std::collections::{BTreeMap, BTreeSet};

/// Notes a step that is about one; says whether it was.
pub(super) fn take(step: &Step, standing: &mut Standing) -> bool {
    let Standing { frontends, front_groups, .. } = standing;
    match &step.key {
        Key::LoadBalancer(name) => balancer(&step.op, name, frontends),
        Key::TargetGroup(name) => group(&step.op, name, front_groups),
        Key::Listener(key) => {
            let Some(found) = frontends.get_mut(&key.load_balancer) else { return false };
            listener(&step.op, key.port, found);
            true
        }
        _ => false,
    }
}

fn balancer(op: &Op, name: &str, frontends: &mut BTreeMap<String, Frontend>) -> bool {
    if let Op::CreateFrontend(made) = op {
        let made = Frontend { allocations: BTreeMap::new(), ..(**made).clone() };
        frontends.insert(name.to_owned(), made);
        return true;
    }
    let Some(found) = frontends.get_mut(name) else { return false };
    match op {
        Op::DeleteLoadBalancer => drop(frontends.remove(name)),
        Op::SetSubnets(subnets) => found.subnets.clone_from(subnets),
        Op::SetSecurityGroups(groups) => found.security_groups.clone_from(groups),
        Op::ModifyLoadBalancerAttributes(new) => found.attributes.extend(new.clone()),
        op => retag(op, &mut found.tags),
    }
    true
}

fn group(op: &Op, name: &str, groups: &mut BTreeMap<String, FrontGroup>) -> bool {
    if let Op::CreateFrontGroup(made) = op {
        let made = FrontGroup { targets: BTreeSet::new(), ..(**made).clone() };
        groups.insert(name.to_owned(), made);
        return true;
    }
    let Some(found) = groups.get_mut(name) else { return false };
    match op {
        Op::DeleteTargetGroup => drop(groups.remove(name)),
        Op::ModifyHealthCheck(check) => found.check = check.clone(),
        Op::RegisterBalancer(target) => drop(found.targets.insert(target.clone())),
        Op::DeregisterBalancer(target) => drop(found.targets.remove(target)),
        op => retag(op, &mut found.tags),
    }
    true
}

fn listener(op: &Op, port: u16, found: &mut Frontend) {
    match op {
        Op::CreateFrontListener(made) => drop(found.listeners.insert(port, (**made).clone())),
        Op::DeleteListener => drop(found.listeners.remove(&port)),
        Op::PointListener(group) => {
            if let Some(listener) = found.listeners.get_mut(&port) {
                listener.group.clone_from(group);
            }
        }
        op => {
            if let Some(listener) = found.listeners.get_mut(&port) {
                retag(op, &mut listener.tags);
            }
        }
    }
}
