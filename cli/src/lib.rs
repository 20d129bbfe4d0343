//! The one command that people type: reading, asking and running Edgeway on one machine.
//!
//! Each command is a file under [`commands`]; what they share stands beside them.

pub mod args;
pub mod commands;
pub mod echo;
pub mod explain;
pub mod furnish;
pub mod input;
pub mod log;
pub mod offline;
pub mod output;
pub mod routes;
pub mod signal;
mod up;
