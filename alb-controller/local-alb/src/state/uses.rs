//! Which listeners forward to which target groups, so that nobody has to go through all rules to know.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::Arn;
use super::load_balancer::Listener;
use super::rule::groups_of;

/// Listeners by target group, as of the last time that it was told of changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses(BTreeMap<Arn, BTreeSet<Arn>>);

impl Uses {
    /// The listeners that forward to a group.
    pub(crate) fn of(&self, group: &Arn) -> impl Iterator<Item = &Arn> {
        self.0.get(group).into_iter().flatten()
    }

    /// Whether any does.
    pub(crate) fn any(&self, group: &Arn) -> bool {
        self.0.contains_key(group)
    }

    /// Takes in how a listener was and is; gives the groups that it forwards to only now, or no more.
    pub(crate) fn follow(
        &mut self,
        listener: &Arn,
        before: Option<&Listener>,
        now: Option<&Listener>,
    ) -> Vec<Arn> {
        let groups = |listener: Option<&Listener>| -> BTreeSet<Arn> {
            listener.into_iter().flat_map(groups_in).cloned().collect()
        };
        let (before, now) = (groups(before), groups(now));
        for group in before.difference(&now) {
            if let Some(users) = self.0.get_mut(group) {
                users.remove(listener);
                if users.is_empty() {
                    self.0.remove(group);
                }
            }
        }
        for group in now.difference(&before) {
            self.0.entry(group.clone()).or_default().insert(listener.clone());
        }
        before.symmetric_difference(&now).cloned().collect()
    }
}

/// The target groups that a listener and its rules forward to.
pub(crate) fn groups_in(listener: &Listener) -> impl Iterator<Item = &Arn> {
    groups_of(&listener.default_actions)
        .chain(listener.rules.iter().flat_map(|rule| groups_of(&rule.actions)))
}
