//! The load balancer itself.

use super::{
    groups::differing,
    lane::{Lane, may_go},
    listeners::drop_rules,
    resolve::{Pair, Resolved},
    step::{Op, Risk},
};
use crate::{
    add_ons::{AddOns, Shield, WebAcl},
    defaults,
    id::Key,
    stack::{LoadBalancer, Ownership, SecurityGroupRef},
};
use std::collections::BTreeSet;

/// Whether it can be made, if it is not there; if not, says what is missing.
pub(super) fn is_possible(resolved: &Resolved<'_>, lane: &mut Lane) -> bool {
    let Pair { wish, found } = &resolved.load_balancer;
    let key = Key::LoadBalancer(wish.name.clone());
    if found.is_some() {
        return true;
    }
    if wish.ownership == Ownership::Rules {
        lane.block(key, "it is not there", "create it, or name another");
        return false;
    }
    if wish.subnets.is_empty() {
        lane.block(key, "there is no subnet for it", "see the problems of its Ingresses");
        return false;
    }
    if wish.security_groups.is_empty() {
        let reason = "a security group that is to guard it is not there";
        lane.block(key, reason, "see the problems of its Ingresses");
        return false;
    }
    true
}

/// Makes it, or brings to its place what stands elsewhere.
pub(super) fn place(resolved: &Resolved<'_>, lane: &mut Lane) {
    let Pair { wish, found } = &resolved.load_balancer;
    let key = Key::LoadBalancer(wish.name.clone());
    let Some(found) = found else {
        let mut bare = wish.clone();
        bare.listeners.clear();
        bare.attributes.clear();
        let (reason, risk) = if resolved.old_target_groups.iter().any(|g| g.attached.is_some()) {
            ("takes the place of another, as approved", Risk::Replace)
        } else {
            ("there is none for these Ingresses", Risk::InPlace)
        };
        lane.risky(key, Op::CreateLoadBalancer(Box::new(bare)), reason, risk);
        return;
    };
    move_it(&key, resolved.stack.subnets_named, wish, found, lane);
}

fn move_it(key: &Key, named: bool, wish: &LoadBalancer, found: &LoadBalancer, lane: &mut Lane) {
    let set: fn(&LoadBalancer) -> BTreeSet<&SecurityGroupRef> =
        |balancer| balancer.security_groups.iter().collect();
    // None where one that was named cannot be found.
    if !wish.security_groups.is_empty() && set(wish) != set(found) {
        let op = Op::SetSecurityGroups(wish.security_groups.clone());
        lane.step(key.clone(), op, "other security groups are wished");
    }
    if named && !wish.subnets.is_empty() && wish.subnets != found.subnets {
        let op = Op::SetSubnets(wish.subnets.clone());
        lane.step(key.clone(), op, "other subnets are wished");
    }
    if wish.ip_address_type != found.ip_address_type {
        let op = Op::SetIpAddressType(wish.ip_address_type);
        lane.step(key.clone(), op, "other kinds of addresses are wished");
    }
}

/// Attributes and tags. They come after rules, so that a wrong one stands in nobody's way.
pub(super) fn adorn(resolved: &Resolved<'_>, lane: &mut Lane) {
    let Pair { wish, found } = &resolved.load_balancer;
    let key = Key::LoadBalancer(wish.name.clone());
    let attributes = match found {
        Some(found) => differing(&wish.attributes, &found.attributes),
        None => defaults::of_load_balancer(&wish.attributes),
    };
    if !attributes.is_empty() {
        let op = Op::ModifyLoadBalancerAttributes(attributes);
        lane.step(key.clone(), op, "attributes are wished");
    }
    hang_on(&key, wish, found.map(|found| &found.add_ons), lane);
    if let Some(found) = found {
        lane.retag(&key, &wish.tags, &found.tags);
    }
}

/// What other services have to do with it. What is new has nothing of theirs yet.
fn hang_on(key: &Key, wish: &LoadBalancer, found: Option<&AddOns>, lane: &mut Lane) {
    let AddOns { web_acl, shield, capacity, address_pool, customer_pool } = &wish.add_ons;
    let is_new = found.is_none();
    let bare = AddOns {
        web_acl: Some(WebAcl::Nothing),
        shield: Some(Shield::Off),
        capacity: Some(0),
        address_pool: address_pool.clone(),
        customer_pool: customer_pool.clone(),
    };
    let found = found.unwrap_or(&bare);
    if let (Some(acl), false) = (web_acl, web_acl == &found.web_acl) {
        lane.step(key.clone(), Op::SetWebAcl(acl.clone()), "another access control list is wished");
    }
    match (shield, found.shield) {
        // What could not be asked is tried.
        (Some(Shield::Ours), Some(Shield::Off) | None) => {
            lane.step(key.clone(), Op::SetShield(true), "protection is wished");
        }
        (Some(Shield::Off), Some(Shield::Ours)) => {
            lane.step(key.clone(), Op::SetShield(false), "no protection is wished");
        }
        (Some(Shield::Ours), Some(Shield::Unavailable)) => {
            let reason = "the account has no subscription to Shield Advanced";
            let advice = "subscribe, or remove the annotation shield-advanced-protection";
            lane.block(key.clone(), reason, advice);
        }
        _ => {}
    }
    if let (Some(units), false) = (capacity, capacity == &found.capacity) {
        lane.step(key.clone(), Op::ReserveCapacity(*units), "another capacity is wished");
    }
    if let (Some(pool), false) = (address_pool, address_pool == &found.address_pool) {
        lane.step(key.clone(), Op::SetAddressPool(pool.clone()), "another pool is wished");
    }
    if !is_new && customer_pool.is_some() && customer_pool != &found.customer_pool {
        let reason = "its pool of customer-owned addresses cannot be changed";
        lane.block(key.clone(), reason, "name the pool that it has, or make another load balancer");
    }
}

/// Lets go load balancers that another has taken the place of, once that one is complete.
pub(super) fn retire(resolved: &Resolved<'_>, settled: bool, lane: &mut Lane) {
    for old in &resolved.old_balancers {
        let key = Key::LoadBalancer(old.name.clone());
        let new = &resolved.load_balancer.wish.name;
        if !resolved.stack.approved.contains(new) {
            let reason = format!("{new} has taken its place");
            let advice =
                format!("annotate the Ingress with edgeway.dev/approve-replacement: {new}");
            lane.block(key, reason, advice);
        } else if !settled {
            lane.wait(key, format!("it goes when {new} is complete"));
        } else if old.ownership == Ownership::Rules {
            drop_rules(old, &resolved.stack.broken, lane);
        } else if may_go(old, lane) {
            let reason = format!("{new} has taken its place, as approved");
            lane.step(key, Op::DeleteLoadBalancer, reason);
        }
    }
}
