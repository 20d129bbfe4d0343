//! What stood after the last pass, kept up with each step, so that AWS need not be asked what we have
//! told it ourselves.

use crate::{apply::Failure, aws::Sight, doubts::is_open};
use edgeway_alb_core::{Desired, Key, Observed, Question, StackId, stack::Ownership};
use std::collections::BTreeSet;

/// What stands, as far as it can be counted on.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What stands.
    pub(crate) observed: Observed,
    /// What has been asked about.
    answered: BTreeSet<Question>,
    /// Stacks of which a step has failed: what became of it is not known.
    doubted: BTreeSet<StackId>,
    /// Whether that holds for what all have in common.
    doubts_all: bool,
    /// What steps were taken for since somebody began to look at it all.
    touched: BTreeSet<Option<StackId>>,
}

impl Memory {
    /// All that was seen with these wishes.
    pub(crate) fn of(observed: Observed, desired: &Desired) -> Self {
        let answered = observed.questions().filter(|question| desired.asks(question)).collect();
        let (doubted, touched) = (BTreeSet::new(), BTreeSet::new());
        Self { observed, answered, doubted, doubts_all: false, touched }
    }

    /// What must be looked at before a plan to `desired` can be made; `due` must be in any case.
    pub(crate) fn lacks(
        &self,
        desired: &Desired,
        due: BTreeSet<StackId>,
    ) -> Option<BTreeSet<StackId>> {
        let asked = self.observed.questions().filter(|question| desired.asks(question));
        let unanswered = asked.filter(|question| !self.answered.contains(question));
        let unanswered = unanswered.map(|question| question.stack().clone());
        // What stands on somebody else's load balancer is not known from our own steps.
        let unseen = desired.stacks.iter().filter(|(id, stack)| {
            let wish = &stack.load_balancer;
            let known = self.observed.stacks.get(*id).map(|it| &it.load_balancers);
            wish.ownership == Ownership::Rules
                && !known.is_some_and(|known| known.contains_key(&wish.name))
        });
        let unseen = unseen.map(|(id, _)| id.clone());
        let stacks = self.doubted.iter().cloned().chain(unanswered).chain(unseen).chain(due);
        let stacks: BTreeSet<StackId> = stacks.collect();
        let bound = desired.bindings.keys().all(|arn| self.observed.bindings.contains_key(arn));
        (!stacks.is_empty() || !bound).then_some(stacks)
    }

    /// How to look at these stacks alone.
    pub(crate) fn sight(&self, stacks: &BTreeSet<StackId>) -> Sight {
        Sight::Part(Box::new(self.observed.clone()), stacks.clone())
    }

    /// These stacks were looked at.
    pub(crate) fn renew(&mut self, stacks: &BTreeSet<StackId>, seen: Observed, desired: &Desired) {
        self.observed = seen;
        self.answered.retain(|question| !stacks.contains(question.stack()));
        let asked = self.observed.questions().filter(|question| desired.asks(question));
        self.answered.extend(asked.filter(|question| stacks.contains(question.stack())));
        self.doubted.retain(|stack| !stacks.contains(stack));
    }

    /// Steps were taken; `before` is what could be asked about before.
    pub(crate) fn learn(
        &mut self,
        before: &BTreeSet<Question>,
        touched: BTreeSet<Option<StackId>>,
        failures: &[Failure],
    ) {
        // Of what has just been made everything is known.
        let new = self.observed.questions().filter(|question| !before.contains(question));
        self.answered.extend(new);
        self.touched.extend(touched);
        for Failure { step, .. } in failures.iter().filter(|failure| is_open(&failure.error)) {
            if let Key::ForeignTargetGroup(arn) = &step.key {
                self.observed.bindings.remove(arn);
            } else if let Some(stack) = &step.stack {
                self.doubted.insert(stack.clone());
            } else {
                self.doubts_all = true;
            }
        }
    }

    /// Whether something may be otherwise than remembered.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubts_all || !self.doubted.is_empty()
    }

    /// Itself, if anything of it can be counted on.
    pub(crate) fn kept(self) -> Option<Self> {
        (!self.doubts_all).then_some(self)
    }

    /// From now on it is noted what steps are taken for.
    pub(crate) fn mark(&mut self) {
        self.touched.clear();
    }

    /// All was looked at since [`Memory::mark`], with these wishes. Where steps were taken meanwhile,
    /// we know better.
    pub(crate) fn correct(&mut self, seen: Observed, desired: &Desired) {
        let Self { observed, answered, touched, .. } = self;
        let is_old = |stack: &StackId| touched.contains(&Some(stack.clone()));
        let asked: Vec<Question> = seen
            .questions()
            .filter(|question| desired.asks(question) && !is_old(question.stack()))
            .collect();
        answered.retain(|question| is_old(question.stack()));
        answered.extend(asked);
        observed.stacks.retain(|stack, _| is_old(stack));
        observed.stacks.extend(seen.stacks.into_iter().filter(|(stack, _)| !is_old(stack)));
        observed.health.extend(seen.health);
        observed.addresses.extend(seen.addresses);
        observed.taken = seen.taken;
        if touched.is_empty() {
            observed.provisioning = seen.provisioning;
        }
        if !touched.contains(&None) {
            observed.shared = seen.shared;
            observed.doors = seen.doors;
            observed.bindings = seen.bindings;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::CloudError, fake::objects};
    use edgeway_alb_core::{Lookups, Settings, Step, desired, plan};

    fn stack(name: &str) -> StackId {
        StackId::ingress("default", name)
    }

    /// Two stacks, wished and built.
    fn built() -> (Desired, Memory) {
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let mut wishes = desired(&objects(&["a", "b"]), &Settings::new("test", "vpc"), &lookups);
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        let mut memory = Memory::of(Observed::default(), &wishes);
        for step in plan(&wishes, &Observed::default()).steps {
            memory.observed.take(&step);
        }
        memory.learn(&BTreeSet::new(), BTreeSet::new(), &[]);
        (wishes, memory)
    }

    fn failure(step: Step) -> Failure {
        Failure { step, error: CloudError::Unknown("x".into()) }
    }

    #[test]
    fn what_was_built_need_not_be_looked_at() {
        let (wishes, memory) = built();
        assert_eq!(memory.lacks(&wishes, BTreeSet::new()), None);
    }

    #[test]
    fn only_what_failed_is_doubted() {
        let (wishes, mut memory) = built();
        let plan = plan(&wishes, &Observed::default());
        let of = |id: Option<StackId>| plan.steps.iter().find(|it| it.stack == id).unwrap().clone();
        memory.learn(&BTreeSet::new(), BTreeSet::new(), &[failure(of(Some(stack("a"))))]);
        assert_eq!(memory.lacks(&wishes, BTreeSet::new()), Some([stack("a")].into()));
        let seen = memory.observed.clone();
        memory.renew(&[stack("a")].into(), seen, &wishes);
        assert_eq!(memory.lacks(&wishes, BTreeSet::new()), None);
        memory.learn(&BTreeSet::new(), BTreeSet::new(), &[failure(of(None))]);
        assert!(memory.kept().is_none(), "what all need has failed");
    }

    #[test]
    fn what_was_done_meanwhile_is_known_better() {
        let (wishes, mut memory) = built();
        memory.mark();
        memory.learn(&BTreeSet::new(), [Some(stack("a"))].into(), &[]);
        memory.correct(Observed::default(), &wishes);
        assert_eq!(memory.observed.stacks.keys().cloned().collect::<Vec<_>>(), [stack("a")]);
    }
}
