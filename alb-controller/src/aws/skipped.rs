//! What need not be looked at, since it is known how it stands.

use super::Sight;
use edgeway_alb_core::{Observed, Standing};
use std::collections::BTreeSet;

/// Names of what is not looked at, and how it stands.
#[derive(Debug, Default)]
pub(super) struct Skipped<'s> {
    known: Option<&'s Observed>,
    balancers: BTreeSet<&'s str>,
    groups: BTreeSet<&'s str>,
}

impl<'s> Skipped<'s> {
    pub(super) fn of(sight: &'s Sight) -> Self {
        let Sight::Part(known, doubted) = sight else { return Self::default() };
        let mut skipped = Self { known: Some(known), ..Self::default() };
        for (_, standing) in known.stacks.iter().filter(|(id, _)| !doubted.contains(*id)) {
            skipped.balancers.extend(standing.load_balancers.keys().map(String::as_str));
            skipped.groups.extend(standing.target_groups.keys().map(String::as_str));
            skipped.balancers.extend(standing.frontends.keys().map(String::as_str));
            skipped.groups.extend(standing.front_groups.keys().map(String::as_str));
        }
        skipped
    }

    pub(super) fn has_balancer(&self, name: &str) -> bool {
        self.balancers.contains(name)
    }

    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.contains(name)
    }

    /// Notes in `observed` how all of it stands. Security groups are looked at in any case.
    pub(super) fn keep(&self, observed: &mut Observed) {
        let Some(known) = self.known else { return };
        for (id, standing) in &known.stacks {
            let Standing { load_balancers, target_groups, frontends, front_groups, .. } = standing;
            let balancers = load_balancers.iter().filter(|(name, _)| self.has_balancer(name));
            let groups = target_groups.iter().filter(|(name, _)| self.has_group(name));
            let (mut balancers, mut groups) = (balancers.peekable(), groups.peekable());
            if balancers.peek().is_none() && groups.peek().is_none() {
                continue;
            }
            let kept = observed.stacks.entry(id.clone()).or_default();
            kept.load_balancers.extend(balancers.map(|(name, it)| (name.clone(), it.clone())));
            kept.target_groups.extend(groups.map(|(name, it)| (name.clone(), it.clone())));
            let fronts = frontends.iter().filter(|(name, _)| self.has_balancer(name));
            kept.frontends.extend(fronts.map(|(name, it)| (name.clone(), it.clone())));
            let groups = front_groups.iter().filter(|(name, _)| self.has_group(name));
            kept.front_groups.extend(groups.map(|(name, it)| (name.clone(), it.clone())));
        }
        let addresses = known.addresses.iter().filter(|(name, _)| self.has_balancer(name));
        observed.addresses.extend(addresses.map(|(name, it)| (name.clone(), it.clone())));
        let young = known.provisioning.iter().filter(|name| self.has_balancer(name));
        observed.provisioning.extend(young.cloned());
        let health = known.health.iter().filter(|(name, _)| self.has_group(name));
        observed.health.extend(health.map(|(name, it)| (name.clone(), *it)));
        observed.bindings.clone_from(&known.bindings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_alb_core::{Lookups, Settings, StackId, desired};

    #[test]
    fn what_is_not_doubted_is_kept() {
        let lookups = Lookups::default();
        let objects = crate::fake::objects(&["a", "b"]);
        let wishes = desired(&objects, &Settings::new("test", "vpc"), &lookups);
        let mut known = Observed::default();
        for (id, stack) in &wishes.stacks {
            let standing = known.stacks.entry(id.clone()).or_default();
            let balancer = stack.load_balancer.clone();
            known.addresses.insert(balancer.name.clone(), "x".into());
            standing.load_balancers.insert(balancer.name.clone(), balancer);
            standing.target_groups.clone_from(&stack.target_groups);
        }
        let doubted = StackId::ingress("default", "a");
        let sight = Sight::Part(Box::new(known.clone()), [doubted.clone()].into());
        let skipped = Skipped::of(&sight);
        let mut observed = Observed::default();
        skipped.keep(&mut observed);
        let ids: Vec<_> = observed.stacks.keys().cloned().collect();
        assert_eq!(ids, [StackId::ingress("default", "b")]);
        let mut names = known.stacks[&doubted].load_balancers.keys();
        assert!(
            names.all(|name| !skipped.has_balancer(name) && !observed.addresses.contains_key(name))
        );
    }
}
