//! How each stack stands: whether it is in place, takes requests, and has somewhere to send them. Pure.

use edgeway_alb_core::{Desired, Health, Observed, Plan, StackId, target::Protocol};
use std::collections::BTreeMap;

/// How a stack stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackState {
    /// DNS name of its load balancer.
    pub address: Option<String>,
    /// DNS name of the network load balancer before it.
    pub frontend: Option<String>,
    /// The ports that it listens on.
    pub ports: Vec<u16>,
    /// Whether it ends TLS.
    pub has_tls: bool,
    /// How far it has come.
    pub progress: Progress,
    /// Targets that are well, and all; nothing, if it answers all requests itself.
    pub targets: Option<(usize, usize)>,
    /// Target groups that have targets, none of which is well.
    pub ill_groups: Vec<String>,
    /// Whether requests that are sent to the address are served, or were once: then it is told, and
    /// stays told.
    pub serves: bool,
}

/// How far a stack has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Something was left to do about it.
    #[default]
    Changing,
    /// Its load balancer takes no requests yet.
    Provisioning,
    /// It is as it should be.
    InPlace,
}

/// How the stacks stand that are wished, after steps have been taken for what `plan` says; `before`
/// is how they stood.
pub(crate) fn states(
    (desired, observed): (&Desired, &Observed),
    plan: &Plan,
    before: &BTreeMap<StackId, StackState>,
    addresses: &BTreeMap<StackId, String>,
) -> BTreeMap<StackId, StackState> {
    let of = |id: &StackId| {
        let stack = desired.stacks.get(id)?;
        let address = addresses.get(id).cloned();
        let listeners = &stack.load_balancer.listeners;
        let mine = |other: &Option<StackId>| other.as_ref().is_none_or(|other| other == id);
        let is_left = plan.steps.iter().any(|step| mine(&step.stack))
            || plan.blocked.iter().any(|blocked| mine(&blocked.stack));
        let is_young = observed.provisioning.contains(&stack.load_balancer.name);
        let progress = match (is_left, is_young || address.is_none()) {
            (true, _) => Progress::Changing,
            (false, true) => Progress::Provisioning,
            (false, false) => Progress::InPlace,
        };
        let health = |name: &String| observed.health.get(name).copied().unwrap_or_default();
        let ill = |name: &&String| health(name).registered > 0 && health(name).healthy == 0;
        // Targets that have been registered are there before anybody has asked how they are.
        let groups = observed.stacks.get(id).map(|stack| &stack.target_groups);
        let known = |name: &String| groups?.get(name).map(|group| group.targets.len());
        let (mut well, mut all) = (0, 0);
        for name in stack.target_groups.keys() {
            let Health { healthy, registered } = health(name);
            well += healthy;
            all += registered.max(known(name).unwrap_or_default());
        }
        let has_groups = !stack.target_groups.is_empty();
        let served = before.get(id).is_some_and(|old| old.serves && old.address == address);
        let fronts = observed.stacks.get(id).into_iter().flat_map(|it| it.frontends.keys());
        let frontend = fronts.into_iter().find_map(|name| observed.addresses.get(name).cloned());
        let state = StackState {
            frontend,
            ports: listeners.keys().copied().collect(),
            has_tls: listeners.values().any(|it| it.protocol == Protocol::Https),
            progress,
            targets: has_groups.then_some((well, all)),
            ill_groups: stack.target_groups.keys().filter(ill).cloned().collect(),
            serves: served || (progress == Progress::InPlace && (well > 0 || !has_groups)),
            address,
        };
        Some((id.clone(), state))
    };
    desired.stacks.keys().filter_map(of).collect()
}

impl StackState {
    /// Whether only time is missing until its address can be told.
    pub(crate) fn awaits(&self) -> bool {
        self.progress != Progress::Changing
            && !self.serves
            && self.targets.is_none_or(|(_, all)| all > 0)
    }
}
