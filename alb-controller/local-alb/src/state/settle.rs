//! What a region does after each change: target groups come into use and go out of it, and what has
//! drained ends.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Region;
use super::health::Status;
use super::ids::Arn;
use super::target_group::TargetGroup;
use crate::event::Event;

impl Region {
    /// Brings the target groups in line with what was changed since the last commit, and ends what has
    /// drained.
    pub(crate) fn settle(&mut self, now: SystemTime) {
        let mut concerned: BTreeSet<Arn> =
            self.groups.touched().map(|(arn, _)| arn.clone()).collect();
        for (arn, before) in self.listeners.touched() {
            concerned.extend(self.uses.follow(arn, before, self.listeners.get(arn)));
        }
        for arn in &concerned {
            self.bring_into_line(arn);
        }
        for arn in self.draining.clone() {
            self.end_drained(&arn, now);
        }
    }

    /// When [`Region::settle`] has something to end next.
    pub(crate) fn next_deadline(&self) -> Option<SystemTime> {
        let groups = self.draining.iter().filter_map(|arn| self.groups.get(arn));
        groups.filter_map(earliest).min()
    }

    fn bring_into_line(&mut self, arn: &Arn) {
        let in_use = self.uses.any(arn);
        if self.groups.get(arn).is_some_and(|group| group.in_use != in_use)
            && let Some(group) = self.groups.get_mut(arn)
        {
            group.in_use = in_use;
            group.targets.retain(|_, target| !target.status.is_draining());
            for target in group.targets.values_mut() {
                target.status = Status::NEW;
            }
        }
        self.note_draining(arn);
    }

    fn note_draining(&mut self, arn: &Arn) {
        if self.groups.get(arn).and_then(earliest).is_some() {
            self.draining.insert(arn.clone());
        } else {
            self.draining.remove(arn);
        }
    }

    fn end_drained(&mut self, arn: &Arn, now: SystemTime) {
        let due = self.groups.get(arn).and_then(earliest).is_some_and(|until| until <= now);
        if !due {
            return;
        }
        let Some(group) = self.groups.get_mut(arn) else { return };
        let TargetGroup { arn, name, targets, .. } = group;
        let (arn, name) = (arn.clone(), name.clone());
        targets.retain(|key, target| {
            let Status::Draining { until } = target.status else { return true };
            if until <= now {
                self.cut.push((arn.clone(), key.clone()));
                self.events.push(Event::Target {
                    group: name.clone(),
                    target: key.to_string(),
                    state: "unused",
                    reason: Some("deregistered".to_owned()),
                });
            }
            until > now
        });
        self.note_draining(&arn);
    }
}

/// When the first of a group's draining targets has to go.
fn earliest(group: &TargetGroup) -> Option<SystemTime> {
    let ends = group.targets.values().filter_map(|target| match target.status {
        Status::Draining { until } => Some(until),
        Status::Initial { .. } | Status::Healthy { .. } | Status::Unhealthy { .. } => None,
    });
    ends.min()
}
