//! All that the account holds, as plain data: no socket, no clock, no chance from outside.
//!
//! A call is applied to a copy of its region, which replaces the region if the call succeeds;
//! hence a refused call changes nothing.

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
pub(crate) mod tags;
pub(crate) mod target_group;
pub(crate) mod trust;
mod world;

pub use limits::Limits;
pub use load_balancer::Protocol;
pub(crate) use region::Region;
pub(crate) use world::World;
