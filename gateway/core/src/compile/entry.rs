//! Where a ServiceEntry's service is: at addresses that are written down or selected, or behind
//! names that DNS knows.

use super::{
    endpoint::{Places, endpoint_at},
    nodes::of_labels,
    pods::{addresses, is_ready, selects},
    registry::{PortView, ports},
    sites::Sites,
};
use crate::cluster::{Endpoint, Locality, Name, Names};
use edgeway_api::{
    Resource, ServiceEntry, WorkloadEntry, WorkloadEntrySpec, k8s_openapi::api::core::v1::Service,
    service_entry::Resolution,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The places of ServiceEntries that make up a service: each at its own port of the name of `port`.
pub(super) fn of_entries(
    sites: &Sites,
    members: &[Arc<ServiceEntry>],
    host: &str,
    port: &PortView,
) -> Places {
    let mut places = Places::default();
    for entry in members {
        if let Some(own) = ports(entry).find(|own| own.name == port.name) {
            places.join(of_entry(sites, entry, host, &own));
        }
    }
    places
}

/// The places of `entry` at `port`; `host` is the one of its names that is asked for.
fn of_entry(sites: &Sites, entry: &ServiceEntry, host: &str, port: &PortView) -> Places {
    let selector = entry.spec.workload_selector.as_ref();
    let found = selector.map_or_else(
        || written(entry, port),
        |selector| selected(sites, entry.namespace(), &selector.labels, port),
    );
    let nowhere = entry.spec.endpoints.is_empty() && selector.is_none();
    let (endpoints, names): (Vec<_>, Vec<_>) = found.into_iter().partition(Place::is_address);
    let endpoints = endpoints.into_iter().map(|place| place.endpoint).collect();
    let all = match entry.spec.resolution {
        Some(Resolution::Dns) => true,
        Some(Resolution::DnsRoundRobin) => false,
        // Names count for nothing there. Of a service at the address that the client asked for, a
        // gateway knows no address.
        Some(Resolution::None | Resolution::Static | Resolution::DynamicDns) | None => {
            return Places { endpoints, names: None };
        }
    };
    let mut list: Vec<Name> = names.into_iter().filter_map(Place::into_name).collect();
    if nowhere && !host.starts_with('*') {
        list.push(Name {
            host: host.into(),
            template: at_port(port.target.unwrap_or(port.number)),
        });
    }
    list.sort_by(|a, b| (&a.host, &a.template).cmp(&(&b.host, &b.template)));
    let names = (!list.is_empty()).then_some(Names { all, list });
    Places { endpoints, names }
}

/// One endpoint as written: at an address, or behind a name.
struct Place {
    name: Option<Arc<str>>,
    endpoint: Endpoint,
}

impl Place {
    fn is_address(&self) -> bool {
        self.name.is_none()
    }

    fn into_name(self) -> Option<Name> {
        Some(Name { host: self.name?, template: self.endpoint })
    }
}

fn written(entry: &ServiceEntry, port: &PortView) -> Vec<Place> {
    let endpoints = entry.spec.endpoints.iter();
    endpoints.filter_map(|endpoint| of_workload(endpoint, &BTreeMap::new(), port)).collect()
}

fn selected(
    sites: &Sites,
    namespace: &str,
    selector: &BTreeMap<String, String>,
    port: &PortView,
) -> Vec<Place> {
    let of_workloads = workloads(sites, namespace, selector, port);
    let ready = sites.pods(namespace).filter(|pod| is_ready(pod));
    let of_pods = ready.filter_map(|pod| {
        let view = sites.pods.named(namespace, pod.name())?;
        let address = selects(selector, &view.labels).then(|| addresses(pod).next())??;
        let endpoint = endpoint_at(address, port.target.unwrap_or(port.number), Some(view))?;
        Some(Place { name: None, endpoint })
    });
    of_workloads.chain(of_pods).collect()
}

/// The `WorkloadEntries` that a Service selects beside its pods (as Istio).
pub(super) fn beside_pods(sites: &Sites, service: &Service, port: &PortView) -> Vec<Endpoint> {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return Vec::new();
    };
    let places = workloads(sites, service.namespace(), selector, port);
    places.filter(Place::is_address).map(|place| place.endpoint).collect()
}

fn workloads<'r>(
    sites: &'r Sites,
    namespace: &'r str,
    selector: &'r BTreeMap<String, String>,
    port: &'r PortView,
) -> impl Iterator<Item = Place> + 'r {
    sites.workloads(namespace).filter_map(move |workload| {
        let labels = workload_labels(workload);
        selects(selector, &labels).then(|| of_workload(&workload.spec, &labels, port)).flatten()
    })
}

/// Metadata labels override those of the spec.
fn workload_labels(workload: &WorkloadEntry) -> BTreeMap<String, String> {
    let mut labels = workload.spec.labels.clone();
    labels.extend(workload.meta().labels.clone().unwrap_or_default());
    labels
}

/// The endpoint's own port of that name, else the service port's target, else its number. Nothing
/// for a socket in the file system, and for another network's workloads without address.
fn of_workload(
    workload: &WorkloadEntrySpec,
    labels: &BTreeMap<String, String>,
    port: &PortView,
) -> Option<Place> {
    let own = workload.ports.get(&*port.name).and_then(|number| u16::try_from(*number).ok());
    let labels = if labels.is_empty() { &workload.labels } else { labels };
    let written = workload.locality.as_deref().filter(|text| !text.is_empty()).map(Locality::parse);
    let mut endpoint = Endpoint {
        weight: workload.weight.unwrap_or(1).max(1),
        labels: Arc::new(labels.clone()),
        locality: written.or_else(|| of_labels(labels)).unwrap_or_default(),
        ..at_port(own.or(port.target).unwrap_or(port.number))
    };
    let name = match workload.address.parse::<IpAddr>() {
        Ok(address) => {
            endpoint.address.set_ip(address);
            None
        }
        Err(_) if workload.address.is_empty() || workload.address.starts_with("unix://") => {
            return None;
        }
        Err(_) => Some(workload.address.to_ascii_lowercase().into()),
    };
    Some(Place { name, endpoint })
}

fn at_port(port: u16) -> Endpoint {
    Endpoint { address: SocketAddr::from(([0, 0, 0, 0], port)), ..Endpoint::default() }
}
