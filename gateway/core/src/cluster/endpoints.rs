//! Where a cluster can be reached.

use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

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
    /// Where it is.
    #[serde(skip_serializing_if = "Locality::is_empty")]
    pub locality: Locality,
    /// How far it stands back: 0 comes first. Others follow when too few of those are healthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: u32,
}

impl Default for Endpoint {
    /// Nowhere, with the weight 1.
    fn default() -> Self {
        Self {
            address: ([0, 0, 0, 0], 0).into(),
            weight: 1,
            labels: Arc::default(),
            workload: Arc::default(),
            locality: Locality::default(),
            priority: 0,
        }
    }
}

/// A place: region, zone and subzone; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality {
    /// Such as `eu-central-1`.
    pub region: Arc<str>,
    /// Such as `eu-central-1a`.
    pub zone: Arc<str>,
    /// Such as a rack.
    pub subzone: Arc<str>,
}

impl Locality {
    /// Reads `region/zone/subzone`, of which the later parts may be missing (as Istio:
    /// `istio-locality`, WorkloadEntry `locality`).
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(Arc::from);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), subzone: next() }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.subzone.is_empty()
    }
}

impl std::fmt::Display for Locality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.region, self.zone, self.subzone)
    }
}

impl Serialize for Locality {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference to the field")]
fn is_zero(priority: &u32) -> bool {
    *priority == 0
}
