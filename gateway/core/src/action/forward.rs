//! Forwarding: weighted destinations, rewrites, deadlines, retries.

use super::{cors::Cors, fault::Fault, hash::HashPolicy, headers::HeaderOps, mirror::Mirror};
use crate::{id::ClusterIx, request::Request};
use serde::{Serialize, Serializer};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Where a request goes, and how.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// Never empty; weights are relative, none is zero.
    pub destinations: Vec<Destination>,
    /// What requests are told apart by, where destinations are balanced by that.
    #[serde(skip_serializing_if = "HashPolicy::is_empty")]
    pub hash: HashPolicy,
    /// The rule has several destinations as written, even if only one has a weight.
    #[serde(skip)]
    pub weighted: bool,
    /// Sum of the destinations' weights.
    #[serde(skip)]
    pub total_weight: u64,
    /// Path and authority changes.
    #[serde(skip_serializing_if = "Rewrite::is_empty")]
    pub rewrite: Rewrite,
    /// Whole-request deadline, all tries included; `None` for none.
    #[serde(serialize_with = "option_as_text", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// When a try may be repeated.
    pub retry: Retry,
    /// Faults on purpose, before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Cross-origin requests, after faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Box<Cors>>,
    /// Who gets copies of the requests that are forwarded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// Header operations of the route, on top of those of the chosen destination.
    #[serde(skip_serializing_if = "HeaderOps::is_empty")]
    pub headers: HeaderOps,
}

/// One weighted destination.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Share of the traffic, relative to its siblings.
    pub weight: u32,
    /// Istio's name of the cluster, whether it exists or not.
    pub cluster_name: Arc<str>,
    /// `None`: no such service, port or subset; the share answers 503 (flag `NC`).
    pub cluster: Option<ClusterIx>,
    /// Operations of this destination alone.
    #[serde(skip_serializing_if = "HeaderOps::is_empty")]
    pub headers: HeaderOps,
}

/// Changes of path and authority.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rewrite {
    /// New path.
    pub path: PathRewrite,
    /// New `Host`.
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Tries after the first; 0 for none.
    pub attempts: u32,
    /// Deadline of one try; `None`: only the whole deadline counts.
    #[serde(serialize_with = "option_as_text", skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Duration>,
    /// Conditions.
    pub on: RetryOn,
    /// Statuses that are repeated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// First pause; doubles, with full jitter, up to ten times this.
    #[serde(serialize_with = "as_text")]
    pub backoff: Duration,
    /// From the third try on, look beyond the localities that had one (`retryRemoteLocalities`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remote: bool,
    /// Endpoints that had a try may get another (`retryIgnorePreviousHosts: false`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeating: bool,
}

/// The conditions of `retryOn`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

impl RetryOn {
    /// Envoy's words for the conditions that hold.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.connect_failure, "connect-failure"),
            (self.refused_stream, "refused-stream"),
            (self.reset, "reset"),
            (self.reset_before_request, "reset-before-request"),
            (self.server_error, "5xx"),
            (self.gateway_error, "gateway-error"),
            (self.retriable_4xx, "retriable-4xx"),
            (self.statuses, "retriable-status-codes"),
            (self.grpc_cancelled, "cancelled"),
            (self.grpc_deadline_exceeded, "deadline-exceeded"),
            (self.grpc_internal, "internal"),
            (self.grpc_resource_exhausted, "resource-exhausted"),
            (self.grpc_unavailable, "unavailable"),
        ]
        .into_iter()
        .filter_map(|(holds, word)| holds.then_some(word))
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.words().collect::<Vec<_>>().join(","))
    }
}

/// `1.5s`, `25ms`: as one would write it.
pub(crate) fn as_text<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:?}"))
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
pub(crate) fn option_as_text<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:?}", time.unwrap_or_default()))
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
            remote: false,
            repeating: false,
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
        let authority = self.host(destination).unwrap_or(request.authority);
        Upstream { authority: authority.into(), path: self.path(request) }
    }

    /// The authority that `destination` gets instead of the client's: `rewrite.authority`, else `Host`
    /// set by the route's header operations, else that set by the destination's.
    pub fn host<'a>(&'a self, destination: &'a Destination) -> Option<&'a str> {
        let hosts = [
            &self.rewrite.authority,
            &self.headers.request.host,
            &destination.headers.request.host,
        ];
        hosts.into_iter().flatten().next().map(AsRef::as_ref)
    }

    /// Path and query after the rewrite. Nothing is tidied: `/foo` → `/` makes `//x` of `/foo/x`.
    fn path<'a>(&'a self, request: &Request<'a>) -> Cow<'a, str> {
        let path = match &self.rewrite.path {
            PathRewrite::Keep => Cow::Borrowed(request.path),
            PathRewrite::Full(with) => Cow::Borrowed(&**with),
            PathRewrite::Prefix { matched, with } => {
                Cow::Owned(format!("{with}{}", request.path.get(*matched..).unwrap_or_default()))
            }
            PathRewrite::Regex { expression, with } => {
                expression.replace_all(request.path, &**with)
            }
        };
        match request.query {
            Some(query) => Cow::Owned(format!("{path}?{query}")),
            None => path,
        }
    }
}

impl Rewrite {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.changes_path() && self.authority.is_none()
    }

    /// Whether the path is rewritten (the original then goes along as `x-envoy-original-path`).
    pub fn changes_path(&self) -> bool {
        !matches!(self.path, PathRewrite::Keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Scheme;
    use http::HeaderMap;

    fn forward(path: PathRewrite) -> Forward {
        let destination = |weight| Destination {
            weight,
            cluster_name: "c".into(),
            cluster: None,
            headers: HeaderOps::default(),
        };
        Forward {
            destinations: vec![destination(1), destination(3)],
            hash: HashPolicy::default(),
            weighted: true,
            total_weight: 4,
            rewrite: Rewrite { path, authority: None },
            timeout: None,
            retry: Retry::default(),
            fault: None,
            cors: None,
            mirrors: Vec::new(),
            headers: HeaderOps::default(),
        }
    }

    #[test]
    fn paths_are_rewritten_without_being_tidied() {
        let regex = |pattern: &str, with: &str| PathRewrite::Regex {
            expression: crate::matcher::re2::part(pattern).unwrap(),
            with: with.into(),
        };
        let prefix = |matched, with: &str| PathRewrite::Prefix { matched, with: with.into() };
        for (rewrite, path, expected) in [
            (PathRewrite::Keep, "/a", "/a?q"),
            (prefix(4, "/"), "/foo/x", "//x?q"),
            (prefix(1, "/h"), "/abc", "/habc?q"),
            (prefix(4, "/r?a=1"), "/foo", "/r?a=1?q"),
            (PathRewrite::Full("/v2".into()), "/v1", "/v2?q"),
            (regex("a", "z"), "/a/ba", "/z/bz?q"),
            (regex("/(x)/(y)", "/${2}/${1}"), "/x/y/w", "/y/x/w?q"),
            (regex("no", "z"), "/a", "/a?q"),
        ] {
            let headers = HeaderMap::new();
            let request = Request {
                method: "GET",
                scheme: Scheme::Http,
                authority: "h",
                path,
                query: Some("q"),
                headers: &headers,
                made: None,
                claims: None,
            };
            let forward = forward(rewrite);
            let upstream = forward.upstream(&request, &forward.destinations[0]);
            assert_eq!((&*upstream.path, &*upstream.authority), (expected, "h"));
        }
    }

    #[test]
    fn tickets_fall_by_weight() {
        let forward = forward(PathRewrite::Keep);
        let hits = (0..8).filter(|ticket| forward.pick(*ticket).weight == 3).count();
        assert_eq!(hits, 6);
    }
}
