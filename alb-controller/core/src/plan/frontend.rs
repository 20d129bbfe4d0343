//! The way to the network load balancer before the one that routes.

use super::{
    groups::differing,
    lane::Lane,
    resolve::Resolved,
    step::{Op, Risk},
};
use crate::{
    frontend::{Front, FrontGroup, FrontListener, FrontTarget, FrontWish, Frontend},
    goal::{Observed, Standing},
    id::{Key, ListenerKey},
    stack::SecurityGroupRef,
};
use std::collections::{BTreeMap, BTreeSet};

/// Makes it, or brings it into line; takes it away where none is wished.
pub(super) fn place(
    resolved: &Resolved<'_>,
    standing: &Standing,
    observed: &Observed,
    lane: &mut Lane,
) {
    match &resolved.stack.frontend {
        Front::Unclear => {}
        Front::Nothing => remove(standing, "no Ingress wishes it any more", lane),
        Front::Wish(wish) => {
            let way = Way { resolved, standing, observed, wish };
            way.go(lane);
        }
    }
}

/// Takes all of them away: what sends before what is sent to.
pub(super) fn remove(standing: &Standing, reason: &str, lane: &mut Lane) {
    for name in standing.frontends.keys() {
        lane.step(Key::LoadBalancer(name.clone()), Op::DeleteLoadBalancer, reason);
    }
    for name in standing.front_groups.keys() {
        lane.step(Key::TargetGroup(name.clone()), Op::DeleteTargetGroup, reason);
    }
}

struct Way<'w, 'a> {
    resolved: &'w Resolved<'a>,
    standing: &'w Standing,
    observed: &'w Observed,
    wish: &'w FrontWish,
}

impl Way<'_, '_> {
    fn go(&self, lane: &mut Lane) {
        let wish = &self.wish.balancer;
        let there = &self.standing.frontends;
        let found = there.get(&wish.name).or_else(|| there.values().next());
        if let Some(found) = found.filter(|found| found.scheme != wish.scheme) {
            let reason = format!(
                "its scheme is {}, {} is wished: that takes another load balancer with other addresses",
                found.scheme, wish.scheme
            );
            let advice = "switch enable-frontend-nlb off until it is gone, then on again";
            lane.block(Key::LoadBalancer(found.name.clone()), reason, advice);
            return;
        }
        let names = self.groups(lane);
        let mut wish = wish.clone();
        if let Some(found) = found {
            wish.name.clone_from(&found.name);
        }
        for listener in wish.listeners.values_mut() {
            if let Some(name) = names.get(&listener.group) {
                listener.group.clone_from(name);
            }
        }
        self.own_guards(&mut wish);
        self.balancer(&wish, found, lane);
        listeners(&wish, found, lane);
        // Ports that are not wished may be those of members that cannot be understood at present.
        if self.resolved.stack.broken.is_empty() {
            self.leave(&wish, &names, lane);
        }
    }

    /// The group that guards the load balancer that routes may have another name than it is wished to.
    fn own_guards(&self, wish: &mut Frontend) {
        let as_wished = &self.resolved.stack.load_balancer.security_groups;
        if wish.security_groups == *as_wished {
            wish.security_groups.clone_from(&self.resolved.load_balancer.wish.security_groups);
        }
    }

    /// Makes target groups and registers the load balancer that routes. Tells the names that they have
    /// by those that they are wished under.
    fn groups(&self, lane: &mut Lane) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for (wished, wish) in &self.wish.groups {
            let there = &self.standing.front_groups;
            let found = there.values().find(|group| group.resource == wish.resource);
            let name = found.map_or(wished, |found| &found.name).clone();
            let key = Key::TargetGroup(name.clone());
            if let Some(found) = found {
                if found.check != wish.check {
                    let op = Op::ModifyHealthCheck(wish.check.clone());
                    lane.step(key.clone(), op, "the health check differs");
                }
                lane.retag(&key, &wish.tags, &found.tags);
            } else {
                let mut group = wish.clone();
                group.targets.clear();
                let reason = format!("connections come to port {}", wish.port);
                lane.step(key.clone(), Op::CreateFrontGroup(Box::new(group)), reason);
            }
            self.register(&key, wish, found, lane);
            names.insert(wished.clone(), name);
        }
        names
    }

    fn register(&self, key: &Key, wish: &FrontGroup, found: Option<&FrontGroup>, lane: &mut Lane) {
        let routes = &self.resolved.load_balancer;
        let nothing = BTreeSet::new();
        let there = found.map_or(&nothing, |found| &found.targets);
        let own = |target: &FrontTarget| FrontTarget {
            balancer: routes.wish.name.clone(),
            port: target.port,
        };
        let wanted: BTreeSet<FrontTarget> = wish.targets.iter().map(own).collect();
        for target in wanted.difference(there) {
            let listens = routes.found.is_some_and(|it| it.listeners.contains_key(&target.port));
            if listens && !self.observed.provisioning.contains(&target.balancer) {
                let op = Op::RegisterBalancer(target.clone());
                lane.step(key.clone(), op, "it is sent on to there");
            } else {
                lane.wait(key.clone(), format!("{target} is not ready to be sent to"));
            }
        }
        for target in there.difference(&wanted) {
            let op = Op::DeregisterBalancer(target.clone());
            lane.step(key.clone(), op, "it is not sent on to there any more");
        }
    }

    fn balancer(&self, wish: &Frontend, found: Option<&Frontend>, lane: &mut Lane) {
        let key = Key::LoadBalancer(wish.name.clone());
        let Some(found) = found else {
            let mut bare = wish.clone();
            bare.listeners.clear();
            bare.attributes.clear();
            let op = Op::CreateFrontend(Box::new(bare));
            lane.step(key.clone(), op, "a network load balancer is wished before it");
            if !wish.attributes.is_empty() {
                let op = Op::ModifyLoadBalancerAttributes(wish.attributes.clone());
                lane.step(key, op, "attributes are wished");
            }
            return;
        };
        let set = |it: &Frontend| {
            it.security_groups.iter().cloned().collect::<BTreeSet<SecurityGroupRef>>()
        };
        if !wish.security_groups.is_empty() && set(wish) != set(found) {
            let op = Op::SetSecurityGroups(wish.security_groups.clone());
            lane.step(key.clone(), op, "other security groups are wished");
        }
        if self.wish.subnets_named && wish.subnets != found.subnets {
            let op = Op::SetSubnets(wish.subnets.clone());
            lane.step(key.clone(), op, "other subnets are wished");
        }
        let attributes = differing(&wish.attributes, &found.attributes);
        if !attributes.is_empty() {
            let op = Op::ModifyLoadBalancerAttributes(attributes);
            lane.step(key.clone(), op, "attributes are wished");
        }
        lane.retag(&key, &wish.tags, &found.tags);
    }

    /// Lets ports go that are not wished, and target groups that no port sends to.
    fn leave(&self, wish: &Frontend, names: &BTreeMap<String, String>, lane: &mut Lane) {
        let there = self.standing.frontends.get(&wish.name).map(|found| &found.listeners);
        for port in there.into_iter().flat_map(BTreeMap::keys) {
            if !wish.listeners.contains_key(port) {
                let key = ListenerKey { load_balancer: wish.name.clone(), port: *port };
                let reason = "no Ingress wishes this port any more";
                lane.risky(Key::Listener(key), Op::DeleteListener, reason, Risk::Brief);
            }
        }
        let kept: BTreeSet<&String> = names.values().collect();
        for name in self.standing.front_groups.keys().filter(|name| !kept.contains(name)) {
            let reason = "no port sends to it any more";
            lane.step(Key::TargetGroup(name.clone()), Op::DeleteTargetGroup, reason);
        }
    }
}

fn listeners(wish: &Frontend, found: Option<&Frontend>, lane: &mut Lane) {
    let there = found.map(|found| &found.listeners);
    let key = |port| Key::Listener(ListenerKey { load_balancer: wish.name.clone(), port });
    for (port, listener) in &wish.listeners {
        match there.and_then(|there| there.get(port)) {
            None => {
                let op = Op::CreateFrontListener(Box::new(listener.clone()));
                lane.step(key(*port), op, format!("connections come to port {port}"));
            }
            Some(FrontListener { group, tags }) => {
                if *group != listener.group {
                    let op = Op::PointListener(listener.group.clone());
                    lane.step(key(*port), op, "connections shall go elsewhere");
                }
                lane.retag(&key(*port), &listener.tags, tags);
            }
        }
    }
}
