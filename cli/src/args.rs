//! What can be typed, and the only reader of the environment.

use crate::commands::{
    check, completion, cost, crds, diff, drift, echo, explain, gc, local_alb, plan, routes, status,
    up, version,
};
use clap::{Parser, Subcommand};

/// Exit code of a command line that is not understood; 1 and 2 are answers of `check` and `plan`.
pub const USAGE: u8 = 64;

/// An AWS ALB controller and an Istio-compatible ingress gateway, as one system.
#[derive(Debug, Parser)]
#[command(name = "edgeway", version, propagate_version = true)]
pub struct Cli {
    /// Print without colours; so does the environment variable `NO_COLOR`
    #[arg(long, global = true)]
    no_color: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: ALB, controller, gateway and a backend for every Service
    Up(up::Args),
    /// Show what would change in AWS, and why
    Plan(plan::Args),
    /// Show what stands in AWS beside what would, line by line
    Diff(diff::Args),
    /// Show what stands in AWS and is not as it is wished
    Drift(drift::Args),
    /// Show what nobody wishes any more
    Gc(gc::Args),
    /// Show what load balancers cost in a month
    Cost(cost::Args),
    /// Tell what happens to a request, hop by hop
    Explain(explain::Args),
    /// Find what is wrong with manifests
    Check(check::Args),
    /// Run a backend that tells what it was asked
    Echo(echo::Args),
    /// Run an ALB on this machine, with the AWS API that makes it
    LocalAlb(local_alb::Args),
    /// List what is served where, by which rule, and whether anybody is there to answer
    Routes(routes::Args),
    /// Tell what became of Ingresses and gateways in a cluster
    Status(status::Args),
    /// Print the definitions of Edgeway's own kinds, for `kubectl apply -f -`
    Crds(crds::Args),
    /// Tell which version this is
    Version(version::Args),
    /// Print a completion script for a shell
    Completion(completion::Args),
}

impl Cli {
    /// Whether colours are wanted, where there is a terminal.
    pub fn wants_colour(&self) -> bool {
        !self.no_color && !no_color_in_environment()
    }
}

/// <https://no-color.org>: set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is the place to read the environment")]
fn no_color_in_environment() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether somebody has told this process who it is to AWS.
#[expect(clippy::disallowed_methods, reason = "this is the place to read the environment")]
pub(crate) fn has_aws_in_environment() -> bool {
    const TELLS: [&str; 5] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    ];
    TELLS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            &["edgeway"][..],
            &["edgeway", "nothing"],
            &["edgeway", "echo", "--name", "a/b"],
            &["edgeway", "echo", "--listen", "here", "--name", "a/b"],
            &["edgeway", "echo", "--listen", "127.0.0.1:0", "--name", "a/b", "--label", "x"],
            &["edgeway", "version", "-o", "xml"],
        ] {
            assert!(Cli::try_parse_from(line).is_err(), "{line:?}");
        }
    }
}
