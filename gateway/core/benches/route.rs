//! What compile and route cost at growing sizes. A program, not a test: machines differ.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program that prints a table"
)]

use edgeway_api::{
    Gateway, Objects, VirtualService,
    gateway::{GatewaySpec, Port, Server},
    k8s_openapi::{
        api::core::v1::{Service, ServicePort, ServiceSpec},
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    },
    virtual_service::{
        Destination, HttpMatchRequest, HttpRoute, HttpRouteDestination, StringMatch,
        VirtualServiceSpec,
    },
};
use edgeway_core::{
    Workload, compile,
    request::{Request, Scheme},
    table::{App, Decision, Hosts},
};
use http::HeaderMap;
use std::{hint::black_box, sync::Arc, time::Instant};

fn main() {
    println!("{:<34} {:>12} {:>12}", "", "compile ms", "route ns");
    for (hosts, rules) in [(10, 1), (1_000, 1), (10_000, 1), (1, 10), (1, 1_000), (1, 10_000)] {
        let objects = objects(hosts, rules);
        let start = Instant::now();
        let compiled = compile(&objects, &Workload::default());
        let compile_ms = start.elapsed().as_secs_f64() * 1e3;
        assert!(compiled.problems.is_empty(), "{:?}", compiled.problems.first());
        let App::Http(table) = compiled.table.listeners[0].plain.as_ref().unwrap() else { return };
        let nanos = median(table, hosts, rules);
        println!(
            "{:<34} {compile_ms:>12.1} {nanos:>12.0}",
            format!("{hosts} hosts × {rules} routes")
        );
    }
}

/// The median of many requests, spread over all hosts and routes.
fn median(table: &Hosts, hosts: usize, rules: usize) -> f64 {
    const BATCH: usize = 64;
    let headers = HeaderMap::new();
    let requests: Vec<_> = (0..BATCH)
        .map(|i| {
            (format!("h{}.example.com", i * 7919 % hosts), format!("/p{}/x", i * 7919 % rules))
        })
        .collect();
    let mut times: Vec<f64> = (0..2_000)
        .map(|_| {
            let start = Instant::now();
            for (authority, path) in &requests {
                let request = Request {
                    method: "GET",
                    scheme: Scheme::Http,
                    authority,
                    path,
                    query: None,
                    headers: &headers,
                    claims: None,
                };
                assert!(matches!(black_box(table.route(&request)), Decision::Route(..)));
            }
            start.elapsed().as_secs_f64() * 1e9 / BATCH as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn named(name: String) -> ObjectMeta {
    ObjectMeta { name: Some(name), namespace: Some("default".into()), ..ObjectMeta::default() }
}

fn objects(hosts: usize, rules: usize) -> Objects {
    let gateway = Gateway {
        metadata: named("gw".into()),
        spec: GatewaySpec {
            servers: vec![Server {
                port: Some(Port {
                    number: 80,
                    name: "http".into(),
                    protocol: "HTTP".into(),
                    ..Port::default()
                }),
                hosts: vec!["*".into()],
                ..Server::default()
            }],
            ..GatewaySpec::default()
        },
    };
    let service = Service {
        metadata: named("svc".into()),
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    let rule = |i: usize| HttpRoute {
        matches: vec![HttpMatchRequest {
            uri: Some(StringMatch { prefix: Some(format!("/p{i}/")), ..StringMatch::default() }),
            ..HttpMatchRequest::default()
        }],
        route: vec![HttpRouteDestination {
            destination: Destination { host: "svc".into(), ..Destination::default() },
            ..HttpRouteDestination::default()
        }],
        ..HttpRoute::default()
    };
    let service_of = |host: usize| VirtualService {
        metadata: named(format!("v{host}")),
        spec: VirtualServiceSpec {
            hosts: vec![format!("h{host}.example.com")],
            gateways: vec!["gw".into()],
            http: (0..rules).map(rule).collect(),
            ..VirtualServiceSpec::default()
        },
    };
    Objects {
        gateways: vec![Arc::new(gateway)],
        services: vec![Arc::new(service)],
        virtual_services: (0..hosts).map(service_of).map(Arc::new).collect(),
        ..Objects::default()
    }
}
