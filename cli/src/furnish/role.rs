//! Whose part the one local gateway plays: the namespace and labels of a gateway's pods.

use super::{
    classes,
    crew::{selector, template_labels},
    door::{self, Door, doors},
    labels::{Labels, agree, selects, written},
};
use edgeway_api::{Objects, Resource, gateway::Gateway, k8s_openapi::api::core::v1::Service};
use std::sync::Arc;

/// Namespace and labels of Istio's own ingress gateway.
const ISTIO: (&str, (&str, &str)) = ("istio-system", ("istio", "ingressgateway"));

/// The gateway workload that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Namespace of the pods.
    pub namespace: String,
    /// Labels of the pods, by which Gateways and Services select them.
    pub labels: Labels,
}

impl Role {
    /// The role that a folder asks for.
    ///
    /// A Deployment that its Gateways select is the gateway; of several, the one that most of them
    /// select. Where there is none, the gateway has all labels that Gateways, and Services of
    /// gateways, select by, as far as they agree.
    pub fn of(objects: &Objects) -> Self {
        let deployment = manifest(objects);
        let (namespace, labels) = deployment.clone().unzip();
        let mut labels = labels.unwrap_or_default();
        for wanted in gateways(objects).into_iter().filter_map(gateway_selector) {
            if agree(wanted, &labels) {
                labels.extend(wanted.clone());
            }
        }
        if labels.is_empty() {
            let (key, value) = ISTIO.1;
            labels.insert(key.to_owned(), value.to_owned());
        }
        for wanted in gateway_services(objects) {
            if agree(wanted, &labels) {
                labels.extend(wanted.clone());
            }
        }
        let of_class = || classes::gateways(objects).next().map(|gateway| gateway.namespace);
        let namespace = namespace.or_else(of_class);
        let namespace = namespace.or_else(|| service_namespace(objects, &labels));
        Self { namespace: namespace.unwrap_or_else(|| ISTIO.0.to_owned()), labels }
    }

    /// The role in which manifests are read when nobody says which gateway is meant: Istio's own
    /// labels if a Gateway selects them, else those that [`Role::of`] finds.
    pub fn expected(objects: &Objects) -> Self {
        let (key, value) = ISTIO.1;
        let labels = Labels::from([(key.to_owned(), value.to_owned())]);
        let all = objects.gateways.iter();
        if !all.clone().any(|gateway| selects(&gateway.spec.selector, &labels)) {
            return Self::of(objects);
        }
        let namespace = service_namespace(objects, &labels);
        Self { namespace: namespace.unwrap_or_else(|| ISTIO.0.to_owned()), labels }
    }

    /// Whether `service` selects the local gateway.
    pub fn is_selected_by(&self, service: &Service) -> bool {
        service.namespace() == self.namespace
            && selector(service).is_some_and(|selector| selects(selector, &self.labels))
    }

    /// The port that the gateway listens on behind `service_port` of a Service that selects it.
    pub fn listening(&self, objects: &Objects, service_port: u16) -> Option<u16> {
        let own = objects.services.iter().filter(|service| self.is_selected_by(service));
        let mut doors = own.flat_map(|service| doors(objects, service)).map(|(_, door)| door);
        doors.find(|door| door.service_port == service_port).map(|door| door.listening)
    }

    /// The ports of Gateway servers that are served on `listening`.
    pub fn server_ports(&self, objects: &Objects, listening: u16) -> Vec<u16> {
        let mut ports: Vec<u16> = objects.gateways.iter().flat_map(|g| door::numbers(g)).collect();
        ports.sort_unstable();
        ports.dedup();
        ports.retain(|port| self.listening(objects, *port).unwrap_or(*port) == listening);
        ports
    }

    /// The port that the gateway listens on behind a port, by number or name, of `service`; nothing
    /// if the Service is not the gateway's.
    pub fn listening_of(&self, objects: &Objects, service: &Service, port: &str) -> Option<u16> {
        let own = self.is_selected_by(service).then(|| doors(objects, service));
        let mut doors = own.into_iter().flatten();
        let fits = |(name, door): &(Option<&str>, Door)| {
            *name == Some(port) || door.service_port.to_string() == port
        };
        doors.find(fits).map(|(_, door)| door.listening)
    }

    /// Objects in which every Gateway that no gateway of the folder serves is served by this one.
    pub(super) fn adopt(&self, objects: &mut Objects, notes: &mut Vec<String>) {
        let others: Vec<Labels> =
            objects.deployments.iter().filter_map(|d| template_labels(d)).cloned().collect();
        for gateway in &mut objects.gateways {
            let Some(wanted) = gateway_selector(gateway).cloned() else { continue };
            if selects(&wanted, &self.labels) {
                continue;
            }
            let name = gateway.reference();
            let (wanted_text, own) = (written(&wanted), written(&self.labels));
            if others.iter().any(|labels| selects(&wanted, labels)) {
                notes.push(format!(
                    "{name} selects {wanted_text}, another gateway of this folder: it is not served \
                     here, where the gateway is {own}"
                ));
            } else {
                notes.push(format!(
                    "{name} selects {wanted_text}, which no gateway of this folder has: it is served \
                     by the local one"
                ));
                Arc::make_mut(gateway).spec.selector.clone_from(&self.labels);
            }
        }
    }
}

/// Namespace and labels of the Deployment that most Gateways select; the first by name of several.
fn manifest(objects: &Objects) -> Option<(String, Labels)> {
    let mut deployments: Vec<_> = objects.deployments.iter().collect();
    deployments.sort_by_key(|deployment| deployment.reference());
    let ranked = deployments.into_iter().filter_map(|deployment| {
        let labels = template_labels(deployment)?;
        let gateways = objects.gateways.iter().filter_map(|gateway| gateway_selector(gateway));
        let count = gateways.filter(|wanted| selects(wanted, labels)).count();
        (count > 0).then(|| (count, deployment.namespace(), labels))
    });
    // `max_by_key` keeps the last of equals.
    let ranked: Vec<_> = ranked.collect();
    let (_, namespace, labels) = ranked.into_iter().rev().max_by_key(|(count, _, _)| *count)?;
    Some((namespace.to_owned(), labels.clone()))
}

/// What a Gateway selects by; nothing if it is for every gateway.
fn gateway_selector(gateway: &Gateway) -> Option<&Labels> {
    Some(&gateway.spec.selector).filter(|selector| !selector.is_empty())
}

/// All Gateways, by name.
fn gateways(objects: &Objects) -> Vec<&Gateway> {
    let mut gateways: Vec<&Gateway> = objects.gateways.iter().map(Arc::as_ref).collect();
    gateways.sort_by_key(|gateway| gateway.reference());
    gateways
}

/// Selectors of Services all of whose pods some Gateway selects, or that a class of Ingresses names.
fn gateway_services(objects: &Objects) -> Vec<&Labels> {
    let mut services: Vec<&Service> = objects.services.iter().map(Arc::as_ref).collect();
    services.sort_by_key(|service| service.reference());
    let selected = |labels: &Labels| {
        let mut wanted = objects.gateways.iter().filter_map(|gateway| gateway_selector(gateway));
        wanted.any(|wanted| selects(wanted, labels))
    };
    let named = |service: &Service| {
        classes::gateways(objects)
            .any(|it| it.namespace == service.namespace() && it.name == service.name())
    };
    let labels = services.into_iter().filter_map(|service| Some((service, selector(service)?)));
    labels.filter(|(service, own)| selected(own) || named(service)).map(|(_, own)| own).collect()
}

fn service_namespace(objects: &Objects, labels: &Labels) -> Option<String> {
    let services = objects
        .services
        .iter()
        .filter(|service| selector(service).is_some_and(|selector| selects(selector, labels)));
    services.map(|service| service.namespace().to_owned()).min()
}
