//! Load balancers of somebody else that several stacks put their rules on: each must keep clear of the
//! numbers that the others are about to take.

use super::step::{Op, Step};
use crate::{
    goal::Standing,
    id::Key,
    stack::{Ownership, Stack},
};
use std::collections::BTreeSet;

/// What stands, with the numbers that `steps` of other stacks take on the same load balancer; nothing
/// where there are none.
pub(super) fn with_others(stack: &Stack, standing: &Standing, steps: &[Step]) -> Option<Standing> {
    let name = &stack.load_balancer.name;
    if stack.load_balancer.ownership == Ownership::Full {
        return None;
    }
    let mut shared = standing.clone();
    let host = shared.load_balancers.get_mut(name)?;
    for step in steps {
        let (listener, numbers): (_, BTreeSet<u32>) = match (&step.key, &step.op) {
            (Key::Rule { listener, priority }, Op::CreateRule(_)) => (listener, [*priority].into()),
            (Key::Listener(listener), Op::SetPriorities(moves)) => {
                (listener, moves.values().copied().collect())
            }
            (_, _) => continue,
        };
        if listener.load_balancer == *name
            && let Some(found) = host.listeners.get_mut(&listener.port)
        {
            found.foreign.extend(numbers.into_iter().map(|number| (number, BTreeSet::new())));
        }
    }
    Some(shared)
}
