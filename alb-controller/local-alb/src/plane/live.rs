//! What outlives tables: whose turn it is, what is in flight, and who has to go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::table::Table;
use crate::state::ids::Arn;
use crate::state::target_group::TargetKey;

/// Counts by target group and target.
#[derive(Debug, Default)]
pub(crate) struct Live {
    groups: Mutex<HashMap<Arn, Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    turn: u64,
    targets: HashMap<TargetKey, Load>,
}

#[derive(Clone, Debug, Default)]
struct Load {
    in_flight: Arc<AtomicU32>,
    cut: CancellationToken,
}

/// A request that a target has not finished yet.
#[derive(Debug)]
pub(crate) struct InFlight(Load);

impl InFlight {
    /// Tells when the target has to go, whatever it has not finished.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.0.cut.clone()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    fn with<T>(&self, group: &Arn, change: impl FnOnce(&mut Counts) -> T) -> T {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = groups.get_mut(group) {
            return change(counts);
        }
        change(groups.entry(group.clone()).or_default())
    }

    /// The number of this turn; the next one gets the next number.
    pub(crate) fn turn(&self, group: &Arn) -> u64 {
        self.with(group, |counts| {
            let turn = counts.turn;
            counts.turn = turn.wrapping_add(1);
            turn
        })
    }

    /// How many requests each of these targets has in flight.
    pub(crate) fn loads<'a>(
        &self,
        group: &Arn,
        targets: impl Iterator<Item = &'a TargetKey>,
    ) -> Vec<u32> {
        self.with(group, |counts| {
            targets
                .map(|key| {
                    let load = counts.targets.get(key);
                    load.map_or(0, |load| load.in_flight.load(Ordering::Relaxed))
                })
                .collect()
        })
    }

    /// Notes that a target has one more request.
    pub(crate) fn enter(&self, group: &Arn, target: &TargetKey) -> InFlight {
        self.with(group, |counts| {
            let load = counts.targets.entry(target.clone()).or_default();
            load.in_flight.fetch_add(1, Ordering::Relaxed);
            InFlight(load.clone())
        })
    }

    /// Ends whatever a target has in flight.
    pub(crate) fn cut(&self, group: &Arn, target: &TargetKey) {
        let gone = self.with(group, |counts| counts.targets.remove(target));
        if let Some(load) = gone {
            load.cut.cancel();
        }
    }

    /// Forgets what is neither in the table nor in flight.
    pub(crate) fn prune(&self, table: &Table) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|arn, counts| {
            let group = table.groups.get(arn);
            counts.targets.retain(|key, load| {
                load.in_flight.load(Ordering::Relaxed) > 0
                    || group.is_some_and(|group| group.targets.iter().any(|t| t.key == *key))
            });
            group.is_some() || !counts.targets.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_until_they_end_and_cut_when_the_target_goes() {
        let (live, group) = (Live::default(), Arn::from("g"));
        let key = TargetKey { id: "10.0.0.1".into(), port: 80 };
        let loads = || live.loads(&group, std::iter::once(&key));
        let (first, second) = (live.enter(&group, &key), live.enter(&group, &key));
        assert_eq!(loads(), [2]);
        drop(first);
        assert_eq!(loads(), [1]);
        live.prune(&Table::default());
        assert_eq!(loads(), [1], "what is in flight is not forgotten");
        live.cut(&group, &key);
        assert!(second.cut().is_cancelled());
        assert!(!live.enter(&group, &key).cut().is_cancelled(), "registered anew");
    }

    #[test]
    fn turns_are_counted_for_each_group() {
        let live = Live::default();
        let turns: Vec<_> = ["a", "b", "a"].map(|group| live.turn(&group.into())).into();
        assert_eq!(turns, [0, 0, 1]);
    }
}
