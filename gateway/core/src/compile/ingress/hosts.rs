//! What Ingresses say of a host, put together: one VirtualService for each.

use super::{
    Source,
    doors::{Door, Services, number},
    name,
    paths::{Rank, conditions, rank},
};
use crate::{
    Workload,
    compile::{
        age::{Age, key},
        names::qualified,
        validate::is_wildcard_domain,
    },
};
use edgeway_api::{
    Problem, Resource, VirtualService,
    ingress::{paths, port},
    k8s_openapi::{
        api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend},
        apimachinery::pkg::util::intstr::IntOrString,
    },
    virtual_service::{
        Destination, HttpDirectResponse, HttpMatchRequest, HttpRoute, HttpRouteDestination,
        PortSelector,
    },
};
use std::collections::BTreeMap;

/// Annotation that says when an Ingress counts among those of its group; the smallest comes first.
const ORDER: &str = "alb.ingress.kubernetes.io/group.order";
/// Every host.
const ANY: &str = "*";

/// Makes VirtualServices, and says what is wrong on the way.
pub(super) struct Hosts<'o> {
    workload: &'o Workload,
    services: &'o Services<'o>,
    problems: Vec<Problem>,
}

/// The place of a rule among those of its host: what is there for the case that nothing fits comes last,
/// then the Ingress' own order, the path's, and age.
type Place<'o> = (bool, i32, Rank, Age<'o>, usize);

/// A rule, its place, and where it comes from.
struct Entry<'o> {
    place: Place<'o>,
    source: Source,
    matches: Vec<HttpMatchRequest>,
    to: To,
}

/// Where requests go.
#[derive(Clone)]
enum To {
    Service(Destination),
    /// Nowhere.
    Nobody,
}

impl<'o> Hosts<'o> {
    pub(super) fn new(services: &'o Services<'o>, workload: &'o Workload) -> Self {
        Self { workload, services, problems: Vec::new() }
    }

    /// What was found to be wrong.
    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The VirtualServices of a door, each with where its rules come from.
    pub(super) fn services(
        &mut self,
        door: &Door,
        ingresses: &[&'o Ingress],
    ) -> Vec<(VirtualService, Vec<Source>)> {
        let mut hosts: BTreeMap<String, Vec<Entry<'o>>> = BTreeMap::new();
        for ingress in ingresses {
            self.read(door, ingress, &mut hosts);
        }
        let ages = ingresses.iter().map(|ingress| ingress.metadata.creation_timestamp.clone());
        let born = ages.min().flatten();
        let all = hosts.into_iter().map(|(host, mut entries)| {
            entries.sort_by(|a, b| a.place.cmp(&b.place));
            let mut service = VirtualService::default();
            service.metadata.name = Some(name(&door.class, &host));
            service.metadata.namespace = Some(self.workload.namespace.clone());
            service.metadata.creation_timestamp.clone_from(&born);
            service.spec.hosts = vec![host];
            let gateway = name(&door.class, "");
            service.spec.gateways = vec![format!("{}/{gateway}", self.workload.namespace)];
            let (http, sources) = entries.into_iter().map(Entry::rule).unzip();
            service.spec.http = http;
            (service, sources)
        });
        all.collect()
    }

    fn read(
        &mut self,
        door: &Door,
        ingress: &'o Ingress,
        hosts: &mut BTreeMap<String, Vec<Entry<'o>>>,
    ) {
        let mut own = vec![ANY.to_owned()];
        for (at, (host, field, path)) in paths(ingress).enumerate() {
            let host = if host.is_empty() { ANY } else { host };
            if !is_wildcard_domain(host) {
                self.report(ingress, &field, "host-invalid", format!("{host:?} is no host name"));
                continue;
            }
            if !own.iter().any(|known| known == host) {
                own.push(host.to_owned());
            }
            let entry = self.entry(door, (ingress, at), path, field);
            if let Some(entry) = entry {
                hosts.entry(host.to_owned()).or_default().push(entry);
            }
        }
        let default = ingress.spec.as_ref().and_then(|spec| spec.default_backend.as_ref());
        let Some(default) = default else { return };
        let field = "spec.defaultBackend".to_owned();
        let Some(to) = self.to(door, ingress, default, &field) else { return };
        let order = order(door, ingress);
        for host in own {
            let place = (true, order, (0, std::cmp::Reverse(0)), key(ingress), 0);
            let source = Source { object: ingress.reference(), field: field.clone() };
            let entry = Entry { place, source, matches: Vec::new(), to: to.clone() };
            hosts.entry(host).or_default().push(entry);
        }
    }

    fn entry(
        &mut self,
        door: &Door,
        (ingress, at): (&'o Ingress, usize),
        path: &HTTPIngressPath,
        field: String,
    ) -> Option<Entry<'o>> {
        let Some(matches) = conditions(path, door.is_behind_load_balancer()) else {
            let text = path.path.as_deref().unwrap_or_default();
            let field = format!("{field}.path");
            self.report(ingress, &field, "path-invalid", format!("{text:?} is no path"));
            return None;
        };
        let to = self.to(door, ingress, &path.backend, &format!("{field}.backend"))?;
        let place = (false, order(door, ingress), rank(path), key(ingress), at);
        let source = Source { object: ingress.reference(), field };
        Some(Entry { place, source, matches, to })
    }

    /// Where a backend leads; nothing if that is the gateway itself, whose VirtualServices know more.
    fn to(
        &mut self,
        door: &Door,
        ingress: &Ingress,
        backend: &IngressBackend,
        field: &str,
    ) -> Option<To> {
        let Some(service) = &backend.service else {
            let message = "it names a resource, and requests go to Services only".to_owned();
            self.report(ingress, field, "backend-not-supported", message);
            return Some(To::Nobody);
        };
        let namespace = ingress.namespace();
        if door.is_gateway(namespace, &service.name) {
            return None;
        }
        let port = port(service);
        let Some(known) = self.services.find(namespace, &service.name) else {
            let message =
                format!("there is no Service {namespace}/{}: such requests get 503", service.name);
            self.report(ingress, field, "service-not-found", message);
            return Some(To::Nobody);
        };
        let Some(number) = number(known, &port) else {
            let port = match port {
                IntOrString::Int(number) => number.to_string(),
                IntOrString::String(name) => name,
            };
            let message = format!(
                "Service {namespace}/{} has no port {port}: such requests get 503",
                service.name
            );
            self.report(ingress, field, "port-not-found", message);
            return Some(To::Nobody);
        };
        Some(To::Service(Destination {
            host: qualified(&service.name, namespace, &self.workload.cluster_domain),
            subset: None,
            port: Some(PortSelector { number: number.into() }),
        }))
    }

    fn report(&mut self, ingress: &Ingress, field: &str, code: &'static str, message: String) {
        let advice = match code {
            "host-invalid" => "write a host name, perhaps with `*.` before it",
            "path-invalid" => "let it begin with a slash, and write blanks as %20",
            "service-not-found" => "create it, or name another",
            "port-not-found" => "use one of its ports",
            _ => "name a Service",
        };
        let problem = Problem::error(ingress.reference(), field, code);
        self.problems.push(problem.message(message).advice(advice));
    }
}

/// Its place among Ingresses that share a load balancer; Istio knows none.
fn order(door: &Door, ingress: &Ingress) -> i32 {
    let annotations = ingress.metadata.annotations.as_ref();
    let order = annotations.and_then(|annotations| annotations.get(ORDER));
    let order = order.filter(|_| door.is_behind_load_balancer());
    order.and_then(|order| order.trim().parse().ok()).unwrap_or(0)
}

impl Entry<'_> {
    fn rule(self) -> (HttpRoute, Source) {
        let Self { source, matches, to, .. } = self;
        let mut rule = HttpRoute {
            name: Some(format!("{} {}", source.object, source.field)),
            matches,
            ..HttpRoute::default()
        };
        match to {
            To::Service(destination) => {
                rule.route =
                    vec![HttpRouteDestination { destination, ..HttpRouteDestination::default() }];
            }
            To::Nobody => {
                let answer = HttpDirectResponse { status: 503, body: None };
                rule.direct_response = Some(Box::new(answer));
            }
        }
        (rule, source)
    }
}
