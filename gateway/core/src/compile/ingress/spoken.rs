//! Services whose pods speak another version of HTTP than their ports say, because an Ingress, or their own
//! annotation for load balancers, says so: a load balancer alone would have spoken it with them.

use super::doors::{Door, Doors};
use edgeway_api::{
    Resource,
    ingress::{paths, port, version},
    k8s_openapi::{
        api::{
            core::v1::Service,
            networking::v1::{Ingress, IngressBackend},
        },
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use std::collections::BTreeMap;

/// Namespace and name.
type Name = (String, String);

/// The Services that say something else then, by name; the oldest Ingress of a Service counts.
pub(super) fn spoken(doors: &Doors<'_>, ingresses: &BTreeMap<Door, Vec<&Ingress>>) -> Vec<Service> {
    let mut changed: BTreeMap<Name, Service> = BTreeMap::new();
    let behind = ingresses.iter().filter(|(door, _)| door.is_behind_load_balancer());
    for ingress in behind.flat_map(|(_, ingresses)| ingresses) {
        let default = ingress.spec.iter().filter_map(|spec| spec.default_backend.as_ref());
        for backend in paths(ingress).map(|(_, _, path)| &path.backend).chain(default) {
            let Some((service, wanted, protocol)) = said(doors, ingress, backend) else { continue };
            let name = (service.namespace().to_owned(), service.name().to_owned());
            let service = changed.entry(name).or_insert_with(|| service.clone());
            let ports = service.spec.iter_mut().flat_map(|spec| spec.ports.iter_mut().flatten());
            for port in ports {
                let is_meant = match &wanted {
                    IntOrString::Int(number) => port.port == *number,
                    IntOrString::String(name) => port.name.as_ref() == Some(name),
                };
                if is_meant {
                    port.app_protocol = Some(protocol.to_owned());
                }
            }
        }
    }
    changed.into_values().collect()
}

/// The Service of a backend, its port, and what its pods are said to speak.
fn said<'o>(
    doors: &Doors<'o>,
    ingress: &Ingress,
    backend: &IngressBackend,
) -> Option<(&'o Service, IntOrString, &'static str)> {
    let named = backend.service.as_ref()?;
    let service = doors.services.find(ingress.namespace(), &named.name)?;
    let protocol = match version(ingress, Some(service))? {
        "GRPC" => "grpc",
        "HTTP2" => "http2",
        _ => return None,
    };
    Some((service, port(named), protocol))
}
