//! Where a cluster can be reached.

use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

/// The endpoints of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// Sorted by address; an address given twice counts once, at its first priority.
    pub fn new(mut list: Vec<Endpoint>) -> Self {
        list.sort_by(|a, b| {
            (a.address, a.priority).cmp(&(b.address, b.priority)).then_with(|| a.cmp(b))
        });
        list.dedup_by(|later, first| later.address == first.address);
        Self(list)
    }
}

impl std::ops::Deref for Endpoints {
    type Target = [Endpoint];

    fn deref(&self) -> &[Endpoint] {
        &self.0
    }
}

/// One address of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// Name of the Node that it runs on, where known; else empty.
    #[serde(skip_serializing_if = "is_nowhere")]
    pub node: Arc<str>,
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
            node: Arc::default(),
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

fn is_nowhere(node: &Arc<str>) -> bool {
    node.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference to the field")]
fn is_zero(priority: &u32) -> bool {
    *priority == 0
}
