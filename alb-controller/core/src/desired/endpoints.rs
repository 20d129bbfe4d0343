//! Who a Service's requests go to.

use super::{Scene, class::Flavour, index::Labels};
use crate::target::{IpFamily, TargetId, Targets};
use edgeway_api::{
    Pod, Resource,
    k8s_openapi::api::{
        core::v1::{Node, Service, ServicePort},
        discovery::v1::{Endpoint, EndpointSlice},
    },
};
use std::{collections::BTreeSet, net::IpAddr};

/// Where a target is: on which instance, and under which address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) instance: String,
    pub(super) address: Option<IpAddr>,
}

/// Targets, and where they are as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Staff {
    pub(super) targets: Targets,
    pub(super) places: BTreeSet<Place>,
    /// Everybody that the cluster knows there, whether fit to serve or not.
    pub(super) known: BTreeSet<TargetId>,
}

/// Labels of nodes that no load balancer sends to.
const EXCLUDED: &[&str] = &[
    "node-role.kubernetes.io/master",
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "alpha.service-controller.kubernetes.io/exclude-balancer",
];

/// Taints of nodes that are about to go.
const LEAVING: &[&str] = &["ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted"];

/// Pods behind a port of a Service, by address.
pub(super) fn pods(
    scene: &Scene<'_>,
    service: &Service,
    port: &ServicePort,
    (family, flavour): (IpFamily, Flavour),
) -> Staff {
    let (namespace, name) = (service.namespace(), service.name());
    let slices = scene.index.slices(namespace, name);
    let (mut staff, mut unknown) = (Staff::default(), Vec::new());
    for slice in slices.iter().filter(|slice| slice.address_type == address_type(family)) {
        for number in slice_ports(slice, port) {
            let addresses = slice.endpoints.iter().filter_map(|e| e.addresses.first());
            staff.known.extend(addresses.map(|id| TargetId { id: id.clone(), port: number }));
            for endpoint in &slice.endpoints {
                match fitness(scene, namespace, endpoint, flavour) {
                    Fitness::Serves => {
                        enlist(scene, &mut staff, namespace, (endpoint, number));
                    }
                    Fitness::Unknown => unknown.push((endpoint, number)),
                    Fitness::Unfit => {}
                }
            }
        }
    }
    // Where nothing is heard of any node, it is rather the way to them that is broken.
    if staff.targets.is_empty() {
        for it in unknown {
            enlist(scene, &mut staff, namespace, it);
        }
    }
    if slices.is_empty() && flavour == Flavour::Edgeway {
        staff.targets.extend(old_endpoints(scene, service, port));
    }
    staff
}

fn address_type(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "IPv4",
        IpFamily::V6 => "IPv6",
    }
}

/// Numbers of the slice's ports that are the Service's port.
fn slice_ports(slice: &EndpointSlice, port: &ServicePort) -> Vec<u16> {
    let wanted = port.name.as_deref().unwrap_or_default();
    let ports = slice.ports.iter().flatten();
    let same = ports.filter(|port| wanted.is_empty() || port.name.as_deref() == Some(wanted));
    same.filter_map(|port| u16::try_from(port.port?).ok()).collect()
}

fn enlist(
    scene: &Scene<'_>,
    staff: &mut Staff,
    namespace: &str,
    (endpoint, port): (&Endpoint, u16),
) {
    let Some(address) = endpoint.addresses.first() else { return };
    let target = TargetId { id: address.clone(), port };
    staff.targets.insert(target, scene.zone(address));
    let pod = pod_of(scene, namespace, endpoint);
    let node = pod.and_then(node_of).or(endpoint.node_name.as_deref());
    if let Some(instance) = node.and_then(|name| scene.index.node(name)).and_then(instance) {
        staff.places.insert(Place { instance, address: address.parse().ok() });
    }
}

fn pod_of<'a>(scene: &Scene<'a>, namespace: &str, endpoint: &Endpoint) -> Option<&'a Pod> {
    let target = endpoint.target_ref.as_ref()?;
    let is_pod = target.kind.as_deref() == Some("Pod");
    is_pod.then(|| scene.index.pod(namespace, target.name.as_deref()?)).flatten()
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.node_name.as_deref()
}

/// Whether something takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fitness {
    Serves,
    /// Nobody has heard of its node of late: it counts where nothing else does.
    Unknown,
    Unfit,
}

/// Whether an endpoint takes requests. A pod that waits for its readiness gate counts: it is the
/// target group that the gate waits for.
fn fitness(scene: &Scene<'_>, namespace: &str, endpoint: &Endpoint, flavour: Flavour) -> Fitness {
    let pod = pod_of(scene, namespace, endpoint);
    if flavour == Flavour::Aws && pod.is_none() {
        return Fitness::Unfit;
    }
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    if conditions.ready.unwrap_or(true) {
        return Fitness::Serves;
    }
    if conditions.terminating.unwrap_or(false) || !pod.is_some_and(containers_ready) {
        return Fitness::Unfit;
    }
    let node = pod.and_then(node_of).and_then(|name| scene.index.node(name));
    node.map_or(Fitness::Unfit, fitness_of_node)
}

/// Whether a pod is ready but for what others wait for.
pub(crate) fn containers_ready(pod: &Pod) -> bool {
    pod.is("ContainersReady")
}

fn fitness_of_node(node: &Node) -> Fitness {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    match ready.map(|condition| condition.status.as_str()) {
        Some("True") => Fitness::Serves,
        Some("Unknown") => Fitness::Unknown,
        Some(_) | None => Fitness::Unfit,
    }
}

/// Addresses from the older kind of object, for Services that have no slice.
fn old_endpoints(scene: &Scene<'_>, service: &Service, port: &ServicePort) -> Targets {
    let endpoints = scene.index.endpoints(service.namespace(), service.name());
    let subsets = endpoints.and_then(|endpoints| endpoints.subsets.as_ref()).into_iter().flatten();
    let wanted = port.name.as_deref().unwrap_or_default();
    let mut targets = Targets::new();
    for subset in subsets {
        let ports = subset.ports.iter().flatten();
        let same = ports.filter(|port| wanted.is_empty() || port.name.as_deref() == Some(wanted));
        for number in same.filter_map(|port| u16::try_from(port.port).ok()) {
            for address in subset.addresses.iter().flatten() {
                let target = TargetId { id: address.ip.clone(), port: number };
                targets.insert(target, scene.zone(&address.ip));
            }
        }
    }
    targets
}

/// Nodes, by instance.
pub(super) fn nodes(scene: &Scene<'_>, port: u16, fits: impl Fn(&Labels) -> bool) -> Staff {
    let none = Labels::new();
    let mut staff = Staff::default();
    let mut unknown = Vec::new();
    for node in scene.index.nodes() {
        let labels = node.metadata.labels.as_ref().unwrap_or(&none);
        let Some(instance) = instance(node) else { continue };
        staff.known.insert(TargetId { id: instance.clone(), port });
        if !fits(labels) || !is_eligible(node, labels) {
            continue;
        }
        match fitness_of_node(node) {
            Fitness::Serves => hire(&mut staff, instance, port),
            Fitness::Unknown => unknown.push(instance),
            Fitness::Unfit => {}
        }
    }
    if staff.targets.is_empty() {
        for instance in unknown {
            hire(&mut staff, instance, port);
        }
    }
    staff
}

fn hire(staff: &mut Staff, instance: String, port: u16) {
    staff.targets.insert(TargetId { id: instance.clone(), port }, None);
    staff.places.insert(Place { instance, address: None });
}

/// Whether a node may be sent to at all.
fn is_eligible(node: &Node, labels: &Labels) -> bool {
    let excluded = EXCLUDED.iter().any(|label| labels.contains_key(*label));
    let fargate =
        labels.get("eks.amazonaws.com/compute-type").is_some_and(|kind| kind == "fargate");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let leaving = taints.into_iter().flatten().any(|taint| LEAVING.contains(&taint.key.as_str()));
    !excluded && !fargate && !leaving
}

/// The instance that a node is: the last part of its provider's id.
pub(super) fn instance(node: &Node) -> Option<String> {
    let id = node.spec.as_ref()?.provider_id.as_deref()?.rsplit('/').next()?;
    id.starts_with("i-").then(|| id.to_owned())
}
