//! The ports through which the local gateway is reached: its Services', or a Service made up for it.

use super::{classes, role::Role};
use edgeway_api::{
    Objects,
    gateway::Gateway,
    ingress::GatewayService,
    k8s_openapi::{
        api::core::v1::{Service, ServicePort, ServiceSpec},
        apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
    },
    pod::template_ports,
};
use std::collections::BTreeMap;

/// Name of the Service that stands for the gateway where the folder has none; Istio's own.
const NAME: &str = "istio-ingressgateway";

/// Where Istio's own Service leads 80 and 443.
const ISTIO_PORTS: [(u16, u16); 2] = [(80, 8080), (443, 8443)];

/// A port of a Service of the gateway, and the port that the gateway listens on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Door {
    pub service_port: u16,
    pub listening: u16,
}

/// A Service of the gateway in `role`, with a port for every server of its Gateways, and the one that
/// a class of Ingresses names; nothing if there is neither. It has the name that the class gives it.
pub(super) fn service(objects: &Objects, role: &Role) -> Option<Service> {
    let class = classes::gateways(objects).next();
    let servers: BTreeMap<u16, &str> =
        objects.gateways.iter().flat_map(|gateway| server_ports(gateway)).collect();
    let mut ports: Vec<ServicePort> = servers
        .iter()
        .map(|(number, protocol)| {
            let istio = ISTIO_PORTS
                .iter()
                .find(|(outer, inner)| inner == number && !servers.contains_key(outer));
            let port = istio.map_or(*number, |(outer, _)| *outer);
            ServicePort {
                name: Some(format!("{}-{port}", protocol.to_ascii_lowercase())),
                port: port.into(),
                target_port: Some(IntOrString::Int((*number).into())),
                ..ServicePort::default()
            }
        })
        .collect();
    ports.extend(class.as_ref().and_then(|class| class_port(class, &ports)));
    let (name, namespace) = match class {
        Some(GatewayService { name, namespace, .. }) => (name, namespace),
        None => (NAME.to_owned(), role.namespace.clone()),
    };
    (!ports.is_empty()).then(|| Service {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            selector: Some(role.labels.clone()),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

/// The port that a class names, unless it is among `known`.
fn class_port(class: &GatewayService, known: &[ServicePort]) -> Option<ServicePort> {
    let (number, name) = match &class.port {
        IntOrString::Int(number) => (*number, "http"),
        IntOrString::String(name) => (80, name.as_str()),
    };
    let has = |port: &ServicePort| port.port == number || port.name.as_deref() == Some(name);
    let istio = ISTIO_PORTS.iter().find(|(outer, _)| i32::from(*outer) == number);
    let target = istio.map_or(number, |(_, inner)| i32::from(*inner));
    (!known.iter().any(has)).then(|| ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::Int(target)),
        ..ServicePort::default()
    })
}

/// The doors of `service` that lead to a plain HTTP server of some Gateway, sorted.
pub(super) fn plain_doors(objects: &Objects, service: &Service) -> Vec<Door> {
    let mut doors: Vec<Door> = objects
        .gateways
        .iter()
        .flat_map(|gateway| plain_servers(gateway))
        .filter_map(|number| door(objects, service, number))
        .collect();
    doors.sort_unstable();
    doors.dedup();
    doors
}

/// Ports of a Gateway's servers that speak HTTP in clear.
fn plain_servers(gateway: &Gateway) -> impl Iterator<Item = u16> {
    const PLAIN: [&str; 4] = ["HTTP", "HTTP2", "GRPC", "GRPC-WEB"];
    let ports = server_ports(gateway);
    ports
        .filter(|(_, protocol)| PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(protocol)))
        .map(|(number, _)| number)
}

/// Ports of a Gateway's servers.
pub(super) fn numbers(gateway: &Gateway) -> impl Iterator<Item = u16> {
    server_ports(gateway).map(|(number, _)| number)
}

/// Number and protocol of a Gateway's server ports.
fn server_ports(gateway: &Gateway) -> impl Iterator<Item = (u16, &str)> {
    let ports = gateway.spec.servers.iter().filter_map(|server| server.port.as_ref());
    ports.filter_map(|port| Some((u16::try_from(port.number).ok()?, &*port.protocol)))
}

/// The door to the server on `number`: the Service's port of that number, else one that leads there.
fn door(objects: &Objects, service: &Service, number: u16) -> Option<Door> {
    let doors: Vec<Door> = doors(objects, service).map(|(_, door)| door).collect();
    let same = doors.iter().find(|door| door.service_port == number);
    same.or_else(|| doors.iter().find(|door| door.listening == number)).copied()
}

/// All TCP ports of a Service of the gateway, each with its name.
pub(super) fn doors<'o>(
    objects: &'o Objects,
    service: &'o Service,
) -> impl Iterator<Item = (Option<&'o str>, Door)> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let tcp = ports.filter(|port| matches!(port.protocol.as_deref(), None | Some("" | "TCP")));
    tcp.filter_map(|port| {
        let listening = target(objects, port)?;
        let service_port = u16::try_from(port.port).ok()?;
        Some((port.name.as_deref(), Door { service_port, listening }))
    })
}

/// The port behind a Service port: its number, or the container port of that name.
fn target(objects: &Objects, port: &ServicePort) -> Option<u16> {
    let number = match &port.target_port {
        None | Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => named(objects, name)?,
    };
    u16::try_from(number).ok()
}

fn named(objects: &Objects, name: &str) -> Option<i32> {
    let templates = objects.deployments.iter().filter_map(|deployment| {
        deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref())
    });
    let pods = objects.pods.iter().flat_map(|pod| pod.spec.named_ports());
    let mut ports = templates.flat_map(template_ports).chain(pods);
    ports.find_map(|(port, number)| (port == name).then_some(number))
}
