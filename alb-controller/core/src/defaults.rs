//! Attributes as AWS gives them to what is new: to wish for these is to wish for nothing.

use crate::pairs::Pairs;
use std::sync::LazyLock;

/// Of target groups.
const TARGET_GROUP: &[(&str, &str)] = &[
    ("deregistration_delay.timeout_seconds", "300"),
    ("slow_start.duration_seconds", "0"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("stickiness.enabled", "false"),
    ("stickiness.type", "lb_cookie"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

/// Of load balancers.
const LOAD_BALANCER: &[(&str, &str)] = &[
    ("access_logs.s3.enabled", "false"),
    ("connection_logs.s3.enabled", "false"),
    ("health_check_logs.s3.enabled", "false"),
    ("deletion_protection.enabled", "false"),
    ("idle_timeout.timeout_seconds", "60"),
    ("client_keep_alive.seconds", "3600"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
    ("load_balancing.cross_zone.enabled", "true"),
];

/// What a new target group must be told.
pub(crate) fn of_target_group(wanted: &Pairs) -> Pairs {
    without(wanted, TARGET_GROUP)
}

/// What a new load balancer must be told.
pub(crate) fn of_load_balancer(wanted: &Pairs) -> Pairs {
    without(wanted, LOAD_BALANCER)
}

/// What a new target group has.
pub(crate) fn new_target_group() -> Pairs {
    static USUAL: LazyLock<Pairs> = LazyLock::new(|| owned(TARGET_GROUP));
    USUAL.clone()
}

/// What a new load balancer has.
pub(crate) fn new_load_balancer() -> Pairs {
    static USUAL: LazyLock<Pairs> = LazyLock::new(|| owned(LOAD_BALANCER));
    USUAL.clone()
}

fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn without(wanted: &Pairs, usual: &[(&str, &str)]) -> Pairs {
    let mut told = wanted.clone();
    told.retain(|key, value| !usual.contains(&(key.as_str(), value.as_str())));
    told
}
