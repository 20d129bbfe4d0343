//! Listeners, their certificates and their rules.

use super::{
    groups::differing,
    lane::Lane,
    last_good,
    resolve::{Pair, Resolved},
    rules::{Arrangement, Bounds, RuleStep, arrange, is_held},
    step::{ListenerChange, Op},
};
use crate::{
    id::{Key, ListenerKey, StackId},
    rule::{self, Rule},
    stack::{Listener, LoadBalancer, Ownership},
    tags,
    target::Protocol,
};
use std::collections::BTreeSet;

/// What is left to do once requests go where they should.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Rules that go, by listener.
    behind: Vec<(ListenerKey, Vec<RuleStep>)>,
    /// Target groups that something sends to in the end.
    pub(super) needed: BTreeSet<String>,
    /// Ports of listeners that nobody wishes and that stay all the same.
    pub(super) stays: BTreeSet<u16>,
}

/// With `most` rules that there may be, makes listeners and points requests to where they shall go.
pub(super) fn direct(resolved: &Resolved<'_>, most: usize, lane: &mut Lane) -> Outcome {
    let Pair { wish, found } = &resolved.load_balancer;
    let mut outcome = Outcome::default();
    outcome.needed.extend(wish.groups().map(str::to_owned));
    outcome
        .needed
        .extend(resolved.old_balancers.iter().flat_map(|old| old.groups()).map(str::to_owned));
    let unwished = found.iter().flat_map(|found| &found.listeners);
    for (port, there) in unwished.filter(|(port, _)| !wish.listeners.contains_key(port)) {
        if !there.foreign.is_empty() {
            outcome.needed.extend(there.groups().map(str::to_owned));
            outcome.stays.insert(*port);
        }
    }
    let wished = &resolved.stack.load_balancer.listeners;
    outcome.stays.extend(wish.listeners.keys().filter(|port| !wished.contains_key(port)));
    let mut room = most.saturating_sub(found.map_or(0, LoadBalancer::rules));
    for (port, listener) in &wish.listeners {
        let key = ListenerKey { load_balancer: wish.name.clone(), port: *port };
        if found.is_some_and(|found| found.foreign.contains(port)) {
            let reason = "the load balancer has a listener there that is not ours";
            lane.block(Key::Listener(key), reason, "remove that, or list another port");
            continue;
        }
        let there = found.and_then(|found| found.listeners.get(port));
        if wish.ownership == Ownership::Rules {
            if is_open(&key, listener, there, lane) {
                let bounds = Bounds { listener: there, broken: &resolved.stack.broken, room };
                rules(&key, listener, bounds, (lane, &mut outcome));
                room = room.saturating_sub(added(listener, there));
            }
            continue;
        }
        let plain = there.is_none_or(|there| there.certificate.is_none());
        if listener.protocol == Protocol::Https && listener.certificate.is_none() && plain {
            let reason = "no certificate is known for it";
            lane.block(Key::Listener(key), reason, "see the problems of its Ingresses");
            continue;
        }
        prepare(&key, listener, there, lane);
        let bounds = Bounds { listener: there, broken: &resolved.stack.broken, room };
        rules(&key, listener, bounds, (lane, &mut outcome));
        settle(&key, listener, there, lane);
        room = room.saturating_sub(added(listener, there));
    }
    outcome
}

/// How many more rules there will be.
fn added(wish: &Listener, there: Option<&Listener>) -> usize {
    wish.rules.len().saturating_sub(there.map_or(0, |there| there.rules.len()))
}

/// Whether somebody else's listener is there for rules of ours; if not, says so.
fn is_open(key: &ListenerKey, wish: &Listener, there: Option<&Listener>, lane: &mut Lane) -> bool {
    let reason = match there {
        None => "the load balancer has no listener there, and it is not ours to make".to_owned(),
        Some(there) if there.protocol != wish.protocol => {
            format!("it speaks {}, and {} is wished", there.protocol, wish.protocol)
        }
        Some(_) => return true,
    };
    let advice = "name another port in alb.ingress.kubernetes.io/listen-ports, or add the listener";
    lane.block(Key::Listener(key.clone()), reason, advice);
    false
}

/// Deletes what is none of theirs who cannot be understood.
pub(super) fn prune(found: &LoadBalancer, broken: &BTreeSet<String>, most: usize, lane: &mut Lane) {
    let mut wish = LoadBalancer { listeners: [].into(), ..found.clone() };
    last_good::complete(&mut wish, Some(found), broken);
    let room = most.saturating_sub(found.rules());
    for (port, there) in &found.listeners {
        let key = ListenerKey { load_balancer: found.name.clone(), port: *port };
        let theirs = wish.listeners.get(port).map(|listener| &listener.rules);
        let wanted: Vec<Rule> = theirs.into_iter().flat_map(|it| it.values()).cloned().collect();
        let bounds = Bounds { listener: Some(there), broken, room };
        if let Ok(Arrangement { ahead, behind, kept, .. }) = arrange(&wanted, bounds) {
            for step in ahead {
                take(&key, step, lane);
            }
            retag(&key, kept, lane);
            for step in behind {
                take(&key, step, lane);
            }
        }
    }
}

/// Deletes all rules of ours on somebody else's load balancer, the last ones first.
pub(super) fn drop_rules(found: &LoadBalancer, broken: &BTreeSet<String>, lane: &mut Lane) {
    for (port, listener) in &found.listeners {
        let key = ListenerKey { load_balancer: found.name.clone(), port: *port };
        drop_rules_of(&key, listener, broken, lane);
    }
}

fn drop_rules_of(key: &ListenerKey, found: &Listener, broken: &BTreeSet<String>, lane: &mut Lane) {
    let gone = found.rules.iter().rev().filter(|(_, rule)| !is_held(rule, broken));
    for (priority, _) in gone {
        take(key, RuleStep::Delete(*priority), lane);
    }
}

/// What must be there before rules can be.
fn prepare(key: &ListenerKey, wish: &Listener, found: Option<&Listener>, lane: &mut Lane) {
    let place = Key::Listener(key.clone());
    if found.is_none() {
        let mut bare = wish.clone();
        bare.rules.clear();
        bare.attributes.clear();
        bare.more_certificates.clear();
        let op = Op::CreateListener(Box::new(bare));
        lane.step(place.clone(), op, format!("an Ingress listens on {}", key.port));
    }
    let there = found.map(|found| &found.more_certificates);
    for certificate in &wish.more_certificates {
        if !there.is_some_and(|there| there.contains(certificate)) {
            let op = Op::AddCertificate(certificate.clone());
            lane.step(place.clone(), op, "an Ingress has this certificate");
        }
    }
}

fn rules(
    key: &ListenerKey,
    wish: &Listener,
    bounds: Bounds<'_>,
    (lane, outcome): (&mut Lane, &mut Outcome),
) {
    let wanted: Vec<Rule> = wish.rules.values().cloned().collect();
    let Ok(Arrangement { ahead, behind, kept, held }) = arrange(&wanted, bounds) else {
        let reason = "no priorities are left between the rules that are not ours";
        lane.block(Key::Listener(key.clone()), reason, "give these others");
        let there = bounds.listener.into_iter().flat_map(Listener::groups);
        outcome.needed.extend(there.map(str::to_owned));
        return;
    };
    outcome.needed.extend(held);
    if let Some(there) = bounds.listener {
        outcome.needed.extend(there.foreign.values().flatten().cloned());
    }
    for step in ahead {
        take(key, step, lane);
    }
    retag(key, kept, lane);
    outcome.behind.push((key.clone(), behind));
}

/// Labels rules that stay.
fn retag(key: &ListenerKey, kept: Vec<(u32, Rule, Rule)>, lane: &mut Lane) {
    let is_shared = matches!(lane.stack, Some(StackId::Group(_)));
    for (priority, was, wish) in kept {
        let key = Key::Rule { listener: key.clone(), priority };
        lane.retag_by(&key, tags::rule_difference(&wish.tags, &was.tags, is_shared));
    }
}

fn take(listener: &ListenerKey, step: RuleStep, lane: &mut Lane) {
    let rule = |priority| Key::Rule { listener: listener.clone(), priority };
    match step {
        RuleStep::Create(priority, final_priority, mut wish) => {
            let place = format!("{}:{final_priority}", listener.port);
            wish.tags.insert(tags::RESOURCE.to_owned(), place);
            lane.step(rule(priority), Op::CreateRule(Box::new(wish)), "an Ingress has this rule");
        }
        RuleStep::Modify(priority, wish) => {
            let op = Op::ModifyRule(Box::new(wish));
            lane.step(rule(priority), op, "the same requests shall go elsewhere");
        }
        RuleStep::Move(moves) => {
            let key = Key::Listener(listener.clone());
            lane.step(key, Op::SetPriorities(moves), "rules need another order or room");
        }
        RuleStep::Delete(priority) => {
            lane.step(rule(priority), Op::DeleteRule, "no Ingress has this rule any more");
        }
    }
}

/// What a listener itself does, once its rules are there.
fn settle(key: &ListenerKey, wish: &Listener, found: Option<&Listener>, lane: &mut Lane) {
    let key = Key::Listener(key.clone());
    let Some(found) = found else {
        if !wish.attributes.is_empty() {
            let op = Op::ModifyListenerAttributes(wish.attributes.clone());
            lane.step(key, op, "attributes are wished");
        }
        return;
    };
    if let Some(change) = change(wish, found) {
        lane.step(key.clone(), Op::ModifyListener(Box::new(change)), "the listener differs");
    }
    let attributes = differing(&wish.attributes, &found.attributes);
    if !attributes.is_empty() {
        lane.step(key.clone(), Op::ModifyListenerAttributes(attributes), "attributes differ");
    }
    lane.retag(&key, &wish.tags, &found.tags);
}

fn change(wish: &Listener, found: &Listener) -> Option<ListenerChange> {
    let protocol = (wish.protocol != found.protocol).then_some(wish.protocol);
    let differs = |wish: &Option<String>, found: &Option<String>| {
        wish.clone().filter(|_| protocol.is_some() || wish != found)
    };
    let action = &wish.default_action;
    let same = action.equals(&found.default_action)
        && rule::same(wish.authentication.as_ref(), found.authentication.as_ref())
        && wish.tags.get(tags::SECRET) == found.tags.get(tags::SECRET);
    let mutual_tls = wish.mutual_tls.clone().filter(|_| wish.mutual_tls != found.mutual_tls);
    let change = ListenerChange {
        protocol,
        ssl_policy: differs(&wish.ssl_policy, &found.ssl_policy),
        certificate: differs(&wish.certificate, &found.certificate),
        mutual_tls,
        default_action: (!same).then(|| action.clone()),
        authentication: wish.authentication.clone().filter(|_| !same),
    };
    (change != ListenerChange::default()).then_some(change)
}

/// Removes rules, certificates and listeners that no request needs any more.
pub(super) fn tidy(resolved: &Resolved<'_>, outcome: &Outcome, lane: &mut Lane) {
    for (key, steps) in &outcome.behind {
        for step in steps {
            take(key, step.clone(), lane);
        }
    }
    let Pair { wish, found } = &resolved.load_balancer;
    let Some(found) = found else { return };
    for (port, there) in &found.listeners {
        let key = ListenerKey { load_balancer: found.name.clone(), port: *port };
        match wish.listeners.get(port) {
            None if found.ownership == Ownership::Rules => {
                drop_rules_of(&key, there, &resolved.stack.broken, lane);
            }
            Some(_) if found.ownership == Ownership::Rules => {}
            Some(wish) => drop_certificates(&key, wish, there, lane),
            None => drop_listener(key, there, outcome.stays.contains(port), lane),
        }
    }
}

/// The default certificate may stand among the others as well: the AWS Load Balancer Controller
/// puts it there, and that harms nobody.
fn drop_certificates(key: &ListenerKey, wish: &Listener, found: &Listener, lane: &mut Lane) {
    if wish.protocol == Protocol::Https && wish.certificate.is_none() {
        // None could be found at present.
        return;
    }
    for certificate in found.more_certificates.difference(&wish.more_certificates) {
        if wish.certificate.as_ref() != Some(certificate) {
            let op = Op::RemoveCertificate(certificate.clone());
            lane.step(Key::Listener(key.clone()), op, "no Ingress has this certificate");
        }
    }
}

fn drop_listener(key: ListenerKey, found: &Listener, stays: bool, lane: &mut Lane) {
    let key = Key::Listener(key);
    if !stays {
        lane.step(key, Op::DeleteListener, "no Ingress listens there any more");
    } else if !found.foreign.is_empty() {
        let reason = "it is to go, but it has rules that are not ours";
        lane.block(key, reason, "remove these if it may be deleted");
    }
}
