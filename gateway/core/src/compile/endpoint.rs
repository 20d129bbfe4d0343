//! Addresses of a service's port: from EndpointSlices, Endpoints, or a ServiceEntry's own list.

use super::{
    pods::{PodView, Pods, addresses, selects},
    registry::{Origin, PortView, Registry, ServiceView, grouped},
    report::Report,
};
use crate::cluster::{Endpoint, Endpoints, Locality};
use edgeway_api::{
    Objects, Resource, ServiceEntry, WorkloadEntry,
    k8s_openapi::api::{
        core::v1::{Endpoints as OldEndpoints, Pod, Service, ServicePort},
        discovery::v1::EndpointSlice,
    },
};
use hashbrown::HashMap;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What addresses are read from, by service.
#[derive(Debug, Default)]
pub(super) struct Slices<'o> {
    by_service: HashMap<(&'o str, &'o str), Vec<&'o EndpointSlice>>,
    endpoints: HashMap<(&'o str, &'o str), &'o OldEndpoints>,
    workloads: HashMap<&'o str, Vec<&'o WorkloadEntry>>,
    pods: HashMap<&'o str, Vec<&'o Pod>>,
}

impl<'o> Slices<'o> {
    /// Indexes `objects`; rejected ones do not count.
    pub(super) fn new(objects: &'o Objects, report: &Report) -> Self {
        let by_service = grouped(objects.endpoint_slices.iter().map(Arc::as_ref), |slice| {
            let service = slice.meta().labels.as_ref()?.get(SERVICE_NAME)?;
            Some((slice.namespace(), service.as_str()))
        });
        let endpoints = objects.endpoints.iter();
        Self {
            by_service,
            endpoints: endpoints.map(|old| ((old.namespace(), old.name()), &**old)).collect(),
            workloads: grouped(objects.workload_entries.iter().map(Arc::as_ref), |workload| {
                (!report.is_rejected(&workload.reference())).then(|| workload.namespace())
            }),
            pods: grouped(objects.pods.iter().map(Arc::as_ref), |pod| Some(pod.namespace())),
        }
    }
}

/// The endpoints of a service's port whose labels satisfy `subset`.
pub(super) fn endpoints(
    registry: &Registry<'_>,
    service: &ServiceView<'_>,
    port: &PortView<'_>,
    subset: &BTreeMap<String, String>,
) -> Endpoints {
    let mut list = match service.origin {
        Origin::Kubernetes(object) => of_service(registry, object, port),
        Origin::Entry(entry) => of_entry(registry, entry, port),
        Origin::Alias(_) => Vec::new(),
    };
    list.retain(|endpoint| selects(subset, &endpoint.labels));
    Endpoints::new(list)
}

fn of_service(registry: &Registry<'_>, service: &Service, port: &PortView<'_>) -> Vec<Endpoint> {
    let key = (service.namespace(), service.name());
    if let Some(slices) = registry.slices.by_service.get(&key) {
        return slices.iter().flat_map(|slice| of_slice(&registry.pods, slice, port)).collect();
    }
    let old = registry.slices.endpoints.get(&key);
    old.map(|old| of_endpoints(&registry.pods, old, port)).unwrap_or_default()
}

/// Ready addresses of a slice at the port that carries the Service port's name.
fn of_slice(pods: &Pods<'_>, slice: &EndpointSlice, port: &PortView<'_>) -> Vec<Endpoint> {
    let number = slice.ports.iter().flatten().find_map(|slice_port| {
        let named = slice_port.name.as_deref().unwrap_or_default() == port.name;
        named.then(|| slice_port.port.and_then(|number| u16::try_from(number).ok())).flatten()
    });
    let Some(number) = number else { return Vec::new() };
    let ready = slice.endpoints.iter().filter(|endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
    });
    ready
        .flat_map(|endpoint| {
            let target = endpoint
                .target_ref
                .as_ref()
                .filter(|target| target.kind.as_deref() == Some("Pod") || target.kind.is_none());
            let name = target.and_then(|target| target.name.as_deref());
            let namespace = target.and_then(|target| target.namespace.as_deref());
            let pod =
                name.and_then(|name| pods.named(namespace.unwrap_or(slice.namespace()), name));
            endpoint.addresses.iter().filter_map(move |address| {
                endpoint_at(address, number, pod.or_else(|| pods.at(address)))
            })
        })
        .collect()
}

fn of_endpoints(pods: &Pods<'_>, old: &OldEndpoints, port: &PortView<'_>) -> Vec<Endpoint> {
    let subsets = old.subsets.iter().flatten();
    subsets
        .flat_map(|subset| {
            let number = subset.ports.iter().flatten().find_map(|subset_port| {
                let named = subset_port.name.as_deref().unwrap_or_default() == port.name;
                named.then(|| u16::try_from(subset_port.port).ok()).flatten()
            });
            subset.addresses.iter().flatten().filter_map(move |address| {
                let target = address.target_ref.as_ref().and_then(|target| target.name.as_deref());
                let pod = target.and_then(|name| pods.named(old.namespace(), name));
                endpoint_at(&address.ip, number?, pod.or_else(|| pods.at(&address.ip)))
            })
        })
        .collect()
}

fn endpoint_at(address: &str, port: u16, pod: Option<&PodView>) -> Option<Endpoint> {
    let address: IpAddr = address.parse().ok()?;
    let pod = pod.cloned().unwrap_or_default();
    Some(Endpoint {
        address: SocketAddr::new(address, port),
        labels: pod.labels,
        workload: pod.workload,
        ..Endpoint::default()
    })
}

fn of_entry(registry: &Registry<'_>, entry: &ServiceEntry, port: &PortView<'_>) -> Vec<Endpoint> {
    let spec = &entry.spec;
    let Some(selector) = &spec.workload_selector else {
        return spec
            .endpoints
            .iter()
            .filter_map(|endpoint| of_workload(endpoint, &BTreeMap::new(), port))
            .collect();
    };
    let namespace = entry.namespace();
    let workloads = registry.slices.workloads.get(namespace).into_iter().flatten();
    let of_workloads = workloads.filter_map(|workload| {
        let labels = workload_labels(workload);
        selects(&selector.labels, &labels)
            .then(|| of_workload(&workload.spec, &labels, port))
            .flatten()
    });
    let pods = registry.slices.pods.get(namespace).into_iter().flatten();
    let of_pods = pods.filter_map(|pod| {
        let view = registry.pods.named(namespace, pod.name())?;
        let address = selects(&selector.labels, &view.labels).then(|| addresses(pod).next())??;
        endpoint_at(address, port.target.unwrap_or(port.number), Some(view))
    });
    of_workloads.chain(of_pods).collect()
}

/// Metadata labels override those of the spec.
fn workload_labels(workload: &WorkloadEntry) -> BTreeMap<String, String> {
    let mut labels = workload.spec.labels.clone();
    labels.extend(workload.meta().labels.clone().unwrap_or_default());
    labels
}

/// The endpoint's own port of that name, else the service port's target, else its number.
fn of_workload(
    workload: &edgeway_api::WorkloadEntrySpec,
    labels: &BTreeMap<String, String>,
    port: &PortView<'_>,
) -> Option<Endpoint> {
    let own = workload.ports.get(port.name).and_then(|number| u16::try_from(*number).ok());
    let address: IpAddr = workload.address.parse().ok()?;
    let labels = if labels.is_empty() { workload.labels.clone() } else { labels.clone() };
    Some(Endpoint {
        address: SocketAddr::new(address, own.or(port.target).unwrap_or(port.number)),
        weight: workload.weight.unwrap_or(1).max(1),
        labels: Arc::new(labels),
        locality: workload.locality.as_deref().map(Locality::parse).unwrap_or_default(),
        ..Endpoint::default()
    })
}

/// The pod port that a Service port leads to: its number, or the container port of that name among
/// `pods`; the Service port itself if it says nothing.
pub(super) fn target_port<'p>(
    port: &ServicePort,
    mut pods: impl Iterator<Item = &'p edgeway_api::k8s_openapi::api::core::v1::PodSpec>,
) -> Option<u16> {
    use edgeway_api::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    let number = match port.target_port.as_ref() {
        None => port.port,
        Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => pods.find_map(|pod| {
            let ports =
                pod.containers.iter().flat_map(|container| container.ports.iter().flatten());
            ports.into_iter().find(|p| p.name.as_deref() == Some(name)).map(|p| p.container_port)
        })?,
    };
    u16::try_from(number).ok()
}
