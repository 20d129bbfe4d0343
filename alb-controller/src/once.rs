//! Passes until nothing is left to do.

use crate::{
    aws::{Aws, Cloud, CloudError},
    backoff::needs_people,
    event::Event,
    reconcile::{Pass, Reconciler},
    run::{Config, Handle},
};
use edgeway_api::{Objects, Problem, Severity};
use std::time::Duration;
use tokio::time::sleep;

/// How many passes in a row may get nowhere.
const PATIENCE: u32 = 8;
/// The first and the longest wait for what takes its time.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Everything that users should mend, sorted.
    pub problems: Vec<Problem>,
    /// Why AWS could not be brought into line, if it could not.
    pub failure: Option<String>,
}

impl Outcome {
    /// Whether everything that was asked for is there.
    pub fn is_good(&self) -> bool {
        self.failure.is_none()
            && self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }
}

/// Brings AWS into line with `objects` and returns when nothing is left to do, or nothing can be
/// done.
pub async fn once(config: &Config, objects: &Objects, handle: &Handle) -> Outcome {
    let tenure = &config.tenure;
    let aws = Aws::connect(&config.connection, &config.settings, handle.metrics.clone()).await;
    let aws = aws.under(tenure.clone());
    let reconciler = Reconciler::new(aws, config.settings.clone(), handle.metrics.clone());
    let reconciler = reconciler.under(tenure.clone());
    finish(reconciler, objects, handle).await
}

/// The same, over any cloud.
async fn finish<C: Cloud>(
    mut reconciler: Reconciler<C>,
    objects: &Objects,
    handle: &Handle,
) -> Outcome {
    let tell = |event| handle.tell(event);
    let mut look = LOOK.0;
    let mut idle = 0;
    let failure = loop {
        reconciler.look_again();
        let result = reconciler.pass(objects, &tell).await;
        if let Err(error) = &result {
            handle.tell(Event::looking_failed(error));
        }
        match verdict(&result) {
            Verdict::End(failure) => break failure,
            Verdict::Again => (idle, look) = (0, LOOK.0),
            Verdict::Wait => {
                sleep(look).await;
                look = (look * 2).min(LOOK.1);
            }
            Verdict::Stuck(why) => {
                idle += 1;
                if idle >= PATIENCE {
                    break Some(why);
                }
                sleep(look).await;
                look = (look * 2).min(LOOK.1);
            }
        }
    };
    if failure.is_none() {
        handle.tell(Event::Settled);
    }
    Outcome { problems: reconciler.status().problems.clone(), failure }
}

/// What follows from a pass.
enum Verdict {
    /// It is over; with a failure if something could not be done.
    End(Option<String>),
    /// Something was done: look again.
    Again,
    /// Something takes its time.
    Wait,
    /// Nothing could be done, and perhaps it can in a while.
    Stuck(String),
}

fn verdict(result: &Result<Pass, CloudError>) -> Verdict {
    match result {
        Err(error) if needs_people(error) => Verdict::End(Some(error.line())),
        Err(error) => Verdict::Stuck(error.line()),
        Ok(pass) if pass.plan.is_settled() => Verdict::End(None),
        Ok(pass) if pass.failures.is_empty() && pass.plan.pending.is_empty() => Verdict::Again,
        Ok(pass) if pass.failures.is_empty() => Verdict::Wait,
        Ok(pass) => {
            let why = pass.failures.iter().map(|f| f.error.line()).collect::<Vec<_>>().join("; ");
            let hopeless = pass.failures.iter().all(|failure| needs_people(&failure.error));
            match (pass.taken, hopeless) {
                (0, true) => Verdict::End(Some(why)),
                (0, false) => Verdict::Stuck(why),
                (_, _) => Verdict::Again,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fake::{FakeCloud, objects, refused, stale},
        metrics::Metrics,
    };
    use edgeway_alb_core::Settings;

    async fn finish_on(cloud: FakeCloud) -> Outcome {
        let reconciler = Reconciler::new(cloud, Settings::new("test", "vpc"), Metrics::default());
        finish(reconciler, &objects(&["a"]), &Handle::default()).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nothing_is_left_to_do() {
        let outcome = finish_on(FakeCloud::default()).await;
        assert!(outcome.is_good(), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_too_early_is_tried_again() {
        let cloud = FakeCloud::default();
        cloud.hide(stale);
        cloud.fail("create-rule", stale);
        let outcome = finish_on(cloud).await;
        assert!(outcome.is_good(), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_aws_refuses_is_said_of_its_ingress() {
        let cloud = FakeCloud::default();
        for _ in 0..20 {
            cloud.fail("create-listener", refused);
            cloud.fail("create-security-group", refused);
        }
        let outcome = finish_on(cloud).await;
        assert!(
            outcome.failure.as_ref().is_some_and(|why| why.contains("no such thing")),
            "{outcome:?}"
        );
        assert!(!outcome.is_good());
        assert!(outcome.problems.iter().any(|problem| problem.code == "aws"), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_on_aws_that_cannot_be_seen() {
        let cloud = FakeCloud::default();
        for _ in 0..100 {
            cloud.hide(stale);
        }
        let outcome = finish_on(cloud).await;
        assert!(outcome.failure.is_some());
    }
}
