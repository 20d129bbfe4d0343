//! `connectionPool` of a DestinationRule.

use super::{
    super::report::Field,
    primitive::{duration, not_negative},
};
use edgeway_api::{
    destination_rule::{
        ConnectionPoolSettings, H2UpgradePolicy, Http2KeepAlive, HttpSettings, TcpSettings,
    },
    duration::Duration,
};

/// Checks the settings; `field` stands at the traffic policy.
pub(super) fn validate(pool: Option<&ConnectionPoolSettings>, field: &mut Field<'_>) {
    let Some(pool) = pool else { return };
    field.of("connectionPool", |field| {
        if pool.tcp.is_none() && pool.http.is_none() {
            field.invalid("it is empty", "give `tcp` or `http`");
        }
        if let Some(settings) = &pool.tcp {
            field.of("tcp", |field| tcp(settings, field));
        }
        if let Some(settings) = &pool.http {
            field.of("http", |field| http(settings, field));
        }
    });
}

fn tcp(tcp: &TcpSettings, field: &mut Field<'_>) {
    not_negative(tcp.max_connections, "maxConnections", field);
    duration(tcp.connect_timeout.as_ref(), "connectTimeout", field);
    duration(tcp.max_connection_duration.as_ref(), "maxConnectionDuration", field);
    // Zero switches the limit off.
    let idle = tcp.idle_timeout.as_ref();
    let off = |idle: &&Duration| idle.get().is_some_and(|time| time.is_zero());
    duration(idle.filter(|idle| !off(idle)), "idleTimeout", field);
    if let Some(keepalive) = &tcp.tcp_keepalive {
        field.of("tcpKeepalive", |field| {
            duration(keepalive.time.as_ref(), "time", field);
            duration(keepalive.interval.as_ref(), "interval", field);
        });
    }
}

fn http(http: &HttpSettings, field: &mut Field<'_>) {
    let counts = [
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRequestsPerConnection", http.max_requests_per_connection),
        ("maxRetries", http.max_retries),
        ("maxConcurrentStreams", http.max_concurrent_streams),
    ];
    for (name, count) in counts {
        not_negative(count, name, field);
    }
    duration(http.idle_timeout.as_ref(), "idleTimeout", field);
    let upgrades = http.h2_upgrade_policy == Some(H2UpgradePolicy::Upgrade);
    if upgrades && http.use_client_protocol == Some(true) {
        field.of("useClientProtocol", |field| {
            field.invalid(
                "the client's protocol is kept, and h2UpgradePolicy replaces it with HTTP/2",
                "keep one of useClientProtocol and `h2UpgradePolicy: UPGRADE`",
            );
        });
    }
    if let Some(Http2KeepAlive { interval, timeout }) = &http.http2_keep_alive {
        field.of("http2KeepAlive", |field| {
            for (name, time) in [("interval", interval), ("timeout", timeout)] {
                if time.is_none() {
                    let message = "pings need a time between them and one to wait for the answer";
                    field.of(name, |field| field.invalid(message, "give interval and timeout"));
                }
                duration(time.as_ref(), name, field);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn limits_are_counts_and_times() {
        let rows = [
            ("{}", "connectionPool: it is empty"),
            ("{tcp: {}}", ""),
            ("{tcp: {maxConnections: 1, connectTimeout: 1s, idleTimeout: 0s}}", ""),
            ("{tcp: {maxConnections: -1}}", "tcp.maxConnections: -1"),
            ("{tcp: {connectTimeout: 0s}}", "tcp.connectTimeout: `0s`"),
            ("{tcp: {maxConnectionDuration: soon}}", "tcp.maxConnectionDuration: `soon`"),
            ("{tcp: {idleTimeout: 1us}}", "tcp.idleTimeout: `1us`"),
            ("{tcp: {tcpKeepalive: {time: 0s}}}", "tcp.tcpKeepalive.time: `0s`"),
            ("{http: {maxRetries: 0, http2MaxRequests: 5}}", ""),
            ("{http: {http1MaxPendingRequests: -1}}", "http.http1MaxPendingRequests: -1"),
            ("{http: {maxConcurrentStreams: -5}}", "http.maxConcurrentStreams: -5"),
            ("{http: {idleTimeout: 0s}}", "http.idleTimeout: `0s`"),
            ("{http: {h2UpgradePolicy: UPGRADE}}", ""),
            (
                "{http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}",
                "http.useClientProtocol: the client's",
            ),
            ("{http: {http2KeepAlive: {interval: 15s, timeout: 5s}}}", ""),
            ("{http: {http2KeepAlive: {interval: 15s}}}", "http2KeepAlive.timeout: pings"),
        ];
        for (pool, expected) in rows {
            let spec = format!("{{host: a, trafficPolicy: {{connectionPool: {pool}}}}}");
            unit::table("DestinationRule", &[(spec.as_str(), expected)]);
        }
    }
}
