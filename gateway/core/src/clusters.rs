//! The clusters of a table, in chunks that tables share: one that changes costs a copy of its chunk.

use crate::{cluster::Cluster, id::ClusterIx};
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// Copying a chunk takes about as long as copying the list of chunks of ten thousand clusters.
const CHUNK: usize = 128;

type Slot = Option<Arc<Cluster>>;

/// Clusters by position. A position stays what it is from one table to the next, so those of
/// clusters that went are empty until they are taken again.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    /// All of them full, except for the last.
    chunks: Vec<Arc<Vec<Slot>>>,
    taken: usize,
}

impl Clusters {
    /// The cluster at a position.
    pub fn get(&self, ix: ClusterIx) -> Option<&Arc<Cluster>> {
        let at = ix.0 as usize;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)?.as_ref()
    }

    /// All clusters, by position.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.slots().flatten()
    }

    /// All clusters with their positions.
    pub fn positions(&self) -> impl Iterator<Item = (ClusterIx, &Arc<Cluster>)> {
        (0..).map(ClusterIx).zip(self.slots()).filter_map(|(ix, slot)| Some((ix, slot?)))
    }

    /// What stands at each position, empty ones included.
    pub fn slots(&self) -> impl Iterator<Item = Option<&Arc<Cluster>>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(Option::as_ref))
    }

    /// How many clusters there are.
    pub fn len(&self) -> usize {
        self.taken
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// How many positions there are, empty ones included.
    pub fn extent(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        full + self.chunks.last().map_or(0, |last| last.len())
    }

    /// Adds a cluster behind all others.
    pub fn push(&mut self, cluster: Arc<Cluster>) -> ClusterIx {
        let position = ClusterIx(u32::try_from(self.extent()).unwrap_or(u32::MAX));
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(Some(cluster)),
            None => self.chunks.push(Arc::new(vec![Some(cluster)])),
        }
        self.taken += 1;
        position
    }

    /// Changes what stands at a position; other tables keep what they have. Nothing happens at a
    /// position that there is not.
    pub fn set(&mut self, ix: ClusterIx, cluster: Option<Arc<Cluster>>) {
        let at = ix.0 as usize;
        let chunk = self.chunks.get_mut(at / CHUNK).map(Arc::make_mut);
        if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(at % CHUNK)) {
            self.taken -= usize::from(slot.is_some());
            self.taken += usize::from(cluster.is_some());
            *slot = cluster;
        }
    }
}

impl FromIterator<Arc<Cluster>> for Clusters {
    fn from_iter<I: IntoIterator<Item = Arc<Cluster>>>(clusters: I) -> Self {
        let mut all = Self::default();
        for cluster in clusters {
            all.push(cluster);
        }
        all
    }
}

/// By position: an empty one is `null`.
impl Serialize for Clusters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.slots())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{ClusterPolicy, Endpoints, ServiceName},
        id::ClusterId,
    };

    fn cluster(name: &str) -> Arc<Cluster> {
        let part: Arc<str> = name.into();
        let (host, namespace) = (Arc::clone(&part), Arc::clone(&part));
        Arc::new(Cluster {
            id: ClusterId::outbound(80, "", name),
            service: ServiceName { host, name: part, namespace },
            policy: ClusterPolicy::default(),
            names: None,
            endpoints: Arc::new(Endpoints::default()),
        })
    }

    #[test]
    fn a_change_is_not_seen_by_others_and_costs_one_chunk() {
        for count in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1] {
            let before: Clusters = (0..count).map(|i| cluster(&format!("c{i}"))).collect();
            assert_eq!((before.len(), before.is_empty()), (count, count == 0));
            assert_eq!(before.iter().count(), count);
            let mut after = before.clone();
            after.set(ClusterIx(u32::MAX), Some(cluster("x")));
            let last = ClusterIx(u32::try_from(count).unwrap().wrapping_sub(1));
            after.set(last, Some(cluster("new")));
            let host = |all: &Clusters| all.get(last).map(|it| it.service.host.to_string());
            assert_eq!(host(&after), (count > 0).then(|| "new".to_owned()));
            assert_eq!(host(&before), count.checked_sub(1).map(|i| format!("c{i}")));
            let shared = before.chunks.iter().zip(&after.chunks);
            let copied = shared.filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
            assert_eq!(copied, usize::from(count > 0));
        }
    }

    #[test]
    fn positions_stay_when_a_cluster_goes() {
        let mut all: Clusters = (0..CHUNK + 2).map(|i| cluster(&format!("c{i}"))).collect();
        all.set(ClusterIx(3), None);
        all.set(ClusterIx(3), None);
        assert_eq!(
            (all.len(), all.extent(), all.iter().count()),
            (CHUNK + 1, CHUNK + 2, CHUNK + 1)
        );
        assert!(all.get(ClusterIx(3)).is_none());
        let positions: Vec<u32> = all.positions().map(|(ix, _)| ix.0).take(4).collect();
        assert_eq!(positions, [0, 1, 2, 4]);
        assert_eq!(all.push(cluster("new")), ClusterIx(u32::try_from(CHUNK).unwrap() + 2));
        let json = serde_json::to_value(&all).unwrap();
        assert!(json[3].is_null() && json[4]["id"].is_string());
        all.set(ClusterIx(3), Some(cluster("again")));
        assert_eq!(all.len(), all.extent());
    }
}
