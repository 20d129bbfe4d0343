//! The pure core of the gateway: `compile(&Objects) -> Compiled` and `table.route(&Request) -> Decision`.
//!
//! No I/O, no clock, no chance: time, randomness and load arrive as arguments. The manifest lists no
//! crate that could do otherwise.

pub mod action;
mod analyze;
pub mod claims;
pub mod cluster;
pub mod clusters;
pub mod compile;
pub mod id;
mod index;
pub mod matcher;
pub mod outlier;
pub mod path;
pub mod pick;
pub mod request;
pub mod table;
pub mod tls;

pub use analyze::analyze;
pub use compile::{
    Compiled, Compiler, Workload, compile, concern::concerned, wanted::wanted_secrets,
};
pub use edgeway_api::{ObjectRef, Problem, Severity};
