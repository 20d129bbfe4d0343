//! Where a service's port is: from EndpointSlices, Endpoints, or what a ServiceEntry says.

use super::{
    entry::{beside_pods, of_entries},
    nodes::label,
    pods::PodView,
    registry::{Origin, PortView},
    sites::Sites,
};
use crate::cluster::{Endpoint, Locality, Names};
use edgeway_api::{
    Resource,
    k8s_openapi::api::{
        core::v1::{Endpoints as OldEndpoints, Service, ServicePort},
        discovery::v1::EndpointSlice,
    },
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

/// Where a service's port is.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// At addresses.
    pub endpoints: Vec<Endpoint>,
    /// Behind names.
    pub names: Option<Names>,
}

impl Places {
    /// All endpoints; those behind names as their templates.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        let names = self.names.iter_mut().flat_map(|names| &mut names.list);
        self.endpoints.iter_mut().chain(names.map(|name| &mut name.template))
    }

    /// Both together.
    pub(super) fn join(&mut self, other: Self) {
        self.endpoints.extend(other.endpoints);
        self.names = match (self.names.take(), other.names) {
            (Some(mut names), Some(more)) => {
                names.list.extend(more.list);
                names.list.sort_by(|a, b| (&a.host, &a.template).cmp(&(&b.host, &b.template)));
                Some(names)
            }
            (names, more) => names.or(more),
        };
    }

    /// Keeps what is wanted.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Endpoint) -> bool) {
        self.endpoints.retain(&wanted);
        self.names = self.names.take().and_then(|mut names| {
            names.list.retain(|name| wanted(&name.template));
            (!names.list.is_empty()).then_some(names)
        });
    }
}

/// Where a service's port is, as far as labels satisfy `subset`.
pub(super) fn places(
    sites: &Sites,
    (origin, host): (&Origin, &str),
    port: &PortView,
    subset: &BTreeMap<String, String>,
) -> Places {
    let mut places = match origin {
        Origin::Kubernetes(object) => {
            let mut endpoints = of_service(sites, object, port);
            endpoints.extend(beside_pods(sites, object, port));
            Places { endpoints, names: None }
        }
        Origin::Entries(members) => of_entries(sites, members, host, port),
        Origin::Alias(..) => Places::default(),
    };
    // What nearness and shares are reckoned from counts each address once.
    places.endpoints.sort();
    places.endpoints.dedup_by(|later, first| later.address == first.address);
    places.retain(|endpoint| has(endpoint, subset));
    places
}

/// Whether an endpoint has all `labels`, those of its place among them.
fn has(endpoint: &Endpoint, labels: &BTreeMap<String, String>) -> bool {
    let place = (&endpoint.locality, &*endpoint.node);
    labels.iter().all(|(name, value)| label(name, &endpoint.labels, place) == Some(value))
}

fn of_service(sites: &Sites, service: &Service, port: &PortView) -> Vec<Endpoint> {
    let Some(listed) = sites.listed(service.namespace(), service.name()) else { return Vec::new() };
    if listed.slices.is_empty() {
        let old = listed.endpoints.as_ref();
        return old.map(|old| of_endpoints(sites, old, port)).unwrap_or_default();
    }
    listed.slices.iter().flat_map(|slice| of_slice(sites, slice, port)).collect()
}

/// Ready addresses of a slice at the port that carries the Service port's name.
fn of_slice(sites: &Sites, slice: &EndpointSlice, port: &PortView) -> Vec<Endpoint> {
    let number = slice.ports.iter().flatten().find_map(|slice_port| {
        let named = slice_port.name.as_deref().unwrap_or_default() == &*port.name;
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
            let namespace = namespace.unwrap_or(slice.namespace());
            let pod = name.and_then(|name| sites.pods.named(namespace, name));
            let node = sites.nodes.named(endpoint.node_name.as_deref()).cloned();
            let zone = || endpoint.zone.as_deref().map(|zone| sites.nodes.in_zone(zone));
            let machine = node.or_else(zone);
            let on = endpoint.node_name.as_deref();
            endpoint.addresses.iter().filter_map(move |address| {
                let pod = pod.or_else(|| sites.pods.at(address));
                endpoint_at(address, number, pod).map(|found| placed(found, machine.as_ref(), on))
            })
        })
        .collect()
}

fn of_endpoints(sites: &Sites, old: &OldEndpoints, port: &PortView) -> Vec<Endpoint> {
    let subsets = old.subsets.iter().flatten();
    subsets
        .flat_map(|subset| {
            let number = subset.ports.iter().flatten().find_map(|subset_port| {
                let named = subset_port.name.as_deref().unwrap_or_default() == &*port.name;
                named.then(|| u16::try_from(subset_port.port).ok()).flatten()
            });
            subset.addresses.iter().flatten().filter_map(move |address| {
                let target = address.target_ref.as_ref().and_then(|target| target.name.as_deref());
                let named = target.and_then(|name| sites.pods.named(old.namespace(), name));
                let pod = named.or_else(|| sites.pods.at(&address.ip));
                let machine = sites.nodes.named(address.node_name.as_deref());
                let on = address.node_name.as_deref();
                endpoint_at(&address.ip, number?, pod).map(|found| placed(found, machine, on))
            })
        })
        .collect()
}

/// Where its pod does not say, an endpoint is where its machine is.
fn placed(mut endpoint: Endpoint, machine: Option<&Locality>, node: Option<&str>) -> Endpoint {
    if let Some(node) = node.filter(|node| *node != &*endpoint.node) {
        endpoint.node = node.into();
    }
    if let (true, Some(machine)) = (endpoint.locality.is_empty(), machine) {
        endpoint.locality = machine.clone();
    }
    endpoint
}

/// The endpoint at an address, with what its pod says of it.
pub(super) fn endpoint_at(address: &str, port: u16, pod: Option<&PodView>) -> Option<Endpoint> {
    let address: IpAddr = address.parse().ok()?;
    let pod = pod.cloned().unwrap_or_default();
    Some(Endpoint {
        address: SocketAddr::new(address, port),
        labels: pod.labels,
        workload: pod.workload,
        locality: pod.locality,
        node: pod.node,
        ..Endpoint::default()
    })
}

/// The pod port that a Service port leads to: its number, or the container port of that name in
/// `ports`; the Service port itself if it says nothing.
pub(super) fn target_port<'p>(
    port: &ServicePort,
    mut ports: impl Iterator<Item = (&'p str, i32)>,
) -> Option<u16> {
    use edgeway_api::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    let number = match port.target_port.as_ref() {
        None => port.port,
        Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            ports.find_map(|(port, number)| (port == name).then_some(number))?
        }
    };
    u16::try_from(number).ok()
}
