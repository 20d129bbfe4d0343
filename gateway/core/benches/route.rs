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
    Compiled, Compiler, Workload, compile,
    request::{Request, Scheme},
    table::{App, Decision, Hosts},
};
use http::{HeaderMap, HeaderValue};
use made::{Kind, World, objects};
use std::{hint::black_box, sync::Arc, time::Instant};

/// Requests of one measurement.
const BATCH: usize = 64;

/// How many hosts, or routes of a host, are asked for again and again.
const FEW: usize = 10;

/// Measurements of which the middle one counts.
const ROUNDS: usize = 2_000;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    println!("route(), ns a request, p50{:>14}{:>10}{:>10}", SIZES[0], SIZES[1], SIZES[2]);
    println!("{:<60} growth  64 of them  all in turn  allocations  bytes a route", "");
    routing("hosts, a route each", Kind::Prefix, |size| (size, 1));
    for kind in Kind::ALL {
        routing(&format!("routes of a host: {kind:?}"), kind, |size| (1, size));
    }
    println!("{:<24}{:>16}{:>10}{:>10}", "Envoy, CPU of a request", "36,000", "55,000", "234,000");
    compiling();
    println!(
        "\nistiod, at 1,000 hosts, takes 61 ms of CPU for a change and sends 4 MB to each gateway, which \
         \nEnvoy then parses. Figures of others were measured on two shared cores."
    );
}

/// Times `route` at all sizes in turn, so that what else the machine does costs all the same: a few
/// requests that come again and again, and requests for everything that the largest table has, which no
/// cache holds.
fn routing(what: &str, kind: Kind, shape: impl Fn(usize) -> (usize, usize)) {
    let built: Vec<Built> = SIZES.map(|size| Built::new(kind, shape(size))).into();
    let largest = &built[2];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); SIZES.len()];
    let (mut many, mut in_turn) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for (built, times) in built.iter().zip(&mut times) {
            times.push(once(|| built.ask(&built.few)));
        }
        many.push(once(|| largest.ask(&largest.many)));
        // Made just now, as a request that was just read.
        let next: Vec<Asked> = (0..BATCH).map(|i| largest.asked(round * BATCH + i)).collect();
        in_turn.push(once(|| largest.ask(&next)));
    }
    let of_one = |times| middle(times) * 1e9 / BATCH as f64;
    let p50: Vec<f64> = times.into_iter().map(of_one).collect();
    let allocations = built.iter().map(|built| measure(|| built.ask(&built.few)).count_total);
    println!(
        "{what:<30}{:>10.0}{:>10.0}{:>10.0}{:>+6.0} %{:>12.0}{:>13.0}{:>13}{:>15}",
        p50[0],
        p50[1],
        p50[2],
        (p50[2] / p50[0] - 1.0) * 100.0,
        of_one(many),
        of_one(in_turn),
        allocations.sum::<u64>(),
        largest.bytes,
    );
}

/// A table, and requests for it.
struct Built {
    kind: Kind,
    shape: (usize, usize),
    hosts: Arc<Hosts>,
    few: Vec<Asked>,
    /// As many different ones as are asked at once.
    many: Vec<Asked>,
    /// What the table takes, for each route.
    bytes: i64,
}

impl Built {
    fn new(kind: Kind, shape: (usize, usize)) -> Self {
        let (hosts, rules) = shape;
        let objects: Objects = objects(kind, hosts, rules);
        let mut table = None;
        let memory = measure(|| {
            let compiled = compile(&objects, &Workload::default());
            assert!(compiled.problems.is_empty(), "{:?}", compiled.problems.first());
            table = Some(compiled.table);
        });
        let table = table.unwrap();
        let App::Http(served) = table.listeners[0].plain.as_ref().unwrap() else { unreachable!() };
        let bytes = memory.bytes_current / i64::try_from(hosts * rules).unwrap();
        let hosts = Arc::clone(served);
        let mut built = Self { kind, shape, hosts, few: Vec::new(), many: Vec::new(), bytes };
        built.few = (0..BATCH).map(|i| built.asked(i % FEW)).collect();
        built.many = (0..BATCH).map(|i| built.asked(i)).collect();
        built.ask(&built.few);
        built
    }

    /// The request of a number; those that follow one another are far apart in the table.
    fn asked(&self, number: usize) -> Asked {
        let (hosts, rules) = self.shape;
        Asked::new(self.kind, number * 7919 % hosts, number * 7919 % rules)
    }

    fn ask(&self, asked: &[Asked]) {
        for asked in asked {
            asked.ask(&self.hosts);
        }
    }
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
            headers.insert("x-tenant", HeaderValue::from_str(&made::tenant(rule)).unwrap());
        }
        Self { authority: made::host(host), path: kind.path(rule), headers }
    }

    fn ask(&self, table: &Hosts) {
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            authority: &self.authority,
            path: &self.path,
            query: None,
            headers: &self.headers,
            made: None,
            claims: None,
        };
        assert!(matches!(black_box(table.route(&request)), Decision::Route(..)));
    }
}

/// Something that changes, another way each turn.
type Change = fn(&mut World, usize);

fn compiling() {
    println!("\n{:<60} {:>10}", "compile, one core", "ms, p50");
    let workload = Workload::default();
    let one_service = objects(Kind::Prefix, 10_000, 1);
    say("10,000 VirtualServices on as many hosts", time(|| first(&one_service, &workload)));
    let mut world = World::new(10_000);
    say(
        "  each with a Service, a DestinationRule, an EndpointSlice",
        time(|| first(&world.objects, &workload)),
    );
    let mut compiler = Compiler::default();
    compiler.compile(&world.objects, &workload);
    let changes: [(&str, Change); 6] = [
        ("one changed EndpointSlice", World::touch_slice),
        ("one changed VirtualService", World::touch_virtual_service),
        ("one changed DestinationRule", World::touch_rule),
        ("one changed Service", World::touch_service),
        ("one VirtualService that comes or goes", World::toggle_virtual_service),
        ("one changed Gateway, with which all is compiled", World::touch_gateway),
    ];
    for (what, touch) in changes {
        let times = (0..if what.contains("all") { 9 } else { 200 }).map(|turn| {
            touch(&mut world, turn);
            once(|| drop(compiler.compile(&world.objects, &workload)))
        });
        say(&format!("  {what}"), middle(times.collect()));
    }
    let mut shared = World::on_one_host(10_000);
    let mut compiler = Compiler::default();
    compiler.compile(&shared.objects, &workload);
    let times = (0..20).map(|turn| {
        shared.touch_virtual_service(turn);
        once(|| drop(compiler.compile(&shared.objects, &workload)))
    });
    say("one changed VirtualService of 10,000 on one host", middle(times.collect()));
}

fn say(what: &str, seconds: f64) {
    println!("{what:<60} {:>10.3}", seconds * 1e3);
}

fn once(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// What comes out is dropped when nobody looks at the clock.
fn time<T>(work: impl Fn() -> T) -> f64 {
    let timed = || {
        let mut result = None;
        once(|| result = Some(work()))
    };
    middle((0..9).map(|_| timed()).collect())
}

/// Compiles what no compiler has seen.
fn first(objects: &Objects, workload: &Workload) -> (Compiler, Compiled) {
    let mut compiler = Compiler::default();
    let result = compiler.compile(objects, workload);
    (compiler, result)
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
