//! The account: its regions, and the two things that can happen to it, a call and a finding.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use super::Region;
use super::health::Finding;
use super::ids::Arn;
use super::past::Past;
use super::target_group::{TargetGroup, TargetKey};
use crate::api::{self, Operation};
use crate::config::Config;
use crate::error::AwsError;
use crate::event::Event;
use crate::wire::{Call, Reply, Request};

/// The whole account.
#[derive(Debug)]
pub(crate) struct World {
    config: Arc<Config>,
    seed: u64,
    regions: BTreeMap<String, Region>,
    past: Past,
    revision: u64,
}

impl World {
    /// An account that holds only what every region has from the start.
    pub(crate) fn new(config: Arc<Config>, seed: u64) -> Self {
        let past = Past::new(config.chaos.lag);
        Self { config, seed, regions: BTreeMap::new(), past, revision: 0 }
    }

    /// Carries out a call, or refuses it and changes nothing. It looks at what was `seen` (that is,
    /// at how things were then), and changes what is there now.
    pub(crate) fn apply(
        &mut self,
        request: &Request,
        now: SystemTime,
        seen: SystemTime,
    ) -> Result<Reply, AwsError> {
        let operation = api::find(request.service, &request.action)?;
        let call = Call {
            params: request.query.root(),
            json: &request.json,
            objects: &request.objects,
            now,
        };
        let Self { config, seed, regions, past, revision } = self;
        let region = regions.entry(request.region.clone()).or_insert_with(|| {
            Region::new(&request.region, Arc::clone(config), seed_of(*seed, &request.region))
        });
        let adopts = region.config.adopt;
        if adopts {
            api::adopt(region, request, now);
            region.commit();
        }
        let mut then = past.at(&request.region, seen).map(Cow::Borrowed);
        if let Some(then) = then.as_mut().filter(|_| adopts) {
            api::adopt(then.to_mut(), request, now);
        }
        match operation {
            Operation::Read(read) => read(then.as_deref().unwrap_or(region), &call),
            Operation::Always(give) => Ok(give(region)),
            Operation::Write(write) => {
                if let Some(then) = then {
                    api::not_too_early(request, || write(&mut then.into_owned(), &call))?;
                }
                let before = past.copy(region);
                let reply = region.attempt(|region| write(region, &call))?;
                region.settle(now);
                region.commit();
                past.keep(before, now);
                *revision += 1;
                Ok(reply)
            }
        }
    }

    /// Takes in what a health check found.
    pub(crate) fn observe(
        &mut self,
        group: &Arn,
        target: &TargetKey,
        finding: &Finding,
        now: SystemTime,
    ) -> bool {
        let Self { regions, past, .. } = self;
        let knows = |region: &&mut Region| region.groups.contains_key(group);
        let Some(region) = regions.values_mut().find(knows) else { return false };
        let Some((name, before, next)) = region.after(group, target, finding, now) else {
            return false;
        };
        let changes = before.state != next.report().state;
        if changes {
            past.keep(past.copy(region), now);
            region.events.push(Event::Target {
                group: name,
                target: target.to_string(),
                state: next.report().state,
                reason: next.report().description,
            });
        }
        region.set_status(group, target, next);
        changes
    }

    /// Ends what has drained by now; tells whether there was anything.
    pub(crate) fn settle(&mut self, now: SystemTime) -> bool {
        let Self { regions, past, .. } = self;
        let due = |region: &&mut Region| region.next_deadline().is_some_and(|next| next <= now);
        let mut any = false;
        for region in regions.values_mut().filter(due) {
            past.keep(past.copy(region), now);
            region.settle(now);
            region.commit();
            any = true;
        }
        any
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
        for region in self.regions.values_mut() {
            let others = region
                .load_balancers
                .values()
                .filter(|lb| lb.impaired.as_ref() != why.get(&lb.arn));
            for arn in others.map(|lb| lb.arn.clone()).collect::<Vec<_>>() {
                if let Some(lb) = region.load_balancers.get_mut(&arn) {
                    lb.impaired = why.get(&arn).cloned();
                }
            }
            region.commit();
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

    /// Every target group.
    pub(crate) fn groups(&self) -> Vec<Arc<TargetGroup>> {
        let groups = self.regions.values().flat_map(|region| region.groups.all_shared());
        groups.map(Arc::clone).collect()
    }

    /// The regions that were named so far.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &Region> + Clone {
        self.regions.values()
    }
}

fn seed_of(seed: u64, region: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, region).hash(&mut hasher);
    hasher.finish()
}
