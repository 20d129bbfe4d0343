//! What became another from one configuration to the next.
//!
//! Whether an object did is seen by its `Arc`; sources keep those of objects that did not.

use edgeway_api::{
    DestinationRule, Objects, Pod, ServiceEntry, VirtualService,
    k8s_openapi::api::{
        apps::v1::Deployment,
        core::v1::{Endpoints, Node, Secret, Service},
        discovery::v1::EndpointSlice,
    },
};
use hashbrown::HashSet;
use std::sync::Arc;

/// The objects of a kind that went, and those that came.
#[derive(Debug)]
pub(super) struct Replaced<T> {
    pub(super) gone: Vec<Arc<T>>,
    pub(super) new: Vec<Arc<T>>,
}

/// What changed, kind by kind.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) virtual_services: Replaced<VirtualService>,
    pub(super) destination_rules: Replaced<DestinationRule>,
    pub(super) service_entries: Replaced<ServiceEntry>,
    pub(super) services: Replaced<Service>,
    pub(super) secrets: Replaced<Secret>,
    pub(super) endpoint_slices: Replaced<EndpointSlice>,
    pub(super) endpoints: Replaced<Endpoints>,
    pub(super) pods: Replaced<Pod>,
    pub(super) nodes: Replaced<Node>,
    pub(super) deployments: Replaced<Deployment>,
    /// Whether anything did that everything may hang on.
    pub(super) all: bool,
}

impl Changes {
    /// Takes `now` over into `seen`, and tells what is another.
    pub(super) fn take(seen: &mut Objects, now: &Objects) -> Self {
        let Objects {
            gateways,
            virtual_services,
            destination_rules,
            service_entries,
            workload_entries,
            services,
            pods,
            deployments,
            secrets,
            nodes,
            endpoint_slices,
            endpoints,
            // No part of compiling.
            ingress_class_params: _,
            target_group_bindings: _,
            config_maps: _,
            namespaces: _,
            ingresses: _,
            ingress_classes: _,
            defects: _,
            origins: _,
        } = now;
        let gateways = replace(&mut seen.gateways, gateways);
        let workload_entries = replace(&mut seen.workload_entries, workload_entries);
        Self {
            all: gateways.is_any() || workload_entries.is_any(),
            virtual_services: replace(&mut seen.virtual_services, virtual_services),
            destination_rules: replace(&mut seen.destination_rules, destination_rules),
            service_entries: replace(&mut seen.service_entries, service_entries),
            secrets: replace(&mut seen.secrets, secrets),
            endpoint_slices: replace(&mut seen.endpoint_slices, endpoint_slices),
            endpoints: replace(&mut seen.endpoints, endpoints),
            services: replace(&mut seen.services, services),
            pods: replace(&mut seen.pods, pods),
            nodes: replace(&mut seen.nodes, nodes),
            deployments: replace(&mut seen.deployments, deployments),
        }
    }

    /// Whether anything did that the gateway's own ports and place are read from.
    pub(super) fn may_move_gateway(&self) -> bool {
        let Self { services, pods, nodes, deployments, .. } = self;
        services.is_any() || pods.is_any() || nodes.is_any() || deployments.is_any()
    }
}

impl<T> Replaced<T> {
    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        !self.gone.is_empty() || !self.new.is_empty()
    }

    /// All that went or came.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.gone.iter().chain(&self.new)
    }
}

/// Makes `seen` what is `now`. What both begin and end with is not touched; what merely moved is no
/// change, since the order means nothing.
fn replace<T>(seen: &mut Vec<Arc<T>>, now: &[Arc<T>]) -> Replaced<T> {
    let same = |(a, b): &(&Arc<T>, &Arc<T>)| Arc::ptr_eq(a, b);
    let front = seen.iter().zip(now).take_while(same).count();
    let rest = seen.iter().skip(front).rev().zip(now.iter().skip(front).rev());
    let back = rest.take_while(same).count();
    let middle = now.get(front..now.len() - back).unwrap_or_default();
    let mut gone: Vec<_> = seen.splice(front..seen.len() - back, middle.iter().cloned()).collect();
    let mut new = middle.to_vec();
    let set = |list: &[Arc<T>]| -> HashSet<*const T> { list.iter().map(Arc::as_ptr).collect() };
    let (were, are) = (set(&gone), set(&new));
    gone.retain(|object| !are.contains(&Arc::as_ptr(object)));
    new.retain(|object| !were.contains(&Arc::as_ptr(object)));
    Replaced { gone, new }
}

#[cfg(test)]
mod tests {
    use super::{Arc, replace};

    #[test]
    fn only_what_is_another_is_a_change() {
        let all: Vec<Arc<u8>> = (0..6).map(Arc::new).collect();
        let list =
            |picked: &[usize]| -> Vec<_> { picked.iter().map(|i| Arc::clone(&all[*i])).collect() };
        let numbers = |list: &[Arc<u8>]| -> Vec<u8> { list.iter().map(|it| **it).collect() };
        for (before, now, gone, new) in [
            (&[][..], &[][..], &[][..], &[][..]),
            (&[0, 1, 2], &[0, 1, 2], &[], &[]),
            (&[0, 1, 2], &[0, 5, 2], &[1], &[5]),
            (&[0, 1, 2], &[0, 2], &[1], &[]),
            (&[0, 2], &[0, 1, 2], &[], &[1]),
            (&[0, 1], &[1, 0], &[], &[]),
            (&[0, 1, 2], &[2, 3, 0], &[1], &[3]),
            (&[0], &[], &[0], &[]),
            (&[], &[3], &[], &[3]),
        ] {
            let mut seen = list(before);
            let now = list(now);
            let replaced = replace(&mut seen, &now);
            assert_eq!(
                (numbers(&replaced.gone), numbers(&replaced.new)),
                (gone.to_vec(), new.to_vec())
            );
            assert_eq!(numbers(&seen), numbers(&now));
        }
    }
}
