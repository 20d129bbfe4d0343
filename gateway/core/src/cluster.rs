//! Clusters: a destination with its policy, and the endpoints behind it.

use crate::id::ClusterId;
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

/// One destination (host, port, subset) with everything that sending to it needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Istio's name for it.
    pub id: ClusterId,
    /// The service behind it, for metrics and `Host`.
    pub service: ServiceName,
    /// Policy from the DestinationRule, joined for this port and subset.
    pub policy: ClusterPolicy,
    /// Where it can be reached now; replaced without touching anything else.
    pub endpoints: Arc<Endpoints>,
}

/// The service that a cluster belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceName {
    /// Fully qualified, such as `reviews.default.svc.cluster.local`.
    pub host: Arc<str>,
    /// `reviews`; the whole host for a ServiceEntry outside the cluster's domain.
    pub name: Arc<str>,
    /// Namespace of the Service or ServiceEntry.
    pub namespace: Arc<str>,
}

/// How to speak to a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPolicy {
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// Deadline of the TCP connect (Istio: 10 s).
    #[serde(serialize_with = "crate::action::forward::as_text")]
    pub connect_timeout: Duration,
    /// HTTP version that the endpoints speak.
    pub protocol: UpstreamProtocol,
    /// TLS towards the endpoints.
    pub tls: UpstreamTls,
    /// How long an unused connection is kept (Istio: 1 h).
    #[serde(serialize_with = "crate::action::forward::as_text")]
    pub idle_timeout: Duration,
    /// Requests per connection before it is closed; 0 for no limit.
    pub max_requests_per_connection: u32,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub enum Balance {
    /// Of two drawn by chance the one with fewer requests in flight; Istio's default.
    #[default]
    LeastRequest,
    /// In turn, by weight.
    RoundRobin,
    /// By chance, by weight.
    Random,
}

/// HTTP version towards endpoints, as Istio chooses it from the Service port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, or by ALPN under TLS.
    Http2,
}

/// TLS towards endpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub enum UpstreamTls {
    /// Plain text.
    #[default]
    Disabled,
    /// TLS that this build cannot make yet: requests answer 503 rather than go out in clear.
    Unsupported,
}

/// The endpoints of a cluster, with the sums that choosing among them by weight needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Endpoints {
    list: Vec<Endpoint>,
    /// Sum of the weights up to and including each endpoint.
    #[serde(skip)]
    sums: Vec<u64>,
    /// Step of the round-robin wheel: coprime to the total weight and near its golden section.
    #[serde(skip)]
    stride: u64,
}

impl Endpoints {
    /// Sorted by address; an address given twice counts once.
    pub fn new(mut list: Vec<Endpoint>) -> Self {
        list.sort_by_key(|endpoint| endpoint.address);
        list.dedup_by(|later, first| later.address == first.address);
        let mut total = 0;
        let sums: Vec<u64> = list
            .iter()
            .map(|endpoint| {
                total += u64::from(endpoint.weight.max(1));
                total
            })
            .collect();
        let uniform = total == list.len() as u64;
        let stride = if uniform { 1 } else { coprime_near_golden_section(total) };
        Self { list, sums, stride }
    }

    /// Sum of all weights.
    pub fn total_weight(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// Sums of weights, one per endpoint, ascending.
    pub(crate) fn sums(&self) -> &[u64] {
        &self.sums
    }

    /// Step of the round-robin wheel.
    pub(crate) fn stride(&self) -> u64 {
        self.stride
    }
}

impl std::ops::Deref for Endpoints {
    type Target = [Endpoint];

    fn deref(&self) -> &[Endpoint] {
        &self.list
    }
}

fn coprime_near_golden_section(total: u64) -> u64 {
    let start = total.saturating_mul(618) / 1000;
    (start..total).find(|step| gcd(*step, total) == 1).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One address of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Share of the traffic, relative to its siblings; at least 1.
    pub weight: u32,
    /// Labels of the pod or WorkloadEntry, for subsets and metrics.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Name of the workload that owns it (Deployment), where known; else empty.
    pub workload: Arc<str>,
}
