//! All that the account holds, as plain data: no socket, no clock, no chance from outside.
//!
//! A call is applied to its region, and what it did is taken back if it is refused: what a region holds
//! is in maps with an undo log. Hence a refused call changes nothing, and none copies the whole.

pub(crate) mod attributes;
pub(crate) mod certificate;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod ids;
mod limits;
pub(crate) mod load_balancer;
pub(crate) mod network;
mod past;
pub(crate) mod pattern;
pub(crate) mod region;
pub(crate) mod rule;
mod settle;
pub(crate) mod tags;
pub(crate) mod target_group;
pub(crate) mod trust;
pub(crate) mod undo;
pub(crate) mod uses;
mod world;

pub use limits::Limits;
pub use load_balancer::Protocol;
pub(crate) use region::Region;
pub(crate) use world::World;
