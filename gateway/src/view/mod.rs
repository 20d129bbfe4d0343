//! A table as one worker serves it: each cluster beside what the worker knows of it, by position.
//!
//! Made when a table comes into force, so that a request finds everything without hashing a name.

mod counts;

pub(crate) use counts::Key;

use crate::{
    chance::Chance,
    live::{
        ClusterLive, Counted, EndpointLive, Free, InFlight, Live, Seating, SharedEndpoint, TlsName,
    },
    metrics::{Destination, Metrics, RouteCounts, Sample, Workload},
    tls::{ClientTls, Prepared, Servers},
};
use counts::{Counts, destination};
use edgeway_core::{
    cluster::{Cluster, UpstreamProtocol, UpstreamTls},
    id::{ClusterId, ClusterIx},
    outlier::Outcome,
    pick::{Balancer, Situation, Wish},
    table::{App, Hosts, Listener, Route, Table},
};
use http::Version;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

/// Who counts, and in whose name.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    /// Where counts go.
    pub(crate) metrics: Arc<Metrics>,
    /// The gateway itself.
    pub(crate) gateway: Arc<Workload>,
    /// Name of the cluster of machines that endpoints are in.
    pub(crate) cluster: Arc<str>,
}

/// A table's clusters.
pub(crate) struct View {
    /// By position; none where the table has no cluster.
    targets: Vec<Option<Rc<Target>>>,
    /// Those with outlier detection.
    watched: Vec<Rc<Target>>,
    /// Counts requests that went nowhere.
    nowhere: Counts,
    /// Counts requests by route, where a route asks for it.
    routes: RouteCounts,
}

/// One cluster of the table in force.
pub(crate) struct Target {
    cluster: Arc<Cluster>,
    /// TLS towards its endpoints; `None` if there is none, or it cannot be made.
    tls: Option<Arc<ClientTls>>,
    balancer: RefCell<Balancer>,
    /// Which endpoints were out when the balancer was made.
    version: Cell<u64>,
    live: Rc<ClusterLive>,
    /// In the order of the cluster's endpoints.
    endpoints: Vec<(Rc<EndpointLive>, Counts)>,
    /// The same endpoints as all workers see them; none unless the cluster is watched or warms up.
    shared: Vec<Arc<SharedEndpoint>>,
    /// Counts requests that reached no endpoint.
    unreached: Counts,
}

/// TLS that has to be and cannot be made: nothing goes out in clear instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoTls;

/// What a port serves at one moment.
pub(crate) struct Serving {
    /// The clusters that the listener's routes refer to by position.
    pub(crate) view: Rc<View>,
    /// The listener.
    pub(crate) listener: Arc<Listener>,
    /// The TLS of its servers.
    pub(crate) tls: Servers,
}

impl View {
    /// The view of `table`, keeping what `before` has of clusters that did not change.
    pub(crate) fn new(
        table: &Table,
        tls: &Prepared,
        live: &mut Live,
        before: &Self,
        chance: &Chance,
    ) -> Self {
        let mut by_name = None;
        let targets = table.clusters.slots().enumerate().map(|(at, cluster)| {
            let cluster = cluster?;
            let tls = match cluster.policy.tls {
                UpstreamTls::Originate(_) => tls.client(&cluster.id),
                UpstreamTls::Disabled | UpstreamTls::Unsupported => None,
            };
            let is_same = |target: &&Rc<Target>| {
                Arc::ptr_eq(&target.cluster, cluster)
                    && target.tls.as_ref().map(Arc::as_ptr) == tls.map(Arc::as_ptr)
            };
            let there = before.targets.get(at).and_then(Option::as_ref);
            if let Some(same) = there.filter(is_same) {
                return Some(Rc::clone(same));
            }
            // All was compiled anew: clusters may stand elsewhere.
            let by_name = by_name.get_or_insert_with(|| before.by_name());
            let same = by_name.get(&cluster.id).copied().filter(is_same);
            Some(same.map_or_else(
                || Rc::new(Target::new(Arc::clone(cluster), tls.cloned(), live, chance)),
                Rc::clone,
            ))
        });
        let targets: Vec<_> = targets.collect();
        let there = targets.iter().flatten();
        let watched = there.filter(|target| target.cluster.policy.outlier.is_some());
        Self { watched: watched.cloned().collect(), targets, ..Self::empty() }
    }

    fn by_name(&self) -> HashMap<&ClusterId, &Rc<Target>> {
        self.targets.iter().flatten().map(|target| (&target.cluster.id, target)).collect()
    }

    /// Lets endpoints come back whose time out is over, and closes connections that have been
    /// unused for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        for target in self.targets.iter().flatten() {
            let policy = &target.cluster.policy;
            if policy.protocol != UpstreamProtocol::Http1 {
                target.endpoints.iter().for_each(|(live, _)| live.sessions().sweep(policy, now));
            }
        }
        for target in &self.watched {
            if let Some(policy) = &target.cluster.policy.outlier {
                target.live.shared().sweep(policy, now);
            }
        }
    }

    /// The view of the empty table.
    pub(crate) fn empty() -> Self {
        Self {
            targets: Vec::new(),
            watched: Vec::new(),
            nowhere: Counts::default(),
            routes: RouteCounts::default(),
        }
    }

    /// The cluster at a position that the table gave out.
    pub(crate) fn target(&self, ix: ClusterIx) -> Option<&Rc<Target>> {
        self.targets.get(ix.0 as usize)?.as_ref()
    }

    /// Counts a request that went nowhere.
    pub(crate) fn count(&self, key: Key, sample: Sample, reporter: &Reporter) {
        self.nowhere.add(key, sample, reporter, Destination::unknown);
    }

    /// Counts a request of a route that asks for it.
    pub(crate) fn count_route(&self, route: &Route, status: u16, time: f64, reporter: &Reporter) {
        if let Some(prefix) = &route.stat_prefix {
            let families = &reporter.metrics.routes;
            self.routes.add(families, (prefix, &route.virtual_service), (status, time));
        }
    }

    /// Makes visible what was counted.
    pub(crate) fn flush(&self) {
        self.nowhere.flush();
        self.routes.flush();
        for target in self.targets.iter().flatten() {
            target.unreached.flush();
            target.endpoints.iter().for_each(|(_, counts)| counts.flush());
        }
    }
}

impl Target {
    fn new(
        cluster: Arc<Cluster>,
        tls: Option<Arc<ClientTls>>,
        live: &mut Live,
        chance: &Chance,
    ) -> Self {
        let known = live.cluster(&cluster.id, || chance.draw());
        let addresses: Vec<_> = cluster.endpoints.iter().map(|endpoint| endpoint.address).collect();
        let endpoints =
            addresses.iter().map(|address| (known.endpoint(*address), Counts::default())).collect();
        known.settle(&cluster.policy.limits);
        let shared = known.shared();
        let watched = cluster.policy.outlier.is_some();
        let of_all = if watched || cluster.policy.warm_up.is_some() {
            shared.endpoints(&addresses)
        } else {
            Vec::new()
        };
        if !watched {
            shared.watch_no_more();
        }
        let target = Self {
            version: Cell::new(shared.version()),
            balancer: RefCell::new(Balancer::new(Arc::clone(&cluster), |_| true)),
            live: known,
            endpoints,
            shared: of_all,
            unreached: Counts::default(),
            cluster,
            tls,
        };
        if watched {
            target.balance();
        }
        target
    }

    /// Makes the choice anew among the endpoints that are not out.
    fn balance(&self) {
        let shared = self.live.shared();
        // Before the question: what changes after it is seen next time.
        self.version.set(shared.version());
        let usable = shared.usable(self.cluster.endpoints.iter().map(|endpoint| endpoint.address));
        let usable = |at: usize| usable.get(at).copied().unwrap_or(true);
        let renewed = self.balancer.borrow().renewed(usable);
        self.balancer.replace(renewed);
    }

    /// The cluster as the table has it.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// TLS towards its endpoints; an error if there has to be some and there is none.
    pub(crate) fn tls(&self) -> Result<Option<&Arc<ClientTls>>, NoTls> {
        match (&self.cluster.policy.tls, &self.tls) {
            (UpstreamTls::Disabled, _) => Ok(None),
            (UpstreamTls::Originate(_), Some(tls)) => Ok(Some(tls)),
            (UpstreamTls::Originate(_), None) | (UpstreamTls::Unsupported, _) => Err(NoTls),
        }
    }

    /// The TLS of a connection for requests to a host, which is only looked at where the policy
    /// names none; without one, the endpoint is asked for by its address.
    pub(crate) fn tls_name(
        &self,
        host: impl FnOnce() -> Option<Arc<str>>,
    ) -> Result<TlsName, NoTls> {
        Ok(self.tls()?.map_or_else(TlsName::default, |tls| TlsName {
            tls: Some(Arc::clone(tls)),
            host: if tls.has_name() { None } else { host() },
        }))
    }

    /// Whether the endpoints are spoken to in HTTP/2 for a client that speaks `version`.
    pub(crate) fn speaks_http2(&self, version: Version) -> bool {
        match self.cluster.policy.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::AsClient => version == Version::HTTP_2,
        }
    }

    /// The endpoint at a position that [`Self::pick`] gave out.
    pub(crate) fn endpoint(&self, at: usize) -> Option<&Rc<EndpointLive>> {
        self.endpoints.get(at).map(|(endpoint, _)| endpoint)
    }

    /// The position of an endpoint for the next try; `None` if there is none to choose.
    pub(crate) fn pick(&self, chance: &Chance, wish: Wish<'_>) -> Option<usize> {
        if self.cluster.policy.outlier.is_some()
            && self.version.get() != self.live.shared().version()
        {
            self.balance();
        }
        self.balancer.borrow().pick(&Moment { target: self, chance }, wish)
    }

    /// Counts one more request to an endpoint; `None` if the cluster has too many.
    pub(crate) fn begin(&self, endpoint: &Rc<EndpointLive>) -> Option<InFlight> {
        self.live.begin(endpoint, &self.cluster.policy.limits)
    }

    /// Counts one more retry; `None` if the cluster has too many.
    pub(crate) fn begin_retry(&self) -> Option<Counted> {
        self.live.shared().begin_retry(self.cluster.policy.limits.retries)
    }

    /// A connection to an endpoint, or leave to make one.
    pub(crate) fn seat(&self, endpoint: &EndpointLive, name: &TlsName) -> Seating {
        self.live.seat(endpoint, &self.cluster.policy.limits, name)
    }

    /// Keeps a connection for the next request, if it is one to be kept.
    pub(crate) fn keep(&self, endpoint: &EndpointLive, free: Free) {
        endpoint.keep(free, &self.cluster.policy);
    }

    /// Notes how a try at an endpoint went, where somebody wants to know.
    pub(crate) fn note(&self, at: usize, outcome: Outcome) {
        let Some(policy) = &self.cluster.policy.outlier else { return };
        let endpoints = &self.cluster.endpoints;
        if let (Some(shared), Some(endpoint)) = (self.shared.get(at), endpoints.get(at)) {
            let endpoint = (&**shared, endpoint.address);
            self.live.shared().note(policy, endpoint, endpoints.len(), outcome);
        }
    }

    /// The labels of the endpoint at a position, or of the cluster alone.
    pub(crate) fn destination(&self, endpoint: Option<usize>, reporter: &Reporter) -> Destination {
        let endpoint = endpoint.and_then(|at| self.cluster.endpoints.get(at));
        destination(&self.cluster, endpoint, reporter)
    }

    /// Counts a request that this cluster got; `endpoint` is the position of the one that had it.
    pub(crate) fn count(
        &self,
        endpoint: Option<usize>,
        key: Key,
        sample: Sample,
        reporter: &Reporter,
    ) {
        let counts = endpoint.and_then(|at| self.endpoints.get(at)).map(|(_, counts)| counts);
        counts
            .unwrap_or(&self.unreached)
            .add(key, sample, reporter, || self.destination(endpoint, reporter));
    }
}

/// What a choice asks of the world.
struct Moment<'t> {
    target: &'t Target,
    chance: &'t Chance,
}

impl Situation for Moment<'_> {
    fn draw(&self) -> u64 {
        self.chance.draw()
    }

    fn turn(&self) -> u64 {
        self.target.live.turn()
    }

    fn load(&self, at: usize) -> u32 {
        self.target.endpoint(at).map_or(0, |endpoint| endpoint.in_flight())
    }

    fn warmth(&self, at: usize) -> f64 {
        let since = self.target.shared.get(at).and_then(|endpoint| endpoint.since);
        match (&self.target.cluster.policy.warm_up, since) {
            (Some(warm_up), Some(since)) => warm_up.share(since.elapsed()),
            (Some(_), None) | (None, _) => 1.0,
        }
    }
}

impl Serving {
    /// The routes for plain-text HTTP; `None` if the port serves none.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        match self.listener.plain.as_ref()? {
            App::Http(hosts) => Some(hosts),
            App::Tcp(_) | App::Services(_) => None,
        }
    }
}
