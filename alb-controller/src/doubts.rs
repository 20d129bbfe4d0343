//! Stacks that AWS may not show as they are. After a step has failed its stack is looked at, and for
//! some seconds an answer may be older than what was done before; so may the first one, older than what
//! somebody else did who acted until then. Until it cannot be, nothing is taken away from the stack; then
//! it is looked at once more.

use crate::{apply::Failure, aws::CloudError, damage::takes_away};
use edgeway_alb_core::{Plan, StackId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// How old what AWS answers may be.
pub(crate) const LAG: Duration = Duration::from_secs(10);

/// Until when what is seen of which stacks may be old.
#[derive(Debug)]
pub(crate) struct Doubts {
    lag: Duration,
    until: BTreeMap<StackId, Instant>,
}

impl Doubts {
    pub(crate) fn new(lag: Duration) -> Self {
        Self { lag, until: BTreeMap::new() }
    }

    /// Steps were taken, and some failed. A failure of what `all` need is one of each.
    pub(crate) fn note(
        &mut self,
        touched: &BTreeSet<Option<StackId>>,
        failures: &[Failure],
        all: &BTreeSet<&StackId>,
        now: Instant,
    ) {
        if self.lag.is_zero() {
            return;
        }
        let until = now + self.lag;
        for (_, old) in
            self.until.iter_mut().filter(|(it, _)| touched.contains(&Some((*it).clone())))
        {
            *old = until;
        }
        for failure in failures.iter().filter(|failure| is_open(&failure.error)) {
            match &failure.step.stack {
                Some(stack) => drop(self.until.insert(stack.clone(), until)),
                None => self.until.extend(all.iter().map(|stack| ((*stack).clone(), until))),
            }
        }
    }

    /// A plan was made from the first look: what it takes away may be what another has just made. Something
    /// of what `all` need is something of each.
    pub(crate) fn begin(&mut self, plan: &Plan, all: &BTreeSet<&StackId>, now: Instant) {
        if self.lag.is_zero() {
            return;
        }
        let until = now + self.lag;
        for step in plan.steps.iter().filter(|step| takes_away(&step.op)) {
            match &step.stack {
                Some(stack) => drop(self.until.insert(stack.clone(), until)),
                None => self.until.extend(all.iter().map(|stack| ((*stack).clone(), until))),
            }
        }
    }

    /// Stacks that nothing may be taken away from.
    pub(crate) fn stacks(&self) -> BTreeSet<Option<StackId>> {
        self.until.keys().cloned().map(Some).collect()
    }

    /// Stacks that show as they are by now, and have to be looked at once more.
    pub(crate) fn due(&self, now: Instant) -> BTreeSet<StackId> {
        let due = self.until.iter().filter(|(_, until)| **until <= now);
        due.map(|(stack, _)| stack.clone()).collect()
    }

    /// Those that were due at that time have been looked at.
    pub(crate) fn settle(&mut self, then: Instant) {
        self.until.retain(|_, until| *until > then);
    }

    /// How long there is nothing to look at once more.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.until.values().min().map(|until| until.saturating_duration_since(now))
    }
}

/// Whether it is open what became of the step. What AWS had no room for was not done.
pub(crate) fn is_open(error: &CloudError) -> bool {
    !matches!(error, CloudError::Throttled { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Call;
    use edgeway_alb_core::{
        Key, Step,
        plan::{Op, Risk},
    };

    fn stack(name: &str) -> StackId {
        StackId::ingress("default", name)
    }

    fn failure(stack: Option<StackId>, error: CloudError) -> Failure {
        let (key, op) = (Key::TargetGroup("web".into()), Op::DeleteTargetGroup);
        let step = Step { stack, key, op, reason: String::new(), risk: Risk::InPlace };
        Failure { step, error }
    }

    fn lost() -> CloudError {
        CloudError::Unreachable { call: Call::CreateRule, cause: "lost".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_is_doubted_until_nothing_was_done_to_it_for_a_while() {
        let (mut doubts, begin) = (Doubts::new(LAG), Instant::now());
        let (a, b) = (stack("a"), stack("b"));
        let all = [&a, &b].into();
        let note = |doubts: &mut Doubts, touched: &[&StackId], failures: &[Failure], now| {
            let touched = touched.iter().map(|stack| Some((*stack).clone())).collect();
            doubts.note(&touched, failures, &all, now);
        };
        note(&mut doubts, &[&a, &b], &[failure(Some(a.clone()), lost())], begin);
        assert_eq!(doubts.stacks(), [Some(a.clone())].into());
        note(&mut doubts, &[&a, &b], &[], begin + LAG / 2);
        assert_eq!(doubts.due(begin + LAG), BTreeSet::new(), "something was done since");
        assert_eq!(doubts.wait(begin + LAG), Some(LAG / 2));
        assert_eq!(doubts.due(begin + LAG * 2), [a.clone()].into());
        doubts.settle(begin + LAG * 2);
        assert_eq!(doubts.wait(begin), None);
        note(&mut doubts, &[], &[failure(None, lost())], begin);
        assert_eq!(doubts.due(begin + LAG), [a, b].into(), "what all need is a part of each");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_first_look_would_take_away_stays_for_a_while() {
        let (mut doubts, begin) = (Doubts::new(LAG), Instant::now());
        let (a, b) = (stack("a"), stack("b"));
        let step = |stack: &StackId, op| Step { op, ..failure(Some(stack.clone()), lost()).step };
        let steps = vec![step(&a, Op::DeleteTargetGroup), step(&b, Op::DeleteTargetGroup)];
        let register = Op::Register(edgeway_alb_core::target::Targets::new());
        let mut plan = Plan { steps, ..Plan::default() };
        plan.steps[1].op = register;
        doubts.begin(&plan, &[&a, &b].into(), begin);
        assert_eq!(doubts.stacks(), [Some(a.clone())].into(), "what is given may be given at once");
        assert_eq!(doubts.due(begin + LAG), [a.clone()].into());
        doubts.settle(begin + LAG);
        plan.steps = vec![Step { stack: None, ..step(&a, Op::DeleteTargetGroup) }];
        doubts.begin(&plan, &[&a, &b].into(), begin);
        assert_eq!(doubts.stacks().len(), 2, "what all need is a part of each");
        let mut sure = Doubts::new(Duration::ZERO);
        sure.begin(&plan, &[&a, &b].into(), begin);
        assert_eq!(sure.stacks().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_aws_had_no_room_for_was_not_done() {
        let mut doubts = Doubts::new(LAG);
        let throttled = CloudError::Throttled { call: Call::CreateRule, cause: "no room".into() };
        let failures = [failure(Some(stack("a")), throttled)];
        doubts.note(&BTreeSet::new(), &failures, &BTreeSet::new(), Instant::now());
        assert_eq!(doubts.stacks(), BTreeSet::new());
    }
}
