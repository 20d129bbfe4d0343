//! Forwarding: weighted destinations, rewrites, deadlines, retries.

use super::headers::HeaderOps;
use crate::{id::ClusterIx, request::Request};
use serde::Serialize;
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Where a request goes, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Forward {
    /// Never empty; weights are relative, none is zero.
    pub destinations: Vec<Destination>,
    /// Sum of the destinations' weights.
    pub total_weight: u64,
    /// Path and authority changes.
    pub rewrite: Rewrite,
    /// Whole-request deadline, all tries included; `None` for none.
    pub timeout: Option<Duration>,
    /// When a try may be repeated.
    pub retry: Retry,
    /// Header operations of the route, on top of those of the chosen destination.
    pub headers: HeaderOps,
}

/// One weighted destination.
#[derive(Clone, Debug, Serialize)]
pub struct Destination {
    /// Share of the traffic, relative to its siblings.
    pub weight: u32,
    /// Istio's name of the cluster, whether it exists or not.
    pub cluster_name: Arc<str>,
    /// `None`: no such service, port or subset; the share answers 503 (flag `NC`).
    pub cluster: Option<ClusterIx>,
    /// Operations of this destination alone.
    pub headers: HeaderOps,
}

/// Changes of path and authority.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rewrite {
    /// New path.
    pub path: PathRewrite,
    /// New `Host`.
    pub authority: Option<Arc<str>>,
}

/// How the path changes.
#[derive(Clone, Debug, Default, Serialize)]
pub enum PathRewrite {
    /// Not at all.
    #[default]
    Keep,
    /// The first `matched` bytes become `with` (prefix match; length of the prefix that matched).
    Prefix {
        /// Bytes of the path that the prefix match covered.
        matched: usize,
        /// What stands there instead.
        with: Arc<str>,
    },
    /// The whole path becomes this (exact and regex matches).
    Full(Arc<str>),
    /// All matches of an expression are replaced (`uriRegexRewrite`).
    Regex {
        /// The expression.
        #[serde(serialize_with = "crate::matcher::regex_as_text")]
        expression: regex::Regex,
        /// Replacement in the `regex` crate's syntax.
        with: Arc<str>,
    },
}

/// When a try may be repeated, in Envoy's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retry {
    /// Tries after the first; 0 for none.
    pub attempts: u32,
    /// Deadline of one try; `None`: only the whole deadline counts.
    pub per_try_timeout: Option<Duration>,
    /// Conditions.
    pub on: RetryOn,
    /// Statuses that are repeated.
    pub statuses: Vec<u16>,
    /// First pause; doubles, with full jitter, up to ten times this.
    pub backoff: Duration,
}

/// The conditions of `retryOn`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one word of Envoy's list")]
pub struct RetryOn {
    /// `connect-failure`: nothing was sent.
    pub connect_failure: bool,
    /// `refused-stream`: HTTP/2 said that it did not process.
    pub refused_stream: bool,
    /// `reset`: no response at all.
    pub reset: bool,
    /// `reset-before-request`: reset before the request was sent.
    pub reset_before_request: bool,
    /// `5xx`: any 5xx, and what `reset` and `connect-failure` cover.
    pub server_error: bool,
    /// `gateway-error`: 502, 503, 504.
    pub gateway_error: bool,
    /// `retriable-4xx`: 409.
    pub retriable_4xx: bool,
    /// `retriable-status-codes`: those listed.
    pub statuses: bool,
    /// gRPC `cancelled`.
    pub grpc_cancelled: bool,
    /// gRPC `deadline-exceeded`.
    pub grpc_deadline_exceeded: bool,
    /// gRPC `internal`.
    pub grpc_internal: bool,
    /// gRPC `resource-exhausted`.
    pub grpc_resource_exhausted: bool,
    /// gRPC `unavailable`.
    pub grpc_unavailable: bool,
}

/// What goes to the endpoint, apart from headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream<'a> {
    /// `Host` or `:authority`.
    pub authority: Cow<'a, str>,
    /// Path and query.
    pub path: Cow<'a, str>,
}

impl Default for Retry {
    /// Istio's default: two more tries, only where the request was not processed.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn {
                connect_failure: true,
                refused_stream: true,
                grpc_unavailable: true,
                grpc_cancelled: true,
                statuses: true,
                ..RetryOn::default()
            },
            statuses: Vec::new(),
            backoff: Duration::from_millis(25),
        }
    }
}

impl Forward {
    /// The destination that `ticket` (any number, drawn by the caller) falls on.
    pub fn pick(&self, ticket: u64) -> &Destination {
        let mut left = ticket.checked_rem(self.total_weight).unwrap_or(0);
        for destination in &self.destinations {
            match left.checked_sub(u64::from(destination.weight)) {
                None => return destination,
                Some(rest) => left = rest,
            }
        }
        #[expect(clippy::indexing_slicing, reason = "compile never makes an empty list")]
        &self.destinations[0]
    }

    /// Authority and path that `destination` gets for `request`.
    pub fn upstream<'a>(
        &'a self,
        request: &Request<'a>,
        destination: &'a Destination,
    ) -> Upstream<'a> {
        let _ = destination;
        Upstream { authority: request.authority.into(), path: request.path.into() }
    }
}
