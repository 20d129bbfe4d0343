//! AWS as far as a plan touches it: takes a step, or refuses what AWS would refuse.

use edgeway_alb_core::{
    Key, ListenerKey, Observed, Standing, Step,
    add_ons::{Shield, WebAcl},
    limits::VALUES_PER_RULE,
    plan::Op,
    rule::Action,
    stack::{Listener, LoadBalancer, SecurityGroup, SecurityGroupRef, Source},
    target::Protocol,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why a step was not taken.
pub(crate) type Refusal = String;

/// An account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aws {
    pub(crate) state: Observed,
    /// Rules that one load balancer may have.
    pub(crate) rules: Option<usize>,
}

impl Aws {
    /// Takes a step.
    pub(crate) fn take(&mut self, step: &Step) -> Result<(), Refusal> {
        match &step.key {
            Key::SecurityGroup(name) => self.security_group(step, name)?,
            Key::ForeignTargetGroup(arn) => return Err(format!("{arn} is not bound")),
            Key::ForeignSecurityGroup(id) => self.door(step, id)?,
            Key::TargetGroup(name) => self.target_group(step, name)?,
            Key::LoadBalancer(name) => self.load_balancer(step, name)?,
            Key::Listener(key) => self.listener(step, key)?,
            Key::Rule { listener, priority } => self.rule(step, listener, *priority)?,
        }
        self.attach();
        Ok(())
    }

    /// Lets targets that are on their way out arrive there.
    pub(crate) fn drain(&mut self) {
        for standing in self.state.stacks.values_mut() {
            standing.target_groups.values_mut().for_each(|group| group.draining.clear());
        }
        self.state.stacks.retain(|_, standing| !standing.is_empty());
    }

    fn standing(&mut self, step: &Step) -> &mut Standing {
        self.state
            .stacks
            .entry(step.stack.clone().unwrap_or_else(|| panic!("no stack: {step}")))
            .or_default()
    }

    fn balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.state.stacks.values().flat_map(|standing| standing.load_balancers.values())
    }

    fn groups(&self) -> BTreeSet<String> {
        self.state.stacks.values().flat_map(|s| s.target_groups.keys().cloned()).collect()
    }

    /// Notes who sends to each target group.
    fn attach(&mut self) {
        let mut users: BTreeMap<String, String> = BTreeMap::new();
        for balancer in self.balancers() {
            for group in balancer.groups() {
                let other = users.insert(group.to_owned(), balancer.name.clone());
                let alone = other.is_none_or(|other| other == balancer.name);
                assert!(alone, "{group} serves two load balancers");
            }
        }
        for standing in self.state.stacks.values_mut() {
            for group in standing.target_groups.values_mut() {
                group.attached = users.get(&group.name).cloned();
            }
        }
    }

    fn security_group(&mut self, step: &Step, name: &str) -> Result<(), Refusal> {
        let own = SecurityGroupRef::Ours(name.to_owned());
        let borne = self.balancers().any(|balancer| balancer.security_groups.contains(&own));
        let named = Source::Group(own);
        let borne = borne || self.state.doors.values().flatten().any(|it| it.source == named);
        let slot = match &step.stack {
            Some(_) => self.standing(step).security_groups.remove(name),
            None => self.state.shared.take(),
        };
        let mut group = match (&step.op, slot) {
            (Op::CreateSecurityGroup { description, tags }, None) => SecurityGroup {
                name: name.to_owned(),
                description: description.clone(),
                ingress: BTreeSet::new(),
                tags: tags.clone(),
            },
            (Op::CreateSecurityGroup { .. }, Some(_)) => {
                return Err("InvalidGroup.Duplicate".into());
            }
            (Op::DeleteSecurityGroup, Some(_)) if borne => return Err("DependencyViolation".into()),
            (Op::DeleteSecurityGroup, Some(_)) => return Ok(()),
            (_, Some(group)) => group,
            (_, None) => return Err("InvalidGroup.NotFound".into()),
        };
        match &step.op {
            Op::Authorize(ingress) => group.ingress.extend(ingress.iter().cloned()),
            Op::Revoke(ingress) => group.ingress.retain(|door| !ingress.contains(door)),
            Op::AddTags(tags) => group.tags.extend(tags.clone()),
            Op::RemoveTags(keys) => group.tags.retain(|key, _| !keys.contains(key)),
            _ => {}
        }
        match &step.stack {
            Some(_) => drop(self.standing(step).security_groups.insert(name.to_owned(), group)),
            None => self.state.shared = Some(group),
        }
        Ok(())
    }

    fn door(&mut self, step: &Step, id: &str) -> Result<(), Refusal> {
        if let Op::Authorize(doors) = &step.op {
            let sources = doors.iter().filter_map(|door| match &door.source {
                Source::Group(group) => Some(group.clone()),
                Source::Ipv4(_) | Source::Ipv6(_) | Source::PrefixList(_) => None,
            });
            self.guarded(&sources.collect::<Vec<_>>())?;
        }
        let doors = self.state.doors.entry(id.to_owned()).or_default();
        match &step.op {
            Op::Authorize(ingress) => doors.extend(ingress.iter().cloned()),
            Op::Revoke(ingress) => doors.retain(|door| !ingress.contains(door)),
            other => return Err(format!("no way to {} there", other.kind())),
        }
        Ok(())
    }

    fn target_group(&mut self, step: &Step, name: &str) -> Result<(), Refusal> {
        let used = self.balancers().any(|balancer| balancer.groups().any(|group| group == name));
        if let Op::CreateTargetGroup(group) = &step.op {
            if self.groups().contains(name) {
                return Err("DuplicateTargetGroupName".into());
            }
            self.standing(step).target_groups.insert(name.to_owned(), (**group).clone());
            return Ok(());
        }
        let groups = &mut self.standing(step).target_groups;
        let group = groups.get_mut(name).ok_or("TargetGroupNotFound")?;
        match &step.op {
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
            Op::DeleteTargetGroup if used => return Err("ResourceInUse".into()),
            Op::DeleteTargetGroup => drop(groups.remove(name)),
            Op::AddTags(tags) => group.tags.extend(tags.clone()),
            Op::RemoveTags(keys) => group.tags.retain(|key, _| !keys.contains(key)),
            other => return Err(format!("no way to {} here", other.kind())),
        }
        Ok(())
    }

    fn load_balancer(&mut self, step: &Step, name: &str) -> Result<(), Refusal> {
        if let Op::CreateLoadBalancer(balancer) = &step.op {
            if self.balancers().any(|other| other.name == name) {
                return Err("DuplicateLoadBalancerName".into());
            }
            self.guarded(&balancer.security_groups)?;
            let mut made = (**balancer).clone();
            made.add_ons.web_acl = Some(WebAcl::Nothing);
            made.add_ons.shield = Some(Shield::Off);
            made.add_ons.capacity = Some(0);
            self.standing(step).load_balancers.insert(name.to_owned(), made);
            return Ok(());
        }
        if let Op::SetSecurityGroups(groups) = &step.op {
            self.guarded(groups)?;
        }
        let balancers = &mut self.standing(step).load_balancers;
        let balancer = balancers.get_mut(name).ok_or("LoadBalancerNotFound")?;
        match &step.op {
            Op::SetSubnets(subnets) => balancer.subnets.clone_from(subnets),
            Op::SetSecurityGroups(groups) => balancer.security_groups.clone_from(groups),
            Op::SetIpAddressType(kind) => balancer.ip_address_type = *kind,
            Op::ModifyLoadBalancerAttributes(new) => balancer.attributes.extend(new.clone()),
            Op::SetWebAcl(acl) => balancer.add_ons.web_acl = Some(acl.clone()),
            Op::SetShield(on) => {
                balancer.add_ons.shield = Some(if *on { Shield::Ours } else { Shield::Off });
            }
            Op::ReserveCapacity(units) => balancer.add_ons.capacity = Some(*units),
            Op::SetAddressPool(pool) => balancer.add_ons.address_pool = Some(pool.clone()),
            Op::DeleteLoadBalancer => drop(balancers.remove(name)),
            Op::AddTags(tags) => balancer.tags.extend(tags.clone()),
            Op::RemoveTags(keys) => balancer.tags.retain(|key, _| !keys.contains(key)),
            other => return Err(format!("no way to {} here", other.kind())),
        }
        Ok(())
    }

    fn guarded(&self, groups: &[SecurityGroupRef]) -> Result<(), Refusal> {
        let own = self.state.stacks.values().flat_map(|standing| standing.security_groups.keys());
        let own: BTreeSet<_> = own.chain(self.state.shared.as_ref().map(|g| &g.name)).collect();
        let there = |group: &SecurityGroupRef| match group {
            SecurityGroupRef::Ours(name) => own.contains(name),
            SecurityGroupRef::Id(_) => true,
        };
        if groups.iter().all(there) { Ok(()) } else { Err("InvalidSecurityGroup".into()) }
    }

    fn has_groups<'a>(&self, mut wanted: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
        let there = self.groups();
        match wanted.find(|group| !there.contains(*group)) {
            Some(group) => Err(format!("TargetGroupNotFound: {group}")),
            None => Ok(()),
        }
    }

    fn listener(&mut self, step: &Step, key: &ListenerKey) -> Result<(), Refusal> {
        match &step.op {
            Op::CreateListener(listener) => self.has_groups(listener.default_action.groups())?,
            Op::ModifyListener(change) => {
                self.has_groups(change.default_action.iter().flat_map(Action::groups))?;
            }
            _ => {}
        }
        let balancers = &mut self.standing(step).load_balancers;
        let balancer = balancers.get_mut(&key.load_balancer).ok_or("LoadBalancerNotFound")?;
        let listeners = &mut balancer.listeners;
        if let Op::CreateListener(listener) = &step.op {
            let bare = listener.protocol == Protocol::Https && listener.certificate.is_none();
            if listeners.contains_key(&key.port) || bare {
                return Err("DuplicateListener or no certificate".into());
            }
            listeners.insert(key.port, (**listener).clone());
            return Ok(());
        }
        let listener = listeners.get_mut(&key.port).ok_or("ListenerNotFound")?;
        match &step.op {
            Op::SetPriorities(moves) => prioritize(listener, moves)?,
            Op::AddCertificate(certificate) => {
                listener.more_certificates.insert(certificate.clone());
            }
            Op::RemoveCertificate(certificate) => {
                listener.more_certificates.remove(certificate);
            }
            Op::DeleteListener => drop(listeners.remove(&key.port)),
            Op::ModifyListenerAttributes(new) => listener.attributes.extend(new.clone()),
            Op::AddTags(tags) => listener.tags.extend(tags.clone()),
            Op::RemoveTags(keys) => listener.tags.retain(|key, _| !keys.contains(key)),
            Op::ModifyListener(change) => {
                let change = change.clone();
                listener.protocol = change.protocol.unwrap_or(listener.protocol);
                listener.ssl_policy = change.ssl_policy.or(listener.ssl_policy.take());
                listener.mutual_tls = change.mutual_tls.or(listener.mutual_tls.take());
                listener.certificate = change.certificate.or(listener.certificate.take());
                if let Some(action) = change.default_action {
                    listener.default_action = action;
                    listener.authentication = change.authentication;
                }
            }
            other => return Err(format!("no way to {} here", other.kind())),
        }
        Ok(())
    }

    fn rule(&mut self, step: &Step, key: &ListenerKey, priority: u32) -> Result<(), Refusal> {
        if let Op::CreateRule(rule) | Op::ModifyRule(rule) = &step.op {
            self.has_groups(rule.action.groups())?;
            if rule.values() > VALUES_PER_RULE || rule.conditions.is_empty() {
                return Err("ValidationError".into());
            }
        }
        let most = self.rules.unwrap_or(usize::MAX);
        let balancers = &mut self.standing(step).load_balancers;
        let balancer = balancers.get_mut(&key.load_balancer).ok_or("LoadBalancerNotFound")?;
        let full = balancer.rules() >= most;
        let listener = balancer.listeners.get_mut(&key.port).ok_or("ListenerNotFound")?;
        let taken =
            listener.foreign.contains_key(&priority) || listener.rules.contains_key(&priority);
        match &step.op {
            Op::CreateRule(_) if taken => return Err("PriorityInUse".into()),
            Op::CreateRule(_) if full => return Err("TooManyRules".into()),
            Op::CreateRule(rule) => drop(listener.rules.insert(priority, (**rule).clone())),
            Op::DeleteRule => drop(listener.rules.remove(&priority).ok_or("RuleNotFound")?),
            Op::ModifyRule(wish) => {
                let rule = listener.rules.get_mut(&priority).ok_or("RuleNotFound")?;
                rule.action = wish.action.clone();
                rule.authentication.clone_from(&wish.authentication);
                rule.transforms.clone_from(&wish.transforms);
            }
            Op::AddTags(tags) => {
                listener.rules.get_mut(&priority).ok_or("RuleNotFound")?.tags.extend(tags.clone());
            }
            Op::RemoveTags(keys) => {
                let rule = listener.rules.get_mut(&priority).ok_or("RuleNotFound")?;
                rule.tags.retain(|key, _| !keys.contains(key));
            }
            other => return Err(format!("no way to {} here", other.kind())),
        }
        Ok(())
    }
}

/// All at once; what counts is that no two have the same number afterwards.
fn prioritize(listener: &mut Listener, moves: &BTreeMap<u32, u32>) -> Result<(), Refusal> {
    let mut arrivals = BTreeMap::new();
    for (old, new) in moves {
        let rule = listener.rules.remove(old).ok_or("RuleNotFound")?;
        if arrivals.insert(*new, rule).is_some() || !(1..=50_000).contains(new) {
            return Err("PriorityInUse".into());
        }
    }
    for (priority, rule) in arrivals {
        let taken = listener.foreign.contains_key(&priority);
        if taken || listener.rules.insert(priority, rule).is_some() {
            return Err("PriorityInUse".into());
        }
    }
    Ok(())
}
