//! Clusters: a destination with its policy, and the endpoints behind it.

mod endpoints;
mod policy;
mod tls;

pub use endpoints::{Endpoint, Endpoints, Locality};
pub use policy::{
    Balance, ClusterPolicy, Http2, Keepalive, Limits, Outlier, ProxyProtocol, RetryLimit,
    UpstreamProtocol, WarmUp,
};
pub use tls::{Identity, Origination, Trust, UpstreamTls};

use crate::id::ClusterId;
use serde::Serialize;
use std::sync::Arc;

/// One destination (host, port, subset) with everything that sending to it needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Istio's name for it.
    pub id: ClusterId,
    /// The service behind it, for metrics and `Host`.
    pub service: ServiceName,
    /// Policy from the DestinationRule, joined for this port and subset.
    pub policy: ClusterPolicy,
    /// Names that stand for endpoints not listed below: the shell asks DNS for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Arc<Names>>,
    /// Where it can be reached now; replaced without touching anything else.
    pub endpoints: Arc<Endpoints>,
}

/// Endpoints that DNS knows (ServiceEntry `resolution: DNS` and `DNS_ROUND_ROBIN`, `ExternalName`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Names {
    /// Whether all addresses of an answer count, or each connection takes the first of the newest.
    pub all: bool,
    /// Never empty.
    pub list: Vec<Name>,
}

/// A name that DNS knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Name {
    /// To ask for.
    pub host: Arc<str>,
    /// What its addresses become: port, weight, labels, locality. Its own address means nothing.
    pub template: Endpoint,
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
