//! Which objects a gateway has something to say about; of the others other gateways speak.

use super::{Workload, binding::gateway_name, pods::selects};
use crate::id::ObjectName;
use edgeway_api::{ObjectRef, Objects, Resource, VirtualService};
use std::collections::BTreeSet;

/// The Gateways that select the workload, the `VirtualServices` that are bound to one of them, to one
/// that nobody has made, or delegated to, and all `DestinationRules` and `ServiceEntries`.
pub fn concerned(objects: &Objects, workload: &Workload) -> BTreeSet<ObjectRef> {
    let name = |namespace: &str, name: &str| ObjectName::new(namespace, name);
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    let mut all = BTreeSet::new();
    for gateway in &objects.gateways {
        let own = name(gateway.namespace(), gateway.name());
        if selects(&gateway.spec.selector, &workload.labels) {
            all.insert(gateway.reference());
            ours.insert(own);
        } else {
            theirs.insert(own);
        }
    }
    let is_bound = |service: &VirtualService| {
        let namespace = service.namespace();
        let mut gateways =
            service.spec.gateways.iter().filter_map(|text| gateway_name(text, namespace));
        service.spec.hosts.is_empty()
            || gateways.any(|gateway| ours.contains(&gateway) || !theirs.contains(&gateway))
    };
    let services = objects.virtual_services.iter().filter(|service| is_bound(service));
    all.extend(services.map(|service| service.reference()));
    all.extend(objects.destination_rules.iter().map(|rule| rule.reference()));
    all.extend(objects.service_entries.iter().map(|entry| entry.reference()));
    all
}

#[cfg(test)]
mod tests {
    use super::{Objects, Workload, concerned};
    use edgeway_api::manifest;

    #[test]
    fn a_gateway_speaks_of_what_it_serves() {
        let text = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ours}
spec: {selector: {istio: ingressgateway}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: theirs}
spec: {selector: {istio: egressgateway}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bound}
spec: {hosts: [a], gateways: [mesh, ours]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: elsewhere}
spec: {hosts: [a], gateways: [theirs]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inside}
spec: {hosts: [a]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost}
spec: {hosts: [a], gateways: [nobody]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: delegate}
spec: {}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec: {host: a}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: w}
spec: {address: 10.0.0.1}
";
        let mut objects = Objects::default();
        manifest::read(text, "f.yaml", &mut objects);
        let all = concerned(&objects, &Workload::default());
        let names: Vec<&str> = all.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names, ["rule", "ours", "bound", "delegate", "lost"]);
    }
}
