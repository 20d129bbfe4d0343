//! What is counted of a cluster's requests.

use super::Reporter;
use crate::{
    flags::Flags,
    metrics::{Destination, Ending, Sample, Series, Workload},
};
use edgeway_core::cluster::{Cluster, Endpoint};
use std::cell::RefCell;

/// The series of one destination, by ending: few, so that looking through them is quickest.
#[derive(Default)]
pub(super) struct Counts(RefCell<Vec<(Key, Series)>>);

/// What tells the series of one destination apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Status, or 0.
    pub(crate) code: u16,
    /// Response flags.
    pub(crate) flags: Flags,
    /// Whether the request was gRPC.
    pub(crate) grpc: bool,
    /// Its status, where known.
    pub(crate) grpc_status: Option<u16>,
}

impl Counts {
    pub(super) fn add(
        &self,
        key: Key,
        sample: Sample,
        reporter: &Reporter,
        destination: impl FnOnce() -> Destination,
    ) {
        let mut series = self.0.borrow_mut();
        if let Some((_, series)) = series.iter().find(|(known, _)| *known == key) {
            return series.add(sample);
        }
        let flags = key.flags.text();
        let Key { code, flags: _, grpc, grpc_status } = key;
        let ending = Ending { code, grpc, grpc_status, flags: &flags };
        let new = reporter.metrics.series(&reporter.gateway, &destination(), ending);
        new.add(sample);
        series.push((key, new));
    }

    pub(super) fn flush(&self) {
        self.0.borrow().iter().for_each(|(_, series)| series.flush());
    }
}

/// The labels of an endpoint of a cluster, or of the cluster alone.
pub(super) fn destination(
    cluster: &Cluster,
    endpoint: Option<&Endpoint>,
    reporter: &Reporter,
) -> Destination {
    let service = &cluster.service;
    let workload = endpoint.map_or_else(Workload::unknown, |endpoint| {
        let Endpoint { workload, labels, .. } = endpoint;
        Workload::new(workload, &service.namespace, labels, &reporter.cluster)
    });
    Destination {
        workload,
        service: service.host.to_string(),
        service_name: service.name.to_string(),
        service_namespace: service.namespace.to_string(),
    }
}
