//! `AUTO_PASSTHROUGH`: the services that other parts of the mesh reach by name, through this gateway.

use super::{
    lookup::Lookup,
    registry::{Origin, ServiceView},
    server_hosts::ServerHosts,
};
use crate::{
    action::HashPolicy,
    id::{ClusterId, ObjectName},
    table::{Services, TcpRoute},
};
use edgeway_api::service_entry::Location;
use std::sync::Arc;

/// Every port and subset of every service of the mesh that `hosts` cover.
pub(super) fn services(lookup: &mut Lookup<'_>, hosts: &ServerHosts) -> Services {
    let scope = lookup.scope;
    let covered = |service: &&ServiceView| {
        is_of_mesh(service) && hosts.overlaps(&service.host, &service.namespace)
    };
    let mut covered: Vec<_> =
        scope.registry.visible(&scope.workload.namespace).filter(covered).collect();
    // Clusters stand in the order in which they are first named.
    covered.sort_by(|a, b| a.host.cmp(&b.host));
    let mut all = Vec::new();
    for service in covered {
        let governing = scope.rules.governing(&service.host, &service.namespace);
        for port in service.ports.iter() {
            let subsets = governing.subsets().map(|subset| subset.name.as_str());
            for subset in std::iter::once("").chain(subsets) {
                let id = ClusterId::passed_on(port.number, subset, &service.host);
                let sni = id.as_str().to_ascii_lowercase();
                if let Some(at) = lookup.passed_on(&id, service, (port.number, subset)) {
                    all.push((Arc::from(sni), route(service, at)));
                }
            }
        }
    }
    all.into_iter().collect()
}

/// What is outside of the mesh has none of its certificates.
fn is_of_mesh(service: &ServiceView) -> bool {
    match &service.origin {
        Origin::Kubernetes(_) => true,
        Origin::Alias(..) => false,
        Origin::Entries(members) => {
            members.iter().all(|entry| entry.spec.location == Some(Location::MeshInternal))
        }
    }
}

fn route(service: &ServiceView, at: crate::id::ClusterIx) -> TcpRoute {
    let name = service.host.split('.').next().unwrap_or_default();
    TcpRoute {
        virtual_service: ObjectName::new(&service.namespace, name),
        clusters: vec![(Some(at), 1)],
        hash: HashPolicy::default(),
    }
}
