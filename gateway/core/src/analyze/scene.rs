//! What advice looks at: the gateway's own Gateways, the VirtualServices bound to them in the order
//! in which they count, and the services by host.

use super::servers::Serving;
use crate::{
    Workload,
    compile::{
        age::oldest_first,
        binding::gateway_name,
        names::{covers, qualified},
        pods::selects,
        visibility::Visibility,
    },
};
use edgeway_api::{
    Gateway, Objects, Resource, ServiceEntry, VirtualService, ingress::GatewayService,
    joined::class, k8s_openapi::api::core::v1::Service, virtual_service::Destination,
};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that advice is drawn from.
#[derive(Debug)]
pub(super) struct Scene<'o> {
    /// All objects.
    pub objects: &'o Objects,
    /// For whom.
    pub workload: &'o Workload,
    /// Those that select the workload, oldest first.
    pub gateways: Vec<Serving<'o>>,
    /// Those that the workload sees and that name one of the Gateways; first come those that are
    /// asked first.
    pub bound: Vec<Bound<'o>>,
    /// By fully qualified host; of several the one that counts.
    pub services: BTreeMap<String, Known<'o>>,
    /// Services whose pods the gateway's are.
    pub fronts: Vec<&'o Service>,
    positions: HashMap<(&'o str, &'o str), usize>,
}

/// A VirtualService that is bound to Gateways of ours.
#[derive(Debug)]
pub(super) struct Bound<'o> {
    /// The object.
    pub service: &'o VirtualService,
    /// Its hosts, qualified.
    pub hosts: Vec<String>,
    /// The Gateways, by position in the scene.
    pub gateways: Vec<usize>,
}

/// A service that can be sent to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'o> {
    /// Kubernetes knows it.
    Kubernetes(&'o Service),
    /// A ServiceEntry says so.
    Entry(&'o ServiceEntry),
}

impl<'o> Scene<'o> {
    /// Reads the objects.
    pub(super) fn new(objects: &'o Objects, workload: &'o Workload) -> Self {
        let mine = oldest_first(&objects.gateways)
            .into_iter()
            .filter(|gateway| selects(&gateway.spec.selector, &workload.labels));
        let gateways: Vec<Serving<'_>> = mine.map(Serving::new).collect();
        let names = gateways.iter().enumerate().map(|(position, serving)| {
            ((serving.gateway.namespace(), serving.gateway.name()), position)
        });
        let mut scene = Self {
            objects,
            workload,
            positions: names.collect(),
            gateways,
            bound: Vec::new(),
            services: services(objects, workload),
            fronts: fronts(objects, workload),
        };
        scene.bound = scene.bound();
        scene
    }

    /// The name of a destination in full, as an object in `namespace` writes it.
    pub(super) fn host(&self, host: &str, namespace: &str) -> String {
        qualified(host, namespace, &self.workload.cluster_domain)
    }

    /// Whether a Gateway's hosts come through the load balancers of a class that names this gateway: they
    /// end TLS, redirect, and send all to one port.
    pub(super) fn is_behind_load_balancer(&self, gateway: &Gateway) -> bool {
        let Some(wanted) = class(gateway) else { return false };
        let class = self.objects.ingress_classes.iter().find(|class| class.name() == wanted);
        let Some(Ok(Some(door))) = class.map(|class| GatewayService::of(class)) else {
            return false;
        };
        let mut fronts = self.fronts.iter();
        fronts.any(|it| it.namespace() == door.namespace && it.name() == door.name)
    }

    /// The Gateways of `bound`.
    pub(super) fn gateways_of(&self, bound: &Bound<'_>) -> impl Iterator<Item = &Serving<'o>> {
        bound.gateways.iter().filter_map(|position| self.gateways.get(*position))
    }

    /// Positions of our Gateways that `service` names.
    pub(super) fn named_by(&self, service: &VirtualService) -> Vec<usize> {
        let own = service.namespace();
        let names = service.spec.gateways.iter().filter_map(|name| gateway_name(name, own));
        names
            .filter_map(|name| self.positions.get(&(&*name.namespace, &*name.name)).copied())
            .collect()
    }

    /// Whether any service has a name that `pattern` covers.
    pub(super) fn has_service(&self, pattern: &str) -> bool {
        if pattern.starts_with('*') {
            self.services.keys().any(|host| covers(pattern, host))
        } else {
            self.services.contains_key(pattern)
        }
    }

    /// Every destination that an http rule of a bound VirtualService names, in full.
    pub(super) fn http_destinations(&self) -> BTreeSet<String> {
        let all = self.bound.iter().flat_map(|bound| {
            let rules = bound.service.spec.http.iter().flat_map(|rule| rule.route.iter());
            let all = rules.map(|to| &to.destination);
            all.map(|to: &Destination| self.host(&to.host, bound.service.namespace()))
        });
        all.collect()
    }

    /// In the order of the table: private to the gateway's namespace, exported to it by name,
    /// public; the oldest of each first.
    fn bound(&self) -> Vec<Bound<'o>> {
        let mut ordered = Vec::new();
        for service in oldest_first(&self.objects.virtual_services) {
            let own = service.namespace();
            let export = service.spec.export_to.iter().map(String::as_str);
            let visibility = Visibility::parse(export, own);
            if !visibility.admits(&self.workload.namespace) {
                continue;
            }
            let rank = match &visibility {
                Visibility::Public => 2,
                Visibility::Namespaces(_) if visibility.is_private(own) => 0,
                Visibility::Namespaces(_) => 1,
            };
            let hosts = service.spec.hosts.iter().map(|host| self.host(host, own)).collect();
            let gateways = self.named_by(service);
            if !gateways.is_empty() {
                ordered.push((rank, Bound { service, hosts, gateways }));
            }
        }
        ordered.sort_by_key(|(rank, _)| *rank);
        ordered.into_iter().map(|(_, bound)| bound).collect()
    }
}

fn services<'o>(objects: &'o Objects, workload: &Workload) -> BTreeMap<String, Known<'o>> {
    let mut services = BTreeMap::new();
    for service in &objects.services {
        let host = qualified(service.name(), service.namespace(), &workload.cluster_domain);
        services.insert(host, Known::Kubernetes(service));
    }
    for entry in oldest_first(&objects.service_entries) {
        for host in &entry.spec.hosts {
            services.entry(host.clone()).or_insert(Known::Entry(entry));
        }
    }
    services
}

fn fronts<'o>(objects: &'o Objects, workload: &Workload) -> Vec<&'o Service> {
    let all = objects.services.iter().map(std::sync::Arc::as_ref);
    all.filter(|service| {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        service.namespace() == workload.namespace
            && selector
                .is_some_and(|selector| !selector.is_empty() && selects(selector, &workload.labels))
    })
    .collect()
}
