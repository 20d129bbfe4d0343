//! What all workers know of a cluster together: how much of it is in use, and who is out.
//!
//! Found when a table comes into force, never for a request. Only clusters with a limit or with
//! outlier detection write here; the others pay nothing for it.

use super::{Idle, gate::Gate};
use crate::metrics::Metrics;
use edgeway_core::{
    cluster::{Outlier, RetryLimit},
    id::ClusterId,
    outlier::{Ejection, Ejections, Outcome, Tally},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// The clusters that any worker knows.
#[derive(Debug)]
pub(crate) struct Registry {
    metrics: Arc<Metrics>,
    clusters: Mutex<HashMap<ClusterId, Weak<SharedCluster>>>,
}

/// One cluster.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    id: ClusterId,
    metrics: Arc<Metrics>,
    requests: AtomicU32,
    retries: AtomicU32,
    /// Its connections, if they are limited.
    pub(super) gate: Arc<Gate<Idle>>,
    ejections: Mutex<Ejections>,
    /// Changes whenever an endpoint is taken out or comes back.
    version: AtomicU64,
    endpoints: Mutex<Endpoints>,
}

#[derive(Debug, Default)]
struct Endpoints {
    known: HashMap<SocketAddr, Arc<SharedEndpoint>>,
    /// There were some before.
    begun: bool,
}

/// One endpoint of a cluster that is watched.
#[derive(Debug)]
pub(crate) struct SharedEndpoint {
    /// Since when it is there; `None` for those that were there from the start.
    pub(crate) since: Option<Instant>,
    tally: Tally,
}

/// Counts a request or a retry while it lives.
#[derive(Debug)]
pub(crate) struct Counted {
    cluster: Arc<SharedCluster>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Request,
    Retry,
}

impl Registry {
    /// Knows nothing yet.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, clusters: Mutex::default() }
    }

    /// What is known of a cluster.
    pub(super) fn cluster(&self, id: &ClusterId) -> Arc<SharedCluster> {
        let mut clusters = lock(&self.clusters);
        if let Some(known) = clusters.get(id).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(SharedCluster {
            id: id.clone(),
            metrics: Arc::clone(&self.metrics),
            requests: AtomicU32::new(0),
            retries: AtomicU32::new(0),
            gate: Arc::default(),
            ejections: Mutex::default(),
            version: AtomicU64::new(0),
            endpoints: Mutex::default(),
        });
        clusters.insert(id.clone(), Arc::downgrade(&new));
        new
    }

    /// Forgets clusters that no worker knows any more.
    pub(super) fn forget_unused(&self) {
        lock(&self.clusters).retain(|_, cluster| cluster.strong_count() > 0);
    }
}

impl SharedCluster {
    /// Counts a request; `None` if there are as many as `limit` allows.
    pub(crate) fn begin_request(self: &Arc<Self>, limit: Option<u32>) -> Option<Counted> {
        self.count(What::Request, limit.unwrap_or(u32::MAX))
    }

    /// Counts a retry; `None` if there are as many as `limit` allows.
    pub(crate) fn begin_retry(self: &Arc<Self>, limit: RetryLimit) -> Option<Counted> {
        let most = match limit {
            RetryLimit::None => u32::MAX,
            RetryLimit::Count(most) => most,
            RetryLimit::Budget { basis_points, minimum } => {
                let requests = u64::from(self.requests.load(Relaxed));
                let share = requests * u64::from(basis_points) / 10_000;
                u32::try_from(share).unwrap_or(u32::MAX).max(minimum)
            }
        };
        self.count(What::Retry, most)
    }

    fn count(self: &Arc<Self>, what: What, most: u32) -> Option<Counted> {
        let more = |count: u32| (count < most).then(|| count + 1);
        self.counter(what).fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Counted { cluster: Arc::clone(self), what })
    }

    fn counter(&self, what: What) -> &AtomicU32 {
        match what {
            What::Request => &self.requests,
            What::Retry => &self.retries,
        }
    }

    /// What is known of an endpoint that is watched.
    pub(crate) fn endpoints(&self, addresses: &[SocketAddr]) -> Vec<Arc<SharedEndpoint>> {
        let mut endpoints = lock(&self.endpoints);
        let since = endpoints.begun.then(Instant::now);
        let known = addresses.iter().map(|address| {
            let new = || Arc::new(SharedEndpoint { since, tally: Tally::default() });
            Arc::clone(endpoints.known.entry(*address).or_insert_with(new))
        });
        let known: Vec<_> = known.collect();
        endpoints.begun |= !known.is_empty();
        if endpoints.known.len() > known.len() {
            endpoints.known.retain(|address, _| addresses.contains(address));
        }
        drop(endpoints);
        if lock(&self.ejections).retain(|address| addresses.contains(&address)) {
            self.changed();
        }
        known
    }

    /// Notes how a try at an endpoint went, and takes it out if it fails too often.
    pub(crate) fn note(
        &self,
        policy: &Outlier,
        (endpoint, address): (&SharedEndpoint, SocketAddr),
        total: usize,
        outcome: Outcome,
    ) {
        if !endpoint.tally.record(policy, outcome) {
            return;
        }
        let ejection = lock(&self.ejections).eject(policy, address, total, Instant::now());
        match ejection {
            Ejection::Made => {
                self.metrics.ejections.with_label_values(&[self.id.as_str()]).inc();
                tracing::info!(cluster = self.id.as_str(), %address, "taken out: it fails");
                self.changed();
            }
            Ejection::Refused => {
                self.metrics.ejections_refused.with_label_values(&[self.id.as_str()]).inc();
            }
            Ejection::Standing => {}
        }
    }

    /// Lets endpoints come back whose time is over.
    pub(crate) fn sweep(&self, policy: &Outlier, now: Instant) {
        if lock(&self.ejections).sweep(policy, now) > 0 {
            self.changed();
        }
    }

    /// Lets all endpoints come back: nobody watches them any more.
    pub(crate) fn watch_no_more(&self) {
        if lock(&self.ejections).retain(|_| false) {
            self.changed();
        }
    }

    /// Which of `addresses` may be used.
    pub(crate) fn usable(&self, addresses: impl Iterator<Item = SocketAddr>) -> Vec<bool> {
        let ejections = lock(&self.ejections);
        addresses.map(|address| !ejections.is_out(address)).collect()
    }

    /// Changes whenever [`Self::usable`] does.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    fn changed(&self) {
        let out = i64::try_from(lock(&self.ejections).len()).unwrap_or(i64::MAX);
        self.metrics.ejected.with_label_values(&[self.id.as_str()]).set(out);
        self.version.fetch_add(1, Relaxed);
    }
}

impl Drop for SharedCluster {
    fn drop(&mut self) {
        // It is there only if an endpoint was ever taken out.
        let _ = self.metrics.ejected.remove_label_values(&[self.id.as_str()]);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.cluster.counter(self.what).fetch_sub(1, Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Arc<SharedCluster> {
        let registry = Registry::new(Arc::new(Metrics::new().unwrap()));
        registry.cluster(&ClusterId::outbound(80, "", "a"))
    }

    #[test]
    fn limits_are_exact_and_end_with_what_they_count() {
        let cluster = cluster();
        let two: Vec<_> = (0..2).map(|_| cluster.begin_request(Some(2)).unwrap()).collect();
        assert!(cluster.begin_request(Some(2)).is_none());
        drop(two);
        assert!(cluster.begin_request(Some(2)).is_some());
    }

    #[test]
    fn a_budget_is_a_share_of_the_requests() {
        let cluster = cluster();
        let budget = RetryLimit::Budget { basis_points: 2000, minimum: 1 };
        let retries = |count: usize| {
            let made = std::iter::from_fn(|| cluster.begin_retry(budget)).take(100);
            assert_eq!(made.collect::<Vec<_>>().len(), count);
        };
        retries(1);
        let _requests: Vec<_> = (0..30).map(|_| cluster.begin_request(None)).collect();
        retries(6);
    }

    #[test]
    fn endpoints_of_the_start_are_warm_and_later_ones_are_not() {
        let cluster = cluster();
        let at = |last| SocketAddr::from(([10, 0, 0, last], 80));
        assert!(cluster.endpoints(&[]).is_empty());
        assert!(cluster.endpoints(&[at(1)])[0].since.is_none());
        let two = cluster.endpoints(&[at(1), at(2)]);
        assert!(two[0].since.is_none() && two[1].since.is_some());
        cluster.endpoints(&[at(2)]);
        assert!(cluster.endpoints(&[at(1), at(2)])[0].since.is_some());
    }

    #[test]
    fn who_is_out_is_told_to_all() {
        let cluster = cluster();
        let policy = Outlier {
            consecutive_errors: Some(1),
            max_ejection_percent: 100,
            ..Outlier::default()
        };
        let address = SocketAddr::from(([10, 0, 0, 1], 80));
        let endpoint = &cluster.endpoints(&[address])[0];
        let version = cluster.version();
        cluster.note(&policy, (endpoint, address), 1, Outcome::Status(500));
        assert_ne!(cluster.version(), version);
        assert_eq!(cluster.usable([address].into_iter()), [false]);
        cluster.watch_no_more();
        assert_eq!(cluster.usable([address].into_iter()), [true]);
    }
}
