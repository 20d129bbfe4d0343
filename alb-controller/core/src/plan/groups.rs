//! Security groups and target groups of a stack: made before they are needed, gone after.

use super::{
    lane::Lane,
    listeners::Outcome,
    resolve::{Pair, Resolved},
    shared,
    step::{Op, Risk},
};
use crate::{
    defaults,
    goal::{Desired, Observed},
    id::Key,
    pairs::Pairs,
    stack::{Ingress, SecurityGroup, SecurityGroupRef},
    target::TargetGroup,
};
use std::collections::BTreeSet;

/// Makes the stack's security group and opens what is to be open.
pub(super) fn secure(resolved: &Resolved<'_>, lane: &mut Lane) {
    if let Some(Pair { wish, found }) = &resolved.security_group {
        open(wish, *found, lane);
    }
}

/// Makes a security group, or opens and labels it where it lags behind.
pub(super) fn open(wish: &SecurityGroup, found: Option<&SecurityGroup>, lane: &mut Lane) {
    let key = Key::SecurityGroup(wish.name.clone());
    let nothing = BTreeSet::new();
    if let Some(found) = found {
        lane.retag(&key, &wish.tags, &found.tags);
    } else {
        let (description, tags) = (wish.description.clone(), wish.tags.clone());
        let op = Op::CreateSecurityGroup { description, tags };
        lane.step(key.clone(), op, "load balancers need one to let requests through");
    }
    let there = found.map_or(&nothing, |found| &found.ingress);
    let missing: BTreeSet<Ingress> = wish.ingress.difference(there).cloned().collect();
    if !missing.is_empty() {
        lane.step(key, Op::Authorize(missing), "a listener is for these");
    }
}

/// Makes the stack's target groups and registers who is to be registered.
pub(super) fn fill(resolved: &Resolved<'_>, lane: &mut Lane) {
    for Pair { wish, found } in &resolved.target_groups {
        let key = Key::TargetGroup(wish.name.clone());
        match found {
            Some(found) => change(&key, wish, found, lane),
            None => create(&key, wish, resolved, lane),
        }
        register(&key, wish, *found, lane);
    }
}

fn create(key: &Key, wish: &TargetGroup, resolved: &Resolved<'_>, lane: &mut Lane) {
    let mut group = wish.clone();
    group.targets.clear();
    let predecessor = resolved.old_target_groups.iter().find(|old| old.resource == wish.resource);
    let (reason, risk) = match predecessor {
        Some(old) => (replacement_reason(old, wish), Risk::Replace),
        None => (format!("rules send to {}", wish.resource), Risk::InPlace),
    };
    lane.risky(key.clone(), Op::CreateTargetGroup(Box::new(group)), reason, risk);
    let attributes = defaults::of_target_group(&wish.attributes);
    if !attributes.is_empty() {
        let op = Op::ModifyTargetGroupAttributes(attributes);
        lane.step(key.clone(), op, "attributes are wished");
    }
}

fn replacement_reason(old: &TargetGroup, wish: &TargetGroup) -> String {
    let (was, will) = (&old.kind, &wish.kind);
    let changes = [
        (was.target_type != will.target_type, "type of targets"),
        (was.protocol != will.protocol, "protocol"),
        (was.version != will.version, "protocol version"),
        (was.family != will.family, "address family"),
        (was.control_port != will.control_port, "control port"),
    ];
    let parts: Vec<_> =
        changes.iter().filter(|(differs, _)| *differs).map(|(_, what)| *what).collect();
    if parts.is_empty() {
        format!("{} serves another load balancer, and can serve only one", old.name)
    } else {
        format!("takes the place of {}, whose {} cannot change", old.name, parts.join(" and "))
    }
}

fn change(key: &Key, wish: &TargetGroup, found: &TargetGroup, lane: &mut Lane) {
    if wish.health_check != found.health_check {
        let op = Op::ModifyHealthCheck(wish.health_check.clone());
        lane.step(key.clone(), op, "the health check differs");
    }
    let attributes = differing(&wish.attributes, &found.attributes);
    if !attributes.is_empty() {
        lane.step(key.clone(), Op::ModifyTargetGroupAttributes(attributes), "attributes differ");
    }
    lane.retag(key, &wish.tags, &found.tags);
}

/// Registers who is missing, and only then sends away who is not wished.
fn register(key: &Key, wish: &TargetGroup, found: Option<&TargetGroup>, lane: &mut Lane) {
    let mut missing = wish.targets.clone();
    missing.retain(|target, _| !found.is_some_and(|found| found.targets.contains_key(target)));
    if !missing.is_empty() {
        lane.step(key.clone(), Op::Register(missing), "endpoints of the Service");
    }
    let there = found.into_iter().flat_map(|found| found.targets.keys());
    let surplus: BTreeSet<_> =
        there.filter(|target| !wish.targets.contains_key(target)).cloned().collect();
    let surplus: BTreeSet<_> = match &wish.known {
        Some(known) => surplus.intersection(known).cloned().collect(),
        None => surplus,
    };
    if !surplus.is_empty() {
        lane.step(key.clone(), Op::Deregister(surplus), "endpoints of the Service no more");
    }
}

/// Registers who comes, and sends away who goes, in a group that stays for a member that cannot be
/// understood.
pub(super) fn follow(group: &TargetGroup, desired: &Desired, lane: &mut Lane) {
    let Some(followed) = desired.followed.get(&group.resource) else { return };
    let Some(targets) = followed.targets(&group.kind) else { return };
    let (targets, known) = (targets.clone(), followed.known.clone());
    let wish = TargetGroup { targets, known, ..group.clone() };
    register(&Key::TargetGroup(group.name.clone()), &wish, Some(group), lane);
}

/// The wanted ones that are not as wanted.
pub(super) fn differing(wanted: &Pairs, found: &Pairs) -> Pairs {
    let mut differing = wanted.clone();
    differing.retain(|key, value| found.get(key) != Some(value));
    differing
}

/// Lets go what has no use in the end: target groups when they have drained, then security groups.
pub(super) fn retire(
    resolved: &Resolved<'_>,
    outcome: &Outcome,
    (desired, observed): (&Desired, &Observed),
    lane: &mut Lane,
) {
    for group in &resolved.old_target_groups {
        if outcome.needed.contains(&group.name) {
            follow(group, desired, lane);
        } else {
            drain(group, lane);
        }
    }
    if let Some(Pair { wish, found: Some(found) }) = &resolved.security_group {
        let idle = |door: &&Ingress| outcome.stays.range(door.from..=door.to).next().is_none();
        let surplus: BTreeSet<Ingress> =
            found.ingress.difference(&wish.ingress).filter(idle).cloned().collect();
        if !surplus.is_empty() {
            let key = Key::SecurityGroup(wish.name.clone());
            lane.step(key, Op::Revoke(surplus), "no listener is for these");
        }
    }
    for group in &resolved.old_security_groups {
        let own = SecurityGroupRef::Ours(group.name.clone());
        let Pair { wish, found } = &resolved.load_balancer;
        let unchanged = found.filter(|_| wish.security_groups.is_empty());
        let mut borne = resolved.old_balancers.iter().copied().chain(unchanged);
        let guards = borne.any(|balancer| balancer.security_groups.contains(&own));
        if !guards {
            shared::close_own(&group.name, observed, lane);
            let key = Key::SecurityGroup(group.name.clone());
            lane.step(key, Op::DeleteSecurityGroup, "nothing is guarded by it any more");
        }
    }
}

/// One step towards the end of a target group that no rule sends to: first its targets finish.
pub(super) fn drain(group: &TargetGroup, lane: &mut Lane) {
    let key = Key::TargetGroup(group.name.clone());
    if !group.draining.is_empty() {
        let count = group.draining.len();
        lane.wait(key, format!("{count} targets finish what they have begun"));
    } else if !group.targets.is_empty() {
        let targets = group.targets.keys().cloned().collect();
        lane.step(key.clone(), Op::Deregister(targets), "no rule sends to the group any more");
        lane.wait(key, "its targets finish what they have begun");
    } else {
        lane.step(key, Op::DeleteTargetGroup, "no rule sends to it any more");
    }
}
