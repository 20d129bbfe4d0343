//! How to speak to a cluster: what a DestinationRule says, joined for one port and subset.

use super::{endpoints::Locality, tls::UpstreamTls};
use crate::action::forward::{as_text, option_as_text};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Istio's `meshConfig.connectTimeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Istio's default for connections to endpoints that nobody uses, or on which nothing moves.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// How to speak to a cluster. The default is what Istio does without a DestinationRule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPolicy {
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// Shares of the localities; empty: endpoints have theirs wherever they are. A locality without
    /// a share gets nothing while another has endpoints.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<Locality, u32>,
    /// How new endpoints come to their full share; round robin and least request only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Deadline of the TCP connect, handshake included (Istio: 10 s).
    #[serde(serialize_with = "as_text")]
    pub connect_timeout: Duration,
    /// HTTP version that the endpoints speak.
    pub protocol: UpstreamProtocol,
    /// HTTP/2 connections only.
    #[serde(skip_serializing_if = "is_default")]
    pub http2: Http2,
    /// TLS towards the endpoints.
    pub tls: UpstreamTls,
    /// How long an unused connection is kept (Istio: 1 h).
    #[serde(serialize_with = "as_text")]
    pub idle_timeout: Duration,
    /// How long a connection of a TCP route may be silent (Istio: 1 h).
    #[serde(serialize_with = "as_text", skip_serializing_if = "is_default_silence")]
    pub tcp_idle_timeout: Duration,
    /// How long a connection takes new requests; `None` for ever.
    #[serde(serialize_with = "option_as_text", skip_serializing_if = "Option::is_none")]
    pub max_connection_duration: Option<Duration>,
    /// Requests per connection before it is closed; 0 for no limit.
    pub max_requests_per_connection: u32,
    /// TCP keepalive; `None`: as the kernel has it (off).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// How much may be under way at once, in the whole gateway.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// When endpoints are taken out; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier: Option<Outlier>,
    /// A PROXY protocol head on each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
}

impl ClusterPolicy {
    /// An idle time that never ends: a hundred years, so that clocks can add it.
    pub const NEVER_IDLE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
}

impl Default for ClusterPolicy {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            shares: BTreeMap::new(),
            warm_up: None,
            connect_timeout: CONNECT_TIMEOUT,
            protocol: UpstreamProtocol::default(),
            http2: Http2::default(),
            tls: UpstreamTls::default(),
            idle_timeout: IDLE_TIMEOUT,
            tcp_idle_timeout: IDLE_TIMEOUT,
            max_connection_duration: None,
            max_requests_per_connection: 0,
            keepalive: None,
            limits: Limits::default(),
            outlier: None,
            proxy_protocol: None,
        }
    }
}

fn is_default_silence(time: &Duration) -> bool {
    *time == IDLE_TIMEOUT
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Balance {
    /// Of two drawn by chance the one with fewer requests in flight; Istio's default.
    #[default]
    LeastRequest,
    /// In turn, by weight.
    RoundRobin,
    /// By chance.
    Random,
    /// By the request's key on a ring of at least so many points; by chance without a key.
    Ring {
        /// Fewest points (Istio: 1024).
        points: u32,
    },
    /// By the request's key in a Maglev table of so many places, a prime; by chance without a key.
    Maglev {
        /// Places (Envoy: 65537).
        places: u32,
    },
    /// The address that the client asked for, which a gateway never knows: 503.
    Passthrough,
}

/// How a new endpoint comes to its full share, as Envoy's slow start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WarmUp {
    /// How long it takes.
    #[serde(serialize_with = "as_text")]
    pub duration: Duration,
    /// The share to begin with, above 0 and at most 1.
    pub minimum: f64,
    /// The form of the curve: 1 is a straight line, more is slower at first.
    pub aggression: f64,
}

impl WarmUp {
    /// The share of its weight that an endpoint gets at this age.
    pub fn share(&self, age: Duration) -> f64 {
        let part = age.as_secs_f64() / self.duration.as_secs_f64();
        // No part of nothing is a number, and so is warm.
        if part < 1.0 { part.powf(1.0 / self.aggression).max(self.minimum).min(1.0) } else { 1.0 }
    }
}

/// HTTP version towards endpoints, as Istio chooses it from the Service port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, or by ALPN under TLS.
    Http2,
    /// What the client speaks (`useClientProtocol`).
    AsClient,
}

/// HTTP/2 towards endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Http2 {
    /// Most streams of one connection; `None`: what the endpoint allows.
    pub max_concurrent_streams: Option<u32>,
    /// Silence after which the endpoint is asked whether it lives, and how long it may take to say so.
    pub ping: Option<(Duration, Duration)>,
}

/// TCP keepalive; `None` in a field: as the kernel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Keepalive {
    /// Unanswered probes before the connection is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<u32>,
    /// Silence before the first probe.
    #[serde(serialize_with = "option_as_text", skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// Time between probes.
    #[serde(serialize_with = "option_as_text", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
}

/// How much may be under way at once, over all workers and endpoints; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Connections; a request for which there is none waits (`tcp.maxConnections`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Requests that wait for a connection; one more is refused (`http1MaxPendingRequests`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// Requests, whatever they speak; one more is refused (`http2MaxRequests`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Retries; one more is not made.
    pub retries: RetryLimit,
}

/// How many retries may be under way at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RetryLimit {
    /// Any number.
    #[default]
    None,
    /// So many (`maxRetries`).
    Count(u32),
    /// A share of the requests under way (`retryBudget`).
    Budget {
        /// Hundredths of a per cent of the requests under way.
        basis_points: u32,
        /// So many always.
        minimum: u32,
    },
}

/// When an endpoint is taken out for a while, as Envoy's outlier detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlier {
    /// Failures in a row, of any kind: 5xx, and connections that fail or break (Istio: 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<u32>,
    /// 502, 503, 504, and connections that fail or break, in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_gateway_errors: Option<u32>,
    /// Connections that fail or break, in a row, counted apart: they then count nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_local_errors: Option<u32>,
    /// Statuses that count as failures instead of 5xx.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_statuses: Vec<u16>,
    /// How often it is looked who comes back (Istio: 10 s).
    #[serde(serialize_with = "as_text")]
    pub interval: Duration,
    /// Time out, multiplied by how often the endpoint was out of late (Istio: 30 s).
    #[serde(serialize_with = "as_text")]
    pub base_ejection: Duration,
    /// Longest time out (Envoy: 300 s, or the base if that is longer).
    #[serde(serialize_with = "as_text")]
    pub max_ejection: Duration,
    /// Largest share of the endpoints that may be out, in per cent (Istio: 10).
    pub max_ejection_percent: u32,
    /// Share of endpoints that are in, in per cent, below which all are used again (Istio: 0, never).
    pub panic_percent: u32,
}

impl Default for Outlier {
    /// `outlierDetection: {}`.
    fn default() -> Self {
        Self {
            consecutive_errors: Some(5),
            consecutive_gateway_errors: None,
            consecutive_local_errors: None,
            error_statuses: Vec::new(),
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejection_percent: 10,
            panic_percent: 0,
        }
    }
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ProxyProtocol {
    /// In text.
    V1,
    /// In binary.
    V2,
}
