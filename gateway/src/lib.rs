//! The shell of the gateway: sources, publish, listeners, the engine, metrics, admin.

pub mod access;
pub mod admin;
pub mod api_server;
pub mod args;
pub mod board;
mod chance;
mod context;
pub mod edge;
mod flags;
mod io;
mod last_good;
pub mod lease;
mod listen;
mod live;
mod load;
mod metrics;
mod proxy;
pub mod publish;
mod ready;
pub mod rehearsal;
mod resolve;
mod retired;
pub mod run;
mod shelf;
pub mod snapshot;
pub mod source;
pub mod status;
mod store;
mod subject;
pub mod supervise;
pub mod tls;
mod view;
mod worker;

pub use proxy::{greeting, preview};
pub use run::{Config, Running, StartError, run, serve, start};
pub use store::Store;
