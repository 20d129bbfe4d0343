//! Where keys lead: a table over all endpoints of a priority, and who owns its places now.
//!
//! The table knows all endpoints, usable or not. A key whose endpoint is out goes to the next place
//! whose endpoint is in; all other keys stay where they are, and when it comes back all is as before.

use super::{maglev, ring, weights::weights};
use crate::cluster::{Balance, Cluster};

/// A table of keys.
#[derive(Debug)]
pub(super) struct Table {
    /// Where on a ring each place is, ascending; empty in Maglev's table, which has a place per
    /// remainder.
    points: Vec<u64>,
    /// Position of the endpoint that owns each place.
    owners: Vec<u32>,
}

/// Who owns the places of a table now.
#[derive(Clone, Debug, Default)]
pub(super) enum Owners {
    /// As in the table: all are usable.
    #[default]
    Same,
    /// These, for each place.
    Others(Box<[u32]>),
}

impl Table {
    /// The table of the endpoints in `list`; `None` if the cluster has none.
    pub(super) fn new(cluster: &Cluster, list: &[usize]) -> Option<Self> {
        match cluster.policy.balance {
            Balance::Ring { points } => {
                let (points, owners) =
                    ring::places(&addressed(cluster, list), points).into_iter().unzip();
                Some(Self { points, owners })
            }
            Balance::Maglev { places } => {
                let owners = maglev::places(&addressed(cluster, list), places);
                Some(Self { points: Vec::new(), owners })
            }
            Balance::LeastRequest
            | Balance::RoundRobin
            | Balance::Random
            | Balance::Passthrough => None,
        }
    }

    /// Who owns the places when only some are `usable`.
    pub(super) fn owners(&self, usable: impl Fn(usize) -> bool) -> Owners {
        let usable = |owner: &u32| usable(*owner as usize);
        if self.owners.iter().all(usable) {
            return Owners::Same;
        }
        // The table is a circle: past its end comes its beginning.
        let Some(mut next) = self.owners.iter().copied().find(usable) else {
            return Owners::Others(Box::default());
        };
        let mut owners = self.owners.clone();
        for owner in owners.iter_mut().rev() {
            if usable(owner) {
                next = *owner;
            }
            *owner = next;
        }
        Owners::Others(owners.into())
    }

    /// The position of the endpoint that `key` leads to.
    pub(super) fn owner(&self, owners: &Owners, key: u64) -> Option<usize> {
        let owners = match owners {
            Owners::Same => self.owners.as_slice(),
            Owners::Others(others) => others,
        };
        let places = owners.len();
        let place = if self.points.is_empty() {
            usize::try_from(key.checked_rem(places as u64)?).ok()?
        } else {
            self.points.partition_point(|point| *point < key).checked_rem(places)?
        };
        owners.get(place).map(|owner| *owner as usize)
    }
}

/// Those of `list` that weigh anything while all are usable.
fn addressed(cluster: &Cluster, list: &[usize]) -> Vec<Addressed> {
    let weights = weights(cluster, list, |_| true).into_iter().filter(|(_, weight)| *weight > 0);
    let addressed = weights.filter_map(|(at, weight)| {
        let endpoint = cluster.endpoints.get(at)?;
        Some(Addressed { at: u32::try_from(at).ok()?, address: endpoint.address, weight })
    });
    addressed.collect()
}

/// An endpoint as a table knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressed {
    /// Its position.
    pub at: u32,
    /// What its places follow from, so that all gateways have the same.
    pub address: std::net::SocketAddr,
    /// Its share of the places.
    pub weight: u64,
}
