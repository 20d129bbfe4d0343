//! The commands, one file each.

pub mod account;
pub mod check;
pub mod completion;
pub mod cost;
pub mod crds;
pub mod diff;
pub mod drift;
pub mod echo;
pub mod explain;
pub mod gc;
pub mod local_alb;
pub mod plan;
pub mod routes;
pub mod status;
pub mod up;
pub mod version;

use crate::{
    args::{Cli, Command},
    output::Console,
};
use std::process::ExitCode;

/// Runs what was asked for.
pub fn run(cli: Cli, console: &Console) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up(args) => up::run(&args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Diff(args) => diff::run(&args, console),
        Command::Drift(args) => drift::run(&args, console),
        Command::Gc(args) => gc::run(&args, console),
        Command::Cost(args) => cost::run(&args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Check(args) => check::run(&args, console),
        Command::Echo(args) => echo::run(args, console),
        Command::LocalAlb(args) => local_alb::run(args, console),
        Command::Routes(args) => routes::run(&args, console),
        Command::Status(args) => status::run(&args, console),
        Command::Crds(args) => crds::run(&args, console),
        Command::Version(args) => version::run(&args, console),
        Command::Completion(args) => completion::run(&args, console),
    }
}

/// The runtime of a command that serves or calls.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
