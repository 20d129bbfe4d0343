//! Targets that come and go are told to AWS before anything else is thought about: they wait for it.

use super::Reconciler;
use crate::{
    apply::{Walk, Way, walk},
    aws::Cloud,
    event::Event,
};
use edgeway_alb_core::{Question, haste};
use edgeway_api::Objects;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::Instant;

impl<C: Cloud> Reconciler<C> {
    /// Registers targets, and sends them away, where nothing but endpoints is other in `now` than when
    /// this was called last. The pass that follows does the rest, and again what has failed.
    pub(crate) async fn hasten(&mut self, now: &Arc<Objects>, tell: &(impl Fn(Event) + Sync)) {
        let before = self.given.replace(Arc::clone(now));
        let (Some(before), Some(wished)) = (before, self.wished.as_deref()) else { return };
        let (Some(memory), Some((_, lookups, _))) = (&mut self.memory, &self.lookups) else {
            return;
        };
        if memory.is_doubtful() {
            return;
        }
        let plan = haste((&before, now), (&self.settings, lookups), wished, &memory.observed);
        if plan.is_empty() {
            return;
        }
        tell(Event::Planned(plan.summary()));
        let held = self.doubts.stacks();
        let way = Way { tenure: &self.tenure, stop: &self.stop, newer: None, held, tell };
        let Walk { taken, touched, failures, skipped } =
            walk(&self.cloud, &plan, &mut memory.observed, &way).await;
        let all = wished.stacks.keys().collect();
        self.doubts.note(&touched, &failures, &all, Instant::now());
        // Registering makes nothing that could be asked about.
        let known: BTreeSet<Question> = memory.observed.questions().collect();
        memory.learn(&known, touched, &failures);
        for failure in &failures {
            self.metrics.failed(&failure.error);
        }
        self.metrics.steps(taken, failures.len(), skipped);
    }
}

#[cfg(test)]
mod tests {
    use super::Reconciler;
    use crate::{
        fake::{FakeCloud, objects, refused},
        metrics::Metrics,
    };
    use edgeway_alb_core::Settings;
    use edgeway_api::Objects;
    use std::sync::Arc;

    fn with_address(objects: &Objects, address: &str) -> Arc<Objects> {
        let mut objects = objects.clone();
        let mut slice = (*objects.endpoint_slices[0]).clone();
        slice.endpoints[0].addresses = vec![address.to_owned()];
        objects.endpoint_slices[0] = Arc::new(slice);
        Arc::new(objects)
    }

    #[tokio::test]
    async fn targets_come_and_go_before_the_pass_and_what_fails_is_its_to_do() {
        let cloud = Arc::new(FakeCloud::default());
        let settings = Settings::new("test", "vpc");
        let mut reconciler = Reconciler::new(Arc::clone(&cloud), settings, Metrics::default());
        let before = Arc::new(objects(&["a"]));
        reconciler.hasten(&before, &|_| {}).await;
        reconciler.pass(&before, &|_| {}).await.unwrap();
        let count = cloud.tried().len();
        let now = with_address(&before, "10.0.0.2");
        reconciler.hasten(&now, &|_| {}).await;
        assert_eq!(cloud.tried().split_off(count), ["register-targets", "deregister-targets"]);
        let pass = reconciler.pass(&now, &|_| {}).await.unwrap();
        assert_eq!((pass.taken, pass.failures.len(), cloud.looks()), (0, 0, 1));
        cloud.fail("register-targets", refused);
        let now = with_address(&before, "10.0.0.3");
        reconciler.hasten(&now, &|_| {}).await;
        let pass = reconciler.pass(&now, &|_| {}).await.unwrap();
        assert!(pass.taken > 0, "it is tried again");
    }
}
