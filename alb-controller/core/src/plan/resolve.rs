//! Finds which of the things that stand is which of the wished ones, and gives the wished ones the
//! names of those.

use super::{lane::Lane, last_good};
use crate::{
    goal::Standing,
    id::Key,
    names,
    stack::{LoadBalancer, Ownership, SecurityGroup, SecurityGroupRef, Stack},
    target::TargetGroup,
};
use std::collections::BTreeMap;

/// A wished thing, under the name that it has or will have, and what there is of it.
#[derive(Clone, Debug)]
pub(super) struct Pair<'a, T> {
    pub(super) wish: T,
    pub(super) found: Option<&'a T>,
}

/// A stack and what stands of it, brought together.
#[derive(Debug)]
pub(super) struct Resolved<'a> {
    pub(super) stack: &'a Stack,
    pub(super) load_balancer: Pair<'a, LoadBalancer>,
    /// Load balancers that another one has taken the place of.
    pub(super) old_balancers: Vec<&'a LoadBalancer>,
    pub(super) security_group: Option<Pair<'a, SecurityGroup>>,
    pub(super) old_security_groups: Vec<&'a SecurityGroup>,
    pub(super) target_groups: Vec<Pair<'a, TargetGroup>>,
    pub(super) old_target_groups: Vec<&'a TargetGroup>,
}

impl<'a> Resolved<'a> {
    pub(super) fn of(stack: &'a Stack, standing: &'a Standing, lane: &mut Lane) -> Self {
        let (mut wish, found) = balancer(stack, standing, lane);
        let target_groups = target_groups(stack, standing, &wish.name);
        let security_group = security_group(stack, standing);
        if let Some(pair) = &security_group {
            for group in &mut wish.security_groups {
                let own = stack.security_group.as_ref().map(|group| &group.name);
                if matches!(group, SecurityGroupRef::Ours(name) if Some(&*name) == own) {
                    *group = SecurityGroupRef::Ours(pair.wish.name.clone());
                }
            }
        }
        rename_targets(&mut wish, &target_groups);
        last_good::complete(&mut wish, found, &stack.broken);
        let target_groups: Vec<_> = target_groups.into_values().collect();
        let old_balancers = standing.load_balancers.values();
        let old_balancers = old_balancers.filter(|old| {
            found.is_some_and(|new| (&new.name, new.ownership) != (&old.name, old.ownership))
        });
        let kept = |name: &str| target_groups.iter().any(|pair| pair.wish.name == name);
        let guards =
            |name: &str| security_group.as_ref().is_some_and(|pair| pair.wish.name == name);
        Self {
            stack,
            old_balancers: old_balancers.collect(),
            old_security_groups: standing
                .security_groups
                .values()
                .filter(|g| !guards(&g.name))
                .collect(),
            old_target_groups: standing.target_groups.values().filter(|g| !kept(&g.name)).collect(),
            load_balancer: Pair { wish, found },
            security_group,
            target_groups,
        }
    }
}

/// The load balancer. Another scheme needs another one, which a user must have approved.
fn balancer<'a>(
    stack: &Stack,
    standing: &'a Standing,
    lane: &mut Lane,
) -> (LoadBalancer, Option<&'a LoadBalancer>) {
    let mut wish = stack.load_balancer.clone();
    let there = &standing.load_balancers;
    if wish.ownership == Ownership::Rules {
        let found = there.get(&wish.name).filter(|it| it.ownership == Ownership::Rules);
        return (wish, found);
    }
    let is_ours = |other: &&LoadBalancer| other.ownership == Ownership::Full;
    let same = |other: &&LoadBalancer| is_ours(other) && other.scheme == wish.scheme;
    let found = there.get(&wish.name).filter(same).or_else(|| there.values().find(same));
    if let Some(found) = found {
        wish.name.clone_from(&found.name);
        return (wish, Some(found));
    }
    let Some(old) = there.values().find(is_ours) else { return (wish, None) };
    if there.contains_key(&wish.name) {
        wish.name = names::alternate(&wish.name, wish.scheme.as_str());
    }
    if stack.approved.contains(&wish.name) {
        return (wish, None);
    }
    let reason = format!(
        "its scheme is {}, {} is wished: that takes another load balancer with another DNS name",
        old.scheme, wish.scheme
    );
    let advice = format!(
        "annotate the Ingress with edgeway.dev/approve-replacement: {} if that is meant",
        wish.name
    );
    lane.block(Key::LoadBalancer(old.name.clone()), reason, advice);
    wish.name.clone_from(&old.name);
    wish.scheme = old.scheme;
    (wish, Some(old))
}

/// Target groups by the name that they are wished under. One that serves another load balancer
/// cannot serve this one as well.
fn target_groups<'a>(
    stack: &Stack,
    standing: &'a Standing,
    balancer: &str,
) -> BTreeMap<String, Pair<'a, TargetGroup>> {
    let mut pairs = BTreeMap::new();
    for (name, wish) in &stack.target_groups {
        let there = &standing.target_groups;
        let fits = |other: &&TargetGroup| {
            other.resource == wish.resource
                && other.kind.serves(&wish.kind)
                && other.attached.as_deref().is_none_or(|attached| attached == balancer)
        };
        let found = there.get(name).filter(fits).or_else(|| there.values().find(fits));
        let mut wish = wish.clone();
        if let Some(found) = found {
            wish.name.clone_from(&found.name);
        } else if there.contains_key(name) {
            wish.name = names::alternate(name, balancer);
        }
        pairs.insert(name.clone(), Pair { wish, found });
    }
    pairs
}

fn security_group<'a>(stack: &Stack, standing: &'a Standing) -> Option<Pair<'a, SecurityGroup>> {
    let mut wish = stack.security_group.clone()?;
    let there = &standing.security_groups;
    let found = there.get(&wish.name).or_else(|| there.values().next());
    if let Some(found) = found {
        wish.name.clone_from(&found.name);
        wish.description.clone_from(&found.description);
    }
    Some(Pair { wish, found })
}

fn rename_targets(balancer: &mut LoadBalancer, groups: &BTreeMap<String, Pair<'_, TargetGroup>>) {
    let name = |old: &str| groups.get(old).map(|pair| pair.wish.name.clone());
    for listener in balancer.listeners.values_mut() {
        listener.default_action.rename_groups(name);
        for rule in listener.rules.values_mut() {
            rule.action.rename_groups(name);
        }
    }
}
