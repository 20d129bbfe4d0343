//! The clusters of a table, in chunks that tables share: one that changes costs a copy of its chunk.

use crate::{cluster::Cluster, id::ClusterIx};
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// Copying a chunk takes about as long as copying the list of chunks of ten thousand clusters.
const CHUNK: usize = 128;

/// Clusters by position.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    /// All of them full, except for the last.
    chunks: Vec<Arc<Vec<Arc<Cluster>>>>,
}

impl Clusters {
    /// The cluster at a position.
    pub fn get(&self, ix: ClusterIx) -> Option<&Arc<Cluster>> {
        let at = ix.0 as usize;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// All clusters, by position.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        full + self.chunks.last().map_or(0, |last| last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Puts `cluster` where another is; other tables keep what they have. Nothing happens at a
    /// position that is not taken.
    pub fn replace(&mut self, ix: ClusterIx, cluster: Arc<Cluster>) {
        let at = ix.0 as usize;
        let chunk = self.chunks.get_mut(at / CHUNK).map(Arc::make_mut);
        if let Some(place) = chunk.and_then(|chunk| chunk.get_mut(at % CHUNK)) {
            *place = cluster;
        }
    }
}

impl FromIterator<Arc<Cluster>> for Clusters {
    fn from_iter<I: IntoIterator<Item = Arc<Cluster>>>(clusters: I) -> Self {
        let all: Vec<_> = clusters.into_iter().collect();
        Self { chunks: all.chunks(CHUNK).map(|chunk| Arc::new(chunk.to_vec())).collect() }
    }
}

impl Serialize for Clusters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
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
            after.replace(ClusterIx(u32::MAX), cluster("x"));
            let last = ClusterIx(u32::try_from(count).unwrap().wrapping_sub(1));
            after.replace(last, cluster("new"));
            let host = |all: &Clusters| all.get(last).map(|it| it.service.host.to_string());
            assert_eq!(host(&after), (count > 0).then(|| "new".to_owned()));
            assert_eq!(host(&before), count.checked_sub(1).map(|i| format!("c{i}")));
            let shared = before.chunks.iter().zip(&after.chunks);
            let copied = shared.filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
            assert_eq!(copied, usize::from(count > 0));
        }
    }
}
