//! A table as one worker serves it: each cluster beside what the worker knows of it, by position.
//!
//! Made when a table comes into force, so that a request finds everything without hashing a name.

use crate::{
    chance::Chance,
    flags::Flags,
    live::{ClusterLive, EndpointLive, Live},
    metrics::{Destination, Ending, Metrics, Sample, Series, Workload},
    tls::Servers,
};
use edgeway_core::{
    cluster::{Cluster, Endpoint},
    id::ClusterIx,
    pick::{Balancer, Situation, Wish},
    table::{App, Hosts, Listener, Table},
};
use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

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
    targets: Vec<Rc<Target>>,
    /// Counts requests that went nowhere.
    nowhere: Counts,
}

/// One cluster of the table in force.
pub(crate) struct Target {
    cluster: Arc<Cluster>,
    balancer: Balancer,
    live: Rc<ClusterLive>,
    /// In the order of the cluster's endpoints.
    endpoints: Vec<(Rc<EndpointLive>, Counts)>,
    /// Counts requests that reached no endpoint.
    unreached: Counts,
}

/// What a port serves at one moment.
pub(crate) struct Serving {
    /// The clusters that the listener's routes refer to by position.
    pub(crate) view: Rc<View>,
    /// The listener.
    pub(crate) listener: Arc<Listener>,
    /// The TLS of its servers.
    pub(crate) tls: Servers,
}

/// The series of one destination, by ending: few, so that looking through them is quickest.
#[derive(Default)]
struct Counts(RefCell<Vec<(Key, Series)>>);

/// What tells the series of one destination apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Status, or 0.
    pub(crate) code: u16,
    /// Response flags.
    pub(crate) flags: Flags,
    /// Whether the request was gRPC.
    pub(crate) grpc: bool,
    /// Its status, where known.
    pub(crate) grpc_status: Option<u16>,
}

impl View {
    /// The view of `table`, keeping what `before` has of clusters that did not change.
    pub(crate) fn new(table: &Table, live: &mut Live, before: &Self, chance: &Chance) -> Self {
        let known: HashMap<_, _> =
            before.targets.iter().map(|target| (&target.cluster.id, target)).collect();
        let targets = table.clusters.iter().map(|cluster| {
            let same = known.get(&cluster.id).filter(|same| Arc::ptr_eq(&same.cluster, cluster));
            same.map_or_else(
                || Rc::new(Target::new(Arc::clone(cluster), live, chance)),
                |same| Rc::clone(same),
            )
        });
        Self { targets: targets.collect(), nowhere: Counts::default() }
    }

    /// The view of the empty table.
    pub(crate) fn empty() -> Self {
        Self { targets: Vec::new(), nowhere: Counts::default() }
    }

    /// The cluster at a position that the table gave out.
    pub(crate) fn target(&self, ix: ClusterIx) -> Option<&Rc<Target>> {
        self.targets.get(ix.0 as usize)
    }

    /// Counts a request that went nowhere.
    pub(crate) fn count(&self, key: Key, sample: Sample, reporter: &Reporter) {
        self.nowhere.add(key, sample, reporter, Destination::unknown);
    }

    /// Makes visible what was counted.
    pub(crate) fn flush(&self) {
        self.nowhere.flush();
        for target in &self.targets {
            target.unreached.flush();
            target.endpoints.iter().for_each(|(_, counts)| counts.flush());
        }
    }
}

impl Target {
    fn new(cluster: Arc<Cluster>, live: &mut Live, chance: &Chance) -> Self {
        let known = live.cluster(&cluster.id, || chance.draw());
        let endpoints = cluster
            .endpoints
            .iter()
            .map(|endpoint| (known.endpoint(endpoint.address), Counts::default()))
            .collect();
        let balancer = Balancer::new(Arc::clone(&cluster), |_| true);
        Self { live: known, endpoints, unreached: Counts::default(), cluster, balancer }
    }

    /// The cluster as the table has it.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The endpoint at a position that [`Self::pick`] gave out.
    pub(crate) fn endpoint(&self, at: usize) -> Option<&Rc<EndpointLive>> {
        self.endpoints.get(at).map(|(endpoint, _)| endpoint)
    }

    /// The position of an endpoint for the next try; `None` if there is none to choose.
    pub(crate) fn pick(&self, chance: &Chance, wish: Wish<'_>) -> Option<usize> {
        self.balancer.pick(&Moment { target: self, chance }, wish)
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
        counts.unwrap_or(&self.unreached).add(key, sample, reporter, || {
            let endpoint = endpoint.and_then(|at| self.cluster.endpoints.get(at));
            destination(&self.cluster, endpoint, reporter)
        });
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

    fn warmth(&self, _: usize) -> f64 {
        1.0
    }
}

impl Serving {
    /// The routes for plain-text HTTP; `None` if the port serves none.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        match self.listener.plain.as_ref()? {
            App::Http(hosts) => Some(hosts),
            App::Tcp(_) => None,
        }
    }
}

impl Counts {
    fn add(
        &self,
        key: Key,
        sample: Sample,
        reporter: &Reporter,
        destination: impl FnOnce() -> Destination,
    ) {
        let mut series = self.0.borrow_mut();
        if let Some((_, series)) = series.iter().find(|(known, _)| *known == key) {
            return series.add(sample);
        }
        let flags = key.flags.text();
        let Key { code, flags: _, grpc, grpc_status } = key;
        let ending = Ending { code, grpc, grpc_status, flags: &flags };
        let new = reporter.metrics.series(&reporter.gateway, &destination(), ending);
        new.add(sample);
        series.push((key, new));
    }

    fn flush(&self) {
        self.0.borrow().iter().for_each(|(_, series)| series.flush());
    }
}

fn destination(cluster: &Cluster, endpoint: Option<&Endpoint>, reporter: &Reporter) -> Destination {
    let service = &cluster.service;
    let workload = endpoint.map_or_else(Workload::unknown, |endpoint| {
        let Endpoint { workload, labels, .. } = endpoint;
        Workload::new(workload, &service.namespace, labels, &reporter.cluster)
    });
    Destination {
        workload,
        service: service.host.to_string(),
        service_name: service.name.to_string(),
        service_namespace: service.namespace.to_string(),
    }
}
