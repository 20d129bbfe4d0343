//! Priorities: how much each gets while some of its endpoints are out (as Envoy).

use super::{
    table::{Owners, Table},
    weights::{OVERPROVISIONING, weights},
    wheel::Wheel,
};
use crate::cluster::Cluster;

/// The endpoints of one priority, whoever is usable.
#[derive(Debug)]
pub(super) struct Members {
    /// 0 comes first.
    pub priority: u32,
    /// Their positions.
    pub list: Vec<usize>,
    /// Where keys lead while all are usable; `None` if the cluster is not balanced by keys.
    pub table: Option<Table>,
}

/// What can be chosen of one priority.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// 0 comes first.
    pub priority: u32,
    /// Which of the cluster's members these are.
    at: usize,
    /// How much it can carry, in per cent of everything.
    health: u64,
    /// Who can be chosen.
    pub wheel: Wheel,
    /// Where keys lead.
    owners: Owners,
}

impl Level {
    /// Where `key` leads.
    pub(super) fn keyed(&self, members: &[Members], key: u64) -> Option<usize> {
        let table = members.get(self.at)?.table.as_ref()?;
        table.owner(&self.owners, key)
    }
}

/// How many there are and how many of them can be used.
struct Count {
    all: u64,
    usable: u64,
}

impl Count {
    fn health(&self) -> u64 {
        (OVERPROVISIONING * self.usable).checked_div(self.all).unwrap_or(0).min(100)
    }

    fn percent(&self) -> u64 {
        (100 * self.usable).checked_div(self.all).unwrap_or(0)
    }
}

/// The priorities of a cluster that carry something, when some endpoints are not `usable`.
///
/// A priority carries 1.4 times the share of it that is usable. While all together cannot carry
/// everything, those of which less than the panic share is usable use all that they have.
pub(super) fn levels(
    cluster: &Cluster,
    members: &[Members],
    usable: impl Fn(usize) -> bool,
) -> Vec<Level> {
    let counts: Vec<Count> = members
        .iter()
        .map(|members| Count {
            all: members.list.len() as u64,
            usable: members.list.iter().filter(|at| usable(**at)).count() as u64,
        })
        .collect();
    let carried: u64 = counts.iter().map(Count::health).sum();
    let panic_percent = cluster.policy.outlier.as_ref().map_or(0, |outlier| outlier.panic_percent);
    let panics = |count: &Count| carried < 100 && count.percent() < u64::from(panic_percent);
    let all_panic = counts.iter().all(panics);
    let total: u64 = counts.iter().map(|count| count.all).sum();
    let level = |(at, (members, count)): (usize, (&Members, &Count))| {
        let panics = panics(count);
        let chosen = |at: usize| panics || usable(at);
        let table = members.table.as_ref();
        Level {
            priority: members.priority,
            at,
            // Where all panic, each carries what it is large.
            health: if all_panic { (100 * count.all).div_ceil(total) } else { count.health() },
            wheel: Wheel::new(weights(cluster, &members.list, chosen)),
            owners: table.map(|table| table.owners(chosen)).unwrap_or_default(),
        }
    };
    let levels = members.iter().zip(&counts).enumerate().map(level);
    levels.filter(|level| level.health > 0).collect()
}

/// The level that `ticket` (any number) falls on, of those that are `open`: each carries what it can
/// of what those before it could not. What rounding leaves over is the first one's.
pub(super) fn fall(levels: &[Level], ticket: u64, open: impl Fn(&Level) -> bool) -> Option<&Level> {
    let open = || levels.iter().filter(|level| open(level));
    let total = open().map(|level| level.health).sum::<u64>().min(100);
    let mut point = ticket % 100;
    let mut left = 100;
    for level in open() {
        let load = (level.health * 100 / total).min(left);
        if point < load {
            return Some(level);
        }
        point -= load;
        left -= load;
    }
    open().next()
}
