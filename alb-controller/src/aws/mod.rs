//! AWS. Nothing outside this folder knows the SDK, and nothing in it decides anything.

mod add_ons;
mod arns;
mod authentication;
mod balancing;
mod calls;
mod client;
mod error;
mod look_up;
mod network;
mod observe;
mod pace;
mod policy;
mod read;
mod write;

pub use calls::{Call, Family};
pub(crate) use client::is_stand_in;
pub use client::{Access, Aws, Connection};
pub use error::CloudError;
pub use pace::Rates;
pub use policy::policy;

use edgeway_alb_core::{Desired, Lookups, Needs, Observed, Step};
use std::future::Future;

/// Somewhere that load balancers stand.
pub trait Cloud: Send + Sync {
    /// Finds what wishes depend on.
    fn look_up(&self, needs: &Needs) -> impl Future<Output = Result<Lookups, CloudError>> + Send;

    /// Finds what stands, as far as it is ours. What is asked about depends on what is wished.
    fn observe(
        &self,
        desired: &Desired,
    ) -> impl Future<Output = Result<Observed, CloudError>> + Send;

    /// Takes one step of a plan that was made from what was observed last, and tells the address of
    /// what it has made, if that has one.
    fn apply(&self, step: &Step)
    -> impl Future<Output = Result<Option<String>, CloudError>> + Send;
}
