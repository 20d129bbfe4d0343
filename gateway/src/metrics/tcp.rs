//! Istio's families of connections whose bytes are passed on.

use super::{
    counters,
    labels::{self, Destination, Workload},
    usage::InUse,
};
use prometheus::{IntCounter, IntCounterVec, Registry};
use std::{sync::Arc, time::Instant};

/// The families.
#[derive(Debug)]
pub(crate) struct Tcp {
    opened: IntCounterVec,
    closed: IntCounterVec,
    sent: IntCounterVec,
    received: IntCounterVec,
    in_use: InUse,
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    sent: IntCounter,
    received: IntCounter,
    /// Tells that the series are in use.
    _held: Arc<()>,
}

impl Tcp {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let names = labels::tcp_names();
        let family = |name, help| counters(on, (name, help), &names);
        Ok(Self {
            opened: family("istio_tcp_connections_opened_total", "Connections passed on.")?,
            closed: family("istio_tcp_connections_closed_total", "Connections that have ended.")?,
            sent: family("istio_tcp_sent_bytes_total", "Bytes passed on to clients.")?,
            received: family("istio_tcp_received_bytes_total", "Bytes passed on from clients.")?,
            in_use: InUse::default(),
        })
    }

    /// Counts a connection that begins.
    pub(crate) fn open(&self, source: &Workload, destination: &Destination) -> Opened {
        let values = labels::tcp_values(source, destination, "-");
        let text: Vec<&str> = values.iter().map(String::as_str).collect();
        self.opened.with_label_values(&text).inc();
        Opened {
            sent: self.sent.with_label_values(&text),
            received: self.received.with_label_values(&text),
            _held: self.in_use.hold(values),
        }
    }

    /// Counts a connection that has ended.
    pub(crate) fn close(&self, source: &Workload, destination: &Destination, flags: &str) {
        let values = labels::tcp_values(source, destination, flags);
        let text: Vec<&str> = values.iter().map(String::as_str).collect();
        self.closed.with_label_values(&text).inc();
        self.in_use.hold(values);
    }

    /// Drops the series that nobody has been able to add to for a while.
    pub(super) fn expire(&self, now: Instant) {
        self.in_use.expire(now, |values| {
            for family in [&self.opened, &self.closed, &self.sent, &self.received] {
                // Not all of them have each.
                let _ = family.remove_label_values(values);
            }
        });
    }
}

impl Opened {
    /// Counts bytes that were passed on.
    pub(crate) fn add(&self, received: u64, sent: u64) {
        if received > 0 {
            self.received.inc_by(received);
        }
        if sent > 0 {
            self.sent.inc_by(sent);
        }
    }
}
