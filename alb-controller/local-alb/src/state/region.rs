//! One region of the account, and how its things are found.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use super::certificate::Certificate;
use super::guard::{Shield, WebAcl};
use super::health::{Finding, Report, Status};
use super::ids::{Arn, Ids};
use super::load_balancer::{Listener, LoadBalancer, listener_arn};
use super::network::{self, Network};
use super::rule::Rule;
use super::tags::Tags;
use super::target_group::{TargetGroup, TargetKey};
use super::trust::TrustStore;
use super::undo::UndoMap;
use super::uses::{Uses, groups_in};
use crate::config::Config;
use crate::error::{AwsError, Code};
use crate::event::Event;

/// Everything in one region.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) config: Arc<Config>,
    pub(crate) ids: Ids,
    pub(crate) load_balancers: UndoMap<Arn, LoadBalancer>,
    pub(crate) listeners: UndoMap<Arn, Listener>,
    pub(crate) groups: UndoMap<Arn, TargetGroup>,
    pub(crate) certificates: UndoMap<Arn, Certificate>,
    pub(crate) trust_stores: UndoMap<Arn, TrustStore>,
    pub(crate) web_acls: UndoMap<Arn, WebAcl>,
    pub(crate) shield: Shield,
    pub(crate) network: Network,
    /// Tags of everything, by ARN or (EC2) by id.
    pub(crate) tags: UndoMap<String, Tags>,
    /// What happened and was not told yet.
    pub(crate) events: Vec<Event>,
    /// Targets that must not finish what they have; not told yet.
    pub(crate) cut: Vec<(Arn, TargetKey)>,
    /// Which listeners forward to which groups, as of the last time that this was settled.
    pub(super) uses: Uses,
    /// Groups with targets that are draining.
    pub(super) draining: BTreeSet<Arn>,
    serial: u64,
}

impl Region {
    pub(crate) fn new(name: &str, config: Arc<Config>, seed: u64) -> Self {
        let network = Network::new(name, &config.vpc, config.vpc_range);
        let tags = network
            .subnets
            .values()
            .map(|subnet| (subnet.id.clone(), network::subnet_tags(&subnet.zone)))
            .collect();
        Self {
            name: name.to_owned(),
            config,
            ids: Ids::new(seed),
            load_balancers: UndoMap::default(),
            listeners: UndoMap::default(),
            groups: UndoMap::default(),
            certificates: UndoMap::default(),
            trust_stores: UndoMap::default(),
            web_acls: UndoMap::default(),
            shield: Shield::default(),
            network,
            tags,
            events: Vec::new(),
            cut: Vec::new(),
            uses: Uses::default(),
            draining: BTreeSet::new(),
            serial: 0,
        }
    }

    /// Carries out a change; one that fails was not even begun.
    pub(crate) fn attempt<T, E>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let (ids, serial, subscribed) = (self.ids.clone(), self.serial, self.shield.subscribed);
        let (events, cut) = (self.events.len(), self.cut.len());
        // A call that panicked has left its half.
        self.end(false);
        let result = change(self);
        if result.is_err() {
            (self.ids, self.serial, self.shield.subscribed) = (ids, serial, subscribed);
            self.events.truncate(events);
            self.cut.truncate(cut);
            self.end(false);
        }
        result
    }

    /// What was done since the last time stays, and nothing counts as touched.
    pub(crate) fn commit(&mut self) {
        self.end(true);
    }

    /// Ends what the undo logs hold. Whatever else a call may change, [`Region::attempt`] sees to.
    fn end(&mut self, stays: bool) {
        let Self {
            name: _,
            config: _,
            ids: _,
            load_balancers,
            listeners,
            groups,
            certificates,
            trust_stores,
            web_acls,
            shield: Shield { subscribed: _, protections },
            network,
            tags,
            events: _,
            cut: _,
            uses: _,
            draining: _,
            serial: _,
        } = self;
        load_balancers.end(stays);
        listeners.end(stays);
        groups.end(stays);
        certificates.end(stays);
        trust_stores.end(stays);
        web_acls.end(stays);
        protections.end(stays);
        network.groups.end(stays);
        tags.end(stays);
    }

    /// The next number in the order of creation.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// An ARN of this region and account.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> Arn {
        format!("arn:aws:{service}:{}:{}:{resource}", self.name, self.config.account).into()
    }

    pub(crate) fn load_balancer(&self, arn: &str) -> Result<&LoadBalancer, AwsError> {
        self.load_balancers.get(arn).ok_or_else(|| no_load_balancer(arn))
    }

    pub(crate) fn load_balancer_mut(&mut self, arn: &str) -> Result<&mut LoadBalancer, AwsError> {
        self.load_balancers.get_mut(arn).ok_or_else(|| no_load_balancer(arn))
    }

    pub(crate) fn listener(&self, arn: &str) -> Result<&Listener, AwsError> {
        self.listeners.get(arn).ok_or_else(|| no_listener(arn))
    }

    pub(crate) fn listener_mut(&mut self, arn: &str) -> Result<&mut Listener, AwsError> {
        self.listeners.get_mut(arn).ok_or_else(|| no_listener(arn))
    }

    pub(crate) fn group(&self, arn: &str) -> Result<&TargetGroup, AwsError> {
        self.groups.get(arn).ok_or_else(|| no_group(arn))
    }

    pub(crate) fn group_mut(&mut self, arn: &str) -> Result<&mut TargetGroup, AwsError> {
        self.groups.get_mut(arn).ok_or_else(|| no_group(arn))
    }

    pub(crate) fn certificate(&self, arn: &str) -> Result<&Certificate, AwsError> {
        self.certificates.get(arn).ok_or_else(|| {
            AwsError::new(Code::CertificateNotFound, format!("Certificate '{arn}' not found"))
        })
    }

    pub(crate) fn trust_store(&self, arn: &str) -> Result<&TrustStore, AwsError> {
        self.trust_stores.get(arn).ok_or_else(|| no_trust_store(arn))
    }

    pub(crate) fn trust_store_mut(&mut self, arn: &str) -> Result<&mut TrustStore, AwsError> {
        self.trust_stores.get_mut(arn).ok_or_else(|| no_trust_store(arn))
    }

    /// The listeners of a load balancer, by port.
    pub(crate) fn listeners_of(&self, load_balancer: &Arn) -> Vec<&Listener> {
        let mut found: Vec<_> =
            self.listeners.values().filter(|l| l.load_balancer == *load_balancer).collect();
        found.sort_by_key(|listener| listener.port);
        found
    }

    /// The listener of a rule, and the rule unless it is the default one.
    pub(crate) fn rule(&self, arn: &str) -> Result<(&Listener, Option<&Rule>), AwsError> {
        let listener = listener_arn(arn).and_then(|arn| self.listeners.get(arn.as_str()));
        listener
            .and_then(|listener| {
                if listener.default_rule.as_str() == arn {
                    return Some((listener, None));
                }
                let rule = listener.rules.iter().find(|rule| rule.arn.as_str() == arn)?;
                Some((listener, Some(rule)))
            })
            .ok_or_else(|| {
                AwsError::new(Code::RuleNotFound, format!("One or more rules not found: '{arn}'"))
            })
    }

    /// Target groups that a load balancer forwards to.
    pub(crate) fn groups_used_by(&self, load_balancer: &Arn) -> BTreeSet<&Arn> {
        self.listeners
            .values()
            .filter(|listener| listener.load_balancer == *load_balancer)
            .flat_map(groups_in)
            .collect()
    }

    /// Load balancers that forward to a target group.
    pub(crate) fn users_of(&self, group: &Arn) -> BTreeSet<&Arn> {
        let listeners = self.uses.of(group).filter_map(|arn| self.listeners.get(arn));
        listeners.map(|listener| &listener.load_balancer).collect()
    }

    /// Where an instance is reached; one that is not configured is this machine.
    pub(crate) fn instance_address(&self, id: &str) -> IpAddr {
        self.config.instances.get(id).copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// What a health check makes of a target: the name of its group, how it stood, how it stands.
    /// Nothing, where the group or target is not in use any more.
    pub(crate) fn after(
        &self,
        group: &Arn,
        target: &TargetKey,
        finding: &Finding,
        now: SystemTime,
    ) -> Option<(String, Report, Status)> {
        let group = self.groups.get(group).filter(|group| group.in_use)?;
        let status = &group.targets.get(target)?.status;
        let next = status.after(finding, group.check.healthy, group.check.unhealthy);
        let next = next.slowly(status, group.ramp(now));
        Some((group.name.clone(), status.report(), next))
    }

    /// Notes how a target stands. The group stays the same one if it has stood so before.
    pub(crate) fn set_status(&mut self, group: &Arn, target: &TargetKey, status: Status) {
        let stood = self.groups.get(group).and_then(|group| group.targets.get(target));
        if stood.is_none_or(|target| target.status == status) {
            return;
        }
        let group = self.groups.get_mut(group);
        if let Some(target) = group.and_then(|group| group.targets.get_mut(target)) {
            target.status = status;
        }
        self.commit();
    }

    /// Removes the tags of things that are gone.
    pub(crate) fn forget_tags<'a>(&mut self, arns: impl IntoIterator<Item = &'a Arn>) {
        for arn in arns {
            self.tags.remove(arn.as_str());
        }
    }
}

fn no_load_balancer(arn: &str) -> AwsError {
    AwsError::new(Code::LoadBalancerNotFound, format!("Load balancer '{arn}' not found"))
}

fn no_listener(arn: &str) -> AwsError {
    AwsError::new(Code::ListenerNotFound, format!("Listener '{arn}' not found"))
}

fn no_trust_store(arn: &str) -> AwsError {
    AwsError::new(Code::TrustStoreNotFound, format!("Trust store '{arn}' not found"))
}

fn no_group(arn: &str) -> AwsError {
    AwsError::new(Code::TargetGroupNotFound, format!("Target group '{arn}' not found"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn what_fails_or_panics_has_changed_nothing() {
        let mut region = Region::new("eu-west-1", Arc::default(), 1);
        let tag = |region: &mut Region, id: &str| {
            region.tags.or_default(id.to_owned()).insert("key".to_owned(), region.ids.hex(4));
            region.next_serial();
        };
        let before = format!("{region:?}");
        let refused = region.attempt(|region| {
            tag(region, "refused");
            region.shield.subscribed = true;
            Err::<(), _>(())
        });
        assert_eq!((refused, format!("{region:?}")), (Err(()), before));
        let panicking = AssertUnwindSafe(|| {
            region.attempt(|region| -> Result<(), ()> {
                tag(region, "panicked");
                panic!("on purpose")
            })
        });
        catch_unwind(panicking).unwrap_err();
        let done = region.attempt(|region| {
            tag(region, "done");
            Ok::<_, ()>(())
        });
        done.unwrap();
        region.commit();
        let found = ["refused", "panicked", "done"].map(|id| region.tags.contains_key(id));
        assert_eq!(found, [false, false, true]);
    }
}
