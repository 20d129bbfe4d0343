//! Everything that building a route may look at.

use super::{
    Workload, credentials::Secrets, destination_rule::Rules, front::Front, locality::Here,
    registry::Registry, report::Rejected, server_hosts::ServerHosts, sites::ByName, sites::Sites,
};
use crate::id::ObjectName;
use edgeway_api::{Objects, Resource, VirtualService};
use hashbrown::HashMap;
use std::sync::Arc;

/// All objects, as they are looked at.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) workload: Workload,
    pub(super) rejected: Rejected,
    pub(super) virtual_services: ByName<Arc<VirtualService>>,
    /// The hosts of each Gateway, of whatever workload.
    pub(super) gateways: HashMap<ObjectName, ServerHosts>,
    pub(super) registry: Registry,
    pub(super) rules: Rules,
    pub(super) secrets: Secrets,
    pub(super) sites: Sites,
    pub(super) here: Here,
    pub(super) front: Front,
}

impl Scope {
    /// Reads `objects`; rejected ones do not count.
    pub(super) fn new(objects: &Objects, workload: &Workload, rejected: Rejected) -> Self {
        let sites = Sites::new(objects, workload, &rejected);
        let here = Here::new(&sites.nodes, objects, workload);
        let mut virtual_services = ByName::default();
        for service in &objects.virtual_services {
            virtual_services.put(service.namespace(), service.name(), Arc::clone(service));
        }
        let gateways = objects.gateways.iter().map(|gateway| {
            let hosts = gateway.spec.servers.iter().flat_map(|server| &server.hosts);
            let name = ObjectName::new(gateway.namespace(), gateway.name());
            (name, ServerHosts::new(hosts, gateway.namespace()))
        });
        Self {
            registry: Registry::new(objects, workload, &rejected),
            rules: Rules::new(objects, workload, &rejected),
            secrets: Secrets::new(objects, &workload.namespace),
            front: Front::new(objects, workload),
            workload: workload.clone(),
            gateways: gateways.collect(),
            virtual_services,
            rejected,
            here,
            sites,
        }
    }
}
