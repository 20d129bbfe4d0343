//! Destinations become clusters, each built once, when a route first names it.

use super::{
    Scope,
    destination_rule::Governing,
    hash::source,
    names::qualified,
    policy::policy,
    recipe::{self, Recipe},
    registry::{Absence, PortView, ServiceView},
    upstream_tls::upstream_tls,
};
use crate::{
    action::HashSource,
    cluster::{Cluster, ClusterPolicy, ServiceName},
    id::{ClusterId, ClusterIx},
};
use edgeway_api::{destination_rule::Subset, virtual_service::Destination};
use std::{collections::BTreeMap, sync::Arc};

/// Clusters in the order in which routes name them.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    list: Vec<Arc<Cluster>>,
    recipes: Vec<Recipe>,
    positions: BTreeMap<ClusterId, (ClusterIx, Hashes)>,
}

/// What requests to a cluster are told apart by.
#[derive(Clone, Debug)]
struct Hashes {
    /// Where the destination names the port.
    with_port: Option<HashSource>,
    /// Where it does not: what the rule says of single ports does not count then (as Istio).
    without: Option<HashSource>,
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

impl Resolved {
    fn new(name: ClusterId, found: Found) -> Self {
        Self { name, found, absence: Absence::default(), hash: None }
    }
}

impl Clusters {
    /// All clusters, and how their endpoints are found, by position.
    pub(super) fn into_parts(self) -> (Vec<Arc<Cluster>>, Vec<Recipe>) {
        (self.list, self.recipes)
    }

    /// The cluster of `destination`, as a VirtualService in `namespace` names it. `server_port` is
    /// taken where the service has several ports and the destination names none.
    pub(super) fn resolve(
        &mut self,
        scope: &Scope<'_>,
        destination: &Destination,
        namespace: &str,
        server_port: u16,
    ) -> Resolved {
        let domain = &scope.workload.cluster_domain;
        let host = qualified(&destination.host, namespace, domain);
        let subset = destination.subset.as_deref().unwrap_or_default();
        let explicit = destination.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        let Some(service) = scope.registry.find(&host, &scope.workload.namespace) else {
            let name = ClusterId::outbound(explicit.unwrap_or(server_port), subset, &host);
            let absence = scope.registry.absence(&host, &scope.workload.namespace);
            return Resolved { absence, ..Resolved::new(name, Found::NoService) };
        };
        let only = match service.ports.as_slice() {
            [only] => Some(only.number),
            _ => None,
        };
        let number = explicit.filter(|port| *port != 0).or(only).unwrap_or(server_port);
        let name = ClusterId::outbound(number, subset, &service.host);
        if let Some((position, hashes)) = self.positions.get(&name) {
            let hash = hashes.of(explicit.is_some());
            return Resolved { hash, ..Resolved::new(name, Found::Cluster(*position)) };
        }
        let Some(port) = service.ports.iter().find(|port| port.number == number) else {
            return Resolved::new(name, Found::NoPort);
        };
        let governing = scope.rules.governing(&service.host, service.namespace);
        let wanted = (!subset.is_empty()).then(|| governing.subset(subset));
        if wanted == Some(None) {
            return Resolved::new(name, Found::NoSubset);
        }
        let wanted = wanted.flatten();
        let (cluster, recipe) = build(scope, &name, (service, port), (&governing, wanted));
        let position = ClusterIx(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(Arc::new(cluster));
        self.recipes.push(recipe);
        let hashes = Hashes {
            with_port: source(governing.policy(Some(number), wanted).load_balancer.as_ref()),
            without: source(governing.policy(None, wanted).load_balancer.as_ref()),
        };
        let hash = hashes.of(explicit.is_some());
        self.positions.insert(name.clone(), (position, hashes));
        Resolved { hash, ..Resolved::new(name, Found::Cluster(position)) }
    }
}

impl Hashes {
    fn of(&self, port_is_named: bool) -> Option<HashSource> {
        if port_is_named { self.with_port.clone() } else { self.without.clone() }
    }
}

fn build(
    scope: &Scope<'_>,
    id: &ClusterId,
    (service, port): (&ServiceView<'_>, &PortView<'_>),
    (governing, subset): (&Governing<'_>, Option<&Subset>),
) -> (Cluster, Recipe) {
    let labels = subset.map(|subset| subset.labels.clone()).unwrap_or_default();
    let local_suffix = format!(".svc.{}", scope.workload.cluster_domain);
    let name = match service.host.strip_suffix(&local_suffix) {
        Some(local) => local.split('.').next().unwrap_or(local),
        None => &service.host,
    };
    let traffic = governing.policy(Some(port.number), subset);
    let rule = governing.rule.clone();
    let tls = upstream_tls(traffic.tls.as_ref(), service, rule, &scope.secrets);
    let recipe = Recipe::new(service, port, labels, traffic);
    let recipe::Found { shares, names, endpoints } = recipe.follow(scope.sites, scope.here);
    let cluster = Cluster {
        id: id.clone(),
        service: ServiceName {
            host: service.host.as_str().into(),
            name: name.into(),
            namespace: service.namespace.into(),
        },
        policy: ClusterPolicy { shares, tls, ..policy(recipe.traffic(), port.protocol) },
        names,
        endpoints,
    };
    (cluster, recipe)
}
