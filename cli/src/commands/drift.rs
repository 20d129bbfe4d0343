//! `edgeway drift`: what stands and is not as it is wished.

use super::account::{Account, Format};
use crate::output::Console;
use edgeway_alb_core::{Plan, Step};
use serde::Serialize;
use std::process::ExitCode;

/// Exit code where something has drifted.
const DRIFTED: u8 = 2;

/// Arguments of `drift`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    account: Account,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct Shown<'p> {
    against: &'p str,
    steps: Vec<&'p Step>,
}

/// Prints what the controller would put right about what it has made before. Exits with 0 if nothing,
/// with 2 if something, with 1 if something is wrong.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let look = args.account.look(console)?;
    let survey = &look.survey;
    let stands = |step: &Step| {
        let stack = step.stack.as_ref();
        let known = stack.is_none_or(|id| survey.desired.stacks.contains_key(id));
        known
            && stack.map_or(survey.observed.shared.is_some(), |id| {
                survey.observed.stacks.contains_key(id)
            })
    };
    let steps: Vec<&Step> = survey.plan.steps.iter().filter(|step| stands(step)).collect();
    let drifted = !steps.is_empty();
    match args.output {
        Format::Json => console.out.json(&Shown { against: &look.against, steps })?,
        Format::Text => {
            look.remark(console)?;
            let plan = Plan { steps: steps.into_iter().cloned().collect(), ..Plan::default() };
            let text = if drifted { plan.to_string() } else { "all is as it is wished".to_owned() };
            console.out.line(text.trim_end())?;
        }
    }
    Ok(match (look.bad, drifted) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(DRIFTED),
        (false, false) => ExitCode::SUCCESS,
    })
}
