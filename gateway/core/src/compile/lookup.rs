//! Looks destinations up, and remembers what that hangs on.

use super::{
    Scope,
    clusters::{Clusters, Missing},
    names::qualified,
    registry::{Absence, ServiceView},
};
use crate::{
    action::HashSource,
    id::{ClusterId, ClusterIx},
};
use edgeway_api::virtual_service::Destination;
use std::collections::BTreeSet;

/// Where destinations are looked up for one thing that names them.
#[derive(Debug)]
pub(super) struct Lookup<'l> {
    /// Everything that there is.
    pub(super) scope: &'l Scope,
    clusters: &'l mut Clusters,
    used: Used,
}

/// What something hangs on that names destinations.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Hosts that were asked for, whether they are there or not.
    pub(super) hosts: BTreeSet<Box<str>>,
    /// Clusters that were found: held by whoever has this.
    pub(super) clusters: BTreeSet<ClusterIx>,
}

/// Where a destination leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To this cluster.
    Cluster(ClusterIx),
    /// Nowhere: no such service that the gateway may see.
    NoService,
    /// Nowhere: the service has no such port.
    NoPort,
    /// Nowhere: no DestinationRule defines the subset.
    NoSubset,
}

/// A destination, resolved.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// Istio's name of the cluster, whether it exists or not.
    pub name: ClusterId,
    /// Whether it does.
    pub found: Found,
    /// Where there is no such service: why.
    pub absence: Absence,
    /// What its requests are told apart by, if anything.
    pub hash: Option<HashSource>,
}

impl<'l> Lookup<'l> {
    /// Nothing is looked up yet.
    pub(super) fn new(scope: &'l Scope, clusters: &'l mut Clusters) -> Self {
        Self { scope, clusters, used: Used::default() }
    }

    /// What all that was looked up hangs on; its clusters are held.
    pub(super) fn done(self) -> Used {
        self.clusters.hold(&self.used.clusters);
        self.used
    }

    /// The cluster `id` of a service's port and subset, to which bytes go as they come.
    pub(super) fn passed_on(
        &mut self,
        id: &ClusterId,
        service: &ServiceView,
        key: (u16, &str),
    ) -> Option<ClusterIx> {
        let Self { scope, clusters, used } = self;
        used.hosts.insert((&*service.host).into());
        if clusters.known(id).is_none() {
            clusters.make(scope, id.clone(), service, key).ok()?;
        }
        let (ix, _) = clusters.known(id)?;
        used.clusters.insert(ix);
        Some(ix)
    }

    /// The cluster of `destination`, as a VirtualService in `namespace` names it. `server_port` is
    /// taken where the service has several ports and the destination names none.
    pub(super) fn resolve(
        &mut self,
        destination: &Destination,
        namespace: &str,
        server_port: u16,
    ) -> Resolved {
        let Self { scope, clusters, used } = self;
        let workload = &scope.workload;
        let host = qualified(&destination.host, namespace, &workload.cluster_domain);
        let subset = destination.subset.as_deref().unwrap_or_default();
        let explicit = destination.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        let mut ask = |host: &str| {
            if !used.hosts.contains(host) {
                used.hosts.insert(host.into());
            }
        };
        let Some(service) = scope.registry.find(&host, &workload.namespace, &mut ask) else {
            let name = ClusterId::outbound(explicit.unwrap_or(server_port), subset, &host);
            let absence = scope.registry.absence(&host, &workload.namespace);
            return Resolved { name, found: Found::NoService, absence, hash: None };
        };
        let only = match &*service.ports {
            [only] => Some(only.number),
            _ => None,
        };
        let number = explicit.filter(|port| *port != 0).or(only).unwrap_or(server_port);
        let name = ClusterId::outbound(number, subset, &service.host);
        let found = match clusters.known(&name) {
            Some(_) => Ok(()),
            None => clusters.make(scope, name.clone(), service, (number, subset)),
        };
        let (found, hash) = match (found, clusters.known(&name)) {
            (Ok(()), Some((ix, hashes))) => {
                used.clusters.insert(ix);
                (Found::Cluster(ix), hashes.of(explicit.is_some()))
            }
            (Err(Missing::Subset), _) => (Found::NoSubset, None),
            (Err(Missing::Port), _) | (Ok(()), None) => (Found::NoPort, None),
        };
        Resolved { name, found, absence: Absence::default(), hash }
    }
}
