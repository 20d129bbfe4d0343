//! How a DestinationRule has an endpoint chosen.

use crate::{
    duration::Duration,
    shape::{shape, words},
};
use std::collections::BTreeMap;

shape! {
    /// How an endpoint is chosen; `simple`, `consistentHash` and `backendUtilization` exclude one
    /// another.
    LoadBalancerSettings {
        /// A method without parameters.
        simple: Option<SimpleLb>,
        /// Like goes to like.
        consistent_hash: Option<ConsistentHash>,
        /// By what the backends report.
        backend_utilization: Option<BackendUtilization>,
        /// Near endpoints first; absent is as the mesh says.
        locality_lb_setting: Option<LocalityLbSetting>,
        /// Near zones first.
        zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
        /// How long a new endpoint gets less. Deprecated.
        warmup_duration_secs: Option<Duration>,
        /// How a new endpoint comes to its full share.
        warmup: Option<WarmupConfiguration>,
    }

    /// What requests are told apart by, one of the first four; and how.
    ConsistentHash {
        /// By this header.
        http_header_name: Option<String>,
        /// By this cookie.
        http_cookie: Option<HttpCookie>,
        /// By the client's address.
        use_source_ip: Option<bool>,
        /// By this query parameter.
        http_query_parameter_name: Option<String>,
        /// On a ring.
        ring_hash: Option<RingHash>,
        /// By Maglev's table.
        maglev: Option<Maglev>,
        /// Older place of `ringHash.minimumRingSize`.
        minimum_ring_size: Option<u64>,
    }

    /// A ring of hashes.
    RingHash {
        /// Fewest places on the ring.
        minimum_ring_size: Option<u64>,
    }

    /// Maglev's table.
    Maglev {
        /// Its size, a prime.
        table_size: Option<u64>,
    }

    /// A cookie that tells clients apart.
    HttpCookie {
        /// Its name.
        name: String,
        /// Its path.
        path: Option<String>,
        /// How long it lives. Absent: it is never made; `0s`: as long as the browser.
        ttl: Option<Duration>,
        /// Further attributes of a cookie that is made.
        attributes: Vec<CookieAttribute>,
    }

    /// An attribute such as `SameSite=Lax`.
    CookieAttribute {
        /// Its name.
        name: String,
        /// Its value, if it has one.
        value: Option<String>,
    }

    /// By what the backends report.
    BackendUtilization {
        /// How often weights change.
        weight_update_period: Option<Duration>,
        /// How long reports are collected before they count.
        weight_stabilization_period: Option<Duration>,
        /// How long a report counts.
        weight_expiration_period: Option<Duration>,
        /// How much errors count, in per cent.
        error_utilization_penalty_percent: Option<u32>,
        /// The reported metrics that count.
        metric_names_for_computing_utilization: Vec<String>,
    }

    /// Near endpoints first.
    LocalityLbSetting {
        /// Shares by locality of the client; not beside `failover`.
        distribute: Vec<LocalityDistribute>,
        /// Where to go when a region fails.
        failover: Vec<LocalityFailover>,
        /// Labels that make endpoints nearer, in order.
        failover_priority: Vec<String>,
        /// Whether it is on; absent is as the mesh says.
        enabled: Option<bool>,
    }

    /// Shares for clients of one locality.
    LocalityDistribute {
        /// The clients' locality.
        from: String,
        /// Per cent by locality of the endpoints.
        to: BTreeMap<String, u32>,
    }

    /// Where to go when a region fails.
    LocalityFailover {
        /// The region that fails.
        from: String,
        /// The region that takes over.
        to: String,
    }

    /// Near zones first.
    ZoneAwareLbSetting {
        /// Whether it is on.
        enabled: Option<bool>,
        /// Where to go when a region fails.
        failover: Vec<LocalityFailover>,
        /// Labels that make endpoints nearer, in order.
        failover_priority: Vec<String>,
        /// Fewest endpoints for it to count.
        min_cluster_size: Option<u32>,
    }

    /// How a new endpoint comes to its full share.
    WarmupConfiguration {
        /// How long it takes.
        duration: Option<Duration>,
        /// The share to begin with, in per cent; absent is 10.
        minimum_percent: Option<f64>,
        /// The form of the curve; 1 is a straight line.
        aggression: Option<f64>,
    }
}

words! {
    /// A method without parameters.
    SimpleLb {
        /// Left to the gateway.
        Unspecified,
        /// Older name for `LEAST_REQUEST`.
        LeastConn,
        /// Any.
        Random,
        /// The address that the client asked for.
        Passthrough,
        /// In turn.
        RoundRobin,
        /// The less busy of two.
        LeastRequest,
    }
}
