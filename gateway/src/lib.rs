//! The shell of the gateway: sources, publish, listeners, the engine, metrics, admin.

mod last_good;
pub mod publish;
pub mod snapshot;
pub mod source;
