//! How a cluster's endpoints are found: all that is needed to do it again when they change.

use super::{
    endpoint::places,
    locality::{Here, arrange},
    registry::{Origin, PortView, ServiceView},
    sites::Sites,
};
use crate::cluster::{Cluster, ClusterPolicy, Endpoints, Locality, Names, UpstreamProtocol};
use edgeway_api::{
    Resource, ServiceEntry, destination_rule::TrafficPolicy, k8s_openapi::api::core::v1::Service,
};
use std::{collections::BTreeMap, sync::Arc};

/// Where the endpoints of a cluster come from, and how they are arranged.
#[derive(Debug)]
pub(super) struct Recipe {
    from: From,
    host: String,
    number: u16,
    name: String,
    protocol: UpstreamProtocol,
    target: Option<u16>,
    /// Of the subset.
    labels: BTreeMap<String, String>,
    traffic: TrafficPolicy,
}

#[derive(Debug)]
enum From {
    Service(Arc<Service>),
    Entry(Arc<ServiceEntry>),
    Nowhere,
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
        service: &ServiceView<'_>,
        port: &PortView<'_>,
        labels: BTreeMap<String, String>,
        traffic: TrafficPolicy,
    ) -> Self {
        let from = match service.origin {
            Origin::Kubernetes(service) => From::Service(Arc::clone(service)),
            Origin::Entry(entry) => From::Entry(Arc::clone(entry)),
            Origin::Alias(_) => From::Nowhere,
        };
        let PortView { number, name, protocol, target } = *port;
        let (host, name) = (service.host.clone(), name.to_owned());
        Self { from, host, number, name, protocol, target, labels, traffic }
    }

    /// The Kubernetes Service that it asks for, by namespace and name.
    pub(super) fn service(&self) -> Option<(&str, &str)> {
        match &self.from {
            From::Service(service) => Some((service.namespace(), service.name())),
            From::Entry(_) | From::Nowhere => None,
        }
    }

    /// What holds for the cluster.
    pub(super) fn traffic(&self) -> &TrafficPolicy {
        &self.traffic
    }

    /// Follows it.
    pub(super) fn follow(&self, sites: &Sites, here: &Here) -> Found {
        let origin = match &self.from {
            From::Service(service) => Origin::Kubernetes(service),
            From::Entry(entry) => Origin::Entry(entry),
            From::Nowhere => Origin::Alias(""),
        };
        let Self { number, name, protocol, target, .. } = self;
        let port = PortView { number: *number, name, protocol: *protocol, target: *target };
        let mut places = places(sites, (origin, &self.host), &port, &self.labels);
        let shares = arrange(&mut places, &self.traffic, origin, here);
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
