//! An application load balancer on a laptop: the AWS API that makes one, and the sockets behind it.
mod api;
pub mod config;
mod error;
mod event;
mod state;
mod wire;
pub use config::{Config, PortMapping};
pub use event::{Change, Event, ListenerState};
