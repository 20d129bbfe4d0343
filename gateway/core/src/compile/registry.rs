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
    /// Their own lists, or what their selectors find; the oldest first, never none.
    Entries(Vec<Arc<ServiceEntry>>),
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
    /// older ServiceEntry before the younger; rejected ones do not count. ServiceEntries that are alike
    /// but for their ports and endpoints are one service (as Istio: `canMergeServices`).
    pub(super) fn new(objects: &Objects, workload: &Workload, rejected: &Rejected) -> Self {
        let mut registry = Self::default();
        registry.services.reserve(objects.services.len() + objects.service_entries.len());
        for service in &objects.services {
            registry.add(kubernetes(service, &workload.cluster_domain));
        }
        for entry in objects.service_entries.iter().filter(|entry| !rejected.contains(&***entry)) {
            registry.add_entry(entry);
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
                Origin::Entries(_) => false,
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
                self.forget_entry(&host, entry);
                hosts.insert(host);
            }
        }
        for entry in new.iter().filter(|entry| !rejected.contains(&***entry)) {
            self.add_entry(entry);
            hosts.extend(entry.spec.hosts.iter().map(|host| Arc::from(host.as_str())));
        }
    }

    fn add(&mut self, view: ServiceView) {
        let same_host = self.services.entry(Arc::clone(&view.host)).or_default();
        let at = same_host.partition_point(|other| other.precedence() < view.precedence());
        same_host.insert(at, view);
    }

    fn add_entry(&mut self, entry: &Arc<ServiceEntry>) {
        for host in &entry.spec.hosts {
            let same_host = self.services.get_mut(host.as_str());
            let alike = same_host.and_then(|views| {
                let at = views.iter().position(|view| view.takes(entry))?;
                Some(views.remove(at))
            });
            let mut members = vec![Arc::clone(entry)];
            if let Some(Origin::Entries(others)) = alike.map(|view| view.origin) {
                members.extend(others);
                members.sort_by(|a, b| key(&**a).cmp(&key(&**b)));
            }
            self.add(of_entries(host.as_str().into(), members));
        }
    }

    fn forget_entry(&mut self, host: &Arc<str>, entry: &Arc<ServiceEntry>) {
        let is_it = |other: &Arc<ServiceEntry>| Arc::ptr_eq(other, entry);
        let views = self.services.get(host).into_iter().flatten();
        let mut with = views.filter_map(|view| match &view.origin {
            Origin::Entries(members) if members.iter().any(is_it) => Some(members.clone()),
            Origin::Entries(_) | Origin::Kubernetes(_) | Origin::Alias(..) => None,
        });
        let Some(mut members) = with.next() else { return };
        self.forget(host, |origin| match origin {
            Origin::Entries(members) => members.iter().any(is_it),
            Origin::Kubernetes(_) | Origin::Alias(..) => false,
        });
        members.retain(|other| !is_it(other));
        if !members.is_empty() {
            self.add(of_entries(Arc::clone(host), members));
        }
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
            let service = self.seen(host, namespace)?;
            match &service.origin {
                Origin::Alias(_, target) => host = target,
                Origin::Kubernetes(_) | Origin::Entries(_) => return Some(service),
            }
        }
        None
    }

    /// The first of those of `host` that `namespace` may see.
    fn seen(&self, host: &str, namespace: &str) -> Option<&ServiceView> {
        self.services.get(host)?.iter().find(|service| service.visibility.admits(namespace))
    }

    /// All that `namespace` may see, in no order.
    pub(super) fn visible(&self, namespace: &str) -> impl Iterator<Item = &ServiceView> {
        let hosts = self.services.keys();
        hosts.filter_map(move |host| self.seen(host, namespace))
    }

    /// Why [`Self::find`] finds nothing.
    pub(super) fn absence(&self, host: &str, namespace: &str) -> Absence {
        match self.seen(host, namespace) {
            None if self.services.contains_key(host) => Absence::Hidden,
            Some(ServiceView { origin: Origin::Alias(_, target), .. }) => {
                Absence::Dangling(target.to_string())
            }
            None | Some(_) => Absence::Unknown,
        }
    }
}

impl ServiceView {
    /// What comes first of the same host.
    fn precedence(&self) -> (bool, Age<'_>) {
        match &self.origin {
            Origin::Kubernetes(service) | Origin::Alias(service, _) => (false, key(&**service)),
            Origin::Entries(members) => {
                (true, members.first().map(|entry| key(&**entry)).unwrap_or_default())
            }
        }
    }

    /// Whether it and a ServiceEntry for its host are one service.
    fn takes(&self, entry: &ServiceEntry) -> bool {
        let Origin::Entries(members) = &self.origin else { return false };
        members.first().is_some_and(|first| {
            let (own, other) = (&first.spec, &entry.spec);
            first.namespace() == entry.namespace()
                && first.meta().labels == entry.meta().labels
                && own.resolution == other.resolution
                && own.export_to == other.export_to
                && own.workload_selector == other.workload_selector
        })
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

/// The ports of a ServiceEntry.
pub(super) fn ports(entry: &ServiceEntry) -> impl Iterator<Item = PortView> {
    entry.spec.ports.iter().filter_map(|port| {
        Some(PortView {
            number: u16::try_from(port.number).ok()?,
            name: port.name.as_str().into(),
            protocol: protocol(Some(&port.protocol), &port.name),
            target: port.target_port.and_then(|port| u16::try_from(port).ok()),
        })
    })
}

/// The service of `host` that ServiceEntries make up together; of ports with one number the first
/// counts.
fn of_entries(host: Arc<str>, members: Vec<Arc<ServiceEntry>>) -> ServiceView {
    let mut all: Vec<PortView> = Vec::new();
    for port in members.iter().flat_map(|entry| ports(entry)) {
        if all.iter().all(|other| other.number != port.number) {
            all.push(port);
        }
    }
    let first = members.first();
    let own = first.map(|entry| entry.namespace()).unwrap_or_default();
    let export = first.into_iter().flat_map(|entry| &entry.spec.export_to).map(String::as_str);
    ServiceView {
        host,
        namespace: own.into(),
        visibility: Visibility::parse(export, own),
        ports: all.into(),
        origin: Origin::Entries(members),
    }
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
