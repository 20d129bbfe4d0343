//! DestinationRule: subsets of a service, and how connections to it are made and kept.

use crate::{
    Object,
    duration::Duration,
    resource::Spec,
    shape::{shape, words},
};
use std::collections::BTreeMap;

pub use crate::{
    load_balancer::{
        BackendUtilization, ConsistentHash, CookieAttribute, HttpCookie, LoadBalancerSettings,
        LocalityDistribute, LocalityFailover, LocalityLbSetting, Maglev, RingHash, SimpleLb,
        WarmupConfiguration, ZoneAwareLbSetting,
    },
    virtual_service::PortSelector,
};

/// How a service is talked to.
pub type DestinationRule = Object<DestinationRuleSpec>;

impl Spec for DestinationRuleSpec {
    const KIND: &'static str = "DestinationRule";
}

shape! {
    /// What a [`DestinationRule`] asks for.
    DestinationRuleSpec {
        /// The service; a name without dots is completed with the object's namespace.
        host: String,
        /// For all of the service.
        traffic_policy: Option<TrafficPolicy>,
        /// Named parts of the service.
        subsets: Vec<Subset>,
        /// Namespaces that see the object: `*`, `.`, `~` or names.
        export_to: Vec<String>,
        /// The clients that the rule is for; absent is all.
        workload_selector: Option<WorkloadSelector>,
    }

    /// Clients, by their labels.
    WorkloadSelector {
        /// Labels that they have.
        match_labels: BTreeMap<String, String>,
    }

    /// A part of a service, by labels of its endpoints.
    Subset {
        /// What routes call it.
        name: String,
        /// Labels that its endpoints have.
        labels: BTreeMap<String, String>,
        /// Instead of the service's policy, where it says something.
        traffic_policy: Option<TrafficPolicy>,
    }

    /// How connections are balanced, kept, secured and given up.
    TrafficPolicy {
        /// How an endpoint is chosen.
        load_balancer: Option<LoadBalancerSettings>,
        /// How many connections and requests.
        connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is taken out.
        outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        tls: Option<ClientTlsSettings>,
        /// For single ports, instead of the above.
        port_level_settings: Vec<PortTrafficPolicy>,
        /// Through a proxy by CONNECT.
        tunnel: Option<TunnelSettings>,
        /// A PROXY protocol head on each connection.
        proxy_protocol: Option<ProxyProtocol>,
        /// How many of the requests may be retries at once.
        retry_budget: Option<RetryBudget>,
    }

    /// A policy of one port.
    PortTrafficPolicy {
        /// Which.
        port: Option<PortSelector>,
        /// How an endpoint is chosen.
        load_balancer: Option<LoadBalancerSettings>,
        /// How many connections and requests.
        connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is taken out.
        outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        tls: Option<ClientTlsSettings>,
    }

    /// Limits of connections and requests.
    ConnectionPoolSettings {
        /// Of connections.
        tcp: Option<TcpSettings>,
        /// Of requests.
        http: Option<HttpSettings>,
    }

    /// Limits of connections.
    TcpSettings {
        /// Most connections to the service.
        max_connections: Option<i32>,
        /// Longest wait for a connection.
        connect_timeout: Option<Duration>,
        /// TCP keepalive.
        tcp_keepalive: Option<TcpKeepalive>,
        /// Longest life of a connection.
        max_connection_duration: Option<Duration>,
        /// Longest silence on a connection.
        idle_timeout: Option<Duration>,
    }

    /// TCP keepalive.
    TcpKeepalive {
        /// Unanswered probes before the connection is dead.
        probes: Option<u32>,
        /// Silence before the first probe.
        time: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
    }

    /// Limits of requests.
    HttpSettings {
        /// Most requests that wait for a connection.
        http1_max_pending_requests: Option<i32>,
        /// Most requests at once.
        http2_max_requests: Option<i32>,
        /// Requests after which a connection is closed; zero is no limit.
        max_requests_per_connection: Option<i32>,
        /// Most retries at once.
        max_retries: Option<i32>,
        /// Longest silence on a connection.
        idle_timeout: Option<Duration>,
        /// Speak HTTP/2 where HTTP/1.1 would do?
        h2_upgrade_policy: Option<H2UpgradePolicy>,
        /// Speak what the client speaks.
        use_client_protocol: Option<bool>,
        /// Most streams of one HTTP/2 connection.
        max_concurrent_streams: Option<i32>,
        /// Pings on HTTP/2 connections.
        http2_keep_alive: Option<Http2KeepAlive>,
    }

    /// Pings on HTTP/2 connections.
    Http2KeepAlive {
        /// Time between pings.
        interval: Option<Duration>,
        /// Longest wait for the answer.
        timeout: Option<Duration>,
    }

    /// When an endpoint is taken out for a while.
    OutlierDetection {
        /// Count failures of connecting apart from those of answering.
        split_external_local_origin_errors: Option<bool>,
        /// Failures of connecting in a row.
        consecutive_local_origin_failures: Option<u32>,
        /// Answers 502, 503 or 504 in a row; zero switches it off.
        consecutive_gateway_errors: Option<u32>,
        /// Answers 5xx in a row; zero switches it off.
        #[serde(rename = "consecutive5xxErrors")]
        consecutive_5xx_errors: Option<u32>,
        /// Older name for `consecutiveGatewayErrors`.
        consecutive_errors: Option<i32>,
        /// Statuses that count as failures instead of 5xx.
        outlier_detection_http_error_codes: Vec<u32>,
        /// Time between looks.
        interval: Option<Duration>,
        /// Shortest time out.
        base_ejection_time: Option<Duration>,
        /// Largest share of endpoints that may be out.
        max_ejection_percent: Option<i32>,
        /// Share of healthy endpoints below which nobody is taken out.
        min_health_percent: Option<i32>,
    }

    /// TLS towards the endpoints.
    ClientTlsSettings {
        /// Which kind.
        mode: Option<TlsMode>,
        /// File with the client's certificates.
        client_certificate: Option<String>,
        /// File with the client's private key.
        private_key: Option<String>,
        /// File with the authorities that vouch for the server.
        ca_certificates: Option<String>,
        /// File with revoked server certificates.
        ca_crl: Option<String>,
        /// Secret with key, certificates and authorities.
        credential_name: Option<String>,
        /// Names of which the server's certificate must have one.
        subject_alt_names: Vec<String>,
        /// Server name to ask for.
        sni: Option<String>,
        /// Take any certificate.
        insecure_skip_verify: Option<bool>,
    }

    /// Through a proxy by CONNECT or POST.
    TunnelSettings {
        /// The method; absent is CONNECT.
        protocol: Option<String>,
        /// The host to ask the proxy for.
        target_host: String,
        /// The port to ask the proxy for.
        target_port: u32,
    }

    /// A PROXY protocol head on each connection.
    ProxyProtocol {
        /// Which version; absent is V1.
        version: Option<ProxyProtocolVersion>,
    }

    /// How many of the requests may be retries at once.
    RetryBudget {
        /// Share of the requests; absent is 20.
        percent: Option<f64>,
        /// The period that is counted.
        budget_interval: Option<Duration>,
        /// Retries that are always allowed; absent is 3.
        min_retry_concurrency: Option<u32>,
    }
}

words! {
    /// TLS towards the endpoints.
    TlsMode {
        /// None.
        Disable,
        /// The server shows a certificate.
        Simple,
        /// Both show certificates.
        Mutual,
        /// Both show the mesh's own certificates.
        IstioMutual,
    }

    /// Speak HTTP/2 where HTTP/1.1 would do?
    H2UpgradePolicy {
        /// As the mesh says.
        Default,
        /// Never.
        DoNotUpgrade,
        /// Always.
        Upgrade,
    }

    /// A version of the PROXY protocol.
    ProxyProtocolVersion {
        /// In text.
        V1,
        /// In binary.
        V2,
    }
}
