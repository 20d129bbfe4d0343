//! `edgeway gc`: what nobody wishes any more.

use super::account::{Account, Format};
use crate::output::Console;
use anyhow::ensure;
use edgeway_alb_core::{
    Plan, Step,
    plan::{Blocked, Effect},
};
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    account: Account,
    /// Only tell. The controller itself removes what nobody wishes, so this must be given
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct Shown<'p> {
    against: &'p str,
    steps: Vec<&'p Step>,
    blocked: &'p [Blocked],
}

/// Prints what the controller would delete, and what stands in the way of that.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    ensure!(args.dry_run, "the controller removes what nobody wishes; give --dry-run to see what");
    let look = args.account.look(console)?;
    let plan = &look.survey.plan;
    let goes = |step: &&Step| step.op.effect() == Effect::Delete;
    let steps: Vec<&Step> = plan.steps.iter().filter(goes).collect();
    match args.output {
        Format::Json => {
            console.out.json(&Shown { against: &look.against, steps, blocked: &plan.blocked })?;
        }
        Format::Text => {
            look.remark(console)?;
            let some = !steps.is_empty() || !plan.blocked.is_empty();
            let steps = steps.into_iter().cloned().collect();
            let shown = Plan { steps, blocked: plan.blocked.clone(), pending: Vec::new() };
            let text = if some { shown.to_string() } else { "nothing is left over".to_owned() };
            console.out.line(text.trim_end())?;
        }
    }
    Ok(if look.bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;

    #[test]
    fn it_deletes_nothing_by_itself() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/alb-basic");
        let run = |line: &[&str]| {
            let (console, out, _) = console();
            commands::run(Cli::try_parse_from(line).unwrap(), &console).map(|_| out.text())
        };
        let line = ["edgeway", "gc", "--offline", "-f", folder];
        assert!(run(&line).unwrap_err().to_string().contains("--dry-run"));
        let text = run(&[&line[..], &["--dry-run"]].concat()).unwrap();
        assert!(text.ends_with("nothing is left over\n"), "{text}");
    }
}
