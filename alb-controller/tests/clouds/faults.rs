//! AWS that fails: it loses answers, or the controller ends in the middle. The end is the same.

use crate::{
    cloud::{Cloud, local},
    manifests::{BACKENDS, plain, read, rich},
};
use edgeway_alb_controller::{
    Metrics, Reconciler,
    aws::{Aws, Call, CloudError, Sight, Watched},
};
use edgeway_alb_core::{Desired, Lookups, Needs, Observed, Step, readiness::Fitnesses};
use edgeway_api::Objects;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is done after so many steps.
    Crash(usize),
    /// Every so many steps the answer is lost, and the step is done.
    Lost(usize),
    /// Every so many steps AWS refuses.
    Refused(usize),
}

/// AWS with a fault.
#[derive(Clone)]
struct Faulty {
    aws: Aws,
    fault: Fault,
    steps: Arc<AtomicUsize>,
}

fn unreachable() -> CloudError {
    CloudError::Unreachable { call: Call::CreateRule, cause: "the answer is lost".into() }
}

impl edgeway_alb_controller::aws::Cloud for Faulty {
    async fn look_up(&self, needs: &Needs) -> Result<Lookups, CloudError> {
        self.aws.look_up(needs).await
    }

    async fn observe(&self, desired: &Desired, sight: &Sight) -> Result<Observed, CloudError> {
        self.aws.observe(desired, sight).await
    }

    async fn check(
        &self,
        watched: &Watched,
        observed: &mut Observed,
    ) -> Result<Fitnesses, CloudError> {
        self.aws.check(watched, observed).await
    }

    async fn remember(&self, observed: &Observed) {
        self.aws.remember(observed).await;
    }

    fn gently(&self) -> Self {
        Self { aws: self.aws.gently(), ..self.clone() }
    }

    async fn apply(&self, step: &Step) -> Result<Option<String>, CloudError> {
        let count = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Fault::Crash(after) if count > after => Err(unreachable()),
            Fault::Refused(every) if count.is_multiple_of(every) => {
                Err(CloudError::Throttled { call: Call::CreateRule, cause: "no more".into() })
            }
            Fault::Lost(every) if count.is_multiple_of(every) => {
                drop(self.aws.apply(step).await);
                Err(unreachable())
            }
            Fault::Crash(_) | Fault::Refused(_) | Fault::Lost(_) => self.aws.apply(step).await,
        }
    }
}

async fn faulty(cloud: &Cloud, fault: Fault) -> Reconciler<Faulty> {
    let config = &cloud.config;
    let aws = Aws::connect(&config.connection, &config.settings, Metrics::default()).await;
    let faulty = Faulty { aws, fault, steps: Arc::default() };
    // Nothing that was done is shown late here.
    let reconciler = Reconciler::new(faulty, config.settings.clone(), Metrics::default());
    reconciler.with_lag(Duration::ZERO)
}

/// Passes until nothing is left to do, but no more than a few.
async fn finish(reconciler: &mut Reconciler<Faulty>, objects: &Objects) {
    for _ in 0..40 {
        reconciler.later();
        let pass = reconciler.pass(objects, &|_| {}).await;
        if pass.is_ok_and(|pass| pass.plan.is_settled()) {
            return;
        }
    }
    panic!("it does not come to an end");
}

/// How many steps there are from nothing to `objects`, and what stands then.
async fn whole(objects: &Objects) -> (usize, Vec<String>) {
    let cloud = local().await;
    let mut reconciler = faulty(&cloud, Fault::Crash(usize::MAX)).await;
    let first = reconciler.pass(objects, &|_| {}).await.unwrap();
    finish(&mut reconciler, objects).await;
    (first.taken, cloud.rules().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_step_changes_nothing_about_the_end() {
    let objects = read(&[BACKENDS, &plain()]);
    let (steps, rules) = whole(&objects).await;
    assert!(steps >= 6, "{steps}");
    let cloud = local().await;
    for after in 0..steps {
        let mut first = faulty(&cloud, Fault::Crash(after)).await;
        drop(first.pass(&objects, &|_| {}).await);
        let mut second = faulty(&cloud, Fault::Crash(usize::MAX)).await;
        finish(&mut second, &objects).await;
        assert_eq!(cloud.rules().await, rules, "after {after} steps");
        finish(&mut second, &read(&[BACKENDS])).await;
        assert_eq!(cloud.left_over().await, <[String; 0]>::default(), "after {after} steps");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_and_refusals_change_nothing_about_the_end() {
    let objects = read(&[BACKENDS, &rich("5", "/api")]);
    let (_, rules) = whole(&objects).await;
    for fault in [Fault::Lost(3), Fault::Refused(3)] {
        let cloud = local().await;
        let mut reconciler = faulty(&cloud, fault).await;
        finish(&mut reconciler, &objects).await;
        assert_eq!(cloud.rules().await, rules, "{fault:?}");
        finish(&mut reconciler, &read(&[BACKENDS])).await;
        assert_eq!(cloud.left_over().await, <[String; 0]>::default(), "{fault:?}");
    }
}
