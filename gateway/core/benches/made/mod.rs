//! Configurations of any size.

use edgeway_api::{
    Gateway, Objects, VirtualService,
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
    Regex,
    Header,
    /// All of them in turn.
    Mixed,
}

impl Kind {
    /// The kind of a rule.
    pub(crate) fn of(self, rule: usize) -> Self {
        match (self, rule % 4) {
            (Self::Mixed, 0) => Self::Prefix,
            (Self::Mixed, 1) => Self::Exact,
            (Self::Mixed, 2) => Self::Regex,
            (Self::Mixed, _) => Self::Header,
            (kind, _) => kind,
        }
    }

    /// A path for a rule.
    pub(crate) fn path(self, rule: usize) -> String {
        match self.of(rule) {
            Self::Header => "/any".to_owned(),
            Self::Prefix | Self::Regex | Self::Mixed => format!("/p{rule}/x"),
            Self::Exact => format!("/p{rule}"),
        }
    }

    fn entry(self, rule: usize) -> HttpMatchRequest {
        let none = StringMatch::default;
        let uri = match self.of(rule) {
            Self::Header => None,
            Self::Exact => Some(StringMatch { exact: Some(format!("/p{rule}")), ..none() }),
            Self::Regex => Some(StringMatch { regex: Some(format!("/p{rule}/[a-z]+")), ..none() }),
            Self::Prefix | Self::Mixed => {
                Some(StringMatch { prefix: Some(format!("/p{rule}/")), ..none() })
            }
        };
        let tenant = StringMatch { exact: Some(format!("t{rule}")), ..none() };
        let headers = uri.is_none().then(|| ("x-tenant".to_owned(), tenant));
        HttpMatchRequest {
            uri,
            headers: headers.into_iter().collect(),
            ..HttpMatchRequest::default()
        }
    }
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
            hosts: vec![format!("h{host}.example.com")],
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

/// So many hosts, each with a service of its own.
pub(crate) fn services(hosts: usize) -> Objects {
    Objects {
        gateways: vec![Arc::new(gateway())],
        services: (0..hosts).map(|host| Arc::new(service(format!("s{host}")))).collect(),
        endpoint_slices: (0..hosts).map(|host| Arc::new(touched_slice(host, 0))).collect(),
        virtual_services: (0..hosts).map(|host| Arc::new(touched_service(host, 0))).collect(),
        ..Objects::default()
    }
}

/// The VirtualService of a host, another one each turn.
pub(crate) fn touched_service(host: usize, turn: usize) -> VirtualService {
    virtual_service(host, &format!("s{host}"), vec![Kind::Prefix.entry(turn)])
}

/// The slice of a host's service, another one each turn.
pub(crate) fn touched_slice(host: usize, turn: usize) -> EndpointSlice {
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
