//! Walking a plan. A step that fails stops what depends on it and nothing else; nothing is taken away
//! from a stack after one of its steps has failed.

use crate::{
    aws::{Cloud, CloudError},
    event::Event,
};
use edgeway_alb_core::{
    Key, ListenerKey, Observed, Plan, StackId, Step,
    plan::{Effect, Op},
    rule::Action,
};
use edgeway_gateway::lease::Tenure;
use std::collections::BTreeSet;

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why.
    pub error: CloudError,
}

/// How a walk ended.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// How many steps were taken.
    pub(crate) taken: usize,
    /// Steps that failed.
    pub(crate) failures: Vec<Failure>,
    /// How many steps were left out because of these, or because another replica may lead.
    pub(crate) skipped: usize,
}

/// Takes all steps that can be taken, for as long as `tenure` holds, which is asked before each, and
/// notes in `observed` what they have done.
pub(crate) async fn walk<C: Cloud>(
    cloud: &C,
    plan: &Plan,
    observed: &mut Observed,
    tenure: &Tenure,
    tell: &(impl Fn(Event) + Sync),
) -> Walk {
    let mut walk = Walk::default();
    let mut damage = Damage::default();
    for (taken, step) in plan.steps.iter().enumerate() {
        if !tenure.holds() {
            walk.skipped += plan.steps.len() - taken;
            tell(Event::Deposed);
            break;
        }
        if damage.forbids(step) {
            damage.spread(step);
            walk.skipped += 1;
            continue;
        }
        match cloud.apply(step).await {
            Ok(address) => {
                walk.taken += 1;
                observed.take(step);
                let named = |address| (step.key.to_string(), address);
                observed.addresses.extend(address.map(named));
                tell(Event::Took { stack: step.stack.clone(), step: step.to_string() });
            }
            Err(error) => {
                let (what, why) = (step.to_string(), error.line());
                tell(Event::Failed { stack: step.stack.clone(), what, why });
                damage.note(step);
                walk.failures.push(Failure { step: step.clone(), error });
            }
        }
    }
    observed.attach();
    walk
}

/// What has failed so far.
#[derive(Debug, Default)]
struct Damage {
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
    /// Whether a step depends on something that failed, or takes away what may still be needed.
    fn forbids(&self, step: &Step) -> bool {
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
    fn note(&mut self, step: &Step) {
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
    fn spread(&mut self, step: &Step) {
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
fn takes_away(op: &Op) -> bool {
    op.effect() == Effect::Delete
        || matches!(op, Op::Revoke(_) | Op::Deregister(_) | Op::RemoveCertificate(_))
}

/// The certificate that a step gives to a listener.
pub(crate) fn certificate(op: &Op) -> Option<&String> {
    if let Op::CreateListener(listener) = op {
        listener.certificate.as_ref()
    } else if let Op::ModifyListener(change) = op {
        change.certificate.as_ref()
    } else if let Op::AddCertificate(certificate) = op {
        Some(certificate)
    } else {
        None
    }
}

/// Target groups that a step sends to.
fn groups(op: &Op) -> Vec<&str> {
    let action: Option<&Action> = if let Op::CreateRule(rule) | Op::ModifyRule(rule) = op {
        Some(&rule.action)
    } else if let Op::CreateListener(listener) = op {
        Some(&listener.default_action)
    } else if let Op::ModifyListener(change) = op {
        change.default_action.as_ref()
    } else {
        None
    };
    action.into_iter().flat_map(Action::groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeCloud, objects, refused};
    use edgeway_alb_core::{Lookups, Settings, desired, plan};
    use std::sync::Mutex;

    /// A plan that builds two stacks, `a` and `b`, in AWS that is empty.
    fn plan_for_two() -> Plan {
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let mut wishes = desired(&objects(&["a", "b"]), &Settings::new("test", "vpc"), &lookups);
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        plan(&wishes, &Observed::default())
    }

    async fn failing(kind: &'static str) -> (Walk, Vec<String>) {
        let cloud = FakeCloud::default();
        cloud.fail(kind, refused);
        let told = Mutex::new(Vec::new());
        let tell = |event: Event| told.lock().unwrap().push(event.to_string());
        let tenure = Tenure::always();
        let walk = walk(&cloud, &plan_for_two(), &mut Observed::default(), &tenure, &tell).await;
        (walk, cloud.tried())
    }

    fn count(tried: &[String], kind: &str) -> usize {
        tried.iter().filter(|tried| *tried == kind).count()
    }

    #[tokio::test]
    async fn a_rule_waits_for_targets_that_could_not_be_registered() {
        let (walk, tried) = failing("register-targets").await;
        assert_eq!(walk.failures.len(), 1);
        assert_eq!(count(&tried, "create-listener"), 2, "only the rule sends to the group");
        assert_eq!(count(&tried, "create-rule"), 1, "the other stack's");
    }

    #[tokio::test]
    async fn a_stack_without_load_balancer_is_not_gone_on_with() {
        let (walk, tried) = failing("create-load-balancer").await;
        assert_eq!((count(&tried, "create-listener"), count(&tried, "create-rule")), (1, 1));
        assert!(walk.skipped >= 2);
    }

    #[tokio::test]
    async fn without_what_all_need_nothing_is_done() {
        let (walk, tried) = failing("create-security-group").await;
        assert_eq!(tried, ["create-security-group"]);
        assert_eq!((walk.taken, walk.failures.len()), (0, 1));
    }

    #[tokio::test]
    async fn nothing_is_taken_away_after_a_failure() {
        let mut plan = plan_for_two();
        let stack = plan.steps.last().unwrap().stack.clone();
        let step = |key: Key, op: Op| Step {
            stack: stack.clone(),
            key,
            op,
            reason: String::new(),
            risk: edgeway_alb_core::plan::Risk::InPlace,
        };
        plan.steps.push(step(Key::TargetGroup("old".into()), Op::DeleteTargetGroup));
        let cloud = FakeCloud::default();
        cloud.fail("create-listener", refused);
        cloud.fail("create-listener", refused);
        let tenure = Tenure::always();
        walk(&cloud, &plan, &mut Observed::default(), &tenure, &|_| {}).await;
        assert_eq!(count(&cloud.tried(), "delete-target-group"), 0);
        let cloud = FakeCloud::default();
        walk(&cloud, &plan, &mut Observed::default(), &tenure, &|_| {}).await;
        assert_eq!(count(&cloud.tried(), "delete-target-group"), 1);
    }
}
