//! What is said about crashes.

use clap::Args;

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
