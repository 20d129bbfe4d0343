//! What became of clients and their connections.

use super::{Named, counter, counters, gauge};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

const REFUSED: Named =
    ("edgeway_refused_connections_total", "Client connections that were ended unserved.");
const ENDED: Named = (
    "edgeway_ended_connections_total",
    "Client connections, or streams on them, that were ended because a limit was reached.",
);
const SHED: Named =
    ("edgeway_shed_requests_total", "Requests turned away because memory was short.");
const DROPPED_FIELDS: Named =
    ("edgeway_dropped_fields_total", "Header fields of clients that were dropped for their names.");
const SHORT: Named = ("edgeway_memory_short", "1 while requests are turned away.");
const USED: Named = ("edgeway_memory_used_bytes", "Memory in use, as compared with the limit.");
const LIMIT: Named = ("edgeway_memory_limit_bytes", "Memory that there is; 0 if nobody knows.");

/// Counts about clients.
#[derive(Debug)]
pub(crate) struct Clients {
    refused: IntCounterVec,
    ended: IntCounterVec,
    /// Requests turned away because memory was short.
    pub(crate) shed: IntCounter,
    /// Header fields dropped for their names.
    pub(crate) dropped_fields: IntCounter,
    memory: [IntGauge; 3],
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Its PROXY header is missing or malformed.
    ProxyHeader,
    /// Its PROXY header did not come in time.
    ProxyTimeout,
    /// There are as many as there may be.
    Connections,
    /// There are as many of this client as there may be.
    ConnectionsPerClient,
}

/// Why a connection is ended, or a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has had as many requests as it may.
    Requests,
    /// The client called off too many requests.
    Resets,
    /// It was unused for too long.
    Idle,
    /// Nothing moved on a connection whose bytes are passed on.
    TcpIdle,
    /// Nothing of a request moved.
    StreamIdle,
    /// The client took nothing of what waited for it.
    Write,
}

impl Turned {
    const ALL: [Self; 4] =
        [Self::ProxyHeader, Self::ProxyTimeout, Self::Connections, Self::ConnectionsPerClient];

    /// The label of the metric.
    const fn label(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::ProxyTimeout => "proxy_timeout",
            Self::Connections => "connections",
            Self::ConnectionsPerClient => "connections_per_client",
        }
    }
}

impl Ended {
    const ALL: [Self; 6] =
        [Self::Requests, Self::Resets, Self::Idle, Self::TcpIdle, Self::StreamIdle, Self::Write];

    /// The label of the metric.
    const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Resets => "resets",
            Self::Idle => "idle_timeout",
            Self::TcpIdle => "tcp_idle_timeout",
            Self::StreamIdle => "stream_idle_timeout",
            Self::Write => "write_timeout",
        }
    }
}

impl Clients {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let refused = counters(on, REFUSED, &["reason"])?;
        for reason in Turned::ALL {
            refused.with_label_values(&[reason.label()]);
        }
        let ended = counters(on, ENDED, &["reason"])?;
        for reason in Ended::ALL {
            ended.with_label_values(&[reason.label()]);
        }
        Ok(Self {
            refused,
            ended,
            shed: counter(on, SHED)?,
            dropped_fields: counter(on, DROPPED_FIELDS)?,
            memory: [gauge(on, USED)?, gauge(on, LIMIT)?, gauge(on, SHORT)?],
        })
    }

    /// Counts a connection that is not served.
    pub(crate) fn turned(&self, reason: Turned) {
        self.refused.with_label_values(&[reason.label()]).inc();
    }

    /// Counts a connection, or a stream, that is ended.
    pub(crate) fn ended(&self, reason: Ended) {
        self.ended.with_label_values(&[reason.label()]).inc();
    }

    /// Notes how memory stands.
    pub(crate) fn memory(&self, used: u64, limit: u64, short: bool) {
        let [of_used, of_limit, of_short] = &self.memory;
        of_used.set(i64::try_from(used).unwrap_or(i64::MAX));
        of_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
        of_short.set(i64::from(short));
    }
}
