//! AWS. Nothing outside this folder knows the SDK, and nothing in it decides anything.

mod add_ons;
mod arns;
mod attributes;
mod authentication;
mod balancing;
mod calls;
mod check;
mod client;
mod error;
mod frontends;
mod hosts;
mod ledger;
mod look_up;
mod network;
mod observe;
mod pace;
mod policy;
mod read;
mod skipped;
mod tagging;
mod write;

pub use calls::{Call, Family};
pub(crate) use client::is_stand_in;
pub use client::{Access, Aws, Connection, endpoint};
pub use error::CloudError;
pub use pace::Rates;
pub use policy::policy;

use edgeway_alb_core::{Desired, Lookups, Needs, Observed, StackId, Step, readiness::Fitnesses};
use std::{collections::BTreeSet, future::Future};

/// How much is looked at.
#[derive(Clone, Debug, Default)]
pub enum Sight {
    /// All, but for targets that are known from the last run to be as wished.
    #[default]
    Usual,
    /// All.
    Whole,
    /// These stacks alone; of the others this is known.
    Part(Box<Observed>, BTreeSet<StackId>),
}

/// What time changes without us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Target groups, by name.
    pub groups: BTreeSet<String>,
    /// Load balancers, by name.
    pub balancers: BTreeSet<String>,
    /// Target groups of somebody else, by ARN.
    pub bindings: BTreeSet<String>,
}

/// Somewhere that load balancers stand.
pub trait Cloud: Send + Sync {
    /// Finds what wishes depend on.
    fn look_up(&self, needs: &Needs) -> impl Future<Output = Result<Lookups, CloudError>> + Send;

    /// Finds what stands, as far as it is ours. What is asked about depends on what is wished.
    fn observe(
        &self,
        desired: &Desired,
        sight: &Sight,
    ) -> impl Future<Output = Result<Observed, CloudError>> + Send;

    /// Looks again at a few things that time changes, and tells how targets of these groups are.
    fn check(
        &self,
        watched: &Watched,
        observed: &mut Observed,
    ) -> impl Future<Output = Result<Fitnesses, CloudError>> + Send;

    /// Keeps over a restart what would take many calls to find out again.
    fn remember(&self, observed: &Observed) -> impl Future<Output = ()> + Send;

    /// The same cloud, called so slowly that nobody notices.
    #[must_use]
    fn gently(&self) -> Self
    where
        Self: Sized;

    /// Takes one step of a plan that was made from what was observed last, and tells the address of
    /// what it has made, if that has one.
    fn apply(&self, step: &Step)
    -> impl Future<Output = Result<Option<String>, CloudError>> + Send;
}
