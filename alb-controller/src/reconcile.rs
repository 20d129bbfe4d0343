//! One pass: look up, wish, observe, plan, walk, report.

mod haste;
mod refused;
mod wishes;

use crate::{
    apply::{Failure, Walk, Way, walk},
    aws::{Cloud, CloudError, Sight, Watched},
    doubts::{Doubts, LAG},
    event::{Event, Status},
    memory::Memory,
    metrics::Metrics,
    patrol::Sighting,
    report::report,
    state::states,
    status::identities,
    views::Survey,
    watch::watched,
};
use edgeway_alb_core::{
    Desired, Lookups, Needs, Observed, Plan, Question, Settings, StackId,
    plan::plan,
    readiness::{self, Fitnesses, gates},
};
use edgeway_api::{Objects, Problem};
use edgeway_gateway::lease::Tenure;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// Makes passes, and remembers between them what need not be asked each time.
#[derive(Debug)]
pub struct Reconciler<C> {
    cloud: C,
    settings: Settings,
    metrics: Metrics,
    lookups: Option<(Needs, Lookups, Instant)>,
    memory: Option<Memory>,
    doubts: Doubts,
    /// Whether somebody else has acted until now.
    anew: bool,
    status: Status,
    tenure: Tenure,
    /// Once it is cancelled, no step is begun.
    stop: CancellationToken,
    newer: Option<watch::Receiver<Arc<Objects>>>,
    /// What was wished in the last pass.
    wished: Option<Arc<Desired>>,
    /// Of which objects, and of what was looked up when.
    basis: Option<(Arc<Objects>, Instant)>,
    /// The objects that are acted on now, or have been last.
    given: Option<Arc<Objects>>,
    /// What is to be looked at once some time has passed.
    watched: Watched,
    /// Whether it has.
    late: bool,
    /// Whose turn it is to be watched, where there are many.
    turn: usize,
}

/// How a pass ended.
#[derive(Debug)]
pub struct Pass {
    /// The plan.
    pub plan: Plan,
    /// Steps that were taken.
    pub taken: usize,
    /// Steps that failed.
    pub failures: Vec<Failure>,
    /// How many addresses are to be told as soon as a target is well.
    pub awaits: usize,
    /// How many pods' readiness gates open then.
    pub gates: usize,
    /// For how long AWS may show something that was done as not done yet.
    pub doubts: Option<Duration>,
}

impl<C: Cloud> Reconciler<C> {
    /// Nothing is called yet.
    pub fn new(cloud: C, settings: Settings, metrics: Metrics) -> Self {
        Self {
            cloud,
            settings,
            metrics,
            lookups: None,
            memory: None,
            doubts: Doubts::new(LAG),
            anew: false,
            status: Status::default(),
            tenure: Tenure::always(),
            stop: CancellationToken::new(),
            newer: None,
            wished: None,
            basis: None,
            given: None,
            watched: Watched::default(),
            late: false,
            turn: 0,
        }
    }

    /// Ends long walks when newer objects come from there.
    pub(crate) fn heed(&mut self, objects: watch::Receiver<Arc<Objects>>) {
        self.newer = Some(objects);
    }

    /// Changes nothing unless `tenure` holds.
    #[must_use]
    pub fn under(self, tenure: Tenure) -> Self {
        Self { tenure, ..self }
    }

    /// Begins no step after `stop`.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Takes AWS to show what was done that long after it at last; 10 s unless this is told.
    #[must_use]
    pub fn with_lag(self, lag: Duration) -> Self {
        Self { doubts: Doubts::new(lag), ..self }
    }

    /// How things stood after the last pass.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What is wished and what stands, what would be done about it, and what users should mend.
    pub async fn survey(&mut self, objects: &Objects) -> Result<Survey, CloudError> {
        let desired = Arc::unwrap_or_clone(self.wishes(objects).await?);
        let observed = self.cloud.observe(&desired, &Sight::Whole).await?;
        let plan = plan(&desired, &observed);
        let problems = report(&desired, &plan, &[]);
        Ok(Survey { desired, observed, plan, problems })
    }

    /// Begins to act where another has acted until now, perhaps: what the first look shows may be older than
    /// what that one did.
    pub(crate) fn begin(&mut self) {
        self.anew = true;
        self.look_again();
    }

    /// Does what is to be done now.
    pub async fn pass(
        &mut self,
        objects: &Objects,
        tell: &(impl Fn(Event) + Sync),
    ) -> Result<Pass, CloudError> {
        let start = Instant::now();
        let result = self.attempt(objects, tell).await;
        self.note_sight(result.as_ref().err());
        let outcome = match &result {
            Ok(pass) => {
                for failure in &pass.failures {
                    self.metrics.failed(&failure.error);
                }
                if pass.failures.is_empty() { "done" } else { "partly" }
            }
            Err(error) => {
                self.metrics.failed(error);
                self.status.settled = false;
                "unseen"
            }
        };
        self.metrics.passed(outcome, start.elapsed());
        self.status.passes += 1;
        result
    }

    /// Looks at AWS as a pass would, so that the first one need not begin from nothing.
    pub async fn look_on(&mut self, objects: &Objects) -> Result<(), CloudError> {
        let result = self.survey(objects).await;
        self.note_sight(result.as_ref().err());
        result.map(drop)
    }

    fn note_sight(&mut self, error: Option<&CloudError>) {
        self.status.unreachable = error.map(CloudError::line);
        self.status.seen |= error.is_none();
    }

    async fn attempt(
        &mut self,
        objects: &Objects,
        tell: &(impl Fn(Event) + Sync),
    ) -> Result<Pass, CloudError> {
        let desired = self.wishes(objects).await?;
        let (mut memory, seen) = self.look(&desired).await?;
        let plan = plan(&desired, &memory.observed);
        if !plan.is_empty() {
            tell(Event::Planned(plan.summary()));
        }
        for pending in &plan.pending {
            tell(Event::Waiting(pending.to_string()));
        }
        if std::mem::take(&mut self.anew) {
            self.doubts.begin(&plan, &desired.stacks.keys().collect(), Instant::now());
        }
        let before: BTreeSet<Question> = memory.observed.questions().collect();
        let held = self.doubts.stacks();
        let (tenure, stop, newer) = (&self.tenure, &self.stop, self.newer.as_ref());
        let way = Way { tenure, stop, newer, held, tell };
        let Walk { taken, touched, failures, skipped } =
            walk(&self.cloud, &plan, &mut memory.observed, &way).await;
        let now = Instant::now();
        self.doubts.note(&touched, &failures, &desired.stacks.keys().collect(), now);
        memory.learn(&before, touched, &failures);
        let observed = &memory.observed;
        self.metrics.steps(taken, failures.len(), skipped);
        let problems = report(&desired, &plan, &failures);
        let addresses = addresses(&desired, observed);
        self.status.states = states((&desired, observed), &plan, &self.status.states, &addresses);
        self.status.identities = identities(objects);
        self.note_refused(&failures).await;
        let sight = readiness::Sight { objects, desired: &desired, observed, seen: &seen };
        self.status.gates = gates(sight, &self.settings, &self.status.gates);
        let waiting = (&self.status.states, &self.status.gates);
        self.watched = watched((&desired, observed), &plan, waiting, self.turn);
        self.turn = self.turn.wrapping_add(1);
        self.cloud.remember(observed).await;
        self.memory = memory.kept();
        self.publish(&desired, problems, addresses, tell);
        self.wished = Some(desired);
        self.status.settled = plan.is_settled() && failures.is_empty();
        let awaits = self.status.states.values().filter(|state| state.awaits()).count();
        let gates = self.status.gates.values().filter(|gate| !gate.awaits.is_empty()).count();
        let doubts = self.doubts.wait(now);
        Ok(Pass { plan, taken, failures, awaits, gates, doubts })
    }

    /// Time has passed: the next pass looks at what it may have changed.
    pub fn later(&mut self) {
        self.late = true;
    }

    /// How to look at all of it without haste; nothing, where there is nothing to compare it with.
    pub(crate) fn sighting(
        &mut self,
    ) -> Option<impl Future<Output = Result<Sighting, CloudError>> + Send + use<C>>
    where
        C: 'static,
    {
        let desired = self.wished.clone()?;
        let needs = self.lookups.as_ref().map(|(needs, ..)| needs.clone())?;
        self.memory.as_mut()?.mark();
        let cloud = self.cloud.gently();
        Some(async move {
            let lookups = cloud.look_up(&needs).await?;
            let observed = cloud.observe(&desired, &Sight::Whole).await?;
            Ok(Sighting { desired, needs, lookups, observed })
        })
    }

    /// Goes by what was seen.
    pub(crate) fn take_in(&mut self, sighting: Sighting) {
        let Sighting { desired, needs, lookups, observed } = sighting;
        if let Some(memory) = &mut self.memory {
            memory.correct(observed, &desired);
            self.lookups = Some((needs, lookups, Instant::now()));
        }
    }

    /// Does not count on what is remembered: the next pass looks at AWS.
    pub fn look_again(&mut self) {
        self.memory = None;
    }

    /// What stands: as it is remembered, where that tells all that matters; and how targets are, as
    /// far as they were looked at just now.
    async fn look(&mut self, desired: &Desired) -> Result<(Memory, Fitnesses), CloudError> {
        let (late, now) = (std::mem::take(&mut self.late), Instant::now());
        let Some(mut memory) = self.memory.take() else {
            let observed = self.cloud.observe(desired, &Sight::Usual).await?;
            self.doubts.settle(now);
            return Ok((Memory::of(observed, desired), Fitnesses::new()));
        };
        let mut looked = Ok(Fitnesses::new());
        if let Some(stacks) = memory.lacks(desired, self.doubts.due(now)) {
            let seen = self.cloud.observe(desired, &memory.sight(&stacks)).await;
            looked = seen.map(|seen| {
                memory.renew(&stacks, seen, desired);
                Fitnesses::new()
            });
        }
        if looked.is_ok() && late && self.watched != Watched::default() {
            looked = self.cloud.check(&self.watched, &mut memory.observed).await;
        }
        match looked {
            Ok(seen) => {
                self.doubts.settle(now);
                Ok((memory, seen))
            }
            Err(error) => {
                // What is gone was remembered in vain; otherwise it only could not be asked.
                self.memory = Some(memory).filter(|_| error.code().is_none());
                Err(error)
            }
        }
    }

    /// Tells what is new.
    fn publish(
        &mut self,
        desired: &Desired,
        problems: Vec<Problem>,
        addresses: BTreeMap<StackId, String>,
        tell: &(impl Fn(Event) + Sync),
    ) {
        let known: BTreeSet<&Problem> = self.status.problems.iter().collect();
        let now: BTreeSet<&Problem> = problems.iter().collect();
        for solved in known.difference(&now) {
            tell(Event::Solved((*solved).clone()));
        }
        for new in now.difference(&known) {
            tell(Event::Problem((*new).clone()));
        }
        for (stack, address) in &addresses {
            if self.status.addresses.get(stack) != Some(address) {
                tell(Event::Address { stack: stack.clone(), address: address.clone() });
            }
        }
        self.status.problems = problems;
        self.status.addresses = addresses;
        self.status.members.clone_from(&desired.members);
        self.status.is_incomplete = desired.incomplete.is_some();
    }
}

/// DNS name of the load balancer that serves each stack.
fn addresses(desired: &Desired, observed: &Observed) -> BTreeMap<StackId, String> {
    let of = |id: &StackId| {
        let standing = observed.stacks.get(id)?;
        let wish = &desired.stacks.get(id)?.load_balancer;
        let all = || standing.load_balancers.values();
        let alike = all().find(|found| found.scheme == wish.scheme).or(all().next());
        let serving = standing.load_balancers.get(&wish.name).or(alike)?;
        observed.addresses.get(&serving.name).cloned()
    };
    desired.stacks.keys().filter_map(|id| Some((id.clone(), of(id)?))).collect()
}
