//! How a cluster's endpoints are found: all that is needed to do it again when they change.

use super::{
    endpoint::places,
    locality::{Here, arrange},
    registry::{Origin, PortView, ServiceView},
    sites::Sites,
};
use crate::cluster::{Cluster, ClusterPolicy, Endpoints, Locality, Names};
use edgeway_api::{Resource, destination_rule::TrafficPolicy};
use std::{collections::BTreeMap, sync::Arc};

/// Where the endpoints of a cluster come from, and how they are arranged.
#[derive(Debug)]
pub(super) struct Recipe {
    origin: Origin,
    host: Arc<str>,
    port: PortView,
    /// Of the subset.
    labels: BTreeMap<String, String>,
    traffic: TrafficPolicy,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Shares of localities.
    pub shares: BTreeMap<Locality, u32>,
    /// Behind names.
    pub names: Option<Arc<Names>>,
    /// At addresses.
    pub endpoints: Arc<Endpoints>,
}

impl Recipe {
    /// For a port of a service, as far as labels satisfy a subset's.
    pub(super) fn new(
        service: &ServiceView,
        port: &PortView,
        labels: BTreeMap<String, String>,
        traffic: TrafficPolicy,
    ) -> Self {
        let ServiceView { host, origin, .. } = service;
        let (host, origin) = (Arc::clone(host), origin.clone());
        Self { origin, host, port: port.clone(), labels, traffic }
    }

    /// The Kubernetes Service that it asks for, by namespace and name.
    pub(super) fn service(&self) -> Option<(&str, &str)> {
        match &self.origin {
            Origin::Kubernetes(service) => Some((service.namespace(), service.name())),
            Origin::Entries(_) | Origin::Alias(..) => None,
        }
    }

    /// What holds for the cluster.
    pub(super) fn traffic(&self) -> &TrafficPolicy {
        &self.traffic
    }

    /// Follows it.
    pub(super) fn follow(&self, sites: &Sites, here: &Here) -> Found {
        let Self { origin, host, port, labels, traffic } = self;
        let mut places = places(sites, (origin, host), port, labels);
        let shares = arrange(&mut places, traffic, origin, here);
        Found {
            shares,
            names: places.names.map(Arc::new),
            endpoints: Arc::new(Endpoints::new(places.endpoints)),
        }
    }

    /// `cluster` with the endpoints that there are now; itself if they are the same.
    pub(super) fn again(&self, cluster: &Arc<Cluster>, sites: &Sites, here: &Here) -> Arc<Cluster> {
        let Found { shares, names, endpoints } = self.follow(sites, here);
        let Cluster { policy, names: had, endpoints: were, .. } = &**cluster;
        if policy.shares == shares && *had == names && *were == endpoints {
            return Arc::clone(cluster);
        }
        let policy = ClusterPolicy { shares, ..policy.clone() };
        Arc::new(Cluster { policy, names, endpoints, ..Cluster::clone(cluster) })
    }
}
