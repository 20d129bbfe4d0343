//! What is said about crashes.

use clap::Args;
use std::ffi::OsString;

/// Who starts the gateway again after a crash.
#[derive(Clone, Debug, Default, Args)]
pub struct CrashArgs {
    /// Run the gateway as a child whose listening sockets are kept: when it crashes, another is started
    /// at once, and connections that came meanwhile are served
    #[arg(long)]
    pub supervise: bool,

    /// The process that supervises this one
    #[arg(long, value_name = "PID", hide = true, conflicts_with = "supervise")]
    pub supervised: Option<i32>,
}

impl CrashArgs {
    /// The arguments of this process for the child that it supervises.
    pub fn of_child() -> Vec<OsString> {
        std::env::args_os().skip(1).filter(|it| it != "--supervise").collect()
    }
}
