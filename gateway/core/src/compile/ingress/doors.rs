//! Where Ingresses are served: one Gateway for each class that leads to this gateway.

use super::{super::front::is_in_front, Source, name};
use crate::{Workload, compile::age::key};
use edgeway_api::{
    Gateway, GatewaySpec, Objects, Resource,
    gateway::{Port, Server, ServerTls, TlsMode},
    ingress::{ClassWish, GatewayService, default_class, kept_at_load_balancer},
    k8s_openapi::{
        api::{
            core::v1::Service,
            networking::v1::{Ingress, IngressClass, IngressTLS},
        },
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Controller of a class of Istio's own.
const ISTIO: &str = "istio.io/ingress-controller";
/// The name by which an annotation means Istio (as Istio: `meshConfig.ingressClass`).
const ANNOTATED: &str = "istio";
/// Whom Istio's Ingresses are for (as Istio: `meshConfig.ingressSelector`).
const SELECTOR: (&str, &str) = ("istio", "ingressgateway");
/// The port of Istio's Ingresses without TLS.
const HTTP: u16 = 80;
/// The port of those with TLS.
const HTTPS: u16 = 443;

/// A class whose Ingresses the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Door {
    /// Name of the class.
    pub(super) class: String,
    /// The port of the gateway's Service without TLS.
    pub(super) port: u16,
    /// Whether Secrets that Ingresses name are served at port 443.
    has_tls: bool,
    /// Namespace and name of the gateway's Service, where load balancers stand before it: what these
    /// alone do is left to them.
    pub(super) service: Option<(String, String)>,
}

/// All of them, by name of the class.
#[derive(Debug)]
pub(super) struct Doors<'o> {
    pub(super) services: Services<'o>,
    by_class: BTreeMap<&'o str, Door>,
    default: Option<&'o str>,
    istio: Option<Door>,
}

impl<'o> Doors<'o> {
    /// The doors of `workload`.
    pub(super) fn of(objects: &'o Objects, workload: &Workload) -> Self {
        let services = Services::of(objects);
        let classes = objects.ingress_classes.iter().map(AsRef::as_ref);
        let (key, value) = SELECTOR;
        let is_istio = workload.labels.get(key).is_some_and(|own| own == value);
        let istio = |class: &str| Door {
            class: class.to_owned(),
            port: HTTP,
            has_tls: true,
            service: None,
        };
        let door = |class: &'o IngressClass| {
            let controller = class.spec.as_ref()?.controller.as_deref();
            if controller == Some(ISTIO) {
                return is_istio.then(|| istio(class.name()));
            }
            let GatewayService { namespace, name, port } = GatewayService::of(class).ok()??;
            let service = services.find(&namespace, &name)?;
            if !is_in_front(service, workload) {
                return None;
            }
            Some(Door {
                class: class.name().to_owned(),
                port: number(service, &port)?,
                has_tls: number(service, &IntOrString::Int(HTTPS.into())).is_some(),
                service: Some((namespace, name)),
            })
        };
        let by_class = classes.clone().filter_map(|class| Some((class.name(), door(class)?)));
        Self {
            by_class: by_class.collect(),
            default: default_class(classes).map(Resource::name),
            istio: is_istio.then(|| istio(ANNOTATED)),
            services,
        }
    }

    /// The door of a class whose load balancers stand before the gateway, if it is one of ours.
    pub(super) fn of_class(&self, class: &str) -> Option<&Door> {
        self.by_class.get(class).filter(|door| door.is_behind_load_balancer())
    }

    /// The door of an Ingress, if it is one of ours.
    fn door(&self, ingress: &Ingress) -> Option<&Door> {
        let door = match ClassWish::of(ingress) {
            ClassWish::Annotated(name) => self.istio.as_ref().filter(|_| name == ANNOTATED),
            ClassWish::Named(name) => self.by_class.get(name),
            ClassWish::Default => self.by_class.get(self.default?),
        }?;
        let kept = || {
            let namespace = ingress.namespace();
            let service = |name: &str| self.services.find(namespace, name);
            kept_at_load_balancer(ingress, service).is_some()
        };
        (!door.is_behind_load_balancer() || !kept()).then_some(door)
    }

    /// Each door that leads to Ingresses, with these, the oldest first.
    pub(super) fn with_ingresses(&self, objects: &'o Objects) -> BTreeMap<Door, Vec<&'o Ingress>> {
        let mut all: BTreeMap<Door, Vec<&Ingress>> = BTreeMap::new();
        for ingress in &objects.ingresses {
            if let Some(door) = self.door(ingress) {
                all.entry(door.clone()).or_default().push(ingress);
            }
        }
        for ingresses in all.values_mut() {
            ingresses.sort_by(|a, b| key(*a).cmp(&key(*b)));
        }
        all
    }
}

impl Door {
    /// Whether load balancers stand before the gateway.
    pub(super) fn is_behind_load_balancer(&self) -> bool {
        self.service.is_some()
    }

    /// Whether this Service is the gateway itself.
    pub(super) fn is_gateway(&self, namespace: &str, service: &str) -> bool {
        self.service.as_ref().is_some_and(|own| own.0 == namespace && own.1 == service)
    }

    /// The Gateway of the class, and where each of its servers comes from.
    pub(super) fn gateway(
        &self,
        ingresses: &[&Ingress],
        workload: &Workload,
    ) -> (Gateway, Vec<Source>) {
        let plain = Server {
            port: Some(Port {
                number: self.port.into(),
                protocol: "HTTP".to_owned(),
                name: "http".to_owned(),
                target_port: None,
            }),
            hosts: vec!["*".to_owned()],
            ..Server::default()
        };
        let mut servers = vec![plain];
        let first = ingresses.first().map(|ingress| ingress.reference());
        let source = |object| Source { object, field: "spec.ingressClassName".to_owned() };
        let mut sources: Vec<Source> = first.map(source).into_iter().collect();
        for (ingress, at, tls) in ingresses.iter().flat_map(|ingress| self.secured(ingress)) {
            servers.extend(server(tls, servers.len()));
            let field = format!("spec.tls[{at}]");
            sources.push(Source { object: ingress.reference(), field });
        }
        let mut gateway = Gateway::default();
        gateway.metadata.name = Some(name(&self.class, ""));
        gateway.metadata.namespace = Some(workload.namespace.clone());
        // The age of the newest: it takes no port and no host from a Gateway that was there before.
        let ages = ingresses.iter().map(|ingress| ingress.metadata.creation_timestamp.clone());
        gateway.metadata.creation_timestamp = ages.max().flatten();
        gateway.spec = GatewaySpec { servers, selector: workload.labels.clone() };
        (gateway, sources)
    }

    /// The entries with Secrets that are served here.
    fn secured<'o>(
        &self,
        ingress: &'o Ingress,
    ) -> impl Iterator<Item = (&'o Ingress, usize, &'o IngressTLS)> {
        let all = ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten()).enumerate();
        let has_tls = self.has_tls;
        all.filter(move |(_, tls)| {
            has_tls && tls.secret_name.as_ref().is_some_and(|name| !name.is_empty())
        })
        .map(move |(at, tls)| (ingress, at, tls))
    }
}

fn server(tls: &IngressTLS, place: usize) -> Option<Server> {
    let hosts = tls.hosts.clone().filter(|hosts| !hosts.is_empty());
    Some(Server {
        port: Some(Port {
            number: HTTPS.into(),
            protocol: "HTTPS".to_owned(),
            name: format!("https-{place}"),
            target_port: None,
        }),
        hosts: hosts.unwrap_or_else(|| vec!["*".to_owned()]),
        tls: Some(ServerTls {
            mode: Some(TlsMode::Simple),
            credential_name: Some(tls.secret_name.clone()?),
            ..ServerTls::default()
        }),
        ..Server::default()
    })
}

/// By namespace and name of an Ingress whose class puts load balancers before the gateway: the port of the
/// gateway's Service that these send to.
pub(crate) fn by_class<'o>(
    objects: &'o Objects,
    workload: &Workload,
) -> BTreeMap<(&'o str, &'o str), u16> {
    let doors = Doors::of(objects, workload).with_ingresses(objects);
    let behind = doors.into_iter().filter(|(door, _)| door.is_behind_load_balancer());
    let all = behind.flat_map(|(door, ingresses)| {
        ingresses.into_iter().map(move |it| ((it.namespace(), it.name()), door.port))
    });
    all.collect()
}

/// Names of the Secrets that Ingresses of `workload` refer to.
pub(crate) fn secrets(objects: &Objects, workload: &Workload) -> Vec<String> {
    if objects.ingresses.is_empty() {
        return Vec::new();
    }
    let all = Doors::of(objects, workload).with_ingresses(objects);
    let entries = all
        .iter()
        .flat_map(|(door, ingresses)| ingresses.iter().flat_map(|ingress| door.secured(ingress)));
    entries.filter_map(|(_, _, tls)| tls.secret_name.clone()).collect()
}

/// Services by namespace and name.
#[derive(Debug)]
pub(super) struct Services<'o>(HashMap<(&'o str, &'o str), &'o Service>);

impl<'o> Services<'o> {
    pub(super) fn of(objects: &'o Objects) -> Self {
        let all = objects.services.iter().map(AsRef::as_ref);
        Self(
            all.map(|service: &Service| ((service.namespace(), service.name()), service)).collect(),
        )
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<&'o Service> {
        self.0.get(&(namespace, name)).copied()
    }
}

/// The number of a Service's port.
pub(super) fn number(service: &Service, wanted: &IntOrString) -> Option<u16> {
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    let port = ports.iter().find(|port| match wanted {
        IntOrString::Int(number) => port.port == *number,
        IntOrString::String(name) => port.name.as_deref() == Some(name),
    });
    u16::try_from(port?.port).ok()
}
