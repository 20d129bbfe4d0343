//! What stands after a step that has been taken, so that AWS need not be asked what we have just told
//! it.

#![expect(clippy::wildcard_enum_match_arm, reason = "few kinds of steps are for one kind of thing")]

use super::{Observed, Standing, front};
use crate::{
    add_ons::{AddOns, MutualTls, Shield, WebAcl},
    defaults,
    id::{Key, ListenerKey},
    plan::{Op, Step},
    stack::{Listener, LoadBalancer, SecurityGroup},
    tags::Tags,
    target::{Protocol, TargetGroup},
};
use std::collections::{BTreeMap, BTreeSet};

impl Observed {
    /// Notes what a step has done. [`Observed::attach`] is needed after the last one.
    pub fn take(&mut self, step: &Step) {
        if let (Key::LoadBalancer(name), Op::DeleteLoadBalancer) = (&step.key, &step.op) {
            self.addresses.remove(name);
        }
        if self.standing(step).is_some_and(|standing| front::take(step, standing)) {
            return;
        }
        match &step.key {
            Key::SecurityGroup(name) => self.security_group(step, name),
            Key::ForeignSecurityGroup(id) => self.door(step, id),
            Key::TargetGroup(name) => self.target_group(step, name),
            Key::ForeignTargetGroup(arn) => self.binding(step, arn),
            Key::LoadBalancer(name) => self.load_balancer(step, name),
            Key::Listener(key) => self.listener(step, key),
            Key::Rule { listener, priority } => self.rule(step, listener, *priority),
        }
    }

    /// Notes which load balancer sends to each target group, and forgets what is empty.
    pub fn attach(&mut self) {
        let mut users: BTreeMap<String, String> = BTreeMap::new();
        let balancers = self.stacks.values().flat_map(|standing| standing.load_balancers.values());
        for balancer in balancers {
            users.extend(balancer.groups().map(|group| (group.to_owned(), balancer.name.clone())));
        }
        for standing in self.stacks.values_mut() {
            for group in standing.target_groups.values_mut() {
                group.attached = users.get(&group.name).cloned();
            }
        }
        self.stacks.retain(|_, standing| !standing.is_empty());
    }

    fn standing(&mut self, step: &Step) -> Option<&mut Standing> {
        Some(self.stacks.entry(step.stack.clone()?).or_default())
    }

    fn security_group(&mut self, step: &Step, name: &str) {
        if let Op::CreateSecurityGroup { description, tags } = &step.op {
            let group = SecurityGroup {
                name: name.to_owned(),
                description: description.clone(),
                ingress: BTreeSet::new(),
                tags: tags.clone(),
            };
            match self.standing(step) {
                Some(standing) => drop(standing.security_groups.insert(name.to_owned(), group)),
                None => self.shared = Some(group),
            }
            return;
        }
        let goes = matches!(step.op, Op::DeleteSecurityGroup);
        let group = if let Some(standing) = self.standing(step) {
            if goes {
                standing.security_groups.remove(name);
            }
            standing.security_groups.get_mut(name)
        } else {
            self.shared = self.shared.take().filter(|_| !goes);
            self.shared.as_mut()
        };
        let Some(group) = group else { return };
        match &step.op {
            Op::Authorize(ingress) => group.ingress.extend(ingress.iter().cloned()),
            Op::Revoke(ingress) => group.ingress.retain(|door| !ingress.contains(door)),
            op => retag(op, &mut group.tags),
        }
    }

    fn door(&mut self, step: &Step, id: &str) {
        let doors = self.doors.entry(id.to_owned()).or_default();
        match &step.op {
            Op::Authorize(ingress) => doors.extend(ingress.iter().cloned()),
            Op::Revoke(ingress) => doors.retain(|door| !ingress.contains(door)),
            _ => {}
        }
        self.doors.retain(|_, doors| !doors.is_empty());
    }

    fn binding(&mut self, step: &Step, arn: &str) {
        let bound = self.bindings.entry(arn.to_owned()).or_default();
        match &step.op {
            Op::Register(targets) => bound.targets.extend(targets.clone()),
            Op::Deregister(targets) => bound.targets.retain(|target, _| !targets.contains(target)),
            _ => {}
        }
    }

    fn target_group(&mut self, step: &Step, name: &str) {
        let Some(standing) = self.standing(step) else { return };
        let groups = &mut standing.target_groups;
        match &step.op {
            Op::CreateTargetGroup(group) => {
                let attributes = defaults::new_target_group();
                let group = TargetGroup { attributes, known: None, ..(**group).clone() };
                groups.insert(name.to_owned(), group);
            }
            Op::DeleteTargetGroup => drop(groups.remove(name)),
            op => {
                if let Some(group) = groups.get_mut(name) {
                    change_group(op, group);
                }
            }
        }
    }

    fn load_balancer(&mut self, step: &Step, name: &str) {
        let Some(standing) = self.standing(step) else { return };
        let balancers = &mut standing.load_balancers;
        match &step.op {
            Op::CreateLoadBalancer(balancer) => {
                drop(balancers.insert(name.to_owned(), new_balancer(balancer)));
            }
            Op::DeleteLoadBalancer => drop(balancers.remove(name)),
            op => {
                if let Some(balancer) = balancers.get_mut(name) {
                    change_balancer(op, balancer);
                }
            }
        }
    }

    fn listener(&mut self, step: &Step, key: &ListenerKey) {
        let Some(standing) = self.standing(step) else { return };
        let Some(balancer) = standing.load_balancers.get_mut(&key.load_balancer) else { return };
        let listeners = &mut balancer.listeners;
        match &step.op {
            Op::CreateListener(listener) => {
                let mut listener = (**listener).clone();
                if listener.protocol == Protocol::Https {
                    listener.mutual_tls = listener.mutual_tls.or(Some(MutualTls::Off));
                }
                drop(listeners.insert(key.port, listener));
            }
            Op::DeleteListener => drop(listeners.remove(&key.port)),
            op => {
                if let Some(listener) = listeners.get_mut(&key.port) {
                    change_listener(op, listener);
                }
            }
        }
    }

    fn rule(&mut self, step: &Step, key: &ListenerKey, priority: u32) {
        let Some(standing) = self.standing(step) else { return };
        let balancer = standing.load_balancers.get_mut(&key.load_balancer);
        let Some(listener) = balancer.and_then(|b| b.listeners.get_mut(&key.port)) else { return };
        match &step.op {
            Op::CreateRule(rule) => drop(listener.rules.insert(priority, (**rule).clone())),
            Op::DeleteRule => drop(listener.rules.remove(&priority)),
            op => {
                let Some(rule) = listener.rules.get_mut(&priority) else { return };
                if let Op::ModifyRule(wish) = op {
                    rule.authentication.clone_from(&wish.authentication);
                    rule.action = wish.action.clone();
                    rule.transforms.clone_from(&wish.transforms);
                } else {
                    retag(op, &mut rule.tags);
                }
            }
        }
    }
}

pub(super) fn retag(op: &Op, tags: &mut Tags) {
    if let Op::AddTags(new) = op {
        tags.extend(new.clone());
    } else if let Op::RemoveTags(keys) = op {
        tags.retain(|key, _| !keys.contains(key));
    }
}

fn change_group(op: &Op, group: &mut TargetGroup) {
    match op {
        Op::ModifyHealthCheck(check) => group.health_check = check.clone(),
        Op::ModifyTargetGroupAttributes(new) => group.attributes.extend(new.clone()),
        Op::Register(targets) => {
            group.draining.retain(|target| !targets.contains_key(target));
            group.targets.extend(targets.clone());
        }
        Op::Deregister(targets) => {
            group.targets.retain(|target, _| !targets.contains(target));
            group.draining.extend(targets.iter().cloned());
        }
        op => retag(op, &mut group.tags),
    }
}

/// As AWS makes it: nothing hangs on it yet.
fn new_balancer(balancer: &LoadBalancer) -> LoadBalancer {
    let add_ons = AddOns {
        web_acl: Some(WebAcl::Nothing),
        shield: Some(Shield::Off),
        capacity: Some(0),
        ..balancer.add_ons.clone()
    };
    LoadBalancer { add_ons, attributes: defaults::new_load_balancer(), ..balancer.clone() }
}

fn change_balancer(op: &Op, balancer: &mut LoadBalancer) {
    let LoadBalancer { add_ons, .. } = balancer;
    match op {
        Op::SetSubnets(subnets) => balancer.subnets.clone_from(subnets),
        Op::SetSecurityGroups(groups) => balancer.security_groups.clone_from(groups),
        Op::SetIpAddressType(kind) => balancer.ip_address_type = *kind,
        Op::ModifyLoadBalancerAttributes(new) => balancer.attributes.extend(new.clone()),
        Op::SetWebAcl(acl) => add_ons.web_acl = Some(acl.clone()),
        Op::SetShield(on) => add_ons.shield = Some(if *on { Shield::Ours } else { Shield::Off }),
        Op::ReserveCapacity(units) => add_ons.capacity = Some(*units),
        Op::SetAddressPool(pool) => add_ons.address_pool = Some(pool.clone()),
        op => retag(op, &mut balancer.tags),
    }
}

fn change_listener(op: &Op, listener: &mut Listener) {
    match op {
        Op::SetPriorities(moves) => {
            let arrivals: Vec<_> = moves
                .iter()
                .filter_map(|(old, new)| Some((*new, listener.rules.remove(old)?)))
                .collect();
            listener.rules.extend(arrivals);
        }
        Op::AddCertificate(certificate) => {
            listener.more_certificates.insert(certificate.clone());
        }
        Op::RemoveCertificate(certificate) => {
            listener.more_certificates.remove(certificate);
        }
        Op::ModifyListenerAttributes(new) => listener.attributes.extend(new.clone()),
        Op::ModifyListener(change) => {
            let change = (**change).clone();
            listener.protocol = change.protocol.unwrap_or(listener.protocol);
            listener.ssl_policy = change.ssl_policy.or(listener.ssl_policy.take());
            listener.certificate = change.certificate.or(listener.certificate.take());
            listener.mutual_tls = change.mutual_tls.or(listener.mutual_tls.take());
            if let Some(action) = change.default_action {
                listener.default_action = action;
                listener.authentication = change.authentication;
            }
        }
        op => retag(op, &mut listener.tags),
    }
}
