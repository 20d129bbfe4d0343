//! `edgeway completion`.

use crate::{args::Cli, output::Console};
use clap::CommandFactory;
use clap_complete::Shell;
use std::process::ExitCode;

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to complete for
    shell: Shell,
}

/// Prints the script; `source <(edgeway completion bash)` puts it to work.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let mut out = console.out.clone();
    clap_complete::generate(args.shell, &mut Cli::command(), "edgeway", &mut out);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::console;

    #[test]
    fn each_shell_learns_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (console, out, _) = console();
            run(&Args { shell }, &console).unwrap();
            assert!(out.text().contains("completion"), "{shell}");
        }
    }
}
