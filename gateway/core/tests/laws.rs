//! Laws of compile and route: total, independent of order, the same every time.

use edgeway_api::{
    Gateway, Objects, VirtualService,
    gateway::{GatewaySpec, Port, Server, ServerTls},
    k8s_openapi::{
        api::core::v1::{Service, ServicePort, ServiceSpec},
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    },
    virtual_service::{
        Destination, HttpMatchRequest, HttpRedirect, HttpRewrite, HttpRoute, HttpRouteDestination,
        StringMatch, VirtualServiceSpec,
    },
};
use edgeway_core::{
    Workload, compile,
    request::{Request, Scheme},
    table::{App, Decision},
};
use http::HeaderMap;
use proptest::{option, prelude::*, sample::select};
use std::sync::Arc;

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

fn host() -> impl Strategy<Value = String> {
    word(&[
        "a.com", "*.a.com", "*.com", "*", "b.a.com", "short", "A.com", "ns1/*", "./a.com",
        "bad host", "a.com:80", "",
    ])
}

fn text() -> impl Strategy<Value = StringMatch> {
    let value = || word(&["/", "/a", "/ab", ".*", "*", "(", "", "x", "/a?b", "[a-"]);
    (option::of(value()), option::weighted(0.3, value()), option::weighted(0.2, value()))
        .prop_map(|(exact, prefix, regex)| StringMatch { exact, prefix, regex })
}

fn meta(names: &'static [&'static str]) -> impl Strategy<Value = ObjectMeta> {
    (word(names), word(&["default", "ns1", "istio-system"])).prop_map(|(name, namespace)| {
        ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() }
    })
}

fn entry() -> impl Strategy<Value = HttpMatchRequest> {
    (
        option::of(text()),
        option::weighted(0.2, text()),
        option::weighted(0.2, text()),
        any::<bool>(),
    )
        .prop_map(|(uri, method, header, ignore_uri_case)| HttpMatchRequest {
            uri,
            method,
            headers: header.into_iter().map(|text| ("x-h".to_owned(), text)).collect(),
            ignore_uri_case,
            ..HttpMatchRequest::default()
        })
}

fn destination() -> impl Strategy<Value = HttpRouteDestination> {
    (word(&["svc", "svc.default.svc.cluster.local", "none", "*", ""]), option::of(-1_i32..3))
        .prop_map(|(host, weight)| HttpRouteDestination {
            destination: Destination { host, ..Destination::default() },
            weight,
            headers: None,
        })
}

fn rule() -> impl Strategy<Value = HttpRoute> {
    (
        prop::collection::vec(entry(), 0..3),
        prop::collection::vec(destination(), 0..3),
        option::weighted(0.2, word(&["/n", "n", "", "/n?q"])),
        option::weighted(0.2, word(&["/w", "w", ""])),
    )
        .prop_map(|(matches, route, redirect, rewrite)| HttpRoute {
            matches,
            route,
            redirect: redirect
                .map(|uri| Box::new(HttpRedirect { uri: Some(uri), ..HttpRedirect::default() })),
            rewrite: rewrite
                .map(|uri| Box::new(HttpRewrite { uri: Some(uri), ..HttpRewrite::default() })),
            ..HttpRoute::default()
        })
}

fn virtual_service() -> impl Strategy<Value = VirtualService> {
    (
        meta(&["v1", "v2", "v3"]),
        prop::collection::vec(host(), 0..3),
        prop::collection::vec(
            word(&["gw", "istio-system/gw", "mesh", "default/gw", "gw.ns1"]),
            0..3,
        ),
        prop::collection::vec(rule(), 0..4),
    )
        .prop_map(|(metadata, hosts, gateways, http)| VirtualService {
            metadata,
            spec: VirtualServiceSpec { hosts, gateways, http, ..VirtualServiceSpec::default() },
        })
}

fn server() -> impl Strategy<Value = Server> {
    (
        select(&[80_u32, 443, 8080, 0, 70_000][..]),
        word(&["HTTP", "HTTPS", "TLS", "TCP", "grpc", "nonsense"]),
        prop::collection::vec(host(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(number, protocol, hosts, redirect)| Server {
            port: Some(Port { number, protocol, name: "p".into(), ..Port::default() }),
            hosts,
            tls: redirect.then(|| ServerTls { https_redirect: Some(true), ..ServerTls::default() }),
            ..Server::default()
        })
}

fn objects() -> impl Strategy<Value = Objects> {
    let gateway = (meta(&["gw", "gw2"]), prop::collection::vec(server(), 0..3)).prop_map(
        |(metadata, servers)| Gateway {
            metadata,
            spec: GatewaySpec { servers, ..GatewaySpec::default() },
        },
    );
    let service = meta(&["svc", "svc2"]).prop_map(|metadata| Service {
        metadata,
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    });
    (
        prop::collection::vec(gateway, 0..4),
        prop::collection::vec(virtual_service(), 0..6),
        prop::collection::vec(service, 0..3),
    )
        .prop_map(|(gateways, virtual_services, services)| Objects {
            gateways: unique(gateways),
            virtual_services: unique(virtual_services),
            services: unique(services),
            ..Objects::default()
        })
}

/// An API server has no two objects of a name.
fn unique<T: edgeway_api::Resource>(objects: Vec<T>) -> Vec<Arc<T>> {
    let mut seen = std::collections::BTreeSet::new();
    objects.into_iter().filter(|object| seen.insert(object.reference())).map(Arc::new).collect()
}

proptest! {
    #[test]
    fn the_order_of_objects_means_nothing(objects in objects(), turn in 0_usize..5) {
        let mut turned = objects.clone();
        let gateways = turned.gateways.len().max(1);
        turned.gateways.rotate_left(turn % gateways);
        turned.virtual_services.reverse();
        turned.services.reverse();
        let workload = Workload::default();
        let (a, b) = (compile(&objects, &workload), compile(&turned, &workload));
        let as_text = |compiled: &edgeway_core::Compiled| serde_json::to_string(&compiled.table).unwrap();
        prop_assert_eq!(as_text(&a), as_text(&b));
        prop_assert_eq!(a.problems, b.problems);
        prop_assert_eq!(a.rejected, b.rejected);
    }

    #[test]
    fn every_request_gets_a_decision(
        objects in objects(),
        authority in word(&["a.com", "b.a.com", "x", "", "A.COM:80", "[::1]:80", "a.com."]),
        path in "/[a-z/.%]{0,6}",
        query in option::of("[a-z=&]{0,6}"),
        ticket in any::<u64>(),
    ) {
        let compiled = compile(&objects, &Workload::default());
        let headers = HeaderMap::new();
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            authority: &authority,
            path: &path,
            query: query.as_deref(),
            headers: &headers,
            made: None,
            claims: None,
        };
        for listener in &compiled.table.listeners {
            let tls = listener.tls.iter().map(|server| &server.app);
            for app in listener.plain.iter().chain(tls) {
                let App::Http(hosts) = app else { continue };
                if let Decision::Route(host, route) = hosts.route(&request) {
                    prop_assert!(!host.domain.is_empty());
                    if let edgeway_core::action::Action::Forward(forward) = &route.action {
                        let chosen = forward.pick(ticket);
                        prop_assert!(chosen.weight > 0);
                        let upstream = forward.upstream(&request, chosen);
                        prop_assert!(!upstream.path.is_empty());
                        if let Some(position) = chosen.cluster {
                            prop_assert!(compiled.table.cluster(position).is_some());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rejected_objects_are_named_with_their_problem(objects in objects()) {
        let compiled = compile(&objects, &Workload::default());
        for rejected in &compiled.rejected {
            prop_assert!(compiled.problems.iter().any(|problem| &problem.object == rejected));
        }
    }
}
