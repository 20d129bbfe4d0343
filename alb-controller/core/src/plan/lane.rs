//! The steps of one stack.

use super::{
    Blocked, Pending, balancer, frontend, groups, listeners,
    resolve::{Pair, Resolved},
    rivals, shared,
    step::{Op, Risk, Step},
};
use crate::{
    goal::{Desired, Observed, Standing},
    id::{Key, StackId},
    stack::{LoadBalancer, Ownership, Stack},
    tags::{self, Tags},
};
use std::collections::BTreeSet;

/// Attribute that forbids deleting a load balancer.
const PROTECTION: &str = "deletion_protection.enabled";

/// Steps as they come together.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) stack: Option<StackId>,
    /// Tags that somebody else manages.
    pub(super) external: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) pending: Vec<Pending>,
}

impl Lane {
    pub(super) fn of(stack: &StackId) -> Self {
        Self { stack: Some(stack.clone()), ..Self::default() }
    }

    /// Adds a step with the risk that its kind has.
    pub(super) fn step(&mut self, key: Key, op: Op, reason: impl Into<String>) {
        let risk = op.risk();
        self.risky(key, op, reason, risk);
    }

    /// Adds a step with a risk of its own.
    pub(super) fn risky(&mut self, key: Key, op: Op, reason: impl Into<String>, risk: Risk) {
        let reason = reason.into();
        self.steps.push(Step { stack: self.stack.clone(), key, op, reason, risk });
    }

    /// Says what stays undone.
    pub(super) fn block(&mut self, key: Key, reason: impl Into<String>, advice: impl Into<String>) {
        let (reason, advice) = (reason.into(), advice.into());
        self.blocked.push(Blocked { stack: self.stack.clone(), key, reason, advice });
    }

    /// Says what is waited for.
    pub(super) fn wait(&mut self, key: Key, reason: impl Into<String>) {
        let reason = reason.into();
        self.pending.push(Pending { stack: self.stack.clone(), key, reason });
    }

    /// Brings tags into line.
    pub(super) fn retag(&mut self, key: &Key, wanted: &Tags, found: &Tags) {
        self.retag_by(key, tags::difference(wanted, found));
    }

    /// Sets and removes the given tags.
    pub(super) fn retag_by(&mut self, key: &Key, difference: (Tags, BTreeSet<String>)) {
        let (set, mut gone) = difference;
        gone.retain(|key| !self.external.contains(key));
        if !set.is_empty() {
            let reason = if set.contains_key(tags::CONTROLLER) {
                "it is taken over"
            } else {
                "tags are missing or differ"
            };
            self.step(key.clone(), Op::AddTags(set), reason);
        }
        if !gone.is_empty() {
            self.step(key.clone(), Op::RemoveTags(gone), "tags are not wished");
        }
    }
}

/// The way to a stack from what stands of it.
pub(super) fn build(
    stack: &Stack,
    standing: &Standing,
    desired: &Desired,
    observed: &Observed,
) -> Lane {
    let mut lane = Lane { external: desired.external_tags.clone(), ..Lane::of(&stack.id) };
    let resolved = Resolved::of(stack, standing, &mut lane);
    let Pair { wish, found } = &resolved.load_balancer;
    let is_new = found.is_none() && wish.ownership == Ownership::Full;
    let about = (desired, observed);
    if !balancer::is_possible(&resolved, &mut lane)
        || (is_new && rivals::stand_in_the_way(stack, &wish.name, about, &mut lane))
    {
        return lane;
    }
    groups::secure(&resolved, &mut lane);
    shared::open_own(stack, observed, &mut lane);
    groups::fill(&resolved, &mut lane);
    let is_ours = stack.load_balancer.ownership == Ownership::Full;
    if is_ours {
        balancer::place(&resolved, &mut lane);
    }
    let outcome = listeners::direct(&resolved, desired.limits.rules, &mut lane);
    if is_ours {
        balancer::adorn(&resolved, &mut lane);
    }
    frontend::place(&resolved, standing, observed, &mut lane);
    listeners::tidy(&resolved, &outcome, &mut lane);
    let settled = lane.steps.is_empty();
    balancer::retire(&resolved, settled, &mut lane);
    groups::retire(&resolved, &outcome, (desired, observed), &mut lane);
    lane
}

/// What members of a stack had who are gone, where none of the others can be understood.
pub(super) fn prune(
    id: &StackId,
    standing: &Standing,
    (broken, desired): (&BTreeSet<String>, &Desired),
) -> Lane {
    let mut lane = Lane::of(id);
    for balancer in standing.load_balancers.values() {
        listeners::prune(balancer, broken, desired.limits.rules, &mut lane);
    }
    for group in standing.target_groups.values() {
        groups::follow(group, desired, &mut lane);
    }
    lane
}

/// The way to nothing, for a stack that nobody wishes any more.
pub(super) fn remove(
    id: &StackId,
    standing: &Standing,
    incomplete: Option<&str>,
    observed: &Observed,
) -> Lane {
    let mut lane = Lane::of(id);
    let keys = standing.load_balancers.keys().map(|name| Key::LoadBalancer(name.clone()));
    let some = standing.target_groups.keys().map(|name| Key::TargetGroup(name.clone()));
    if let (Some(why), Some(key)) = (incomplete, keys.chain(some).next()) {
        lane.block(
            key,
            format!("no Ingress wishes it, but {why}"),
            "mend what cannot be read first",
        );
        return lane;
    }
    let full = |balancer: &&LoadBalancer| balancer.ownership == Ownership::Full;
    for balancer in standing.load_balancers.values().filter(full) {
        if !may_go(balancer, &mut lane) {
            return lane;
        }
    }
    let reason = "no Ingress wishes it any more";
    frontend::remove(standing, reason, &mut lane);
    for (name, balancer) in &standing.load_balancers {
        if full(&balancer) {
            lane.step(Key::LoadBalancer(name.clone()), Op::DeleteLoadBalancer, reason);
        } else {
            listeners::drop_rules(balancer, &BTreeSet::new(), &mut lane);
        }
    }
    let is_cut = standing.load_balancers.values().any(|balancer| full(&balancer));
    for (name, group) in &standing.target_groups {
        if is_cut {
            lane.step(Key::TargetGroup(name.clone()), Op::DeleteTargetGroup, reason);
        } else {
            // Whoever sent to it goes on.
            groups::drain(group, &mut lane);
        }
    }
    for name in standing.security_groups.keys() {
        shared::close_own(name, observed, &mut lane);
        lane.step(Key::SecurityGroup(name.clone()), Op::DeleteSecurityGroup, reason);
    }
    lane
}

/// Whether a load balancer may be deleted; if not, says so.
pub(super) fn may_go(balancer: &LoadBalancer, lane: &mut Lane) -> bool {
    let key = Key::LoadBalancer(balancer.name.clone());
    if balancer.attributes.get(PROTECTION).is_some_and(|value| value == "true") {
        let advice = format!("set {PROTECTION}=false if it may be deleted");
        lane.block(key, "it is to go, but deletion protection is on", advice);
        return false;
    }
    let strange = balancer.listeners.values().any(|listener| !listener.foreign.is_empty());
    if strange || !balancer.foreign.is_empty() {
        let reason = "it is to go, but it has listeners or rules that are not ours";
        lane.block(key, reason, "remove these if it may be deleted");
        return false;
    }
    true
}
