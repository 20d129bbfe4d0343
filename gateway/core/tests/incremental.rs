//! *Incremental = full*: a compiler that remembers makes of every configuration what one makes that
//! sees it first.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use edgeway_api::{Objects, manifest};
use edgeway_core::{
    Compiled, Compiler, Workload, compile,
    id::ClusterIx,
    table::{App, Table, VirtualHost},
};
use proptest::{prelude::*, sample::select};
use serde_json::Value;
use std::sync::Arc;

/// Objects in the versions that they may have; without the head that all share.
const SLOTS: &[&[&str]] = &[
    &[
        "Gateway gw istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']}]}",
        "Gateway gw istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [default/a.test, b.test], tls: {httpsRedirect: true}}, {port: {number: 90, name: t, protocol: TCP}, hosts: ['*']}]}",
        "Gateway gw istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 0, name: h, protocol: HTTP}, hosts: ['*']}]}",
    ],
    &[
        "VirtualService a default | {hosts: [a.test], gateways: [istio-system/gw], http: [{route: [{destination: {host: a}}]}]}",
        "VirtualService a default | {hosts: [a.test, c.test], gateways: [istio-system/gw], http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: a, subset: v1}}]}, {route: [{destination: {host: b}, weight: 1}, {destination: {host: none}, weight: 2}]}]}",
        "VirtualService a default | {hosts: [a.test], gateways: [istio-system/gw], http: [{directResponse: {status: 9}}]}",
        "VirtualService a default | {hosts: [a.test], gateways: [istio-system/gw], tcp: [{route: [{destination: {host: a}}]}]}",
    ],
    &[
        "VirtualService b default | {hosts: [b.test], gateways: [istio-system/gw], http: [{match: [{uri: {prefix: /b}}], delegate: {name: leaf}}, {route: [{destination: {host: ext.test}}]}]}",
        "VirtualService b default | {hosts: [a.test, b.test], gateways: [istio-system/gw], http: [{route: [{destination: {host: b}}]}]}",
    ],
    &[
        "VirtualService leaf default | {http: [{match: [{uri: {prefix: /b/1}}], route: [{destination: {host: b}}]}]}",
        "VirtualService leaf default | {http: [{match: [{uri: {prefix: /other}}], route: [{destination: {host: a}}]}]}",
    ],
    &[
        "DestinationRule a default | {host: a, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}",
        "DestinationRule a default | {host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: r1/*, to: {'r1/*': 80, 'r2/*': 20}}]}}}}",
        "DestinationRule a default | {host: a, subsets: [{name: '', labels: {version: v1}}]}",
    ],
    &[
        "Service a default | {selector: {app: a}, ports: [{port: 80, name: http}]}",
        "Service a default | {selector: {app: a}, trafficDistribution: PreferClose, ports: [{port: 80, name: grpc}, {port: 81, name: x}]}",
    ],
    &[
        "Service b default | {selector: {app: b}, ports: [{port: 80}]}",
        "Service b default | {type: ExternalName, externalName: ext.test, ports: [{port: 80}]}",
    ],
    &[
        "Service front istio-system | {selector: {istio: ingressgateway}, ports: [{port: 80, targetPort: web}]}",
    ],
    &[
        "ServiceEntry ext default | {hosts: [ext.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, workloadSelector: {labels: {app: a}}}",
        "ServiceEntry ext default | {hosts: [ext.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}",
    ],
    &["WorkloadEntry w default | {address: 10.0.9.1, labels: {app: a}}"],
    &[
        "EndpointSlice a-1 default kubernetes.io/service-name=a | 10.0.0.1 http 8080",
        "EndpointSlice a-1 default kubernetes.io/service-name=a | 10.0.0.2 http 8080",
        "EndpointSlice a-1 default kubernetes.io/service-name=b | 10.0.0.1 '' 8080",
        "EndpointSlice a-1 default none=none | 10.0.0.1 http 8080",
    ],
    &[
        "EndpointSlice a-2 default kubernetes.io/service-name=a | 10.0.0.3 http 8080",
        "EndpointSlice a-2 default kubernetes.io/service-name=a | 10.0.0.1 grpc 8080",
    ],
    &["EndpointSlice b-1 default kubernetes.io/service-name=b | 10.0.0.2 '' 9090"],
    &["Endpoints a default | 10.0.0.4 http 8080", "Endpoints a default | 10.0.0.2 http 8080"],
    &["Endpoints b default | 10.0.0.5 '' 8080"],
    &[
        "Pod p1 default app=a,version=v1 | n1 10.0.0.1",
        "Pod p1 default app=a,version=v2 | n1 10.0.0.1",
    ],
    &["Pod p2 default app=a,version=v1 | n2 10.0.0.2", "Pod p2 default app=b | n2 10.0.0.1"],
    &[
        "Pod gw istio-system istio=ingressgateway | n1 10.0.1.1",
        "Pod gw istio-system istio=ingressgateway | n2 10.0.1.1",
    ],
    &["Node n1 '' topology.kubernetes.io/region=r1,topology.kubernetes.io/zone=z1 |"],
    &[
        "VirtualService c ns | {hosts: [a.test, '*.test'], gateways: [istio-system/gw], http: [{match: [{uri: {exact: /c}}], route: [{destination: {host: a.default.svc.cluster.local}, weight: 1}, {destination: {host: c.test}, weight: 1}]}, {match: [{uri: {prefix: /m}}], route: [{destination: {host: b.default.svc.cluster.local, port: {number: 81}}}], mirror: {host: ext.test}}]}",
        "VirtualService c ns | {hosts: [a.test], gateways: [istio-system/gw, istio-system/second], exportTo: [istio-system], http: [{route: [{destination: {host: ext.test, subset: v1}}]}]}",
        "VirtualService c ns | {hosts: ['*'], gateways: [istio-system/second], http: [{match: [{uri: {prefix: /b}}], delegate: {name: leaf, namespace: default}}]}",
        "VirtualService c ns | {hosts: [a.test], gateways: [istio-system/gw], exportTo: ['.'], http: [{route: [{destination: {host: a.default.svc.cluster.local}}]}]}",
    ],
    &[
        "Gateway second istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [ns/*.test, '*']}, {port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test, x.test], tls: {mode: SIMPLE, credentialName: cert}}, {port: {number: 444, name: p, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}]}",
        "Gateway second istio-system | {selector: {istio: egress}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']}]}",
        "Gateway second istio-system edgeway.dev/ingress-class=thin | {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [ns/*.test], tls: {httpsRedirect: true}}, {port: {number: 443, name: s, protocol: HTTPS}, hosts: ['*/a.test', x.test], tls: {mode: SIMPLE, credentialName: cert}}]}",
    ],
    &[
        "VirtualService stream ns | {hosts: [s.test], gateways: [istio-system/second, istio-system/gw], tls: [{match: [{sniHosts: [s.test]}], route: [{destination: {host: ext.test}}]}], tcp: [{route: [{destination: {host: b.default.svc.cluster.local}}]}]}",
    ],
    &[
        "DestinationRule ext default | {host: ext.test, trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust}}, subsets: [{name: v1}]}",
        "DestinationRule ext default | {host: '*.test', trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
        "DestinationRule ext default | {host: b, exportTo: ['.'], trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}}",
    ],
    &[
        "DestinationRule all istio-system | {host: a.default.svc.cluster.local, subsets: [{name: v1, labels: {version: v2}}], trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}",
        "DestinationRule all istio-system | {host: ext.test, trafficPolicy: {tls: {mode: MUTUAL, credentialName: none}}}",
    ],
    &[
        "ServiceEntry more ns | {hosts: [ext.test, c.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 10.9.9.9}]}",
        "ServiceEntry more ns | {hosts: [c.test, a.default.svc.cluster.local], exportTo: ['.'], ports: [{number: 80, name: http, protocol: HTTP2}], resolution: STATIC, endpoints: [{address: 10.9.9.8}]}",
        "ServiceEntry more ns | {hosts: [], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}",
    ],
    &["Secret cert istio-system | 1", "Secret cert istio-system | 2"],
    &["Secret trust istio-system | 1", "Secret trust istio-system | 2", "Secret trust default | 1"],
    &[
        "Gateway mesh istio-system | {selector: {istio: egress}, servers: [{port: {number: 15443, name: t, protocol: TLS}, hosts: ['*'], tls: {mode: AUTO_PASSTHROUGH}}]}",
        "Gateway mesh istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 15443, name: t, protocol: TLS}, hosts: ['*'], tls: {mode: AUTO_PASSTHROUGH}}]}",
        "Gateway mesh istio-system | {selector: {istio: ingressgateway}, servers: [{port: {number: 15443, name: t, protocol: TLS}, hosts: ['default/*.local'], tls: {mode: AUTO_PASSTHROUGH}}]}",
    ],
    &["Pod p3 default app=a,version=v1,security.istio.io/tlsMode=istio | n1 10.0.0.3"],
    &[
        "IngressClass thin '' | {controller: edgeway.dev/alb}",
        "IngressClass thin '' edgeway.dev/gateway=istio-system/front | {controller: edgeway.dev/alb}",
        "IngressClass thin '' | {controller: istio.io/ingress-controller}",
    ],
    &[
        "Ingress i default | {ingressClassName: thin, rules: [{host: a.test, http: {paths: [{path: /i, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}",
        "Ingress i default | {ingressClassName: thin, tls: [{secretName: cert}], defaultBackend: {service: {name: b, port: {number: 80}}}, rules: [{host: i.test, http: {paths: [{path: /i, pathType: Exact, backend: {service: {name: none, port: {number: 80}}}}]}}]}",
    ],
    &[
        "Ingress rpc default alb.ingress.kubernetes.io/backend-protocol-version=GRPC | {ingressClassName: thin, rules: [{host: i.test, http: {paths: [{path: /rpc, pathType: Prefix, backend: {service: {name: b, port: {number: 80}}}}]}}]}",
        "Ingress rpc default alb.ingress.kubernetes.io/backend-protocol-version=HTTP1 | {ingressClassName: thin, rules: [{host: i.test, http: {paths: [{path: /rpc, pathType: Prefix, backend: {service: {name: b, port: {number: 80}}}}]}}]}",
    ],
    &[
        "Ingress j default | {ingressClassName: thin, rules: [{host: a.test, http: {paths: [{path: '/i/*', pathType: ImplementationSpecific, backend: {service: {name: b, port: {number: 80}}}}]}}]}",
    ],
    &["Node n2 '' topology.kubernetes.io/region=r2,topology.kubernetes.io/zone=z2 |"],
];

fn manifest_of(line: &str) -> String {
    let (head, spec) = line.split_once('|').unwrap();
    let mut words = head.split_whitespace();
    let mut next = || words.next().unwrap_or_default();
    let (kind, name, namespace, labels) = (next(), next(), next(), next());
    let labels = labels.replace('=', ": ").replace(',', ", ");
    let notes = if matches!(kind, "Gateway" | "Ingress" | "IngressClass") { &labels } else { "" };
    let mut spec_words = spec.split_whitespace();
    let mut word = || spec_words.next().unwrap_or_default();
    let (group, body) = match kind {
        "EndpointSlice" => {
            let (address, port, number) = (word(), word(), word());
            let body = format!(
                "addressType: IPv4\nendpoints: [{{addresses: [{address}]}}]\nports: [{{name: {port}, \
                 port: {number}}}]"
            );
            ("discovery.k8s.io/v1", body)
        }
        "Endpoints" => {
            let (address, port, number) = (word(), word(), word());
            let body = format!(
                "subsets: [{{addresses: [{{ip: {address}}}], ports: [{{name: {port}, port: {number}}}]}}]"
            );
            ("v1", body)
        }
        "Pod" => {
            let (node, address) = (word(), word());
            let body = format!(
                "spec: {{nodeName: {node}, containers: [{{name: c, ports: [{{name: web, \
                 containerPort: 8081}}]}}]}}\nstatus: {{podIP: {address}}}"
            );
            ("v1", body)
        }
        "Node" => ("v1", "spec: {}".to_owned()),
        "Secret" => ("v1", format!("stringData: {{tls.crt: c{spec}, tls.key: k}}")),
        "Service" => ("v1", format!("spec: {spec}")),
        "Ingress" | "IngressClass" => ("networking.k8s.io/v1", format!("spec: {spec}")),
        _ => ("networking.istio.io/v1", format!("spec: {spec}")),
    };
    format!(
        "apiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}, labels: \
         {{{labels}}}, annotations: {{{notes}}}}}\n{body}\n"
    )
}

fn read(line: &str) -> Objects {
    let mut objects = Objects::default();
    manifest::read(&manifest_of(line), "", &mut objects);
    assert_eq!(objects.defects, [], "{line}");
    objects
}

/// Each slot's object; one that is not edited stays the same `Arc`.
struct World(Vec<Option<Objects>>);

impl World {
    fn new() -> Self {
        Self(SLOTS.iter().map(|versions| Some(read(versions[0]))).collect())
    }

    /// Sets a slot to a version, the first number past them to nothing.
    fn edit(&mut self, (slot, version): (usize, usize)) {
        let slot = slot % SLOTS.len();
        let version = version % (SLOTS[slot].len() + 1);
        self.0[slot] = SLOTS[slot].get(version).map(|line| read(line));
    }

    fn objects(&self, backwards: bool) -> Objects {
        let mut all = Objects::default();
        let mut slots: Vec<_> = self.0.iter().flatten().cloned().collect();
        if backwards {
            slots.reverse();
        }
        for one in slots {
            all.absorb(one);
        }
        all
    }
}

/// The whole of it, apart from where clusters stand: they are sorted by name, and named where they are
/// referred to.
fn text(compiled: &Compiled) -> String {
    let Compiled { table, problems, rejected } = compiled;
    let mut value = serde_json::to_value(table).unwrap();
    let ids: Vec<Value> = value["clusters"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids.iter().filter(|id| !id.is_null()).count(), table.clusters.len());
    let clusters = value["clusters"].as_array_mut().unwrap();
    clusters.retain(|cluster| !cluster.is_null());
    clusters.sort_by_key(|cluster| cluster["id"].to_string());
    name_clusters(&mut value["listeners"], &ids);
    format!("{value:#}\n{problems:#?}\n{rejected:#?}")
}

fn id(cluster: &Value) -> Value {
    cluster.get("id").cloned().unwrap_or_default()
}

/// Every position must lead to a cluster.
fn name_clusters(value: &mut Value, ids: &[Value]) {
    let named = |position: &mut Value| {
        if let Some(at) = position.as_u64() {
            *position = ids[usize::try_from(at).unwrap()].clone();
            assert!(position.is_string(), "{at} is empty");
        }
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &mut *field) {
                    ("cluster", position) => named(position),
                    ("clusters", Value::Array(pairs)) => {
                        for pair in pairs {
                            named(&mut pair[0]);
                        }
                    }
                    _ => name_clusters(field, ids),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_clusters(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn step() -> impl Strategy<Value = (Vec<(usize, usize)>, bool)> {
    // Endpoints change most.
    let often = select(&[10_usize, 11, 12, 13, 14, 15, 16][..]);
    let slot = prop_oneof![2 => often, 1 => 0..SLOTS.len()];
    (prop::collection::vec((slot, 0_usize..5), 0..3), prop::bool::weighted(0.1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn incremental_is_full(steps in prop::collection::vec(step(), 1..12)) {
        let workload = Workload::default();
        let mut world = World::new();
        let mut compiler = Compiler::default();
        for (edits, backwards) in steps {
            for edit in edits {
                world.edit(edit);
            }
            let objects = world.objects(backwards);
            let incremental = compiler.compile(&objects, &workload);
            prop_assert_eq!(text(&incremental), text(&compile(&objects, &workload)));
        }
    }
}

#[test]
fn a_change_of_endpoints_touches_one_cluster_and_no_route() {
    let workload = Workload::default();
    let mut world = World::new();
    let mut compiler = Compiler::default();
    let before = compiler.compile(&world.objects(false), &workload).table;
    world.edit((11, 1));
    world.edit((11, 2));
    let after = compiler.compile(&world.objects(false), &workload).table;
    assert!(before.clusters.len() > 2, "{}", before.clusters.len());
    let same = |a: &Arc<_>, b: &Arc<_>| Arc::ptr_eq(a, b);
    assert!(before.listeners.iter().zip(&after.listeners).all(|(a, b)| same(a, b)));
    let clusters = before.clusters.iter().zip(after.clusters.iter());
    let changed: Vec<_> =
        clusters.filter(|(a, b)| !Arc::ptr_eq(a, b)).map(|(_, b)| b.id.to_string()).collect();
    assert_eq!(changed, ["outbound|80||a.default.svc.cluster.local"]);
}

/// The virtual hosts in plain text, and where clusters stand.
fn places(table: &Table) -> (Vec<Arc<VirtualHost>>, Vec<(ClusterIx, String)>) {
    let apps = table.listeners.iter().filter_map(|listener| listener.plain.as_ref());
    let hosts = apps.flat_map(|app| match app {
        App::Http(hosts) => hosts.all(),
        App::Tcp(_) | App::Services(_) => Vec::new(),
    });
    let clusters = table.clusters.positions();
    (hosts.cloned().collect(), clusters.map(|(ix, it)| (ix, it.id.to_string())).collect())
}

#[test]
fn a_change_touches_the_virtual_hosts_that_hang_on_it_and_moves_no_cluster() {
    // By name of the slot's object: the version, the domains and the clusters that are other ones.
    for (changed, version, domains, clusters) in [
        (
            "VirtualService leaf",
            1,
            &["b.test"][..],
            &["-outbound|80||b.default.svc.cluster.local"][..],
        ),
        (
            "VirtualService b",
            2,
            &[],
            &["-outbound|80||b.default.svc.cluster.local", "-outbound|80||ext.test"],
        ),
        ("VirtualService b", 1, &["a.test", "b.test"], &["-outbound|80||ext.test"]),
        ("Service b", 2, &["b.test"], &["-outbound|80||b.default.svc.cluster.local"]),
        ("ServiceEntry ext", 2, &["b.test"], &["-outbound|80||ext.test"]),
        ("DestinationRule all", 2, &["a.test"], &[]),
        ("Secret cert", 1, &[], &[]),
    ] {
        let workload = Workload::default();
        let mut world = World::new();
        let slot = |name: &str| SLOTS.iter().position(|slot| slot[0].starts_with(name)).unwrap();
        for unwanted in ["VirtualService c", "VirtualService stream", "ServiceEntry more"] {
            world.edit((slot(unwanted), SLOTS[slot(unwanted)].len()));
        }
        let mut compiler = Compiler::default();
        let (hosts, stood) = places(&compiler.compile(&world.objects(false), &workload).table);
        world.edit((slot(changed), version));
        let (now, stand) = places(&compiler.compile(&world.objects(false), &workload).table);
        let others = now.iter().filter(|host| !hosts.iter().any(|was| Arc::ptr_eq(was, host)));
        let others: Vec<_> = others.map(|host| &*host.domain).collect();
        assert_eq!(others, domains, "{changed}");
        let gone = stood.iter().filter(|it| !stand.contains(it)).map(|it| format!("-{}", it.1));
        let new = stand.iter().filter(|it| !stood.contains(it)).map(|it| format!("+{}", it.1));
        assert_eq!(gone.chain(new).collect::<Vec<_>>(), clusters, "{changed}");
    }
}

#[test]
fn positions_are_taken_again() {
    let workload = Workload::default();
    let mut world = World::new();
    let mut compiler = Compiler::default();
    let extent = compiler.compile(&world.objects(false), &workload).table.clusters.extent();
    for turn in 0..20 {
        world.edit((1, turn % 3));
        let table = compiler.compile(&world.objects(false), &workload).table;
        assert!(table.clusters.extent() <= extent + 2, "{}", table.clusters.extent());
    }
}

#[test]
fn a_change_of_routes_leaves_clusters_alone() {
    let workload = Workload::default();
    let mut world = World::new();
    let mut compiler = Compiler::default();
    let before = compiler.compile(&world.objects(false), &workload).table;
    world.edit((3, 1));
    let after = compiler.compile(&world.objects(false), &workload).table;
    let kept = before.clusters.iter().filter(|a| after.clusters.iter().any(|b| Arc::ptr_eq(a, b)));
    assert!(kept.count() > 1);
}
