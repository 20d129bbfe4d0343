//! What has failed in a walk, and what must not be done because of it. Pure.

use edgeway_alb_core::{
    Key, ListenerKey, StackId, Step,
    plan::{Effect, Op},
    rule::Action,
};
use std::collections::BTreeSet;

/// What has failed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Damage {
    /// Something that all stacks need.
    shared: bool,
    /// Stacks whose load balancer or security group failed.
    stacks: BTreeSet<Option<StackId>>,
    /// Stacks of which anything failed.
    wounded: BTreeSet<Option<StackId>>,
    listeners: BTreeSet<ListenerKey>,
    groups: BTreeSet<String>,
}

impl Damage {
    /// Nothing has failed; of these nothing is taken away all the same.
    pub(crate) fn holding(wounded: BTreeSet<Option<StackId>>) -> Self {
        Self { wounded, ..Self::default() }
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { shared, stacks, wounded, listeners, groups } = other;
        self.shared |= shared;
        self.stacks.extend(stacks);
        self.wounded.extend(wounded);
        self.listeners.extend(listeners);
        self.groups.extend(groups);
    }

    /// Whether a step depends on something that failed, or takes away what may still be needed.
    pub(crate) fn forbids(&self, step: &Step) -> bool {
        let listener = listener(&step.key).is_some_and(|key| self.listeners.contains(key));
        let group = match &step.key {
            Key::TargetGroup(name) => self.groups.contains(name),
            Key::SecurityGroup(_)
            | Key::ForeignTargetGroup(_)
            | Key::ForeignSecurityGroup(_)
            | Key::LoadBalancer(_)
            | Key::Listener(_)
            | Key::Rule { .. } => groups(&step.op).iter().any(|name| self.groups.contains(*name)),
        };
        let takes = takes_away(&step.op)
            && (self.wounded.contains(&step.stack)
                || (step.stack.is_none() && !self.wounded.is_empty()));
        self.shared || self.stacks.contains(&step.stack) || listener || group || takes
    }

    /// Notes a failed step.
    pub(crate) fn note(&mut self, step: &Step) {
        if step.op.is_aside() {
            return;
        }
        self.wounded.insert(step.stack.clone());
        if matches!(step.op, Op::AddCertificate(_)) {
            // One name is without its certificate; the rules of all others need not wait for it.
            return;
        }
        match &step.key {
            Key::TargetGroup(name) => drop(self.groups.insert(name.clone())),
            Key::Listener(key) => drop(self.listeners.insert(key.clone())),
            Key::Rule { listener, .. } => drop(self.listeners.insert(listener.clone())),
            Key::ForeignTargetGroup(_) => {}
            Key::SecurityGroup(_) | Key::ForeignSecurityGroup(_) | Key::LoadBalancer(_) => {
                match &step.stack {
                    Some(_) => drop(self.stacks.insert(step.stack.clone())),
                    None => self.shared = !takes_away(&step.op),
                }
            }
        }
    }

    /// A rule that could not be made because its target group is missing leaves a gap, and no rule
    /// behind it may be made.
    pub(crate) fn spread(&mut self, step: &Step) {
        if let (Some(key), false) = (listener(&step.key), step.op.is_aside()) {
            self.listeners.insert(key.clone());
            self.wounded.insert(step.stack.clone());
        }
    }
}

fn listener(key: &Key) -> Option<&ListenerKey> {
    match key {
        Key::Listener(listener) | Key::Rule { listener, .. } => Some(listener),
        Key::SecurityGroup(_)
        | Key::ForeignSecurityGroup(_)
        | Key::ForeignTargetGroup(_)
        | Key::TargetGroup(_)
        | Key::LoadBalancer(_) => None,
    }
}

/// Whether a step takes something away that something else may still need.
pub(crate) fn takes_away(op: &Op) -> bool {
    op.effect() == Effect::Delete
        || matches!(op, Op::Revoke(_) | Op::Deregister(_) | Op::RemoveCertificate(_))
}

/// Target groups of ours that a step sends to.
fn groups(op: &Op) -> Vec<&str> {
    action(op).into_iter().flat_map(Action::groups).collect()
}

/// What a step makes of requests.
pub(crate) fn action(op: &Op) -> Option<&Action> {
    if let Op::CreateRule(rule) | Op::ModifyRule(rule) = op {
        Some(&rule.action)
    } else if let Op::CreateListener(listener) = op {
        Some(&listener.default_action)
    } else if let Op::ModifyListener(change) = op {
        change.default_action.as_ref()
    } else {
        None
    }
}
