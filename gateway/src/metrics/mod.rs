//! Every family and every label.
//!
//! Workers count in handles of their own ([`Series`]), without atomics; what they counted becomes
//! visible when they flush, which a scrape asks them to do.

mod conditions;
mod edge;
mod labels;
mod routes;
mod series;
mod tcp;
mod tls;
mod usage;

pub(crate) use conditions::Conditions;
pub(crate) use edge::{Clients, Ended, Turned};
pub(crate) use labels::{Destination, Ending, Workload};
pub(crate) use routes::{RouteCounts, Routes};
pub(crate) use series::{Sample, Series};
pub(crate) use tcp::Tcp;
pub(crate) use tls::{Shaken, Tls, TlsFailure};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};
use std::time::Instant;
use usage::InUse;

/// Istio's buckets, for milliseconds and bytes alike.
const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// All families of the gateway, and the registry that they are in.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    istio: Istio,
    in_use: InUse,
    /// Of routes that ask for it.
    pub(crate) routes: Routes,
    /// Of connections that are passed on.
    pub(crate) tcp: Tcp,
    /// Of clients that were not served.
    pub(crate) clients: Clients,
    /// Of TLS with clients.
    pub(crate) tls: Tls,
    /// Client connections that are open.
    pub(crate) connections_active: IntGauge,
    /// Client connections ever accepted.
    pub(crate) connections: IntCounter,
    /// Connections to endpoints ever made.
    pub(crate) upstream_connections: IntCounter,
    /// Failed connects, by service and reason.
    pub(crate) connect_failures: IntCounterVec,
    /// Copies of requests, by service and what became of them.
    pub(crate) mirrored: IntCounterVec,
    /// Tries after the first, by service.
    pub(crate) retries: IntCounterVec,
    /// Requests and retries refused because a cluster's limit was reached, by service and limit.
    pub(crate) overflows: IntCounterVec,
    /// Endpoints taken out because they failed, by cluster.
    pub(crate) ejections: IntCounterVec,
    /// Endpoints that failed and stayed because too many were out, by cluster.
    pub(crate) ejections_refused: IntCounterVec,
    /// Endpoints that are out now, by cluster.
    pub(crate) ejected: IntGaugeVec,
    /// Requests refused before routing, by reason.
    pub(crate) refused: IntCounterVec,
    /// Sockets that could not be opened, by address.
    pub(crate) bind_errors: IntCounterVec,
    /// Whether an address is open, by address.
    pub(crate) listener_open: IntGaugeVec,
    /// How often names were asked for.
    pub(crate) dns_queries: IntCounter,
    /// How often nobody answered.
    pub(crate) dns_failures: IntCounter,
    /// Counts tables put in force.
    pub(crate) config_generation: IntGauge,
    config_problems: IntGaugeVec,
    /// What became of each object.
    pub(crate) conditions: Conditions,
    /// When the configuration in force was kept, in seconds of Unix time; 0 if its source sent it.
    pub(crate) config_kept_since: IntGauge,
    /// Whether this replica writes statuses.
    pub(crate) leader: IntGauge,
    /// How many times the process was started after one had died.
    pub(crate) restarts: IntCounter,
    /// Lines of the access log that were given up because the writer was too slow.
    pub(crate) access_log_dropped: IntCounter,
}

/// The families that Istio has, too.
#[derive(Debug)]
struct Istio {
    requests: IntCounterVec,
    histograms: [HistogramVec; 3],
}

impl Istio {
    fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let requests = ("istio_requests_total", "Requests served.");
        Ok(Self {
            requests: counters(on, requests, &labels::NAMES)?,
            histograms: [
                histograms(
                    on,
                    "istio_request_duration_milliseconds",
                    "Time from the end of a request's head to the end of its response.",
                )?,
                histograms(on, "istio_request_bytes", "Sizes of request bodies.")?,
                histograms(on, "istio_response_bytes", "Sizes of response bodies.")?,
            ],
        })
    }
}

impl Metrics {
    /// All families, registered; every count zero.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let on = &registry;
        let service = &["destination_service"];
        Ok(Self {
            istio: Istio::new(on)?,
            in_use: InUse::default(),
            routes: Routes::new(on)?,
            tcp: Tcp::new(on)?,
            clients: Clients::new(on)?,
            tls: Tls::new(on)?,
            connections_active: gauge(on, CONNECTIONS_ACTIVE)?,
            connections: counter(on, CONNECTIONS)?,
            upstream_connections: counter(on, UPSTREAM_CONNECTIONS)?,
            connect_failures: counters(on, CONNECT_FAILURES, &["destination_service", "reason"])?,
            mirrored: counters(on, MIRRORED, &["destination_service", "outcome"])?,
            retries: counters(on, RETRIES, service)?,
            overflows: counters(on, OVERFLOWS, &["destination_service", "limit"])?,
            ejections: counters(on, EJECTIONS, &["cluster"])?,
            ejections_refused: counters(on, EJECTIONS_REFUSED, &["cluster"])?,
            ejected: gauges(on, EJECTED, &["cluster"])?,
            refused: counters(on, REFUSED, &["reason"])?,
            bind_errors: counters(on, BIND_ERRORS, &["address"])?,
            listener_open: gauges(on, LISTENER_OPEN, &["address"])?,
            dns_queries: counter(on, DNS_QUERIES)?,
            dns_failures: counter(on, DNS_FAILURES)?,
            config_generation: gauge(on, CONFIG_GENERATION)?,
            config_problems: gauges(on, CONFIG_PROBLEMS, &["severity"])?,
            conditions: Conditions::new(on)?,
            config_kept_since: gauge(on, CONFIG_KEPT_SINCE)?,
            leader: gauge(on, LEADER)?,
            restarts: counter(on, RESTARTS)?,
            access_log_dropped: counter(on, ACCESS_LOG_DROPPED)?,
            registry,
        })
    }

    /// The text that Prometheus reads. Workers should have flushed before.
    pub(crate) fn text(&self, problems: Problems) -> Result<String, prometheus::Error> {
        self.expire(Instant::now());
        for (severity, count) in [("error", problems.errors), ("warning", problems.warnings)] {
            let gauge = self.config_problems.with_label_values(&[severity]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        String::from_utf8(buffer).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// The handles of one combination of labels.
    pub(crate) fn series(
        &self,
        source: &Workload,
        destination: &Destination,
        ending: Ending<'_>,
    ) -> Series {
        let values = labels::values(source, destination, ending);
        let text: Vec<&str> = values.iter().map(String::as_str).collect();
        let requests = self.istio.requests.with_label_values(&text).local();
        let histograms =
            self.istio.histograms.each_ref().map(|family| family.with_label_values(&text).local());
        Series::new(requests, histograms, self.in_use.hold(values))
    }

    /// Drops the series that nobody has been able to add to for a while.
    fn expire(&self, now: Instant) {
        self.in_use.expire(now, |values| {
            // They are there: a usage is noted when they are made.
            let _ = self.istio.requests.remove_label_values(values);
            for family in &self.istio.histograms {
                let _ = family.remove_label_values(values);
            }
        });
        self.routes.expire(now);
        self.tcp.expire(now);
    }
}

/// How many problems the configuration has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Problems {
    /// Things that do not work.
    pub(crate) errors: usize,
    /// Things that may not be meant.
    pub(crate) warnings: usize,
}

/// Name and help of a family.
type Named = (&'static str, &'static str);

const CONNECTIONS_ACTIVE: Named =
    ("edgeway_connections_active", "Client connections that are open.");
const CONNECTIONS: Named = ("edgeway_connections_total", "Client connections ever accepted.");
const UPSTREAM_CONNECTIONS: Named =
    ("edgeway_upstream_connections_total", "Connections to endpoints ever made.");
const CONNECT_FAILURES: Named =
    ("edgeway_upstream_connect_failures_total", "Connects to endpoints that failed.");
const MIRRORED: Named =
    ("edgeway_mirrored_requests_total", "Copies of requests for mirrors, by what became of them.");
const RETRIES: Named = ("edgeway_upstream_retries_total", "Tries after the first.");
const OVERFLOWS: Named = (
    "edgeway_upstream_overflows_total",
    "Requests and retries refused because a limit of the DestinationRule was reached.",
);
const EJECTIONS: Named =
    ("edgeway_upstream_ejections_total", "Endpoints taken out because they failed.");
const EJECTIONS_REFUSED: Named = (
    "edgeway_upstream_ejections_refused_total",
    "Endpoints that failed and stayed because too many others were out.",
);
const EJECTED: Named = ("edgeway_upstream_ejected", "Endpoints that are out because they failed.");
const REFUSED: Named = ("edgeway_refused_requests_total", "Requests refused before routing.");
const BIND_ERRORS: Named =
    ("edgeway_listener_bind_errors_total", "Failed attempts to open a listener.");
const LISTENER_OPEN: Named =
    ("edgeway_listener_open", "1 while a listener accepts, 0 while it cannot be opened.");
const DNS_QUERIES: Named = ("edgeway_dns_queries_total", "Names asked for.");
const DNS_FAILURES: Named =
    ("edgeway_dns_failures_total", "Names asked for about which no DNS server answered.");
const CONFIG_GENERATION: Named =
    ("edgeway_config_generation", "Counts the routing tables put in force.");
const CONFIG_PROBLEMS: Named =
    ("edgeway_config_problems", "Problems of the configuration in force.");
const CONFIG_KEPT_SINCE: Named = (
    "edgeway_config_kept_since_seconds",
    "When the configuration in force was kept on disk, if it comes from there; else 0.",
);
const LEADER: Named = ("edgeway_leader", "1 while this replica writes statuses.");
const RESTARTS: Named = (
    "edgeway_gateway_restarts_total",
    "How often the process was started again by its parent after a crash (--supervise).",
);
const ACCESS_LOG_DROPPED: Named = (
    "edgeway_access_log_dropped_total",
    "Access log lines given up because the writer was too slow.",
);

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(on: &Registry, (name, help): Named) -> Result<IntCounter, prometheus::Error> {
    register(on, IntCounter::new(name, help)?)
}

fn counters(
    on: &Registry,
    (name, help): Named,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(on, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauge(on: &Registry, (name, help): Named) -> Result<IntGauge, prometheus::Error> {
    register(on, IntGauge::new(name, help)?)
}

fn gauges(
    on: &Registry,
    (name, help): Named,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    register(on, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn histograms(on: &Registry, name: &str, help: &str) -> Result<HistogramVec, prometheus::Error> {
    histograms_of(on, (name, help), &labels::NAMES)
}

fn histograms_of(
    on: &Registry,
    (name, help): (&str, &str),
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
    register(on, HistogramVec::new(options, labels)?)
}

#[cfg(test)]
mod tests {
    use super::{usage::KEEP_UNUSED, *};

    fn ending(code: u16) -> Ending<'static> {
        Ending { code, grpc: false, grpc_status: None, flags: "-" }
    }

    fn series(metrics: &Metrics, code: u16) -> Series {
        metrics.series(&Workload::unknown(), &Destination::unknown(), ending(code))
    }

    #[test]
    fn counts_are_seen_after_a_flush() {
        let metrics = Metrics::new().unwrap();
        let series = series(&metrics, 200);
        series.add(Sample { milliseconds: 3.0, request_bytes: 10, response_bytes: 2000 });
        series.flush();
        let text = metrics.text(Problems::default()).unwrap();
        for (line, value) in [
            ("istio_requests_total{", "1"),
            ("istio_request_duration_milliseconds_sum{", "3"),
            ("istio_request_bytes_sum{", "10"),
            ("istio_response_bytes_sum{", "2000"),
        ] {
            let found = text.lines().find(|text| text.starts_with(line)).expect(line);
            assert!(found.contains("response_code=\"200\""), "{found}");
            assert!(found.ends_with(&format!(" {value}")), "{found}");
        }
    }

    #[test]
    fn a_series_stays_while_in_use_and_for_a_while_after() {
        let metrics = Metrics::new().unwrap();
        let (kept, dropped) = (series(&metrics, 200), series(&metrics, 503));
        drop(dropped);
        let start = Instant::now();
        metrics.expire(start);
        assert!(metrics.text(Problems::default()).unwrap().contains("response_code=\"503\""));
        metrics.expire(start + KEEP_UNUSED);
        let text = metrics.text(Problems::default()).unwrap();
        assert!(!text.contains("response_code=\"503\"") && text.contains("response_code=\"200\""));
        drop(kept);
    }
}
