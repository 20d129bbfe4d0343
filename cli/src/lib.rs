//! The one command that people type: reading, asking and running Edgeway on one machine.
//!
//! Each command is a file under [`commands`]; what they share stands beside them.

pub mod args;
pub mod commands;
pub mod echo;
pub mod furnish;
pub mod output;
pub mod signal;
