//! What is said of the gateway's ports by those before it and around it: which sockets the ports of its
//! own Service lead to, and how connections begin.

use super::{
    Workload, age::oldest_first, endpoint::target_port, pods::selects, proxy_header::Topology,
};
use edgeway_api::{Objects, Resource, k8s_openapi::api::core::v1::Service, pod::template_ports};
use std::collections::BTreeMap;

/// Label of a Service whose ports are the sockets' own.
const UNTRANSLATED: &str = "experimental.istio.io/disable-gateway-port-translation";

/// What is said of the gateway's ports beside Gateways.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Front {
    /// Ports of the Service in front of the gateway, and their targets.
    ports: BTreeMap<u16, u16>,
    pub(super) topology: Topology,
}

impl Front {
    /// Reads the Services in front of `workload`; of several with a port, the oldest counts.
    pub(super) fn new(objects: &Objects, workload: &Workload) -> Self {
        let mut ports = BTreeMap::new();
        let mine: Vec<_> = objects.services.iter().filter(|it| is_mine(it, workload)).collect();
        for service in oldest_first(&mine.into_iter().cloned().collect::<Vec<_>>()) {
            let mut seen = Vec::new();
            let of_spec = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
            for port in of_spec.into_iter().flatten() {
                let Ok(number) = u16::try_from(port.port) else { continue };
                if seen.contains(&number) {
                    continue;
                }
                seen.push(number);
                if let Some(target) = target_port(port, own_ports(objects, workload)) {
                    ports.entry(number).or_insert(target);
                }
            }
        }
        Self { ports, topology: Topology::new(objects, workload) }
    }

    /// A server's port is a port of the Service in front of the gateway: the socket is its target. It
    /// is the socket's own where no such Service has it (as Istio: `resolvePorts`).
    pub(super) fn listening_port(&self, number: u16) -> u16 {
        self.ports.get(&number).copied().unwrap_or(number)
    }
}

/// Whether a Service stands in front of `workload`.
pub(super) fn is_in_front(service: &Service, workload: &Workload) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    service.namespace() == workload.namespace
        && selector.is_some_and(|labels| !labels.is_empty() && selects(labels, &workload.labels))
}

fn is_mine(service: &Service, workload: &Workload) -> bool {
    let labels = service.meta().labels.as_ref();
    is_in_front(service, workload)
        && !labels.is_some_and(|labels| labels.contains_key(UNTRANSLATED))
}

/// Ports of the gateway itself that have names, for Services that go by these.
fn own_ports<'o>(
    objects: &'o Objects,
    workload: &'o Workload,
) -> impl Iterator<Item = (&'o str, i32)> {
    let (namespace, labels) = (workload.namespace.as_str(), &workload.labels);
    let pods = objects.pods.iter().filter(move |pod| {
        let own = pod.meta().labels.as_ref();
        pod.namespace() == namespace && own.is_some_and(|own| selects(labels, own))
    });
    let deployments = objects.deployments.iter().filter_map(move |deployment| {
        let template = &deployment.spec.as_ref()?.template;
        let own = template.metadata.as_ref()?.labels.as_ref()?;
        (deployment.namespace() == namespace && selects(labels, own)).then_some(template)
    });
    let of_deployments = deployments.filter_map(|template| template.spec.as_ref());
    pods.flat_map(|pod| pod.spec.named_ports()).chain(of_deployments.flat_map(template_ports))
}
