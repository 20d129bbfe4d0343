//! The services that can be sent to: Kubernetes Services and ServiceEntries, by host name.

use super::{
    Workload,
    age::{Age, key},
    changes::Replaced,
    names::qualified,
    report::Rejected,
    visibility::Visibility,
};
use crate::cluster::UpstreamProtocol;
use edgeway_api::{
    Objects, Resource, ServiceEntry,
    k8s_openapi::{
        api::core::v1::{Service, ServicePort},
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use hashbrown::HashMap;
use std::{collections::BTreeSet, sync::Arc};

/// Annotation of a Service that works as `exportTo` does elsewhere.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// All services, by host. Of several of one host the first counts.
#[derive(Debug, Default)]
pub(super) struct Registry {
    services: HashMap<Arc<str>, Vec<ServiceView>>,
}

/// One service as routing sees it.
#[derive(Clone, Debug)]
pub(super) struct ServiceView {
    /// Fully qualified.
    pub host: Arc<str>,
    /// Of the Service or ServiceEntry.
    pub namespace: Arc<str>,
    /// Who may send to it.
    pub visibility: Visibility,
    /// In written order.
    pub ports: Arc<[PortView]>,
    /// Where its endpoints come from.
    pub origin: Origin,
}

/// Where a service's endpoints come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// EndpointSlices.
    Kubernetes(Arc<Service>),
    /// Another name (`ExternalName`).
    Alias(Arc<Service>, Arc<str>),
    /// Its own list, or what its selector finds.
    Entry(Arc<ServiceEntry>),
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
#[derive(Clone, Debug)]
pub(super) struct PortView {
    /// The service's port.
    pub number: u16,
    /// Its name, empty if it has none.
    pub name: Arc<str>,
    /// What its endpoints speak.
    pub protocol: UpstreamProtocol,
    /// The endpoints' port where it is a number; EndpointSlices say it themselves.
    pub target: Option<u16>,
}

impl Registry {
    /// Reads all services. A Kubernetes Service comes before a ServiceEntry of the same host, the
    /// older ServiceEntry before the younger; rejected ones do not count.
    pub(super) fn new(objects: &Objects, workload: &Workload, rejected: &Rejected) -> Self {
        let mut registry = Self::default();
        registry.services.reserve(objects.services.len() + objects.service_entries.len());
        for service in &objects.services {
            registry.add(kubernetes(service, &workload.cluster_domain));
        }
        for entry in objects.service_entries.iter().filter(|entry| !rejected.contains(&***entry)) {
            entries(entry).for_each(|view| registry.add(view));
        }
        registry
    }

    /// Takes Services in place of others, and tells which hosts these have.
    pub(super) fn replace_services(
        &mut self,
        Replaced { gone, new }: &Replaced<Service>,
        domain: &str,
        hosts: &mut BTreeSet<Arc<str>>,
    ) {
        for service in gone {
            let host = kubernetes(service, domain).host;
            self.forget(&host, |origin| match origin {
                Origin::Kubernetes(it) | Origin::Alias(it, _) => Arc::ptr_eq(it, service),
                Origin::Entry(_) => false,
            });
            hosts.insert(host);
        }
        for view in new.iter().map(|service| kubernetes(service, domain)) {
            hosts.insert(Arc::clone(&view.host));
            self.add(view);
        }
    }

    /// The same for ServiceEntries; rejected ones do not count.
    pub(super) fn replace_entries(
        &mut self,
        Replaced { gone, new }: &Replaced<ServiceEntry>,
        rejected: &Rejected,
        hosts: &mut BTreeSet<Arc<str>>,
    ) {
        for entry in gone {
            for host in entry.spec.hosts.iter().map(|host| Arc::from(host.as_str())) {
                self.forget(&host, |origin| match origin {
                    Origin::Kubernetes(_) | Origin::Alias(..) => false,
                    Origin::Entry(it) => Arc::ptr_eq(it, entry),
                });
                hosts.insert(host);
            }
        }
        for entry in new.iter().filter(|entry| !rejected.contains(&***entry)) {
            for view in entries(entry) {
                hosts.insert(Arc::clone(&view.host));
                self.add(view);
            }
        }
    }

    fn add(&mut self, view: ServiceView) {
        let same_host = self.services.entry(Arc::clone(&view.host)).or_default();
        let at = same_host.partition_point(|other| other.precedence() < view.precedence());
        same_host.insert(at, view);
    }

    fn forget(&mut self, host: &Arc<str>, is_gone: impl Fn(&Origin) -> bool) {
        if let Some(views) = self.services.get_mut(host) {
            views.retain(|view| !is_gone(&view.origin));
            if views.is_empty() {
                self.services.remove(host);
            }
        }
    }

    /// The service of `host` if `namespace` may see it; an alias is followed. Tells `ask` all hosts
    /// that the answer hangs on.
    pub(super) fn find(
        &self,
        host: &str,
        namespace: &str,
        mut ask: impl FnMut(&str),
    ) -> Option<&ServiceView> {
        let mut host = host;
        // Aliases of aliases end somewhere, or are no use.
        for _ in 0..8 {
            ask(host);
            let service = self.services.get(host)?.first()?;
            if !service.visibility.admits(namespace) {
                return None;
            }
            match &service.origin {
                Origin::Alias(_, target) => host = target,
                Origin::Kubernetes(_) | Origin::Entry(_) => return Some(service),
            }
        }
        None
    }

    /// All that `namespace` may see, in no order.
    pub(super) fn visible(&self, namespace: &str) -> impl Iterator<Item = &ServiceView> {
        let counting = self.services.values().filter_map(|views| views.first());
        counting.filter(move |service| service.visibility.admits(namespace))
    }

    /// Why [`Self::find`] finds nothing.
    pub(super) fn absence(&self, host: &str, namespace: &str) -> Absence {
        match self.services.get(host).and_then(|views| views.first()) {
            None => Absence::Unknown,
            Some(service) if !service.visibility.admits(namespace) => Absence::Hidden,
            Some(ServiceView { origin: Origin::Alias(_, target), .. }) => {
                Absence::Dangling(target.to_string())
            }
            Some(_) => Absence::Unknown,
        }
    }
}

impl ServiceView {
    /// What comes first of the same host.
    fn precedence(&self) -> (bool, Age<'_>) {
        match &self.origin {
            Origin::Kubernetes(service) | Origin::Alias(service, _) => (false, key(&**service)),
            Origin::Entry(entry) => (true, key(&**entry)),
        }
    }
}

fn kubernetes(service: &Arc<Service>, domain: &str) -> ServiceView {
    let namespace = service.namespace();
    let spec = service.spec.as_ref();
    let annotations = service.meta().annotations.as_ref();
    let export = annotations.and_then(|all| all.get(EXPORT_TO)).map(String::as_str);
    let external = spec
        .filter(|spec| spec.type_.as_deref() == Some("ExternalName"))
        .and_then(|spec| spec.external_name.as_deref());
    let ports = spec.and_then(|spec| spec.ports.as_ref());
    ServiceView {
        host: qualified(service.name(), namespace, domain).into(),
        namespace: namespace.into(),
        visibility: Visibility::parse(
            export.into_iter().flat_map(|list| list.split(',')),
            namespace,
        ),
        ports: ports.into_iter().flatten().filter_map(kubernetes_port).collect(),
        origin: match external {
            Some(target) => Origin::Alias(Arc::clone(service), target.into()),
            None => Origin::Kubernetes(Arc::clone(service)),
        },
    }
}

fn kubernetes_port(port: &ServicePort) -> Option<PortView> {
    if !matches!(port.protocol.as_deref(), None | Some("" | "TCP")) {
        return None;
    }
    let name = port.name.as_deref().unwrap_or_default();
    Some(PortView {
        number: u16::try_from(port.port).ok()?,
        name: name.into(),
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
fn entries(entry: &Arc<ServiceEntry>) -> impl Iterator<Item = ServiceView> {
    let spec = &entry.spec;
    let own = entry.namespace();
    let visibility = Visibility::parse(spec.export_to.iter().map(String::as_str), own);
    let ports = spec.ports.iter().filter_map(|port| {
        Some(PortView {
            number: u16::try_from(port.number).ok()?,
            name: port.name.as_str().into(),
            protocol: protocol(Some(&port.protocol), &port.name),
            target: port.target_port.and_then(|port| u16::try_from(port).ok()),
        })
    });
    let (ports, namespace): (Arc<[PortView]>, Arc<str>) = (ports.collect(), own.into());
    spec.hosts.iter().map(move |host| ServiceView {
        host: host.as_str().into(),
        namespace: Arc::clone(&namespace),
        visibility: visibility.clone(),
        ports: Arc::clone(&ports),
        origin: Origin::Entry(Arc::clone(entry)),
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
