//! Health checks: one task for each target of each group in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::Plane;
use super::clients::Door;
use super::probe::{Probe, probe};
use super::table::Table;
use crate::state::health::Finding;
use crate::state::ids::Arn;
use crate::state::target_group::TargetKey;

/// A finding, and what it is about.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) group: Arn,
    pub(crate) target: TargetKey,
    pub(crate) finding: Finding,
}

/// The running checks.
#[derive(Debug)]
pub(crate) struct Checks {
    plane: Arc<Plane>,
    found: UnboundedSender<Found>,
    /// Longest time between two checks, whatever a group says.
    cap: Option<Duration>,
    running: HashMap<(Arn, TargetKey), (Probe, AbortHandle)>,
}

impl Checks {
    pub(crate) fn new(
        plane: Arc<Plane>,
        found: UnboundedSender<Found>,
        cap: Option<Duration>,
    ) -> Self {
        Self { plane, found, cap, running: HashMap::new() }
    }

    /// Starts and ends checks so that they are those of the table.
    pub(crate) fn follow(&mut self, table: &Table) {
        let mut wanted = HashMap::new();
        for group in table.groups.values() {
            for target in &group.targets {
                let probe = Probe {
                    door: Door::of_check(&group.check, target.address),
                    version: group.version,
                    check: group.check.clone(),
                };
                wanted.insert((group.arn.clone(), target.key.clone()), probe);
            }
        }
        self.running.retain(|key, (probe, task)| {
            let stays = wanted.get(key) == Some(probe);
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, probe) in wanted {
            if !self.running.contains_key(&key) {
                let task = self.start(&key, probe.clone());
                self.running.insert(key, (probe, task));
            }
        }
    }

    fn start(&self, (group, target): &(Arn, TargetKey), what: Probe) -> AbortHandle {
        let interval = Duration::from_secs(what.check.interval.into());
        let interval = self.cap.map_or(interval, |cap| cap.min(interval));
        let (plane, found) = (Arc::clone(&self.plane), self.found.clone());
        let (group, target) = (group.clone(), target.clone());
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(interval);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let finding = probe(&plane.clients, &what).await;
                let found_now = Found { group: group.clone(), target: target.clone(), finding };
                if found.send(found_now).is_err() {
                    return;
                }
            }
        });
        task.abort_handle()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        for (_, task) in self.running.values() {
            task.abort();
        }
    }
}
