//! Ingresses of which cannot be told whether they are ours, since their class is not there or not usable. It may
//! have named their group, and so what stands of them is looked for everywhere: it stays.

use super::rules::is_held;
use crate::{
    goal::{Desired, Observed, Standing},
    id::StackId,
};
use std::collections::BTreeSet;

/// The wishes in which they are members that cannot be understood, of the stacks where they have something;
/// nothing, if that is said already or they have nothing anywhere.
pub(super) fn kept(desired: &Desired, observed: &Observed) -> Option<Desired> {
    if desired.adrift.is_empty() {
        return None;
    }
    let of = |(id, standing): (&StackId, &Standing)| {
        let known = known(desired, id);
        let new = desired.adrift.iter().filter(|name| !known.is_some_and(|it| it.contains(*name)));
        let theirs: BTreeSet<String> = new.filter(|name| has(standing, name)).cloned().collect();
        (!theirs.is_empty()).then(|| (id.clone(), theirs))
    };
    let mut found = observed.stacks.iter().filter_map(of).peekable();
    found.peek()?;
    let mut kept = desired.clone();
    for (id, names) in found {
        match kept.stacks.get_mut(&id) {
            Some(stack) => stack.broken.extend(names),
            None => kept.held.entry(id).or_default().extend(names),
        }
    }
    Some(kept)
}

/// Members of a stack of which is known that they cannot be understood.
fn known<'d>(desired: &'d Desired, id: &StackId) -> Option<&'d BTreeSet<String>> {
    desired.stacks.get(id).map(|stack| &stack.broken).or_else(|| desired.held.get(id))
}

/// Whether something of an Ingress stands there. Where no rule says whose it is, target groups do.
fn has(standing: &Standing, name: &str) -> bool {
    let alone = BTreeSet::from([name.to_owned()]);
    let nobody = BTreeSet::from([String::new()]);
    let listeners = standing.load_balancers.values().flat_map(|it| it.listeners.values());
    let rules = listeners.flat_map(|listener| listener.rules.values());
    // A rule that says nothing about it may be anybody's.
    let mut said = rules.filter(|rule| !is_held(rule, &nobody)).peekable();
    if said.peek().is_some() {
        return said.any(|rule| is_held(rule, &alone));
    }
    let stem = format!("{name}-");
    standing.target_groups.values().any(|group| group.resource.starts_with(&stem))
}
