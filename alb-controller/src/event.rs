//! What the controller tells: one readable line for each thing that happens, and how it stands.

use crate::{aws::CloudError, state::StackState, status::Identities};
use edgeway_alb_core::{StackId, plan::Summary, readiness::Gates};
use edgeway_api::{ObjectRef, Problem};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something is to be done.
    Planned(Summary),
    /// A step was taken.
    Took {
        /// The stack it was for.
        stack: Option<StackId>,
        /// The step, as the plan prints it.
        step: String,
    },
    /// A step, or looking at AWS, failed.
    Failed {
        /// The stack it was for, if it was for one.
        stack: Option<StackId>,
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// It is tried again.
    Retry(Duration),
    /// Something is waited for.
    Waiting(String),
    /// Users should mend something that was not said before.
    Problem(Problem),
    /// Something has been mended.
    Solved(Problem),
    /// A load balancer has an address.
    Address {
        /// Whose it is.
        stack: StackId,
        /// Its DNS name.
        address: String,
    },
    /// Nothing is left to do.
    Settled,
    /// This replica leads from now on.
    Leads,
    /// Another replica leads, or may lead by now.
    Follows,
    /// The rest of a plan is left to whoever leads now.
    Deposed,
}

impl Event {
    /// AWS could not be looked at.
    pub(crate) fn looking_failed(error: &CloudError) -> Self {
        Self::Failed { stack: None, what: "looking at AWS".to_owned(), why: error.line() }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(summary) => write!(f, "plan: {summary}"),
            Self::Took { step, .. } => f.write_str(step),
            Self::Failed { what, why, .. } => write!(f, "failed: {what}: {why}"),
            Self::Retry(after) => write!(f, "trying again in {} ms", after.as_millis()),
            Self::Waiting(what) => f.write_str(what),
            Self::Problem(problem) => write!(f, "{problem}"),
            Self::Solved(problem) => {
                write!(f, "solved: [{}] {} {}", problem.code, problem.object, problem.field)
            }
            Self::Address { stack, address } => write!(f, "{stack} is at {address}"),
            Self::Settled => f.write_str("nothing left to do"),
            Self::Leads => f.write_str("this replica leads"),
            Self::Follows => f.write_str("this replica follows: it looks, and changes nothing"),
            Self::Deposed => f.write_str("the rest of the plan is left to whoever leads now"),
        }
    }
}

/// How things stand after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Counts passes; 0 before the first.
    pub passes: u64,
    /// Everything that users should mend, sorted: of objects, and of what AWS refused.
    pub problems: Vec<Problem>,
    /// DNS name of each stack's load balancer: what goes into the Ingresses' status.
    pub addresses: BTreeMap<StackId, String>,
    /// The Ingresses of each stack that are served, in their order.
    pub members: BTreeMap<StackId, Vec<ObjectRef>>,
    /// Whether nothing was left to do, and nothing to wait for.
    pub settled: bool,
    /// Why AWS could not be looked at, if it could not.
    pub unreachable: Option<String>,
    /// How each stack stands.
    pub states: BTreeMap<StackId, StackState>,
    /// Which objects the Ingresses are that were given.
    pub identities: Identities,
    /// Whether something may be missing because it could not be read.
    pub is_incomplete: bool,
    /// Whether AWS was looked at, by a pass or by a replica that follows.
    pub seen: bool,
    /// Readiness gates that pods wait at, and those that were just opened.
    pub gates: Gates,
}
