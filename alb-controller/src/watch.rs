//! Which things are to be looked at again because only time changes them. Pure.

use crate::{aws::Watched, state::StackState};
use edgeway_alb_core::{Desired, Key, Observed, Plan, StackId, readiness::Gates};
use std::collections::{BTreeMap, BTreeSet};

/// How many target groups are looked at in one turn.
const GROUPS: usize = 10;

/// Groups that drain, and those that readiness gates wait for; of each stack whose address is to be
/// told as soon as a target is well one group, another in each turn; and load balancers that are being
/// made.
pub(crate) fn watched(
    (desired, observed): (&Desired, &Observed),
    plan: &Plan,
    (states, gates): (&BTreeMap<StackId, StackState>, &Gates),
    turn: usize,
) -> Watched {
    let there = |name: &str| {
        let mut groups = observed.stacks.values().flat_map(|it| it.target_groups.values());
        groups.any(|group| group.name == name)
    };
    let mut groups: BTreeSet<&str> = BTreeSet::new();
    for pending in &plan.pending {
        if let Key::TargetGroup(name) = &pending.key {
            groups.extend(Some(name.as_str()).filter(|name| there(name)));
        }
    }
    let mut balancers = BTreeSet::new();
    for (id, _) in states.iter().filter(|(_, state)| state.awaits()) {
        let Some(stack) = desired.stacks.get(id) else { continue };
        let all = stack.target_groups.values().filter(|group| !group.targets.is_empty());
        let all: Vec<&str> = all.map(|it| it.name.as_str()).filter(|name| there(name)).collect();
        groups.extend(all.get(turn.checked_rem(all.len()).unwrap_or(0)));
        let name = &stack.load_balancer.name;
        balancers.extend(observed.provisioning.get(name).cloned());
    }
    let awaited: BTreeSet<&str> =
        gates.values().flat_map(|it| &it.awaits).map(String::as_str).collect();
    groups.extend(awaited.iter().filter(|name| there(name)));
    let bound = awaited.into_iter().filter(|arn| desired.bindings.contains_key(*arn));
    let bindings = turned(&bound.collect(), turn);
    Watched { groups: turned(&groups, turn), balancers, bindings }
}

/// A few of them, others in each turn.
fn turned(groups: &BTreeSet<&str>, turn: usize) -> BTreeSet<String> {
    let count = groups.len();
    let start = turn.wrapping_mul(GROUPS).checked_rem(count).unwrap_or(0);
    let few = groups.iter().cycle().skip(start).take(GROUPS.min(count));
    few.map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fake::objects, state::Progress};
    use edgeway_alb_core::{Lookups, Settings, desired, plan};

    #[test]
    fn each_has_its_turn_and_few_are_asked_at_once() {
        let names: Vec<String> = (0..24).map(|n| format!("i{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let mut wishes = desired(&objects(&names), &Settings::new("test", "vpc"), &lookups);
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        let mut observed = Observed::default();
        plan(&wishes, &observed).steps.iter().for_each(|step| observed.take(step));
        let waits = StackState {
            progress: Progress::InPlace,
            targets: Some((0, 1)),
            ..StackState::default()
        };
        let states = wishes.stacks.keys().map(|id| (id.clone(), waits.clone())).collect();
        let settled = plan(&wishes, &observed);
        let mut seen = BTreeSet::new();
        for turn in 0..12 {
            let watched = watched((&wishes, &observed), &settled, (&states, &Gates::new()), turn);
            assert_eq!(watched.groups.len(), GROUPS);
            seen.extend(watched.groups);
        }
        assert_eq!(seen.len(), 24);
        let none = watched((&wishes, &observed), &settled, (&BTreeMap::new(), &Gates::new()), 0);
        assert_eq!(none, Watched::default());
    }
}
