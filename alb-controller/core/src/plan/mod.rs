//! The way from what is there to what is wished, as a value: steps, what is in the way, and what
//! takes its time.
//!
//! The order within a stack: what others need is made first, and filled; then rules are pointed to
//! it; then goes what nothing points to any more.

mod adrift;
mod balancer;
mod bindings;
mod claims;
mod frontend;
mod groups;
mod hosts;
mod lane;
mod last_good;
mod listeners;
mod resolve;
mod rivals;
mod rules;
mod shared;
mod show;
pub(crate) mod slots;
mod step;

pub use step::{Effect, ListenerChange, Op, Risk, Step};

use crate::{
    goal::{Desired, Observed, Standing},
    id::{Key, StackId},
};
use lane::Lane;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::{collections::BTreeSet, fmt};

/// Something that is wished and not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// The stack it is about; nothing for what all have in common.
    pub stack: Option<StackId>,
    /// What stays as it is.
    pub key: Key,
    /// Why.
    pub reason: String,
    /// What a user can do about it.
    pub advice: String,
}

/// Something that only time can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// The stack it is about.
    pub stack: Option<StackId>,
    /// What is waited for.
    pub key: Key,
    /// What happens there.
    pub reason: String,
}

/// All that is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps, those of a stack together. A step may be taken when all before it in its stack, and
    /// all that belong to none, are done.
    pub steps: Vec<Step>,
    /// What is wished and not done.
    pub blocked: Vec<Blocked>,
    /// What will go on by itself; another plan is needed then.
    pub pending: Vec<Pending>,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Things that appear.
    pub create: usize,
    /// Changes to things.
    pub change: usize,
    /// Things that go.
    pub delete: usize,
    /// Steps among these that put one thing in place of another, or remove a load balancer.
    pub replace: usize,
    /// Wishes that are not fulfilled.
    pub blocked: usize,
    /// Things that take their time.
    pub pending: usize,
}

impl Summary {
    fn of(steps: &[Step], blocked: usize, pending: usize) -> Self {
        let count = |effect| steps.iter().filter(|step| step.op.effect() == effect).count();
        Self {
            create: count(Effect::Create),
            change: count(Effect::Change),
            delete: count(Effect::Delete),
            replace: steps.iter().filter(|step| step.risk == Risk::Replace).count(),
            blocked,
            pending,
        }
    }
}

/// Finds the way.
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let kept = adrift::kept(desired, observed);
    let desired = kept.as_ref().unwrap_or(desired);
    let mut plan = Plan::default();
    let nothing = Standing::default();
    let mut own = Plan::default();
    let mut left = BTreeSet::new();
    for (id, stack) in &desired.stacks {
        let standing = observed.stacks.get(id).unwrap_or(&nothing);
        let shared = hosts::with_others(stack, standing, &own.steps);
        let standing = shared.as_ref().unwrap_or(standing);
        let way = lane::build(stack, standing, desired, observed);
        let lane = claims::admit(stack, standing, way);
        if claims::is_theirs(standing) && lane.steps.is_empty() {
            left.insert(id);
        }
        own.append(lane);
    }
    for (id, standing) in &observed.stacks {
        if desired.stacks.contains_key(id) {
            continue;
        }
        if let Some(broken) = desired.held.get(id) {
            if desired.incomplete.is_none() && !claims::is_theirs(standing) {
                own.append(lane::prune(id, standing, (broken, desired)));
            }
            continue;
        }
        if !claims::would_be_seen(desired, id, standing) {
            left.insert(id);
            continue;
        }
        own.append(if claims::is_theirs(standing) {
            left.insert(id);
            claims::leave(id, standing)
        } else {
            lane::remove(id, standing, desired.incomplete.as_deref(), observed)
        });
    }
    plan.append(shared::prepare(desired, observed, &left));
    plan.append(bindings::bind(desired, observed));
    let Plan { steps, blocked, pending } = own;
    plan.append(Lane { steps, blocked, pending, ..Lane::default() });
    if left.is_empty() {
        let last = shared::clean_up(desired, observed, &plan.steps);
        plan.append(last);
    }
    plan
}

/// Finds the way of some stacks that are wished, without what all have in common and without what
/// goes.
pub(crate) fn part(desired: &Desired, observed: &Observed, stacks: &BTreeSet<&StackId>) -> Plan {
    let kept = adrift::kept(desired, observed);
    let desired = kept.as_ref().unwrap_or(desired);
    let mut plan = Plan::default();
    let nothing = Standing::default();
    for (id, stack) in desired.stacks.iter().filter(|(id, _)| stacks.contains(id)) {
        let standing = observed.stacks.get(id).unwrap_or(&nothing);
        let way = lane::build(stack, standing, desired, observed);
        plan.append(claims::admit(stack, standing, way));
    }
    plan
}

impl Plan {
    /// Whether there is nothing to do now.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether there is nothing to do now and nothing to wait for.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.pending.is_empty()
    }

    /// How many of what.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.steps, self.blocked.len(), self.pending.len())
    }

    fn append(&mut self, lane: Lane) {
        let Lane { stack: _, external: _, steps, blocked, pending } = lane;
        self.steps.extend(steps);
        self.blocked.extend(blocked);
        self.pending.extend(pending);
    }
}

/// Summary, steps, what is blocked and what is pending.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 4)?;
        plan.serialize_field("summary", &self.summary())?;
        plan.serialize_field("steps", &self.steps)?;
        plan.serialize_field("blocked", &self.blocked)?;
        plan.serialize_field("pending", &self.pending)?;
        plan.end()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, change, delete, replace, blocked, pending } = self;
        if [create, change, delete, blocked, pending].into_iter().all(|count| *count == 0) {
            return f.write_str("nothing to do");
        }
        write!(f, "{create} to create, {change} to change, {delete} to delete")?;
        for (count, what) in [(replace, "replacing"), (blocked, "blocked"), (pending, "pending")] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack: _, key, reason, advice } = self;
        write!(f, "blocked: {} {key}: {reason}; {advice}", key.noun())
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting: {} {}: {}", self.key.noun(), self.key, self.reason)
    }
}
