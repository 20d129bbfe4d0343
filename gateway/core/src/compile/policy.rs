//! What a DestinationRule says becomes the policy of a cluster. Zero means unset, as in Istio.

use super::outlier::outlier;
use crate::cluster::{
    Balance, ClusterPolicy, Http2, Keepalive, Limits, ProxyProtocol, RetryLimit, UpstreamProtocol,
    WarmUp,
};
use edgeway_api::{
    destination_rule::{
        ConsistentHash, H2UpgradePolicy, Http2KeepAlive, HttpSettings, LoadBalancerSettings,
        ProxyProtocolVersion, RetryBudget, SimpleLb, TcpKeepalive, TcpSettings, TrafficPolicy,
    },
    duration::Duration as Text,
};
use std::time::Duration;

/// Istio's smallest ring.
const RING_POINTS: u32 = 1024;

/// Envoy's table.
const MAGLEV_PLACES: u32 = 65_537;

/// Envoy's retry budget: 20 % of the requests, and three in any case.
const BUDGET: (f64, u32) = (20.0, 3);

/// The share, in per cent, with which a new endpoint begins.
const WARM_UP_MINIMUM: f64 = 10.0;

/// The policy of a cluster whose port is declared to speak `protocol`.
pub(super) fn policy(traffic: &TrafficPolicy, protocol: UpstreamProtocol) -> ClusterPolicy {
    let pool = traffic.connection_pool.clone().unwrap_or_default();
    let (tcp, http) = (pool.tcp.unwrap_or_default(), pool.http.unwrap_or_default());
    let balance = balance(traffic.load_balancer.as_ref());
    let default = ClusterPolicy::default();
    ClusterPolicy {
        balance,
        shares: default.shares,
        warm_up: warm_up(traffic.load_balancer.as_ref(), balance),
        connect_timeout: time(tcp.connect_timeout.as_ref()).unwrap_or(default.connect_timeout),
        protocol: spoken(&http, protocol),
        http2: Http2 {
            max_concurrent_streams: count(http.max_concurrent_streams),
            ping: http.http2_keep_alive.as_ref().and_then(ping),
        },
        tls: default.tls,
        idle_timeout: idle(&tcp, &http).unwrap_or(default.idle_timeout),
        tcp_idle_timeout: silence(&tcp).unwrap_or(default.tcp_idle_timeout),
        max_connection_duration: time(tcp.max_connection_duration.as_ref()),
        max_requests_per_connection: count(http.max_requests_per_connection).unwrap_or(0),
        keepalive: tcp.tcp_keepalive.as_ref().map(keepalive),
        limits: Limits {
            connections: count(tcp.max_connections),
            pending: count(http.http1_max_pending_requests),
            requests: count(http.http2_max_requests),
            retries: retries(traffic.retry_budget.as_ref(), &http),
        },
        outlier: traffic.outlier_detection.as_ref().map(outlier),
        proxy_protocol: traffic.proxy_protocol.as_ref().map(|head| match head.version {
            None | Some(ProxyProtocolVersion::V1) => ProxyProtocol::V1,
            Some(ProxyProtocolVersion::V2) => ProxyProtocol::V2,
        }),
    }
}

/// A duration that is one, and not zero.
pub(super) fn time(text: Option<&Text>) -> Option<Duration> {
    text.and_then(Text::get).filter(|time| !time.is_zero())
}

/// A number that is one, and not zero.
fn count(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

/// The port as declared, unless the rule says otherwise. `DO_NOT_UPGRADE` leaves a port that is
/// declared HTTP/2 as it is (measured).
fn spoken(http: &HttpSettings, declared: UpstreamProtocol) -> UpstreamProtocol {
    match (http.use_client_protocol, http.h2_upgrade_policy) {
        (Some(true), _) => UpstreamProtocol::AsClient,
        (_, Some(H2UpgradePolicy::Upgrade)) => UpstreamProtocol::Http2,
        (_, Some(H2UpgradePolicy::Default | H2UpgradePolicy::DoNotUpgrade) | None) => declared,
    }
}

fn ping(keep: &Http2KeepAlive) -> Option<(Duration, Duration)> {
    Some((time(keep.interval.as_ref())?, time(keep.timeout.as_ref())?))
}

/// `http.idleTimeout`, else `tcp.idleTimeout`.
fn idle(tcp: &TcpSettings, http: &HttpSettings) -> Option<Duration> {
    time(http.idle_timeout.as_ref()).or_else(|| silence(tcp))
}

/// `tcp.idleTimeout`, of which zero means never.
fn silence(tcp: &TcpSettings) -> Option<Duration> {
    let time = tcp.idle_timeout.as_ref()?.get()?;
    Some(if time.is_zero() { ClusterPolicy::NEVER_IDLE } else { time })
}

fn keepalive(keepalive: &TcpKeepalive) -> Keepalive {
    Keepalive {
        probes: keepalive.probes.filter(|probes| *probes > 0),
        time: time(keepalive.time.as_ref()),
        interval: time(keepalive.interval.as_ref()),
    }
}

/// A budget takes the place of `maxRetries` (as Envoy).
fn retries(budget: Option<&RetryBudget>, http: &HttpSettings) -> RetryLimit {
    let Some(budget) = budget else {
        return count(http.max_retries).map_or(RetryLimit::None, RetryLimit::Count);
    };
    let percent = budget.percent.unwrap_or(BUDGET.0).clamp(0.0, 100.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was clamped to 0 to 100"
    )]
    let basis_points = (percent * 100.0).round() as u32;
    RetryLimit::Budget { basis_points, minimum: budget.min_retry_concurrency.unwrap_or(BUDGET.1) }
}

fn balance(settings: Option<&LoadBalancerSettings>) -> Balance {
    if let Some(hash) = settings.and_then(|settings| settings.consistent_hash.as_ref()) {
        return table(hash);
    }
    match settings.and_then(|settings| settings.simple) {
        Some(SimpleLb::RoundRobin) => Balance::RoundRobin,
        Some(SimpleLb::Random) => Balance::Random,
        Some(SimpleLb::Passthrough) => Balance::Passthrough,
        Some(SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest) | None => {
            Balance::LeastRequest
        }
    }
}

fn table(hash: &ConsistentHash) -> Balance {
    let size = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    if let Some(maglev) = &hash.maglev {
        return Balance::Maglev { places: maglev.table_size.map_or(MAGLEV_PLACES, size) };
    }
    let ring = hash.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size);
    let points = ring.or(hash.minimum_ring_size).filter(|points| *points > 0);
    Balance::Ring { points: points.map_or(RING_POINTS, size) }
}

/// Chance and hashes give new endpoints their whole share at once (as Envoy).
fn warm_up(settings: Option<&LoadBalancerSettings>, balance: Balance) -> Option<WarmUp> {
    match balance {
        Balance::LeastRequest | Balance::RoundRobin => {}
        Balance::Random | Balance::Ring { .. } | Balance::Maglev { .. } | Balance::Passthrough => {
            return None;
        }
    }
    let settings = settings?;
    let Some(warmup) = &settings.warmup else {
        let duration = time(settings.warmup_duration_secs.as_ref())?;
        return Some(WarmUp { duration, minimum: WARM_UP_MINIMUM / 100.0, aggression: 1.0 });
    };
    let percent = warmup.minimum_percent.unwrap_or(WARM_UP_MINIMUM);
    Some(WarmUp {
        duration: time(warmup.duration.as_ref())?,
        minimum: (percent / 100.0).clamp(0.01, 1.0),
        aggression: warmup.aggression.filter(|it| it.is_finite() && *it > 0.0).unwrap_or(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::{Objects, manifest};

    fn read(traffic: &str) -> ClusterPolicy {
        let mut objects = Objects::default();
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a, \
             namespace: b}}\nspec: {{host: a, trafficPolicy: {traffic}}}\n"
        );
        manifest::read(&text, "test", &mut objects);
        let rule = &objects.destination_rules[0];
        policy(rule.spec.traffic_policy.as_ref().unwrap(), UpstreamProtocol::Http1)
    }

    #[test]
    fn zero_is_unset() {
        let zeros = read(
            "{connectionPool: {tcp: {maxConnections: 0}, http: {http1MaxPendingRequests: 0, \
             http2MaxRequests: 0, maxRetries: 0, maxRequestsPerConnection: 0, \
             maxConcurrentStreams: 0}}, loadBalancer: {warmupDurationSecs: 0s}}",
        );
        assert_eq!(zeros, ClusterPolicy::default());
    }

    #[test]
    fn limits_are_taken_over() {
        let limits = read(
            "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 2, \
             http2MaxRequests: 3, maxRetries: 4}}}",
        );
        assert_eq!(
            limits.limits,
            Limits {
                connections: Some(1),
                pending: Some(2),
                requests: Some(3),
                retries: RetryLimit::Count(4)
            }
        );
    }

    #[test]
    fn a_budget_takes_the_place_of_a_count() {
        for (budget, basis_points, minimum) in [
            ("{}", 2000, 3),
            ("{percent: 12.5, minRetryConcurrency: 0}", 1250, 0),
            ("{percent: 100, minRetryConcurrency: 7}", 10_000, 7),
        ] {
            let text =
                format!("{{connectionPool: {{http: {{maxRetries: 4}}}}, retryBudget: {budget}}}");
            let expected = RetryLimit::Budget { basis_points, minimum };
            assert_eq!(read(&text).limits.retries, expected, "{budget}");
        }
    }

    #[test]
    fn http_idle_time_comes_before_that_of_tcp() {
        for (pool, http, tcp) in [
            ("{tcp: {idleTimeout: 5s}}", Duration::from_secs(5), Duration::from_secs(5)),
            (
                "{tcp: {idleTimeout: 5s}, http: {idleTimeout: 2s}}",
                Duration::from_secs(2),
                Duration::from_secs(5),
            ),
            ("{tcp: {idleTimeout: 0s}}", ClusterPolicy::NEVER_IDLE, ClusterPolicy::NEVER_IDLE),
            ("{tcp: {}}", Duration::from_secs(3600), Duration::from_secs(3600)),
        ] {
            let policy = read(&format!("{{connectionPool: {pool}}}"));
            assert_eq!((policy.idle_timeout, policy.tcp_idle_timeout), (http, tcp), "{pool}");
        }
    }

    #[test]
    fn what_is_spoken_is_declared_or_said() {
        use UpstreamProtocol::{AsClient, Http1, Http2};
        for (http, declared, expected) in [
            ("{}", Http1, Http1),
            ("{h2UpgradePolicy: UPGRADE}", Http1, Http2),
            ("{h2UpgradePolicy: DO_NOT_UPGRADE}", Http2, Http2),
            ("{h2UpgradePolicy: DEFAULT}", Http1, Http1),
            ("{useClientProtocol: true}", Http2, AsClient),
            ("{useClientProtocol: false}", Http2, Http2),
        ] {
            let http: HttpSettings = serde_saphyr::from_str(http).unwrap();
            assert_eq!(spoken(&http, declared), expected, "{http:?}");
        }
    }

    #[test]
    fn methods_and_tables() {
        for (balancer, expected) in [
            ("{}", Balance::LeastRequest),
            ("{simple: RANDOM}", Balance::Random),
            ("{simple: LEAST_CONN}", Balance::LeastRequest),
            ("{simple: PASSTHROUGH}", Balance::Passthrough),
            ("{consistentHash: {useSourceIp: true}}", Balance::Ring { points: 1024 }),
            (
                "{consistentHash: {useSourceIp: true, minimumRingSize: 64}}",
                Balance::Ring { points: 64 },
            ),
            (
                "{consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 128}}}",
                Balance::Ring { points: 128 },
            ),
            (
                "{consistentHash: {useSourceIp: true, maglev: {tableSize: 251}}}",
                Balance::Maglev { places: 251 },
            ),
        ] {
            let policy = read(&format!("{{loadBalancer: {balancer}}}"));
            assert_eq!(policy.balance, expected, "{balancer}");
        }
    }

    #[test]
    fn warm_up_is_for_turns_and_loads() {
        let warmup = |rest: &str| read(&format!("{{loadBalancer: {{{rest}}}}}")).warm_up;
        let ten = Duration::from_secs(10);
        let plain = WarmUp { duration: ten, minimum: 0.1, aggression: 1.0 };
        assert_eq!(warmup("warmupDurationSecs: 10s"), Some(plain));
        assert_eq!(warmup("simple: ROUND_ROBIN, warmup: {duration: 10s}"), Some(plain));
        assert_eq!(warmup("simple: RANDOM, warmup: {duration: 10s}"), None);
        assert_eq!(
            warmup("warmup: {duration: 10s, minimumPercent: 50, aggression: 2}"),
            Some(WarmUp { duration: ten, minimum: 0.5, aggression: 2.0 })
        );
    }
}
