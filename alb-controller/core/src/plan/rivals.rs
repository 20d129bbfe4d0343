//! Names of load balancers that are there already, or that several stacks ask for. A name is one load
//! balancer's: AWS takes a second wish for it as the same wish, or refuses it for ever.

use super::lane::Lane;
use crate::{
    goal::{Desired, Observed, Standing},
    id::{Key, StackId},
    stack::{LoadBalancer, Ownership, Stack},
};

/// Whether another stack has, or gets, the load balancer that this one is to make, or somebody else has
/// it; says so.
pub(super) fn stand_in_the_way(
    stack: &Stack,
    name: &str,
    (desired, observed): (&Desired, &Observed),
    lane: &mut Lane,
) -> bool {
    let has = |(id, standing): &(&StackId, &Standing)| {
        **id != stack.id && standing.load_balancers.get(name).is_some_and(is_full)
    };
    let holder = observed.stacks.iter().find(has).map(|(id, _)| id);
    let first = || {
        let mut earlier = desired.stacks.range(..&stack.id);
        earlier.find(|(_, other)| will_take(other, name, observed)).map(|(id, _)| id)
    };
    let key = Key::LoadBalancer(name.to_owned());
    let Some(rival) = holder.or_else(first) else {
        let is_taken = observed.taken.contains(name);
        if is_taken {
            let advice = format!(
                "give the Ingress another load-balancer-name, or have its rules put on that load balancer \
                 (edgeway.dev/load-balancer: {name})"
            );
            lane.block(key, "a load balancer that is not ours has this name", advice);
        }
        return is_taken;
    };
    if desired.stacks.contains_key(rival) || desired.held.contains_key(rival) {
        let reason = format!("the load balancer of {rival} has this name");
        let advice = "give one of them another load-balancer-name, or put both into one group";
        lane.block(key, reason, advice);
    } else {
        lane.wait(key, format!("the load balancer of {rival} has this name, and goes"));
    }
    true
}

/// Whether a stack is about to make a load balancer of this name. One that has some keeps its name,
/// but for a replacement that is approved.
fn will_take(stack: &Stack, name: &str, observed: &Observed) -> bool {
    let standing = observed.stacks.get(&stack.id);
    let has_some = standing.is_some_and(|it| it.load_balancers.values().any(is_full));
    is_full(&stack.load_balancer)
        && stack.load_balancer.name == name
        && (!has_some || stack.approved.contains(name))
}

fn is_full(balancer: &LoadBalancer) -> bool {
    balancer.ownership == Ownership::Full
}
