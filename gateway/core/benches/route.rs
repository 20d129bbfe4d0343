//! What compile and route cost at growing sizes. A program, not a test: machines differ.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program that prints a table"
)]

mod made;

use allocation_counter::measure;
use edgeway_api::Objects;
use edgeway_core::{
    Compiler, Workload, compile,
    request::{Request, Scheme},
    table::{App, Decision, Hosts},
};
use http::{HeaderMap, HeaderValue};
use made::{Kind, objects, services, touched_service, touched_slice};
use std::{hint::black_box, sync::Arc, time::Instant};

/// Requests of one measurement.
const BATCH: usize = 64;

fn main() {
    println!("{:<44} {:>10} {:>12} {:>14}", "route()", "p50 ns", "allocations", "bytes a route");
    for kind in [Kind::Prefix, Kind::Exact, Kind::Regex, Kind::Header, Kind::Mixed] {
        for (hosts, rules) in [(10, 1), (1_000, 1), (10_000, 1), (1, 10), (1, 1_000), (1, 10_000)] {
            if kind == Kind::Prefix || hosts == 1 {
                routing(kind, hosts, rules);
            }
        }
    }
    println!("\n{:<44} {:>10}", "compile", "ms, p50");
    let workload = Workload::default();
    let one_service = objects(Kind::Prefix, 10_000, 1);
    say("10,000 VirtualServices", time(5, || drop(compile(&one_service, &workload))));
    let mut all = services(10_000);
    say("with as many Services and EndpointSlices", time(5, || drop(compile(&all, &workload))));
    let mut compiler = Compiler::default();
    compiler.compile(&all, &workload);
    let slices = (0..200).map(|turn| {
        all.endpoint_slices[5_000] = Arc::new(touched_slice(5_000, turn));
        once(|| drop(compiler.compile(&all, &workload)))
    });
    say("  one changed EndpointSlice", middle(slices.collect()));
    let changes = (0..9).map(|turn| {
        all.virtual_services[5_000] = Arc::new(touched_service(5_000, turn));
        once(|| drop(compiler.compile(&all, &workload)))
    });
    say("  one changed VirtualService", middle(changes.collect()));
    println!(
        "\nPeers, measured on two shared cores: Envoy takes 36, 55 and 234 µs of CPU for a request on a"
    );
    println!(
        "host with 10, 1,000 and 10,000 routes; istiod takes 61 ms of CPU and sends 4 MB to each gateway"
    );
    println!("for every push at 1,000 hosts, which Envoy then parses.");
}

fn say(what: &str, seconds: f64) {
    println!("{what:<44} {:>10.3}", seconds * 1e3);
}

fn once(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn time(times: usize, work: impl Fn()) -> f64 {
    middle((0..times).map(|_| once(&work)).collect())
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn routing(kind: Kind, hosts: usize, rules: usize) {
    let objects: Objects = objects(kind, hosts, rules);
    let mut compiled = None;
    let memory = measure(|| compiled = Some(compile(&objects, &Workload::default())));
    let compiled = compiled.unwrap();
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems.first());
    let App::Http(table) = compiled.table.listeners[0].plain.as_ref().unwrap() else { return };
    let asked: Vec<_> =
        (0..BATCH).map(|i| Asked::new(kind, i * 7919 % hosts, i * 7919 % rules)).collect();
    let allocations = measure(|| asked.iter().for_each(|asked| asked.ask(table))).count_total;
    let times = (0..2_000).map(|_| once(|| asked.iter().for_each(|asked| asked.ask(table))));
    let nanos = middle(times.collect()) * 1e9 / BATCH as f64;
    let bytes = memory.bytes_current / i64::try_from(hosts * rules).unwrap();
    let what = format!("{hosts} hosts × {rules} routes, {kind:?}");
    println!("{what:<44} {nanos:>10.0} {allocations:>12} {bytes:>14}");
}

struct Asked {
    authority: String,
    path: String,
    headers: HeaderMap,
}

impl Asked {
    fn new(kind: Kind, host: usize, rule: usize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("curl/8"));
        if kind.of(rule) == Kind::Header {
            headers.insert("x-tenant", HeaderValue::from_str(&format!("t{rule}")).unwrap());
        }
        Self { authority: format!("h{host}.example.com"), path: kind.path(rule), headers }
    }

    fn ask(&self, table: &Hosts) {
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            authority: &self.authority,
            path: &self.path,
            query: None,
            headers: &self.headers,
            claims: None,
        };
        assert!(matches!(black_box(table.route(&request)), Decision::Route(..)));
    }
}
