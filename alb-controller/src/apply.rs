//! Walking a plan, several stacks at a time. A step that fails stops what depends on it and nothing
//! else; nothing is taken away from a stack after one of its steps has failed.

use crate::{
    aws::{Cloud, CloudError},
    damage::Damage,
    event::Event,
};
use edgeway_alb_core::{Observed, Plan, StackId, Step, plan::Op};
use edgeway_api::Objects;
use edgeway_gateway::lease::Tenure;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use std::{collections::BTreeSet, pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How many stacks are worked on at a time.
const LANES: usize = 16;

/// For how long newer objects wait for the end of a walk.
const PATIENCE: Duration = Duration::from_secs(1);

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
    /// Whose steps they were.
    pub(crate) touched: BTreeSet<Option<StackId>>,
    /// Steps that failed.
    pub(crate) failures: Vec<Failure>,
    /// How many steps were left out because of these, because another replica may lead, because
    /// another plan is due, or because all is to end.
    pub(crate) skipped: usize,
}

/// What a walk goes by.
pub(crate) struct Way<'w> {
    /// Asked before each step.
    pub(crate) tenure: &'w Tenure,
    /// Once it is cancelled, no step is begun.
    pub(crate) stop: &'w CancellationToken,
    /// Where newer objects come from: a long walk ends for them, and what is left is planned anew.
    pub(crate) newer: Option<&'w watch::Receiver<Arc<Objects>>>,
    /// Stacks that nothing is taken away from.
    pub(crate) held: BTreeSet<Option<StackId>>,
    /// Who is told.
    pub(crate) tell: &'w (dyn Fn(Event) + Sync),
}

/// Takes all steps that can be taken, for as long as the tenure holds, and notes in `observed` what
/// they have done. Steps for what all have in common come before and after those of the stacks;
/// stacks do not wait for each other, and the one with the fewest steps begins.
pub(crate) async fn walk<C: Cloud>(
    cloud: &C,
    plan: &Plan,
    observed: &mut Observed,
    way: &Way<'_>,
) -> Walk {
    let begin = Instant::now();
    let (first, lanes, last) = split(&plan.steps);
    let damage = Damage::holding(way.held.clone());
    let mut sum = Sum { observed, walk: Walk::default(), damage, end: None };
    let first = Lane::new(first, &sum.damage);
    sum.add(first.follow(cloud, way, begin).await);
    if sum.end.is_none() {
        let shared = sum.damage.clone();
        let mut waiting = lanes.into_iter().map(|steps| Lane::new(steps, &shared));
        let mut running = FuturesUnordered::new();
        running.extend(waiting.by_ref().take(LANES).map(|lane| lane.start(cloud, way, begin)));
        while let Some(ended) = running.next().await {
            sum.add(ended);
            running.extend(waiting.next().map(|lane| lane.start(cloud, way, begin)));
        }
    } else {
        sum.walk.skipped += lanes.iter().map(Vec::len).sum::<usize>();
    }
    if sum.end.is_none() {
        let last = Lane::new(last, &sum.damage);
        sum.add(last.follow(cloud, way, begin).await);
    } else {
        sum.walk.skipped += last.len();
    }
    if sum.end == Some(End::Deposed) {
        (way.tell)(Event::Deposed);
    }
    sum.observed.attach();
    sum.walk
}

/// The steps of one stack, in order.
type Steps<'p> = Vec<&'p Step>;

/// A lane that is being walked.
type Running<'p> = Pin<Box<dyn Future<Output = Lane<'p>> + Send + 'p>>;

/// What comes first for all, what each stack needs, what comes last for all.
fn split(steps: &[Step]) -> (Steps<'_>, Vec<Steps<'_>>, Steps<'_>) {
    let is_own = |step: &Step| step.stack.is_some();
    let begin = steps.iter().position(is_own).unwrap_or(steps.len());
    let end = steps.iter().rposition(is_own).map_or(begin, |last| last + 1);
    let (before, rest) = steps.split_at(begin);
    let (own, after) = rest.split_at(end - begin);
    let mut lanes: Vec<Steps<'_>> =
        own.chunk_by(|one, other| one.stack == other.stack).map(|it| it.iter().collect()).collect();
    lanes.sort_by_key(Vec::len);
    (before.iter().collect(), lanes, after.iter().collect())
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Deposed,
    Stopped,
    Newer,
}

/// The way of one stack, and how far it has come.
struct Lane<'p> {
    steps: Steps<'p>,
    damage: Damage,
    taken: Vec<(&'p Step, Option<String>)>,
    failures: Vec<Failure>,
    skipped: usize,
    end: Option<End>,
}

impl<'p> Lane<'p> {
    fn new(steps: Steps<'p>, damage: &Damage) -> Self {
        let (taken, failures) = (Vec::new(), Vec::new());
        Self { steps, damage: damage.clone(), taken, failures, skipped: 0, end: None }
    }

    /// The same as [`Lane::follow`], boxed.
    fn start<C: Cloud>(self, cloud: &'p C, way: &'p Way<'p>, begin: Instant) -> Running<'p> {
        Box::pin(self.follow(cloud, way, begin))
    }

    async fn follow<C: Cloud>(mut self, cloud: &C, way: &Way<'_>, begin: Instant) -> Self {
        let steps = std::mem::take(&mut self.steps);
        for (at, step) in steps.iter().copied().enumerate() {
            self.end = way.ends(begin);
            if self.end.is_some() {
                self.skipped += steps.len() - at;
                break;
            }
            if self.damage.forbids(step) {
                self.damage.spread(step);
                self.skipped += 1;
                continue;
            }
            match cloud.apply(step).await {
                Ok(address) => {
                    self.taken.push((step, address));
                    (way.tell)(Event::Took { stack: step.stack.clone(), step: step.to_string() });
                }
                Err(error) => {
                    let (what, why) = (step.to_string(), error.line());
                    (way.tell)(Event::Failed { stack: step.stack.clone(), what, why });
                    self.damage.note(step);
                    self.failures.push(Failure { step: step.clone(), error });
                }
            }
        }
        self
    }
}

impl Way<'_> {
    fn ends(&self, begin: Instant) -> Option<End> {
        let has_newer = || self.newer.is_some_and(|newer| newer.has_changed().unwrap_or(false));
        if !self.tenure.holds() {
            Some(End::Deposed)
        } else if self.stop.is_cancelled() {
            Some(End::Stopped)
        } else if begin.elapsed() >= PATIENCE && has_newer() {
            Some(End::Newer)
        } else {
            None
        }
    }
}

/// How far all have come.
struct Sum<'o> {
    observed: &'o mut Observed,
    walk: Walk,
    damage: Damage,
    end: Option<End>,
}

impl Sum<'_> {
    fn add(&mut self, lane: Lane<'_>) {
        for (step, address) in &lane.taken {
            self.observed.take(step);
            let named = |address: &String| (step.key.to_string(), address.clone());
            self.observed.addresses.extend(address.as_ref().map(named));
            self.walk.touched.insert(step.stack.clone());
        }
        self.walk.taken += lane.taken.len();
        self.walk.skipped += lane.skipped;
        self.walk.touched.extend(lane.failures.iter().map(|failure| failure.step.stack.clone()));
        self.walk.failures.extend(lane.failures);
        self.damage.add(lane.damage);
        self.end = self.end.or(lane.end);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeCloud, objects, refused};
    use edgeway_alb_core::{Key, Lookups, Settings, desired, plan};

    /// A plan that builds two stacks, `a` and `b`, in AWS that is empty.
    fn plan_for_two() -> Plan {
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let mut wishes = desired(&objects(&["a", "b"]), &Settings::new("test", "vpc"), &lookups);
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        plan(&wishes, &Observed::default())
    }

    async fn walk_over(cloud: &FakeCloud, plan: &Plan) -> Walk {
        let held = BTreeSet::new();
        let (tenure, stop) = (&Tenure::always(), &CancellationToken::new());
        let way = Way { tenure, stop, newer: None, held, tell: &|_| {} };
        walk(cloud, plan, &mut Observed::default(), &way).await
    }

    async fn failing(kind: &'static str) -> (Walk, Vec<String>) {
        let cloud = FakeCloud::default();
        cloud.fail(kind, refused);
        let walk = walk_over(&cloud, &plan_for_two()).await;
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
        walk_over(&cloud, &plan).await;
        assert_eq!(count(&cloud.tried(), "delete-target-group"), 0);
        let cloud = FakeCloud::default();
        walk_over(&cloud, &plan).await;
        assert_eq!(count(&cloud.tried(), "delete-target-group"), 1);
    }

    #[tokio::test]
    async fn nothing_is_taken_away_from_a_stack_that_may_be_shown_as_it_was() {
        let mut plan = plan_for_two();
        let last = plan.steps.last().unwrap().clone();
        let (key, op) = (Key::TargetGroup("old".into()), Op::DeleteTargetGroup);
        plan.steps.push(Step { key, op, ..last.clone() });
        let cloud = FakeCloud::default();
        let held = BTreeSet::from([last.stack]);
        let (tenure, stop) = (&Tenure::always(), &CancellationToken::new());
        let way = Way { tenure, stop, newer: None, held, tell: &|_| {} };
        let walk = walk(&cloud, &plan, &mut Observed::default(), &way).await;
        assert_eq!((walk.taken, walk.skipped), (plan.steps.len() - 1, 1), "the rest is done");
        assert_eq!(count(&cloud.tried(), "delete-target-group"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn stacks_do_not_wait_for_each_other() {
        let cloud = FakeCloud::default();
        cloud.slow("create-load-balancer", Duration::from_secs(60));
        let begin = Instant::now();
        let walk = walk_over(&cloud, &plan_for_two()).await;
        assert!(walk.failures.is_empty());
        assert_eq!(begin.elapsed(), Duration::from_secs(60), "both at the same time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_walk_ends_for_newer_objects() {
        let cloud = FakeCloud::default();
        cloud.slow("create-load-balancer", PATIENCE);
        let (objects, newer) = watch::channel(Arc::default());
        objects.send_replace(Arc::new(Objects::default()));
        let held = BTreeSet::new();
        let (tenure, stop) = (&Tenure::always(), &CancellationToken::new());
        let way = Way { tenure, stop, newer: Some(&newer), held, tell: &|_| {} };
        let plan = plan_for_two();
        let walk = walk(&cloud, &plan, &mut Observed::default(), &way).await;
        assert_eq!(cloud.tried().last().map(String::as_str), Some("create-load-balancer"));
        assert_eq!(walk.taken + walk.skipped, plan.steps.len());
        assert!(walk.skipped >= 4, "{walk:?}");
    }
}
