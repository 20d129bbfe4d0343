//! The shell of the gateway: sources, publish, listeners, the engine, metrics, admin.

pub mod snapshot;
