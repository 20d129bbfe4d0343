//! What all stacks have in common: the security group that their load balancers bear, and the doors
//! that are open to it where targets are.

use super::{
    groups,
    lane::Lane,
    step::{Op, Step},
};
use crate::{
    goal::{Desired, Observed},
    id::{Key, StackId},
    stack::{Ingress, LoadBalancer, SecurityGroupRef, Source, Stack},
};
use std::collections::BTreeSet;

/// Makes the group and opens the doors, but for stacks that are `left` as they are.
pub(super) fn prepare(desired: &Desired, observed: &Observed, left: &BTreeSet<&StackId>) -> Lane {
    let mut lane = Lane { external: desired.external_tags.clone(), ..Lane::default() };
    let served = || desired.stacks.iter().filter(|(id, _)| !left.contains(id)).map(|(_, it)| it);
    if let Some(wish) = &desired.shared
        && (left.is_empty() || served().any(|stack| bears(&stack.load_balancer, &wish.name)))
    {
        groups::open(wish, observed.shared.as_ref(), &mut lane);
    }
    let nothing = BTreeSet::new();
    let is_own = |door: &&Ingress| desired.stacks.values().any(|stack| is_of(stack, door));
    let idle = |group: &String, door: &&Ingress| {
        let opens = |stack: &Stack| stack.doors.get(group).is_some_and(|it| it.contains(*door));
        let is_theirs = left.iter().filter_map(|id| desired.stacks.get(*id)).any(opens);
        is_theirs && !served().any(opens)
    };
    for (group, wish) in &desired.doors {
        let there = observed.doors.get(group).unwrap_or(&nothing);
        let missing = wish.difference(there).filter(|door| !is_own(door) && !idle(group, door));
        let missing: BTreeSet<Ingress> = missing.cloned().collect();
        if !missing.is_empty() {
            let key = Key::ForeignSecurityGroup(group.clone());
            lane.step(key, Op::Authorize(missing), "targets in it are sent requests");
        }
    }
    lane
}

/// Closes doors and deletes the group, when nothing can need them after `steps`.
pub(super) fn clean_up(desired: &Desired, observed: &Observed, steps: &[Step]) -> Lane {
    let mut lane = Lane::default();
    if desired.incomplete.is_some() || observed.stacks.keys().any(|id| is_unclear(id, desired)) {
        return lane;
    }
    let nothing = BTreeSet::new();
    for (group, there) in &observed.doors {
        let wish = desired.doors.get(group).unwrap_or(&nothing);
        let idle =
            |door: &&Ingress| desired.uncertain_ports.range(door.from..=door.to).next().is_none();
        // Doors to others are of bindings, which somebody else may have as well.
        let to_us = |door: &&Ingress| match &door.source {
            Source::Group(SecurityGroupRef::Ours(_)) => true,
            Source::Group(SecurityGroupRef::Id(id)) => Some(id) == desired.given.as_ref(),
            Source::Ipv4(_) | Source::Ipv6(_) | Source::PrefixList(_) => false,
        };
        let key = Key::ForeignSecurityGroup(group.clone());
        let closed = |door: &&Ingress| {
            let mut closing = steps.iter().filter(|step| step.key == key);
            closing.any(|step| matches!(&step.op, Op::Revoke(closed) if closed.contains(*door)))
        };
        let surplus = there.difference(wish).filter(idle).filter(to_us);
        let surplus: BTreeSet<Ingress> = surplus.filter(|it| !closed(it)).cloned().collect();
        if !surplus.is_empty() {
            lane.step(key, Op::Revoke(surplus), "no target in it is sent requests there");
        }
    }
    if let (None, Some(found)) = (&desired.shared, &observed.shared)
        && !is_borne(&found.name, observed, steps)
    {
        let key = Key::SecurityGroup(found.name.clone());
        lane.step(key, Op::DeleteSecurityGroup, "no load balancer bears it any more");
    }
    lane
}

/// Whether a stack has members that cannot be understood: their targets are sent requests as they were, and
/// nothing says through which doors.
fn is_unclear(id: &StackId, desired: &Desired) -> bool {
    let has_broken = |stack: &Stack| !stack.broken.is_empty();
    desired.held.contains_key(id) || desired.stacks.get(id).is_some_and(has_broken)
}

/// Whether a door is for the security group of this stack alone, which is made on the stack's way.
fn is_of(stack: &Stack, door: &Ingress) -> bool {
    let own = stack.security_group.as_ref().map(|group| &group.name);
    matches!(&door.source, Source::Group(SecurityGroupRef::Ours(name)) if Some(name) == own)
}

/// Opens the doors to a stack's own security group.
pub(super) fn open_own(stack: &Stack, observed: &Observed, lane: &mut Lane) {
    let nothing = BTreeSet::new();
    for (group, wish) in &stack.doors {
        let there = observed.doors.get(group).unwrap_or(&nothing);
        let missing = wish.difference(there).filter(|door| is_of(stack, door));
        let missing: BTreeSet<Ingress> = missing.cloned().collect();
        if !missing.is_empty() {
            let key = Key::ForeignSecurityGroup(group.clone());
            lane.step(key, Op::Authorize(missing), "targets in it are sent requests");
        }
    }
}

/// Closes the doors to a security group that goes: AWS keeps one that others name.
pub(super) fn close_own(name: &str, observed: &Observed, lane: &mut Lane) {
    let own = Source::Group(SecurityGroupRef::Ours(name.to_owned()));
    for (group, there) in &observed.doors {
        let doors = there.iter().filter(|door| door.source == own);
        let doors: BTreeSet<Ingress> = doors.cloned().collect();
        if !doors.is_empty() {
            let key = Key::ForeignSecurityGroup(group.clone());
            lane.step(key, Op::Revoke(doors), "its security group goes");
        }
    }
}

fn bears(balancer: &LoadBalancer, group: &str) -> bool {
    balancer.security_groups.contains(&SecurityGroupRef::Ours(group.to_owned()))
}

/// Whether some load balancer still bears the group after `steps`.
fn is_borne(group: &str, observed: &Observed, steps: &[Step]) -> bool {
    let loses = |balancer: &LoadBalancer| {
        let key = Key::LoadBalancer(balancer.name.clone());
        let ends = |op: &Op| matches!(op, Op::DeleteLoadBalancer | Op::SetSecurityGroups(_));
        steps.iter().any(|step| step.key == key && ends(&step.op))
    };
    let mut balancers =
        observed.stacks.values().flat_map(|standing| standing.load_balancers.values());
    balancers.any(|balancer| bears(balancer, group) && !loses(balancer))
}
