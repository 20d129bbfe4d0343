//! EndpointSlices and Pods that say where the stand-ins are.

use super::{
    Places,
    crew::{Echo, EchoId, SERVICE_NAME},
    door::doors,
    labels::Labels,
    role::Role,
};
use edgeway_api::{
    Objects, Pod, Resource,
    k8s_openapi::{
        api::{
            core::v1::{ObjectReference, Service},
            discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
        },
        apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Name of the local gateway's pod.
const GATEWAY_POD: &str = "edgeway-gateway";

/// Adds a slice for every echo that has a place, and its pod where the folder has none of that name.
pub(super) fn of_echoes(
    objects: &mut Objects,
    echoes: &[Echo],
    places: &BTreeMap<EchoId, SocketAddr>,
) {
    let mut pods: BTreeSet<(String, String)> = objects
        .pods
        .iter()
        .map(|pod| (pod.namespace().to_owned(), pod.name().to_owned()))
        .collect();
    let services: BTreeMap<(String, String), Arc<Service>> = objects
        .services
        .iter()
        .map(|s| ((s.namespace().to_owned(), s.name().to_owned()), Arc::clone(s)))
        .collect();
    for Echo { id, labels, deployment } in echoes {
        let service = services.get(&(id.namespace.clone(), id.service.clone()));
        let (Some(service), Some(place)) = (service, places.get(id)) else { continue };
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        let ports = ports.map(|port| slice_port(port.name.as_deref(), place.port()));
        objects.endpoint_slices.push(Arc::new(slice(id, place.ip(), ports.collect())));
        if pods.insert((id.namespace.clone(), id.pod.clone())) {
            objects.pods.push(Arc::new(pod(id, labels, deployment.as_deref())));
        }
    }
}

/// Points every Service of the gateway at the local one, whatever endpoints the folder gives it.
pub(super) fn of_gateway(objects: &mut Objects, role: &Role, places: &Places) {
    let own: Vec<Arc<Service>> =
        objects.services.iter().filter(|s| role.is_selected_by(s)).cloned().collect();
    for service in own {
        let (namespace, name) = (service.namespace().to_owned(), service.name().to_owned());
        objects.endpoint_slices.retain(|slice| {
            let of = slice.meta().labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME));
            slice.namespace() != namespace || of != Some(&name)
        });
        objects.endpoints.retain(|old| old.namespace() != namespace || old.name() != name);
        let ports = doors(objects, &service).filter_map(|(port_name, door)| {
            let port = door.listening.checked_add(places.gateway_offset)?;
            Some(slice_port(port_name, port))
        });
        let ports = ports.collect();
        let id = EchoId { namespace, service: name, pod: GATEWAY_POD.to_owned() };
        objects.endpoint_slices.push(Arc::new(slice(&id, places.gateway, ports)));
    }
    let id = EchoId {
        namespace: role.namespace.clone(),
        service: String::new(),
        pod: GATEWAY_POD.to_owned(),
    };
    objects.pods.push(Arc::new(pod(&id, &role.labels, None)));
}

fn slice_port(name: Option<&str>, port: u16) -> EndpointPort {
    EndpointPort {
        name: name.map(str::to_owned),
        port: Some(port.into()),
        protocol: Some("TCP".to_owned()),
        ..EndpointPort::default()
    }
}

/// One slice per pod, since each has a port of its own.
fn slice(id: &EchoId, address: IpAddr, ports: Vec<EndpointPort>) -> EndpointSlice {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", id.service, id.pod)),
            namespace: Some(id.namespace.clone()),
            labels: Some(Labels::from([(SERVICE_NAME.to_owned(), id.service.clone())])),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ports: Some(ports),
        endpoints: vec![Endpoint {
            addresses: vec![address.to_string()],
            conditions: Some(EndpointConditions {
                ready: Some(true),
                serving: Some(true),
                terminating: Some(false),
            }),
            target_ref: Some(ObjectReference {
                kind: Some("Pod".to_owned()),
                name: Some(id.pod.clone()),
                namespace: Some(id.namespace.clone()),
                ..ObjectReference::default()
            }),
            ..Endpoint::default()
        }],
    }
}

fn pod(id: &EchoId, labels: &Labels, deployment: Option<&str>) -> Pod {
    let owner = deployment.map(|name| OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
        controller: Some(true),
        ..OwnerReference::default()
    });
    Pod {
        metadata: ObjectMeta {
            name: Some(id.pod.clone()),
            namespace: Some(id.namespace.clone()),
            labels: Some(labels.clone()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        ..Pod::default()
    }
}
