//! Destinations become clusters, each built once, when a route first names it, and kept for as long
//! as a route does.

use super::{
    Scope,
    credentials::of_cluster,
    destination_rule::Governing,
    hash::source,
    policy::policy,
    recipe::{self, Recipe},
    registry::{PortView, ServiceView},
    upstream_tls::upstream_tls,
};
use crate::{
    action::HashSource,
    cluster::{Cluster, ClusterPolicy, ServiceName, UpstreamTls},
    clusters::Clusters as Positions,
    id::{ClusterId, ClusterIx},
};
use edgeway_api::destination_rule::Subset;
use hashbrown::HashMap;
use std::{collections::BTreeSet, sync::Arc};

/// The label of pods that take TLS of the mesh.
const SPEAKS_MESH_TLS: (&str, &str) = ("security.istio.io/tlsMode", "istio");

/// Holes that are worth a position each.
const FEW: usize = 1024;

/// All clusters, and what it takes to follow what they are made of.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    list: Positions,
    /// By position.
    entries: Vec<Option<Entry>>,
    by_id: HashMap<ClusterId, ClusterIx>,
    by_host: HashMap<Arc<str>, BTreeSet<ClusterIx>>,
    /// Positions that wait to be taken again.
    free: Vec<ClusterIx>,
    /// Those that refer to Secrets, and whether that changed.
    secretive: BTreeSet<ClusterIx>,
    secrets_changed: bool,
}

/// What is known of a cluster beside what is in the table.
#[derive(Debug)]
struct Entry {
    number: u16,
    subset: String,
    recipe: Recipe,
    hashes: Hashes,
    /// How many hold it.
    holders: usize,
}

/// What requests to a cluster are told apart by.
#[derive(Clone, Debug)]
pub(super) struct Hashes {
    /// Where the destination names the port.
    with_port: Option<HashSource>,
    /// Where it does not: what the rule says of single ports does not count then (as Istio).
    without: Option<HashSource>,
}

/// Why there is no cluster of a service's port and subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The service has no such port.
    Port,
    /// No DestinationRule defines the subset.
    Subset,
}

struct Built {
    cluster: Cluster,
    recipe: Recipe,
    hashes: Hashes,
}

impl Hashes {
    /// What counts for a destination.
    pub(super) fn of(&self, port_is_named: bool) -> Option<HashSource> {
        if port_is_named { self.with_port.clone() } else { self.without.clone() }
    }
}

impl Clusters {
    /// As the table has them.
    pub(super) fn list(&self) -> &Positions {
        &self.list
    }

    /// Where the cluster of this name stands.
    pub(super) fn known(&self, id: &ClusterId) -> Option<(ClusterIx, &Hashes)> {
        let ix = *self.by_id.get(id)?;
        Some((ix, &self.entry(ix)?.hashes))
    }

    /// Makes the cluster `id` of a service's port and subset.
    pub(super) fn make(
        &mut self,
        scope: &Scope,
        id: ClusterId,
        service: &ServiceView,
        (number, subset): (u16, &str),
    ) -> Result<(), Missing> {
        let Built { cluster, recipe, hashes } = build(scope, &id, service, (number, subset))?;
        let cluster = Arc::new(cluster);
        let ix = if let Some(ix) = self.free.pop() {
            self.list.set(ix, Some(Arc::clone(&cluster)));
            ix
        } else {
            self.entries.push(None);
            self.list.push(Arc::clone(&cluster))
        };
        self.note_secrets(ix, &cluster);
        self.by_host.entry(Arc::clone(&service.host)).or_default().insert(ix);
        self.by_id.insert(id, ix);
        if let Some(slot) = self.entries.get_mut(ix.0 as usize) {
            let subset = subset.to_owned();
            *slot = Some(Entry { number, subset, recipe, hashes, holders: 0 });
        }
        Ok(())
    }

    /// Counts one more holder of each.
    pub(super) fn hold(&mut self, positions: &BTreeSet<ClusterIx>) {
        for ix in positions {
            if let Some(entry) = self.entry_mut(*ix) {
                entry.holders += 1;
            }
        }
    }

    /// Counts one holder less of each; those that nobody holds any more go.
    pub(super) fn release(&mut self, positions: &BTreeSet<ClusterIx>) {
        for ix in positions {
            if let Some(entry) = self.entry_mut(*ix) {
                entry.holders -= 1;
                if entry.holders == 0 {
                    self.remove(*ix);
                }
            }
        }
    }

    fn remove(&mut self, ix: ClusterIx) {
        let Some(cluster) = self.list.get(ix).cloned() else { return };
        self.disown(ix, &cluster);
        if let Some(slot) = self.entries.get_mut(ix.0 as usize) {
            *slot = None;
        }
        let host = &cluster.service.host;
        if let Some(of_host) = self.by_host.get_mut(host) {
            of_host.remove(&ix);
            if of_host.is_empty() {
                self.by_host.remove(host);
            }
        }
        self.secrets_changed |= self.secretive.remove(&ix);
        self.list.set(ix, None);
        self.free.push(ix);
    }

    /// From here on nobody finds it by its name.
    fn disown(&mut self, ix: ClusterIx, cluster: &Cluster) {
        if self.by_id.get(&cluster.id) == Some(&ix) {
            self.by_id.remove(&cluster.id);
        }
    }

    /// Whether so many positions are empty that it is time to start afresh.
    pub(super) fn is_sparse(&self) -> bool {
        self.free.len() > FEW && self.free.len() > self.list.len()
    }

    /// Builds the clusters of a host anew, each where it stands. One that cannot be any more is not
    /// found by its name.
    pub(super) fn renew(&mut self, scope: &Scope, host: &str) {
        let service = scope.registry.find(host, &scope.workload.namespace, |_| {});
        let service = service.filter(|service| *service.host == *host);
        for ix in self.by_host.get(host).cloned().unwrap_or_default() {
            let Some((cluster, entry)) = self.list.get(ix).cloned().zip(self.entry_mut(ix)) else {
                continue;
            };
            let key = (entry.number, entry.subset.as_str());
            match service.and_then(|service| build(scope, &cluster.id, service, key).ok()) {
                Some(Built { cluster, recipe, hashes }) => {
                    (entry.recipe, entry.hashes) = (recipe, hashes);
                    self.put(ix, Arc::new(cluster));
                }
                None => self.disown(ix, &cluster),
            }
        }
    }

    /// Finds the endpoints of all clusters again.
    pub(super) fn follow_all(&mut self, scope: &Scope) {
        for ix in (0..).map(ClusterIx).take(self.entries.len()) {
            self.follow(scope, ix);
        }
    }

    /// Finds the endpoints again of a Kubernetes Service's clusters.
    pub(super) fn follow_service(&mut self, scope: &Scope, host: &str, service: (&str, &str)) {
        for ix in self.by_host.get(host).cloned().unwrap_or_default() {
            if self.entry(ix).is_some_and(|entry| entry.recipe.service() == Some(service)) {
                self.follow(scope, ix);
            }
        }
    }

    fn follow(&mut self, scope: &Scope, ix: ClusterIx) {
        let Some((cluster, entry)) = self.list.get(ix).zip(self.entry(ix)) else { return };
        let again = entry.recipe.again(cluster, &scope.sites, &scope.here);
        if !Arc::ptr_eq(cluster, &again) {
            self.list.set(ix, Some(again));
        }
    }

    /// What comes out the same stays the same, so that whoever knows it need not look again.
    fn put(&mut self, ix: ClusterIx, cluster: Arc<Cluster>) {
        if self.list.get(ix).is_some_and(|before| *before != cluster) {
            self.note_secrets(ix, &cluster);
            self.list.set(ix, Some(cluster));
        }
    }

    /// Takes over the clusters of `before` that are the same.
    pub(super) fn share(&mut self, before: &Self) {
        let same: Vec<_> = self
            .list
            .positions()
            .filter_map(|(ix, cluster)| {
                let (at, _) = before.known(&cluster.id)?;
                Some((ix, before.list.get(at).filter(|it| *it == cluster)?.clone()))
            })
            .collect();
        for (ix, cluster) in same {
            self.list.set(ix, Some(cluster));
        }
    }

    fn note_secrets(&mut self, ix: ClusterIx, cluster: &Cluster) {
        let before = match &cluster.policy.tls {
            UpstreamTls::Originate(_) => !self.secretive.insert(ix),
            UpstreamTls::Disabled | UpstreamTls::Unsupported => self.secretive.remove(&ix),
        };
        self.secrets_changed |= before || self.secretive.contains(&ix);
    }

    /// Whether other Secrets are referred to than when this was asked last.
    pub(super) fn take_secrets_changed(&mut self) -> bool {
        std::mem::take(&mut self.secrets_changed)
    }

    /// Names of the Secrets that clusters refer to.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        let clusters = self.secretive.iter().filter_map(|ix| self.list.get(*ix));
        clusters.flat_map(|cluster| of_cluster(cluster))
    }

    fn entry(&self, ix: ClusterIx) -> Option<&Entry> {
        self.entries.get(ix.0 as usize)?.as_ref()
    }

    fn entry_mut(&mut self, ix: ClusterIx) -> Option<&mut Entry> {
        self.entries.get_mut(ix.0 as usize)?.as_mut()
    }
}

fn build(
    scope: &Scope,
    id: &ClusterId,
    service: &ServiceView,
    (number, subset): (u16, &str),
) -> Result<Built, Missing> {
    let port = service.ports.iter().find(|port| port.number == number).ok_or(Missing::Port)?;
    let governing = scope.rules.governing(&service.host, &service.namespace);
    let wanted = match subset {
        "" => None,
        named => Some(governing.subset(named).ok_or(Missing::Subset)?),
    };
    let (cluster, recipe) = cluster(scope, id, (service, port), (&governing, wanted));
    let hashes = Hashes {
        with_port: source(governing.policy(Some(number), wanted).load_balancer.as_ref()),
        without: source(governing.policy(None, wanted).load_balancer.as_ref()),
    };
    Ok(Built { cluster, recipe, hashes })
}

fn cluster(
    scope: &Scope,
    id: &ClusterId,
    (service, port): (&ServiceView, &PortView),
    (governing, subset): (&Governing<'_>, Option<&Subset>),
) -> (Cluster, Recipe) {
    let mut labels = subset.map(|subset| subset.labels.clone()).unwrap_or_default();
    let local_suffix = format!(".svc.{}", scope.workload.cluster_domain);
    let name = match service.host.strip_suffix(&local_suffix) {
        Some(local) => local.split('.').next().unwrap_or(local),
        None => &service.host,
    };
    let mut traffic = governing.policy(Some(port.number), subset);
    if id.is_passed_on() {
        // The bytes are TLS of the mesh already, which not every pod takes.
        traffic.tls = None;
        labels.insert(SPEAKS_MESH_TLS.0.to_owned(), SPEAKS_MESH_TLS.1.to_owned());
    }
    let rule = governing.rule.clone();
    let tls = upstream_tls(traffic.tls.as_ref(), service, rule, &scope.secrets);
    let recipe = Recipe::new(service, port, labels, traffic);
    let recipe::Found { shares, names, endpoints } = recipe.follow(&scope.sites, &scope.here);
    let cluster = Cluster {
        id: id.clone(),
        service: ServiceName {
            host: Arc::clone(&service.host),
            name: name.into(),
            namespace: Arc::clone(&service.namespace),
        },
        policy: ClusterPolicy { shares, tls, ..policy(recipe.traffic(), port.protocol) },
        names,
        endpoints,
    };
    (cluster, recipe)
}
