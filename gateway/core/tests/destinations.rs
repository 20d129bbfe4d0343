//! Laws of destinations: whatever a DestinationRule says, the order of objects means nothing, nearness
//! is a gapless order, subsets are parts, and an endpoint is found wherever there is one.

use edgeway_api::{Objects, manifest};
use edgeway_core::{
    Workload,
    cluster::{Balance, Cluster},
    compile,
    pick::{Balancer, Situation, Wish},
};
use proptest::{prelude::*, sample::select};
use std::{cell::Cell, collections::BTreeSet, fmt::Write as _, sync::Arc};

/// What stands in every set: a gateway, routes to all that there may be.
const BEFORE: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: default}
spec:
  hosts: [a.test]
  gateways: [istio-system/edge]
  http:
    - match: [{uri: {prefix: /v1}}]
      route: [{destination: {host: a, subset: v1}}]
    - match: [{uri: {prefix: /written}}]
      route: [{destination: {host: written.test}}]
    - match: [{uri: {prefix: /named}}]
      route: [{destination: {host: named.test}}]
    - route: [{destination: {host: a}}]
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {selector: {app: a}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {topology.kubernetes.io/region: r2}}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {nodeName: n1}
";

const BALANCERS: &[&str] = &[
    "",
    "simple: ROUND_ROBIN",
    "simple: RANDOM",
    "simple: PASSTHROUGH",
    "simple: ROUND_ROBIN, warmup: {duration: 1m}",
    "consistentHash: {useSourceIp: true}",
    "consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 16}}",
    "consistentHash: {httpCookie: {name: c, ttl: 0s}, maglev: {tableSize: 17}}",
];

const PLACES: &[&str] = &[
    "",
    "localityLbSetting: {enabled: false}",
    "localityLbSetting: {failover: [{from: r1, to: r2}]}",
    "localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone, version=v1]}",
    "localityLbSetting: {distribute: [{from: r1, to: {r1/z1: 60, r2: 40}}]}",
    "localityLbSetting: {distribute: [{from: r9, to: {r1: 100}}]}",
];

const OUTLIERS: &[&str] = &["", "outlierDetection: {}", "outlierDetection: {minHealthPercent: 60}"];

/// An endpoint: its last octet, its fields.
type Spec = (u8, &'static str);

fn policy() -> impl Strategy<Value = String> {
    (select(BALANCERS), select(PLACES), select(OUTLIERS)).prop_map(|(balancer, places, outlier)| {
        let parts = [balancer, places].into_iter().filter(|part| !part.is_empty());
        let balancer = parts.collect::<Vec<_>>().join(", ");
        format!("{{loadBalancer: {{{balancer}}}, {outlier}}}")
    })
}

fn machines() -> impl Strategy<Value = Vec<Spec>> {
    let fields = select(
        &[
            "locality: r1/z1",
            "locality: r1/z1/s1, weight: 3",
            "locality: r2, labels: {version: v1}",
            "labels: {version: v1}",
            "weight: 200",
        ][..],
    );
    prop::collection::vec((1_u8..20, fields), 0..7)
}

fn pods() -> impl Strategy<Value = Vec<Spec>> {
    let fields = select(&["nodeName: n1", "nodeName: n2", "zone: z1", "zone: z9"][..]);
    prop::collection::vec((1_u8..20, fields), 0..7)
}

fn manifests() -> impl Strategy<Value = String> {
    (policy(), policy(), machines(), pods()).prop_map(|(whole, part, machines, pods)| {
        let mut text = BEFORE.to_owned();
        for (host, subsets) in
            [("a", format!("[{{name: v1, labels: {{version: v1}}, trafficPolicy: {part}}}]"))]
                .into_iter()
                .chain(["written.test", "named.test"].map(|host| (host, "[]".to_owned())))
        {
            let _ = write!(
                text,
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: \
                 {host}, namespace: default}}\nspec: {{host: {host}, trafficPolicy: {whole}, \
                 subsets: {subsets}}}\n"
            );
        }
        for (host, resolution, prefix) in
            [("written.test", "STATIC", "192.0.2."), ("named.test", "DNS", "m")]
        {
            let suffix = if resolution == "DNS" { ".test" } else { "" };
            let list = machines.iter().map(|(at, rest)| format!("{{address: {prefix}{at}{suffix}, {rest}}}"));
            let list = list.collect::<Vec<_>>().join(", ");
            let _ = write!(
                text,
                "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: \
                 {host}, namespace: default}}\nspec: {{hosts: [{host}], resolution: {resolution}, \
                 ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: [{list}]}}\n"
            );
        }
        for (number, (at, rest)) in machines.iter().enumerate() {
            let _ = write!(
                text,
                "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: \
                 m{number}, namespace: default, labels: {{app: a}}}}\nspec: {{address: 192.0.2.{at}, \
                 {rest}}}\n"
            );
        }
        for (number, (at, rest)) in pods.iter().enumerate() {
            let _ = write!(
                text,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: \
                 a-{number}, namespace: default, labels: {{kubernetes.io/service-name: a}}}}\n\
                 addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints: [{{addresses: \
                 [10.1.0.{at}], {rest}}}]\n"
            );
        }
        text
    })
}

fn read(text: &str) -> Objects {
    let mut objects = Objects::default();
    manifest::read(text, "law.yaml", &mut objects);
    objects
}

fn clusters(objects: &Objects) -> Vec<Arc<Cluster>> {
    compile(objects, &Workload::default()).table.clusters.iter().cloned().collect()
}

/// Draws that differ.
struct World(Cell<u64>);

impl Situation for World {
    fn draw(&self) -> u64 {
        self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        self.0.get() >> 7
    }

    fn turn(&self) -> u64 {
        self.draw()
    }

    fn load(&self, at: usize) -> u32 {
        u32::try_from(at).unwrap_or(0)
    }

    fn warmth(&self, _: usize) -> f64 {
        0.5
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_objects_means_nothing(text in manifests()) {
        let objects = read(&text);
        prop_assert_eq!(&objects.defects, &vec![], "{}", text);
        let mut turned = objects.clone();
        turned.destination_rules.reverse();
        turned.service_entries.reverse();
        turned.workload_entries.reverse();
        turned.endpoint_slices.reverse();
        turned.nodes.reverse();
        prop_assert_eq!(clusters(&objects), clusters(&turned));
        let compiled = compile(&objects, &Workload::default());
        prop_assert_eq!(compiled.rejected.len(), 0, "{:?}", compiled.problems);
    }

    #[test]
    fn priorities_have_no_gaps_and_are_for_those_who_have_places(text in manifests()) {
        for cluster in clusters(&read(&text)) {
            let names = cluster.names.iter().flat_map(|names| &names.list);
            let templates = names.map(|name| &name.template);
            let all: Vec<_> = cluster.endpoints.iter().chain(templates).collect();
            let taken: BTreeSet<u32> = all.iter().map(|endpoint| endpoint.priority).collect();
            let last = u32::try_from(taken.len()).unwrap();
            prop_assert!(taken.into_iter().eq(0..last), "{}", text);
            let shares = &cluster.policy.shares;
            for endpoint in all {
                prop_assert!(shares.is_empty() || shares.contains_key(&endpoint.locality));
                prop_assert!(shares.is_empty() || endpoint.priority == 0);
            }
        }
    }

    #[test]
    fn a_subset_is_a_part(text in manifests()) {
        let clusters = clusters(&read(&text));
        let of = |name: &str| clusters.iter().find(|cluster| cluster.id.as_str() == name);
        let whole = of("outbound|80||a.default.svc.cluster.local").unwrap();
        let part = of("outbound|80|v1|a.default.svc.cluster.local").unwrap();
        // Shares leave out whom they do not name.
        if !text.contains("distribute") {
            for endpoint in part.endpoints.iter() {
                prop_assert!(whole.endpoints.iter().any(|one| one.address == endpoint.address));
            }
        }
    }

    #[test]
    fn an_endpoint_is_found_where_there_is_one(
        text in manifests(),
        seed in any::<u64>(),
        out in any::<u32>(),
        key in any::<Option<u64>>(),
    ) {
        for cluster in clusters(&read(&text)) {
            let usable = |at: usize| out >> (at % 32) & 1 == 0;
            let can = (0..cluster.endpoints.len()).any(usable);
            let passes = cluster.policy.balance == Balance::Passthrough;
            let panics = cluster.policy.outlier.as_ref().is_some_and(|it| it.panic_percent > 0);
            let balancer = Balancer::new(Arc::clone(&cluster), usable);
            let found = balancer.pick(&World(Cell::new(seed)), Wish { key, ..Wish::default() });
            if let Some(at) = found {
                prop_assert!(at < cluster.endpoints.len() && !passes && (usable(at) || panics));
            } else {
                prop_assert!(passes || !can, "{}", text);
            }
        }
    }
}
