//! The services that can be sent to: Kubernetes Services and ServiceEntries, by host name.

use super::{
    Workload, age::shared_oldest_first, names::qualified, report::Report, visibility::Visibility,
};
use crate::cluster::UpstreamProtocol;
use edgeway_api::{
    Objects, Resource,
    k8s_openapi::{
        api::core::v1::{Service, ServicePort},
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// Annotation of a Service that works as `exportTo` does elsewhere.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// All services, by host.
#[derive(Debug)]
pub(super) struct Registry<'o> {
    services: BTreeMap<String, ServiceView<'o>>,
}

/// One service as routing sees it.
#[derive(Clone, Debug)]
pub(super) struct ServiceView<'o> {
    /// Fully qualified.
    pub host: String,
    /// Of the Service or ServiceEntry.
    pub namespace: &'o str,
    /// Who may send to it.
    pub visibility: Visibility,
    /// In written order.
    pub ports: Vec<PortView<'o>>,
    /// Where its endpoints come from.
    pub origin: Origin<'o>,
}

/// Where a service's endpoints come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'o> {
    /// EndpointSlices.
    Kubernetes(&'o Arc<Service>),
    /// Another name (`ExternalName`).
    Alias(&'o str),
    /// Its own list, or what its selector finds.
    Entry(&'o Arc<edgeway_api::ServiceEntry>),
}

/// Why there is no service to send to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Absence {
    /// Nobody knows the host.
    #[default]
    Unknown,
    /// The gateway may not see the service.
    Hidden,
    /// The service stands for this host, of which there is no service.
    Dangling(String),
}

/// A port of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortView<'o> {
    /// The service's port.
    pub number: u16,
    /// Its name, empty if it has none.
    pub name: &'o str,
    /// What its endpoints speak.
    pub protocol: UpstreamProtocol,
    /// The endpoints' port where it is a number; EndpointSlices say it themselves.
    pub target: Option<u16>,
}

impl<'o> Registry<'o> {
    /// Reads all services. A Kubernetes Service comes before a ServiceEntry of the same host, the
    /// older ServiceEntry before the younger; rejected ones do not count.
    pub(super) fn new(objects: &'o Objects, workload: &Workload, report: &Report) -> Self {
        let mut services = BTreeMap::new();
        for service in &objects.services {
            let view = kubernetes(service, &workload.cluster_domain);
            services.insert(view.host.clone(), view);
        }
        let entries_by_age = shared_oldest_first(&objects.service_entries).into_iter();
        for entry in entries_by_age.filter(|entry| !report.is_rejected(&entry.reference())) {
            for view in entries(entry) {
                services.entry(view.host.clone()).or_insert(view);
            }
        }
        Self { services }
    }

    /// The service of `host` if `namespace` may see it; an alias is followed.
    pub(super) fn find(&self, host: &str, namespace: &str) -> Option<&ServiceView<'o>> {
        let mut host = host;
        // Aliases of aliases end somewhere, or are no use.
        for _ in 0..8 {
            let service = self.services.get(host)?;
            if !service.visibility.admits(namespace) {
                return None;
            }
            match service.origin {
                Origin::Alias(target) => host = target,
                Origin::Kubernetes(_) | Origin::Entry(_) => return Some(service),
            }
        }
        None
    }

    /// Why [`Self::find`] finds nothing.
    pub(super) fn absence(&self, host: &str, namespace: &str) -> Absence {
        match self.services.get(host) {
            None => Absence::Unknown,
            Some(service) if !service.visibility.admits(namespace) => Absence::Hidden,
            Some(ServiceView { origin: Origin::Alias(target), .. }) => {
                Absence::Dangling((*target).to_owned())
            }
            Some(_) => Absence::Unknown,
        }
    }
}

fn kubernetes<'o>(service: &'o Arc<Service>, domain: &str) -> ServiceView<'o> {
    let namespace = service.namespace();
    let spec = service.spec.as_ref();
    let annotations = service.meta().annotations.as_ref();
    let export = annotations.and_then(|all| all.get(EXPORT_TO)).map(String::as_str);
    let external = spec
        .filter(|spec| spec.type_.as_deref() == Some("ExternalName"))
        .and_then(|spec| spec.external_name.as_deref());
    let ports = spec.and_then(|spec| spec.ports.as_ref());
    ServiceView {
        host: qualified(service.name(), namespace, domain),
        namespace,
        visibility: Visibility::parse(
            export.into_iter().flat_map(|list| list.split(',')),
            namespace,
        ),
        ports: ports.into_iter().flatten().filter_map(kubernetes_port).collect(),
        origin: external.map_or(Origin::Kubernetes(service), Origin::Alias),
    }
}

fn kubernetes_port(port: &ServicePort) -> Option<PortView<'_>> {
    if !matches!(port.protocol.as_deref(), None | Some("" | "TCP")) {
        return None;
    }
    let name = port.name.as_deref().unwrap_or_default();
    Some(PortView {
        number: u16::try_from(port.port).ok()?,
        name,
        protocol: protocol(port.app_protocol.as_deref(), name),
        target: match port.target_port {
            Some(IntOrString::Int(number)) => u16::try_from(number).ok().filter(|it| *it > 0),
            Some(IntOrString::String(_)) | None => None,
        },
    })
}

/// HTTP version of a port: `appProtocol` first, else the port name up to its first `-`
/// (as Istio: `kube.ConvertProtocol`). From a gateway whatever is not HTTP/2 is HTTP/1.1.
pub(super) fn protocol(app_protocol: Option<&str>, port_name: &str) -> UpstreamProtocol {
    let declared = app_protocol.unwrap_or_default().to_ascii_lowercase();
    let word = match declared.as_str() {
        "" => port_name.to_ascii_lowercase(),
        "kubernetes.io/h2c" => return UpstreamProtocol::Http2,
        other => other.to_owned(),
    };
    match word.split('-').next() {
        Some("http2" | "grpc") => UpstreamProtocol::Http2,
        _ => UpstreamProtocol::Http1,
    }
}

/// A ServiceEntry is one service per host.
fn entries(entry: &Arc<edgeway_api::ServiceEntry>) -> impl Iterator<Item = ServiceView<'_>> {
    let spec = &entry.spec;
    let namespace = entry.namespace();
    let visibility = Visibility::parse(spec.export_to.iter().map(String::as_str), namespace);
    let ports: Vec<PortView<'_>> = spec
        .ports
        .iter()
        .filter_map(|port| {
            Some(PortView {
                number: u16::try_from(port.number).ok()?,
                name: &port.name,
                protocol: protocol(Some(&port.protocol), &port.name),
                target: port.target_port.and_then(|port| u16::try_from(port).ok()),
            })
        })
        .collect();
    spec.hosts.iter().map(move |host| ServiceView {
        host: host.clone(),
        namespace,
        visibility: visibility.clone(),
        ports: ports.clone(),
        origin: Origin::Entry(entry),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_of_a_port_is_declared_or_in_its_name() {
        use UpstreamProtocol::{Http1, Http2};
        for (declared, name, expected) in [
            (None, "http", Http1),
            (None, "http2", Http2),
            (None, "http2-api", Http2),
            (None, "grpc", Http2),
            (None, "grpc-web", Http2),
            (None, "GRPC-Web", Http2),
            (None, "h2c", Http1),
            (None, "https", Http1),
            (None, "tcp-grpc", Http1),
            (None, "grpcish", Http1),
            (None, "", Http1),
            (Some("http2"), "http", Http2),
            (Some("grpc"), "tcp", Http2),
            (Some("kubernetes.io/h2c"), "http", Http2),
            (Some("kubernetes.io/ws"), "grpc", Http1),
            (Some("http"), "grpc", Http1),
            (Some("anything"), "http2", Http1),
            (Some(""), "http2", Http2),
        ] {
            assert_eq!(protocol(declared, name), expected, "{declared:?} {name}");
        }
    }
}
