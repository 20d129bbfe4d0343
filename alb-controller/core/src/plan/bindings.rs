//! Targets of groups that somebody else looks after.

use super::{lane::Lane, step::Op};
use crate::{
    goal::{Desired, Observed},
    id::Key,
};
use std::collections::BTreeSet;

/// Registers who is missing, and then sends away who is not wished. What could not be looked at
/// stays as it is.
pub(super) fn bind(desired: &Desired, observed: &Observed) -> Lane {
    let mut lane = Lane::default();
    for (arn, wish) in &desired.bindings {
        let Some(found) = observed.bindings.get(arn) else { continue };
        let key = Key::ForeignTargetGroup(arn.clone());
        let mut missing = wish.targets.clone();
        missing.retain(|target, _| !found.targets.contains_key(target));
        if !missing.is_empty() {
            lane.step(key.clone(), Op::Register(missing), "endpoints of the bound Service");
        }
        let surplus = found.targets.keys().filter(|target| !wish.targets.contains_key(target));
        let ours = |target: &&_| wish.known.as_ref().is_none_or(|known| known.contains(*target));
        let surplus: BTreeSet<_> = surplus.filter(ours).cloned().collect();
        if !surplus.is_empty() {
            lane.step(key, Op::Deregister(surplus), "endpoints of the bound Service no more");
        }
    }
    lane
}
