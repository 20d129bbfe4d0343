//! Configurations of any size.

use edgeway_api::{
    DestinationRule, DestinationRuleSpec, Gateway, Objects, VirtualService,
    destination_rule::{LoadBalancerSettings, SimpleLb, TrafficPolicy},
    gateway::{GatewaySpec, Port, Server},
    k8s_openapi::{
        api::{
            core::v1::{Service, ServicePort, ServiceSpec},
            discovery::v1::{Endpoint, EndpointPort, EndpointSlice},
        },
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    },
    virtual_service::{
        Destination, HttpMatchRequest, HttpRoute, HttpRouteDestination, StringMatch,
        VirtualServiceSpec,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// What routes are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Prefix,
    Exact,
    /// Expressions that begin in a way of their own.
    Regex,
    /// Expressions that begin and end as all others do.
    Wild,
    Header,
    /// All of them in turn.
    Mixed,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Exact, Self::Prefix, Self::Regex, Self::Wild, Self::Header, Self::Mixed];

    /// The kind of a rule.
    pub(crate) fn of(self, rule: usize) -> Self {
        match (self, rule % 5) {
            (Self::Mixed, 0) => Self::Prefix,
            (Self::Mixed, 1) => Self::Exact,
            (Self::Mixed, 2) => Self::Regex,
            (Self::Mixed, 3) => Self::Wild,
            (Self::Mixed, _) => Self::Header,
            (kind, _) => kind,
        }
    }

    /// A path for a rule.
    pub(crate) fn path(self, rule: usize) -> String {
        match self.of(rule) {
            Self::Header => "/any".to_owned(),
            Self::Prefix | Self::Regex | Self::Mixed => format!("{}/x", name(rule)),
            Self::Wild => format!("/users{}/42", name(rule)),
            Self::Exact => name(rule),
        }
    }

    fn entry(self, rule: usize) -> HttpMatchRequest {
        let none = StringMatch::default;
        let name = name(rule);
        let uri = match self.of(rule) {
            Self::Header => None,
            Self::Exact => Some(StringMatch { exact: Some(name), ..none() }),
            Self::Regex => Some(StringMatch { regex: Some(format!("{name}/[a-z]+")), ..none() }),
            Self::Wild => {
                let regex = format!("/[a-z]+{name}/[0-9]+");
                Some(StringMatch { regex: Some(regex), ..none() })
            }
            Self::Prefix | Self::Mixed => {
                Some(StringMatch { prefix: Some(format!("{name}/")), ..none() })
            }
        };
        let tenant = StringMatch { exact: Some(tenant(rule)), ..none() };
        let headers = uri.is_none().then(|| ("x-tenant".to_owned(), tenant));
        HttpMatchRequest {
            uri,
            headers: headers.into_iter().collect(),
            ..HttpMatchRequest::default()
        }
    }
}

/// Names are of one length at all sizes: else longer paths would be taken for more routes.
fn name(rule: usize) -> String {
    format!("/p{rule:05}")
}

/// The value of a rule's header.
pub(crate) fn tenant(rule: usize) -> String {
    format!("t{rule:05}")
}

/// The name of a host.
pub(crate) fn host(host: usize) -> String {
    format!("h{host:05}.example.com")
}

fn named(name: String) -> ObjectMeta {
    ObjectMeta { name: Some(name), namespace: Some("default".into()), ..ObjectMeta::default() }
}

fn gateway() -> Gateway {
    let port = Port { number: 80, name: "http".into(), protocol: "HTTP".into(), ..Port::default() };
    let server = Server { port: Some(port), hosts: vec!["*".into()], ..Server::default() };
    Gateway {
        metadata: named("gw".into()),
        spec: GatewaySpec { servers: vec![server], ..GatewaySpec::default() },
    }
}

fn service(name: String) -> Service {
    let port = ServicePort { port: 80, ..ServicePort::default() };
    let spec = ServiceSpec { ports: Some(vec![port]), ..ServiceSpec::default() };
    Service { metadata: named(name), spec: Some(spec), ..Service::default() }
}

fn virtual_service(host: usize, to: &str, entries: Vec<HttpMatchRequest>) -> VirtualService {
    let rule = |entry| HttpRoute {
        matches: vec![entry],
        route: vec![HttpRouteDestination {
            destination: Destination { host: to.into(), ..Destination::default() },
            ..HttpRouteDestination::default()
        }],
        ..HttpRoute::default()
    };
    VirtualService {
        metadata: named(format!("v{host}")),
        spec: VirtualServiceSpec {
            hosts: vec![self::host(host)],
            gateways: vec!["gw".into()],
            http: entries.into_iter().map(rule).collect(),
            ..VirtualServiceSpec::default()
        },
    }
}

/// So many hosts with so many rules each, all of which lead to one service.
pub(crate) fn objects(kind: Kind, hosts: usize, rules: usize) -> Objects {
    let entries = || (0..rules).map(|rule| kind.entry(rule)).collect();
    Objects {
        gateways: vec![Arc::new(gateway())],
        services: vec![Arc::new(service("svc".into()))],
        virtual_services: (0..hosts)
            .map(|host| Arc::new(virtual_service(host, "svc", entries())))
            .collect(),
        ..Objects::default()
    }
}

/// Many hosts, each with objects of its own, and what may change of them.
pub(crate) struct World {
    pub(crate) objects: Objects,
    /// Whether all VirtualServices are on one host.
    shared: bool,
}

/// Which of many changes.
const CHANGED: usize = 5_000;

impl World {
    /// So many hosts.
    pub(crate) fn new(hosts: usize) -> Self {
        let objects = Objects {
            gateways: vec![Arc::new(gateway())],
            services: (0..hosts).map(|host| Arc::new(service(format!("s{host}")))).collect(),
            destination_rules: (0..hosts).map(|host| Arc::new(rule(host, 0))).collect(),
            endpoint_slices: (0..hosts).map(|host| Arc::new(slice(host, 0))).collect(),
            virtual_services: (0..hosts)
                .map(|host| Arc::new(virtual_service(host, &format!("s{host}"), entry(0))))
                .collect(),
            ..Objects::default()
        };
        Self { objects, shared: false }
    }

    /// So many VirtualServices, each with a path of one host.
    pub(crate) fn on_one_host(count: usize) -> Self {
        let services = (0..count).map(|at| Arc::new(on_one_host(at, at)));
        let objects = Objects {
            gateways: vec![Arc::new(gateway())],
            services: vec![Arc::new(service("svc".into()))],
            virtual_services: services.collect(),
            ..Objects::default()
        };
        Self { objects, shared: true }
    }

    pub(crate) fn touch_slice(&mut self, turn: usize) {
        self.objects.endpoint_slices[CHANGED] = Arc::new(slice(CHANGED, turn));
    }

    pub(crate) fn touch_virtual_service(&mut self, turn: usize) {
        let changed = if self.shared {
            on_one_host(CHANGED, 20_000 + turn)
        } else {
            virtual_service(CHANGED, &format!("s{CHANGED}"), entry(turn))
        };
        self.objects.virtual_services[CHANGED] = Arc::new(changed);
    }

    pub(crate) fn touch_rule(&mut self, turn: usize) {
        self.objects.destination_rules[CHANGED] = Arc::new(rule(CHANGED, turn));
    }

    pub(crate) fn touch_service(&mut self, turn: usize) {
        let mut changed = service(format!("s{CHANGED}"));
        let ports = changed.spec.as_mut().and_then(|spec| spec.ports.as_mut());
        ports.unwrap()[0].name = Some(if turn.is_multiple_of(2) { "http" } else { "http2" }.into());
        self.objects.services[CHANGED] = Arc::new(changed);
    }

    pub(crate) fn toggle_virtual_service(&mut self, turn: usize) {
        let all = &mut self.objects.virtual_services;
        if turn.is_multiple_of(2) {
            all.remove(CHANGED);
        } else {
            let back = virtual_service(CHANGED, &format!("s{CHANGED}"), entry(turn));
            all.insert(CHANGED, Arc::new(back));
        }
    }

    pub(crate) fn touch_gateway(&mut self, _: usize) {
        self.objects.gateways[0] = Arc::new(gateway());
    }
}

fn entry(turn: usize) -> Vec<HttpMatchRequest> {
    vec![Kind::Prefix.entry(turn)]
}

fn on_one_host(at: usize, rule: usize) -> VirtualService {
    let mut service = virtual_service(at, "svc", entry(rule));
    service.spec.hosts = vec![host(0)];
    service
}

fn rule(host: usize, turn: usize) -> DestinationRule {
    let balancer = LoadBalancerSettings {
        simple: Some(if turn.is_multiple_of(2) { SimpleLb::Random } else { SimpleLb::RoundRobin }),
        ..LoadBalancerSettings::default()
    };
    let policy = TrafficPolicy { load_balancer: Some(balancer), ..TrafficPolicy::default() };
    DestinationRule {
        metadata: named(format!("s{host}")),
        spec: DestinationRuleSpec {
            host: format!("s{host}"),
            traffic_policy: Some(policy),
            ..DestinationRuleSpec::default()
        },
    }
}

/// The slice of a host's service, another one each turn.
fn slice(host: usize, turn: usize) -> EndpointSlice {
    let mut metadata = named(format!("s{host}-1"));
    let label = ("kubernetes.io/service-name".to_owned(), format!("s{host}"));
    metadata.labels = Some(BTreeMap::from([label]));
    let address = format!("10.{}.{}.{}", host / 250, host % 250, turn % 250);
    EndpointSlice {
        metadata,
        address_type: "IPv4".into(),
        endpoints: vec![Endpoint { addresses: vec![address], ..Endpoint::default() }],
        ports: Some(vec![EndpointPort { port: Some(8080), ..EndpointPort::default() }]),
    }
}
