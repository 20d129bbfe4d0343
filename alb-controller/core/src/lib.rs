//! What Ingresses wish for, and the way there from what stands in AWS. Pure: no call leaves here.
//!
//! [`desired()`] turns objects into load balancers, listeners, rules and target groups;
//! [`plan()`] compares them with what is there; [`evaluate()`] tells what becomes of a request.

pub mod add_ons;
mod annotations;
pub mod cost;
mod defaults;
pub mod desired;
pub mod evaluate;
pub mod frontend;
mod glob;
pub mod goal;
mod haste;
pub mod id;
pub mod limits;
pub mod names;
pub mod outline;
pub mod pairs;
pub mod plan;
pub mod readiness;
pub mod rule;
pub mod settings;
pub mod stack;
pub mod switches;
pub mod tags;
pub mod target;
mod words;

pub use desired::{desired, needs, object_of, secrets};
pub use evaluate::{AlbDecision, AlbRequest, evaluate};
pub use goal::{Desired, Health, Observed, Question, Standing};
pub use haste::haste;
pub use id::{Key, ListenerKey, StackId};
pub use plan::{Plan, Step, plan};
pub use settings::{Lookups, Needs, Settings};
pub use stack::Stack;
