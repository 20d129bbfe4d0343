//! The shell of the ALB controller: looks at objects and at AWS, asks the core for a plan, takes its
//! steps. What is to be done is decided in `edgeway-alb-core` alone.
//!
//! * [`run()`] goes on for as long as there is somebody to send objects;
//! * [`once()`] ends when nothing is left to do;
//! * [`survey`] only tells what would be done.
//!
//! No global state and no process exit: several may run in one process.

mod apply;
mod args;
pub mod aws;
mod backoff;
mod damage;
mod doubts;
mod event;
#[cfg(test)]
mod fake;
mod gatekeeper;
mod memory;
mod metrics;
mod once;
mod patrol;
mod reconcile;
mod report;
mod rhythm;
mod run;
mod serve;
mod state;
mod status;
mod views;
mod watch;

pub use apply::Failure;
pub use args::{Args, HabitArgs, main};
pub use event::{Event, Status};
pub use metrics::Metrics;
pub use once::{Outcome, once};
pub use reconcile::{Pass, Reconciler};
pub use run::{Config, Handle, run};
pub use state::{Progress, StackState};
pub use status::{Identities, Identity};
pub use views::{Survey, survey};
