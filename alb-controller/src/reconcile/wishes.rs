//! What is wished: made anew only where objects, or what was looked up of AWS, are others.

use super::Reconciler;
use crate::{
    aws::{Cloud, CloudError},
    memory::Memory,
};
use edgeway_alb_core::{Desired, Lookups, Needs, StackId, desired, needs};
use edgeway_api::Objects;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long what was looked up counts where it may have changed.
const FRESH: Duration = Duration::from_secs(60);

/// Problems that another look may solve.
const MISSED: &[&str] = &[
    "certificate-not-found",
    "load-balancer-not-found",
    "security-group-not-found",
    "subnets-not-found",
    "target-group-not-found",
    "trust-store-not-found",
    "web-acl-not-found",
];

impl<C: Cloud> Reconciler<C> {
    /// What is wished of `objects`, by what is known of AWS or looked up now.
    pub(super) async fn wishes(&mut self, objects: &Objects) -> Result<Arc<Desired>, CloudError> {
        let needs = needs(objects, &self.settings);
        let old = |at: &Instant| at.elapsed() >= FRESH;
        let (covered, old) = match &self.lookups {
            Some((known, _, at)) => (known.cover(&needs), old(at)),
            None => (false, true),
        };
        if !covered || (old && self.memory.as_ref().is_none_or(Memory::is_doubtful)) {
            return self.wishes_anew(objects, needs).await;
        }
        let wishes = self.wish(objects);
        if old && self.may_gain(&wishes) {
            drop(wishes);
            self.wishes_anew(objects, needs).await
        } else {
            Ok(wishes)
        }
    }

    async fn wishes_anew(
        &mut self,
        objects: &Objects,
        needs: Needs,
    ) -> Result<Arc<Desired>, CloudError> {
        let found = self.cloud.look_up(&needs).await?;
        self.lookups = Some((needs, found, Instant::now()));
        Ok(self.wish(objects))
    }

    fn wish(&mut self, objects: &Objects) -> Arc<Desired> {
        let none = Lookups::default();
        let (lookups, at) = match &self.lookups {
            Some((_, found, at)) => (found, Some(*at)),
            None => (&none, None),
        };
        let is_of = |of: &Arc<Objects>| std::ptr::eq(Arc::as_ptr(of), objects);
        if let (Some(wished), Some((of, looked_up))) = (&self.wished, &self.basis)
            && is_of(of)
            && at == Some(*looked_up)
        {
            return Arc::clone(wished);
        }
        // The old wishes go first: both at a time would be most of what is in memory.
        self.wished = None;
        let of = self.given.clone().filter(is_of);
        self.basis = of.zip(at);
        Arc::new(desired(objects, &self.settings, lookups))
    }

    /// Whether another look may change the wishes for the better: something is missed, or a load
    /// balancer is to be made.
    fn may_gain(&self, wishes: &Desired) -> bool {
        let misses = wishes.problems.iter().any(|problem| MISSED.contains(&problem.code));
        let known = |id: &StackId| {
            let stacks = self.memory.as_ref().map(|memory| &memory.observed.stacks);
            stacks.and_then(|stacks| stacks.get(id)).is_some_and(|s| !s.load_balancers.is_empty())
        };
        misses || !wishes.stacks.keys().all(known)
    }
}

#[cfg(test)]
mod tests {
    use super::Reconciler;
    use crate::{
        fake::{FakeCloud, objects},
        metrics::Metrics,
    };
    use edgeway_alb_core::Settings;
    use std::sync::Arc;

    #[tokio::test]
    async fn wishes_are_kept_as_long_as_nothing_is_other() {
        let cloud = Arc::new(FakeCloud::default());
        let settings = Settings::new("test", "vpc");
        let mut reconciler = Reconciler::new(cloud, settings, Metrics::default());
        let (one, two) = (Arc::new(objects(&["a"])), Arc::new(objects(&["a", "b"])));
        let mut wished = Vec::new();
        for given in [&one, &one, &two, &two, &one] {
            reconciler.hasten(given, &|_| {}).await;
            reconciler.pass(given, &|_| {}).await.unwrap();
            wished.extend(reconciler.wished.clone());
        }
        let counts: Vec<usize> = wished.iter().map(|wished| wished.stacks.len()).collect();
        assert_eq!(counts, [1, 1, 2, 2, 1]);
        let same: Vec<bool> = wished.windows(2).map(|two| Arc::ptr_eq(&two[0], &two[1])).collect();
        assert_eq!(same, [true, false, true, false]);
        reconciler.lookups = None;
        reconciler.pass(&one, &|_| {}).await.unwrap();
        let last = reconciler.wished.clone();
        assert!(last.is_some_and(|last| !Arc::ptr_eq(&last, &wished[4])), "AWS was asked anew");
    }
}
