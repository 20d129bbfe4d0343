//! The commands, one file each.

pub mod completion;
pub mod echo;
pub mod version;

use crate::{
    args::{Cli, Command},
    output::Console,
};
use std::process::ExitCode;

/// Runs what was asked for.
pub fn run(cli: Cli, console: &Console) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Echo(args) => echo::run(args, console),
        Command::Version(args) => version::run(&args, console),
        Command::Completion(args) => completion::run(&args, console),
    }
}

/// The runtime of a command that serves or calls.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
