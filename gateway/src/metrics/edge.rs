//! What became of clients that were not served.

use super::{Named, counters};
use prometheus::{IntCounterVec, Registry};

const REFUSED: Named =
    ("edgeway_refused_connections_total", "Client connections that were ended unserved.");

/// Counts about clients.
#[derive(Debug)]
pub(crate) struct Clients {
    refused: IntCounterVec,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Its PROXY header is missing or malformed.
    ProxyHeader,
    /// Its PROXY header did not come in time.
    ProxyTimeout,
}

impl Turned {
    const ALL: [Self; 2] = [Self::ProxyHeader, Self::ProxyTimeout];

    /// The label of the metric.
    const fn label(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::ProxyTimeout => "proxy_timeout",
        }
    }
}

impl Clients {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let refused = counters(on, REFUSED, &["reason"])?;
        for reason in Turned::ALL {
            refused.with_label_values(&[reason.label()]);
        }
        Ok(Self { refused })
    }

    /// Counts a connection that is not served.
    pub(crate) fn turned(&self, reason: Turned) {
        self.refused.with_label_values(&[reason.label()]).inc();
    }
}
