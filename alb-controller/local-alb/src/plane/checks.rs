//! Health checks: one task for each target of each group in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::Plane;
use super::clients::Door;
use super::probe::{Probe, probe};
use super::table::{Group, Table};
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
    running: HashMap<Arn, Checked>,
}

/// The checks of one group.
#[derive(Debug)]
struct Checked {
    group: Arc<Group>,
    tasks: HashMap<TargetKey, (Probe, Task)>,
}

/// A check that ends when nobody keeps it.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
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
        self.running.retain(|arn, _| table.groups.contains_key(arn));
        for (arn, group) in &table.groups {
            let checked = self.running.get(arn);
            if checked.is_some_and(|checked| Arc::ptr_eq(&checked.group, group)) {
                continue;
            }
            let tasks = self.running.remove(arn).map(|checked| checked.tasks).unwrap_or_default();
            let checked = Checked { group: Arc::clone(group), tasks: self.tasks(group, tasks) };
            self.running.insert(arn.clone(), checked);
        }
    }

    /// The checks of a group, some of which may run already.
    fn tasks(
        &self,
        group: &Group,
        mut running: HashMap<TargetKey, (Probe, Task)>,
    ) -> HashMap<TargetKey, (Probe, Task)> {
        let wanted = group.targets.iter().map(|target| {
            let probe = Probe {
                door: Door::of_check(&group.check, target.address),
                version: group.version,
                check: group.check.clone(),
            };
            let same = running.remove(&target.key).filter(|(known, _)| *known == probe);
            let checked = same.unwrap_or_else(|| {
                let task = self.start((&group.arn, &target.key), probe.clone());
                (probe, Task(task))
            });
            (target.key.clone(), checked)
        });
        wanted.collect()
    }

    fn start(&self, (group, target): (&Arn, &TargetKey), what: Probe) -> AbortHandle {
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
