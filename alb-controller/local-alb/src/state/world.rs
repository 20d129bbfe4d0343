//! The account: its regions, and the two things that can happen to it, a call and a finding.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use super::Region;
use super::health::{Finding, Report};
use super::ids::Arn;
use super::target_group::TargetKey;
use crate::api::{self, Operation};
use crate::config::Config;
use crate::error::AwsError;
use crate::event::Event;
use crate::running::TargetView;
use crate::wire::{Call, Reply, Request};

/// The whole account.
#[derive(Debug)]
pub(crate) struct World {
    config: Arc<Config>,
    seed: u64,
    regions: BTreeMap<String, Region>,
    revision: u64,
}

impl World {
    /// An account that holds only what every region has from the start.
    pub(crate) fn new(config: Arc<Config>, seed: u64) -> Self {
        Self { config, seed, regions: BTreeMap::new(), revision: 0 }
    }

    /// Carries out a call, or refuses it and changes nothing.
    pub(crate) fn apply(&mut self, request: &Request, now: SystemTime) -> Result<Reply, AwsError> {
        let operation = api::find(request.service, &request.action)?;
        let call = Call { params: request.query.root(), json: &request.json, now };
        let region = self.region(&request.region);
        if region.config.adopt {
            api::adopt(region, request, now);
        }
        match operation {
            Operation::Read(read) => read(region, &call),
            Operation::Always(give) => Ok(give(region)),
            Operation::Write(write) => {
                let mut next = region.clone();
                let reply = write(&mut next, &call)?;
                next.settle(now);
                *region = next;
                self.revision += 1;
                Ok(reply)
            }
        }
    }

    /// Takes in what a health check found.
    pub(crate) fn observe(&mut self, group: &Arn, target: &TargetKey, finding: &Finding) -> bool {
        for region in self.regions.values_mut() {
            let Some(group) = region.groups.get_mut(group) else { continue };
            let Some(target_now) = group.targets.get_mut(target).filter(|_| group.in_use) else {
                return false;
            };
            let check = &group.check;
            let next = target_now.status.after(finding, check.healthy, check.unhealthy);
            let (before, after) = (target_now.status.report(), next.report());
            target_now.status = next;
            if before.state == after.state {
                return false;
            }
            region.events.push(Event::Target {
                group: group.name.clone(),
                target: target.to_string(),
                state: after.state,
                reason: after.description,
            });
            return true;
        }
        false
    }

    /// Ends what has drained by now.
    pub(crate) fn settle(&mut self, now: SystemTime) {
        for region in self.regions.values_mut() {
            region.settle(now);
        }
    }

    /// When there is something to end next.
    pub(crate) fn next_deadline(&self) -> Option<SystemTime> {
        self.regions.values().filter_map(Region::next_deadline).min()
    }

    /// Counts the calls that may have changed something.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes which load balancers have a listener that does not answer, and why.
    pub(crate) fn set_impaired(&mut self, why: &BTreeMap<Arn, String>) {
        for lb in self.regions.values_mut().flat_map(|region| region.load_balancers.values_mut()) {
            lb.impaired = why.get(&lb.arn).cloned();
        }
    }

    /// What happened since the last time this was asked.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.regions.values_mut().flat_map(|region| std::mem::take(&mut region.events)).collect()
    }

    /// Targets whose requests in flight have to end now; each is told once.
    pub(crate) fn take_cut(&mut self) -> Vec<(Arn, TargetKey)> {
        self.regions.values_mut().flat_map(|region| std::mem::take(&mut region.cut)).collect()
    }

    /// How every target of every group stands.
    pub(crate) fn targets(&self) -> Vec<TargetView> {
        let groups = self.regions.values().flat_map(|region| region.groups.values());
        let targets = groups.flat_map(|group| {
            group.targets.iter().map(|(key, target)| {
                let report =
                    if group.in_use { target.status.report() } else { Report::not_in_use() };
                TargetView {
                    group: group.name.clone(),
                    target: key.to_string(),
                    state: report.state,
                    reason: report.reason,
                }
            })
        });
        targets.collect()
    }

    /// The regions that were named so far.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.values()
    }

    fn region(&mut self, name: &str) -> &mut Region {
        let mut hasher = DefaultHasher::new();
        (self.seed, name).hash(&mut hasher);
        self.regions
            .entry(name.to_owned())
            .or_insert_with(|| Region::new(name, Arc::clone(&self.config), hasher.finish()))
    }
}
