//! What becomes known of a request as it goes; counted and logged when it ends.

use super::{asked::Asked, message::Downstream, refusal::Refusal};
use crate::{
    access::{Entry, Timestamp},
    context::Context,
    flags::Flags,
    io::Conn,
    metrics::Sample,
    view::{Key, Target, View},
};
use edgeway_core::table::Route;
use http::{HeaderValue, Version, header, request::Parts};
use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// One request's.
pub(crate) struct Record<'t> {
    /// When its head was complete.
    pub(crate) started: Instant,
    /// The same by the clock on the wall.
    pub(crate) at: SystemTime,
    /// What the client was told; 0 for nothing.
    pub(crate) status: u16,
    /// What went wrong.
    pub(crate) flags: Flags,
    /// The same in words.
    pub(crate) details: Cow<'static, str>,
    /// Size of the request's body so far.
    pub(crate) request_bytes: u64,
    /// Size of the response's body so far.
    pub(crate) response_bytes: u64,
    /// Tries so far.
    pub(crate) attempts: u32,
    /// How long the endpoint took to answer.
    pub(crate) service_time: Option<Duration>,
    /// Our name for the request.
    pub(crate) id: Option<HeaderValue>,
    /// The route it took.
    pub(crate) route: Option<&'t Route>,
    /// Name of the cluster it was for.
    pub(crate) cluster: Option<&'t str>,
    /// That cluster, if it exists.
    pub(crate) target: Option<&'t Target>,
    /// Position of the endpoint that was asked last.
    pub(crate) endpoint: Option<usize>,
    /// The connection to it.
    pub(crate) upstream: Option<Arc<Conn>>,
    /// The status in gRPC's terms, where known.
    pub(crate) grpc_status: Option<u16>,
}

/// Whom a record is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The head, if it could be parsed.
    pub(crate) parts: Option<&'a Parts>,
    /// Its final form, if it could be checked.
    pub(crate) asked: Option<&'a Asked>,
    /// The client's end of the connection.
    pub(crate) remote: SocketAddr,
    /// Our end.
    pub(crate) local: Option<SocketAddr>,
}

impl Record<'_> {
    /// The record of a request that begins now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            at: SystemTime::now(),
            status: 0,
            flags: Flags::NONE,
            details: Cow::Borrowed(""),
            request_bytes: 0,
            response_bytes: 0,
            attempts: 0,
            service_time: None,
            id: None,
            route: None,
            cluster: None,
            target: None,
            endpoint: None,
            upstream: None,
            grpc_status: None,
        }
    }

    /// Notes how the request ended.
    pub(crate) fn ends(&mut self, flags: Flags, details: impl Into<Cow<'static, str>>) {
        self.flags |= flags;
        self.details = details.into();
    }

    /// Notes that the request was refused, and counts the reason.
    pub(crate) fn refused(&mut self, refusal: Refusal, context: &Context) {
        self.status = refusal.status().as_u16();
        self.ends(refusal.flags(), refusal.details());
        context.reporter.metrics.refused.with_label_values(&[refusal.label()]).inc();
    }

    /// The address of the endpoint that was asked last.
    pub(crate) fn upstream_host(&self) -> Option<SocketAddr> {
        let endpoint = self.target?.endpoint(self.endpoint?)?;
        Some(endpoint.address())
    }

    /// Counts the request and, if a line is wanted, logs it.
    pub(crate) fn write<D: Downstream>(
        &self,
        down: &D,
        asked: Option<&Asked>,
        context: &Context,
        view: &View,
    ) {
        self.count(asked.is_some_and(|asked| asked.grpc), context, view);
        if context.access.wants(self.went_well(), &context.chance) {
            let subject = Subject {
                parts: Some(down.request()),
                asked,
                remote: down.peer(),
                local: down.local(),
            };
            self.log(subject, context);
        }
    }

    /// Whether there is nothing in it that someone will look for.
    pub(crate) fn went_well(&self) -> bool {
        self.flags == Flags::NONE && (100..500).contains(&self.status)
    }

    /// Counts the request.
    pub(super) fn count(&self, grpc: bool, context: &Context, view: &View) {
        let sample = Sample {
            milliseconds: self.started.elapsed().as_secs_f64() * 1000.0,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
        };
        let grpc_status = self.grpc_status.filter(|_| grpc);
        let key = Key { code: self.status, flags: self.flags, grpc, grpc_status };
        if let Some(route) = self.route {
            view.count_route(route, self.status, sample.milliseconds, &context.reporter);
        }
        match self.target {
            Some(target) => target.count(self.endpoint, key, sample, &context.reporter),
            None => view.count(key, sample, &context.reporter),
        }
    }

    /// Writes the line.
    pub(crate) fn log(&self, subject: Subject<'_>, context: &Context) {
        let Subject { parts, asked, remote, local } = subject;
        let field = |name: header::HeaderName| {
            parts.and_then(|parts| parts.headers.get(name)).and_then(|value| value.to_str().ok())
        };
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(0);
        let trust = &context.settings.edge.trust;
        let forwarded_for =
            parts.and_then(|parts| trust.forwarded_for(&parts.headers, remote.ip()));
        context.access.add(&Entry {
            start_time: Timestamp(self.at),
            method: parts.map(|parts| parts.method.as_str()),
            path: asked.map(path).or_else(|| parts.map(|parts| parts.uri.path().into())),
            protocol: parts.map(|parts| protocol(parts.version)),
            response_code: self.status,
            response_flags: self.flags.text(),
            response_code_details: Some(&*self.details).filter(|details| !details.is_empty()),
            connection_termination_details: None,
            upstream_transport_failure_reason: None,
            bytes_received: self.request_bytes,
            bytes_sent: self.response_bytes,
            duration: milliseconds(self.started.elapsed()),
            upstream_service_time: self.service_time.map(|time| milliseconds(time).to_string()),
            x_forwarded_for: forwarded_for,
            user_agent: field(header::USER_AGENT),
            request_id: self.id.as_ref().and_then(|id| id.to_str().ok()),
            authority: asked.map(|asked| &*asked.authority).or_else(|| field(header::HOST)),
            upstream_host: self.upstream_host(),
            upstream_cluster: self.cluster,
            upstream_local_address: self.upstream.as_ref().and_then(|conn| conn.local()),
            downstream_local_address: local,
            downstream_remote_address: asked.map_or(remote, |asked| asked.from(remote)),
            requested_server_name: None,
            route_name: self.route.map(|route| &*route.name),
            virtual_service: self.route.map(|route| route.virtual_service.to_string()),
            upstream_request_attempt_count: self.attempts,
        });
    }
}

/// A protocol, as Envoy calls it.
pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Path and query before any rewrite.
pub(crate) fn path(asked: &Asked) -> Cow<'_, str> {
    match &asked.query {
        Some(query) => Cow::Owned(format!("{}?{query}", asked.path)),
        None => Cow::Borrowed(&asked.path),
    }
}
